#include "engine/complete_with.h"

#include "base/scope.h"
#include "engine/complete.h"
#include "engine/step.h"
#include "engine/trouble.h"

namespace wf {
namespace {

Status complete_behind(Db& db, const Handle& handle, const Value& output, string_view step, const Now& now, State* result) {
  if (step.empty()) return complete(db, handle, output, now, result);
  Query recorded(db, Sql::step_read);
  Stands stands;
  WF_TRY(record_step(db, handle, step, output, {}, now, &stands, recorded));
  return complete(db, handle, stands == Stands::none ? output : recorded.value(0), now, result);
}

// `*gone`: a trigger has rolled the claim back with the whole transaction.
Status complete_and_claim(Db& db, const Handle& handle, const Value& output, const CompleteWith& with, const Now& now, State* result, Text& next, bool* gone) {
  WriteScope scope(db);
  WF_TRY(scope.begin(with.next != nullptr ? Inline::refused : Inline::allowed, "wf_complete"));
  WF_TRY(complete_behind(db, handle, output, with.step, now, result));
  if (with.next != nullptr) {
    int64_t count;
    if (Status claimed = claim(db, *with.next, now, next, &count); !claimed.ok()) {
      next.clear();
      *gone = db.autocommit();
      if (*gone || !may_be_an_items_own(claimed)) return claimed;
    }
  }
  return scope.commit();
}

}  // namespace

Status complete_with(Db& db, const Handle& handle, const Value& output, const CompleteWith& with, const Now& now, State* result, Text& claim) {
  const bool owns = db.autocommit();
  bool gone = false;
  const auto done_with = [&](const CompleteWith& what) {
    return past_rollbacks(db, "wf_complete", [&] {
      claim.clear();
      gone = false;
      return complete_and_claim(db, handle, output, what, now, result, claim, &gone);
    });
  };
  Status done = done_with(with);
  // (In a transaction of the caller's its end is the trigger's will.)
  return gone && owns ? done_with({with.step, nullptr}) : static_cast<Status&&>(done);
}

}  // namespace wf

#include "engine/trouble.h"

namespace wf {
namespace {

constexpr int64_t kNobody = -1;     // as Item::workflow: whose fault it was is not known
constexpr size_t kMostText = 500;  // bytes of an error that are kept

// The error as text, at most kMostText bytes of it, whole characters.
string_view text_of(const Status& failed) {
  const char* message = failed.message() != nullptr ? failed.message() : sqlite3_errstr(failed.rc());
  string_view text(message);
  if (text.size() <= kMostText) return text;
  size_t size = kMostText;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
  return part(text, 0, size);
}

Query& bind_item(Query& q, const Item& item) { return q.bind(":wf", item.workflow).bind(":schedule", item.schedule); }

Status note(Db& db, const Item& item, string_view error, Millis now, Millis longest) {
  Query q(db, Sql::trouble_note);
  bind_item(q, item).bind(":now", now).bind(":longest", longest).bind(":error", error).bind(":ends", static_cast<int64_t>(item.ends)).bind_name(":reason", item.reason);
  return q.run();
}

// (Of several, one within the other, the first.)
void remember(Db::TakenAlong& taken, const Item& item, const Status& failed, Millis now, Millis longest) {
  if (taken.any) return;
  taken.any = true;
  taken.twice = taken.workflow == item.workflow && taken.schedule.view() == item.schedule;
  taken.workflow = item.workflow;
  taken.schedule = item.schedule;
  taken.now = now, taken.longest = longest;
  taken.error.clear();
  taken.error.add(text_of(failed));
  taken.ends = static_cast<int64_t>(item.ends);
  taken.reason.clear();
  taken.reason.add(item.reason);
}

}  // namespace

bool may_be_an_items_own(const Status& failed) {
  const int rc = failed.rc() & 0xff;
  return rc == SQLITE_ERROR || rc == SQLITE_CONSTRAINT || rc == SQLITE_TOOBIG || rc == SQLITE_MISMATCH;
}

Status put_off(Db& db, const Item& item, Status failed, Millis now, Millis longest, bool has_transaction) {
  if (!may_be_an_items_own(failed)) return failed;
  if (has_transaction && db.autocommit()) {
    remember(db.taken_along(), item, failed, now, longest);
    return failed;
  }
  const Status noted = note(db, item, text_of(failed), now, longest);
  return noted.ok() ? Status() : static_cast<Status&&>(failed);
}

Status one_by_one(Db& db, Status failed) {
  remember(db.taken_along(), {kNobody, {}}, failed, 0, 0);
  return failed;
}

Status pass_over(Db& db, const Item& item, Status failed, Millis now) {
  if ((failed.rc() & 0xff) != SQLITE_TOOBIG || item.workflow == 0 || !db.too_long().is_possible()) {
    return put_off(db, item, static_cast<Status&&>(failed), now, kLongestPause);
  }
  db.too_long().add(item.workflow, now);
  return {};
}

Status note_taken_along(Db& db, const char* function, bool* again) {
  Db::TakenAlong& taken = db.taken_along();
  taken.any = false;
  *again = !taken.twice && db.autocommit();
  if (!*again || taken.workflow == kNobody) return {};
  if (!taken.error.ok() || !taken.reason.ok()) return Status::no_memory();
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::refused, function));
  WF_TRY(note(db, {taken.workflow, taken.schedule.view(), static_cast<Ends>(taken.ends), taken.reason.view()}, taken.error.view(), taken.now, taken.longest));
  return scope.commit();
}

Status forget_trouble(Db& db, const Item& item, bool* had) {
  Query q(db, Sql::trouble_forget);
  WF_TRY(bind_item(q, item).run());
  *had = q.changes() != 0;
  return {};
}

Status looks_past(Db& db, int64_t workflow, Millis now, bool* out, bool ended) {
  *out = false;
  if (!db.taken_along().again) return {};
  Query q(db, Sql::trouble_is_put_off);
  q.bind(":wf", workflow).bind(":now", now).bind(":ends", int64_t{ended});
  return q.next(out);
}

Status find_troubles(Db& db, Millis now, bool* any, bool* due) {
  Query first(db, Sql::trouble_first);
  first.bind(":now", now);
  WF_TRY(first.next(any));
  *due = *any && first.integer(0) != 0;
  return {};
}

Status sweep_troubles(Db& db, Millis now) {
  Query q(db, Sql::trouble_sweep);
  q.bind(":now", now);
  return q.run();
}

Status past_rollbacks(Db& db, const char* function, const Doing& call) {
  const bool owns = db.autocommit();
  Db::TakenAlong& taken = db.taken_along();
  taken.any = taken.twice = false;
  if (!owns) return call();  // it may be a step's, in a call that has begun anew
  taken.again = false;
  taken.workflow = INT64_MIN;
  for (bool again = true;;) {
    Status status = call();
    if (!status.ok() && taken.any && check_context(db, function).ok()) {
      WF_TRY(note_taken_along(db, function, &again));
      taken.again = again;
      if (again) continue;
    }
    taken.again = false;
    return status;
  }
}

Status in_savepoint(Db& db, const char* function, const Doing& act) {
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::refused, function, true));
  WF_TRY(act());
  return scope.commit();
}

Status attempt(Db& db, const char* function, const Item& item, Millis now, const Doing& act, const Millis& longest, bool* done) {
  Status status = in_savepoint(db, function, act);
  *done = status.ok();
  return *done ? Status() : put_off(db, item, static_cast<Status&&>(status), now, longest);
}

}  // namespace wf

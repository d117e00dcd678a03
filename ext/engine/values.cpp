#include "engine/values.h"

#include "base/scope.h"
#include "engine/lease.h"
#include "engine/may_act.h"

namespace wf {
namespace {

// The workflow that the handle may write for now.
Status writer(Db& db, const Handle& handle, Millis now, Workflow* w) {
  WF_TRY(load(db, handle, w));
  return may_act(db, handle, *w, now, Act::note);
}

}  // namespace

Status set_value(Db& db, const Handle& handle, string_view key, const Value& value, const Now& now) {
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::allowed, "wf_set"));
  Millis time;
  WF_TRY(call_time(db, now, &time));
  Workflow w;
  WF_TRY(writer(db, handle, time, &w));
  WF_TRY(keep_or_end_claim(db, handle, w, time));
  {
    Query q(db, Sql::value_set);
    q.bind(":seq", w.seq).bind(":key", key).bind(":now", time).bind(":value", value);
    WF_TRY(q.run());
  }
  return scope.commit();
}

Status get_value(Db& db, const Handle& handle, string_view key, Query& q, bool* found) {
  *found = false;
  bool exists;
  WF_TRY(db.schema_exists(&exists));
  if (!exists) return {};
  handle.is_token ? q.bind(":seq", handle.seq) : q.bind(":id", handle.id);
  q.bind(":key", key);
  return q.next(found);
}

}  // namespace wf

#include "engine/values.h"

#include "engine/lease.h"
#include "engine/may_act.h"
#include "engine/opening.h"

namespace wf {

Status set_value(Db& db, const Handle& handle, string_view key, const Value& value, const Now& now) {
  WriteScope scope(db);
  Millis time;
  Workflow w;
  WF_TRY(open_for(db, scope, "wf_set", handle, now, &time, &w));
  WF_TRY(may_act(db, handle, w, time, Act::note));
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

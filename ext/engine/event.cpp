#include "engine/event.h"

#include "base/scope.h"
#include "engine/above.h"

namespace wf {

Status decide_event(Db& db, const WaitRow& row, bool* satisfied, Text& output) {
  Query q(db, Sql::event_first);
  q.bind(":topics", row.topics).bind_time(":due", row.due);
  WF_TRY(q.next(satisfied));
  if (*satisfied) add_outcome("event", q.text(0), q.value(2), q.integer(1), output);
  return {};
}

Status emit_event(Db& db, string_view event, const Value& payload, const Now& now, bool* first, Text& buffer, Value* standing) {
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::allowed, "wf_emit"));
  Millis time;
  WF_TRY(call_time(db, now, &time));
  {
    Query q(db, Sql::event_get);
    q.bind(":name", event);
    bool exists;
    WF_TRY(q.next(&exists));
    *first = !exists;
    if (exists) {
      *standing = q.value(0);
      buffer.add(standing->bytes);
      standing->bytes = buffer.view();
      if (!buffer.ok()) return Status::no_memory();
    }
  }
  if (!*first) return scope.commit();
  Text topic;
  topic.add('e').add(event);
  if (!topic.ok()) return Status::no_memory();
  WF_TRY(db.above().kind->wake_steps(db, topic.view(), time));
  for (const Sql sql : {Sql::wait_wake_lanes, Sql::wait_wake_all}) {
    Query q(db, sql);
    q.bind(":topic", topic.view()).bind(":now", time).bind(":due", time).bind(":wake", static_cast<int64_t>(Wake::event));
    WF_TRY(q.run());
  }
  {
    Query q(db, Sql::event_add);
    q.bind(":name", event).bind(":now", time).bind(":payload", payload);
    WF_TRY(q.run());
  }
  return scope.commit();
}

}  // namespace wf

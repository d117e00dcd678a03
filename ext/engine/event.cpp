#include "engine/event.h"

#include "base/scope.h"
#include "engine/wake.h"

namespace wf {

Status look_for_event(Db& db, const Awaited& thing, Millis until, Came* came) {
  Query q(db, Sql::event_first);
  q.bind(":topics", thing.names).bind_time(":due", until);
  WF_TRY(q.next(&came->yes));
  if (came->yes) came->at = q.time(1);
  return {};
}

Status show_event(Db& db, const Awaited& thing, Text& out) {
  Query q(db, Sql::event_first);
  q.bind(":topics", thing.names);
  bool row;
  WF_TRY(q.next(&row));
  if (row) add_arrival("event", q.text(0), q.value(2), q.time(1), out);
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
  WF_TRY(wake_all(db, topic.view(), time));
  {
    Query q(db, Sql::event_add);
    q.bind(":name", event).bind(":now", time).bind(":payload", payload);
    WF_TRY(q.run());
  }
  return scope.commit();
}

}  // namespace wf

#include "engine/event.h"

#include "base/scope.h"
#include "engine/wake.h"

namespace wf {

namespace {

// The earliest of the events, by their names where they came together, if it came in time.
Status first_event(Db& db, string_view names, Millis until, bool* found, Text& name, Millis* at) {
  *found = false;
  for (json::Portions p(names, &db.stop());;) {
    bool more, row;
    WF_TRY(p.next(&more));
    if (!more) return name.ok() ? Status() : Status::no_memory();
    Query q(db, Sql::event_first);
    q.bind(":topics", p.text()).bind_time(":due", until);
    WF_TRY(q.next(&row));
    if (!row || (*found && (q.time(1) > *at || (q.time(1) == *at && name.view() < q.text(0))))) continue;
    *found = true;
    *at = q.time(1);
    name.clear();
    name.add(q.text(0));
  }
}

}  // namespace

Status look_for_event(Db& db, const Awaited& thing, Millis until, Came* came) {
  Text name;
  return first_event(db, thing.names, until, &came->yes, name, &came->at);
}

Status show_event(Db& db, const Awaited& thing, Text& out) {
  Text name;
  Millis at;
  bool found;
  WF_TRY(first_event(db, thing.names, kNoTime, &found, name, &at));
  if (!found) return {};
  Query q(db, Sql::event_get);
  q.bind(":name", name.view());
  WF_TRY(q.next(&found));
  if (found) add_arrival("event", name.view(), q.value(0), q.time(1), &db.stop(), out);
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

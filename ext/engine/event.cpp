#include "engine/event.h"

#include "base/scope.h"
#include "engine/trouble.h"
#include "engine/wake.h"

namespace wf {

// By their names where they came together.
Status look_for_event(Db& db, const Awaited& thing, Millis until, Came* came) {
  Text name;
  for (json::Portions p(thing.names, &db.stop());;) {
    bool more, row;
    WF_TRY(p.next(&more));
    if (!more) return name.ok() ? Status() : Status::no_memory();
    Query q(db, Sql::event_first);
    q.bind(":topics", p.text()).bind_time(":due", until);
    WF_TRY(q.next(&row));
    if (!row || (came->yes && (q.time(1) > came->at || (q.time(1) == came->at && name.view() < q.text(0))))) continue;
    *came = {true, q.time(1), q.integer(2)};
    name.clear();
    name.add(q.text(0));
  }
}

Status show_event(Db& db, int64_t n, Text& out) { return show_arrival(db, "event", Sql::event_show, n, out); }

namespace {

Status emit_once(Db& db, string_view event, const Value& payload, const Now& now, bool* first, Text& buffer, Value* standing) {
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
      buffer.clear();
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

}  // namespace

Status emit_event(Db& db, string_view event, const Value& payload, const Now& now, bool* first, Text& buffer, Value* standing) {
  return past_rollbacks(db, "wf_emit", [&] { return emit_once(db, event, payload, now, first, buffer, standing); });
}

}  // namespace wf

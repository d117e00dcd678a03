#include "engine/children.h"

#include "base/json.h"
#include "base/scope.h"
#include "engine/lease.h"
#include "engine/may_act.h"
#include "engine/step.h"

namespace wf {

Status spawn(Db& db, const Handle& handle, string_view step, const Start& args, const Now& now, Name* id) {
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::allowed, "wf_spawn"));
  Millis time;
  WF_TRY(call_time(db, now, &time));
  Workflow w;
  WF_TRY(load(db, handle, &w));
  bool found;
  {
    Query q(db, Sql::wait_step);
    q.bind(":seq", w.seq).bind(":step", step);
    WF_TRY(q.next(&found));
    if (found && q.text(0) == "spawn") {
      Text name;
      json::unquote(json::check(q.text(2)), name);
      if (!name.ok()) return Status::no_memory();
      *id = name.view();
      return scope.commit();
    }
    WF_TRY(may_act(db, handle, w, time, Act::write));
    if (found) return wrong_kind(w, step, q.text(0), "spawn");
  }
  if (!handle.is_token) WF_TRY(end_lost_claim(db, w, time));

  Text name;
  if (args.id.empty()) {
    name.add(w.id.view()).add('/').add(step);
    if (w.redo != 0) name.add('~').add_integer(w.redo);
  } else {
    name.add(args.id);
  }
  if (!name.ok()) return Status::no_memory();
  WF_TRY(check_id("the child's id", name.view()));
  Start child = args;
  child.id = name.view();
  child.parent = w.seq;
  WF_TRY(start(db, child, {true, time}, id));
  // Last: a child without its step is found again by its id.
  Text output;
  json::quote(id->view(), output);
  if (!output.ok()) return Status::no_memory();
  {
    Query q(db, Sql::spawn_record);
    q.bind(":seq", w.seq).bind(":step", step).bind(":now", time).bind(":output", output.view());
    WF_TRY(q.run());
  }
  if (handle.is_token) WF_TRY(renew_lease(db, handle, time));
  return scope.commit();
}

Status list_children(Db& db, Sql query, int64_t seq, Numbers* out) {
  Query q(db, query);
  q.bind(":seq", seq);
  for (;;) {
    bool row;
    WF_TRY(q.next(&row));
    if (!row) return out->ok() ? Status() : Status::no_memory();
    out->add(q.integer(0));
  }
}

}  // namespace wf

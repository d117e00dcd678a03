#include "engine/children.h"

#include "base/json.h"
#include "engine/cleanup.h"
#include "engine/lease.h"
#include "engine/may_act.h"
#include "engine/opening.h"
#include "engine/redo.h"
#include "engine/step_names.h"

namespace wf {

Status spawn(Db& db, const Handle& handle, string_view step, const Start& args, const Fingerprint& print, const Now& now, Name* id, Started* outcome) {
  WriteScope scope(db);
  Millis time;
  Workflow w;
  WF_TRY(open_for(db, scope, "wf_spawn", handle, now, &time, &w));
  bool found;
  {
    Query q(db, Sql::wait_step);
    q.bind(":seq", w.seq).bind(":step", step);
    WF_TRY(q.next(&found));
    if (found && q.text(1) == "spawn") {
      WF_TRY(check_fingerprint(print, step, q, 7));
      Text name;
      json::unquote(json::check(q.text(6), &db.stop()), name);
      if (!name.ok()) return Status::no_memory();
      *id = name.view();
      *outcome = Started::existing;
      if (args.parent_cleanup) WF_TRY(repeat_in_two_phases(db, handle, w, time));
      return scope.commit();
    }
    WF_TRY(may_act(db, handle, w, time, Act::write));
    if (found) return wrong_kind(w, step, q.text(1), "spawn");
  }
  if (!handle.is_token) WF_TRY(end_lost_claim(db, w, time));
  if (args.parent_cleanup) WF_TRY(end_in_two_phases(db, handle, w, time));

  Start child = args;
  WF_TRY(step_redo(db, w, step, &child.parent_redo));
  Text name;
  if (args.id.empty()) add_child_id(w.id.view(), step, child.parent_redo, name);
  else name.add(args.id);
  if (!name.ok()) return Status::no_memory();
  WF_TRY(check_id("the child's id", name.view()));
  child.id = name.view();
  child.parent = w.seq;
  child.parent_step = step;
  WF_TRY(start(db, child, {true, time}, id, outcome));
  // Last: a child without its step is found again by its id.
  Text output;
  json::quote(id->view(), output);
  if (!output.ok()) return Status::no_memory();
  WF_TRY(name_first_steps(db, w.seq));
  {
    Query q(db, Sql::spawn_record);
    q.bind(":seq", w.seq).bind(":step", step).bind(":now", time).bind(":output", output.view());
    q.bind(":id", id->view()).bind(":redo", child.parent_redo);
    print.bind(q);
    WF_TRY(q.run());
  }
  if (handle.is_token) WF_TRY(renew_lease(db, handle, time));
  return scope.commit();
}

void add_child_id(string_view parent, string_view step, int64_t redo, Text& out) {
  out.add(parent).add('/');
  for (const char c : step) {
    if (c == '/' || c == '~' || c == '%') out.add(c == '/' ? "%2F" : c == '~' ? "%7E" : "%25");
    else out.add(c);
  }
  if (redo != 0) out.add('~').add_integer(redo);
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

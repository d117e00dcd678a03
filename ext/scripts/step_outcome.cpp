#include "scripts/step_outcome.h"

#include "base/json.h"
#include "engine/end.h"
#include "engine/lane.h"
#include "engine/line.h"
#include "engine/queue.h"
#include "scripts/step_order.h"

namespace wf {
namespace {

Status load_workflow(Attempt& a, Workflow* out) {
  bool found;
  return find_seq(a.db, a.seq, &found, out);
}

Status record(Attempt& a, const StepEnd& end) {
  bool inserted;
  WF_TRY(a.rows.record(a.row, a.kind(), end, a.nested, &inserted));
  // Rows of one workflow are put in line in the order in which they are executed, but where several are there at once.
  const bool one_by_one = a.definition().is_line() && !a.retried && !a.step().has(Role::for_each);
  const bool in_order = a.row.undo || (one_by_one && a.row.attempts == 0 && !a.row.begun);
  return inserted || in_order ? Status() : a.rows.renumber(a.row, a.kind());
}

// Ends the for_each `step` if none of its items is open.
Status end_for_each(Attempt& a, size_t step, int64_t* added) {
  const string_view name = a.definition().step(step).name;
  bool open;
  Text results;
  WF_TRY(a.rows.items(name, &open, results));
  if (open) return {};
  WF_TRY(a.rows.number(name, &a.row.n));
  if (a.row.n == 0) return {};
  a.row.item = -1;
  a.row.step = step;
  a.row.name = name;
  WF_TRY(record(a, {"done", results.view(), {}}));
  return put_next_in_line(a, step, added);
}

Status complete_workflow(Attempt& a) {
  a.ended = true;
  Workflow w;
  WF_TRY(load_workflow(a, &w));
  Text output;
  if (!a.ending && a.definition().has_output()) WF_TRY(a.facts.output("output", output));
  State became;
  return finish(a.db, w, {State::completed, output.size() != 0 ? Value::text(output.view()) : Value{}, {}}, {}, a.now, &became);
}

// What follows once a row is over, or once the items of a for_each are in line.
Status go_on(Attempt& a, bool items, int64_t* next) {
  bool changed;
  WF_TRY(a.has_changed(&changed));
  if (changed) return {};
  int64_t added = 0;
  if (a.row.undo) {
    bool more;
    WF_TRY(a.rows.next_planned(&more));
    added = more;
  } else if (items || a.row.item >= 0) {
    WF_TRY(end_for_each(a, a.row.step, &added));
  } else if (a.definition().is_line() && !a.retried && !a.ending) {  // nothing else of it is open
    if (a.row.step + 1 == a.definition().size()) return complete_workflow(a);
    *next = static_cast<int64_t>(a.row.step) + 1;
    return {};
  } else {
    WF_TRY(put_next_in_line(a, a.row.step, &added));
  }
  return added != 0 ? Status() : settle(a, nullptr);
}

// What an error says in words: its message, if it has one.
void add_cause(string_view text, Stop* stop, Text& out) {
  const json::Checked error = json::check(text, stop);
  if (error.is(json::Kind::string)) return json::unquote_shown(error, out);
  for (json::Members m(error); m.next();) {
    if (m.key_is("message") && m.value().is(json::Kind::string)) return json::unquote_shown(m.value(), out);
  }
  out.add(text);
}

// The workflow fails with its step.
Status fail_workflow(Attempt& a, const Workflow& w) {
  Text error, message;
  message.add("step '").add(a.row.name.view()).add("' failed: ");
  add_cause(a.error.view(), &a.db.stop(), message);
  error.add("{\"code\":\"step\",\"message\":");
  json::quote(message.view(), error, &a.db.stop());
  error.add(",\"step\":");
  json::quote(a.row.name.view(), error);
  error.add(",\"error\":").add(a.error.view()).add('}');
  if (!error.ok()) return Status::no_memory();
  a.ended = true;
  State became;
  return finish(a.db, w, {State::failed, {}, Value::text(error.view())}, {}, a.now, &became);
}

}  // namespace

Status follow(Attempt& a, Upshot upshot, int64_t* next) {
  *next = -1;
  if (upshot == Upshot::stopped) return {};
  if (!a.result.ok()) return Status::no_memory();
  switch (upshot) {
    case Upshot::stopped: break;
    case Upshot::done:
      if (a.row.begun && a.step().action != Action::sleep) WF_TRY(a.rows.forget(a.row));
      if (!a.row.undo && a.row.item < 0 && a.step().has(Role::loop)) {
        bool changed;
        WF_TRY(a.has_changed(&changed));
        return changed ? Status() : a.rows.iterate(a.row, a.result.view());
      }
      [[fallthrough]];
    case Upshot::loop_over:
      WF_TRY(record(a, {"done", a.result.view(), {}}));
      break;
    case Upshot::skipped:
      WF_TRY(record(a, {"skipped", {}, {}}));
      break;
    case Upshot::waits: {
      bool changed;
      WF_TRY(a.has_changed(&changed));
      return changed ? Status() : settle(a, nullptr);
    }
    case Upshot::items: break;
  }
  return go_on(a, upshot == Upshot::items, next);
}

Status follow_failure(Attempt& a) {
  const ScriptStep& s = a.step();
  const Script& script = a.row.undo ? s.undo : s;
  Workflow w;
  WF_TRY(load_workflow(a, &w));
  Policy policy;
  WF_TRY(policy_of(a.db, w, &policy));
  if (script.max_attempts != 0 && !a.is_child()) policy.max_attempts = script.max_attempts;
  if (script.has_backoff && !a.is_child()) policy.backoff = script.backoff;
  {
    Query q(a.db, Sql::failure_add);
    q.bind(":seq", a.seq).bind(":attempt", w.attempt).bind(":step", a.row.name.view()).bind(":error", a.error.view()).bind(":now", a.now);
    WF_TRY(q.run());
  }
  if (!a.row.undo && s.action == Action::acquire) WF_TRY(leave_line(a.db, a.seq, a.row.name.view(), a.now));
  const int64_t failures = a.row.attempts + 1;
  const Millis due = later(a.now, policy.backoff.after(failures, w.id.view()));
  const bool too_late = w.deadline_at != kNoTime && due >= w.deadline_at;  // as wf_fail
  if (!a.for_good && failures < policy.max_attempts && !too_late) return a.rows.retry(a.row, due, a.error.view());
  WF_TRY(a.rows.forget(a.row));
  if (a.row.undo || !s.keep_on) {
    WF_TRY(record(a, {"failed", {}, a.error.view()}));
    if (!a.row.undo) return fail_workflow(a, w);
    bool more;
    return a.rows.next_planned(&more);
  }
  Text output;
  output.add("{\"error\":").add(a.error.view()).add('}');
  if (!output.ok()) return Status::no_memory();
  WF_TRY(record(a, {"failed", output.view(), a.error.view(), true}));
  int64_t added = 0;
  return a.row.item >= 0 ? end_for_each(a, a.row.step, &added) : put_next_in_line(a, a.row.step, &added);
}

Status settle(Attempt& a, bool* more) {
  Millis due;
  bool waits;
  WF_TRY(a.rows.next_due(&due, &waits));
  if (due != kNoTime && due <= a.now) return {};
  if (due != kNoTime || waits) return suspend(a, waits ? State::waiting : State::pending, due);
  int64_t added = 0;
  if (a.ending) {
    bool undoing;
    WF_TRY(a.rows.is_undoing(&undoing));
    if (!undoing) WF_TRY(plan_undo(a, &added));
  } else {
    WF_TRY(put_all_in_line(a, &added));
  }
  if (added == 0) return complete_workflow(a);
  if (more != nullptr) *more = true;
  return {};
}

Status suspend(Attempt& a, State state, Millis due) {
  Workflow w;
  WF_TRY(load_workflow(a, &w));
  if (due != kNoTime) WF_TRY(lane_expect(a.db, w.lane, due, a.now));
  {
    Query q(a.db, Sql::run_suspend);
    q.bind(":seq", a.seq).bind(":status", state_name(state)).bind_time(":due", due).bind(":now", a.now);
    q.bind(":place", static_cast<int64_t>(due == kNoTime ? Place::not_offered : w.line(a.again)));
    WF_TRY(q.run());
  }
  return lane_moved(a.db, w, a.now);
}

Status stand_behind(Attempt& a) {
  if (a.ended) return {};
  {
    Query q(a.db, Sql::run_behind);
    q.bind(":seq", a.seq).bind(":now", a.now);
    WF_TRY(q.run());
    if (q.changes() == 0) return {};
  }
  Workflow w;
  WF_TRY(load_workflow(a, &w));
  return lane_moved(a.db, w, a.now);
}

Status begin_attempt(Attempt& a) {
  QueueSettings settings;
  WF_TRY(read_queue(a.db, a.queue.view(), &settings));
  {
    Query q(a.db, Sql::run_take);
    q.bind(":seq", a.seq).bind(":now", a.now).bind(":until_end", int64_t{settings.has_limits() && settings.until_end});
    WF_TRY(q.run());
  }
  a.again = false;
  return count_rate(a.db, a.queue.view(), settings, a.now);
}

}  // namespace wf

#include "engine/wait.h"

#include "base/scope.h"
#include "engine/above.h"
#include "engine/event.h"
#include "engine/join.h"
#include "engine/lane.h"
#include "engine/lease.h"
#include "engine/may_act.h"
#include "engine/signal.h"
#include "engine/sleep.h"

namespace wf {
namespace {

// Whether the wait is satisfied, or its time is up; then `output` is its outcome.
Status decide(Db& db, int64_t seq, const WaitRow& row, Millis now, bool* satisfied, Text& output) {
  *satisfied = false;
  const bool time_is_up = row.due != kNoTime && row.due <= now;
  switch (row.kind) {
    case WaitKind::sleep:
      decide_sleep(row, time_is_up, output);
      break;
    case WaitKind::signal:
      WF_TRY(decide_signal(db, seq, row, satisfied, output));
      if (!*satisfied && time_is_up) output.add("{\"signal\":null,\"timeout\":true}");
      break;
    case WaitKind::event:
      WF_TRY(decide_event(db, row, satisfied, output));
      if (!*satisfied && time_is_up) output.add("{\"event\":null,\"timeout\":true}");
      break;
    case WaitKind::join:
      WF_TRY(decide_join(db, seq, row, satisfied, output));
      if (!*satisfied && time_is_up) WF_TRY(show_join(db, row, -1, output));
      break;
  }
  *satisfied = *satisfied || time_is_up;
  return output.ok() ? Status() : Status::no_memory();
}

Status run_for(Db& db, Sql sql, int64_t seq) {
  Query q(db, sql);
  q.bind(":seq", seq);
  return q.run();
}

Status register_waiters(Db& db, int64_t seq, const WaitRow& row) {
  if (row.kind != WaitKind::event && row.kind != WaitKind::join) return {};
  Query q(db, row.kind == WaitKind::event ? Sql::event_wait : Sql::join_wait);
  q.bind(":seq", seq).bind(":topics", row.topics);
  return q.run();
}

// A wait that is not there yet: satisfied at once, or opened.
Status open(Db& db, const Handle& handle, Workflow& w, const Wait& args, Millis now, bool* ready, Text& output, Millis* due) {
  Text topics;
  if (args.kind == WaitKind::join) {
    WF_TRY(join_topics(db, w, args.topics, topics));
    if (args.any) WF_TRY(check_any(topics.view()));
  } else {
    topics.add(args.topics);
  }
  WaitRow row{args.step, args.kind, 0, topics.view(), kNoTime, args.any, args.outputs};
  if (args.until != kNoTime) row.due = args.until;
  else if (args.timeout != kNoTime) row.due = later(now, args.timeout);
  *due = row.due;
  {
    Query q(db, Sql::wait_next_n);
    bool found;
    WF_TRY(q.next(&found));
    row.n = q.integer(0);
  }
  if (!handle.is_token) WF_TRY(end_lost_claim(db, w, now));
  WF_TRY(decide(db, w.seq, row, now, ready, output));
  if (*ready) {
    WF_TRY(write_row(db, Sql::wait_done, w.seq, row, now, output.view()));
    return handle.is_token ? renew_lease(db, handle, now) : Status();
  }
  WF_TRY(register_waiters(db, w.seq, row));
  WF_TRY(write_row(db, Sql::wait_open, w.seq, row, now, {}));
  return suspend(db, handle, w, row.due, now);
}

// Decides the open wait of a row read by Sql::wait_step or Sql::workflow_open_wait, and records its outcome.
Status decide_open(Db& db, const Workflow& w, const WaitRow& row, Millis now, bool* satisfied, Text& output) {
  WF_TRY(decide(db, w.seq, row, now, satisfied, output));
  // One that had ended may have been retried since.
  if (!*satisfied) return row.kind == WaitKind::join ? register_waiters(db, w.seq, row) : Status();
  WF_TRY(write_row(db, Sql::wait_done, w.seq, row, now, output.view()));
  return row.kind == WaitKind::event || row.kind == WaitKind::join ? run_for(db, Sql::wait_forget_workflow, w.seq) : Status();
}

}  // namespace

Status leave_wait(Db& db, const Workflow& w, Millis now) {
  WF_TRY(lane_expect(db, w.lane, now, now));
  {
    Query q(db, Sql::wait_over);
    q.bind(":seq", w.seq).bind(":now", now).bind(":place", static_cast<int64_t>(w.line(w.again != 0)));
    WF_TRY(q.run());
  }
  return lane_moved(db, w, now);
}

Status suspend(Db& db, const Handle& handle, const Workflow& w, Millis due, Millis now) {
  const bool again = !handle.is_token && w.again != 0;
  if (due != kNoTime) WF_TRY(lane_expect(db, w.lane, due, now));
  {
    Query q(db, Sql::wait_suspend);
    q.bind(":seq", w.seq).bind_time(":due", due).bind(":now", now).bind(":again", int64_t{again});
    q.bind(":place", static_cast<int64_t>(due == kNoTime ? Place::not_offered : w.line(again)));
    q.bind(":closed_nonce", handle.is_token ? handle.nonce : 0);
    WF_TRY(q.run());
  }
  return lane_moved(db, w, now);
}

Status wait(Db& db, const Handle& handle, const Wait& args, const Now& now, bool* ready, Text& output, Millis* due) {
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::allowed, "a waiting function"));
  Millis time;
  WF_TRY(call_time(db, now, &time));
  Workflow w;
  WF_TRY(load(db, handle, &w));
  *ready = false;
  const string_view kind = wait_kind_name(args.kind);
  bool found;
  {
    Query q(db, Sql::wait_step);
    q.bind(":seq", w.seq).bind(":step", args.step);
    WF_TRY(q.next(&found));
    if (found && q.text(0) == kind && q.text(1) == "done") {
      *ready = true;
      output.add(q.text(2));
      *due = q.time(5);
      return output.ok() ? scope.commit() : Status::no_memory();
    }
    const bool is_open = found && q.text(0) == kind && q.text(1) == "waiting" && w.under_pause == State::waiting;
    if (is_open && (!handle.is_token || closed_by(handle, w))) {
      // Its own open wait. The token is over, the bare id goes on where it is satisfied.
      if (w.state == State::paused) return paused_error(w);
    } else {
      if (!found && args.kind == WaitKind::join) WF_TRY(check_join(db, w, args.topics));
      WF_TRY(may_act(db, handle, w, time, Act::write));
      if (found) return wrong_kind(w, args.step, q.text(0), kind);
    }
    if (found && !handle.is_token) {
      WaitRow row{args.step, args.kind, q.integer(3), q.text(4), q.time(5), false, true};
      read_how(q.text(6), &row);
      *due = row.due;
      WF_TRY(decide_open(db, w, row, time, ready, output));
    }
  }
  if (!found) WF_TRY(open(db, handle, w, args, time, ready, output, due));
  else if (*ready) WF_TRY(leave_wait(db, w, time));
  return scope.commit();
}

Status decide_wait(Db& db, const Workflow& w, Millis now, bool* satisfied) {
  *satisfied = true;  // without an open wait nothing holds it
  Millis due;
  {
    Query q(db, Sql::workflow_open_wait);
    q.bind(":seq", w.seq);
    bool found;
    WF_TRY(q.next(&found));
    if (!found) return {};
    WaitRow row{q.text(1), WaitKind::sleep, q.integer(3), q.text(2), q.time(4), false, true};
    due = row.due;
    if (kind_of(q.text(0), &row.kind)) {
      read_how(q.text(5), &row);
      Text output;
      WF_TRY(decide_open(db, w, row, now, satisfied, output));
    } else if (q.text(0) == "step") {
      *satisfied = false;  // held in doubt, until wf_resolve: no time ends that
      due = kNoTime;
    } else {
      return Status::error(Code::state, "step '%.*s' of workflow '%.*s' waits, but of no known kind: its row is damaged", WF_SV(row.step), WF_SV(w.id.view()));
    }
  }
  if (*satisfied) return {};
  {
    Query q(db, Sql::wait_go_on);
    q.bind(":seq", w.seq).bind_time(":due", due);
    q.bind(":place", static_cast<int64_t>(due == kNoTime ? Place::not_offered : w.line(w.again != 0)));
    WF_TRY(q.run());
  }
  return lane_moved(db, w, now);
}

Status decide_step(Db& db, int64_t seq, int64_t n, WaitKind kind, string_view topics, Millis due, Millis now, bool* satisfied, Text& output) {
  return decide(db, seq, {{}, kind, n, topics, due, false, true}, now, satisfied, output);
}

Status drop_wait(Db& db, const Workflow& w) {
  if (w.flags & kOtherKind) {
    WF_TRY(run_for(db, Sql::wait_forget_workflow, w.seq));
    return db.above().kind->stop(db, w);
  }
  if (w.under_pause != State::waiting) return {};
  for (const Sql sql : {Sql::wait_forget_workflow, Sql::wait_close, Sql::wait_unhold}) WF_TRY(run_for(db, sql, w.seq));
  return {};
}

}  // namespace wf

#include "engine/wait.h"

#include "engine/above.h"
#include "engine/cleanup.h"
#include "engine/decide.h"
#include "engine/join.h"
#include "engine/lane.h"
#include "engine/lease.h"
#include "engine/line.h"
#include "engine/may_act.h"
#include "engine/opening.h"
#include "engine/step_names.h"

namespace wf {
namespace {

// Reads the row of an open wait from the columns n, kind, topics, due_at, how of a query that stays where it is.
Status read_columns(Db& db, const Query& q, string_view step, WaitRow* row, bool* sound) {
  row->step = step;
  row->n = q.integer(0);
  row->kind = q.text(1);
  row->topics = q.text(2);
  row->due = q.time(3);
  row->how = q.text(4);
  return row->read(&db.stop(), sound);
}

// The same; WF_STATE for one that is damaged.
Status read_open(Db& db, const Workflow& w, const Query& q, string_view step, WaitRow* row) {
  bool sound;
  WF_TRY(read_columns(db, q, step, row, &sound));
  if (sound) return {};
  return Status::error(Code::state, "step '%.*s' of workflow '%.*s' waits, but of no known kind: its row is damaged", WF_SV(step), WF_SV(w.id.view()));
}

// The wait of `row` goes on: who is joined may have ended and been retried since, and a sleep may be over, though not all of its things have come.
Status stay_open(Db& db, const Workflow& w, WaitRow& row, Millis now) {
  WF_TRY(list_waiter(db, w.seq, row, now));
  const Millis next = row.several ? row.next_time(now) : row.due;
  if (next == row.due) return {};
  row.due = next;
  Query q(db, Sql::wait_due);
  q.bind(":n", row.n).bind_time(":due", next);
  return q.run();
}

enum class ClaimOf : bool { waits, is_over };

// The open waits of a workflow but that of the row `n`: whether there is one, whether one is satisfied, and when the first of them is due. Takes
// nothing. A share that is there and was not asked for is left for a while; and one that did not keep its claim is nothing to a claim that is over.
Status look_at_open(Db& db, const Workflow& w, int64_t n, ClaimOf claim, Millis now, bool* open, bool* satisfied, Millis* due) {
  *open = *satisfied = false;
  *due = kNoTime;
  for (int64_t after = INT64_MIN; !*satisfied;) {
    Query q(db, Sql::workflow_open_wait);
    q.bind(":seq", w.seq).bind(":after", after);
    bool found;
    WF_TRY(q.next(&found));
    if (!found) return {};
    after = q.integer(0);
    if (after == n) continue;
    WaitRow row;
    const bool held = q.text(1) == "step";
    if (!held) WF_TRY(read_open(db, w, q, q.text(5), &row));
    const bool share = !held && row.is_share();
    if (share && claim == ClaimOf::is_over && !row.things[0].keep) continue;
    *open = true;
    if (held) continue;
    WF_TRY(is_satisfied(db, w.seq, row, now, satisfied));
    if (share && claim == ClaimOf::waits && (row.due == kNoTime || row.due > now)) *satisfied = false;
    if (!*satisfied) WF_TRY(stay_open(db, w, row, now));
    const Millis next = row.next_look();
    if (next != kNoTime && (*due == kNoTime || next < *due)) *due = next;
  }
  return {};
}

bool is_listed(const WaitRow& row) {
  for (size_t i = 0; i < row.things.size(); ++i) {
    if (row.things[i].kind == WaitKind::event || row.things[i].kind == WaitKind::join) return true;
  }
  return false;
}

// Whether the workflow may wait for these things.
Status check_things(Db& db, const Workflow& w, const Wait& args) {
  for (size_t i = 0; i < args.things.size(); ++i) {
    if (args.things[i].kind == WaitKind::join) WF_TRY(check_join(db, w, args.things[i].names));
    if (args.things[i].kind == WaitKind::share) WF_TRY(check_share(db, args.things[i]));
  }
  return {};
}

Status write_suspended(Db& db, const Handle& handle, const Workflow& w, Millis due, string_view call, Millis now) {
  const bool again = !handle.is_token && w.again != 0;
  if (due != kNoTime) WF_TRY(lane_expect(db, w.lane, due, now));
  {
    Text closed;
    closed.add(call).add(":waiting");
    Query q(db, Sql::wait_suspend);
    q.bind(":seq", w.seq).bind_time(":due", due).bind(":now", now).bind(":again", int64_t{again}).bind(":closed", closed.view());
    q.bind(":place", static_cast<int64_t>(due == kNoTime ? Place::not_offered : w.line(again)));
    q.bind(":closed_nonce", handle.is_token ? handle.nonce : 0);
    if (!closed.ok()) return Status::no_memory();
    WF_TRY(q.run());
  }
  return lane_moved(db, w, now);
}

// Suspends the workflow in the wait of the row `n`, which is due at `due`, or, where that comes first, until another that is open is satisfied.
Status suspend_beside(Db& db, const Handle& handle, const Workflow& w, int64_t n, Millis due, Millis now) {
  if (w.flags & kKept) {
    Millis other;
    bool open, satisfied;
    WF_TRY(look_at_open(db, w, n, ClaimOf::waits, now, &open, &satisfied, &other));
    if (satisfied) other = now;
    if (other != kNoTime && (due == kNoTime || other < due)) due = other;
  }
  return write_suspended(db, handle, w, due, "suspend", now);
}

// A wait that is not there yet: satisfied at once, or opened.
Status open(Db& db, const Handle& handle, Workflow& w, const Wait& args, Millis now, bool* ready, Text& output, Millis* due) {
  Text topics, how, children;
  List<Awaited> things;
  for (size_t i = 0; i < args.things.size(); ++i) {
    Awaited thing = args.things[i];
    if (thing.kind == WaitKind::join) {
      if (thing.names.empty() && children.size() == 0) WF_TRY(spawned_so_far(db, w, children));
      if (thing.names.empty()) thing.names = children.view();
      if (thing.any) WF_TRY(check_any(thing.names, &db.stop()));
    }
    things.add(thing);
  }
  if (!things.ok()) return Status::no_memory();
  WaitRow row;
  WF_TRY(make_row(args.step, args.kind, things, args.all, args.timeout, now, topics, how, &row));
  row.print = args.print;
  *due = row.due;
  WF_TRY(name_first_steps(db, w.seq));
  {
    Query q(db, Sql::wait_next_n);
    q.bind(":seq", w.seq);
    bool found;
    WF_TRY(q.next(&found));
    row.n = q.integer(0);
  }
  if (!handle.is_token) WF_TRY(end_lost_claim(db, w, now));
  if (args.cleanup) WF_TRY(end_in_two_phases(db, handle, w, now));
  WF_TRY(decide(db, w.seq, row, now, ready, output));
  if (*ready) {
    WF_TRY(write_row(db, Sql::wait_done, w.seq, row, now, output.view()));
    return handle.is_token ? renew_lease(db, handle, now) : Status();
  }
  WF_TRY(list_waiter(db, w.seq, row, now));
  // (The wait for a share may be open beside a claim, too: the share is given when it is asked for.)
  if ((args.keep || row.is_share()) && !(w.flags & kKept)) WF_TRY(run_for(db, Sql::wait_keep, w.seq));
  WF_TRY(write_row(db, Sql::wait_open, w.seq, row, now, {}));
  // (Behind the row, by which a row of lost leases ends.)
  return args.keep ? renew_lease(db, handle, now) : suspend_beside(db, handle, w, row.n, row.next_look(), now);
}

// Decides an open wait, and records its outcome.
Status decide_open(Db& db, const Workflow& w, WaitRow& row, Millis now, bool* satisfied, Text& output, Wake* by = nullptr) {
  WF_TRY(decide(db, w.seq, row, now, satisfied, output, by));
  if (!*satisfied) return stay_open(db, w, row, now);
  WF_TRY(write_row(db, Sql::wait_done, w.seq, row, now, output.view()));
  if (!is_listed(row)) return {};
  return run_all(db, Sql::wait_forget, [&](Query& q) { q.bind(":seq", w.seq).bind(":step", row.step); });
}

}  // namespace

Status waits_in_vain(Db& db, int64_t seq, int64_t flags, Millis now, bool* out) {
  *out = false;
  for (int64_t after = INT64_MIN;;) {
    Query q(db, Sql::workflow_open_wait);
    q.bind(":seq", seq).bind(":after", after);
    bool found, sound, satisfied = false;
    WF_TRY(q.next(&found));
    if (!found) return {};
    after = q.integer(0);
    const string_view kind = q.text(1);
    if (!(flags & kKept) && kind != kWaitAny && kind != wait_kind_name(WaitKind::join)) return {};
    WaitRow row;
    if (kind != "step") {
      WF_TRY(read_columns(db, q, q.text(5), &row, &sound));
      if (sound) {
        Status looked = is_satisfied(db, seq, row, now, &satisfied);
        if (looked.is(Code::state)) return {};  // a row that is damaged: a claim meets it, and says what is wrong
        WF_TRY(static_cast<Status&&>(looked));
      }
    }
    *out = !satisfied;
    if (satisfied || !(flags & kKept)) return {};
  }
}

Status leave_wait(Db& db, const Workflow& w, Millis now) {
  WF_TRY(lane_expect(db, w.lane, now, now));
  {
    Query q(db, Sql::wait_over);
    q.bind(":seq", w.seq).bind(":now", now).bind(":place", static_cast<int64_t>(w.line(w.again != 0)));
    WF_TRY(q.run());
  }
  return lane_moved(db, w, now);
}

Status suspend(Db& db, const Handle& handle, const Workflow& w, Millis due, Millis now) { return suspend_beside(db, handle, w, -1, due, now); }

Status suspend_kept(Db& db, const Workflow& w, Millis now, bool* suspended) {
  Millis due;
  bool satisfied;
  *suspended = false;
  if (!(w.flags & kKept)) return {};
  WF_TRY(look_at_open(db, w, -1, ClaimOf::is_over, now, suspended, &satisfied, &due));
  if (!*suspended) return {};
  Handle token;
  token.is_token = true;
  token.seq = w.seq;
  token.nonce = w.nonce;
  return write_suspended(db, token, w, satisfied ? now : due, "release", now);
}

Status check_keep(const Handle& handle, bool keep) {
  return keep && !handle.is_token ? Status::error(Code::invalid, "\"keep\" keeps a claim: it needs the token of one, not an id") : Status();
}

Status wait(Db& db, const Handle& handle, const Wait& args, const Now& now, bool* ready, Text& output, Millis* due) {
  WF_TRY(check_keep(handle, args.keep));
  WriteScope scope(db);
  Millis time;
  Workflow w;
  WF_TRY(open_for(db, scope, "a waiting function", handle, now, &time, &w));
  WF_TRY(wait_in_scope(db, handle, w, args, time, ready, output, due));
  return scope.commit();
}

Status wait_in_scope(Db& db, const Handle& handle, Workflow& w, const Wait& args, Millis time, bool* ready, Text& output, Millis* due) {
  *ready = false;
  bool found;
  {
    Query q(db, Sql::wait_step);
    q.bind(":seq", w.seq).bind(":step", args.step);
    WF_TRY(q.next(&found));
    const bool same_kind = found && q.text(1) == args.kind;
    if (same_kind) WF_TRY(check_fingerprint(args.print, args.step, q, 7));
    if (same_kind && q.text(5) == "done") {
      *ready = true;
      add_json(q.value(6), output, &db.stop(), json::kMaxDepth);
      *due = q.time(3);
      if (args.cleanup) WF_TRY(repeat_in_two_phases(db, handle, w, time));
      return output.ok() ? Status() : Status::no_memory();
    }
    const bool is_open = same_kind && q.text(5) == "waiting";
    const bool suspended = w.under_pause == State::waiting;
    if (is_open && suspended && !(w.flags & kOtherKind) && (!handle.is_token || closed_by(handle, w))) {
      // An open wait of its own. The token is over, the bare id goes on where it is satisfied.
      if (w.state == State::paused) return paused_error(w);
      if (args.cleanup) WF_TRY(repeat_in_two_phases(db, handle, w, time));
      if (handle.is_token) return {};
    } else {
      if (!found) WF_TRY(check_things(db, w, args));
      WF_TRY(may_act(db, handle, w, time, Act::write));
      if (found && !is_open) return wrong_kind(w, args.step, q.text(1), args.kind);
    }
    if (found) {
      WaitRow row;
      WF_TRY(read_open(db, w, q, args.step, &row));
      if (!handle.is_token) WF_TRY(end_lost_claim(db, w, time));
      if (args.cleanup) WF_TRY(end_in_two_phases(db, handle, w, time));
      WF_TRY(decide_open(db, w, row, time, ready, output));
      *due = row.due;
      if (suspended) {
        if (*ready) WF_TRY(leave_wait(db, w, time));
      } else if (*ready || args.keep) {
        if (handle.is_token) WF_TRY(renew_lease(db, handle, time));
      } else {
        WF_TRY(suspend_beside(db, handle, w, row.n, row.next_look(), time));
      }
      return {};
    }
  }
  return open(db, handle, w, args, time, ready, output, due);
}

Status decide_wait(Db& db, const Workflow& w, Millis now, bool* satisfied, Wake* by) {
  *satisfied = false;
  Millis due = kNoTime;
  bool open = false;
  for (int64_t after = INT64_MIN;;) {
    Query q(db, Sql::workflow_open_wait);
    q.bind(":seq", w.seq).bind(":after", after);
    bool found, decided = false;
    WF_TRY(q.next(&found));
    if (!found) break;
    open = true;
    after = q.integer(0);
    if (q.text(1) != "step") {  // else held in doubt, until wf_resolve: no time ends that
      WaitRow row;
      Text output;
      WF_TRY(read_open(db, w, q, q.text(5), &row));
      const bool timed_out = row.timeout != kNoTime && row.timeout <= now;
      if (row.is_share()) WF_TRY(call_for_share(db, w.seq, row, now, &decided));  // recorded when it is asked for
      if (!decided) WF_TRY(row.is_share() && !timed_out ? stay_open(db, w, row, now) : decide_open(db, w, row, now, &decided, output, *satisfied ? nullptr : by));
      const Millis next = row.next_look();
      if (!decided && next != kNoTime && (due == kNoTime || next < due)) due = next;
    }
    *satisfied = *satisfied || decided;
    if (!(w.flags & kKept)) break;
  }
  if (!open) *satisfied = true;  // nothing holds it
  if (*satisfied) return {};
  {
    Query q(db, Sql::wait_go_on);
    q.bind(":seq", w.seq).bind_time(":due", due);
    q.bind(":place", static_cast<int64_t>(due == kNoTime ? Place::not_offered : w.line(w.again != 0)));
    WF_TRY(q.run());
  }
  return lane_moved(db, w, now);
}

Status drop_wait(Db& db, const Workflow& w, Millis now) {
  if (w.flags & kOtherKind) {
    WF_TRY(run_for(db, Sql::wait_forget_workflow, w.seq));
    WF_TRY(db.above().kind->stop(db, w));
    return leave_lines(db, w.seq, now);
  }
  if (w.under_pause != State::waiting && !(w.flags & kKept)) return {};
  for (const Sql sql : {Sql::wait_forget_workflow, Sql::wait_close, Sql::wait_unhold}) WF_TRY(run_for(db, sql, w.seq));
  return leave_lines(db, w.seq, now);
}

}  // namespace wf

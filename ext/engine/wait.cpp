#include "engine/wait.h"

#include "base/json.h"
#include "base/scope.h"
#include "engine/lane.h"
#include "engine/lease.h"
#include "scripts/advance.h"

namespace wf {
namespace {

constexpr string_view kKinds[] = {"sleep", "await", "await_event", "join"};

// A wait as its row holds it, or is about to.
struct Row {
  string_view step;
  WaitKind kind;
  int64_t n;
  string_view topics;
  Millis due;
  bool any, outputs;
};

bool kind_of(string_view name, WaitKind* out) {
  for (size_t i = 0; i < std::size(kKinds); ++i) {
    if (kKinds[i] != name) continue;
    *out = static_cast<WaitKind>(i);
    return true;
  }
  return false;
}

// Options of a join, as column how keeps them.
void add_how(const Wait& args, Text& out) {
  out.add("{\"mode\":\"").add(args.any ? "any" : "all").add("\",\"outputs\":").add(args.outputs ? "true" : "false").add('}');
}

void read_how(string_view how, Row* row) {
  row->any = false;
  row->outputs = true;
  if (!json::valid(how) || json::kind(how) != json::Kind::object) return;
  for (json::Members m(how); m.next();) {
    if (m.key_is("mode")) row->any = m.value() == "\"any\"";
    if (m.key_is("outputs")) row->outputs = m.value() != "false";
  }
}

void add_outcome(const char* what, string_view name, const Value& payload, Millis at, Text& out) {
  out.add("{\"").add(what).add("\":");
  json::quote(name, out);
  out.add(",\"payload\":");
  add_json(payload, out);
  out.add(",\"received_at\":\"").add(TimeText(at, TimeForm::json).view()).add("\"}");
}

Status decide_signal(Db& db, int64_t seq, const Row& row, bool* satisfied, Text& output) {
  int64_t n;
  {
    Query q(db, Sql::signal_next);
    q.bind(":seq", seq).bind(":topics", row.topics).bind_time(":due", row.due);
    WF_TRY(q.next(satisfied));
    if (!*satisfied) return {};
    n = q.integer(0);
    add_outcome("signal", q.text(1), q.value(3), q.integer(2), output);
  }
  Query q(db, Sql::signal_take);
  q.bind(":n", n).bind(":step", row.n);
  return q.run();
}

Status decide_event(Db& db, const Row& row, bool* satisfied, Text& output) {
  Query q(db, Sql::event_first);
  q.bind(":topics", row.topics).bind_time(":due", row.due);
  WF_TRY(q.next(satisfied));
  if (*satisfied) add_outcome("event", q.text(0), q.value(2), q.integer(1), output);
  return {};
}

// The workflows of a join, in order; `only`: the one at this place, or -1.
Status show_join(Db& db, const Row& row, int64_t only, Text& output) {
  Query q(db, Sql::join_show);
  q.bind(":topics", row.topics);
  if (only >= 0) q.bind(":only", only);
  output.add('[');
  for (bool first = true;; first = false) {
    bool found;
    WF_TRY(q.next(&found));
    if (!found) break;
    output.add(first ? "{\"id\":" : ",{\"id\":");
    json::quote(q.text(0), output);
    output.add(",\"status\":");
    if (q.is_null(1)) output.add("null");
    else json::quote(q.text(1), output);
    if (row.outputs && q.integer(2) != 0) {
      const bool completed = q.text(1) == state_name(State::completed);
      output.add(completed ? ",\"output\":" : ",\"error\":");
      add_json(q.value(completed ? 3 : 4), output);
    }
    output.add('}');
  }
  output.add(']');
  return {};
}

Status has_row(Db& db, Sql sql, int64_t seq, const Row& row, bool* found) {
  Query q(db, sql);
  q.bind(":seq", seq).bind(":topics", row.topics);
  return q.next(found);
}

Status decide_join(Db& db, int64_t seq, const Row& row, bool* satisfied, Text& output) {
  if (row.any) {
    Query q(db, Sql::join_first);
    q.bind(":topics", row.topics);
    WF_TRY(q.next(satisfied));
    if (*satisfied) return show_join(db, row, q.integer(0), output);
  } else {
    // Whoever ends takes itself off the list, so as long as there is one on it nothing else need be looked at.
    bool listed;
    WF_TRY(has_row(db, Sql::join_waits, seq, row, &listed));
    if (listed) return {};
  }
  bool unfinished;
  WF_TRY(has_row(db, Sql::join_open, seq, row, &unfinished));
  *satisfied = !unfinished;
  if (unfinished) return {};
  if (!row.any) return show_join(db, row, -1, output);
  output.add("[]");  // none is left that could end
  return {};
}

// Whether the wait is satisfied, or its time is up; then `output` is its outcome.
Status decide(Db& db, int64_t seq, const Row& row, Millis now, bool* satisfied, Text& output) {
  *satisfied = false;
  const bool time_is_up = row.due != kNoTime && row.due <= now;
  switch (row.kind) {
    case WaitKind::sleep:
      *satisfied = time_is_up;
      if (time_is_up) output.add('"').add(TimeText(row.due, TimeForm::sql).view()).add('"');
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

Status write_row(Db& db, Sql sql, int64_t seq, const Row& row, Millis now, string_view output) {
  Query q(db, sql);
  Text how;
  if (row.kind == WaitKind::join) {
    Wait options;
    options.any = row.any;
    options.outputs = row.outputs;
    add_how(options, how);
  }
  q.bind(":n", row.n).bind(":seq", seq).bind(":step", row.step).bind(":kind", kKinds[static_cast<int>(row.kind)]).bind(":now", now);
  q.bind_time(":due", row.due).bind_name(":topics", row.topics).bind_name(":how", how.view()).bind_name(":output", output);
  return how.ok() ? q.run() : Status::no_memory();
}

Status run_for(Db& db, Sql sql, int64_t seq) {
  Query q(db, sql);
  q.bind(":seq", seq);
  return q.run();
}

// Whether the workflow may wait for these ids.
Status check_join(Db& db, const Workflow& w, string_view ids) {
  if (ids.empty()) return {};
  Text id;
  for (json::Elements e(ids); e.next();) {
    id.clear();
    json::unquote(e.value(), id);
    if (!id.ok()) return Status::no_memory();
    if (id.view() == w.id.view()) return Status::error(Code::invalid, "workflow '%.*s' cannot wait for itself", WF_SV(w.id.view()));
  }
  Query q(db, Sql::join_unknown);
  q.bind(":topics", ids);
  bool row;
  WF_TRY(q.next(&row));
  return row ? Status::error(Code::not_found, "no workflow '%.*s' to join", WF_SV(q.text(0))) : Status();
}

// The ids of a join; none given stands for the children spawned so far.
Status join_topics(Db& db, const Workflow& w, string_view given, Text& out) {
  if (!given.empty()) {
    out.add(given);
  } else {
    Query q(db, Sql::join_children);
    q.bind(":seq", w.seq);
    bool row;
    WF_TRY(q.next(&row));
    out.add(q.text(0));
  }
  return out.ok() ? Status() : Status::no_memory();
}

Status register_waiters(Db& db, int64_t seq, const Row& row) {
  if (row.kind != WaitKind::event && row.kind != WaitKind::join) return {};
  Query q(db, row.kind == WaitKind::event ? Sql::event_wait : Sql::join_wait);
  q.bind(":seq", seq).bind(":topics", row.topics);
  return q.run();
}

// A wait that is not there yet: satisfied at once, or opened.
Status open(Db& db, const Handle& handle, Workflow& w, const Wait& args, Millis now, bool* ready, Text& output, Millis* due) {
  Text topics;
  if (args.kind == WaitKind::join) WF_TRY(join_topics(db, w, args.topics, topics));
  else topics.add(args.topics);
  Row row{args.step, args.kind, 0, topics.view(), kNoTime, args.any, args.outputs};
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
Status decide_open(Db& db, const Workflow& w, const Row& row, Millis now, bool* satisfied, Text& output) {
  WF_TRY(decide(db, w.seq, row, now, satisfied, output));
  // One that had ended may have been retried since.
  if (!*satisfied) return row.kind == WaitKind::join ? register_waiters(db, w.seq, row) : Status();
  WF_TRY(write_row(db, Sql::wait_done, w.seq, row, now, output.view()));
  return row.kind == WaitKind::event || row.kind == WaitKind::join ? run_for(db, Sql::wait_forget_workflow, w.seq) : Status();
}

}  // namespace

string_view wait_kind_name(WaitKind kind) { return kKinds[static_cast<int>(kind)]; }

Status leave_wait(Db& db, const Workflow& w, Millis now) {
  WF_TRY(lane_expect(db, w.lane, now));
  {
    Query q(db, Sql::wait_over);
    q.bind(":seq", w.seq).bind(":now", now).bind(":place", static_cast<int64_t>(w.line(w.again != 0)));
    WF_TRY(q.run());
  }
  return lane_moved(db, w);
}

Status suspend(Db& db, const Handle& handle, const Workflow& w, Millis due, Millis now) {
  const bool again = !handle.is_token && w.again != 0;
  if (due != kNoTime) WF_TRY(lane_expect(db, w.lane, due));
  {
    Query q(db, Sql::wait_suspend);
    q.bind(":seq", w.seq).bind_time(":due", due).bind(":now", now).bind(":again", int64_t{again});
    q.bind(":place", static_cast<int64_t>(due == kNoTime ? Place::not_offered : w.line(again)));
    q.bind(":closed_nonce", handle.is_token ? handle.nonce : 0);
    WF_TRY(q.run());
  }
  return lane_moved(db, w);
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
      *due = q.integer_or(5, kNoTime);
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
      Row row{args.step, args.kind, q.integer(3), q.text(4), q.integer_or(5, kNoTime), false, true};
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
    Row row{q.text(1), WaitKind::sleep, q.integer(3), q.text(2), q.integer_or(4, kNoTime), false, true};
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
  return lane_moved(db, w);
}

Status decide_step(Db& db, int64_t seq, int64_t n, WaitKind kind, string_view topics, Millis due, Millis now, bool* satisfied, Text& output) {
  return decide(db, seq, {{}, kind, n, topics, due, false, true}, now, satisfied, output);
}

Status wake(Db& db, int64_t seq, int64_t lane, Millis now) {
  WF_TRY(lane_expect(db, lane, now));
  Query q(db, Sql::wait_wake);
  q.bind(":seq", seq).bind(":now", now);
  return q.run();
}

Status send_signal(Db& db, string_view id, string_view signal, const Value& payload, string_view key, const Now& now, bool* sent) {
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::allowed, "wf_signal"));
  Millis time;
  WF_TRY(call_time(db, now, &time));
  Handle handle;
  handle.id = id;
  Workflow w;
  WF_TRY(load(db, handle, &w));
  *sent = true;
  if (!key.empty()) {
    Query q(db, Sql::signal_of_key);
    q.bind(":seq", w.seq).bind(":name", signal).bind(":key", key);
    bool used;
    WF_TRY(q.next(&used));
    *sent = !used;
  }
  if (!*sent) return scope.commit();
  if (is_terminal(w.state)) WF_TRY(may_act(db, handle, w, time, Act::write));
  if (w.flags & kScripted) {
    WF_TRY(wake_awaits(db, w, signal, time));
  } else if (w.under_pause == State::waiting) {
    bool awaited;
    {
      Query q(db, Sql::signal_awaited);
      q.bind(":seq", w.seq).bind(":name", signal);
      WF_TRY(q.next(&awaited));
    }
    if (awaited) WF_TRY(wake(db, w.seq, w.lane, time));
  }
  {
    // Last: a wake-up without a signal does no harm.
    Query q(db, Sql::signal_add);
    q.bind(":seq", w.seq).bind(":name", signal).bind_name(":key", key).bind(":now", time).bind(":payload", payload);
    WF_TRY(q.run());
  }
  return scope.commit();
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
  WF_TRY(wake_steps(db, topic.view(), time));
  for (const Sql sql : {Sql::wait_wake_lanes, Sql::wait_wake_all}) {
    Query q(db, sql);
    q.bind(":topic", topic.view()).bind(":now", time);
    WF_TRY(q.run());
  }
  {
    Query q(db, Sql::event_add);
    q.bind(":name", event).bind(":now", time).bind(":payload", payload);
    WF_TRY(q.run());
  }
  return scope.commit();
}

Status tell_joins(Db& db, int64_t seq, Millis now) {
  Text topic;
  topic.add('w').add_integer(seq);
  if (!topic.ok()) return Status::no_memory();
  for (bool woken = false;;) {
    int64_t waiter, lane;
    bool scripted;
    {
      Query q(db, Sql::wait_waiters);
      q.bind(":topic", topic.view());
      bool found;
      WF_TRY(q.next(&found));
      if (!found) return {};
      waiter = q.integer(0);
      lane = q.integer(1);
      scripted = q.integer(2) != 0;
    }
    if (scripted && !woken) WF_TRY(wake_steps(db, topic.view(), now));  // all of them, before the first is taken off the list
    woken = woken || scripted;
    {
      Query q(db, Sql::join_retire);
      q.bind(":topic", topic.view()).bind(":seq", waiter);
      WF_TRY(q.run());
    }
    if (scripted) {
      WF_TRY(lane_expect(db, lane, now));
      Query q(db, Sql::run_wake);
      q.bind(":seq", waiter).bind(":now", now);
      WF_TRY(q.run());
      continue;
    }
    bool waits_on, any = false;
    {
      Query q(db, Sql::join_waits);
      q.bind(":seq", waiter);
      WF_TRY(q.next(&waits_on));
    }
    if (waits_on) {
      Query q(db, Sql::join_is_any);
      q.bind(":seq", waiter);
      WF_TRY(q.next(&any));
    }
    if (!waits_on || any) WF_TRY(wake(db, waiter, lane, now));
  }
}

Status drop_wait(Db& db, const Workflow& w) {
  if (w.flags & kScripted) {
    WF_TRY(run_for(db, Sql::wait_forget_workflow, w.seq));
    WF_TRY(run_for(db, Sql::run_stop, w.seq));
    return run_for(db, Sql::run_close, w.seq);
  }
  if (w.under_pause != State::waiting) return {};
  for (const Sql sql : {Sql::wait_forget_workflow, Sql::wait_close, Sql::wait_unhold}) WF_TRY(run_for(db, sql, w.seq));
  return {};
}

}  // namespace wf

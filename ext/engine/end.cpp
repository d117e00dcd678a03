#include "engine/end.h"

#include "base/json.h"
#include "engine/children.h"
#include "engine/join.h"
#include "engine/lane.h"
#include "engine/lease.h"
#include "engine/start.h"
#include "engine/trouble.h"
#include "engine/wait.h"

namespace wf {
namespace {

// "<call>:<state>", as column closed remembers it.
void bind_closing(Query& q, const Closing& closing, State became, Text& text) {
  if (closing.nonce < 0) return;
  text.add(closing.call).add(':').add(state_name(became));
  q.bind(":closed_nonce", closing.nonce).bind(":closed", text.view());
}

// The claim that is live when its workflow is cancelled stays known: what it did is still recorded.
bool keeps_claim(const Workflow& w, const Outcome& outcome, Millis now) { return outcome.state == State::cancelled && w.lease_is_live(now); }

// Whether the claim has begun a step that it has not recorded.
Status is_in_effect(Db& db, const Workflow& w, bool* out) {
  Query q(db, Sql::end_in_effect);
  q.bind(":seq", w.seq).bind(":nonce", w.nonce);
  return q.next(out);
}

// The live claim may be in the middle of an effect: then the second phase comes when that is recorded or the claim given back, or else with the end of the
// lease, for what is recorded later would not be undone.
Status start_cleanup(Db& db, const Workflow& w, const Outcome& outcome, const Closing& closing, Millis now) {
  WF_TRY(drop_wait(db, w, now));
  if (is_large(outcome.error)) WF_TRY(put_large(db, w.seq, Large::error, outcome.error));
  bool waits = false;
  if (keeps_claim(w, outcome, now)) WF_TRY(is_in_effect(db, w, &waits));
  const Millis due = waits ? w.due_at : now;
  WF_TRY(lane_expect(db, w.lane, due, now));
  WF_TRY(lane_count(db, w.lane, w.state, State::pending));
  Query q(db, Sql::end_cleanup);
  Text closed;
  bind_closing(q, closing, State::pending, closed);
  q.bind(":keep", int64_t{keeps_claim(w, outcome, now)});
  q.bind(":seq", w.seq).bind(":now", now).bind(":due", due).bind(":ending", state_name(outcome.state));
  q.bind(":place", static_cast<int64_t>(w.line(true)));
  if (!is_large(outcome.error)) q.bind(":error", outcome.error);
  return closed.ok() ? q.run() : Status::no_memory();
}

Status end(Db& db, const Workflow& w, const Outcome& outcome, State state, const Closing& closing, Millis now) {
  // In the second phase the error that began it stands.
  const Value error = w.ending.empty() ? outcome.error : Value{};
  WF_TRY(drop_wait(db, w, now));
  WF_TRY(tell_joins(db, w.seq, now));
  if (is_large(outcome.output)) WF_TRY(put_large(db, w.seq, Large::output, outcome.output));
  if (is_large(error)) WF_TRY(put_large(db, w.seq, Large::error, error));
  WF_TRY(lane_count(db, w.lane, w.state, state));
  Query q(db, Sql::end_end);
  Text closed;
  bind_closing(q, closing, state, closed);
  q.bind(":keep", int64_t{keeps_claim(w, outcome, now)});
  q.bind(":seq", w.seq).bind(":now", now).bind(":status", state_name(state));
  if (!is_large(outcome.output)) q.bind(":output", outcome.output);
  if (!is_large(error)) q.bind(":error", error);
  return closed.ok() ? q.run() : Status::no_memory();
}

Status finish_alone(Db& db, const Workflow& w, const Outcome& outcome, const Closing& closing, Millis now, bool force, State* became) {
  if (outcome.state != State::completed && (w.flags & kCleanup) && w.ending.empty() && !force) {
    *became = State::pending;
    WF_TRY(start_cleanup(db, w, outcome, closing, now));
  } else {
    *became = w.ending.empty() ? outcome.state : state_of(w.ending.view());
    if (!is_terminal(*became)) *became = State::failed;  // of a hand edit
    WF_TRY(end(db, w, outcome, *became, closing, now));
  }
  return lane_moved(db, w, now);
}

// The one that belongs to another, alone.
Status end_one_along(Db& db, int64_t seq, Ends ends, string_view reason, Millis now) {
  Workflow w;
  bool found;
  WF_TRY(find_seq(db, seq, &found, &w));
  const bool force = ends == Ends::by_force;
  if (!found || is_terminal(w.state) || !(w.ending.empty() || force)) return {};
  State became;
  return finish_alone(db, w, {State::cancelled, {}, reason.empty() ? Value{} : Value::text(reason)}, {}, now, force, &became);
}

// Ends all of them, or each in a savepoint of its own, and puts off those that fail. (Inside a statement that writes there are no savepoints.)
Status end_all_along(Db& db, const Numbers& all, Ends ends, string_view reason, Millis now) {
  size_t i = 0;
  const auto end_all = [&] {
    for (i = 0; i < all.size(); ++i) WF_TRY(end_one_along(db, all[i], ends, reason, now));
    return Status();
  };
  if (!check_context(db, "wf_cancel").ok()) return end_all();
  Status ended = in_savepoint(db, "wf_cancel", end_all);
  if (ended.ok() || !may_be_an_items_own(ended) || i == all.size()) return ended;
  if (db.autocommit()) return put_off(db, {all[i], {}, ends, reason}, static_cast<Status&&>(ended), now, kLongestPause);
  for (i = 0; i < all.size(); ++i) {
    const auto end_one = [&] { return end_one_along(db, all[i], ends, reason, now); };
    bool done;
    WF_TRY(attempt(db, "wf_cancel", {all[i], {}, ends, reason}, now, end_one, &done));
  }
  return {};
}

Status list_along(Db& db, const Workflow& w, bool force, Millis now, Numbers* out) {
  Query q(db, Sql::children_attached);
  q.bind(":seq", w.seq).bind(":force", int64_t{force}).bind(":now", now);
  for (;;) {
    bool row;
    WF_TRY(q.next(&row));
    if (!row) return out->ok() ? Status() : Status::no_memory();
    out->add(q.integer(0));
  }
}

}  // namespace

Status end_children(Db& db, const Workflow& parent, Millis now, bool force) {
  Numbers children;
  WF_TRY(list_along(db, parent, force, now, &children));
  if (children.size() == 0) return {};
  Text reason;
  reason.add("{\"code\":\"parent\",\"message\":\"its parent has ended\",\"parent\":");
  json::quote(parent.id.view(), reason);
  reason.add('}');
  if (!reason.ok()) return Status::no_memory();
  return end_all_along(db, children, force ? Ends::by_force : Ends::cancelled, reason.view(), now);
}

Status end_along(Db& db, int64_t seq, Millis now) {
  Workflow w;
  bool found;
  WF_TRY(find_seq(db, seq, &found, &w));
  if (!found) return {};
  WF_TRY(end_children(db, w, now, false));
  bool noted;
  WF_TRY(looks_past(db, seq, now, &noted, true));
  if (noted) return {};
  Numbers one;
  one.add(seq);
  return one.ok() ? end_all_along(db, one, Ends::cancelled, {}, now) : Status::no_memory();
}

namespace {

struct LeftBehind {
  int64_t seq = 0;
  Ends ends = Ends::no;
  Text reason;
};

// The next one after `*out`, whose time has come; or `only`, whose need not.
Status next_left_behind(Db& db, int64_t only, Millis now, LeftBehind* out, bool* found) {
  Query q(db, Sql::end_left_behind);
  q.bind(":now", now).bind(":after", out->seq);
  if (only != 0) q.bind(":only", only);
  WF_TRY(q.next(found));
  if (!*found) return {};
  out->seq = q.integer(0);
  out->ends = q.integer(1) > 1 ? Ends::by_force : Ends::cancelled;
  out->reason.clear();
  out->reason.add(q.text(2));
  return out->reason.ok() ? Status() : Status::no_memory();
}

// With what it has started since.
Status end_one_left_behind(Db& db, const LeftBehind& one, Millis now) {
  Workflow w;
  bool found;
  WF_TRY(find_seq(db, one.seq, &found, &w));
  if (found) WF_TRY(end_children(db, w, now, one.ends == Ends::by_force));
  WF_TRY(end_one_along(db, one.seq, one.ends, one.reason.view(), now));
  return run_all(db, Sql::control_delete_trouble, [&](Query& q) { q.bind(":seq", one.seq); });
}

}  // namespace

Status end_left_behind(Db& db, Millis now) {
  for (LeftBehind one;;) {
    bool found, done;
    WF_TRY(next_left_behind(db, 0, now, &one, &found));
    if (!found) return {};
    const auto end_it = [&] { return end_one_left_behind(db, one, now); };
    WF_TRY(attempt(db, "wf_tick", {one.seq, {}, one.ends, one.reason.view()}, now, end_it, &done));
  }
}

Status is_one_left_behind(Db& db, Millis now, bool* out) {
  LeftBehind one;
  return next_left_behind(db, 0, now, &one, out);
}

Status end_if_left_behind(Db& db, int64_t seq, Millis now, bool* was) {
  LeftBehind one;
  WF_TRY(next_left_behind(db, seq, now, &one, was));
  return *was ? end_one_left_behind(db, one, now) : Status();
}

Status finish(Db& db, const Workflow& w, const Outcome& outcome, const Closing& closing, Millis now, State* became, bool force) {
  const bool completed = outcome.state == State::completed && w.ending.empty();
  if (!completed) WF_TRY(end_children(db, w, now, force));
  return finish_alone(db, w, outcome, closing, now, force, became);
}

bool waits_for_record(const Workflow& w) { return !w.ending.empty() && w.state == State::pending && w.nonce != 0; }

Status end_wait_for_record(Db& db, const Workflow& w, bool given_back, Millis now) {
  bool waits = false;
  if (!given_back) WF_TRY(is_in_effect(db, w, &waits));
  if (waits || w.due_at <= now) return {};
  WF_TRY(lane_expect(db, w.lane, now, now));
  {
    Query q(db, Sql::end_cleanup_due);
    q.bind(":seq", w.seq).bind(":now", now);
    WF_TRY(q.run());
  }
  return lane_moved(db, w, now);
}

string_view closed_result(const Workflow& w, string_view call) {
  const string_view closed = w.closed.view();
  if (!has_prefix(closed, call) || closed.size() <= call.size() || closed[call.size()] != ':') return {};
  return part(closed, call.size() + 1);
}

Status time_out(Db& db, const Workflow& w, Millis now) {
  Text error;
  error.add("{\"code\":\"timeout\",\"message\":\"the workflow ran out of time\",\"deadline_at\":\"");
  error.add(TimeText(w.deadline_at, TimeForm::json).view()).add("\"}");
  if (!error.ok()) return Status::no_memory();
  State became;
  return finish(db, w, {State::failed, {}, Value::text(error.view())}, {}, now, &became);
}

Status poison(Db& db, const Workflow& w, int64_t lost, Millis now) {
  WF_TRY(note_lost_lease(db, w, now));
  Text error;
  error.add("{\"code\":\"poison\",\"message\":\"its leases ran out again and again\",\"lost_leases\":").add_integer(lost).add('}');
  if (!error.ok()) return Status::no_memory();
  State became;
  return finish(db, w, {State::failed, {}, Value::text(error.view())}, {}, now, &became);
}

}  // namespace wf

#include "engine/end.h"

#include "base/json.h"
#include "engine/children.h"
#include "engine/join.h"
#include "engine/lane.h"
#include "engine/lease.h"
#include "engine/start.h"
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

Status start_cleanup(Db& db, const Workflow& w, const Outcome& outcome, const Closing& closing, Millis now) {
  WF_TRY(drop_wait(db, w, now));
  if (is_large(outcome.error)) WF_TRY(put_large(db, w.seq, Large::error, outcome.error));
  WF_TRY(lane_expect(db, w.lane, now, now));
  Query q(db, Sql::end_cleanup);
  Text closed;
  bind_closing(q, closing, State::pending, closed);
  q.bind(":keep", int64_t{keeps_claim(w, outcome, now)});
  q.bind(":seq", w.seq).bind(":now", now).bind(":ending", state_name(outcome.state));
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

}  // namespace

Status end_children(Db& db, const Workflow& parent, Millis now, bool force) {
  Numbers children;
  WF_TRY(list_children(db, Sql::children_attached, parent.seq, &children));
  if (children.size() == 0) return {};
  Text reason;
  reason.add("{\"code\":\"parent\",\"message\":\"its parent has ended\",\"parent\":");
  json::quote(parent.id.view(), reason);
  reason.add('}');
  if (!reason.ok()) return Status::no_memory();
  for (size_t i = 0; i < children.size(); ++i) {
    Workflow child;
    bool found;
    WF_TRY(find_seq(db, children[i], &found, &child));
    State became;
    if (found && (child.ending.empty() || force)) {
      WF_TRY(finish_alone(db, child, {State::cancelled, {}, Value::text(reason.view())}, {}, now, force, &became));
    }
  }
  return {};
}

Status finish(Db& db, const Workflow& w, const Outcome& outcome, const Closing& closing, Millis now, State* became, bool force) {
  const bool completed = outcome.state == State::completed && w.ending.empty();
  if (!completed) WF_TRY(end_children(db, w, now, force));
  return finish_alone(db, w, outcome, closing, now, force, became);
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

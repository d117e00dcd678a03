#include "engine/may_act.h"

#include "engine/above.h"
#include "engine/queue.h"

namespace wf {
namespace {

// "until" and "due" times in messages.
struct At : TimeText {
  explicit At(Millis time) : TimeText(time, TimeForm::sql) {}
};

Status terminal_error(const Workflow& w) {
  if (w.state == State::cancelled) return Status::error(Code::cancelled, "workflow '%.*s' was cancelled", WF_SV(w.id.view()));
  return Status::error(Code::state, "workflow '%.*s' is %s", WF_SV(w.id.view()), state_name(w.state));
}

Status suspended_error(Db& db, const Workflow& w) {
  Query q(db, Sql::workflow_open_wait);
  q.bind(":seq", w.seq);
  bool row;
  WF_TRY(q.next(&row));
  if (!row) return Status::error(Code::suspended, "workflow '%.*s' waits", WF_SV(w.id.view()));
  return Status::error(Code::suspended, "workflow '%.*s' waits in step '%.*s' (%.*s)", WF_SV(w.id.view()), WF_SV(q.text(5)), WF_SV(q.text(1)));
}

Status keeps_slot(Db& db, const Workflow& w, Millis now) {
  bool lost;
  WF_TRY(slot_is_lost(db, w.seq, now, &lost));
  if (!lost) return {};
  return Status::error(Code::lease_lost, "the lease of workflow '%.*s' ran out, and queue '%.*s' has given its slot away", WF_SV(w.id.view()), WF_SV(w.queue.view()));
}

}  // namespace

Status may_act(Db& db, const Handle& handle, const Workflow& w, Millis now, Act act) {
  const bool current = handle.is_token && w.nonce != 0 && handle.nonce == w.nonce;
  if (is_terminal(w.state)) {
    // The claim that was live when the workflow was cancelled keeps its nonce: what it did is still recorded.
    if (w.state == State::cancelled && current && act == Act::record) return {};
    return terminal_error(w);
  }
  if (w.flags & kOtherKind) return act == Act::note ? Status() : other_kind_error(db, w);
  if (handle.is_token) {
    if (!current) {
      if (w.under_pause == State::waiting && closed_by(handle, w)) {
        return w.state == State::paused ? paused_error(w) : suspended_error(db, w);
      }
      return Status::error(Code::lease_lost, "this claim of workflow '%.*s' is no longer the current one", WF_SV(w.id.view()));
    }
    // It was cancelled in the middle of something and is to be cleaned up: what it did is still recorded, until the next claim.
    if (!w.is_claimed() && act != Act::record) {
      return Status::error(Code::cancelled, "workflow '%.*s' was cancelled and is to be cleaned up", WF_SV(w.id.view()));
    }
    if (act >= Act::note && w.limited && w.due_at <= now) WF_TRY(keeps_slot(db, w, now));
    if (w.state == State::paused && act >= Act::give_back) return paused_error(w);
    return {};
  }
  if (w.under_pause == State::pending && w.due_at > now) {
    return Status::error(Code::state, "workflow '%.*s' is pending, due_at %.*s", WF_SV(w.id.view()), WF_SV(At(w.due_at).view()));
  }
  if (w.lease_is_live(now)) {
    return Status::error(Code::leased, "workflow '%.*s' is leased to %s%.*s until %.*s", WF_SV(w.id.view()),
                         w.worker.empty() ? "a worker without name" : "worker ", WF_SV(w.worker.view()), WF_SV(At(w.due_at).view()));
  }
  if (w.state == State::paused) return paused_error(w);
  if (w.state == State::waiting) return suspended_error(db, w);
  return {};
}

Status other_kind_error(const Db& db, const Workflow& w) {
  return Status::error(Code::state, "workflow '%.*s' %s", WF_SV(w.id.view()), db.above().kind->why_not);
}

Status paused_error(const Workflow& w) { return Status::error(Code::paused, "workflow '%.*s' is paused", WF_SV(w.id.view())); }

}  // namespace wf

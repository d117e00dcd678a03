#include "engine/lease.h"

#include "base/json.h"
#include "engine/lane.h"
#include "engine/may_act.h"
#include "engine/opening.h"
#include "engine/queue.h"

namespace wf {

Status extend_lease(Db& db, int64_t seq, Millis due, Millis lease, Millis now, bool* extended) {
  bool lost;
  WF_TRY(slot_is_lost(db, seq, now, &lost));
  *extended = !lost;
  if (lost) return {};
  Query q(db, Sql::lease_extend);
  q.bind(":seq", seq).bind(":due", due).bind_time(":lease", lease).bind(":now", now);
  return q.run();
}

Status renew_lease(Db& db, const Handle& token, Millis now) {
  Millis due, lease;
  bool again;
  {
    Query q(db, Sql::lease_state);
    q.bind(":seq", token.seq).bind(":nonce", token.nonce);
    bool row;
    WF_TRY(q.next(&row));
    if (!row) return {};
    due = q.time(0);
    lease = q.duration(1);
    again = q.integer(2) == static_cast<int64_t>(Place::leased_again);
  }
  if (again) {
    Query q(db, Sql::lease_progressed);
    q.bind(":seq", token.seq);
    WF_TRY(q.run());
  }
  bool extended;
  return due - now < lease / 2 ? extend_lease(db, token.seq, later(now, lease), kNoTime, now, &extended) : Status();
}

Status heartbeat(Db& db, const Handle& token, Millis duration, const Now& now, Millis* expires) {
  WriteScope scope(db);
  Millis time;
  Workflow w;
  WF_TRY(open_for(db, scope, "wf_heartbeat", token, now, &time, &w));
  WF_TRY(may_act(db, token, w, time, Act::write));
  const Millis due = later(time, duration == kNoTime ? w.lease : duration);
  *expires = due > w.due_at ? due : w.due_at;
  if (due > w.due_at) {
    bool extended;
    WF_TRY(extend_lease(db, w.seq, due, kNoTime, time, &extended));
  }
  return scope.commit();
}

Status count_lost(Db& db, const Workflow& w, InARow* row, bool* too_many) {
  WF_TRY(in_a_row(db, w, row));
  ++row->lost;
  Policy policy;
  WF_TRY(policy_of(db, w, &policy));
  *too_many = row->lost >= policy.max_attempts;
  return {};
}

Status keep_or_end_claim(Db& db, const Handle& handle, Workflow& w, Millis now) {
  return handle.is_token ? renew_lease(db, handle, now) : end_lost_claim(db, w, now);
}

Status note_lost_lease(Db& db, const Workflow& w, Millis now) {
  Text error;
  error.add("{\"code\":\"lease_lost\",\"message\":\"the lease ran out\",\"expired_at\":\"").add(TimeText(w.due_at, TimeForm::json).view()).add("\"}");
  if (!error.ok()) return Status::no_memory();
  Query q(db, Sql::failure_add);
  q.bind(":seq", w.seq).bind(":attempt", w.attempt).bind_name(":worker", w.worker.view()).bind(":claimed", int64_t{1}).bind(":error", error.view()).bind(":now", now);
  return q.run();
}

Status end_lost_claim(Db& db, Workflow& w, Millis now) {
  if (!w.is_claimed()) return {};
  InARow row;
  WF_TRY(in_a_row(db, w, &row));
  WF_TRY(note_lost_lease(db, w, now));
  WF_TRY(lane_expect(db, w.lane, w.due_at, now));
  {
    Query q(db, Sql::lease_end_lost);
    q.bind(":seq", w.seq).bind(":now", now).bind(":lost", row.lost + 1).bind(":failures", row.failures);
    q.bind(":place", static_cast<int64_t>(w.line(true)));
    WF_TRY(q.run());
  }
  WF_TRY(lane_moved(db, w, now));
  w.state = w.under_pause = State::pending;
  w.nonce = 0;
  w.lost = row.lost + 1;
  w.failures = row.failures;
  w.mark = INT64_MAX;  // no step is newer
  w.again = 1;
  return {};
}

}  // namespace wf

#include "engine/begin.h"

#include "base/json.h"
#include "engine/cleanup.h"
#include "engine/end.h"
#include "engine/lane.h"
#include "engine/lease.h"
#include "engine/may_act.h"
#include "engine/opening.h"
#include "engine/step.h"
#include "engine/step_names.h"
#include "engine/trouble.h"
#include "engine/wait.h"

namespace wf {
namespace {

Status in_doubt_error(string_view step, Text& out) {
  out.add("{\"code\":\"in_doubt\",\"message\":\"a step was begun and never finished\",\"step\":");
  json::quote(step, out);
  out.add('}');
  return out.ok() ? Status() : Status::no_memory();
}

Status write_begun(Db& db, const Handle& handle, const Workflow& w, string_view step, const Fingerprint& print, Millis now) {
  WF_TRY(name_first_steps(db, w.seq));
  {
    Query q(db, Sql::begin_begin);
    q.bind(":seq", w.seq).bind(":step", step).bind(":now", now).bind(":nonce", handle.is_token ? handle.nonce : 0);
    print.bind(q);
    WF_TRY(q.run());
  }
  return handle.is_token ? renew_lease(db, handle, now) : Status();
}

Status update(Db& db, Sql sql, const Workflow& w, string_view step, Millis now) {
  Query q(db, sql);
  q.bind(":seq", w.seq).bind(":step", step).bind(":now", now);
  return q.run();
}

Status begin_once(Db& db, const Handle& handle, string_view step, InDoubt in_doubt, bool cleanup, const Fingerprint& print, const Now& now, Begun* out) {
  WriteScope scope(db);
  Millis time;
  Workflow w;
  WF_TRY(open_for(db, scope, "wf_begin", handle, now, &time, &w));
  bool found, begun = false, held = false, same_claim = false;
  {
    Query q(db, Sql::begin_row);
    q.bind(":seq", w.seq).bind(":step", step);
    WF_TRY(q.next(&found));
    const bool ours = found && q.text(0) == kStepKind;
    if (ours) WF_TRY(check_fingerprint(print, step, q, 4));
    if (ours && (q.text(1) == "done" || q.text(1) == "error")) {
      out->failed = q.text(1) == "error";
      out->done = !out->failed;
      if (cleanup) WF_TRY(repeat_in_two_phases(db, handle, w, time));
      add_json(q.value(2), out->output, &db.stop());
      return out->output.ok() ? scope.commit() : Status::no_memory();
    }
    // The call that was held repeats itself: NULL again.
    if (ours && q.text(1) == "waiting" && w.state == State::waiting && (closed_by(handle, w) || !handle.is_token)) {
      if (cleanup) WF_TRY(repeat_in_two_phases(db, handle, w, time));
      return scope.commit();
    }
    WF_TRY(may_act(db, handle, w, time, Act::write));
    if (found && !ours) return wrong_kind(w, step, q.text(0), kStepKind);
    held = found && q.text(1) == "waiting";  // and another wait has woken the workflow
    begun = held || (found && q.text(1) == "begun");
    same_claim = !held && begun && (q.is_null(3) || (handle.is_token && q.integer(3) == handle.nonce));
  }
  if (!handle.is_token) WF_TRY(end_lost_claim(db, w, time));
  if (cleanup) WF_TRY(end_in_two_phases(db, handle, w, time));
  if (begun && !same_claim && in_doubt == InDoubt::hold) {
    if (!held) WF_TRY(update(db, Sql::begin_hold, w, step, time));
    WF_TRY(suspend(db, handle, w, kNoTime, time));
    return scope.commit();
  }
  if (begun && !same_claim && in_doubt == InDoubt::fail) {
    Text error;
    WF_TRY(in_doubt_error(step, error));
    State became;
    WF_TRY(finish(db, w, {State::failed, {}, Value::text(error.view())}, closing_of(handle, "fail"), time, &became));
    return scope.commit();
  }
  out->go = true;
  WF_TRY(step_key(db, w, step, &out->key));
  WF_TRY(write_begun(db, handle, w, step, print, time));
  return scope.commit();
}

Status resolve_once(Db& db, string_view id, string_view step, Verdict verdict, const Value& value, const Now& now) {
  Handle handle;
  handle.id = id;
  WriteScope scope(db);
  Millis time;
  Workflow w;
  WF_TRY(open_for(db, scope, "wf_resolve", handle, now, &time, &w));
  bool held;
  {
    Query q(db, Sql::begin_row);
    q.bind(":seq", w.seq).bind(":step", step);
    bool found;
    WF_TRY(q.next(&found));
    held = found && q.text(1) == "waiting";
    if (!found || q.text(0) != kStepKind || q.text(1) == "failed") {
      return Status::error(Code::not_found, "step '%.*s' of workflow '%.*s' was not begun", WF_SV(step), WF_SV(id));
    }
    if (is_terminal(w.state)) return may_act(db, handle, w, time, Act::write);
    if (q.text(1) == "done" || q.text(1) == "error") return Status::error(Code::state, "step '%.*s' of workflow '%.*s' is recorded already", WF_SV(step), WF_SV(id));
    if (!held && w.lease_is_live(time) && q.integer_or(3, -1) == w.nonce) return may_act(db, handle, w, time, Act::write);
  }
  if (verdict == Verdict::failed) {
    Text error;
    if (value.is_null()) WF_TRY(in_doubt_error(step, error));
    const Value why = value.is_null() ? Value::text(error.view()) : value;
    {
      Query q(db, Sql::begin_failed);
      q.bind(":seq", w.seq).bind(":step", step).bind(":now", time).bind(":error", why);
      WF_TRY(q.run());
    }
    State became;
    WF_TRY(finish(db, w, {State::failed, {}, why}, {}, time, &became));
    return scope.commit();
  }
  if (verdict == Verdict::done) {
    Query q(db, Sql::begin_done);
    q.bind(":seq", w.seq).bind(":step", step).bind(":now", time).bind(":output", value);
    WF_TRY(q.run());
    WF_TRY(update(db, Sql::lease_progressed, w, step, time));
  } else {
    WF_TRY(update(db, Sql::begin_retry, w, step, time));  // by no claim: the next wf_begin goes
  }
  if (held && w.under_pause == State::waiting) WF_TRY(leave_wait(db, w, time));
  return scope.commit();
}

}  // namespace

Status begin_step(Db& db, const Handle& handle, string_view step, InDoubt in_doubt, bool cleanup, const Fingerprint& print, const Now& now, Begun* out) {
  return past_rollbacks(db, "wf_begin", [&] { return begin_once(db, handle, step, in_doubt, cleanup, print, now, out); });
}

Status resolve_step(Db& db, string_view id, string_view step, Verdict verdict, const Value& value, const Now& now) {
  return past_rollbacks(db, "wf_resolve", [&] { return resolve_once(db, id, step, verdict, value, now); });
}

}  // namespace wf

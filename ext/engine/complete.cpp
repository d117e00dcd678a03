#include "engine/complete.h"

#include <algorithm>

#include "base/plain.h"
#include "engine/budget.h"
#include "engine/end.h"
#include "engine/lane.h"
#include "engine/lease.h"
#include "engine/may_act.h"
#include "engine/opening.h"
#include "engine/start.h"
#include "engine/step_names.h"
#include "engine/trouble.h"
#include "engine/wait.h"

namespace wf {
namespace {

// Whether the handle repeats its last closing call `call`; `*result` is what that returned. By bare id it is a repetition only as long as
// the workflow is where that call left it.
bool is_repetition(const Handle& handle, const Workflow& w, string_view call, Millis now, State* result) {
  const string_view before = closed_result(w, call);
  if (before.empty() || !closed_by(handle, w) || (handle.is_token && handle.nonce == w.nonce)) return false;
  *result = state_of(before);
  if (handle.is_token) return true;
  return w.state == *result && (is_terminal(w.state) || w.due_at > now);
}

// Outside of any savepoint, so not where triggers are fired.
Status try_plain(Db& db, const Handle& token, const Value& output, Millis time, bool said, bool* completed) {
  *completed = false;
  Query q(db, Sql::complete_plain);
  if (db.plain_fires_triggers() && q.prepared()) return {};
  q.bind(":seq", token.seq).bind(":nonce", token.nonce).bind(":now", time).bind(":output", output).bind(":format", kSchemaVersion);
  if (said) q.bind(":said", int64_t{1});
  WF_TRY(q.run());
  *completed = q.changes() != 0;
  return {};
}

struct Line {
  string_view call;
  Millis due;
  bool again;              // the next claim starts a new attempt
  Wake wake;
  bool failed = false;     // one failure more
  bool in_a_row = false;   // of the workflow itself: w has the number of them
};

Status back_in_line(Db& db, const Handle& handle, const Workflow& w, const Line& line, Millis now) {
  WF_TRY(lane_expect(db, w.lane, line.due, now));
  {
    Text closed;
    closed.add(line.call).add(":pending");
    Query q(db, Sql::complete_back_in_line);
    q.bind(":seq", w.seq).bind(":due", line.due).bind(":now", now).bind(":failures", w.failures).bind(":lost", w.lost);
    q.bind(":failed", int64_t{line.failed}).bind(":in_a_row", int64_t{line.in_a_row});
    const Place place = w.line(line.again);
    // What is given back stands behind new work, or whoever gives it back would get it again at once.
    const bool behind = line.wake == Wake::release && place == Place::to_resume;
    q.bind(":place", static_cast<int64_t>(behind ? Place::released : place)).bind(":again", int64_t{line.again}).bind(":wake", static_cast<int64_t>(line.wake));
    q.bind(":closed_nonce", handle.is_token ? handle.nonce : 0).bind(":closed", closed.view());
    if (!closed.ok()) return Status::no_memory();
    WF_TRY(q.run());
  }
  return lane_moved(db, w, now);
}

// The failures of the step that failed, this one included, and how many of it are allowed. Writes nothing.
Status count_step_failure(Db& db, const Workflow& w, const Failure& failure, int64_t* failures, int64_t* allowed) {
  if (failure.max_attempts != 0) *allowed = failure.max_attempts;
  *failures = 1;
  Query q(db, Sql::complete_step_state);
  q.bind(":seq", w.seq).bind(":step", failure.step);
  bool row;
  WF_TRY(q.next(&row));
  if (!row) return {};
  if (q.text(0) != "step") return wrong_kind(w, failure.step, q.text(0), "step");
  if (q.text(1) == "done" || q.text(1) == "error") {
    return Status::error(Code::state, "step '%.*s' of workflow '%.*s' is recorded already, it cannot fail", WF_SV(failure.step), WF_SV(w.id.view()));
  }
  *failures = q.count(2) + 1;
  return {};
}

// When the worker wants it to be due again; a time that has passed is now.
Millis asked_due(Millis delay, Millis at, Millis now, Millis otherwise) {
  if (at != kNoTime) return std::max(at, now);
  return delay != kNoTime ? later(now, delay) : otherwise;
}

// The try that comes after a failure.
struct NextTry {
  int64_t failures = 0, allowed = 0;  // of the step, or in a row of the workflow, with this one
  int64_t in_all = 0, most = 0;       // of the workflow and its steps
  int64_t lost = 0;                   // leases in a row
  Millis due = kNoTime, deadline = kNoTime;

  bool too_often() const { return failures >= allowed; }
  bool too_often_in_all() const { return in_all >= most; }
  // The deadline would not let it begin: better the real error now than a timeout then.
  bool too_late() const { return deadline != kNoTime && due >= deadline; }
  bool exists() const { return !too_often() && !too_often_in_all() && !too_late(); }
};

// What comes after this failure, which is still to be written. Writes nothing.
Status next_try(Db& db, const Workflow& w, const Failure& failure, Millis now, NextTry* out) {
  Policy policy;
  WF_TRY(policy_of(db, w, &policy));
  *out = {0, policy.max_attempts, w.failed + 1, policy.max_failures, 0, kNoTime, w.deadline_at};
  if (failure.step.empty()) {
    InARow row;
    WF_TRY(in_a_row(db, w, &row));
    out->failures = row.failures + 1;
    out->lost = row.lost;
  } else {
    WF_TRY(count_step_failure(db, w, failure, &out->failures, &out->allowed));
  }
  out->due = asked_due(failure.delay, failure.at, now, later(now, policy.backoff.after(out->failures, w.id.view())));
  return {};
}

// WF_STATE if there is no next try.
Status refuse_without(const NextTry& next, const Workflow& w, const Failure& failure) {
  if (next.too_often_in_all()) {
    return Status::error(Code::state, "workflow '%.*s' has failed %lld times, of %lld: there is no next try", WF_SV(w.id.view()),
                         static_cast<long long>(next.in_all), static_cast<long long>(next.most));
  }
  if (next.too_often()) {
    return Status::error(Code::state, "step '%.*s' has failed %lld times, of %lld: there is no next try", WF_SV(failure.step),
                         static_cast<long long>(next.failures), static_cast<long long>(next.allowed));
  }
  if (!next.too_late()) return {};
  return Status::error(Code::state, "the next try of step '%.*s' would come at %.*s, and the deadline is %.*s: there is no next try", WF_SV(failure.step),
                       WF_SV(TimeText(next.due, TimeForm::json).view()), WF_SV(TimeText(next.deadline, TimeForm::json).view()));
}

Status write_step_failure(Db& db, const Workflow& w, const Failure& failure, int64_t failures, Millis now) {
  WF_TRY(name_first_steps(db, w.seq));
  Query q(db, Sql::complete_step_failed);
  q.bind(":seq", w.seq).bind(":step", failure.step).bind(":attempts", failures).bind(":now", now).bind(":error", failure.error);
  return q.run();
}

Status note_failure(Db& db, const Handle& handle, const Workflow& w, const Failure& failure, Millis now) {
  Query q(db, Sql::failure_add);
  q.bind(":seq", w.seq).bind(":attempt", w.attempt).bind_name(":step", failure.step);
  if (handle.is_token) q.bind_name(":worker", w.worker.view()).bind(":claimed", int64_t{1});
  q.bind(":error", failure.error).bind(":now", now);
  return q.run();
}

Status complete_once(Db& db, const Handle& handle, const Value& output, const Now& now, State* result) {
  WriteScope scope(db);
  Millis time;
  Workflow w;
  WF_TRY(open_for(db, scope, "wf_complete", handle, now, &time, &w));
  if (is_repetition(handle, w, "complete", time, result)) return scope.commit();
  if (w.state == State::completed && (!handle.is_token || closed_by(handle, w))) {
    *result = State::completed;
    return scope.commit();
  }
  WF_TRY(may_act(db, handle, w, time, Act::complete));
  if (!handle.is_token) WF_TRY(end_lost_claim(db, w, time));
  WF_TRY(finish(db, w, {State::completed, output, {}}, closing_of(handle, "complete"), time, result));
  return scope.commit();
}

Status fail_once(Db& db, const Handle& handle, const Failure& failure, const Now& now, State* result) {
  WriteScope scope(db);
  Millis time;
  Workflow w;
  WF_TRY(open_for(db, scope, "wf_fail", handle, now, &time, &w));
  if (is_repetition(handle, w, "fail", time, result)) return scope.commit();
  WF_TRY(may_act(db, handle, w, time, Act::give_back));
  NextTry next;
  WF_TRY(next_try(db, w, failure, time, &next));
  const bool of_step = !failure.step.empty();
  if (!of_step) w.lost = next.lost;
  if (!handle.is_token) WF_TRY(end_lost_claim(db, w, time));
  if (of_step) WF_TRY(write_step_failure(db, w, failure, next.failures, time));
  else w.failures = next.failures;
  WF_TRY(note_failure(db, handle, w, failure, time));
  if (!failure.retry || !next.exists()) {
    WF_TRY(finish(db, w, {State::failed, {}, failure.error}, closing_of(handle, "fail"), time, result));
    return scope.commit();
  }
  *result = State::pending;
  WF_TRY(back_in_line(db, handle, w, {"fail", next.due, true, Wake::retry, true, !of_step}, time));
  return scope.commit();
}

}  // namespace

Status complete(Db& db, const Handle& handle, const Value& output, const Now& now, State* result) {
  if (handle.is_token && !is_large(output)) {
    *result = State::completed;
    bool completed = false;
    WF_TRY(run_plain(db, Sql::complete_plain, [&] { return try_plain(db, handle, output, now.given ? now.time : db.clock(), now.given, &completed); }));
    if (completed) return {};
  }
  return past_rollbacks(db, "wf_complete", [&] { return complete_once(db, handle, output, now, result); });
}

Status fail(Db& db, const Handle& handle, const Failure& failure, const Now& now, State* result) {
  return past_rollbacks(db, "wf_fail", [&] { return fail_once(db, handle, failure, now, result); });
}

Status fail_keeping(Db& db, const Handle& handle, const Failure& failure, const Now& now, Kept* out) {
  WriteScope scope(db);
  Millis time;
  Workflow w;
  WF_TRY(open_for(db, scope, "wf_fail", handle, now, &time, &w));
  WF_TRY(may_act(db, handle, w, time, Act::write));
  NextTry next;
  WF_TRY(next_try(db, w, failure, time, &next));
  WF_TRY(refuse_without(next, w, failure));
  *out = {next.failures, next.due - time};
  if (!handle.is_token) WF_TRY(end_lost_claim(db, w, time));
  WF_TRY(write_step_failure(db, w, failure, out->failures, time));
  WF_TRY(note_failure(db, handle, w, failure, time));
  {
    Query q(db, Sql::fail_keeping);
    q.bind(":seq", w.seq).bind(":now", time);
    WF_TRY(q.run());
  }
  if (handle.is_token) WF_TRY(renew_lease(db, handle, time));
  return scope.commit();
}

Status release(Db& db, const Handle& handle, Millis delay, Millis at, const Now& now) {
  WriteScope scope(db);
  Millis time;
  Workflow w;
  WF_TRY(open_for(db, scope, "wf_release", handle, now, &time, &w));
  State result;
  if (is_repetition(handle, w, "release", time, &result)) return scope.commit();
  if (handle.is_token && w.nonce == handle.nonce && waits_for_record(w)) {
    WF_TRY(end_wait_for_record(db, w, true, time));
    return scope.commit();
  }
  WF_TRY(may_act(db, handle, w, time, Act::release));
  if (handle.is_token && delay == kNoTime && at == kNoTime) {
    bool suspended;
    WF_TRY(suspend_kept(db, w, time, &suspended));
    if (suspended) return scope.commit();
  }
  if (!handle.is_token) WF_TRY(end_lost_claim(db, w, time));
  const Millis due = asked_due(delay, at, time, time);
  WF_TRY(back_in_line(db, handle, w, {"release", due, !handle.is_token && w.again != 0, Wake::release}, time));
  return scope.commit();
}

}  // namespace wf

#include "engine/step.h"

#include "base/hash.h"
#include "base/plain.h"
#include "base/scope.h"
#include "engine/cleanup.h"
#include "engine/end.h"
#include "engine/lease.h"
#include "engine/may_act.h"
#include "engine/opening.h"
#include "engine/redo.h"
#include "engine/step_names.h"

namespace wf {
namespace {

void bind_handle(Query& q, const Handle& handle) {
  if (handle.is_token) {
    q.bind(":seq", handle.seq).bind(":nonce", handle.nonce);
  } else {
    q.bind(":id", handle.id);
  }
}

Stands what_stands(const Query& output) {
  return output.text(1) == "done" ? Stands::output : output.text(1) == "error" ? Stands::error : Stands::none;
}
bool is_ours(const Query& output) { return output.text(2) == kStepKind; }

Sql step_record_of(const Handle& handle) { return handle.is_token ? Sql::step_record : Sql::step_record_by_id; }

// Outside of any savepoint, so not where triggers are fired.
Status try_insert(Db& db, const Handle& handle, string_view step, const Value& value, const Fingerprint& print, Millis time, bool said, bool* inserted) {
  *inserted = false;
  Query q(db, step_record_of(handle));
  if (db.plain_fires_triggers() && q.prepared()) return {};
  // By place: looking up the names costs as much as a tenth of the statement.
  if (handle.is_token) {
    q.bind_at(1, Value::of(handle.seq)).bind_at(2, Value::text(step)).bind_at(3, Value::of(time)).bind_at(4, Value::of(handle.nonce));
    q.bind_at(5, Value::of(kSchemaVersion)).bind_at(7, value);
    if (said) q.bind_at(6, Value::of(int64_t{1}));
    if (print.given) q.bind_at(8, Value::of(print.hash));
  } else {
    q.bind_at(1, Value::text(handle.id)).bind_at(2, Value::of(time));
    if (said) q.bind_at(4, Value::of(int64_t{1}));
    q.bind_at(3, Value::of(kSchemaVersion)).bind_at(5, Value::text(step)).bind_at(6, value);
    if (print.given) q.bind_at(7, Value::of(print.hash));
  }
  WF_TRY(q.run());
  *inserted = q.changes() != 0;
  return {};
}

Status none_yet(const Handle& handle) {
  if (handle.is_token) return Status::error(Code::not_found, "the workflow of this token does not exist: this file has none yet");
  return Status::error(Code::not_found, "no workflow '%.*s': this file has none yet", WF_SV(handle.id));
}

// The time by which the guard judges. No option "now" can be given with two arguments, so where every call has to say the time it
// decides without a clock: delays are over and leases have run out. The call that records says the time, and decides.
Status guard_time(Db& db, const Handle& handle, const Workflow& w, const Now& now, Millis* time) {
  *time = now.given ? now.time : db.clock();
  if (now.given || (handle.is_token && !w.limited)) return {};  // it is not asked for
  bool is_explicit;
  WF_TRY(clock_is_explicit(db, &is_explicit));
  if (!is_explicit) return time_to_show(db, now, time);
  *time = kTimeMax;
  return {};
}

// What a claim has begun it may record while the workflow waits, until the next claim: it has happened.
Status is_begun_before_wait(Db& db, const Handle& handle, const Workflow& w, string_view step, bool* out) {
  *out = false;
  if (w.under_pause != State::waiting || !closed_by(handle, w)) return {};
  Query q(db, Sql::begin_row);
  q.bind(":seq", w.seq).bind(":step", step);
  bool row;
  WF_TRY(q.next(&row));
  *out = row && q.text(1) == "begun" && q.integer_or(3, -1) == (handle.is_token ? handle.nonce : 0);
  return {};
}

// A recorded output is given again to whoever may have recorded it, also when nothing new may be recorded any more.
bool may_repeat(const Handle& handle, const Workflow& w) {
  const bool over = w.state == State::completed || w.state == State::failed;
  return (over || w.state == State::waiting) && (!handle.is_token || closed_by(handle, w));
}

}  // namespace

Status read_step(Db& db, const Handle& handle, string_view step, const Fingerprint& print, const Now& now, Stands* stands, Query& output) {
  *stands = Stands::none;
  bind_handle(output, handle);
  output.bind(":step", step);
  bool row = false;
  if (Status s = output.next(&row); !s.ok()) {
    bool exists;
    WF_TRY(db.schema_exists(&exists));
    return exists ? static_cast<Status&&>(s) : none_yet(handle);
  }
  WF_TRY(db.check_format());
  if (row) *stands = what_stands(output);  // by whatever function: a wait, a spawn
  if (row) WF_TRY(check_fingerprint(print, step, output, 3));
  if (*stands != Stands::none) return {};
  Workflow w;
  WF_TRY(load(db, handle, &w));
  Millis time;
  WF_TRY(guard_time(db, handle, w, now, &time));
  WF_TRY(may_act(db, handle, w, time, Act::write));
  return row && !is_ours(output) ? wrong_kind(w, step, output.text(2), kStepKind) : Status();
}

Status record_step(Db& db, const Handle& handle, string_view step, const Value& value, const Record& args, const Now& now, Stands* stands, Query& output) {
  *stands = Stands::none;
  bool first = false;
  Millis time = now.given ? now.time : db.clock();
  // (For a cleanup the workflow's row is to be written as well, unless it says so already; and errors are rare.)
  if (!args.cleanup && !args.error) {
    WF_TRY(run_plain(db, step_record_of(handle), [&] { return try_insert(db, handle, step, value, args.print, time, now.given, &first); }));
  }
  if (first) return {};

  // Not that plain: find out why, or do it with all that belongs to it.
  WriteScope scope(db);
  Workflow w;
  WF_TRY(open_for(db, scope, "wf_step", handle, now, &time, &w));
  bind_handle(output, handle);
  output.bind(":step", step);
  bool row;
  WF_TRY(output.next(&row));
  if (row && is_ours(output)) *stands = what_stands(output);
  const bool done = *stands != Stands::none;
  bool begun_before;
  WF_TRY(is_begun_before_wait(db, handle, w, step, &begun_before));
  if (!begun_before && (!done || !may_repeat(handle, w))) WF_TRY(may_act(db, handle, w, time, Act::record));
  if (row && !is_ours(output)) return wrong_kind(w, step, output.text(2), kStepKind);
  if (row) WF_TRY(check_fingerprint(args.print, step, output, 3));
  if (done) {
    if (args.once) {
      return Status::error(Code::conflict, "step '%.*s' of workflow '%.*s' is recorded already", WF_SV(step), WF_SV(w.id.view()));
    }
    if (*stands == Stands::error && !args.values) return step_failed(db, step, output);
    if (args.cleanup) WF_TRY(end_in_two_phases(db, handle, w, time));
    return scope.commit();
  }
  if (!handle.is_token) WF_TRY(end_lost_claim(db, w, time));
  if (args.cleanup) WF_TRY(end_in_two_phases(db, handle, w, time));
  WF_TRY(write_step(db, handle, w, step, value, args, time));
  if (handle.is_token) WF_TRY(waits_for_record(w) ? end_wait_for_record(db, w, false, time) : renew_lease(db, handle, time));
  return scope.commit();
}

Status write_step(Db& db, const Handle& handle, const Workflow& w, string_view step, const Value& value, const Record& args, Millis time) {
  WF_TRY(name_first_steps(db, w.seq));
  Query q(db, args.error ? Sql::step_write_error : Sql::step_write);
  q.bind(":seq", w.seq).bind(":step", step).bind(":now", time).bind(":output", value);
  Text claim;
  if (handle.is_token) add_claim(w.attempt, w.worker.view(), claim);
  if (!claim.ok()) return Status::no_memory();
  q.bind(":claim", claim.view());
  args.print.bind(q);
  WF_TRY(q.run());
  if (q.changes() != 0) return {};
  return Status::error(Code::state, "step '%.*s' of workflow '%.*s' could not be recorded", WF_SV(step), WF_SV(w.id.view()));
}

Status step_failed(Db& db, string_view step, const Query& output) {
  Text error;
  add_json(output.value(0), error, &db.stop());
  if (!error.ok()) return Status::no_memory();
  return Status::error(Code::step_failed, "the outcome of step '%.*s' is an error: %.*s", WF_SV(step), WF_SV(error.view()));
}

Status step_key(Db& db, const Handle& handle, string_view step, Name* key) {
  bool exists;
  WF_TRY(db.schema_exists(&exists));
  if (!exists) return none_yet(handle);
  Workflow w;
  WF_TRY(load(db, handle, &w));
  return step_key(db, w, step, key);
}

Status step_key(Db& db, const Workflow& w, string_view step, Name* key) {
  int64_t redo;
  WF_TRY(step_redo(db, w, step, &redo));
  Text name;
  name.add(w.id.view()).add('\n').add(step).add('\n').add_integer(redo);
  if (!name.ok()) return Status::no_memory();
  *key = uuid5(name.view()).view();
  return {};
}

}  // namespace wf

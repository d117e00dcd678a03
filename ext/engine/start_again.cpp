#include "engine/start_again.h"

#include "base/json.h"
#include "base/scope.h"
#include "engine/above.h"
#include "engine/continue.h"
#include "engine/control.h"
#include "engine/lane.h"
#include "engine/tag.h"
#include "engine/trouble.h"

namespace wf {
namespace {

// That nobody has begun it: no claim, no step by its id, no period before.
Status is_untouched(Db& db, const Workflow& w, bool* out) {
  *out = w.under_pause == State::pending && w.started_at == kNoTime && w.closed_nonce < 0 && w.ending.empty();
  if (!*out) return {};
  Query q(db, Sql::start_again_steps);
  q.bind(":seq", w.seq);
  bool row;
  WF_TRY(q.next(&row));
  *out = !row;
  return {};
}

Status wrong_time(const Workflow& w, IfExists rule) {
  if (rule == IfExists::restart) {
    return Status::error(Code::state, "workflow '%.*s' is %s: with \"if_exists\": \"restart\" another input is for one that has ended", WF_SV(w.id.view()),
                         state_name(w.state));
  }
  return Status::error(Code::state, "workflow '%.*s' is %s%s: with \"if_exists\": \"replace\" another input is for one that nobody has begun", WF_SV(w.id.view()),
                       state_name(w.state), is_terminal(w.state) || w.state == State::running ? "" : " and was begun");
}

Status write_row(Db& db, const Workflow& w, const Prepared& prepared, int64_t lane, Millis due, Millis now) {
  const Start& args = prepared.start;
  Text backoff;
  if (args.has_backoff) add_backoff(args.backoff, backoff);
  if (!backoff.ok()) return Status::no_memory();
  Query q(db, Sql::start_again_workflow);
  q.bind(":seq", w.seq).bind(":lane", lane).bind(":due", due).bind(":now", now).bind(":place", static_cast<int64_t>(w.line(true)));
  q.bind(":restart", int64_t{is_terminal(w.state)}).bind_time(":timeout", args.timeout);
  if (prepared.other_kind) q.bind(":cleanup", int64_t{args.cleanup ? kCleanup : 0});
  if (args.max_attempts != 0) q.bind(":max_attempts", args.max_attempts);
  if (args.max_failures != 0) q.bind(":max_failures", args.max_failures);
  q.bind_name(":backoff", backoff.view()).bind_name(":headers", args.headers);
  // Never NULL, which would let a large one that is still there speak.
  if (!is_large(args.input)) q.bind(":input", args.input.is_null() ? Value::text("null") : args.input);
  return q.run();
}

// The input and the row, of which the row decides: inside a statement that writes, one that is not written leaves the input as it was.
Status write(Db& db, const Workflow& w, const Prepared& prepared, const Value& old, int64_t lane, Millis due, Millis now) {
  const bool large = is_large(prepared.start.input);
  if (large) WF_TRY(put_large(db, w.seq, Large::input, prepared.start.input));
  Status written = write_row(db, w, prepared, lane, due, now);
  if (written.ok()) return large ? Status() : run_for(db, Sql::continue_drop_input, w);
  if (large) (void)(is_large(old) ? put_large(db, w.seq, Large::input, old) : run_for(db, Sql::continue_drop_input, w));
  return written;
}

// A workflow of `prepared` that is there, in its place.
Status take_place(Db& db, const Workflow& w, const Prepared& prepared, const Value& old, Millis now) {
  const Start& args = prepared.start;
  const bool restart = is_terminal(w.state);
  if (prepared.other_kind != ((w.flags & kOtherKind) != 0)) {
    return Status::error(Code::conflict, "workflow '%.*s' exists and %s scripted in SQL, the new one %s", WF_SV(w.id.view()), prepared.other_kind ? "is not" : "is",
                         prepared.other_kind ? "would be" : "would not");
  }
  if (restart) {
    WF_TRY(check_may_begin_again(db, w));
    WF_TRY(check_not_begun(db, w));
    WF_TRY(drop_history(db, w, now));
    WF_TRY(run_for(db, Sql::start_again_drop_first, w));
  }
  WF_TRY(run_for(db, Sql::control_delete_trouble, w));
  const Millis due = args.at != kNoTime ? args.at : later(now, args.delay);
  const Millis offered = (w.flags & kManual) || w.state == State::paused ? kNoTime : due;
  int64_t lane;
  WF_TRY(next_lane(db, w, args.version, args.has_priority ? &args.priority : nullptr, offered, now, &lane));
  if (args.tags) {
    WF_TRY(drop_tags(db, w.seq));
    WF_TRY(put_tags(db, w.seq, args.tags));
  }
  WF_TRY(lane_end_undone(db, w));
  if (!restart) WF_TRY(lane_count(db, lane, State::pending, w.state));
  WF_TRY(write(db, w, prepared, old, lane, due, now));
  WF_TRY(lane_moved(db, w, now));
  return lane == w.lane ? Status() : lane_drop(db, w);
}

Status meet(Db& db, const Start& args, string_view id, Millis now, Started* outcome) {
  Prepared prepared(args);
  WF_TRY(db.above().kind->prepare(db, &prepared));
  Handle handle;
  handle.id = id;
  Workflow w;
  WF_TRY(load(db, handle, &w));
  Query q(db, Sql::start_same_id);
  q.bind(":id", id);
  bool row, same, fits = is_terminal(w.state);
  WF_TRY(q.next(&row));
  if (q.text(0) != args.name) {
    return Status::error(Code::conflict, "workflow '%.*s' exists with the name '%.*s', not '%.*s'", WF_SV(id), WF_SV(q.text(0)), WF_SV(args.name));
  }
  if (args.if_exists == IfExists::replace) WF_TRY(is_untouched(db, w, &fits));
  if (fits) {
    WF_TRY(take_place(db, w, prepared, q.value(1), now));
    *outcome = args.if_exists == IfExists::replace ? Started::replaced : Started::restarted;
    return {};
  }
  WF_TRY(same_value(q.value(1), args.input, &db.stop(), &same));
  return same ? Status() : wrong_time(w, args.if_exists);
}

Status start_again_once(Db& db, const Start& args, const Now& now, Name* id, Started* outcome) {
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::allowed, "wf_start"));
  Millis time;
  WF_TRY(call_time(db, now, &time));
  WF_TRY(start(db, args, {true, time}, id, outcome));
  if (*outcome == Started::existing) WF_TRY(meet(db, args, id->view(), time, outcome));
  return scope.commit();
}

}  // namespace

Status start_again(Db& db, const Start& args, const Now& now, Name* id, Started* outcome) {
  if (args.if_exists != IfExists::replace && args.if_exists != IfExists::restart) return start(db, args, now, id, outcome);
  return past_rollbacks(db, "wf_start", [&] { return start_again_once(db, args, now, id, outcome); });
}

}  // namespace wf

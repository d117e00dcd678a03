#include "scripts/run.h"

#include "base/scope.h"
#include "engine/claim.h"
#include "engine/end.h"
#include "engine/lane.h"
#include "engine/restored.h"
#include "engine/tick.h"
#include "engine/trouble.h"
#include "scripts/advance.h"
#include "scripts/kind.h"

namespace wf {
namespace {

// How long a workflow is kept at before others are looked at again: they may come before it. After so many steps in a row, in one call, it stands
// behind the others that are due: what loops without a pause has been begun for ever, and would keep all else from its turn.
constexpr int64_t kMostStepsOfRun = 32;
constexpr Millis kMostTime = 50;

Status all_queues(Db& db, Text& out) {
  Query q(db, Sql::run_queues);
  WF_TRY(q.one_row());
  out.add(q.text(0));
  return out.ok() ? Status() : Status::no_memory();
}

// The workflow to advance, 0 if there is none; what is due by itself is done on the way.
// `*by_clock`: how long it takes may decide when it stops.
Status choose(Db& db, const Run& args, const Now& given, Millis* time, int64_t* seq, bool* by_clock) {
  *seq = 0;
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::refused, "wf_run"));
  WF_TRY(call_time(db, given, time));
  WF_TRY(may_claim_here(db));
  bool is_explicit;
  WF_TRY(clock_is_explicit(db, given.given, &is_explicit));
  *by_clock = !is_explicit;
  if (is_explicit && args.budget != kNoTime) {
    return Status::error(Code::invalid, "the option \"budget\" goes by a clock, and wf_config('clock') is 'explicit' in this file: say \"limit\"");
  }
  const Millis now = *time;
  bool troubled;
  WF_TRY(do_what_is_due(db, now, &troubled));
  if (args.id.empty()) {
    Text all;
    if (!args.queues) WF_TRY(all_queues(db, all));
    WF_TRY(next_of_kind(db, kScripts.number, args.queues ? args.queues : json::check(all.view(), &db.stop()), troubled, now, seq));
    return scope.commit();
  }
  Handle handle;
  handle.id = args.id;
  Workflow w;
  WF_TRY(load(db, handle, &w));
  if (!(w.flags & kOtherKind)) return Status::error(Code::state, "workflow '%.*s' is not scripted in SQL", WF_SV(w.id.view()));
  bool ends;
  WF_TRY(end_if_left_behind(db, w.seq, now, &ends));
  if (ends) return scope.commit();
  if ((w.state == State::pending || w.state == State::waiting) && w.due_at != kNoTime && w.due_at <= now) *seq = w.seq;
  bool was_put_off;
  WF_TRY(forget_trouble(db, {w.seq, {}}, &was_put_off));
  if (was_put_off && w.due_at != kNoTime) WF_TRY(lane_expect(db, w.lane, w.due_at, now));
  return scope.commit();
}

// It is put off, so that the others go on.
Status pass_over_script(Db& db, int64_t seq, Status failed, Millis now) {
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::refused, "wf_run"));
  WF_TRY(pass_over(db, {seq, {}}, static_cast<Status&&>(failed), now));
  return scope.commit();
}

Status run_steps(Db& db, const Run& args, const Now& now, int64_t* count) {
  Scripts* scripts = Scripts::of(db);
  if (scripts == nullptr) return Status::no_memory();
  scripts->begin();
  const Millis began = db.wall_clock();
  const auto is_over = [&] { return *count >= args.limit || (*count != 0 && args.budget != kNoTime && db.wall_clock() - began >= args.budget); };
  int64_t kept_at = 0, in_a_row = 0;  // the workflow, and how many of its steps
  for (int64_t before = 0; !is_over();) {
    Millis time;
    int64_t seq;
    bool by_clock;
    WF_TRY(past_rollbacks(db, "wf_run", [&] { return choose(db, args, now, &time, &seq, &by_clock); }));
    if (seq == 0) return {};
    const int64_t left = args.limit - *count;
    if (seq != kept_at || in_a_row >= kMostStepsOfRun) in_a_row = 0;
    kept_at = seq;
    const int64_t most = kMostStepsOfRun - in_a_row;
    Batch batch{left < most ? left : most, by_clock ? db.wall_clock() + kMostTime : kTimeMax, most};
    if (args.budget != kNoTime && began + args.budget < batch.until) batch.until = began + args.budget;
    int64_t executed = 0;
    bool any = false;
    const bool transaction = !db.autocommit();
    Status advanced = past_rollbacks(db, "wf_run", [&] { return advance(db, *scripts, seq, time, batch, &executed, &any); });
    *count += executed;
    in_a_row += executed;
    const bool stuck = advanced.ok() && !any && seq == before;
    if (stuck && !args.id.empty()) return {};
    if (stuck) advanced = Status::error(Code::state, "nothing can be done, although it is due");
    before = any ? 0 : seq;
    if (advanced.ok()) continue;
    if (!args.id.empty() || transaction == db.autocommit()) return advanced;
    WF_TRY(pass_over_script(db, seq, static_cast<Status&&>(advanced), time));
    before = 0;
  }
  return {};
}

}  // namespace

Status run(Db& db, const Run& args, const Now& now, int64_t* count) {
  *count = 0;
  const Db::Running running(db);
  if (!running.alone()) return Status::error(Code::context, "wf_run() cannot run inside a step that it runs");
  WriteScope scope(db);
  const bool whole = !db.autocommit();  // in the caller's transaction all of the call, or nothing
  if (whole) WF_TRY(scope.begin(Inline::refused, "wf_run"));
  Status status = run_steps(db, args, now, count);
  if (Scripts* scripts = Scripts::of(db); scripts != nullptr) scripts->end();
  WF_TRY(static_cast<Status&&>(status));
  return whole ? scope.commit() : Status();
}

}  // namespace wf

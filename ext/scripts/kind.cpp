#include "scripts/kind.h"

#include "engine/control.h"
#include "engine/lane.h"
#include "engine/trouble.h"
#include "scripts/define.h"
#include "scripts/move.h"
#include "scripts/start.h"

namespace wf {
namespace {

// ---- Something that steps wait for has happened ----------------------------------------------------------------------

Status wake_steps(Db& db, string_view topic, int64_t seq, Millis now) {
  bool past = false;
  if (seq != 0) WF_TRY(looks_past(db, seq, now, &past));
  if (past) return {};
  const auto bind = [&](Query& q) { q.bind_name(":topic", topic).bind(":seq", seq).bind(":now", now); };
  {
    Query q(db, seq == 0 ? Sql::run_wake_steps : Sql::run_wake_steps_of);
    bind(q);
    WF_TRY(q.run());
  }
  return look_for_left(db, seq == 0 ? Sql::run_wake_steps_left : Sql::run_wake_steps_of_left, bind);
}

Status wake(Db& db, int64_t seq, int64_t lane, Millis now) {
  bool past;
  WF_TRY(looks_past(db, seq, now, &past));
  if (past) return {};
  WF_TRY(lane_expect(db, lane, now, now));
  return run_all(db, Sql::run_wake, [&](Query& q) { q.bind(":seq", seq).bind(":now", now); });
}

Status signalled(Db& db, const Workflow& w, string_view signal, Millis now) {
  bool awaited;
  WF_TRY(looks_past(db, w.seq, now, &awaited));
  if (awaited) return {};
  {
    Query q(db, Sql::run_wake_signal);
    q.bind(":seq", w.seq).bind(":name", signal).bind(":now", now);
    WF_TRY(q.run());
    awaited = q.changes() != 0;
  }
  WF_TRY(look_for_left(db, Sql::run_wake_signal_left, [&](Query& q) { q.bind(":seq", w.seq).bind(":name", signal); }));
  return awaited ? wake(db, w.seq, w.lane, now) : Status();
}

// ---- The end, and what may come after it -----------------------------------------------------------------------------

Status stop(Db& db, const Workflow& w) {
  WF_TRY(run_for(db, Sql::run_stop, w));
  return run_for(db, Sql::run_close, w);
}

Status retry(Db& db, const Workflow& w) {
  for (const Sql sql : {Sql::run_redo_undone, Sql::run_untake_undone, Sql::run_reopen_undone, Sql::run_forget_undone, Sql::run_forget_failed}) WF_TRY(run_for(db, sql, w));
  return {};
}

Status check_from(string_view step) {
  if (step.find_first_of("[ ") == string_view::npos) return {};
  return Status::error(Code::invalid, "from: '%.*s' is no step of the definition: an item or an undo goes with its step", WF_SV(step));
}

Status drop_steps(Db& db, const Workflow& w, int64_t n) {
  const auto bind = [&](Query& q) { q.bind(":seq", w.seq).bind(":n", n); };
  WF_TRY(run_counted(db, Sql::run_redo_dropped, Sql::run_dropped_count, bind));
  return run_all(db, Sql::run_drop_steps, bind);
}

Status fork_steps(Db& db, const Workflow& w, int64_t seq, int64_t n) {
  return copy_steps(db, Sql::run_fork_steps, w.seq, seq, n);
}

Status emptied(Db& db, int64_t lane) {
  Query q(db, Sql::definition_drop_with_lane);
  q.bind(":lane", lane);
  return q.run();
}

}  // namespace

constinit const Kind kScripts{
    .number = 1,
    .why_not = "is scripted in SQL: wf_run() advances it",
    .prepare = prepare_start,
    .signalled = signalled,
    .wake_steps = wake_steps,
    .wake = wake,
    .stop = stop,
    .retry = retry,
    .check_from = check_from,
    .drop_steps = drop_steps,
    .fork_steps = fork_steps,
    .emptied = emptied,
    .export_steps = Sql::move_show_steps,
    .show_definition = show_definition,
    .take_definition = take_definition,
    .imported = check_imported,
    .check = check_definitions,
};

}  // namespace wf

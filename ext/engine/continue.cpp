#include "engine/continue.h"

#include "base/scope.h"
#include "engine/end.h"
#include "engine/lane.h"
#include "engine/line.h"
#include "engine/may_act.h"
#include "engine/redo.h"
#include "engine/start.h"
#include "engine/trouble.h"

namespace wf {
namespace {

constexpr string_view kCall = "continue";

// Whether the call repeats the one that has ended the period before.
bool is_repetition(const Handle& handle, const Workflow& w, const Continue& args) {
  if (!handle.is_token) return args.period < w.period;
  return handle.nonce != w.nonce && closed_by(handle, w) && !closed_result(w, kCall).empty();
}

// What may_act() does not know of.
Status may_continue(Db& db, const Workflow& w, const Continue& args) {
  if (!w.ending.empty()) {
    return Status::error(Code::state, "workflow '%.*s' is ending (%.*s): it cannot begin anew", WF_SV(w.id.view()), WF_SV(w.ending.view()));
  }
  if (args.period != 0 && args.period != w.period) {
    return Status::error(Code::state, "workflow '%.*s' is in period %lld, not %lld", WF_SV(w.id.view()), static_cast<long long>(w.period),
                         static_cast<long long>(args.period));
  }
  return check_not_begun(db, w);
}

// The first input is what a repeated wf_start is compared with. What came after it is gone with its period.
Status write_input(Db& db, const Workflow& w, const Continue& args) {
  if (!args.has_input) return {};
  WF_TRY(run_for(db, Sql::continue_keep_first, w));
  {
    Query q(db, Sql::continue_kept_first);
    q.bind(":seq", w.seq);
    bool kept;
    WF_TRY(q.next(&kept));
    if (!kept) return q.not_written();
  }
  WF_TRY(run_for(db, Sql::continue_drop_input, w));
  return is_large(args.input) ? put_large(db, w.seq, Large::input, args.input) : Status();
}

Status write_period(Db& db, const Handle& handle, const Workflow& w, const Continue& args, int64_t lane, Millis due, Millis now) {
  Text closed;
  closed.add(kCall).add(":pending");
  if (!closed.ok()) return Status::no_memory();
  Query q(db, Sql::continue_workflow);
  q.bind(":seq", w.seq).bind(":lane", lane).bind(":due", due).bind(":now", now).bind(":place", static_cast<int64_t>(w.line(true)));
  q.bind(":closed_nonce", handle.is_token ? handle.nonce : 0).bind(":closed", closed.view());
  q.bind_time(":timeout", args.timeout).bind_name(":headers", args.headers);
  q.bind(":own_input", int64_t{args.has_input});
  if (args.has_input && !is_large(args.input)) q.bind(":input", args.input);
  return q.run();
}

}  // namespace

Status check_not_begun(Db& db, const Workflow& w) {
  Query q(db, Sql::continue_begun);
  q.bind(":seq", w.seq);
  bool begun;
  WF_TRY(q.next(&begun));
  if (!begun) return {};
  return Status::error(Code::state, "step '%.*s' of workflow '%.*s' was begun and is not finished", WF_SV(q.text(0)), WF_SV(w.id.view()));
}

Status drop_history(Db& db, const Workflow& w, Millis now) {
  WF_TRY(end_children(db, w, now, false));
  for (const Sql sql : {Sql::continue_orphan, Sql::continue_steps, Sql::continue_failures, Sql::continue_signals, Sql::continue_keys, Sql::control_drop_outcome, Sql::control_open_streams}) {
    WF_TRY(run_for(db, sql, w));
  }
  return raise_redo_of_all(db, w.seq);
}

Status next_lane(Db& db, const Workflow& w, string_view version, const int64_t* priority, Millis due, Millis now, int64_t* lane) {
  *lane = w.lane;
  if (version.empty() && priority == nullptr) return due == kNoTime ? Status() : lane_expect(db, w.lane, due, now);
  Name queue, partition, name, old_version;
  LaneKey key;
  {
    Query q(db, Sql::continue_lane);
    q.bind(":lane", w.lane);
    bool row;
    WF_TRY(q.next(&row));
    queue = q.text(0);
    partition = q.text(1);
    name = q.text(2);
    old_version = q.text(3);
    key.priority = priority != nullptr ? *priority : q.integer(4);
    key.kind = q.integer(5);
  }
  key.queue = queue.view();
  key.partition = partition.view();
  key.name = name.view();
  key.version = version.empty() ? old_version.view() : version;
  return lane_for(db, key, due, now, lane);
}

namespace {

Status continue_once(Db& db, const Handle& handle, const Continue& args, const Now& now) {
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::refused, "wf_continue"));
  Millis time;
  WF_TRY(call_time(db, now, &time));
  Workflow w;
  WF_TRY(load_any_period(db, handle, &w));
  if (is_repetition(handle, w, args)) return scope.commit();
  WF_TRY(check_period(handle, w));
  WF_TRY(may_act(db, handle, w, time, Act::give_back));
  WF_TRY(may_continue(db, w, args));

  WF_TRY(drop_history(db, w, time));
  if (w.flags & kKept) {
    WF_TRY(run_for(db, Sql::wait_forget_workflow, w));
    WF_TRY(leave_lines(db, w.seq, time));
  }
  if (!args.keeps_streams) {
    for (const Sql sql : {Sql::continue_streams, Sql::continue_stream_ends}) WF_TRY(run_for(db, sql, w));
  }
  WF_TRY(write_input(db, w, args));
  const Millis due = later(time, args.delay);
  int64_t lane;
  WF_TRY(next_lane(db, w, args.version, args.has_priority ? &args.priority : nullptr, w.flags & kManual ? kNoTime : due, time, &lane));
  WF_TRY(write_period(db, handle, w, args, lane, due, time));
  WF_TRY(lane_moved(db, w, time));
  if (lane != w.lane) WF_TRY(lane_drop(db, w));
  return scope.commit();
}

}  // namespace

Status continue_workflow(Db& db, const Handle& handle, const Continue& args, const Now& now) {
  if (!handle.is_token && args.period == 0) {
    return Status::error(Code::invalid, "the option \"period\" is required with an id: the number of the period that is to end (wf_workflows)");
  }
  return past_rollbacks(db, "wf_continue", [&] { return continue_once(db, handle, args, now); });
}

}  // namespace wf

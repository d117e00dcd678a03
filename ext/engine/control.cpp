#include "engine/control.h"

#include "base/scope.h"
#include "engine/above.h"
#include "engine/children.h"
#include "engine/end.h"
#include "engine/join.h"
#include "engine/lane.h"
#include "engine/lease.h"
#include "engine/redo.h"
#include "engine/wait.h"

namespace wf {
namespace {

Status run_for(Db& db, Sql sql, const Workflow& w, Millis now) {
  return run_all(db, sql, [&](Query& q) { q.bind(":seq", w.seq).bind(":now", now); });
}

Status run_from(Db& db, Sql sql, const Workflow& w, int64_t n) {
  return run_all(db, sql, [&](Query& q) { q.bind(":seq", w.seq).bind(":n", n); });
}

// The place in the row of a step; WF_NOT_FOUND.
Status step_n(Db& db, const Workflow& w, string_view step, int64_t* n) {
  if (w.flags & kOtherKind) WF_TRY(db.above().kind->check_from(step));
  Query q(db, Sql::control_step_n);
  q.bind(":seq", w.seq).bind(":step", step);
  bool found;
  WF_TRY(q.next(&found));
  *n = found ? q.integer(0) : 0;
  return found ? Status() : Status::error(Code::not_found, "workflow '%.*s' has no step '%.*s'", WF_SV(w.id.view()), WF_SV(step));
}

// Drops the steps from `n` on: what they took is there again, what they started ends.
Status drop_steps(Db& db, const Workflow& w, int64_t n, Millis now) {
  Numbers spawned;
  {
    Query q(db, Sql::control_spawned_from);
    q.bind(":seq", w.seq).bind(":n", n);
    for (;;) {
      bool row;
      WF_TRY(q.next(&row));
      if (!row) break;
      spawned.add(q.integer(0));
    }
    if (!spawned.ok()) return Status::no_memory();
  }
  for (size_t i = 0; i < spawned.size(); ++i) WF_TRY(end_along(db, spawned[i], now));
  WF_TRY(run_from(db, Sql::control_untake, w, n));
  if (w.flags & kOtherKind) return db.above().kind->drop_steps(db, w, n);
  WF_TRY(raise_redo(db, w.seq, n));
  return run_from(db, Sql::control_drop_steps, w, n);
}

Status retry_one(Db& db, const Workflow& w, string_view from, bool keeps_errors, int64_t max_attempts, Millis now) {
  int64_t n = 0;
  if (!from.empty()) WF_TRY(step_n(db, w, from, &n));
  WF_TRY(check_may_begin_again(db, w));
  if (w.flags & kOtherKind) WF_TRY(db.above().kind->retry(db, w));  // first: it asks what was undone
  if (!from.empty()) {
    WF_TRY(drop_steps(db, w, n, now));
    WF_TRY(run_for(db, Sql::control_open_streams, w, now));
  }
  if (!keeps_errors) {
    WF_TRY(run_counted(db, Sql::control_redo_errors, Sql::control_count_errors, [&](Query& q) { q.bind(":seq", w.seq); }));
    WF_TRY(run_for(db, Sql::control_drop_errors, w, now));
  }
  WF_TRY(run_for(db, Sql::control_drop_outcome, w, now));
  WF_TRY(run_for(db, Sql::control_delete_trouble, w, now));
  WF_TRY(run_for(db, Sql::control_forgive_steps, w, now));
  WF_TRY(lane_expect(db, w.lane, now, now));
  WF_TRY(lane_end_undone(db, w));
  {
    Query q(db, Sql::control_retry);
    q.bind(":seq", w.seq).bind(":now", now).bind(":place", static_cast<int64_t>(w.line(true)));
    if (max_attempts != 0) q.bind(":max_attempts", max_attempts);
    WF_TRY(q.run());
  }
  return lane_moved(db, w, now);
}

bool may_retry(const Workflow& w) { return w.state == State::failed || w.state == State::cancelled; }

}  // namespace

Status check_may_begin_again(Db& db, const Workflow& w) {
  {
    Query q(db, Sql::control_purged);
    q.bind(":seq", w.seq);
    bool purged;
    WF_TRY(q.next(&purged));
    if (purged) {
      return Status::error(Code::state, "workflow '%.*s' cannot go on: some of the workflows below '%.*s' were purged, and it goes with the next wf_purge", WF_SV(w.id.view()),
                           WF_SV(q.text(0)));
    }
  }
  Query q(db, Sql::control_dedup_taken);
  q.bind(":seq", w.seq);
  bool taken;
  WF_TRY(q.next(&taken));
  if (!taken) return {};
  return Status::error(Code::conflict, "workflow '%.*s' cannot go on: its dedup key is held by workflow '%.*s'", WF_SV(w.id.view()),
                       WF_SV(q.text(0)));
}

Status cancel(Db& db, const Workflow& w, const Value& reason, bool force, Millis now, bool* changed) {
  *changed = !is_terminal(w.state) && (w.ending.empty() || force);
  if (!*changed) return {};
  State became;
  return finish(db, w, {State::cancelled, {}, reason}, {}, now, &became, force);
}

Status pause(Db& db, const Workflow& w, Millis now, bool* changed) {
  *changed = !is_terminal(w.state) && w.state != State::paused;
  if (!*changed) return {};
  WF_TRY(lane_count(db, w.lane, w.state, State::paused));
  WF_TRY(run_for(db, Sql::control_pause, w, now));
  return lane_moved(db, w, now);
}

Status resume(Db& db, const Workflow& w, Millis now, bool* changed) {
  *changed = w.state == State::paused;
  if (!*changed) return {};
  Place place = w.line(w.again != 0);
  if (w.due_at == kNoTime) place = Place::not_offered;
  else if (w.is_claimed() && !(w.flags & kManual)) place = Place::leased;
  if (w.due_at != kNoTime) WF_TRY(lane_expect(db, w.lane, w.due_at, now));
  WF_TRY(lane_count(db, w.lane, w.state, State::pending));
  {
    Query q(db, Sql::control_resume);
    q.bind(":seq", w.seq).bind(":now", now).bind(":place", static_cast<int64_t>(place));
    WF_TRY(q.run());
  }
  return lane_moved(db, w, now);
}

Status retry_children(Db& db, const Workflow& w, bool keeps_errors, Millis now);

// Children that were to end with the workflow and could not go on with it, as the others do; what they had started begins again.
Status spare_children(Db& db, const Workflow& w, bool keeps_errors, Millis now) {
  Numbers children;
  WF_TRY(list_children(db, Sql::children_left_behind, w.seq, &children));
  for (size_t i = 0; i < children.size(); ++i) {
    Workflow child;
    bool found;
    WF_TRY(find_seq(db, children[i], &found, &child));
    WF_TRY(run_all(db, Sql::control_delete_trouble, [&](Query& q) { q.bind(":seq", children[i]); }));
    if (!found) continue;
    WF_TRY(lane_expect(db, child.lane, child.due_at, now));
    WF_TRY(retry_children(db, child, keeps_errors, now));
  }
  return {};
}

Status retry_children(Db& db, const Workflow& w, bool keeps_errors, Millis now) {
  WF_TRY(spare_children(db, w, keeps_errors, now));
  Numbers children;
  WF_TRY(list_children(db, Sql::children_failed, w.seq, &children));
  for (size_t i = 0; i < children.size(); ++i) {
    Workflow child;
    bool found;
    WF_TRY(find_seq(db, children[i], &found, &child));
    if (!found || !may_retry(child)) continue;
    WF_TRY(spare_children(db, child, keeps_errors, now));
    WF_TRY(retry_one(db, child, {}, keeps_errors, 0, now));
  }
  return {};
}

Status retry(Db& db, const Workflow& w, const Retry& args, Millis now, bool* changed) {
  *changed = may_retry(w);
  if (!*changed) return {};
  // Everything that may refuse comes before the first write.
  int64_t n;
  if (!args.from.empty()) WF_TRY(step_n(db, w, args.from, &n));
  WF_TRY(check_may_begin_again(db, w));
  if (args.children) WF_TRY(retry_children(db, w, args.keeps_errors, now));
  return retry_one(db, w, args.from, args.keeps_errors || (!args.from.empty() && !args.drops_errors), args.max_attempts, now);
}

Status copy_steps(Db& db, Sql which, int64_t from, int64_t to, int64_t n) {
  static constexpr SqlParameter kColumns[] = {":n",       ":step",   ":kind",  ":status", ":attempts", ":begun", ":now",    ":due",
                                              ":claim", ":nonce", ":hash",   ":topics",   ":how",   ":output", ":error"};
  Query rows(db, which);
  rows.bind(":seq", from);
  if (n != kNoStep) rows.bind(":n", n);
  for (;;) {
    bool row;
    WF_TRY(rows.next(&row));
    if (!row) return {};
    Query q(db, Sql::fork_step);
    q.bind(":seq", to);
    for (size_t i = 0; i < std::size(kColumns); ++i) q.bind(kColumns[i], rows.value(static_cast<int>(i)));
    WF_TRY(q.run());
  }
}

Status fork(Db& db, string_view id, const Fork& args, const Now& now, Name* out) {
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::refused, "wf_fork"));
  Millis time;
  WF_TRY(call_time(db, now, &time));
  WF_TRY(new_id(db, args.id, now.given, time, out));
  Handle handle;
  handle.id = id;
  Workflow w;
  WF_TRY(load(db, handle, &w));
  int64_t n = kNoStep;
  if (!args.from.empty()) WF_TRY(step_n(db, w, args.from, &n));
  {
    Handle other;
    other.id = out->view();
    Workflow existing;
    bool exists;
    WF_TRY(find(db, other, &exists, &existing));
    if (exists) return Status::error(Code::conflict, "workflow '%.*s' exists already", WF_SV(out->view()));
  }
  int64_t seq;
  WF_TRY(next_seq(db, &seq));
  if (args.has_input && is_large(args.input)) {
    WF_TRY(put_large(db, seq, Large::input, args.input));
  } else if (!args.has_input) {
    Query q(db, Sql::fork_large_input);
    q.bind(":seq", w.seq);
    bool large;
    WF_TRY(q.next(&large));
    if (large) WF_TRY(put_large(db, seq, Large::input, q.value(0)));
  }
  if (w.flags & kOtherKind) {
    WF_TRY(db.above().kind->fork_steps(db, w, seq, n));
  } else {
    WF_TRY(copy_steps(db, Sql::fork_steps, w.seq, seq, n));
  }
  WF_TRY(run_counted(db, Sql::fork_tags, Sql::fork_tags_count, [&](Query& q) { q.bind(":new", seq).bind(":seq", w.seq); }));
  if (!(w.flags & kManual)) WF_TRY(lane_expect(db, w.lane, time, time));
  Query q(db, Sql::fork_workflow);
  q.bind(":new", seq).bind(":seq", w.seq).bind(":id", out->view()).bind(":now", time).bind(":own_input", int64_t{args.has_input});
  if (args.has_input && !is_large(args.input)) q.bind(":input", args.input);
  WF_TRY(q.run());
  return scope.commit();
}

}  // namespace wf

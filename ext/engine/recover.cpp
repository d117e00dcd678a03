#include "engine/recover.h"

#include "base/numbers.h"
#include "base/place.h"
#include "base/scope.h"
#include "engine/above.h"
#include "engine/claim_order.h"
#include "engine/end.h"
#include "engine/lane.h"
#include "engine/lease.h"
#include "engine/wait.h"

namespace wf {
namespace {

Status run_for(Db& db, Sql sql, const Recover& args, Millis now, int64_t* changes) {
  WF_TRY(run_all(db, sql, [&](Query& q) { q.bind(":now", now).bind(":due", now).bind_name(":worker", args.worker); }));
  if (changes != nullptr) *changes = sqlite3_changes(db.handle());
  return {};
}

// Ends a claim as if its lease had run out now, and the workflow if that was once too often.
Status lose(Db& db, Workflow& w, Millis now) {
  // One that has run out with waits open was no loss, whether or not a claim has come to it since.
  if (w.state == State::running && w.due_at <= now) {
    bool suspended;
    WF_TRY(suspend_kept(db, w, now, &suspended));
    if (suspended) return {};
  }
  if (w.due_at > now) w.due_at = now;
  InARow row;
  bool too_many;
  WF_TRY(count_lost(db, w, &row, &too_many));
  if (too_many) return poison(db, w, row.lost, now);
  WF_TRY(note_lost_lease(db, w, now));
  WF_TRY(lane_expect(db, w.lane, w.due_at, now));
  {
    Query q(db, Sql::recover_lost);
    q.bind(":seq", w.seq).bind(":due", w.due_at).bind(":lost", row.lost).bind(":failures", row.failures).bind(":now", now);
    WF_TRY(q.run());
  }
  return lane_moved(db, w, now);
}

// `*count`: claims that were ended. One that ends takes its children along, whose claims are no more then.
Status lose_all(Db& db, const Recover& args, Millis now, int64_t* count) {
  Numbers claimed;
  {
    Query q(db, Sql::recover_claimed);
    q.bind_name(":worker", args.worker);
    for (;;) {
      bool row;
      WF_TRY(q.next(&row));
      if (!row) break;
      claimed.add(q.integer(0));
    }
    if (!claimed.ok()) return Status::no_memory();
  }
  for (size_t i = 0; i < claimed.size(); ++i) {
    Workflow w;
    bool found;
    WF_TRY(find_seq(db, claimed[i], &found, &w));
    if (!found || !w.is_claimed()) continue;
    WF_TRY(lose(db, w, now));
    ++*count;
  }
  return {};
}

Status count(Db& db, Sql sql, string_view queue, Millis now, int64_t* out) {
  *out = 0;
  bool exists;
  WF_TRY(db.schema_exists(&exists));
  if (!exists) return {};
  Query q(db, sql);
  q.bind_name(":queue", queue).bind(":now", now);
  if (q.has(":longest")) {
    int64_t longest;
    WF_TRY(longest_claim(db, &longest));
    q.bind(":longest", longest).bind(":met", db.too_long().list(now));
  }
  WF_TRY(q.one_row());
  *out = q.integer(0);
  return {};
}

Status read_outcome(Db& db, Recovered* out) {
  SettingValue epoch;
  WF_TRY(read_setting(db, Setting::epoch, &epoch));
  out->epoch = epoch.value.integer;
  Query q(db, Sql::recover_in_doubt);
  WF_TRY(q.one_row());
  out->in_doubt = q.integer(0);
  return {};
}

}  // namespace

Status recover(Db& db, const Recover& args, const Now& now, Recovered* out) {
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::refused, "wf_recover"));
  Millis time;
  WF_TRY(call_time(db, now, &time));
  bool is_explicit;
  WF_TRY(clock_is_explicit(db, now.given, &is_explicit));
  if (args.worker.empty()) {
    if (is_explicit && args.id.empty()) {
      return Status::error(Code::invalid, "the option \"id\" is required: wf_config('clock') is 'explicit' in this file. Say what no other recovery of a copy of it says, as a new UUID, so that the tokens of two copies differ");
    }
    Text before;
    WF_TRY(add_meta(db, "recovery", before));
    if (!args.id.empty() && before.view() == args.id) {
      WF_TRY(read_outcome(db, out));
      return scope.commit();
    }
  }
  if (args.lost) {
    WF_TRY(lose_all(db, args, time, &out->leases_voided));
  } else {
    WF_TRY(run_counted(db, Sql::recover_lanes, Sql::recover_lanes_count, [&](Query& q) { q.bind(":due", time).bind(":now", time).bind_name(":worker", args.worker); }));
    WF_TRY(run_for(db, Sql::recover_void, args, time, &out->leases_voided));
  }
  WF_TRY(run_counted(db, Sql::recover_void_suspended, Sql::recover_void_suspended_count, [&](Query& q) { q.bind_name(":worker", args.worker); }));
  WF_TRY(run_for(db, Sql::recover_void_ended, args, time, nullptr));
  WF_TRY(run_counted(db, Sql::recover_partitions, Sql::recover_partitions_count, [&](Query& q) { q.bind(":now", time); }));
  if (args.pause) {
    WF_TRY(run_for(db, Sql::recover_pause, args, time, nullptr));
    WF_TRY(db.above().duty->hold(db));
  }
  WF_TRY(run_counted(db, Sql::lane_recount, Sql::lane_recount_count, [](Query&) {}));
  if (args.worker.empty()) {
    int64_t epoch;
    WF_TRY(next_epoch(db, time, args.id, &epoch));
    if (!is_explicit) WF_TRY(write_place(db));
  }
  WF_TRY(read_outcome(db, out));
  return scope.commit();
}

Status count_pending(Db& db, string_view queue, int64_t* out) { return count(db, Sql::count_pending, queue, 0, out); }
Status count_ready(Db& db, string_view queue, Millis now, int64_t* out) { return count(db, Sql::count_ready, queue, now, out); }

}  // namespace wf

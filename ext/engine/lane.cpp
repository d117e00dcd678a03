#include "engine/lane.h"

#include "engine/above.h"

namespace wf {
namespace {

bool is_counted(State state) { return state == State::failed || state == State::cancelled || state == State::paused; }

Status run_for(Db& db, Sql sql, int64_t lane, Millis now) {
  Query q(db, sql);
  q.bind(":lane", lane).bind(":now", now);
  return q.run();
}

}  // namespace

Status lane_for(Db& db, const LaneKey& key, Millis due, Millis now, int64_t* lane) {
  const auto bind = [&key](Query& q) {
    q.bind(":queue", key.queue).bind(":kind", key.kind).bind(":partition", key.partition).bind(":name", key.name);
    q.bind(":version", key.version).bind(":priority", key.priority);
  };
  bool row;
  {
    Query q(db, Sql::lane_find);
    bind(q);
    WF_TRY(q.next(&row));
    if (row) {
      *lane = q.integer(0);
      // One in line, or one of a full partition, need not know that there is more.
      if (due == kNoTime || (q.integer(1) & 1) != 0 || (!q.is_null(2) && q.integer(2) <= due)) return {};
    }
  }
  if (row) return lane_expect(db, *lane, due, now);
  Query q(db, Sql::lane_add);
  bind(q);
  q.bind_time(":due", due).bind(":now", now);
  WF_TRY(q.run());
  *lane = sqlite3_last_insert_rowid(db.handle());
  return {};
}

Status lane_expect(Db& db, int64_t lane, Millis due, Millis now) {
  {
    Query q(db, Sql::lane_expect);
    q.bind(":lane", lane).bind(":due", due).bind(":now", now);
    WF_TRY(q.run());
    if (q.changes() != 0) return {};
  }
  // It knew of something earlier, or a trigger keeps it from knowing, which would hide work.
  Query q(db, Sql::lane_expects_not);
  q.bind(":lane", lane).bind(":due", due);
  bool row;
  WF_TRY(q.next(&row));
  return row ? q.not_written() : Status();
}

Status lane_settle(Db& db, int64_t lane, Millis now) { return run_for(db, Sql::lane_settle, lane, now); }

Status lane_correct(Db& db, int64_t lane, Millis now) { return run_for(db, Sql::lane_correct, lane, now); }

Status lane_moved(Db& db, const Workflow& w, Millis now) {
  if (!w.exact_lane) return {};
  if (!w.limited) return lane_settle(db, w.lane, now);
  Query q(db, Sql::lane_settle_partition);
  q.bind(":queue", w.queue.view()).bind(":lane", w.lane).bind(":now", now);
  return q.run();
}

Status lane_served(Db& db, const Workflow& w, Millis now) {
  if (!w.exact_lane) return {};
  WF_TRY(run_for(db, Sql::lane_served, w.lane, now));
  return w.partitioned ? Status() : run_for(db, Sql::lane_leave_line, w.lane, now);
}

Status lanes_join_line(Db& db, string_view queue, int64_t kind, Millis now, bool* joined) {
  {
    Query q(db, Sql::lane_mixed);
    q.bind(":queue", queue).bind(":kind", kind);
    bool mixed;
    WF_TRY(q.next(&mixed));
    if (joined != nullptr) *joined = mixed;
    if (!mixed) return {};
  }
  Query q(db, Sql::lane_join_line);
  q.bind(":queue", queue).bind(":kind", kind).bind(":now", now);
  return q.run();
}

Status lane_count(Db& db, int64_t lane, State was, State is) {
  if (was == is || (!is_counted(was) && !is_counted(is))) return {};
  Query q(db, Sql::lane_count);
  q.bind(":lane", lane).bind(":was", state_name(was)).bind(":is", state_name(is));
  return q.run();
}

Status lane_end_undone(Db& db, const Workflow& w) {
  if (!is_terminal(w.state)) return lane_count(db, w.lane, w.state, State::pending);
  Query q(db, Sql::lane_end_undone);
  q.bind(":lane", w.lane).bind(":seq", w.seq).bind(":was", state_name(w.state));
  return q.run();
}

Status lane_drop(Db& db, const Workflow& gone) {
  {
    Query q(db, Sql::lane_is_empty);
    q.bind(":lane", gone.lane);
    WF_TRY(q.one_row());
    if (q.integer(0) == 0) return {};
  }
  if (gone.flags & kOtherKind) WF_TRY(db.above().kind->emptied(db, gone.lane));
  return run_for(db, Sql::lane_drop, gone.lane, 0);
}

}  // namespace wf

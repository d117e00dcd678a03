#include "engine/lane.h"

namespace wf {

Status lane_for(Db& db, const LaneKey& key, Millis due, int64_t* lane) {
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
      if (due == kNoTime || (!q.is_null(1) && q.integer(1) <= due)) return {};
    }
  }
  if (row) return lane_expect(db, *lane, due);
  Query q(db, Sql::lane_add);
  bind(q);
  q.bind_time(":due", due);
  WF_TRY(q.run());
  *lane = sqlite3_last_insert_rowid(db.handle());
  return {};
}

Status lane_expect(Db& db, int64_t lane, Millis due) {
  Query q(db, Sql::lane_expect);
  q.bind(":lane", lane).bind(":due", due);
  return q.run();
}

Status lane_settle(Db& db, int64_t lane) {
  Query q(db, Sql::lane_settle);
  q.bind(":lane", lane);
  return q.run();
}

Status lane_moved(Db& db, const Workflow& w) {
  if (!w.partitioned) return {};
  if (!w.limited) return lane_settle(db, w.lane);
  Query q(db, Sql::queue_settle_partition);
  q.bind(":queue", w.queue.view()).bind(":lane", w.lane);
  return q.run();
}

}  // namespace wf

// Lanes: where the claim looks for work. One lane holds the workflows of one queue, partition, name, version and priority.
//
// The rule that everything here keeps: a lane's next_due is never later than the earliest due_at of its rows in line or leased
// (NULL: it has none). So a claim may skip a lane whose next_due has not come. Too early only costs a look. In partitioned lanes, of
// which there may be a million, it is exact; while its partition is full, it is the time when a slot may come free by itself.
#pragma once

#include "engine/workflow.h"

namespace wf {

struct LaneKey {
  string_view queue, partition, name, version;
  int64_t priority = 0;
  int64_t kind = 0;  // 0 for workers, else Kind::number
};

// The lane's number, the lane made if it is new; `due`: a row with this due time is about to be put in line (kNoTime: none).
Status lane_for(Db& db, const LaneKey& key, Millis due, int64_t* lane);
// To be called before a row of the lane gets the due time `due`.
Status lane_expect(Db& db, int64_t lane, Millis due);
// To be called after a row of the workflow's lane has moved or gone: makes next_due exact where it must be, in all lanes of its partition if
// it held a slot.
Status lane_moved(Db& db, const Workflow& workflow);
// Makes next_due exact.
Status lane_settle(Db& db, int64_t lane);

}  // namespace wf

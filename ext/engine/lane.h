// Lanes: where the claim looks for work. One lane holds the workflows of one queue, partition, name, version and priority. The lanes of a
// partition that have the same priority take turns with those of the other partitions together: the turn is the partition's.
//
// What holds between any two calls (sql/check.sql looks):
//
// - `line` says where a lane stands. A partition's lane is exact: 1, in line: something in it is due, `turn` says since when; 2, its time is
//   to come: at `next_due` the first of its workflows is due, and that is its turn then; 3, its partition is full: it keeps its turn and is
//   looked at again when a slot is given back, or at `next_due`, when one may run out. Time moves nothing: a lane of which `next_due` has come is in
//   line whoever looks, and is written when something else writes it.
// - Without a partition a lane is loose (0): nothing in it is due before `next_due`, which is all that it says. So a start, a claim and an
//   end write one row, that of the workflow. No partition is one partition: where there are others beside it, a claim makes its lanes exact
//   (lanes_join_line), and loose again once it is alone.
// - Of a lane in line `next_due` is NULL; of one that is neither in line nor full `turn` is. Both are NULL where nothing can be claimed.
//
// Turns are milliseconds times 4,096, and never less than the last of the queue and priority plus one: those who come, who come back and who were
// served stand last, be the clock as it may. A lane without workflows is deleted with the last of them; made anew, it stands last too.
//
// How many have ended in a lane is known without a row that every end would have to write: each has its number `nth` among them, and `gone` says how
// many numbers up to the last one nobody has any more. Only what takes a workflow away, or lets it begin again, writes that. An exact lane is written by
// every end and has that last number in `count_to`, too. What failed, was cancelled or is paused is counted in the lane: no other work writes it.
// Lanes are numbered by blocks of 256, each of one queue, kind and name (fragment_blocks): what is live in a block is a range of an index.
//
// Room: the next time at which anything is due is the least `next_due`, or now if any `turn` is set: an index away.
#pragma once

#include "engine/workflow.h"

namespace wf {

struct LaneKey {
  string_view queue, partition, name, version;
  int64_t priority = 0;
  int64_t kind = 0;  // 0 for workers, else Kind::number
};

// The lane's number, the lane made if it is new; `due`: a new workflow with this due time is about to be put in line (kNoTime: none).
Status lane_for(Db& db, const LaneKey& key, Millis due, Millis now, int64_t* lane);
// To be called before a row of the lane gets the due time `due`.
Status lane_expect(Db& db, int64_t lane, Millis due, Millis now);
// To be called after a row of the workflow's lane has moved or gone: keeps an exact lane exact, and all lanes of its partition if it held a
// slot.
Status lane_moved(Db& db, const Workflow& workflow, Millis now);
// To be called after the workflow was claimed: its partition has had its turn.
Status lane_served(Db& db, const Workflow& workflow, Millis now);
Status lane_settle(Db& db, int64_t lane, Millis now);
// For a lane in which a claim has found nothing that it could have, although the lane said so. Of what is put off (trouble.h) no other call knows:
// lanes say when it would be due, and the claim that meets nothing else in one has it say when it is tried again.
Status lane_correct(Db& db, int64_t lane, Millis now);
// Loose lanes of the queue take part in the turns, if there are any to be taken; `*joined` (may be nullptr): there are.
Status lanes_join_line(Db& db, string_view queue, int64_t kind, Millis now, bool* joined = nullptr);
// To be called where a workflow of the lane gets the status `is`, and had `was`; State::pending: one that is not counted, or none.
Status lane_count(Db& db, int64_t lane, State was, State is);
// To be called before a workflow is deleted, or begins again: the lane counts those that have ended, failed, were cancelled or are paused.
Status lane_end_undone(Db& db, const Workflow& workflow);
// Deletes the lane of a workflow that is gone, if it was its last.
Status lane_drop(Db& db, const Workflow& gone);

}  // namespace wf

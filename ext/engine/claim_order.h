// The order of claims: which workflow comes next, and whether there is any.
//
// 1. Priority, strictly. Across the queues that a claim names this is first too; the rest is decided within each queue, and then again by 3.
// 2. The turn of the partition (lane.h): of those that have something to give now, to this claim, the one that was served longest ago. Whatever
//    is claimed is a turn, be it new or resumed, by order or by id.
// 3. Rank: what was begun goes on (woken, or its lease was lost or recovered once), before what is new (started, or to be retried), before what
//    was released or lost once more without a step since: what is given back or lost again and again keeps nothing else from its turn.
// 4. Due time, then start order.
//
// A partition that has nothing to give (full, the filters leave nothing) is passed over and keeps its turn. What a claim looks at on its way is
// bounded: lanes of full partitions are closed, each once until it is opened, those whose time is to come are not met at all. Only lanes of names or
// versions that the claim does not want are walked.
#pragma once

#include "base/json.h"
#include "engine/lane.h"
#include "engine/settings.h"

namespace wf {

struct Shown;

struct Claim {
  json::Checked queues;              // an array of names, or none: `queue` alone
  string_view queue = "default";
  string_view worker;
  Millis lease = kNoTime;            // of the queue, else of the file
  int64_t limit = 1;
  json::Checked names, versions;     // arrays that filter, or none
  string_view id;                    // this workflow and no other
  string_view key;                   // the same claim again, as long as it is current
  bool steps = false;                // with its steps, at most so many
  int64_t steps_limit = INT64_MAX;
  Shown* shown = nullptr;     // if so: where they go
  int64_t kind = 0;                  // of lanes: 0 for workers, else Kind::number
  bool time_was_said = false;
  bool that_fit = false;             // passes over inputs that are too long for this connection
  bool troubled = false;             // there are some that are put off: passes over them
};

// A number for the queues and the filters of a claim, the same for all that ask for the same work; never 0.
uint64_t work_of(const Claim& args);

struct Candidate {
  int64_t seq = 0;
  int64_t priority = INT64_MIN;
  int64_t turn = 0;  // of its partition; 0 where that is decided
  int64_t rank = 0;
  Millis due = 0;
  int64_t lane = 0;

  bool found() const { return seq != 0; }
  bool has_priority_over(int64_t other) const { return found() && priority > other; }
  // Whether it comes before `other` in the order of claims.
  bool before(const Candidate& other) const {
    if (!other.found()) return true;
    if (priority != other.priority) return priority > other.priority;
    if (turn != other.turn) return turn < other.turn;
    if (rank != other.rank) return rank < other.rank;
    return due != other.due ? due < other.due : seq < other.seq;
  }
};

// Lanes met that promised something due and had nothing: they are put right afterwards. It is a write, and a claim that finds nothing should
// not write; so that is done along with one that does, or once there are too many of them.
class StaleLanes {
 public:
  // Without `writes` nothing may be put right at all: someone only looks.
  explicit StaleLanes(bool writes = true) : writes_(writes) {}
  bool may_write() const { return writes_; }
  void add(int64_t lane) {
    if (count_ < std::size(lanes_)) lanes_[count_++] = lane;
  }
  Status settle(Db& db, Millis now) {
    for (size_t i = 0; i < count_; ++i) WF_TRY(lane_correct(db, lanes_[i], now));
    count_ = 0;
    return {};
  }
  bool full() const { return count_ == std::size(lanes_); }

 private:
  bool writes_;
  int64_t lanes_[32];
  size_t count_ = 0;
};

// How long a claim may be on this connection, in bytes of UTF-8: fragment too_long in sql/base/fragments.sql asks for it.
Status longest_claim(Db& db, int64_t* out);

// The best due workflow of all queues asked for. Stops where `stale` is full: then it has to be settled, and the look begun anew.
Status look_for_work(Db& db, const Claim& args, Millis now, Candidate* best, StaleLanes* stale);

// Whether a claim with these arguments (names, versions, queues, worker) would find something now, or end what has lost too many leases; writes nothing. It
// may say so once in error, where a claim has to put lanes right first.
Status is_claimable(Db& db, const Claim& args, Millis now, bool* out);

// The workflow of another kind that comes first among those that are due in these queues (a JSON array), 0 if there is none.
Status next_of_kind(Db& db, int64_t kind, json::Checked queues, bool troubled, Millis now, int64_t* seq);

}  // namespace wf

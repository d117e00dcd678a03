// The order of claims: which workflow comes next, and whether there is any.
#pragma once

#include "base/json.h"
#include "engine/lane.h"
#include "engine/settings.h"

namespace wf {

struct Claim {
  json::Checked queues;              // an array of names, or none: `queue` alone
  string_view queue = "default";
  string_view worker;
  Millis lease = kNoTime;            // of the queue, else of the file
  int64_t limit = 1;
  json::Checked names, versions;     // arrays that filter, or none
  string_view id;                    // this workflow and no other
  string_view key;                   // the same claim again, as long as it is current
  bool steps = false;                // with the recorded outputs
  int64_t kind = 0;                  // of lanes: 0 for workers, else Kind::number
};

struct Candidate {
  int64_t seq = 0;
  int64_t priority = INT64_MIN;
  Millis due = 0;

  bool found() const { return seq != 0; }
  // Whether it comes before `other` in the order of claims.
  bool before(const Candidate& other) const {
    if (!other.found()) return true;
    if (priority != other.priority) return priority > other.priority;
    return due != other.due ? due < other.due : seq < other.seq;
  }
};

// Lanes met that promised something due and had nothing: their next_due is put right afterwards. It is a write, and a claim that finds
// nothing should not write; so that is done along with one that does, or once there are too many of them.
class StaleLanes {
 public:
  // Without `writes` nothing may be put right at all: someone only looks.
  explicit StaleLanes(bool writes = true) : writes_(writes) {}
  bool may_write() const { return writes_; }
  void add(int64_t lane) {
    if (count_ < std::size(lanes_)) lanes_[count_++] = lane;
  }
  Status settle(Db& db) {
    for (size_t i = 0; i < count_; ++i) WF_TRY(lane_settle(db, lanes_[i]));
    count_ = 0;
    return {};
  }
  bool full() const { return count_ == std::size(lanes_); }

 private:
  bool writes_;
  int64_t lanes_[32];
  size_t count_ = 0;
};

// The best due workflow of all queues asked for. Stops where `stale` is full: then it has to be settled, and the look begun anew.
Status look_for_work(Db& db, const Claim& args, Millis now, Candidate* best, StaleLanes* stale);

// Whether a claim with these arguments (names, versions, queues, worker) would find something now; writes nothing. It may say so once in
// error, where a claim has to put lanes right first.
Status is_claimable(Db& db, const Claim& args, Millis now, bool* out);

// The workflow of another kind that comes first among those that are due in these queues (a JSON array), 0 if there is none.
Status next_of_kind(Db& db, int64_t kind, json::Checked queues, Millis now, int64_t* seq);

}  // namespace wf

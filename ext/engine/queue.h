// Queues: their settings, and whether they admit another claim.
//
// A claim in a queue with limits holds a slot: column limited of its workflow. It is given back with the claim, or with "hold": "started" at
// the workflow's end. Slots are counted under the write lock by which they are taken, so no number of processes can take one too many.
#pragma once

#include "engine/settings.h"

namespace wf {

struct QueueSettings {
  int64_t concurrency = -1, worker_concurrency = -1, partition_concurrency = -1;  // -1: no limit
  bool until_end = false;           // "hold": "started"
  int64_t rate_limit = -1;          // claims that start an attempt, in any `rate_per` milliseconds
  Millis rate_per = 0;
  bool paused = false;
  Millis lease = kNoTime;           // kNoTime: of the file
  int64_t max_attempts = 0;         // 0: of the file
  bool has_backoff = false;
  Backoff backoff;

  bool says_anything() const {
    return has_limits() || until_end || rate_limit >= 0 || paused || lease != kNoTime || max_attempts != 0 || has_backoff;
  }
  bool has_limits() const { return concurrency >= 0 || worker_concurrency >= 0 || partition_concurrency >= 0; }
};

Status read_queue(Db& db, string_view queue, QueueSettings* out);
// From the columns of fragment_queue, so many, which stand in the row from `first` on.
constexpr int kQueueColumns = 10;
void read_queue(const Query& row, int first, QueueSettings* out);
// Stores the settings, none if all are the defaults. Work that is under way is counted from now on as the new settings count it.
Status write_queue(Db& db, string_view queue, const QueueSettings& settings);

// What a queue admits at this moment.
struct Admission {
  QueueSettings settings;
  bool closed = false;              // paused, or this worker has enough: nothing
  bool full = false;                // only what holds its slot to the end
  bool rate_is_used_up = false;     // only what goes on with an attempt
};
Status admission(Db& db, string_view queue, string_view worker, Millis now, Admission* out);

// Whether the partition has no slot left.
Status partition_is_full(Db& db, string_view queue, string_view partition, const QueueSettings& settings, Millis now, bool* full);

// Whether the claim of the workflow has run out and the queue has no slot for it any more: others have taken it.
Status slot_is_lost(Db& db, int64_t seq, Millis now, bool* lost);

// Counts a claim that starts an attempt against the rate.
Status count_rate(Db& db, string_view queue, const QueueSettings& settings, Millis now);

}  // namespace wf

// After a crash of everything, or a restore.
#pragma once

#include "engine/settings.h"

namespace wf {

struct Recover {
  bool pause = false;        // everything stays paused until it has been looked at
  bool lost = false;         // the leases count as lost: something has crashed, and they may be why
  string_view id;            // of this recovery: another one of the same id has been this one
  string_view worker;        // only this worker's leases, and no new epoch; empty: all
};

struct Recovered {
  int64_t epoch = 0;
  int64_t leases_voided = 0;
  int64_t in_doubt = 0;
};

// Voids the leases: no token given out before is accepted again, and the workflows are pending, or have failed where `lost` was once too often.
Status recover(Db& db, const Recover& args, const Now& now, Recovered* out);

// How many workflows are not terminal (`queue` empty: in all queues), and how many a claim would find now.
Status count_pending(Db& db, string_view queue, int64_t* count);
Status count_ready(Db& db, string_view queue, Millis now, int64_t* count);

}  // namespace wf

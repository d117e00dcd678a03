// Claiming work.
#pragma once

#include <span>

#include "engine/settings.h"

namespace wf {

struct Claim {
  string_view queues;                // a JSON array of names, or empty: `queue` alone
  string_view queue = "default";
  string_view worker;
  Millis lease = kNoTime;            // of the queue, else of the file
  int64_t limit = 1;
  string_view names, versions;       // JSON arrays that filter, or empty
  string_view id;                    // this workflow and no other
  string_view key;                   // the same claim again, as long as it is current
  bool steps = false;                // with the recorded outputs
};

// Claims up to `limit` of the workflows that are due: highest priority first, then the earliest due time, then start order. Before,
// it does what time has made due. Appends one JSON object per claim to `out`, separated by commas; `*count` says how many.
Status claim(Db& db, const Claim& args, const Now& now, Text& out, int64_t* count);

// Fires the timeouts that have come, up to a bound a call; each in its own savepoint, a failing one noted and put off. `*count`: how many.
Status fire_deadlines(Db& db, Millis now, int64_t* count);

}  // namespace wf

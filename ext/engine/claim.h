// Claiming work.
#pragma once

#include <span>

#include "base/json.h"
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

// Claims up to `limit` of the workflows that are due: highest priority first, then the earliest due time, then start order. Before,
// it does what time has made due. Appends one JSON object per claim to `out`, separated by commas; `*count` says how many.
Status claim(Db& db, const Claim& args, const Now& now, Text& out, int64_t* count);

// Whether a claim with these arguments (names, versions, queues, worker) would find something now; writes nothing. It may say so once in
// error, where a claim has to put lanes right first.
Status is_claimable(Db& db, const Claim& args, Millis now, bool* out);

// The workflow of another kind that comes first among those that are due in these queues (a JSON array), 0 if there is none.
Status next_of_kind(Db& db, int64_t kind, json::Checked queues, Millis now, int64_t* seq);

}  // namespace wf

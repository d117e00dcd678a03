// What wf_claim answers.
#pragma once

#include "engine/claim_order.h"
#include "engine/queue.h"
#include "engine/workflow.h"

namespace wf {

// What a claim shows of its workflow, as it is when it is claimed.
struct ShownClaim {
  int64_t seq = 0, nonce = 0, attempt = 0, resumed = 0, priority = 0;
  string_view id, name, ending, queue, worker, version, parent;
  Value input, headers;
  Millis lease_expires_at = kNoTime, deadline_at = kNoTime, scheduled_at = kNoTime;
  Wake wake = Wake::start;
};

// Appends its JSON object. SQLITE_TOOBIG if with it `out` cannot be a result.
Status add_claim(Db& db, const Claim& args, const ShownClaim& claim, Text& out);

// What a claim depends on, in one look at the row of its workflow.
class ClaimRow {
 public:
  ClaimRow(Db& db, int64_t seq) : db_(db), q_(db, Sql::claim_row) { q_.bind(":seq", seq); }
  Status read(Workflow* out);

  // Those of its queue; and how long a claim is to last that says nothing of it.
  void settings(QueueSettings* out) const;
  Millis lease() const;
  // The same for `w`, the workflow as it is when it is claimed.
  Status show(const Claim& args, const Workflow& w, Text& out);

 private:
  Db& db_;
  Query q_;
};

// Notes where `out` shows the claim of workflow `seq`, which stands: its steps may be wanted.
Status note_shown(const Claim& args, int64_t seq, const Text& out);
// Shows the claim that workflow `seq` is under, and notes it.
Status show_claim(Db& db, const Claim& args, int64_t seq, Text& out);

}  // namespace wf

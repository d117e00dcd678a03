// Taking the workflow that a claim has found, or that was asked for by its id.
#pragma once

#include "engine/claim_order.h"
#include "engine/queue.h"
#include "engine/workflow.h"

namespace wf {

// The second half of a new token, drawn at random, for a workflow in its so manieth period.
int64_t random_nonce(int64_t period);

// How long a claim is to last: as it says, else as its queue does, else the file.
Status lease_of(Db& db, const Claim& args, const QueueSettings& settings, Millis* out);

// Takes a workflow that is due. Not taken: it was due to end instead (its time was up, or too many leases were lost), and has; or it was
// woken for nothing and waits on.
Status take_or_end(Db& db, const Claim& args, const Workflow& workflow, Millis now, bool* taken);
// The same for the workflow `seq`, and shows the claim.
Status take_and_show(Db& db, const Claim& args, int64_t seq, Millis now, bool* taken, Text& out);

}  // namespace wf

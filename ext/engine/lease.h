// Leases: kept alive, lost, ended.
#pragma once

#include "engine/budget.h"
#include "engine/settings.h"

namespace wf {

// Lets the lease run until `due`, its length be `lease` (kNoTime: as it is). `*extended` is false where it had run out and its queue, which has
// limits, has given the slot away: the claim stays current, and what it records stands, but it does not count as running again.
Status extend_lease(Db& db, int64_t seq, Millis due, Millis lease, Millis now, bool* extended);

// Renews the lease to its full length from `now` if less than half is left, where extend_lease() can.
Status renew_lease(Db& db, const Handle& token, Millis now);

// wf_heartbeat: the lease of this claim ends at `now` + `duration` (kNoTime: its own length) at the earliest; it is never shortened.
Status heartbeat(Db& db, const Handle& token, Millis duration, const Now& now, Millis* expires);

// If a claim of the workflow has run out, ends it on behalf of a write by bare id: the lost lease is noted, the workflow is
// pending. Changes `workflow` accordingly.
Status end_lost_claim(Db& db, Workflow& workflow, Millis now);

// What one more lost lease makes of what stands in a row; `*too_many`: it is poison.
Status count_lost(Db& db, const Workflow& workflow, InARow* row, bool* too_many);

// What every write for a workflow brings with it, after everything that may refuse it: by a token renew_lease(), by an id end_lost_claim().
Status keep_or_end_claim(Db& db, const Handle& handle, Workflow& workflow, Millis now);

// Notes the lost lease among the failures.
Status note_lost_lease(Db& db, const Workflow& workflow, Millis now);

}  // namespace wf

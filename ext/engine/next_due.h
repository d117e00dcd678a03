// When a file wants attention next, so that whoever serves many files can leave this one closed until then.
#pragma once

#include "engine/settings.h"

namespace wf {

// wf_next_due: the earliest moment, not before `now`, at which a claim (in any queue, by a worker that holds nothing), who advances another kind, or wf_tick would find something
// to do if nobody writes until then; kNoTime: none ever would. So it counts starts, wake-ups, timeouts, ends of leases, schedules, retries of what was put
// off, slots and rates that come free; not what is paused, nor what only a claim by id takes. Reads only, all of it in one state of the file, and what it
// looks at does not grow with the number of workflows.
Status next_due(Db& db, Millis now, Millis* out);

}  // namespace wf

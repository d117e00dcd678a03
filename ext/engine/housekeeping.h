// What time makes due, apart from the work itself: timeouts, schedules, workflows that lose one lease after the other. Claims do it on the
// way, wf_tick does nothing else.
#pragma once

#include "engine/settings.h"

namespace wf {

// Fires timeouts and schedules, up to a bound a call; each in its own savepoint, a failing one noted and put off. `*count`: how many.
Status do_what_is_due(Db& db, Millis now, int64_t* count);
// wf_tick: that, and ends the workflows that have lost too many leases. Repeats until nothing is left.
Status tick(Db& db, const Now& now, int64_t* count);
// Whether do_what_is_due() would find something.
Status is_something_due(Db& db, Millis now, bool* out);

}  // namespace wf

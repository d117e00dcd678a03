// What time makes due, apart from the work itself: timeouts, schedules, workflows that lose one lease after the other. Claims do it on the
// way, wf_tick does nothing else.
#pragma once

#include "engine/settings.h"

namespace wf {

constexpr int64_t kNoLimit = INT64_MAX;

// Fires timeouts and schedules, up to a bound a call; each in its own savepoint, a failing one noted and put off (trouble.h). `*troubled`: something is
// put off.
Status do_what_is_due(Db& db, Millis now, bool* troubled);
// wf_tick: that, and ends the workflows that have lost too many leases. Repeats until nothing is left, or `limit` is met.
Status tick(Db& db, int64_t limit, const Now& now, int64_t* count);
// Whether do_what_is_due() would find something.
Status is_something_due(Db& db, Millis now, bool* out);

}  // namespace wf

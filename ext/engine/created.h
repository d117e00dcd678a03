// The order in which workflows were created. Their numbers have it, so that no index is needed; but for those that are `late`: a clock went back, or they
// were imported. They are few, and have an index of their own. Who wants that order merges the two.
#pragma once

#include "base/db.h"

namespace wf {

// The highest number such that no workflow up to it that is not late was created after `time`, and all others above it were. In log(n) look-ups.
Status last_created(Db& db, Millis time, int64_t* seq);
// Whether there is one that is late.
Status any_late(Db& db, bool* any);

}  // namespace wf

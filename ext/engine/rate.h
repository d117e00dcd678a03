// wf_rate: limits for calls, of which wf_acquire takes shares (share.h).
#pragma once

#include "engine/share.h"

namespace wf {

// Sets it, or with no limit takes it away; then those who wait are let through. Either way it holds at once, also for them.
Status write_limit(Db& db, string_view name, const Limit& limit, Millis now);

}  // namespace wf

// wf_rate: limits for calls, of which wf_acquire takes shares (share.h).
#pragma once

#include "engine/share.h"

namespace wf {

// Sets it, or with no limit takes it away, of which `per` is that so far; then those who wait are let through, and what was spent counts where it comes back. Either way it holds at once, also for them.
Status write_limit(Db& db, string_view name, const Limit& limit, Millis now);

}  // namespace wf

// wf_rate: limits for calls, of which wf_acquire takes shares (share.h).
#pragma once

#include "engine/settings.h"

namespace wf {

struct Limit {
  int64_t limit = -1;      // shares in any period
  Millis per = kNoTime;    // of this length
};

Status read_limit(Db& db, string_view name, bool* exists, Limit* out);

// Sets it, or with no limit takes it away; then those who wait are let through. Either way it holds at once, also for them.
Status write_limit(Db& db, string_view name, const Limit& limit, Millis now);

}  // namespace wf

// wf_trigger: a schedule fires by hand.
#pragma once

#include "engine/settings.h"

namespace wf {

constexpr int64_t kMostTriggered = 1000;

// For one time, which need not be one of its calendar: starts `<name>@<time>`, once, and gives its id; `time` kNoTime: now. Neither a pause nor a
// firing that goes on is in the way, and the schedule itself stays as it is. WF_NOT_FOUND.
Status trigger(Db& db, string_view name, Millis time, const Now& now, Name* id);

struct Span {
  Millis from = 0, to = kNoTime;  // both included; kNoTime: now
  int64_t limit = kMostTriggered;
};
// The same for every time of its calendar in a span, in one transaction; `*out`: {"ids": [...], "started": how many are new, "next": the first time that was
// left for a later call, or null}.
Status trigger_span(Db& db, string_view name, const Span& span, const Now& now, Text& out);

}  // namespace wf

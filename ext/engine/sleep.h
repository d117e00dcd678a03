// wf_sleep: what a timer decides.
#pragma once

#include "engine/wait_row.h"

namespace wf {

// A sleep is over when its time is up.
inline void look_for_time(const Awaited& thing, Millis until, Millis now, Came* came) {
  came->yes = thing.due != kNoTime && thing.due <= now && in_time(thing.due, until);
  came->at = thing.due;
}

}  // namespace wf

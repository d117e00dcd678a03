// wf_sleep: what a timer decides.
#pragma once

#include "engine/wait_row.h"

namespace wf {

// A sleep is over when its time is up; `output` is that time.
void decide_sleep(const WaitRow& row, bool time_is_up, Text& output);

}  // namespace wf

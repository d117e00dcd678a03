// Sleeping by a clock that nobody sets, in nanoseconds.
#pragma once

#include <cstdint>

namespace wf {

int64_t monotonic_clock();
// Sleeps; true: a signal has ended it. (Not by the VFS: its xSleep may round up to whole seconds.)
bool sleep_for(int64_t nanoseconds);

}  // namespace wf

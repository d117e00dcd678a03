// Sleeping by a clock that nobody sets, in nanoseconds.
#pragma once

#include <cstdint>

#ifndef _WIN32
#include <time.h>
#endif

namespace wf {

constexpr int64_t kMicrosecond = 1000, kMillisecond = 1000 * kMicrosecond;

int64_t monotonic_clock();
// Sleeps; true: a signal has ended it. (Not by the VFS: its xSleep may round up to whole seconds.)
bool sleep_for(int64_t nanoseconds);
#ifndef _WIN32
timespec as_timespec(int64_t nanoseconds);
#endif

}  // namespace wf

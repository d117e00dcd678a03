#include "base/sleep.h"

#ifdef _WIN32
#include "base/on_windows.h"
#else
#include <cerrno>
#endif

namespace wf {
namespace {

constexpr int64_t kNanoseconds = 1000 * kMillisecond;

}  // namespace

#ifdef _WIN32

int64_t monotonic_clock() {
  LARGE_INTEGER now, each;
  QueryPerformanceCounter(&now);
  QueryPerformanceFrequency(&each);
  return now.QuadPart / each.QuadPart * kNanoseconds + now.QuadPart % each.QuadPart * kNanoseconds / each.QuadPart;
}

bool sleep_for(int64_t nanoseconds) {
  Sleep(static_cast<DWORD>((nanoseconds + 999999) / 1000000));
  return false;
}

#else

int64_t monotonic_clock() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * kNanoseconds + now.tv_nsec;
}

timespec as_timespec(int64_t nanoseconds) {
  timespec time = {};
  time.tv_sec = static_cast<decltype(time.tv_sec)>(nanoseconds / kNanoseconds);
  time.tv_nsec = static_cast<decltype(time.tv_nsec)>(nanoseconds % kNanoseconds);
  return time;
}

bool sleep_for(int64_t nanoseconds) {
  const timespec time = as_timespec(nanoseconds);
  return nanosleep(&time, nullptr) != 0 && errno == EINTR;
}

#endif

}  // namespace wf

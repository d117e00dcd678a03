// Times and durations: integer milliseconds since 1970-01-01 UTC, and integer milliseconds.
//
// Valid times lie in the years 0000 to 9999, the range of SQLite's own date functions.
#pragma once

#include "base/text.h"

namespace wf {

using Millis = int64_t;
constexpr int64_t kDaySeconds = 86400;

constexpr Millis kTimeMin = -62167219200000;   // 0000-01-01 00:00:00.000
constexpr Millis kTimeMax = 253402300799999;   // 9999-12-31 23:59:59.999
constexpr Millis kDurationMax = kTimeMax - kTimeMin;
constexpr Millis kNoTime = INT64_MIN;          // where a time may be missing

enum class TimeForm : char {
  sql,   // 2026-11-23 10:00:00.000, SQLite's own form
  json,  // 2026-11-23T10:00:00.000Z, RFC 3339
};

// Formatted time, held in place.
class TimeText {
 public:
  TimeText(Millis time, TimeForm form);
  string_view view() const { return {text_, size_}; }
  const char* c_str() const { return text_; }

 private:
  char text_[32];
  size_t size_;
};

// ISO-8601: YYYY-MM-DD, then optionally T or a blank and HH:MM[:SS[.fraction]], then optionally Z or +HH:MM (UTC without).
// Digits of a fraction beyond milliseconds are cut. False if `text` is anything else.
bool parse_time(string_view text, Millis* out);

// Numbers with units, biggest unit first: `250ms`, `30s`, `1h30m`, `1.5d`. False if `text` is anything else or too long.
bool parse_duration(string_view text, Millis* out);

// Seconds as a double to milliseconds, rounded; false if it is not a number or out of a time's range.
bool seconds_to_millis(double seconds, Millis* out);

// The number of the range from `least` to `most` that is nearest to `number`.
constexpr int64_t within(int64_t number, int64_t least, int64_t most) { return number < least ? least : number > most ? most : number; }
// The largest count of anything: one more still is a number.
constexpr int64_t kMostCount = int64_t{1} << 53;

// now + duration, not beyond the last valid time.
inline Millis later(Millis now, Millis duration) { return duration > kTimeMax - now ? kTimeMax : now + duration; }

}  // namespace wf

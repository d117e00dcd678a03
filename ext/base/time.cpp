#include "base/time.h"

#include <chrono>

#include "base/json.h"

namespace wf {
namespace {

constexpr Millis kDayMillis = kDaySeconds * 1000;

// Reads `count` digits at `at`.
bool read_digits(string_view text, size_t& at, int count, int* out) {
  int value = 0;
  for (int i = 0; i < count; ++i, ++at) {
    if (at >= text.size() || text[at] < '0' || text[at] > '9') return false;
    value = value * 10 + (text[at] - '0');
  }
  *out = value;
  return true;
}

bool read_char(string_view text, size_t& at, char expected) {
  if (at >= text.size() || text[at] != expected) return false;
  ++at;
  return true;
}

// HH:MM[:SS[.fraction]] as milliseconds of the day.
bool read_clock(string_view text, size_t& at, Millis* out) {
  int hour, minute, second = 0, millis = 0;
  if (!read_digits(text, at, 2, &hour) || !read_char(text, at, ':') || !read_digits(text, at, 2, &minute)) return false;
  if (read_char(text, at, ':')) {
    if (!read_digits(text, at, 2, &second)) return false;
    if (read_char(text, at, '.')) {
      int scale = 100, digits = 0;
      for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, ++digits, scale /= 10) {
        millis += scale * (text[at] - '0');
      }
      if (digits == 0) return false;
    }
  }
  if (hour > 23 || minute > 59 || second > 59) return false;
  *out = ((hour * 60 + minute) * 60 + second) * Millis{1000} + millis;
  return true;
}

// Z, +HH:MM or -HH:MM as milliseconds east of UTC; nothing is UTC.
bool read_offset(string_view text, size_t& at, Millis* out) {
  *out = 0;
  if (at == text.size() || read_char(text, at, 'Z') || read_char(text, at, 'z')) return true;
  const bool west = text[at] == '-';
  if (!west && text[at] != '+') return false;
  ++at;
  int hour, minute;
  if (!read_digits(text, at, 2, &hour)) return false;
  read_char(text, at, ':');
  if (!read_digits(text, at, 2, &minute) || hour > 14 || minute > 59) return false;
  *out = (hour * 60 + minute) * Millis{60000} * (west ? -1 : 1);
  return true;
}

}  // namespace

TimeText::TimeText(Millis time, TimeForm form) {
  using namespace std::chrono;
  if (time < kTimeMin) time = kTimeMin;
  if (time > kTimeMax) time = kTimeMax;
  const Millis day = (time - kTimeMin) / kDayMillis + kTimeMin / kDayMillis;
  const auto millis = static_cast<int>((time - kTimeMin) % kDayMillis);
  const year_month_day date{sys_days{days{day}}};
  char* out = text_;
  // (Optimized for size, a division by ten is one for the processor, which takes as long as all the rest of a digit ten times. This is its tenth up to 16,388.)
  const auto put = [&](int number, int width) {
    auto value = static_cast<unsigned>(number);
    for (int i = width - 1; i >= 0; --i) {
      const unsigned tenth = value * 6554 >> 16;
      out[i] = static_cast<char>('0' + (value - tenth * 10));
      value = tenth;
    }
    out += width;
  };
  put(static_cast<int>(date.year()), 4);
  *out++ = '-';
  put(static_cast<int>(static_cast<unsigned>(date.month())), 2);
  *out++ = '-';
  put(static_cast<int>(static_cast<unsigned>(date.day())), 2);
  *out++ = form == TimeForm::sql ? ' ' : 'T';
  put(millis / 3600000, 2);
  *out++ = ':';
  put(millis / 60000 % 60, 2);
  *out++ = ':';
  put(millis / 1000 % 60, 2);
  *out++ = '.';
  put(millis % 1000, 3);
  if (form == TimeForm::json) *out++ = 'Z';
  *out = '\0';
  size_ = static_cast<size_t>(out - text_);
}

bool parse_time(string_view text, Millis* out) {
  using namespace std::chrono;
  size_t at = 0;
  int y, m, d;
  if (!read_digits(text, at, 4, &y) || !read_char(text, at, '-') || !read_digits(text, at, 2, &m) ||
      !read_char(text, at, '-') || !read_digits(text, at, 2, &d)) {
    return false;
  }
  const year_month_day date{year{y}, month{static_cast<unsigned>(m)}, day{static_cast<unsigned>(d)}};
  if (!date.ok()) return false;
  Millis clock = 0, offset = 0;
  if (at < text.size()) {
    if (text[at] != 'T' && text[at] != 't' && text[at] != ' ') return false;
    ++at;
    if (!read_clock(text, at, &clock) || !read_offset(text, at, &offset) || at != text.size()) return false;
  }
  *out = sys_days{date}.time_since_epoch().count() * kDayMillis + clock - offset;
  return *out >= kTimeMin && *out <= kTimeMax;
}

bool parse_duration(string_view text, Millis* out) {
  static const struct {
    string_view name;
    Millis millis;
  } kUnits[] = {{"d", kDayMillis}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
  size_t at = 0, unit_from = 0;
  Millis total = 0;
  if (text.empty()) return false;
  while (at < text.size()) {
    const size_t from = at;
    size_t points = 0;
    while (at < text.size() && ((text[at] >= '0' && text[at] <= '9') || text[at] == '.')) points += text[at++] == '.';
    const string_view number = part(text, from, at - from);
    if (number.empty() || number[0] == '.' || number.back() == '.' || points > 1) return false;
    const size_t letters = at;
    while (at < text.size() && text[at] >= 'a' && text[at] <= 'z') ++at;
    const string_view unit = part(text, letters, at - letters);
    size_t i = unit_from;
    while (i < std::size(kUnits) && kUnits[i].name != unit) ++i;
    if (i == std::size(kUnits)) return false;
    unit_from = i + 1;
    // number * unit, exact: thousandths of the number times the unit, rounded once.
    int64_t thousandths;
    if (!json::to_thousandths(number, &thousandths) || thousandths > kDurationMax / kUnits[i].millis * 1000) return false;
    const Millis whole = thousandths / 1000 * kUnits[i].millis;
    total += whole + (thousandths % 1000 * kUnits[i].millis + 500) / 1000;
    if (total > kDurationMax) return false;
  }
  *out = total;
  return true;
}

bool seconds_to_millis(double seconds, Millis* out) {
  const double millis = seconds * 1000;
  if (!(millis >= static_cast<double>(kTimeMin) && millis <= static_cast<double>(kDurationMax))) return false;
  *out = static_cast<Millis>(millis < 0 ? millis - 0.5 : millis + 0.5);
  return true;
}

}  // namespace wf

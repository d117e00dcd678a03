#include "schedules/cron.h"

#include <bit>
#include <chrono>
#include <cstdarg>

namespace wf {
namespace {

enum CronField : int { kSecond, kMinute, kHour, kDay, kMonth, kWeekday };

struct FieldKind {
  const char* name;
  unsigned min, max;
  const char* names;          // of the values from `names_from` on, three letters each
  unsigned names_from;
};
constexpr FieldKind kFields[] = {
    {"second", 0, 59, "", 0},
    {"minute", 0, 59, "", 0},
    {"hour", 0, 23, "", 0},
    {"day", 1, 31, "", 0},
    {"month", 1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC", 1},
    {"weekday", 0, 7, "SUNMONTUEWEDTHUFRISAT", 0},
};

constexpr struct {
  string_view name, fields;
} kMacros[] = {
    {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"}, {"@weekly", "0 0 * * 0"},
    {"@daily", "0 0 * * *"},  {"@midnight", "0 0 * * *"}, {"@hourly", "0 * * * *"},
};

// Members of the sets beside the values: the last day of the month, its last Sunday, Monday ...
constexpr unsigned kLastDay = 0, kLastWeekday = 8;
constexpr size_t kLongest = 1000;

bool is_between(char c) { return c == ' ' || c == '\t'; }  // fields
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

// Takes the next word off the front of `text`; empty at the end.
string_view take_word(string_view& text) {
  while (!text.empty() && is_between(text[0])) text = part(text, 1);
  size_t size = 0;
  while (size < text.size() && !is_between(text[size])) ++size;
  const string_view word = part(text, 0, size);
  text = part(text, size);
  return word;
}

// Takes what stands before `separator` off the front of `text`, and the separator; false if `text` is used up.
bool take_until(char separator, string_view& text, bool& more, string_view* out) {
  if (!more) return false;
  const size_t end = text.find(separator);
  more = end != string_view::npos;
  *out = part(text, 0, end);
  text = more ? part(text, end + 1) : string_view();
  return true;
}

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }
unsigned lowest(uint64_t set) { return static_cast<unsigned>(std::countr_zero(set)); }
// The members of the set from `from` (up to 63) on.
uint64_t from(uint64_t set, unsigned from) { return set >> from << from; }

}  // namespace

class CronReader {
 public:
  CronReader(string_view text, Cron* out) : text_(trim(text)), out_(out) {}

  Status read() {
    if (text_.size() > kLongest) return wrong("is longer than %d bytes", static_cast<int>(kLongest));
    if (!is_utf8(text_)) return wrong("is not valid UTF-8");
    string_view fields = text_, rest = text_;
    if (const string_view first = take_word(rest); !first.empty() && first[0] == '@') {
      if (same_letters(first, "@every")) return every(rest);
      fields = {};
      const bool alone = take_word(rest).empty();
      for (const auto& macro : kMacros) {
        if (alone && same_letters(first, macro.name)) fields = macro.fields;
      }
      if (fields.empty()) return wrong("there are @yearly @annually @monthly @weekly @daily @midnight @hourly and @every <duration>");
    }
    string_view words[7];
    size_t count = 0;
    while (count < std::size(words) && !(words[count] = take_word(fields)).empty()) ++count;
    if (count != 5 && count != 6) {
      return wrong("5 fields are wanted (minute hour day month weekday), or 6 with the second before them, or @daily and the like");
    }
    const size_t missing = 6 - count;
    out_->fields_[kSecond] = 1;
    for (size_t i = 0; i < count; ++i) WF_TRY(field(static_cast<CronField>(i + missing), words[i], &out_->fields_[i + missing]));
    Cron::Set& weekdays = out_->fields_[kWeekday];
    for (const unsigned base : {0u, kLastWeekday}) weekdays |= (weekdays >> (base + 7) & 1) << base;  // 7 is Sunday, too
    const auto is_open = [&](CronField f) { return words[f - missing][0] == '*' || words[f - missing][0] == '?'; };
    out_->either_ = !is_open(kDay) && !is_open(kWeekday);
    out_->fixed_hours_ = !is_open(kMinute) && !is_open(kHour);
    return out_->has_days() ? Status() : wrong("day %d does not come in the months given", static_cast<int>(lowest(out_->fields_[kDay])));
  }

 private:
  // An error about the whole text; `format` is that of sqlite3_mprintf.
  Status wrong(const char* format, ...) {
    char why[200];
    va_list values;
    va_start(values, format);
    sqlite3_vsnprintf(sizeof why, why, format, values);
    va_end(values);
    return Status::error(Code::invalid, "cron '%.*s': %s", WF_SV(is_utf8(excerpt(text_, 100)) ? excerpt(text_, 100) : "..."), why);
  }

  Status every(string_view rest) {
    const string_view word = take_word(rest);
    if (!take_word(rest).empty() || !parse_duration(word, &out_->every_) || out_->every_ < 1000) {
      return wrong("@every is followed by a duration of at least 1s, like 90s or 1h30m");
    }
    return {};
  }

  Status field(CronField f, string_view text, Cron::Set* out) {
    *out = 0;
    bool more = true;
    for (string_view item; take_until(',', text, more, &item);) {
      unsigned first, last;
      if (f == kDay && same_letters(item, "L")) {
        *out |= Cron::Set{1} << kLastDay;
        continue;
      }
      if (f == kWeekday && item.size() > 1 && upper(item.back()) == 'L') {
        WF_TRY(value(f, part(item, 0, item.size() - 1), &first));
        *out |= Cron::Set{1} << (kLastWeekday + first);
        continue;
      }
      int64_t step = 1;
      const size_t slash = item.find('/');
      const bool steps = slash != string_view::npos;
      if (steps && (!number(part(item, slash + 1), &step) || step < 1)) {
        return wrong("%s '%.*s': the step is not a number from 1 up", kFields[f].name, WF_SV(excerpt(item)));
      }
      WF_TRY(range(f, part(item, 0, slash), steps, &first, &last));
      for (int64_t value = first; value <= last; value += step) *out |= uint64_t{1} << value;
    }
    return {};
  }

  // `*`, `a` or `a-b`; with a step `a` means all from it on.
  Status range(CronField f, string_view text, bool steps, unsigned* first, unsigned* last) {
    if (text == "*" || text == "?") {
      *first = kFields[f].min;
      *last = kFields[f].max;
      return {};
    }
    const size_t dash = text.find('-');
    WF_TRY(value(f, part(text, 0, dash), first));
    *last = steps ? kFields[f].max : *first;
    if (dash == string_view::npos) return {};
    const string_view end = part(text, dash + 1);
    WF_TRY(value(f, end, last));
    if (f == kWeekday && same_letters(end, "SUN") && *first != 0) *last = 7;
    if (*first <= *last) return {};
    return wrong("%s '%.*s': the range runs backwards", kFields[f].name, WF_SV(excerpt(text)));
  }

  Status value(CronField f, string_view text, unsigned* out) {
    const FieldKind& kind = kFields[f];
    const string_view names(kind.names);
    for (size_t i = 0; i < names.size() && text.size() == 3; i += 3) {
      if (!same_letters(text, part(names, i, 3))) continue;
      *out = static_cast<unsigned>(i / 3) + kind.names_from;
      return {};
    }
    int64_t result;
    if (!number(text, &result)) {
      return wrong("%s '%.*s' is not a number%s", kind.name, WF_SV(excerpt(text)), names.empty() ? "" : " or a name of three letters");
    }
    if (result < kind.min || result > kind.max) {
      return wrong("%s %d is not from %d to %d", kind.name, static_cast<int>(result), static_cast<int>(kind.min), static_cast<int>(kind.max));
    }
    *out = static_cast<unsigned>(result);
    return {};
  }

  static bool number(string_view text, int64_t* out) {
    *out = 0;
    if (text.empty() || text.size() > 9) return false;
    for (const char c : text) {
      if (c < '0' || c > '9') return false;
      *out = *out * 10 + (c - '0');
    }
    return true;
  }

  string_view text_;
  Cron* out_;
};

Status Cron::parse(string_view text) {
  *this = {};
  return CronReader(text, this).read();
}

// In 400 years every day of a month has every weekday, so only the lengths of the months count.
bool Cron::has_days() const {
  static constexpr unsigned kDays[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (either_) return true;
  for (unsigned month = 1; month <= 12; ++month) {
    if (fields_[kMonth] >> month & 1 && lowest(fields_[kDay]) <= kDays[month - 1]) return true;
  }
  return false;
}

bool Cron::has_day(unsigned day, unsigned weekday, unsigned length) const {
  const bool by_day = fields_[kDay] >> day & 1 || (day == length && fields_[kDay] >> kLastDay & 1);
  const bool by_weekday = fields_[kWeekday] >> weekday & 1 || (day + 7 > length && fields_[kWeekday] >> (kLastWeekday + weekday) & 1);
  return either_ ? by_day || by_weekday : by_day && by_weekday;
}

// The first matching second of a day from the second `start` of it on.
bool Cron::next_on_day(int64_t start, int64_t* out) const {
  if (start >= kDaySeconds) return false;
  auto hour = static_cast<unsigned>(start / 3600), minute = static_cast<unsigned>(start / 60 % 60), second = static_cast<unsigned>(start % 60);
  const auto later = [&](CronField f, unsigned value) { return from(fields_[f], value); };
  // What is left of the minute, else of the hour, else of the day.
  const bool in_hour = fields_[kHour] >> hour & 1;
  if (in_hour && fields_[kMinute] >> minute & 1 && later(kSecond, second) != 0) {
    second = lowest(later(kSecond, second));
  } else if (in_hour && later(kMinute, minute + 1) != 0) {
    minute = lowest(later(kMinute, minute + 1));
    second = lowest(fields_[kSecond]);
  } else if (later(kHour, hour + 1) != 0) {
    hour = lowest(later(kHour, hour + 1));
    minute = lowest(fields_[kMinute]);
    second = lowest(fields_[kSecond]);
  } else {
    return false;
  }
  *out = hour * 3600 + minute * 60 + second;
  return true;
}

bool Cron::next_local(int64_t after, int64_t* out) const {
  using namespace std::chrono;
  int64_t day = floor_div(after + 1, kDaySeconds);
  int64_t start = after + 1 - day * kDaySeconds;
  const year_month_day first{sys_days{days{day}}};
  year_month month = first.year() / first.month();
  for (; month.year() <= year{10000}; month += months{1}) {
    const int64_t begins = sys_days{month / 1}.time_since_epoch().count();
    if (fields_[kMonth] >> static_cast<unsigned>(month.month()) & 1) {
      if (day < begins) day = begins, start = 0;
      const auto length = static_cast<unsigned>((month / last).day());
      auto weekday = static_cast<unsigned>(floor_div(day + 4, 7) * -7 + day + 4);  // 1970 began on a Thursday
      for (auto date = static_cast<unsigned>(day - begins) + 1; date <= length; ++date, ++day, weekday = weekday == 6 ? 0 : weekday + 1, start = 0) {
        if (!has_day(date, weekday, length) || !next_on_day(start, out)) continue;
        *out += day * kDaySeconds;
        return true;
      }
    }
  }
  return false;
}

Millis Cron::next(const Zone& zone, Millis after) const {
  if (every_ != 0) {
    const int64_t count = floor_div(after, every_) + 1;
    return count > kTimeMax / every_ ? kNoTime : count * every_;
  }
  constexpr int64_t kLastSecond = kTimeMax / 1000;
  int64_t time = floor_div(after, 1000), local;
  if (fixed_hours_) {
    if (!next_local(zone.latest(time), &local)) return kNoTime;
    time = zone.reaches(local);
    return time > kLastSecond ? kNoTime : time * 1000;
  }
  for (++time; time <= kLastSecond; time = zone.next_change(time)) {
    // Between two changes the local time is a count of seconds.
    const int64_t east = zone.offset(time);
    if (!next_local(time + east - 1, &local)) return kNoTime;
    if (local - east < zone.next_change(time)) return local - east > kLastSecond ? kNoTime : (local - east) * 1000;
  }
  return kNoTime;
}

Millis Cron::last_until(const Zone& zone, Millis first, Millis until) const {
  // `result` is a time, and after `until_here` there is none up to `until`.
  Millis result = first, until_here = until;
  while (result < until_here) {
    const Millis middle = result + (until_here - result) / 2;
    const Millis next_one = next(zone, middle);
    if (next_one == kNoTime || next_one > until) until_here = middle;
    else result = next_one;
  }
  return result;
}

}  // namespace wf

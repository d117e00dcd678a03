#include "schedules/zone.h"

#include <chrono>
#include <cstdlib>

#include "base/time.h"

#ifdef _WIN32
#include <fcntl.h>
#include <io.h>

#include "base/on_windows.h"
#else
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>
#endif

namespace wf {
namespace {

constexpr int64_t kMostOffset = 26 * 3600;  // RFC 8536: less than 26 hours either way
constexpr size_t kMostBytes = 65536;        // of a file; real ones have up to 4 KiB

int64_t floor_day(int64_t time) { return (time >= 0 ? time : time - (kDaySeconds - 1)) / kDaySeconds; }

int year_of(int64_t time) {
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{floor_day(time)}}};
  return static_cast<int>(date.year());
}

bool is_zone_digit(char c) { return c >= '0' && c <= '9'; }
bool is_zone_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

}  // namespace

// ---- The rule --------------------------------------------------------------------------------------------------------

// Reads a rule from front to back; each function says whether what it names stands there, and passes it.
class ZoneRuleReader {
 public:
  explicit ZoneRuleReader(string_view text) : rest_(text) {}

  bool rule(ZoneRule* out) {
    int64_t west;
    if (!name() || !clock(24, &west)) return false;
    out->standard_ = -west;
    out->has_summer_ = !rest_.empty();
    if (!out->has_summer_) return true;
    if (!name()) return false;
    out->summer_ = out->standard_ + 3600;
    if (!rest_.empty() && rest_[0] != ',') {
      if (!clock(24, &west)) return false;
      out->summer_ = -west;
    }
    return change(&out->start_) && change(&out->end_) && rest_.empty();
  }

 private:
  bool character(char c) {
    if (rest_.empty() || rest_[0] != c) return false;
    rest_ = part(rest_, 1);
    return true;
  }

  bool name() {
    const bool quoted = character('<');
    size_t size = 0;
    while (size < rest_.size() && (is_zone_letter(rest_[size]) || (quoted && (is_zone_digit(rest_[size]) || rest_[size] == '+' || rest_[size] == '-')))) ++size;
    rest_ = part(rest_, size);
    return size >= 3 && (!quoted || character('>'));
  }

  bool integer(int64_t min, int64_t max, int64_t* out) {
    *out = 0;
    size_t size = 0;
    for (; size < rest_.size() && is_zone_digit(rest_[size]) && size < 4; ++size) *out = *out * 10 + (rest_[size] - '0');
    rest_ = part(rest_, size);
    return size != 0 && *out >= min && *out <= max;
  }

  // [+-]hh[:mm[:ss]]
  bool clock(int64_t most_hours, int64_t* out) {
    const bool negative = character('-');
    if (!negative) character('+');
    int64_t hours, minutes = 0, seconds = 0;
    if (!integer(0, most_hours, &hours)) return false;
    if (character(':')) {
      if (!integer(0, 59, &minutes)) return false;
      if (character(':') && !integer(0, 59, &seconds)) return false;
    }
    *out = (hours * 3600 + minutes * 60 + seconds) * (negative ? -1 : 1);
    return true;
  }

  // ,Mm.w.d or ,Jn or ,n, then perhaps /time
  bool change(ZoneRule::Change* out) {
    if (!character(',')) return false;
    int64_t month = 0, week = 0, day;
    if (character('M')) {
      if (!integer(1, 12, &month) || !character('.') || !integer(1, 5, &week) || !character('.') || !integer(0, 6, &day)) return false;
    } else {
      out->form = character('J') ? 'J' : 'N';
      if (!integer(out->form == 'J' ? 1 : 0, 365, &day)) return false;
    }
    out->month = static_cast<int>(month);
    out->week = static_cast<int>(week);
    out->day = static_cast<int>(day);
    return !character('/') || clock(167, &out->seconds);
  }

  string_view rest_;
};

bool ZoneRule::parse(string_view text) {
  *this = {};
  return ZoneRuleReader(text).rule(this);
}

int64_t ZoneRule::Change::local(int y) const {
  using namespace std::chrono;
  const std::chrono::year in_year{y};
  sys_days date;
  if (form == 'M') {
    const weekday on{static_cast<unsigned>(day)};
    const year_month in_month{in_year, std::chrono::month{static_cast<unsigned>(month)}};
    date = week == 5 ? sys_days{in_month / on[last]} : sys_days{in_month / on[static_cast<unsigned>(week)]};
  } else {
    const bool after_leap_day = form == 'J' && in_year.is_leap() && day >= 60;
    date = sys_days{in_year / January / 1} + days{form == 'N' ? day : day - 1 + (after_leap_day ? 1 : 0)};
  }
  return date.time_since_epoch().count() * kDaySeconds + seconds;
}

int64_t ZoneRule::offset(int64_t time) const {
  if (!has_summer_) return standard_;
  const int year = year_of(time);
  int64_t started = INT64_MIN, ended = INT64_MIN;
  for (int y = year - 2; y <= year + 1; ++y) {
    if (start(y) <= time) started = start(y);
    if (end(y) <= time) ended = end(y);
  }
  return started >= ended ? summer_ : standard_;  // both at once: a summer that never ends
}

int64_t ZoneRule::next_change(int64_t time) const {
  if (!has_summer_) return Zone::kNever;
  const int year = year_of(time);
  int64_t next = Zone::kNever;
  for (int y = year - 1; y <= year + 2; ++y) {
    for (const int64_t change : {start(y), end(y)}) {
      if (change > time && change < next) next = change;
    }
  }
  return next;
}

// ---- The file: RFC 8536 ----------------------------------------------------------------------------------------------

namespace {

Status unknown(string_view name) {
  return Status::error(Code::invalid, "there is no time zone '%.*s'%s", WF_SV(shown(name)),
                       name.find('/') == string_view::npos ? ": names are like 'Europe/Berlin' or '+05:30'" : "");
}

// Only what names of the database are made of: nothing that leads out of its folder.
bool is_zone_name(string_view name) {
  if (name.empty() || name.size() > 100 || name.front() == '/' || name.back() == '/') return false;
  for (const char c : name) {
    if (!is_zone_letter(c) && !is_zone_digit(c) && c != '_' && c != '-' && c != '+' && c != '/') return false;
  }
  return true;
}

// +HH, +HHMM or +HH:MM, less than 15 hours.
bool read_fixed(string_view name, int64_t* out) {
  if (name.size() < 3 || (name[0] != '+' && name[0] != '-')) return false;
  int digits[4] = {};
  size_t count = 0;
  for (size_t i = 1; i < name.size(); ++i) {
    if (name[i] == ':' && i == 3 && name.size() == 6) continue;
    if (!is_zone_digit(name[i]) || count == std::size(digits)) return false;
    digits[count++] = name[i] - '0';
  }
  const int hours = digits[0] * 10 + digits[1], minutes = digits[2] * 10 + digits[3];
  if ((count != 2 && count != 4) || hours > 14 || minutes > 59) return false;
  *out = (hours * 60 + minutes) * (name[0] == '-' ? -60 : 60);
  return true;
}

constexpr string_view kFolders[] = {"/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo"};

#ifdef _WIN32
using FileSize = int;
int open_file(const char* path) { return _open(path, _O_RDONLY | _O_BINARY | _O_NOINHERIT); }
FileSize read_some(int file, char* buffer, unsigned size) { return _read(file, buffer, size); }
void close_file(int file) { _close(file); }

bool has_files(string_view folder) {
  Text path;
  path.add(folder).add("/*").add('\0');
  WIN32_FIND_DATAA entry;
  const HANDLE search = path.ok() ? FindFirstFileA(path.data(), &entry) : INVALID_HANDLE_VALUE;
  if (search == INVALID_HANDLE_VALUE) return false;
  bool found = false;
  do found = entry.cFileName[0] != '.';
  while (!found && FindNextFileA(search, &entry));
  FindClose(search);
  return found;
}
#else
using FileSize = ssize_t;
int open_file(const char* path) { return ::open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); }
FileSize read_some(int file, char* buffer, size_t size) { return ::read(file, buffer, size); }
void close_file(int file) { ::close(file); }

// Whether there is anything in the folder.
bool has_files(string_view folder) {
  Text path;
  path.add(folder).add('\0');
  DIR* stream = path.ok() ? opendir(path.data()) : nullptr;
  if (stream == nullptr) return false;
  bool found = false;
  while (const dirent* entry = found ? nullptr : readdir(stream)) found = entry->d_name[0] != '.';
  closedir(stream);
  return found;
}
#endif

bool read_file(string_view folder, string_view name, Text& out) {
  Text path;
  path.add(folder).add('/').add(name).add('\0');
  out.clear();
  const int file = path.ok() ? open_file(path.data()) : -1;
  if (file < 0) return false;
  bool ok = true;  // a folder cannot be read, and what else is no file gives nothing, or nothing that is a time zone
  char buffer[4096];
  for (FileSize size = 1; ok && size != 0 && out.size() <= kMostBytes;) {
    size = read_some(file, buffer, sizeof buffer);
    ok = size >= 0;
    if (size > 0) out.add({buffer, static_cast<size_t>(size)});
  }
  close_file(file);
  return ok;
}

}  // namespace

bool Zone::has_files_here() {
  if (const char* folder = std::getenv("TZDIR"); folder != nullptr && *folder != '\0') return has_files(folder);
  for (const string_view folder : kFolders) if (has_files(folder)) return true;
  return false;
}

bool Zone::is_of_a_file(string_view name) {
  int64_t fixed;
  return name != "UTC" && name != "Etc/UTC" && !read_fixed(name, &fixed);
}

Status Zone::load(string_view name) {
  fixed_ = 0;
  width_ = 0;
  if (!is_of_a_file(name)) {
    (void)read_fixed(name, &fixed_);
    return {};
  }
  if (!is_zone_name(name)) return unknown(name);
  bool found = false;
  if (const char* folder = std::getenv("TZDIR"); folder != nullptr && *folder != '\0') {
    found = read_file(folder, name, file_);
  } else {
    for (size_t i = 0; i < std::size(kFolders) && !found; ++i) found = read_file(kFolders[i], name, file_);
  }
  if (!file_.ok()) return Status::no_memory();
  if (!found && !has_files_here()) {
    return Status::error(Code::invalid, "no zone files were found here, so time zone '%.*s' is not known: install the package tzdata, or set TZDIR", WF_SV(name));
  }
  if (!found) return unknown(name);
  if (read()) return {};
  width_ = 0;
  return Status::error(Code::invalid, "the file of time zone '%.*s' is damaged or of an unknown kind", WF_SV(name));
}

int64_t Zone::number(size_t at, size_t bytes) const {
  const string_view file = file_.view();
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) value = value << 8 | static_cast<unsigned char>(file[at + i]);
  return bytes == 4 ? static_cast<int32_t>(static_cast<uint32_t>(value)) : static_cast<int64_t>(value);
}

bool Zone::read() {
  constexpr size_t kHeader = 44;
  const string_view file = file_.view();
  if (file.size() > kMostBytes) return false;
  size_t at = 0;
  for (width_ = 4;; width_ = 8) {
    if (file.size() - at < kHeader || part(file, at, 4) != "TZif") return false;
    const bool again = width_ == 4 && file[at + 4] != '\0';  // in 64 bits, which is what counts then
    size_t counts[6];  // UT flags, standard time flags, leap seconds, changes, types, bytes of names
    for (size_t i = 0; i < std::size(counts); ++i) {
      const int64_t count = number(at + 20 + i * 4, 4);
      if (count < 0 || count > static_cast<int64_t>(kMostBytes)) return false;
      counts[i] = static_cast<size_t>(count);
    }
    count_ = counts[3];
    changes_ = at + kHeader;
    indexes_ = changes_ + count_ * width_;
    types_ = indexes_ + count_;
    at = types_ + counts[4] * 6 + counts[5] + counts[2] * (width_ + 4) + counts[1] + counts[0];
    if (at > file.size()) return false;
    if (again) continue;
    // A clock that counts leap seconds is not ours.
    if (counts[2] != 0 || counts[4] == 0 || !check(counts[4])) return false;
    break;
  }
  has_rule_ = false;
  if (width_ == 4) return true;
  const string_view footer = part(file, at);
  const size_t end = footer.find('\n', 1);
  if (footer.empty() || footer[0] != '\n' || end == string_view::npos) return false;
  has_rule_ = end > 1;
  return !has_rule_ || rule_.parse(part(footer, 1, end - 1));
}

bool Zone::check(size_t types) const {
  for (size_t i = 0; i < types; ++i) {
    if (offset_of_type(i) <= -kMostOffset || offset_of_type(i) >= kMostOffset) return false;
  }
  for (size_t i = 0; i < count_; ++i) {
    if (type_from(i) >= types || (i > 0 && change(i) <= change(i - 1))) return false;
  }
  return true;
}

size_t Zone::passed(int64_t time) const {
  size_t low = 0, high = count_;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (change(middle) <= time) low = middle + 1;
    else high = middle;
  }
  return low;
}

int64_t Zone::offset(int64_t time) const {
  if (width_ == 0) return fixed_;
  const size_t i = passed(time);
  if (i == count_ && has_rule_) return rule_.offset(time);
  return offset_of_type(i == 0 ? 0 : type_from(i - 1));
}

int64_t Zone::next_change(int64_t time) const {
  if (width_ == 0) return kNever;
  const size_t i = passed(time);
  if (i < count_) return change(i);
  return has_rule_ ? rule_.next_change(time) : kNever;
}

int64_t Zone::reaches(int64_t local) const {
  for (int64_t time = local - kMostOffset;;) {
    const int64_t end = next_change(time);
    const int64_t shown = local - offset(time);
    if (shown < end) return shown > time ? shown : time;
    time = end;
  }
}

int64_t Zone::latest(int64_t time) const {
  int64_t result = time + offset(time);
  for (int64_t at = time - 2 * kMostOffset; at <= time;) {
    const int64_t end = next_change(at);
    const int64_t last = end <= time ? end - 1 : time;
    if (last + offset(at) > result) result = last + offset(at);
    if (end > time) break;
    at = end;
  }
  return result;
}

}  // namespace wf

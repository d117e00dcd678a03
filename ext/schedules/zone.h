// Zone: a time zone, as the IANA database of the system describes it.
//
//   Zone zone;
//   WF_TRY(zone.load("Europe/Berlin"));             // WF_INVALID: there is none of this name, or its file is damaged
//   int64_t east = zone.offset(time);
//
// Names: "UTC", which needs no file; a fixed offset like "+05:30"; else a file below $TZDIR if that is set, else below the system's folder
// of time zones. It is read by every load() and kept no longer than the Zone. Windows has no such files of its own: there TZDIR names them.
//
// Times here are whole seconds since 1970 in UTC. A local time is the same count of what the zone's clock shows.
#pragma once

#include "base/status.h"
#include "base/text.h"

namespace wf {

// What holds after the last change that a file lists, as POSIX writes it: "CET-1CEST,M3.5.0,M10.5.0/3".
class ZoneRule {
 public:
  // False if `text` is anything else.
  bool parse(string_view text);
  int64_t offset(int64_t time) const;
  int64_t next_change(int64_t time) const;

 private:
  // A day of the year and a local time on it, at which the clock changes.
  struct Change {
    char form = 'M';                  // M: weekday `day` of week `week` (5: the last) of `month`; J: day 1 to 365, no 29 February; N: day 0 to 365
    int month = 0, week = 0, day = 0;
    int64_t seconds = 7200;
    int64_t local(int year) const;
  };
  int64_t start(int year) const { return start_.local(year) - standard_; }
  int64_t end(int year) const { return end_.local(year) - summer_; }

  int64_t standard_ = 0, summer_ = 0;
  bool has_summer_ = false;
  Change start_, end_;                // of summer time
  friend class ZoneRuleReader;
};

class Zone {
 public:
  static constexpr int64_t kNever = INT64_MAX;

  // Reads the zone; a Zone that has loaded none is UTC. WF_INVALID names what is wrong with it.
  Status load(string_view name);
  // Whether it is none of those that need no file.
  static bool is_of_a_file(string_view name);
  // Whether there are any on this machine.
  static bool has_files_here();

  // Seconds east of UTC.
  int64_t offset(int64_t time) const;
  // The first moment after `time` at which the offset may change; kNever if it never does.
  int64_t next_change(int64_t time) const;

  // The first moment at which the clock shows `local` or is beyond it: of a local time that comes twice the first one, of one that is
  // left out the moment of the change.
  int64_t reaches(int64_t local) const;
  // The latest local time that the clock has shown up to `time`; after a change back it has been later before.
  int64_t latest(int64_t time) const;

 private:
  bool read();                        // takes file_ apart; false if it is damaged
  bool check(size_t types) const;     // every change comes after the one before, and all offsets are possible
  int64_t number(size_t at, size_t bytes) const;
  int64_t change(size_t i) const { return number(changes_ + i * width_, width_); }
  size_t type_from(size_t i) const { return static_cast<unsigned char>(file_.view()[indexes_ + i]); }
  int64_t offset_of_type(size_t type) const { return number(types_ + type * 6, 4); }
  // How many of the listed changes have come at `time`.
  size_t passed(int64_t time) const;

  int64_t fixed_ = 0;                 // the offset, if there is no file
  Text file_;
  size_t width_ = 0;                  // bytes of a time in it: 4 or 8; 0: there is no file
  size_t count_ = 0;                  // changes that it lists
  size_t changes_ = 0, indexes_ = 0, types_ = 0;  // where in it
  bool has_rule_ = false;
  ZoneRule rule_;
};

}  // namespace wf

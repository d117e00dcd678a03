// Cron: when a schedule fires.
//
//   Cron cron;
//   WF_TRY(cron.parse("30 2 * * MON-FRI"));         // WF_INVALID names the field and what is wrong with it
//   Millis next = cron.next(zone, now);
//
// Fields: [second] minute hour day month weekday, separated by blanks. A field is a list of values, ranges `a-b`, `*` or `?` (all), each
// with a step `/n` if wanted; `a/n` runs from a to the highest value. `L` is the last day of the month, weekday `5L` its last Friday. Months and weekdays have names (JAN, MON); 0 and 7 are
// Sunday. Where both day and weekday are restricted, one of them is enough (a field that starts with * is not restricted).
// Also: @yearly @annually @monthly @weekly @daily @midnight @hourly, and @every <duration>, whose times are multiples of the
// duration since 1970, whatever the zone.
//
// When the zone's clock changes:
//   a schedule with fixed hours (neither minute nor hour starts with *) means times on the wall clock. Each of them fires once: when
//   the clock first shows it, and if it is left out, at the moment of the change.
//   any other schedule means every moment that the clock shows a time that matches: none that is left out, twice what comes twice.
// So a job every ten minutes runs every ten minutes, and a job at 02:30 runs once a day.
#pragma once

#include "base/time.h"
#include "schedules/zone.h"

namespace wf {

class Cron {
 public:
  // WF_INVALID for anything else than the above, and for days that never come, such as 30 February.
  Status parse(string_view text);

  // The first time after `after`, kNoTime if there is none up to the year 9999.
  Millis next(const Zone& zone, Millis after) const;
  // The last time up to `until`, where `first` is one that is not after it.
  Millis last_until(const Zone& zone, Millis first, Millis until) const;

 private:
  // A set of numbers from 0 to 63.
  using Set = uint64_t;

  // `length`: of the month.
  bool has_day(unsigned day, unsigned weekday, unsigned length) const;
  bool next_on_day(int64_t from, int64_t* second) const;
  // The first local time after `after` that matches.
  bool next_local(int64_t after, int64_t* out) const;
  bool has_days() const;

  Millis every_ = 0;          // of @every, and then nothing else
  Set fields_[6] = {};
  bool either_ = false;       // day or weekday is enough
  bool fixed_hours_ = false;

  friend class CronReader;
};

}  // namespace wf

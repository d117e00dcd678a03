// Calendar: a cron expression in a time zone.
#pragma once

#include "schedules/cron.h"
#include "schedules/zone.h"

namespace wf {

// The times of a schedule. Keeps the zone for the next schedule in it.
class Calendar {
 public:
  Status load(string_view cron, string_view timezone) {
    WF_TRY(cron_.parse(cron));
    if (loaded_ && timezone == name_.view()) return {};
    loaded_ = false;
    WF_TRY(zone_.load(timezone));
    name_ = timezone;
    loaded_ = true;
    return {};
  }
  Millis next(Millis after) const { return cron_.next(zone_, after); }
  Millis last_until(Millis first, Millis until) const { return cron_.last_until(zone_, first, until); }

 private:
  Cron cron_;
  Zone zone_;
  Name name_;
  bool loaded_ = false;
};

}  // namespace wf

// Schedules: workflows that are started again and again at the times of a calendar.
//
// Each nominal time is started once, as the workflow `<name>@<time>`: whoever looks takes the write lock first, and a workflow of that
// id that is there already counts as the firing. The times of a schedule are handled in order; next_at is the first that is not handled
// yet. It only moves forward, so a clock that goes backwards delays firings and repeats none.
//
// A look at a due schedule decides in this order:
//   overlap   the workflow of the last firing has not ended: `skip` leaves out what has come due, `queue` leaves all as it is until it has
//             ended, `allow` does not ask.
//   catch_up  several times have come due: `last` starts the latest, `all` one after the other, `skip` the latest unless it is more than
//             `grace` ago.
#pragma once

#include "engine/above.h"
#include "schedules/stored.h"

namespace wf {

constexpr int64_t kMostFirings = 1000;  // of one fire_schedules()

// Makes or changes a schedule. `*next` is its next time, kNoTime if it is paused or there is none. What is there already in the same form is
// left alone. With another calendar, or after a pause, it goes on from now, but not before its last firing; with other settings
// alone, what is due stays due. WF_INVALID: cron, timezone.
Status put_schedule(Db& db, const Schedule& schedule, const Now& now, Millis* next);
// Ends a schedule; what it has started goes on. `*existed` says whether there was one.
Status drop_schedule(Db& db, string_view name, bool* existed);

// Does what is due, at most kMostFirings looks and `most` starts; `*count` is how many workflows were started, `*more` whether a bound was met. A
// firing that fails is noted in the schedule and tried again a minute later, with catch_up `skip` after a quarter of `grace` if that is
// shorter; it is no error, and stands in nobody's way.
Status fire_schedules(Db& db, Millis now, int64_t most, int64_t* count, bool* more);
// Whether fire_schedules() would find something.
Status is_schedule_due(Db& db, Millis now, bool* out);
// Pauses all of them.
Status hold_schedules(Db& db);
// wf_check: schedules whose calendar or settings are none, or that would never fire although their calendar goes on.
Status check_schedules(Db& db, const Findings& findings);
inline constexpr Duty kSchedules{fire_schedules, is_schedule_due, hold_schedules, check_schedules};

}  // namespace wf

// A schedule as it is stored, and its firings.
#pragma once

#include "engine/start.h"
#include "schedules/calendar.h"

namespace wf {

enum class CatchUp : char { last, all, skip };
enum class Overlap : char { skip, allow, queue };

constexpr Millis kDefaultGrace = 60000;
constexpr size_t kMostScheduleName = 255 - sizeof "@2026-11-23T10:00:00.000Z" + 1;

struct Schedule {
  string_view name, cron, workflow;
  Value input;
  string_view timezone = "UTC";
  CatchUp catch_up = CatchUp::last;
  Millis grace = kDefaultGrace;
  Overlap overlap = Overlap::skip;
  bool paused = false;
  Start start;  // settings of its workflows; name, input, id, at and dedup are not used
};

// A schedule as stored, with what its views point to.
struct Stored {
  Name name, workflow, timezone, queue, version, partition;
  Text cron, settings, input;
  Millis next_at = kNoTime, last_at = kNoTime;
  Schedule schedule;
};

// The settings as text: {"timezone", "catch_up", "grace", "overlap", "start": {options of wf_start}}, durations in seconds.
void write_settings(const Schedule& schedule, Text& out);
// Reads the schedule `name`, but not into its settings; `*same`: they are those of the text `settings`.
Status read_schedule(Db& db, string_view name, string_view settings, bool* found, bool* same, Stored* out);
// Its settings, from the text to `schedule`; WF_INVALID where they are damaged.
Status read_settings(Db& db, Stored* out);

// The times of a schedule. WF_INVALID in explicit mode if its zone is of a file: machines may have other ones.
Status load_calendar(Db& db, string_view cron, string_view timezone, Calendar* out);

// The id of a firing: the name, @ and the time, without fraction if it has none.
Name firing_id(string_view name, Millis time);
// Whether the workflow exists, and whether it goes on.
Status find_firing(Db& db, string_view id, bool* exists, bool* goes_on);
// Starts the workflow for a time, once: one of its id that is there counts as the firing, whatever it is.
Status start_firing(Db& db, Stored& stored, Millis time, Millis now, Name* id, bool* started);

}  // namespace wf

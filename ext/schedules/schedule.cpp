#include "schedules/schedule.h"

#include "base/scope.h"
#include "engine/trouble.h"
#include "schedules/stored.h"

namespace wf {
namespace {

constexpr int64_t kMostSkips = 10000;  // in one look, which then counts for more than one
constexpr int64_t kSkipsOfALook = 100;

// ---- Firing ----------------------------------------------------------------------------------------------------------

// What a look at a due schedule comes to.
struct Decision {
  Millis start = kNoTime;  // the time to start, if any
  Millis next = kNoTime;   // the first time that is not handled then
  int64_t skipped = 0;
};

Decision decide(const Schedule& s, const Calendar& calendar, Millis due, bool last_goes_on, Millis now) {
  Decision d;
  const bool skips = last_goes_on && s.overlap == Overlap::skip;
  if (s.catch_up == CatchUp::all && skips) {
    for (d.next = due; d.next != kNoTime && d.next <= now && d.skipped < kMostSkips; ++d.skipped) d.next = calendar.next(d.next);
    return d;
  }
  d.start = s.catch_up == CatchUp::all ? due : calendar.last_until(due, now);
  d.next = calendar.next(d.start);
  if (skips || (s.catch_up == CatchUp::skip && now - d.start > s.grace)) {
    d.start = kNoTime;
    d.skipped = 1;
  }
  return d;
}

// What a look at one due schedule has done.
struct Look {
  bool moved = false;    // something is handled
  bool started = false;  // a workflow was started
  int64_t skipped = 0;
  Millis again = kLongestPause;  // by how much it is put off after a failure, at most
};

// A failure that passes should not make a firing late: with `grace` it is tried again within it.
Millis again_after(const Schedule& s) {
  const Millis part_of_grace = s.grace / 4 + (s.grace < 4);
  return s.catch_up == CatchUp::skip && part_of_grace < kLongestPause ? part_of_grace : kLongestPause;
}

Status fire_one(Db& db, Calendar& calendar, string_view name, Millis now, Look* look) {
  Stored stored;
  bool found, same, exists, last_goes_on = false;
  WF_TRY(read_schedule(db, name, {}, &found, &same, &stored));
  Schedule& s = stored.schedule;
  if (!found || s.paused || stored.next_at == kNoTime || stored.next_at > now) return {};
  WF_TRY(read_settings(db, &stored));
  look->again = again_after(s);
  WF_TRY(load_calendar(db, s.cron, s.timezone, &calendar));
  if (stored.last_at != kNoTime) WF_TRY(find_firing(db, firing_id(name, stored.last_at).view(), &exists, &last_goes_on));
  if (last_goes_on && s.overlap == Overlap::queue) return {};

  const Decision d = decide(s, calendar, stored.next_at, last_goes_on, now);
  if (d.start != kNoTime) {
    Name id;
    WF_TRY(start_firing(db, stored, d.start, now, &id, &look->started));
  }
  {
    Query q(db, Sql::schedule_advance);
    q.bind(":name", name).bind_time(":next", d.next).bind_time(":last", d.start).bind(":skipped", d.skipped);
    WF_TRY(q.run());
  }
  look->moved = true;
  look->skipped = d.skipped;
  bool had;
  return d.start != kNoTime ? forget_trouble(db, {0, name}, &had) : Status();  // what was only skipped leaves it on show
}

// The first due schedules, up to as many as `names` has room for.
Status find_due(Db& db, Millis now, Name* names, size_t most, size_t* count) {
  Query q(db, Sql::schedule_due);
  q.bind(":now", now).bind(":most", static_cast<int64_t>(most));
  for (*count = 0;;) {
    bool row;
    WF_TRY(q.next(&row));
    if (!row) return {};
    names[(*count)++] = q.text(0);
  }
}

}  // namespace

Status put_schedule(Db& db, const Schedule& schedule, const Now& now, Millis* next) {
  Calendar calendar;
  const string_view cron = trim(schedule.cron);
  WF_TRY(load_calendar(db, cron, schedule.timezone, &calendar));
  Text settings;
  write_settings(schedule, settings);
  if (!settings.ok()) return Status::no_memory();

  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::allowed, "wf_schedule"));
  Millis time;
  WF_TRY(call_time(db, now, &time));
  Stored old;
  bool found, same;
  WF_TRY(read_schedule(db, schedule.name, settings.view(), &found, &same, &old));
  const Schedule& was = old.schedule;
  *next = old.next_at;
  if (found && same && was.paused == schedule.paused && was.cron == cron && was.workflow == schedule.workflow) {
    WF_TRY(same_value(was.input, schedule.input, &db.stop(), &same));
    if (same) return scope.commit();
  }
  // With the same calendar, what is due stays due.
  bool goes_on = found && !was.paused && was.cron == cron;
  if (goes_on) {
    Status settings_read = read_settings(db, &old);
    if (settings_read.rc() == SQLITE_NOMEM) return settings_read;
    goes_on = settings_read.ok() && was.timezone == schedule.timezone;
  }
  if (schedule.paused) *next = kNoTime;
  else if (!goes_on) *next = calendar.next(old.last_at > time ? old.last_at : time);
  bool had_failed;
  WF_TRY(forget_trouble(db, {0, schedule.name}, &had_failed));
  {
    Query q(db, Sql::schedule_put);
    q.bind(":name", schedule.name).bind(":cron", cron).bind(":workflow", schedule.workflow).bind(":settings", settings.view());
    q.bind(":paused", int64_t{schedule.paused}).bind_time(":next", *next).bind(":now", time).bind(":input", schedule.input);
    WF_TRY(q.run());
  }
  return scope.commit();
}

Status drop_schedule(Db& db, string_view name, bool* existed) {
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::allowed, "wf_unschedule"));
  bool had_failed;
  WF_TRY(forget_trouble(db, {0, name}, &had_failed));
  WF_TRY(run_all(db, Sql::schedule_drop, [&](Query& q) { q.bind(":name", name); }, existed));
  return scope.commit();
}

Status fire_schedules(Db& db, Millis now, int64_t most, int64_t* count, bool* more) {
  *count = 0;
  *more = false;
  Calendar calendar;
  Name names[16];
  int64_t looks = 0;
  for (bool moved = true; moved;) {
    moved = false;
    size_t due;
    WF_TRY(find_due(db, now, names, std::size(names), &due));
    for (size_t i = 0; i < due; ++i) {
      *more = looks >= kMostFirings || *count >= most;
      if (*more) return {};
      Look look;
      bool done;
      WF_TRY(attempt(db, "wf_claim", {0, names[i].view()}, now, [&] { return fire_one(db, calendar, names[i].view(), now, &look); }, look.again, &done));
      looks += 1 + look.skipped / kSkipsOfALook;
      *count += done && look.started;
      moved = moved || look.moved || !done;
    }
  }
  return {};
}

Status check_schedules(Db& db, const Findings& findings) {
  Calendar calendar;
  Query q(db, Sql::schedule_all);
  for (;;) {
    bool row, found, same;
    WF_TRY(q.next(&row));
    if (!row) return {};
    Stored stored;
    WF_TRY(read_schedule(db, q.text(0), {}, &found, &same, &stored));
    const Schedule& s = stored.schedule;
    Status sound = read_settings(db, &stored);
    Text settings;
    if (sound.ok()) write_settings(s, settings);
    // That this machine has no zone files is no fault of the schedule.
    bool known = true;
    if (sound.ok()) sound = calendar.load(s.cron, s.timezone);
    if (!sound.ok() && settings.size() != 0 && !Zone::has_files_here()) {
      known = false;
      sound = calendar.load(s.cron, "UTC");
    }
    if (sound.rc() == SQLITE_NOMEM || !settings.ok()) return Status::no_memory();
    const auto add = [&](const char* problem) { findings.add(findings.to, problem, q.text(0)); };
    if (!sound.ok()) add(sound.message());
    else if (settings.view() != stored.settings.view()) add("the settings of a schedule are none");
    else if (known && !s.paused && stored.next_at == kNoTime && calendar.next(stored.last_at != kNoTime ? stored.last_at : q.time(1)) != kNoTime) add("a schedule that goes on has no next time");
  }
}

Status hold_schedules(Db& db) {
  return run_all(db, Sql::schedule_hold, [](Query&) {});
}

Status is_schedule_due(Db& db, Millis now, bool* out) {
  Query q(db, Sql::schedule_due);
  q.bind(":now", now).bind(":most", int64_t{1});
  return q.next(out);
}

}  // namespace wf

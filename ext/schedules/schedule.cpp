#include "schedules/schedule.h"

#include "base/json.h"
#include "base/scope.h"
#include "engine/trouble.h"
#include "schedules/cron.h"

namespace wf {
namespace {

constexpr string_view kCatchUps[] = {"last", "all", "skip"};
constexpr string_view kOverlaps[] = {"skip", "allow", "queue"};
constexpr int64_t kMostSkips = 10000;  // in one look, which then counts for more than one
constexpr int64_t kSkipsOfALook = 100;

// ---- The stored settings ---------------------------------------------------------------------------------------------
// {"timezone", "catch_up", "grace", "overlap", "start": {options of wf_start}}, durations in seconds.

void add_key(const char* key, Text& out) {
  const bool first = out.size() == 0 || out.view().back() == '{';
  out.add(first ? "\"" : ",\"").add(key).add("\":");
}

void add_text(const char* key, string_view text, Text& out) {
  if (text.empty()) return;
  add_key(key, out);
  json::quote(text, out);
}

void add_json_member(const char* key, const Value& value, Text& out) {
  add_key(key, out);
  add_json(value, out);
}

void write_settings(const Schedule& s, Text& out) {
  out.add('{');
  add_text("timezone", s.timezone, out);
  add_text("catch_up", kCatchUps[static_cast<int>(s.catch_up)], out);
  add_json_member("grace", seconds(s.grace), out);
  add_text("overlap", kOverlaps[static_cast<int>(s.overlap)], out);
  out.add(",\"start\":{");
  const Start& start = s.start;
  if (start.queue != Start().queue) add_text("queue", start.queue, out);
  if (start.priority != 0) add_json_member("priority", Value::of(start.priority), out);
  if (start.delay != 0) add_json_member("delay", seconds(start.delay), out);
  if (start.timeout != kNoTime) add_json_member("timeout", seconds(start.timeout), out);
  if (start.max_attempts != 0) add_json_member("max_attempts", Value::of(start.max_attempts), out);
  if (start.max_failures != 0) add_json_member("max_failures", Value::of(start.max_failures), out);
  if (start.has_backoff) {
    add_key("backoff", out);
    show_backoff(start.backoff, out);
  }
  add_text("version", start.version, out);
  add_text("partition", start.partition, out);
  if (!start.headers.empty()) add_json_member("headers", Value::text(start.headers), out);
  if (start.manual) add_json_member("manual", Value::text("true"), out);
  if (start.cleanup) add_json_member("cleanup", Value::text("true"), out);
  out.add("}}");
}

// A schedule as stored, with what its views point to.
struct Stored {
  Name name, workflow, timezone, queue, version, partition;
  Text cron, settings, input;
  Millis next_at = kNoTime, last_at = kNoTime;
  Schedule schedule;
};

// Reads stored settings. What a hand edit has made of another type, or too large, keeps its default.
class SettingsReader {
 public:
  SettingsReader(Stored* out, Stop* stop) : out_(*out), stop_(stop) {}

  Status read() {
    const json::Checked settings = json::check(out_.settings.view(), stop_);
    if (!settings.is(json::Kind::object)) {
      return Status::error(Code::invalid, "the settings of schedule '%.*s' are damaged: define it anew", WF_SV(out_.name.view()));
    }
    Schedule& s = out_.schedule;
    for (json::Members m(settings); m.next();) {
      if (m.key_is("timezone")) name(m.value(), &out_.timezone, &s.timezone);
      else if (m.key_is("catch_up")) s.catch_up = static_cast<CatchUp>(word(m.value(), kCatchUps));
      else if (m.key_is("overlap")) s.overlap = static_cast<Overlap>(word(m.value(), kOverlaps));
      else if (m.key_is("grace")) duration(m.value(), &s.grace);
      else if (m.key_is("start")) start(m.value());
    }
    return failed_ ? Status::no_memory() : Status();
  }

 private:
  void start(json::Checked json) {
    Start& s = out_.schedule.start;
    for (json::Members m(json); m.next();) {
      if (m.key_is("queue")) name(m.value(), &out_.queue, &s.queue);
      else if (m.key_is("version")) name(m.value(), &out_.version, &s.version);
      else if (m.key_is("partition")) name(m.value(), &out_.partition, &s.partition);
      else if (m.key_is("priority")) integer(m.value(), kPriorityMin, kPriorityMax, &s.priority);
      else if (m.key_is("max_attempts")) integer(m.value(), 1, kMaxAttemptsLimit, &s.max_attempts);
      else if (m.key_is("max_failures")) integer(m.value(), 1, kMaxAttemptsLimit, &s.max_failures);
      else if (m.key_is("delay")) duration(m.value(), &s.delay);
      else if (m.key_is("timeout")) duration(m.value(), &s.timeout);
      else if (m.key_is("headers")) s.headers = m.value().is(json::Kind::object) ? m.value().text() : string_view();
      else if (m.key_is("manual")) s.manual = m.value().text() == "true";
      else if (m.key_is("cleanup")) s.cleanup = m.value().text() == "true";
      else if (m.key_is("backoff") && m.value().is(json::Kind::object)) s.has_backoff = true, backoff(m.value(), &s.backoff);
    }
  }

  void backoff(json::Checked json, Backoff* out) {
    for (json::Members m(json); m.next();) {
      if (m.key_is("initial")) duration(m.value(), &out->initial);
      else if (m.key_is("max")) duration(m.value(), &out->max);
      else if (m.key_is("factor")) real(m.value(), 1, kFactorMax, &out->factor);
      else if (m.key_is("jitter")) real(m.value(), 0, 1, &out->jitter);
    }
  }

  static void integer(json::Checked json, int64_t least, int64_t most, int64_t* out) {
    if (int64_t number; json::to_integer(json, &number) && number >= least && number <= most) *out = number;
  }
  static void real(json::Checked json, double least, double most, double* out) {
    if (const double number = json::to_real(json); json.is(json::Kind::number) && number >= least && number <= most) *out = number;
  }
  static void duration(json::Checked json, Millis* out) {
    if (Millis time; json::to_thousandths(json, &time) && time >= 0 && time <= kDurationMax) *out = time;
  }

  void name(json::Checked json, Name* name, string_view* out) {
    Text text;
    if (!json.is(json::Kind::string)) return;
    json::unquote(json, text);
    failed_ = failed_ || !text.ok();
    *name = text.view();
    *out = name->view();
  }

  // The number of the word in the JSON string `json`; 0, the default, if it is none of them.
  static int word(json::Checked json, const string_view (&words)[3]) {
    const string_view text = json.text();
    for (int i = 0; i < 3; ++i) {
      if (text.size() == words[i].size() + 2 && part(text, 1, words[i].size()) == words[i]) return i;
    }
    return 0;
  }

  Stored& out_;
  Stop* stop_;
  bool failed_ = false;
};

// Reads the schedule `name`, but not into its settings; `*same`: they are those of the text `settings`.
Status read(Db& db, string_view name, string_view settings, bool* found, bool* same, Stored* out) {
  Query q(db, Sql::schedule_read);
  q.bind(":name", name).bind_name(":settings", settings);
  WF_TRY(q.next(found));
  if (!*found) return {};
  out->name = name;
  out->workflow = q.text(1);
  out->cron.add(q.text(0));
  out->settings.add(q.text(2));
  out->next_at = q.time(4);
  out->last_at = q.time(5);
  Value input = q.value(6);
  out->input.add(input.bytes);
  input.bytes = out->input.view();
  if (!out->cron.ok() || !out->settings.ok() || !out->input.ok()) return Status::no_memory();
  *same = q.integer(7) != 0;
  Schedule& s = out->schedule;
  s.name = out->name.view();
  s.cron = out->cron.view();
  s.workflow = out->workflow.view();
  s.paused = q.integer(3) != 0;
  s.input = input;
  return {};
}

// ---- Firing ----------------------------------------------------------------------------------------------------------

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

// The id of a firing: the name, @ and the time, without fraction if it has none.
Name id_of(string_view name, Millis time) {
  const TimeText text(time, TimeForm::json);
  const string_view shown = part(text.view(), 0, time % 1000 == 0 ? 19 : 23);
  char id[255];
  size_t size = 0;
  for (const string_view piece : {part(name, 0, kMostScheduleName), string_view("@"), shown, string_view("Z")}) {
    if (!piece.empty()) std::memcpy(id + size, piece.data(), piece.size());
    size += piece.size();
  }
  return Name({id, size});
}

Status find_workflow(Db& db, string_view id, bool* exists, bool* goes_on) {
  Query q(db, Sql::schedule_workflow);
  q.bind(":id", id);
  WF_TRY(q.next(exists));
  *goes_on = *exists && q.integer(0) != 0;
  return {};
}

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
  WF_TRY(read(db, name, {}, &found, &same, &stored));
  Schedule& s = stored.schedule;
  if (!found || s.paused || stored.next_at == kNoTime || stored.next_at > now) return {};
  WF_TRY(SettingsReader(&stored, &db.stop()).read());
  look->again = again_after(s);
  WF_TRY(calendar.load(s.cron, s.timezone));
  if (stored.last_at != kNoTime) WF_TRY(find_workflow(db, id_of(name, stored.last_at).view(), &exists, &last_goes_on));
  if (last_goes_on && s.overlap == Overlap::queue) return {};

  const Decision d = decide(s, calendar, stored.next_at, last_goes_on, now);
  if (d.start != kNoTime) {
    const Name id = id_of(name, d.start);
    bool goes_on;
    WF_TRY(find_workflow(db, id.view(), &exists, &goes_on));
    if (!exists) {
      s.start.name = s.workflow;
      s.start.input = s.input;
      s.start.id = id.view();
      s.start.scheduled_at = d.start;
      Name same_id;
      WF_TRY(wf::start(db, s.start, {true, now}, &same_id));
    }
    look->started = !exists;
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
  const string_view cron = Cron::without_line_ends(schedule.cron);
  WF_TRY(calendar.load(cron, schedule.timezone));
  Text settings;
  write_settings(schedule, settings);
  if (!settings.ok()) return Status::no_memory();

  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::allowed, "wf_schedule"));
  Millis time;
  WF_TRY(call_time(db, now, &time));
  Stored old;
  bool found, same;
  WF_TRY(read(db, schedule.name, settings.view(), &found, &same, &old));
  const Schedule& was = old.schedule;
  *next = old.next_at;
  if (found && same && was.paused == schedule.paused && was.cron == cron && was.workflow == schedule.workflow) {
    WF_TRY(same_value(was.input, schedule.input, &db.stop(), &same));
    if (same) return scope.commit();
  }
  // With the same calendar, what is due stays due.
  bool goes_on = found && !was.paused && was.cron == cron;
  if (goes_on) {
    Status settings_read = SettingsReader(&old, &db.stop()).read();
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
  {
    Query q(db, Sql::schedule_drop);
    q.bind(":name", name);
    WF_TRY(q.run());
    *existed = q.changes() != 0;
  }
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

Status is_schedule_due(Db& db, Millis now, bool* out) {
  Query q(db, Sql::schedule_due);
  q.bind(":now", now).bind(":most", int64_t{1});
  return q.next(out);
}

}  // namespace wf

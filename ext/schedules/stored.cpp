#include "schedules/stored.h"

#include "base/json.h"
#include "engine/tag.h"

namespace wf {
namespace {

constexpr string_view kCatchUps[] = {"last", "all", "skip"};
constexpr string_view kOverlaps[] = {"skip", "allow", "queue"};

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
      else if (m.key_is("tags")) tags(m.value(), &s.tags);
      else if (m.key_is("manual")) s.manual = m.value().text() == "true";
      else if (m.key_is("cleanup")) s.cleanup = m.value().text() == "true";
      else if (m.key_is("backoff") && m.value().is(json::Kind::object)) s.has_backoff = true, backoff(m.value(), &s.backoff);
    }
  }

  static void tags(json::Checked json, json::Checked* out) {
    if (json.is(json::Kind::object) && check_tags(json).ok()) *out = json;
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

}  // namespace

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
  if (start.tags) add_json_member("tags", Value::text(start.tags.text()), out);
  if (start.manual) add_json_member("manual", Value::text("true"), out);
  if (start.cleanup) add_json_member("cleanup", Value::text("true"), out);
  out.add("}}");
}

Status read_settings(Db& db, Stored* out) { return SettingsReader(out, &db.stop()).read(); }

Status read_schedule(Db& db, string_view name, string_view settings, bool* found, bool* same, Stored* out) {
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

Status load_calendar(Db& db, string_view cron, string_view timezone, Calendar* out) {
  bool is_explicit = false;
  if (Zone::is_of_a_file(timezone)) WF_TRY(file_is_explicit(db, &is_explicit));
  if (!is_explicit) return out->load(cron, timezone);
  return Status::error(Code::invalid, "time zone '%.*s' is read from files that may differ from machine to machine, and wf_config('clock') is 'explicit' in this file: say an offset like '+02:00', or let the client start what is due",
                       WF_SV(timezone));
}

Name firing_id(string_view name, Millis time) {
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

Status find_firing(Db& db, string_view id, bool* exists, bool* goes_on) {
  Query q(db, Sql::schedule_workflow);
  q.bind(":id", id);
  WF_TRY(q.next(exists));
  *goes_on = *exists && q.integer(0) != 0;
  return {};
}

Status start_firing(Db& db, Stored& stored, Millis time, Millis now, Name* id, bool* started) {
  *id = firing_id(stored.name.view(), time);
  bool exists, goes_on;
  WF_TRY(find_firing(db, id->view(), &exists, &goes_on));
  *started = !exists;
  if (exists) return {};
  Start& start = stored.schedule.start;
  start.name = stored.schedule.workflow;
  start.input = stored.schedule.input;
  start.id = id->view();
  start.scheduled_at = time;
  Name same_id;
  return wf::start(db, start, {true, now}, &same_id);
}

}  // namespace wf

#include "engine/settings.h"

#include <algorithm>

#include "base/hash.h"
#include "base/json.h"
#include "base/place.h"
#include "base/scope.h"

namespace wf {

constinit const SettingName kSettings[11] = {{"lease", true}, {"max_attempts", true}, {"max_failures", true}, {"backoff", true},
                                  {"clock", true}, {"test_clock", true}, {"sync_socket", true}, {"sync_path", true}, {"require_recover", true}, {"schema_version", false}, {"epoch", false}};

namespace {

// One row says all about the clock, so that calls read one: 'explicit', or the time of the clock for tests (a text, too), which exclude each other.
// It is the last of all keys, and missing where the clock is the system's: see fragment_plain_file.
string_view key_of(Setting setting) {
  return setting == Setting::clock || setting == Setting::test_clock ? string_view("time") : kSettings[static_cast<int>(setting)].name;
}

bool is_time(const Value& stored) {
  if (stored.type != Value::Type::text || stored.bytes.empty()) return false;
  for (const char c : part(stored.bytes, stored.bytes[0] == '-')) {
    if (c < '0' || c > '9') return false;
  }
  return stored.bytes != "-";
}

// What the file says of its clock.
struct FileClock {
  bool is_explicit = false;
  Millis time = kNoTime;  // of the clock for tests

  // For this connection, whose own clock may stand still.
  Millis now(const Db& db) const { return time == kNoTime || db.clock_is_fixed() ? db.clock() : time; }
};

Status read_clock(Query& q, FileClock* out) {
  q.bind(":key", key_of(Setting::clock));
  bool row;
  WF_TRY(q.next(&row));
  if (!row) return {};
  out->is_explicit = q.text(0) == "explicit";
  if (is_time(q.value(0))) out->time = q.time(0);
  return {};
}

Status read_clock(Db& db, FileClock* out) {
  if (db.has_system_clock()) return {};
  Query q(db, Sql::setting_get);
  return read_clock(q, out);
}

// The same where the file may have no tables yet.
Status look_at_clock(Db& db, FileClock* out) {
  Query q(db, Sql::setting_get);
  if (q.prepared()) return read_clock(q, out);
  bool exists;
  WF_TRY(db.schema_exists(&exists));
  return exists ? q.take_status() : Status();
}

// Whether the clock of the file may become this. `*stays`: it is so, and another setting's to change.
Status may_set_clock(Db& db, Setting setting, const Value& value, bool* stays) {
  FileClock clock;
  WF_TRY(read_clock(db, &clock));
  const bool has_one = clock.time != kNoTime;
  if (setting == Setting::clock) {
    *stays = has_one;
    if (has_one && value.bytes == "explicit") {
      return Status::error(Code::state, "this file has a clock for tests, wf_config('test_clock'): it cannot be 'explicit' as well");
    }
    if (!clock.is_explicit || !value.is_null()) return {};
    // NULL, the default, would leave the mode without saying so: a parameter that was never bound is NULL too.
    return Status::error(Code::invalid, "wf_config('clock', NULL) does not leave the explicit mode: say wf_config('clock', 'system')");
  }
  *stays = !has_one && value.is_null();
  if (clock.is_explicit && !value.is_null()) {
    return Status::error(Code::state, "wf_config('clock') is 'explicit' in this file: it can have no clock for tests");
  }
  if (*stays || has_one != value.is_null()) return {};  // it is moved
  Query q(db, Sql::setting_dated);
  WF_TRY(q.one_row());
  if (q.is_null(0)) return {};
  return Status::error(Code::state, "the clock for tests is switched %s only while the file has no workflow, schedule or event: it has %.*s", has_one ? "off" : "on",
                       WF_SV(q.text(0)));
}

}  // namespace

Status clock_is_explicit(Db& db, bool* out) {
  FileClock clock;
  WF_TRY(read_clock(db, &clock));
  *out = clock.is_explicit;
  return {};
}

Status file_is_explicit(Db& db, bool* out) {
  FileClock clock;
  WF_TRY(look_at_clock(db, &clock));
  *out = clock.is_explicit;
  return {};
}

Status call_time(Db& db, const Now& now, Millis* out) {
  if (now.given) {
    *out = now.time;
    return {};
  }
  FileClock clock;
  WF_TRY(read_clock(db, &clock));
  if (clock.is_explicit) return Status::error(Code::invalid, "the option \"now\" is required: wf_config('clock') is 'explicit' in this file");
  *out = clock.now(db);
  return {};
}

Status test_clock(Db& db, Millis* out) {
  FileClock clock;
  WF_TRY(look_at_clock(db, &clock));
  *out = clock.time;
  return {};
}

Status only_reads(Db& db, bool* out) {
  *out = sqlite3_db_readonly(db.handle(), "main") == 1;
  if (*out) return {};
  Query q(db, Sql::setting_query_only);
  WF_TRY(q.one_row());
  *out = q.integer(0) != 0;
  return {};
}

Status time_to_show(Db& db, const Now& now, Millis* out) {
  *out = now.time;
  if (now.given) return {};
  FileClock clock;
  WF_TRY(look_at_clock(db, &clock));
  bool may_look = true;
  if (clock.is_explicit) WF_TRY(only_reads(db, &may_look));
  if (!may_look) return Status::error(Code::invalid, "\"now\" is required on a connection that can write: wf_config('clock') is 'explicit' in this file");
  *out = clock.now(db);
  return {};
}

Millis Backoff::after(int64_t failures, string_view workflow_id) const {
  // In integers, for machines of another kind have to come to the same. All products fit: kDurationMax * 16 * 1024 does.
  constexpr int64_t kUnit = 16;    // of a millisecond
  constexpr int64_t kPart = 1000;  // of factor and jitter
  const int64_t limit = max * kUnit;
  const auto times = static_cast<int64_t>(factor * kPart + 0.5);
  int64_t wait = initial * kUnit;
  for (int64_t i = 1; i < failures && wait < limit && wait > 0 && times != kPart; ++i) {
    wait = wait > limit * kPart / times ? limit : wait * times / kPart;
  }
  if (wait > limit) wait = limit;
  if (jitter > 0) {
    const auto share = static_cast<int64_t>(jitter * kPart + 0.5);
    const auto hash = static_cast<int64_t>(hash64(workflow_id, static_cast<uint64_t>(failures)) >> 54);  // of 1024
    wait -= wait * share / kPart * hash / 1024;
  }
  return (wait + kUnit / 2) / kUnit;
}

Status policy_of(Db& db, const Workflow& workflow, Policy* out) {
  Query q(db, Sql::workflow_policy);
  q.bind(":seq", workflow.seq).bind(":queue", workflow.queue.view());
  bool row;
  WF_TRY(q.next(&row));
  *out = {};
  if (!row) return {};
  if (!q.is_null(0)) out->max_attempts = q.count(0);
  if (!q.is_null(1)) out->backoff = stored_backoff(q.text(1));
  if (!q.is_null(2)) out->max_failures = q.count(2);
  return {};
}

void add_backoff(const Backoff& backoff, Text& out) {
  out.add("{\"initial\":").add_integer(backoff.initial).add(",\"factor\":").add_real(backoff.factor);
  out.add(",\"max\":").add_integer(backoff.max).add(",\"jitter\":").add_real(backoff.jitter).add('}');
}

Backoff stored_backoff(string_view text, bool* sound) {
  Backoff backoff;
  const json::Checked object = json::check(text, nullptr);
  bool known = object.is(json::Kind::object);
  for (json::Members m(object); m.next();) {
    const bool number = m.value().is(json::Kind::number);
    if (number && m.key_is("initial")) known = json::to_integer(m.value(), &backoff.initial) && known;
    else if (number && m.key_is("max")) known = json::to_integer(m.value(), &backoff.max) && known;
    else if (number && m.key_is("factor")) backoff.factor = json::to_real(m.value());
    else if (number && m.key_is("jitter")) backoff.jitter = json::to_real(m.value());
    else known = false;
  }
  const Backoff read = backoff;
  backoff.initial = within(backoff.initial, 0, kDurationMax);
  backoff.max = within(backoff.max, 0, kDurationMax);
  backoff.factor = std::clamp(backoff.factor, 1.0, kFactorMax);
  backoff.jitter = std::clamp(backoff.jitter, 0.0, 1.0);
  if (sound != nullptr) {
    *sound = known && read.initial == backoff.initial && read.max == backoff.max && read.factor == backoff.factor && read.jitter == backoff.jitter;
  }
  return backoff;
}

Value seconds(Millis millis) {
  return millis % 1000 == 0 ? Value::of(millis / 1000) : Value::of(static_cast<double>(millis) / 1000);
}

void show_backoff(const Backoff& backoff, Text& out) {
  out.add("{\"initial\":");
  add_json(seconds(backoff.initial), out);
  out.add(",\"factor\":").add_real(backoff.factor).add(",\"max\":");
  add_json(seconds(backoff.max), out);
  out.add(",\"jitter\":").add_real(backoff.jitter).add('}');
}

Status read_setting(Db& db, Setting setting, SettingValue* out) {
  bool exists, row = false;
  WF_TRY(db.schema_exists(&exists));
  Value stored;
  Millis time = kNoTime;  // where it is one
  if (exists) {
    Query q(db, Sql::setting_get);
    q.bind(":key", key_of(setting));
    WF_TRY(q.next(&row));
    if (row) stored = q.value(0);
    if (is_time(stored)) time = q.time(0);
    out->text.add(stored.bytes);  // a BLOB's too, by a hand edit: it would not outlive the statement
    stored.bytes = out->text.view();
  }
  switch (setting) {
    case Setting::lease: out->value = seconds(row ? stored.integer : kDefaultLease); break;
    case Setting::max_attempts: out->value = Value::of(row ? stored.integer : kDefaultMaxAttempts); break;
    case Setting::max_failures: out->value = Value::of(row ? stored.integer : kDefaultMaxFailures); break;
    case Setting::backoff: {
      const Backoff backoff = row ? stored_backoff(stored.bytes) : Backoff{};
      out->text.clear();
      show_backoff(backoff, out->text);
      out->value = Value::text(out->text.view());
      break;
    }
    case Setting::clock: out->value = row && time == kNoTime ? stored : Value::text("system"); break;
    case Setting::test_clock:
      if (time == kNoTime) break;
      out->text.clear();
      out->text.add(TimeText(time, TimeForm::sql).view());
      out->value = Value::text(out->text.view());
      break;
    case Setting::sync_socket:
    case Setting::sync_path:
      if (stored.type == Value::Type::text) out->value = stored;
      break;
    case Setting::require_recover: out->value = Value::of(int64_t{row && stored.integer != 0}); break;
    case Setting::schema_version:
    case Setting::epoch: out->value = stored; break;
  }
  return out->text.ok() ? Status() : Status::no_memory();
}

Status write_setting(Db& db, Setting setting, const Value& value) {
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::allowed, "wf_config"));
  bool was_explicit = false;
  if (setting == Setting::clock || setting == Setting::test_clock) {
    bool stays = false;
    WF_TRY(clock_is_explicit(db, &was_explicit));
    WF_TRY(may_set_clock(db, setting, value, &stays));
    if (stays) return scope.commit();
  }
  {
    const bool is_default = value.is_null() || (setting == Setting::require_recover && value.integer == 0) || (setting == Setting::clock && value.bytes == "system");
    Text time;
    if (setting == Setting::test_clock && !value.is_null()) time.add_integer(value.integer);
    if (!time.ok()) return Status::no_memory();
    WF_TRY(run_all(db, is_default ? Sql::setting_drop : Sql::setting_put, [&](Query& q) {
      q.bind(":key", key_of(setting)).bind(":value", time.size() != 0 ? Value::text(time.view()) : value);
    }));
  }
  // Machines that repeat each other's calls have each their own place.
  if (setting == Setting::clock && value.bytes == "explicit") WF_TRY(run_all(db, Sql::setting_drop, [](Query& q) { q.bind(":key", "place"); }));
  else if (was_explicit) WF_TRY(write_place(db));
  return scope.commit();
}

Status add_meta(Db& db, string_view key, Text& out) {
  Query q(db, Sql::setting_get);
  if (!q.prepared()) return {};  // there are no tables yet
  q.bind(":key", key);
  bool row;
  WF_TRY(q.next(&row));
  if (row) out.add(q.text(0));
  return out.ok() ? Status() : Status::no_memory();
}

Status next_epoch(Db& db, Millis now, string_view id, int64_t* out) {
  int64_t old;
  {
    Query q(db, Sql::setting_get);
    q.bind(":key", key_of(Setting::epoch));
    bool row;
    WF_TRY(q.next(&row));
    // One that no recovery can have made, damage that is, counts for nothing: wf_check() names it.
    old = row && q.value(0).type == Value::Type::integer && q.integer(0) <= kMostCount ? q.integer(0) : 0;
  }
  *out = old + 1 > now ? old + 1 : now;
  if (!id.empty()) {
    *out += static_cast<int64_t>(hash64(id) >> 44);  // up to 17 minutes
    Query q(db, Sql::setting_put);
    q.bind(":key", "recovery").bind(":value", Value::text(id));
    WF_TRY(q.run());
  }
  Query q(db, Sql::setting_put);
  q.bind(":key", key_of(Setting::epoch)).bind(":value", *out);
  return q.run();
}

}  // namespace wf

// The functions about the file as a whole.

#include "base/json.h"
#include "base/scope.h"
#include "base/taker.h"
#include "engine/check.h"
#include "engine/digest.h"
#include "engine/next_due.h"
#include "engine/recover.h"
#include "engine/sync.h"
#include "engine/wait.h"
#include "functions/call.h"
#include "version.h"

namespace wf {

Status wf_init(Call& call) {
  WriteScope scope(call.db);
  scope.is_to_upgrade();
  WF_TRY(scope.begin(Inline::refused, "wf_init"));
  SettingValue version;
  WF_TRY(read_setting(call.db, Setting::schema_version, &version));
  WF_TRY(scope.commit());
  call.result(version.value.integer);
  return {};
}

Status wf_version(Call& call) {
  call.result(string_view(kVersion));
  return {};
}

namespace {

// Checks a new value of a setting and puts it into its stored form, held by `buffer` where it is text.
Status stored_setting(const Call& call, Setting setting, Text& buffer, Value* out) {
  const Value value = call.raw(1);
  switch (setting) {
    case Setting::lease: {
      Millis lease;
      WF_TRY(read_duration("lease", value, 1, &lease));
      *out = Value::of(lease);
      return {};
    }
    case Setting::max_attempts:
    case Setting::max_failures: {
      int64_t number = value.integer;
      if (value.type == Value::Type::real && value.real >= 1 && value.real <= 1e6) number = static_cast<int64_t>(value.real);
      const bool whole = value.type == Value::Type::integer || (value.type == Value::Type::real && static_cast<double>(number) == value.real);
      if (!whole || number < 1 || number > kMaxAttemptsLimit) {
        static_assert(kMaxAttemptsLimit == 1000000);
        return wrong_value(kSettings[static_cast<int>(setting)].name.data(), "an integer from 1 to 1000000", value);
      }
      *out = Value::of(number);
      return {};
    }
    case Setting::backoff: {
      const json::Checked json = value.type == Value::Type::text ? json::check(value.bytes, nullptr) : json::Checked();
      if (!json) return wrong_value("backoff", "a JSON object with initial, factor, max, jitter", value);
      Backoff backoff;
      WF_TRY(read_backoff("backoff", json, &backoff));
      add_backoff(backoff, buffer);
      *out = Value::text(buffer.view());
      return buffer.ok() ? Status() : Status::no_memory();
    }
    case Setting::clock:
      if (value.type != Value::Type::text || (value.bytes != "system" && value.bytes != "explicit")) {
        return wrong_value("clock", "'system' or 'explicit'", value);
      }
      *out = value;
      return {};
    case Setting::test_clock: {
      Millis time;
      WF_TRY(read_time("test_clock", value, &time));
      *out = Value::of(time);
      return {};
    }
    case Setting::require_recover:
      if (value.type != Value::Type::integer || (value.integer != 0 && value.integer != 1)) return wrong_value("require_recover", "0 or 1", value);
      *out = value;
      return {};
    case Setting::sync_socket:
    case Setting::sync_path: {
      const char* what = kSettings[static_cast<int>(setting)].name.data();
      string_view path;
      WF_TRY(call.name(1, what, &path));
      *out = value;
      return check_absolute(what, path);
    }
    default: return Status::error(Code::invalid, "this setting is read-only");
  }
}

}  // namespace

Status wf_config(Call& call) {
  string_view key;
  WF_TRY(call.name(0, "key", &key));
  size_t i = 0;
  while (i < std::size(kSettings) && kSettings[i].name != key) ++i;
  if (i == std::size(kSettings)) {
    Text allowed;
    for (const SettingName& setting : kSettings) allowed.add(allowed.size() != 0 ? ", " : "").add(setting.name);
    return Status::error(Code::invalid, "there is no setting '%.*s'; there are %.*s", WF_SV(key), WF_SV(allowed.view()));
  }
  const auto setting = static_cast<Setting>(i);
  if (call.count() > 1) {
    if (!kSettings[i].writable) return Status::error(Code::invalid, "the setting '%.*s' is read-only", WF_SV(key));
    Text buffer;
    Value stored;
    if (call.given(1)) WF_TRY(stored_setting(call, setting, buffer, &stored));
    WF_TRY(write_setting(call.db, setting, stored));
  }
  SettingValue value;
  WF_TRY(read_setting(call.db, setting, &value));
  if (value.value.is_null()) call.result_null();
  else if (setting >= Setting::clock && setting <= Setting::sync_path) call.result(value.value.bytes);
  else return call.result_stored(value.value);
  return {};
}

Status wf_clock(Call& call) {
  if (call.given(0)) {
    Millis time;
    WF_TRY(read_time("time", call.raw(0), &time));
    call.db.fix_clock(time);
    call.result(time, TimeForm::sql);
    return {};
  }
  if (call.count() == 1) {
    call.db.release_clock();
  }
  Millis now;
  Status shown = time_to_show(call.db, {}, &now);
  if (shown.is(Code::invalid)) return shown;
  if (!shown.ok()) now = call.db.clock();  // whatever the file holds
  call.result(now, TimeForm::sql);
  return {};
}

Status wf_busy_timeout(Call& call) {
  Millis timeout = 0;
  if (call.given(0)) WF_TRY(read_duration("duration", call.raw(0), 0, &timeout));
  WF_TRY(call.db.waiting().stand_in_for_all(call.db.handle(), timeout));
  return call.result_stored(seconds(timeout));
}

Status wf_sync(Call& call) {
  WF_TRY(check_context(call.db, "wf_sync"));
  Sync args;
  if (call.given(0)) WF_TRY(read_duration("timeout", call.raw(0), 1, &args.timeout));
  if (args.timeout > kTenYears) args.timeout = kTenYears;  // that is for ever
  args.socket = call.options.text("socket");
  args.path = call.options.text("path");
  args.allow_normal = call.options.boolean("allow_normal");
  Synced done;
  WF_TRY(sync_replica(call.db, args, &done));
  Text out;
  out.add("{\"txid\":").add_integer(done.txid).add(",\"replicated_txid\":").add_integer(done.replicated);
  out.add(",\"ms\":").add_real(static_cast<double>(done.time / 1000) / 1000).add(",\"calls\":").add_integer(done.calls).add('}');
  return call.result_json(out);
}

Status wf_pending(Call& call) {
  string_view queue;
  WF_TRY(call.optional_name(0, "queue", &queue));
  int64_t count;
  WF_TRY(count_pending(call.db, queue, &count));
  call.result(count);
  return {};
}

// What the queries behind wf_pending and wf_ready cannot see: (seq, flags, now).
Status wf_in_vain(Call& call) {
  bool in_vain;
  WF_TRY(waits_in_vain(call.db, call.raw(0).integer, call.raw(1).integer, call.raw(2).integer, &in_vain));
  call.result(int64_t{in_vain});
  return {};
}

// See base/taker.h.
Status wf_take(Call& call) {
  if (call.db.row_taker() == nullptr) return {};
  Value row[RowTaker::kColumns];
  for (int i = 0; i < RowTaker::kColumns; ++i) row[i] = call.raw(i);
  int64_t out;
  WF_TRY(call.db.row_taker()->take(row, &out));
  call.result(out);
  return {};
}

Status wf_ready(Call& call) {
  string_view queue;
  WF_TRY(call.optional_name(0, "queue", &queue));
  int64_t count;
  Millis now;
  WF_TRY(time_to_show(call.db, call.options.now(), &now));
  WF_TRY(count_ready(call.db, queue, now, &count));
  call.result(count);
  return {};
}

Status wf_next_due(Call& call) {
  Millis now, due;
  WF_TRY(time_to_show(call.db, call.options.now(), &now));
  WF_TRY(next_due(call.db, now, &due));
  due == kNoTime ? call.result_null() : call.result(due, TimeForm::sql);
  return {};
}

Status wf_check(Call& call) {
  Text problems;
  WF_TRY(check(call.db, static_cast<FileCheck>(call.options.integer("integrity", 0)), problems));
  if (problems.size() != 0) return call.result_json(problems);
  call.result_null();
  return {};
}

Status wf_digest(Call& call) {
  string_view id;
  if (call.given(0)) WF_TRY(call.id(0, &id));
  bool found;
  uint64_t sum;
  WF_TRY(digest(call.db, id, &found, &sum));
  char text[16];
  for (int i = 15; i >= 0; --i, sum >>= 4) text[i] = "0123456789abcdef"[sum & 15];
  found ? call.result(string_view(text, sizeof text)) : call.result_null();
  return {};
}

Status wf_recover(Call& call) {
  Recover args;
  args.pause = call.options.boolean("pause");
  args.lost = call.options.boolean("lost");
  args.id = call.options.text("id");
  args.worker = call.options.text("worker");
  Recovered recovered;
  WF_TRY(recover(call.db, args, call.options.now(), &recovered));
  Text out;
  out.add("{\"epoch\":").add_integer(recovered.epoch).add(",\"leases_voided\":").add_integer(recovered.leases_voided);
  out.add(",\"in_doubt\":").add_integer(recovered.in_doubt).add('}');
  return call.result_json(out);
}

}  // namespace wf

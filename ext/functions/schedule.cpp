// wf_schedule and wf_unschedule.

#include "schedules/schedule.h"

#include "base/json.h"
#include "functions/nested.h"
#include "schedules/trigger.h"

namespace wf {
namespace {

// The options of wf_start that a schedule may not set for its workflows: they belong to one workflow alone.
constexpr string_view kNotOfSchedules[] = {"id", "at", "dedup", "if_exists", "report", "now"};

Status cron_argument(const Call& call, int i, string_view* out) {
  const Value value = call.raw(i);
  if (value.type != Value::Type::text) return call.wrong("cron", "text", value);
  *out = value.bytes;
  return {};
}

// The name of a schedule begins the ids of its workflows.
Status schedule_name(const Call& call, int i, string_view* out) {
  WF_TRY(call.name(i, "name", out));
  WF_TRY(check_id("name", *out));
  if (out->size() <= kMostScheduleName) return {};
  return Status::error(Code::invalid, "the name of a schedule may have %d bytes, '%.*s...' has %d", static_cast<int>(kMostScheduleName),
                       WF_SV(excerpt(*out)), static_cast<int>(out->size()));
}

}  // namespace

Status wf_schedule(Call& call) {
  Schedule s;
  WF_TRY(schedule_name(call, 0, &s.name));
  WF_TRY(cron_argument(call, 1, &s.cron));
  WF_TRY(call.name(2, "workflow", &s.workflow));
  WF_TRY(call.input(3, "input", &s.input));
  const Options& o = call.options;
  s.timezone = o.text("timezone", s.timezone);
  s.catch_up = static_cast<CatchUp>(o.integer("catch_up", 0));
  s.grace = o.integer("grace", s.grace);
  // Who wants every missed time wants the second one too, although the first has just been started: docs/schedules.md.
  s.overlap = static_cast<Overlap>(o.integer("overlap", static_cast<int64_t>(s.catch_up == CatchUp::all ? Overlap::allow : Overlap::skip)));
  s.paused = o.boolean("paused");
  const NestedOptions allowed("wf_start", kNotOfSchedules);
  Options start;
  if (o.has("start")) {
    WF_TRY(allowed.parse("start", o.text("start"), call.db.stop(), start));
    WF_TRY(read_start_options(start, &s.start));
  }
  Millis next;
  WF_TRY(put_schedule(call.db, s, o.now(), &next));
  if (next == kNoTime) call.result_null();
  else call.result(next, TimeForm::sql);
  return {};
}

Status wf_unschedule(Call& call) {
  string_view name;
  WF_TRY(schedule_name(call, 0, &name));
  bool existed;
  WF_TRY(drop_schedule(call.db, name, &existed));
  call.result(int64_t{existed});
  return {};
}

Status wf_trigger(Call& call) {
  string_view name;
  WF_TRY(schedule_name(call, 0, &name));
  Millis time = kNoTime;
  if (call.given(1)) WF_TRY(read_time("time", call.raw(1), &time));
  const Options& o = call.options;
  if (!o.has("from")) {
    for (const char* option : {"to", "limit"}) {
      if (o.has(string_view(option))) return Status::error(Code::invalid, "the option \"%s\" of wf_trigger() goes with \"from\"", option);
    }
    Name id;
    WF_TRY(trigger(call.db, name, time, o.now(), &id));
    call.result(id.view());
    return {};
  }
  if (time != kNoTime) return Status::error(Code::invalid, "time of wf_trigger() and the option \"from\" exclude each other");
  Text out;
  WF_TRY(trigger_span(call.db, name, {o.integer("from", 0), o.integer("to", kNoTime), o.integer("limit", kMostTriggered)}, o.now(), out));
  return call.result_json(out);
}

}  // namespace wf

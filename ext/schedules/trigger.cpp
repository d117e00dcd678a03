#include "schedules/trigger.h"

#include "base/json.h"
#include "base/scope.h"
#include "schedules/stored.h"

namespace wf {
namespace {

Status read_all(Db& db, string_view name, Stored* out) {
  bool found, same;
  WF_TRY(read_schedule(db, name, {}, &found, &same, out));
  if (!found) return Status::error(Code::not_found, "no schedule '%.*s'", WF_SV(name));
  return read_settings(db, out);
}

// Fires every time from the first one of the span on, and adds their ids.
Status fire_all(Db& db, const Calendar& calendar, Stored& stored, const Span& span, Millis now, Text& out) {
  Name id;
  int64_t count = 0, started = 0;
  Millis time = calendar.next(span.from - 1);
  out.add("{\"ids\":[");
  for (; time != kNoTime && time <= span.to && count < span.limit; time = calendar.next(time)) {
    bool is_new;
    WF_TRY(start_firing(db, stored, time, now, &id, &is_new));
    if (count++ != 0) out.add(',');
    json::quote(id.view(), out);
    started += is_new;
  }
  out.add("],\"started\":").add_integer(started).add(",\"next\":");
  if (time == kNoTime || time > span.to) out.add("null");
  else out.add('"').add(TimeText(time, TimeForm::json).view()).add('"');
  out.add('}');
  return out.ok() ? Status() : Status::no_memory();
}

}  // namespace

Status trigger(Db& db, string_view name, Millis time, const Now& now, Name* id) {
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::allowed, "wf_trigger"));
  Millis clock;
  WF_TRY(call_time(db, now, &clock));
  Stored stored;
  WF_TRY(read_all(db, name, &stored));
  bool started;
  WF_TRY(start_firing(db, stored, time != kNoTime ? time : clock, clock, id, &started));
  return scope.commit();
}

Status trigger_span(Db& db, string_view name, const Span& asked, const Now& now, Text& out) {
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::refused, "wf_trigger"));
  Millis clock;
  WF_TRY(call_time(db, now, &clock));
  Span span = asked;
  if (span.to == kNoTime) span.to = clock;
  const TimeText from(span.from, TimeForm::sql), to(span.to, TimeForm::sql);
  if (span.to > clock) return Status::error(Code::invalid, "the option \"to\" of wf_trigger(), %.*s, is later than now: what is to come fires by itself", WF_SV(to.view()));
  if (span.from > span.to) return Status::error(Code::invalid, "the option \"from\" of wf_trigger(), %.*s, is later than \"to\", %.*s", WF_SV(from.view()), WF_SV(to.view()));
  Stored stored;
  WF_TRY(read_all(db, name, &stored));
  Calendar calendar;
  WF_TRY(load_calendar(db, stored.schedule.cron, stored.schedule.timezone, &calendar));
  WF_TRY(fire_all(db, calendar, stored, span, clock, out));
  return scope.commit();
}

}  // namespace wf

// The functions that wait, that others wait for, and that start children.

#include "base/json.h"
#include "engine/children.h"
#include "engine/join.h"
#include "engine/event.h"
#include "engine/signal.h"
#include "functions/call.h"
#include "functions/waits.h"

namespace wf {
namespace {

// Text is a duration where it can be one, else a time; numbers are seconds.
Status read_sleep(const Value& given, Awaited* out) {
  if (given.type != Value::Type::text) return read_duration("duration", given, 0, &out->length);
  if (parse_duration(given.bytes, &out->length)) return {};
  out->length = kNoTime;
  if (parse_time(given.bytes, &out->due)) return {};
  return Status::error(Code::invalid, "duration of wf_sleep() must be a duration like '30s', a number of seconds, or a time, got '%.*s'",
                       WF_SV(shown(given.bytes)));
}

Status wait_for_names(Call& call, WaitKind kind, const char* what) {
  Wait args;
  Awaited thing;
  thing.kind = kind;
  Text names;
  WF_TRY(call.names(2, what, names));
  thing.names = names.view();
  if (!json::Elements(json::check(thing.names, &call.db.stop())).next()) return Status::error(Code::invalid, "%s of %s() is an empty array", what, call.function.name());
  if (call.given(3)) WF_TRY(read_duration("timeout", call.raw(3), 0, &args.timeout));
  return wait_for_one(call, thing, args);
}

}  // namespace

Status run_wait(Call& call, Wait& args) {
  Handle handle;
  WF_TRY(call.handle(0, &handle));
  WF_TRY(call.name(1, "step", &args.step));
  args.keep = call.options.boolean("keep");
  args.cleanup = call.options.boolean("cleanup");
  WF_TRY(read_fingerprint(call, &args.print));
  bool ready;
  Text output;
  Millis due;
  WF_TRY(wait(call.db, handle, args, call.options.now(), &ready, output, &due));
  if (!ready) call.result_null();
  else if (args.kind == wait_kind_name(WaitKind::sleep)) call.result(due, TimeForm::sql);
  else return call.result_json(output);
  return {};
}

Status wait_for_one(Call& call, const Awaited& thing, Wait& args) {
  args.kind = wait_kind_name(thing.kind);
  args.things.add(thing);
  return args.things.ok() ? run_wait(call, args) : Status::no_memory();
}

Status wf_sleep(Call& call) {
  Wait args;
  Awaited thing;
  WF_TRY(read_sleep(call.raw(2), &thing));
  return wait_for_one(call, thing, args);
}

Status wf_signal(Call& call) {
  string_view id, signal;
  Value payload;
  WF_TRY(call.id(0, &id));
  WF_TRY(call.name(1, "signal", &signal));
  WF_TRY(call.input(2, "payload", &payload));
  bool sent;
  WF_TRY(send_signal(call.db, id, signal, payload, call.options.text("key"), call.options.now(), &sent));
  call.result(int64_t{sent});
  return {};
}

Status wf_await(Call& call) { return wait_for_names(call, WaitKind::signal, "signal"); }

Status wf_emit(Call& call) {
  string_view event;
  Value payload;
  WF_TRY(call.name(0, "event", &event));
  WF_TRY(call.input(1, "payload", &payload));
  bool first;
  Text json;
  Value standing;
  WF_TRY(emit_event(call.db, event, payload, call.options.now(), &first, json, &standing));
  if (!first) return call.result_stored(standing);
  call.result_checked(payload);
  return {};
}

Status wf_await_event(Call& call) { return wait_for_names(call, WaitKind::event, "event"); }

Status wf_spawn(Call& call) {
  Handle handle;
  string_view step;
  Start args;
  WF_TRY(call.handle(0, &handle));
  WF_TRY(call.name(1, "step", &step));
  WF_TRY(call.name(2, "name", &args.name));
  WF_TRY(call.input(3, "input", &args.input));
  WF_TRY(read_start_options(call.options, &args));
  args.detached = call.options.boolean("detached");
  args.parent_cleanup = call.options.boolean("parent_cleanup");
  Name id;
  Started outcome;
  Fingerprint print;
  WF_TRY(read_fingerprint(call, &print));
  WF_TRY(spawn(call.db, handle, step, args, print, call.options.now(), &id, &outcome));
  return result_started(call, id.view(), outcome);
}

Status wf_join(Call& call) {
  Wait args;
  Awaited thing;
  thing.kind = WaitKind::join;
  Text ids;
  if (call.given(2)) {
    const Value given = call.raw(2);
    if (given.type != Value::Type::text || !opens_with(given.bytes, '[')) return call.wrong("ids", "a JSON array of ids, like [\"w1/kid\"]", given);
    WF_TRY(call.names(2, "ids", ids));
  }
  thing.names = ids.view();
  thing.any = call.options.integer("mode", 0) == 1;
  if (thing.any && !thing.names.empty()) WF_TRY(check_any(thing.names, &call.db.stop()));
  thing.outputs = call.options.boolean("outputs", true);
  args.timeout = call.options.integer("timeout", kNoTime);
  return wait_for_one(call, thing, args);
}

}  // namespace wf

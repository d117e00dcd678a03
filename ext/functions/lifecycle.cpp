// The functions of a workflow's life: start, claim, step, complete, fail, release.

#include "base/json.h"
#include "engine/claim.h"
#include "engine/complete.h"
#include "engine/complete_with.h"
#include "engine/continue.h"
#include "engine/start_again.h"
#include "engine/step.h"
#include "engine/tag.h"
#include "engine/tick.h"
#include "functions/nested.h"

namespace wf {
namespace {

void result_state(Call& call, State state) { call.result(string_view(state_name(state))); }

// The queues to claim from, none of which is none.
Status queue_argument(Call& call, int i, Text& names, Claim* out) {
  if (!call.given(i)) return {};
  const Value value = call.raw(i);
  if (value.type != Value::Type::text || !opens_with(value.bytes, '[')) return call.name(i, "queue", &out->queue);
  WF_TRY(call.names(i, "queue", names));
  out->queues = json::check(names.view(), &call.db.stop());
  if (!json::Elements(out->queues).next()) return Status::error(Code::invalid, "queue of wf_claim() is an empty array");
  return {};
}

}  // namespace

Status read_start_options(const Options& o, Start* out) {
  WF_TRY(o.exclusive("delay", "at"));
  out->id = o.text("id");
  out->queue = o.text("queue", out->queue);
  out->has_queue = o.has("queue");
  out->priority = o.integer("priority", 0);
  out->has_priority = o.has("priority");
  out->delay = o.integer("delay", 0);
  out->at = o.integer("at", kNoTime);
  out->timeout = o.integer("timeout", kNoTime);
  out->max_attempts = o.integer("max_attempts", 0);
  out->max_failures = o.integer("max_failures", 0);
  out->has_backoff = o.has("backoff");
  out->backoff = o.backoff("backoff");
  out->version = o.text("version");
  out->partition = o.text("partition");
  out->dedup = o.text("dedup");
  out->headers = o.text("headers");
  out->manual = o.boolean("manual");
  out->cleanup = o.boolean("cleanup");
  out->tags = o.object("tags");
  if (out->tags) WF_TRY(check_tags(out->tags));
  out->if_exists = static_cast<IfExists>(o.integer("if_exists", 0));
  return {};
}

Status result_started(Call& call, string_view id, Started outcome) {
  if (!call.options.boolean("report")) {
    call.result(id);
    return {};
  }
  constexpr const char* kOutcomes[] = {"created", "existing", "replaced", "restarted"};
  Text out;
  out.add("{\"id\":");
  json::quote(id, out);
  out.add(",\"created\":").add(outcome == Started::created ? "true" : "false");
  out.add(",\"outcome\":\"").add(kOutcomes[static_cast<size_t>(outcome)]).add("\"}");
  return call.result_json(out);
}

Status wf_start(Call& call) {
  Start args;
  WF_TRY(call.name(0, "name", &args.name));
  WF_TRY(call.input(1, "input", &args.input));
  WF_TRY(read_start_options(call.options, &args));
  Name id;
  Started outcome;
  WF_TRY(start_again(call.db, args, call.options.now(), &id, &outcome));
  return result_started(call, id.view(), outcome);
}

namespace {

// All but "limit".
Status read_claim_options(const Options& o, Claim* out) {
  out->lease = o.integer("lease", kNoTime);
  out->names = o.names("names");
  out->versions = o.names("versions");
  out->id = o.text("id");
  out->key = o.text("key");
  out->steps = o.boolean("steps");
  out->steps_limit = o.integer("steps_limit", INT64_MAX);
  if (!o.has("steps_limit") || out->steps) return {};
  return Status::error(Code::invalid, "the option \"steps_limit\" needs \"steps\"");
}

}  // namespace

Status wf_claim(Call& call) {
  Claim args;
  Text queues;
  WF_TRY(queue_argument(call, 0, queues, &args));
  WF_TRY(call.optional_name(1, "worker", &args.worker));
  const Options& o = call.options;
  WF_TRY(o.exclusive("key", "limit"));
  args.limit = o.integer("limit", 1);
  WF_TRY(read_claim_options(o, &args));
  Text claims;
  if (o.has("limit")) claims.add('[');
  int64_t count;
  WF_TRY(claim(call.db, args, o.now(), claims, &count));
  if (count == 0) {
    call.result_null();
    return {};
  }
  if (o.has("limit")) claims.add(']');
  return call.result_json(claims);
}

Status wf_tick(Call& call) {
  int64_t count;
  WF_TRY(tick(call.db, call.options.integer("limit", kNoLimit), call.options.now(), &count));
  call.result(count);
  return {};
}

namespace {

// What has come of a step whose outcome is an error, as a value.
Status show_error(Call& call, const Value& error) {
  Text out;
  out.add("{\"error\":");
  add_json(error, out, &call.db.stop());
  out.add('}');
  return call.result_json(out);
}

Status show_step(Call& call, string_view step, Stands stands, bool values, const Query& output) {
  if (stands == Stands::error) return values ? show_error(call, output.value(0)) : step_failed(call.db, step, output);
  return call.result_stored(output.value(0));
}

}  // namespace

Status wf_step(Call& call) {
  Handle handle;
  string_view step;
  WF_TRY(call.handle(0, &handle));
  WF_TRY(call.name(1, "step", &step));
  Query output(call.db, Sql::step_read);
  const Options& o = call.options;
  const bool values = o.boolean("values");
  Stands stands;
  Fingerprint print;
  WF_TRY(read_fingerprint(call, &print));
  if (call.count() == 2 || (values && !call.given(2))) {
    for (const char* records : {"error", "once", "cleanup"}) {  // and this call only reads
      if (o.boolean(string_view(records))) {
        return Status::error(Code::invalid, "the option \"%s\" of wf_step() is for a call that records, and with \"values\" the output NULL only reads: "
                             "give an output, 'null' if there is none", records);
      }
    }
    WF_TRY(read_step(call.db, handle, step, print, o.now(), &stands, output));
    if (stands != Stands::none) return show_step(call, step, stands, values, output);
    call.result_null();
    return {};
  }
  Text buffer;
  Value value;
  WF_TRY(call.report(2, buffer, &value));
  const Record args{o.boolean("once"), o.boolean("cleanup"), o.boolean("error"), values, print};
  if (args.error && value.is_null()) value = Value::text("null");
  WF_TRY(record_step(call.db, handle, step, value, args, o.now(), &stands, output));
  if (stands != Stands::none) return show_step(call, step, stands, values, output);
  if (args.error && values) return show_error(call, value);
  call.result_checked(value);
  return {};
}

namespace {

// With the option "next": {"status","claim"}.
Status complete_and_claim(Call& call, const Handle& handle, const Value& output) {
  static constexpr string_view kNot[] = {"limit", "now"};
  static constexpr Option kMore[] = {{"queue", OptionType::names, ""}, {"worker", OptionType::name, ""}};
  const NestedOptions allowed("wf_claim", kNot, kMore);
  Options next;
  WF_TRY(allowed.parse("next", call.options.text("next"), call.db.stop(), next));
  if (!next.has("key")) {
    return Status::error(Code::invalid, "the option \"next\" of wf_complete() needs a \"key\": by it a call that is repeated gives the same claim again");
  }
  Claim args;
  WF_TRY(read_claim_options(next, &args));
  args.worker = next.text("worker");
  if (next.has("queue")) {
    args.queues = next.names("queue");
    if (!json::Elements(args.queues).next()) return Status::error(Code::invalid, "in the option \"next\": the queue is an empty array");
  }
  State state;
  Text claimed, out;
  WF_TRY(complete_with(call.db, handle, output, {call.options.text("step"), &args}, call.options.now(), &state, claimed));
  if (!claimed.ok()) return Status::no_memory();
  out.add("{\"status\":\"").add(state_name(state)).add("\",\"claim\":").add(claimed.size() != 0 ? claimed.view() : "null").add('}');
  return call.result_json(out);
}

}  // namespace

Status wf_complete(Call& call) {
  Handle handle;
  WF_TRY(call.handle(0, &handle));
  Text buffer;
  Value output;
  WF_TRY(call.report(1, buffer, &output));
  const Options& o = call.options;
  if (o.has("next")) return complete_and_claim(call, handle, output);
  State state;
  if (o.has("step")) {
    Text none;
    WF_TRY(complete_with(call.db, handle, output, {o.text("step"), nullptr}, o.now(), &state, none));
    result_state(call, state);
    return {};
  }
  WF_TRY(complete(call.db, handle, output, call.options.now(), &state));
  result_state(call, state);
  return {};
}

Status wf_continue(Call& call) {
  Handle handle;
  WF_TRY(call.handle(0, &handle));
  const Options& o = call.options;
  Continue args;
  args.has_input = call.given(1);
  if (args.has_input) WF_TRY(call.input(1, "input", &args.input));
  args.period = o.integer("period", 0);
  args.delay = o.integer("delay", 0);
  args.timeout = o.integer("timeout", kNoTime);
  args.version = o.text("version");
  args.has_priority = o.has("priority");
  args.priority = o.integer("priority", 0);
  args.headers = o.text("headers");
  args.keeps_streams = o.boolean("streams", true);
  WF_TRY(continue_workflow(call.db, handle, args, o.now()));
  result_state(call, State::pending);
  return {};
}

Status wf_fail(Call& call) {
  Handle handle;
  WF_TRY(call.handle(0, &handle));
  Text buffer;
  Failure failure;
  WF_TRY(call.report(1, buffer, &failure.error));
  if (failure.error.is_null()) failure.error = Value::text("null");
  const Options& o = call.options;
  WF_TRY(o.exclusive("delay", "at"));
  failure.retry = o.boolean("retry", true);
  failure.delay = o.integer("delay", kNoTime);
  failure.at = o.integer("at", kNoTime);
  failure.step = o.text("step");
  failure.max_attempts = o.integer("max_attempts", 0);
  if (failure.max_attempts != 0 && failure.step.empty()) {
    return Status::error(Code::invalid, "the option \"max_attempts\" of wf_fail() belongs to a \"step\"");
  }
  if (o.boolean("keep")) {
    if (failure.step.empty()) return Status::error(Code::invalid, "the option \"keep\" of wf_fail() belongs to a \"step\"");
    if (!failure.retry) return Status::error(Code::invalid, "the options \"keep\" and \"retry\": false of wf_fail() exclude each other");
    Kept kept;
    WF_TRY(fail_keeping(call.db, handle, failure, o.now(), &kept));
    Text out;
    out.add("{\"failures\":").add_integer(kept.failures).add(",\"pause\":").add_integer(kept.pause / 1000);
    if (kept.pause % 1000 != 0) {
      char rest[8];
      sqlite3_snprintf(sizeof rest, rest, ".%03d", static_cast<int>(kept.pause % 1000));
      out.add(rest);
    }
    out.add('}');
    return call.result_json(out);
  }
  State state;
  WF_TRY(fail(call.db, handle, failure, o.now(), &state));
  result_state(call, state);
  return {};
}

Status wf_release(Call& call) {
  Handle handle;
  WF_TRY(call.handle(0, &handle));
  WF_TRY(call.options.exclusive("delay", "at"));
  WF_TRY(release(call.db, handle, call.options.integer("delay", kNoTime), call.options.integer("at", kNoTime), call.options.now()));
  call.result(int64_t{1});
  return {};
}

Status wf_key(Call& call) {
  Handle handle;
  string_view step;
  WF_TRY(call.handle(0, &handle));
  WF_TRY(call.name(1, "step", &step));
  Name key;
  WF_TRY(step_key(call.db, handle, step, &key));
  call.result(key.view());
  return {};
}

}  // namespace wf

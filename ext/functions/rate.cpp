// Limits for calls, and their shares.

#include "base/json.h"
#include "base/scope.h"
#include "engine/acquire.h"
#include "engine/rate.h"
#include "functions/call.h"

namespace wf {
namespace {

// Merges the options into the limit; null takes it away.
Status merge(const Options& o, Limit* limit) {
  if (o.mentions("limit")) limit->limit = o.integer("limit", -1);
  if (o.has("per")) limit->per = o.integer("per", kNoTime);
  const bool whole = limit->limit >= 0 ? limit->per != kNoTime : o.mentions("limit");
  return whole ? Status() : Status::error(Code::invalid, "a new rate needs both, like {\"limit\":60,\"per\":\"1m\"}");
}

Status set(Call& call, string_view name, Limit* limit) {
  WriteScope scope(call.db);
  WF_TRY(scope.begin(Inline::refused, "wf_rate"));
  Millis time;
  WF_TRY(call_time(call.db, call.options.now(), &time));
  bool exists;
  WF_TRY(read_limit(call.db, name, &exists, limit));
  if (call.given(1)) WF_TRY(merge(call.options, limit));
  else limit->limit = -1;
  if (exists || limit->limit >= 0) WF_TRY(write_limit(call.db, name, *limit, time));
  return scope.commit();
}

}  // namespace

Status wf_rate(Call& call) {
  string_view name;
  WF_TRY(call.name(0, "name", &name));
  Limit limit;
  if (call.count() > 1) {
    WF_TRY(set(call, name, &limit));
  } else {
    bool exists;
    WF_TRY(call.db.schema_exists(&exists));
    if (exists) WF_TRY(read_limit(call.db, name, &exists, &limit));
  }
  if (limit.limit < 0) {
    call.result_null();
    return {};
  }
  Text out;
  out.add("{\"name\":");
  json::quote(name, out);
  out.add(",\"limit\":").add_integer(limit.limit).add(",\"per\":");
  add_json(seconds(limit.per), out);
  out.add('}');
  return call.result_json(out);
}

Status wf_acquire(Call& call) {
  Handle handle;
  Acquire args;
  WF_TRY(call.name(2, "rate", &args.rate));
  if (call.given(3)) WF_TRY(call.integer(3, "amount", 1, &args.amount));
  args.key = call.options.text("key");
  args.timeout = call.options.integer("timeout", kNoTime);
  WF_TRY(call.handle(0, &handle));
  WF_TRY(call.name(1, "step", &args.step));
  args.keep = call.options.boolean("keep");
  args.cleanup = call.options.boolean("cleanup");
  WF_TRY(read_fingerprint(call, &args.print));
  bool ready;
  Text output;
  WF_TRY(acquire(call.db, handle, args, call.options.now(), &ready, output));
  if (ready) return call.result_json(output);
  call.result_null();
  return {};
}

}  // namespace wf

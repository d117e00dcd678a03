// Settings of queues.

#include "base/json.h"
#include "base/scope.h"
#include "engine/queue.h"
#include "functions/call.h"

namespace wf {
namespace {

// Merges the options into the settings; null takes one away.
Status merge(const Options& o, QueueSettings* s) {
  const auto number = [&o](OptionName name, int64_t none, int64_t* out) {
    if (o.mentions(name)) *out = o.integer(name, none);
  };
  number("concurrency", -1, &s->concurrency);
  number("worker_concurrency", -1, &s->worker_concurrency);
  number("partition_concurrency", -1, &s->partition_concurrency);
  number("lease", kNoTime, &s->lease);
  number("max_attempts", 0, &s->max_attempts);
  if (o.mentions("hold")) s->until_end = o.integer("hold", 0) == 1;
  if (o.mentions("paused")) s->paused = o.boolean("paused");
  if (o.mentions("backoff")) {
    s->has_backoff = o.has("backoff");
    s->backoff = o.backoff("backoff");
  }
  if (!o.mentions("rate")) return {};
  s->rate_limit = -1;
  return o.has("rate") ? read_rate(json::check(o.text("rate"), nullptr), &s->rate_limit, &s->rate_per) : Status();
}

void add_number(const char* key, int64_t number, int64_t none, Text& out) {
  out.add(",\"").add(key).add("\":");
  number == none ? (void)out.add("null") : (void)out.add_integer(number);
}

void add_seconds(const char* key, Millis time, Text& out) {
  out.add(",\"").add(key).add("\":");
  time == kNoTime ? (void)out.add("null") : add_json(seconds(time), out);
}

void show(string_view queue, const QueueSettings& s, Text& out) {
  out.add("{\"queue\":");
  json::quote(queue, out);
  add_number("concurrency", s.concurrency, -1, out);
  add_number("worker_concurrency", s.worker_concurrency, -1, out);
  add_number("partition_concurrency", s.partition_concurrency, -1, out);
  out.add(",\"hold\":\"").add(s.until_end ? "started" : "lease").add("\",\"rate\":");
  if (s.rate_limit < 0) {
    out.add("null");
  } else {
    out.add("{\"limit\":").add_integer(s.rate_limit);
    add_seconds("per", s.rate_per, out);
    out.add('}');
  }
  out.add(",\"paused\":").add(s.paused ? "true" : "false");
  add_seconds("lease", s.lease, out);
  add_number("max_attempts", s.max_attempts, 0, out);
  out.add(",\"backoff\":");
  s.has_backoff ? show_backoff(s.backoff, out) : (void)out.add("null");
  out.add('}');
}

}  // namespace

Status wf_queue(Call& call) {
  string_view queue;
  WF_TRY(call.name(0, "name", &queue));
  QueueSettings settings;
  if (call.given(1)) {
    QueueSettings unused;
    WF_TRY(merge(call.options, &unused));  // wrong options are wrong whatever is stored, and no reason to wait for a lock
    WriteScope scope(call.db);
    WF_TRY(scope.begin(Inline::refused, "wf_queue"));
    WF_TRY(read_queue(call.db, queue, &settings));
    WF_TRY(merge(call.options, &settings));
    WF_TRY(write_queue(call.db, queue, settings));
    WF_TRY(scope.commit());
  } else {
    bool exists;
    WF_TRY(call.db.schema_exists(&exists));
    if (exists) WF_TRY(read_queue(call.db, queue, &settings));
  }
  Text out;
  show(queue, settings, out);
  return call.result_json(out);
}

}  // namespace wf

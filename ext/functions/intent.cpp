// Steps that are begun before an outside effect, and what a workflow shows to the outside.

#include "base/json.h"
#include "engine/begin.h"
#include "engine/stream.h"
#include "engine/tag.h"
#include "engine/values.h"
#include "functions/call.h"

namespace wf {

Status wf_begin(Call& call) {
  Handle handle;
  string_view step;
  WF_TRY(call.handle(0, &handle));
  WF_TRY(call.name(1, "step", &step));
  Begun begun;
  const auto in_doubt = static_cast<InDoubt>(call.options.integer("in_doubt", 0));
  Fingerprint print;
  WF_TRY(read_fingerprint(call, &print));
  WF_TRY(begin_step(call.db, handle, step, in_doubt, call.options.boolean("cleanup"), print, call.options.now(), &begun));
  Text out;
  if (begun.go) out.add("{\"go\":true,\"key\":\"").add(begun.key.view()).add("\"}");
  else if (begun.done) out.add("{\"output\":").add(begun.output.view()).add('}');
  else if (begun.failed) out.add("{\"error\":").add(begun.output.view()).add('}');
  if (begun.go || begun.done || begun.failed) return call.result_json(out);
  call.result_null();
  return {};
}

Status wf_resolve(Call& call) {
  string_view id, step, verdict;
  WF_TRY(call.id(0, &id));
  WF_TRY(call.name(1, "step", &step));
  WF_TRY(call.name(2, "verdict", &verdict));
  constexpr string_view kVerdicts[] = {"done", "retry", "failed"};
  size_t i = 0;
  while (i < std::size(kVerdicts) && kVerdicts[i] != verdict) ++i;
  if (i == std::size(kVerdicts)) {
    return Status::error(Code::invalid, "verdict of wf_resolve() must be 'done', 'retry' or 'failed', got '%.*s'", WF_SV(excerpt(verdict)));
  }
  Text buffer;
  Value value;
  WF_TRY(call.report(3, buffer, &value));
  WF_TRY(resolve_step(call.db, id, step, static_cast<Verdict>(i), value, call.options.now()));
  call.result(int64_t{1});
  return {};
}

Status wf_set(Call& call) {
  Handle handle;
  string_view key;
  WF_TRY(call.handle(0, &handle));
  WF_TRY(call.name(1, "key", &key));
  Text buffer;
  Value value;
  WF_TRY(call.report(2, buffer, &value));
  WF_TRY(set_value(call.db, handle, key, value, call.options.now()));
  call.result(int64_t{1});
  return {};
}

Status wf_get(Call& call) {
  Handle handle;
  string_view key;
  WF_TRY(call.handle(0, &handle));
  WF_TRY(call.name(1, "key", &key));
  Query q(call.db, Sql::value_get);
  bool found;
  WF_TRY(get_value(call.db, handle, key, q, &found));
  if (found) return call.result_stored(q.value(0));
  call.result_null();
  return {};
}

Status wf_tag(Call& call) {
  Handle handle;
  string_view key, value;
  WF_TRY(call.handle(0, &handle));
  WF_TRY(call.name(1, "key", &key));
  const bool given = call.given(2);
  if (given) WF_TRY(call.name(2, "value", &value));
  WF_TRY(check_tag(key, given ? value : string_view("-")));
  WF_TRY(set_tag(call.db, handle, key, given ? &value : nullptr, call.options.now()));
  call.result(int64_t{1});
  return {};
}

namespace {

Status read_append(const Call& call, Text& buffer, Append* out) {
  const Options& o = call.options;
  out->offset = o.integer("offset", -1);
  out->each = o.boolean("each");
  out->close = o.boolean("close");
  if (out->close && (out->each || out->offset >= 0 || call.given(2))) {
    return Status::error(Code::invalid, "the option \"close\" of wf_append() goes with the value NULL, and without \"each\" and \"offset\"");
  }
  out->step = o.text("step");
  out->cleanup = o.boolean("cleanup");
  if (out->step.empty() ? out->cleanup : out->close || out->offset >= 0) {
    return Status::error(Code::invalid, "the option \"step\" of wf_append() goes without \"offset\" and \"close\", and \"cleanup\" with \"step\"");
  }
  if (!out->each) return call.report(2, buffer, &out->value);
  const Value array = call.raw(2);
  if (array.type == Value::Type::text) out->items = json::check(array.bytes, &call.db.stop());
  if (out->items.is(json::Kind::array)) return {};
  return wrong_value("value of wf_append()", "a JSON array with the option \"each\"", array);
}

}  // namespace

Status wf_append(Call& call) {
  Handle handle;
  Append args;
  WF_TRY(call.handle(0, &handle));
  WF_TRY(call.name(1, "stream", &args.stream));
  Text buffer;
  WF_TRY(read_append(call, buffer, &args));
  int64_t offset;
  WF_TRY(append(call.db, handle, args, call.options.now(), &offset));
  call.result(offset);
  return {};
}

Status wf_trim(Call& call) {
  string_view id, stream;
  WF_TRY(call.id(0, &id));
  WF_TRY(call.name(1, "stream", &stream));
  int64_t offset;
  WF_TRY(call.integer(2, "offset", 0, &offset));
  int64_t count;
  WF_TRY(trim(call.db, id, stream, offset, call.options.integer("limit", INT64_MAX), call.options.now(), &count));
  call.result(count);
  return {};
}

}  // namespace wf

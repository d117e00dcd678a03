// wf_define, wf_undefine, wf_explain, wf_run: workflows scripted in SQL.

#include "functions/call.h"
#include "scripts/define.h"
#include "scripts/explain.h"
#include "scripts/run.h"

namespace wf {

Status wf_define(Call& call) {
  string_view name;
  WF_TRY(call.name(0, "name", &name));
  const Value document = call.raw(1);
  if (document.type != Value::Type::text) return call.wrong("definition", "a JSON object as text", document);
  int64_t version;
  WF_TRY(define(call.db, name, document.bytes, call.options.now(), &version));
  call.result(version);
  return {};
}

Status wf_undefine(Call& call) {
  string_view name;
  WF_TRY(call.name(0, "name", &name));
  bool existed;
  WF_TRY(undefine(call.db, name, call.options.now(), &existed));
  call.result(int64_t{existed});
  return {};
}

Status wf_explain(Call& call) {
  const Value what = call.raw(0);
  if (what.type != Value::Type::text) return call.wrong("what", "a name, an id or a definition", what);
  Text plan;
  WF_TRY(explain(call.db, what.bytes, call.options.integer("format", 0) == 1, plan));
  call.result(plan.view());
  return {};
}

Status wf_run(Call& call) {
  const Options& o = call.options;
  Run args;
  args.id = o.text("id");
  args.queues = o.names("queue");
  args.limit = o.integer("limit", args.limit);
  args.budget = o.integer("budget", kNoTime);
  int64_t count;
  WF_TRY(run(call.db, args, o.now(), &count));
  call.result(count);
  return {};
}

}  // namespace wf

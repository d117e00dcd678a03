// What operators do to workflows. Most take one id or a JSON array of ids, and do all of it or nothing.

#include "engine/control.h"

#include "base/json.h"
#include "base/scope.h"
#include "functions/call.h"

namespace wf {
namespace {

// Runs `act` on each workflow named by the first argument, in one scope, and returns how many it changed. `lenient`: an id that does not
// exist is none, instead of WF_NOT_FOUND.
template <class Act>
Status on_each(Call& call, bool lenient, Act act) {
  const Value given = call.raw(0);
  const bool many = given.type == Value::Type::text && has_prefix(given.bytes, "[");
  Text ids;
  string_view one;
  if (!many) WF_TRY(call.id(0, &one));
  WF_TRY(call.names(0, "id", ids));
  Text id;
  for (json::Elements e(json::check(ids.view())); e.next();) {
    id.clear();
    json::unquote(e.value(), id);
    if (!id.ok()) return Status::no_memory();
    WF_TRY(check_id("id", id.view()));
  }
  WriteScope scope(call.db);
  WF_TRY(scope.begin(many ? Inline::refused : Inline::allowed, call.function.name));
  Millis now;
  WF_TRY(call_time(call.db, call.options.now(), &now));
  int64_t count = 0;
  for (json::Elements e(json::check(ids.view())); e.next();) {
    id.clear();
    json::unquote(e.value(), id);
    if (!id.ok()) return Status::no_memory();
    Handle handle;
    handle.id = id.view();
    Workflow w;
    bool found;
    WF_TRY(find(call.db, handle, &found, &w));
    if (!found && lenient) continue;
    if (!found) WF_TRY(load(call.db, handle, &w));
    bool changed;
    WF_TRY(act(w, now, &changed));
    count += changed;
  }
  WF_TRY(scope.commit());
  call.result(count);
  return {};
}

}  // namespace

Status wf_cancel(Call& call) {
  Text buffer;
  Value reason;
  if (call.given(1)) WF_TRY(call.report(1, buffer, &reason));
  const bool force = call.options.boolean("force");
  return on_each(call, false, [&](const Workflow& w, Millis now, bool* changed) { return cancel(call.db, w, reason, force, now, changed); });
}

Status wf_pause(Call& call) {
  return on_each(call, false, [&](const Workflow& w, Millis now, bool* changed) { return pause(call.db, w, now, changed); });
}

Status wf_resume(Call& call) {
  return on_each(call, false, [&](const Workflow& w, Millis now, bool* changed) { return resume(call.db, w, now, changed); });
}

Status wf_retry(Call& call) {
  Retry args;
  args.from = call.options.text("from");
  args.children = call.options.has("children");
  return on_each(call, false, [&](const Workflow& w, Millis now, bool* changed) { return retry(call.db, w, args, now, changed); });
}

Status wf_delete(Call& call) {
  const bool force = call.options.boolean("force");
  return on_each(call, true, [&](const Workflow& w, Millis now, bool* changed) {
    *changed = true;
    return remove(call.db, w, force, now);
  });
}

Status wf_fork(Call& call) {
  string_view id;
  WF_TRY(call.id(0, &id));
  Fork args;
  args.id = call.options.text("id");
  args.from = call.options.text("from");
  args.has_input = call.options.has("input");
  args.input = call.options.value("input");
  Name name;
  WF_TRY(fork(call.db, id, args, call.options.now(), &name));
  call.result(name.view());
  return {};
}

Status wf_purge(Call& call) {
  const Options& o = call.options;
  if (!o.has("older_than")) return Status::error(Code::invalid, "the option \"older_than\" of wf_purge() is required");
  Purge args;
  args.older_than = o.integer("older_than", 0);
  args.status = o.text("status");
  args.name = o.text("name");
  args.events = o.boolean("events");
  args.limit = o.integer("limit", args.limit);
  for (json::Elements e(o.names("status")); e.next();) {
    const string_view status = e.value().text();
    if (status != "\"completed\"" && status != "\"failed\"" && status != "\"cancelled\"") {
      return Status::error(Code::invalid, "the option \"status\" of wf_purge() must be completed, failed or cancelled, got %.*s", WF_SV(excerpt(status)));
    }
  }
  int64_t count;
  WF_TRY(purge(call.db, args, o.now(), &count));
  call.result(count);
  return {};
}

}  // namespace wf

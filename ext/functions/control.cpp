// What operators do to workflows. Most take one id or a JSON array of ids, and do all of it or nothing.

#include "engine/control.h"
#include "engine/remove.h"
#include "engine/reschedule.h"
#include "engine/trouble.h"

#include "base/json.h"
#include "base/scope.h"
#include "functions/call.h"

namespace wf {
namespace {

// What is done to one workflow.
using OnOne = Callback<Status(const Workflow&, Millis now, bool* changed)>;

// The act on one workflow. With `skip` what it raises is undone, and it has changed nothing.
Status on_one(Call& call, const Handle& handle, bool lenient, bool skip, Millis now, const OnOne& act, bool* changed) {
  *changed = false;
  WriteScope item(call.db);
  if (skip) WF_TRY(item.begin(Inline::allowed, call.function.name()));
  Workflow w;
  bool found;
  WF_TRY(find(call.db, handle, &found, &w));
  if (!found) return lenient || skip ? Status() : load(call.db, handle, &w);
  Status done = act(w, now, changed);
  if (done.ok()) return skip ? item.commit() : Status();
  if (skip && !item.is_inline() && !call.db.autocommit() && may_be_an_items_own(done)) {
    *changed = false;
    return {};
  }
  return done;
}

// In one scope, and counts those that it has changed.
Status on_all(Call& call, string_view ids, bool many, bool lenient, bool skip, const OnOne& act) {
  Text id;
  WriteScope scope(call.db);
  WF_TRY(scope.begin(many ? Inline::refused : Inline::allowed, call.function.name()));
  Millis now;
  WF_TRY(call_time(call.db, call.options.now(), &now));
  int64_t count = 0;
  for (json::Elements e(json::check(ids, &call.db.stop())); e.next();) {
    id.clear();
    json::unquote(e.value(), id);
    if (!id.ok()) return Status::no_memory();
    Handle handle;
    handle.id = id.view();
    bool changed;
    WF_TRY(on_one(call, handle, lenient, skip, now, act, &changed));
    count += changed;
  }
  WF_TRY(scope.commit());
  call.result(count);
  return {};
}

// Runs `act` on each workflow named by the first argument, in one scope, and returns how many it changed. `lenient`: an id that does not
// exist is none, instead of WF_NOT_FOUND. With the option skip what cannot be done is left out.
Status on_each(Call& call, bool lenient, const OnOne& act) {
  const Value given = call.raw(0);
  const bool many = given.type == Value::Type::text && opens_with(given.bytes, '[');
  Text ids;
  string_view one;
  if (!many) WF_TRY(call.id(0, &one));
  WF_TRY(call.names(0, "id", ids));
  Text id;
  for (json::Elements e(json::check(ids.view(), &call.db.stop())); e.next();) {
    id.clear();
    json::unquote(e.value(), id);
    if (!id.ok()) return Status::no_memory();
    WF_TRY(check_id("id", id.view()));
  }
  const bool skip = call.options.boolean("skip");
  return past_rollbacks(call.db, call.function.name(), [&] { return on_all(call, ids.view(), many, lenient, skip, act); });
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
  args.keeps_errors = call.options.integer("errors", 0) == 1;
  args.drops_errors = call.options.has("errors") && !args.keeps_errors;
  args.max_attempts = call.options.integer("max_attempts", 0);
  return on_each(call, false, [&](const Workflow& w, Millis now, bool* changed) { return retry(call.db, w, args, now, changed); });
}

Status wf_delete(Call& call) {
  const bool force = call.options.boolean("force");
  int64_t rows = kRowsAtOnce;
  return on_each(call, true, [&](const Workflow& w, Millis now, bool* changed) {
    *changed = true;
    return remove(call.db, w, force, now, &rows);
  });
}

Status wf_reschedule(Call& call) {
  Millis to = kNoTime;
  if (call.given(1)) WF_TRY(read_time("time", call.raw(1), &to));
  return on_each(call, false, [&](const Workflow& w, Millis now, bool* changed) { return reschedule(call.db, w, to == kNoTime ? now : to, now, changed); });
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
  if (!o.has("older_than") && !o.has("keep")) {
    return Status::error(Code::invalid, "the option \"older_than\" of wf_purge() is required, or \"keep\"");
  }
  Purge args;
  args.older_than = o.integer("older_than", 0);
  args.status = o.text("status");
  args.name = o.text("name");
  args.queue = o.text("queue");
  args.keep = o.integer("keep", 0);
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

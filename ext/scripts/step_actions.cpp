#include "scripts/step_actions.h"

#include "base/json.h"
#include "engine/children.h"
#include "engine/control.h"
#include "engine/redo.h"
#include "engine/event.h"
#include "engine/line.h"
#include "engine/start.h"
#include "engine/decide.h"
#include "engine/wait_list.h"

namespace wf {
namespace {

class Execution {
 public:
  Execution(Attempt& attempt, Upshot* upshot) : a_(attempt), row_(attempt.row), upshot_(upshot) { *upshot_ = Upshot::stopped; }

  Status execute() {
    if (row_.begun) return decide();
    const ScriptStep& s = a_.step();
    if (row_.undo) {
      if (!s.undo_task.empty()) return start_child();
      WF_TRY(a_.run(Role::undo));
      return a_.stopped() ? Status() : done();
    }
    if (row_.item < 0) {
      bool holds = true;
      const bool begun_before = row_.iteration != 0 || row_.items >= 0;
      if (s.has(Role::when) && !begun_before) WF_TRY(a_.condition(Role::when, &holds));
      if (a_.stopped()) return {};
      if (!holds) return came(Upshot::skipped);
      if (s.has(Role::for_each)) return expand();
      if (s.has(Role::loop)) WF_TRY(a_.condition(Role::loop, &holds));
      if (a_.stopped()) return {};
      if (!holds) return end_loop();
    }
    switch (s.action) {
      case Action::sql:
        if (a_.definition().is_output(row_.step)) {
          Text buffer;
          Value value;
          WF_TRY(a_.single_json(Role::action, buffer, &value));
          add_json(value, a_.result, &a_.db.stop());
        } else {
          WF_TRY(a_.run(Role::action));
        }
        return a_.stopped() ? Status() : done();
      case Action::task:
      case Action::start: return start_child();
      case Action::sleep: return begin_sleep();
      case Action::await:
      case Action::await_event: return begin_wait();
      case Action::emit: return emit();
      case Action::acquire: return begin_share();
    }
    return {};
  }

 private:
  // Something has happened to what was opened, or its time is up.
  Status decide() {
    const ScriptStep& s = a_.step();
    if (a_.is_child()) return decide_child();
    if (s.action != Action::sleep) return decide_wait();
    if (row_.due > a_.now) return open(row_.due, {});
    a_.result.add('"').add(TimeText(row_.due, TimeForm::sql).view()).add('"');
    return done();
  }

  Status begin_sleep() {
    Millis duration = a_.step().duration;
    if (a_.step().has(Role::action)) {
      Text buffer;
      Value value;
      WF_TRY(a_.single(Role::action, buffer, &value));
      if (a_.stopped()) return {};
      const bool real = value.type == Value::Type::real, number = real || value.type == Value::Type::integer;
      const double seconds = real ? value.real : static_cast<double>(value.integer);
      const bool ok = number ? seconds_to_millis(seconds, &duration) && duration >= 0
                             : value.type == Value::Type::text && parse_duration(value.bytes, &duration);
      if (!ok) return a_.fail("sql", "the query of sleep gives no duration"), Status();
    }
    row_.due = later(a_.now, duration);
    if (duration == 0) return decide();
    return open(row_.due, {});
  }

  Status begin_wait() {
    const ScriptStep& s = a_.step();
    Text names, topics, how;
    List<Awaited> things;
    string_view kind = a_.kind();
    const json::Checked target = json::check(s.target, nullptr);
    json::Elements first(target);
    if (s.action == Action::await && first.next() && first.value().is(json::Kind::object)) {
      WF_TRY(read_wait_list("await", target, names, &things));
      kind = kWaitAny;
    } else if (s.wait_all) {  // of names: each is a signal of its own
      WF_TRY(add_each(target, names, &things));
      kind = kWaitAny;
    } else {
      Awaited thing;
      WF_TRY(names_of_wait(names));
      if (a_.stopped()) return {};
      thing.kind = s.action == Action::await ? WaitKind::signal : WaitKind::event;
      thing.names = names.view();
      things.add(thing);
    }
    if (!names.ok() || !things.ok()) return Status::no_memory();
    WaitRow wait;
    WF_TRY(make_row(row_.name.view(), kind, things, s.wait_all, s.timeout, a_.now, topics, how, &wait));
    row_.topics.clear();
    row_.topics.add(wait.topics);
    row_.due = wait.due;
    return decide_wait();
  }

  Status begin_share() {
    const ScriptStep& s = a_.step();
    Text rate, key;
    WF_TRY(name_of(Role::action, s.target, "a rate", rate));
    if (a_.stopped()) return {};
    WF_TRY(name_of(Role::key, s.key, "a key", key));
    if (a_.stopped()) return {};
    WF_TRY(amount_of(&row_.amount));
    if (a_.stopped()) return {};
    ShareOf share;
    share.rate = rate.view();
    share.key = key.view();
    row_.topics.clear();
    add_topics(share, row_.topics);
    if (!row_.topics.ok()) return Status::no_memory();
    Awaited thing;
    thing.names = row_.topics.view();
    thing.amount = row_.amount;
    WF_TRY(a_.own(check_share(a_.db, thing)));
    if (a_.stopped()) return {};
    row_.due = s.timeout == kNoTime ? kNoTime : later(a_.now, s.timeout);
    return decide_wait();
  }

  Status amount_of(int64_t* out) {
    *out = a_.step().amount;
    if (!a_.step().has(Role::amount)) return {};
    Text buffer;
    Value value;
    WF_TRY(a_.single(Role::amount, buffer, &value));
    if (a_.stopped()) return {};
    const bool real = value.type == Value::Type::real && value.real >= 1 && value.real <= static_cast<double>(kMostCount);
    *out = real ? static_cast<int64_t>(value.real) : value.type == Value::Type::integer ? value.integer : 0;
    if (*out < 1 || (real && static_cast<double>(*out) != value.real)) a_.fail("sql", "the query of amount gives no integer from 1");
    return {};
  }

  // A thing for each name of an array, or for the one name.
  static Status add_each(json::Checked target, Text& names, List<Awaited>* out) {
    Numbers ends;
    const auto add = [&](json::Checked name) {
      names.add('[').add(name.text()).add(']');
      ends.add(static_cast<int64_t>(names.size()));
    };
    if (target.is(json::Kind::array)) {
      for (json::Elements e(target); e.next();) add(e.value());
    } else {
      add(target);
    }
    for (size_t i = 0, from = 0; i < ends.size() && names.ok() && ends.ok(); from = static_cast<size_t>(ends[i]), ++i) {
      Awaited thing;
      thing.kind = WaitKind::signal;
      thing.names = part(names.view(), from, static_cast<size_t>(ends[i]) - from);
      out->add(thing);
    }
    return names.ok() && ends.ok() && out->ok() ? Status() : Status::no_memory();
  }

  // An array of the signals, or of the event.
  Status names_of_wait(Text& out) {
    const ScriptStep& s = a_.step();
    if (s.action == Action::await) {
      const bool several = has_prefix(s.target, "[");
      out.add(several ? "" : "[").add(s.target).add(several ? "" : "]");
      return {};
    }
    Text name;
    WF_TRY(name_of(Role::action, s.target, "an event", name));
    if (a_.stopped()) return {};
    out.add('[');
    json::quote(name.view(), out);
    out.add(']');
    return {};
  }

  Status decide_wait() {
    WF_TRY(a_.rows.renumber(row_, a_.kind()));  // the number by which a signal knows who has taken it
    const bool share = a_.step().action == Action::acquire;
    WaitRow wait;
    Text how;
    if (share) row_.add_how(how);
    if (!how.ok()) return Status::no_memory();
    wait.n = row_.n;
    wait.step = row_.name.view();
    wait.kind = a_.kind();
    wait.topics = row_.topics.view();
    wait.how = how.view();
    // A wake-up, which may be for nothing (another has taken the signal), has put the present time in the place of the timeout's.
    const Millis timeout = a_.step().timeout;
    if (row_.begun && !has_prefix(row_.topics.view(), "{")) row_.due = timeout == kNoTime ? kNoTime : later(row_.begun_at, timeout);
    wait.due = row_.due;
    bool sound, satisfied;
    WF_TRY(wait.check(&a_.db.stop(), &sound));
    if (!sound) return a_.fail("wait", "what it waits for is damaged"), Status();
    Status decided = wf::decide(a_.db, a_.seq, wait, a_.now, &satisfied, a_.result);
    WF_TRY(share && decided.is(Code::invalid) ? a_.own(static_cast<Status&&>(decided)) : static_cast<Status&&>(decided));  // its limit is less now
    if (a_.stopped()) return {};
    if (satisfied) return done();
    WF_TRY(list_waiter(a_.db, a_.seq, wait, a_.now));
    WF_TRY(a_.rows.open(row_, wait.several ? wait.next_time(a_.now) : wait.next_look(), row_.topics.view(), how.view()));
    return came(Upshot::waits);
  }

  // The name of `what`, as it stands there or as a query gives it. A key may be NULL: none.
  Status name_of(Role role, string_view fixed, const char* what, Text& out) {
    if (!a_.step().has(role)) {
      out.add(fixed);
      return {};
    }
    Value value;
    WF_TRY(a_.single(role, out, &value));
    if (a_.stopped() || (role == Role::key && value.is_null())) return {};
    Text words;
    words.add(value.type == Value::Type::text ? "the name of " : "the query gives no name of ").add(what).add('\0');
    if (!words.ok()) return Status::no_memory();
    if (value.type != Value::Type::text) return a_.fail("sql", words.view().data()), Status();
    Status named = check_name(part(words.view(), 0, words.size() - 1), out.view());
    if (!named.ok()) a_.fail("sql", named.message());
    return {};
  }

  Status emit() {
    Text name, buffer, held;
    Value payload, standing;
    bool first;
    WF_TRY(name_of(Role::action, a_.step().target, "an event", name));
    if (a_.stopped()) return {};
    WF_TRY(input(Role::input, buffer, &payload));
    if (a_.stopped()) return {};
    WF_TRY(emit_event(a_.db, name.view(), payload, {true, a_.now}, &first, held, &standing));
    add_json(first ? payload : standing, a_.result, &a_.db.stop());
    return done();
  }

  // What a child or an event gets: of its query, else the item, else the workflow's input.
  Status input(Role role, Text& buffer, Value* out) {
    if (a_.step().has(role)) return a_.single_json(role, buffer, out);
    if (row_.item >= 0) {
      WF_TRY(a_.facts.item(row_.base(), buffer));
      *out = Value::text(buffer.view());
      // An item that is text holding JSON is meant as JSON.
      Text text;
      json::unquote(json::check(buffer.view(), &a_.db.stop()), text);
      if (json::valid(text.view(), &a_.db.stop())) {
        buffer.clear();
        buffer.add(text.view());
        *out = Value::text(buffer.view());
      }
      return buffer.ok() && text.ok() ? Status() : Status::no_memory();
    }
    return a_.facts.input(out);
  }

  // ---- Children ------------------------------------------------------------------------------------------------------
  // The step that the child is known by: that of its row, in a loop with the number of the round.
  Status child_id(Text& step, int64_t* redo, Text& out) {
    WF_TRY(a_.facts.load());
    WF_TRY(step_redo(a_.db, a_.seq, a_.facts.redo(), row_.name.view(), redo));
    step.add(row_.name.view());
    if (!row_.undo && a_.step().has(Role::loop)) step.add('[').add_integer(row_.iteration).add(']');
    add_child_id(a_.facts.id(), step.view(), *redo, out);
    return step.ok() && out.ok() ? Status() : Status::no_memory();
  }

  Status start_child() {
    const ScriptStep& s = a_.step();
    Text id, parent_step, buffer;
    Start child;
    WF_TRY(child_id(parent_step, &child.parent_redo, id));
    WF_TRY(input(row_.undo ? Role::undo_input : Role::input, buffer, &child.input));
    if (a_.stopped()) return {};
    const Script& script = row_.undo ? s.undo : s;
    const bool start = !row_.undo && s.action == Action::start;
    Text undo;
    undo.add(kUndo).add(s.name);
    if (!undo.ok()) return Status::no_memory();
    child.name = start ? s.target : row_.undo ? undo.view() : s.name;
    if (!start) child.queue = row_.undo ? s.undo_task : s.target;
    else if (!s.queue.empty()) child.queue = s.queue;
    child.has_queue = !start || !s.queue.empty();
    child.id = id.view();
    child.priority = a_.priority;
    child.parent = a_.seq;
    child.parent_step = parent_step.view();
    child.detached = start && s.detached;
    child.max_attempts = script.max_attempts;
    child.has_backoff = script.has_backoff;
    child.backoff = script.backoff;
    if (!row_.undo) child.timeout = s.timeout;
    Status checked = check_id("the child's id", id.view());
    Name name;
    if (checked.ok()) checked = wf::start(a_.db, child, {true, a_.now}, &name);
    if ((checked.rc() & 0xff) == SQLITE_AUTH) return checked;  // no statement of the step's: this connection may not do it, another may
    WF_TRY(a_.own(static_cast<Status&&>(checked)));
    if (a_.stopped()) return {};
    if (child.detached) {
      a_.result.add("{\"id\":");
      json::quote(name.view(), a_.result);
      a_.result.add('}');
      return done();
    }
    // One that had failed before is given another chance, with this step.
    Handle handle;
    handle.id = name.view();
    Workflow w;
    WF_TRY(load(a_.db, handle, &w));
    if (w.state == State::failed || w.state == State::cancelled) {
      bool changed;
      WF_TRY(retry(a_.db, w, {}, a_.now, &changed));
    } else if (is_terminal(w.state)) {
      return decide_child();
    }
    return wait_for_child(w.seq);
  }

  Status wait_for_child(int64_t seq) {
    Text topics;
    topics.add('[').add_integer(seq).add(']');
    if (!topics.ok()) return Status::no_memory();
    WF_TRY(a_.rows.wait_for(row_, "w", topics.view()));
    return open(kNoTime, {});
  }

  Status decide_child() {
    Text id, parent_step;
    int64_t redo;
    WF_TRY(child_id(parent_step, &redo, id));
    Query q(a_.db, Sql::run_child);
    q.bind(":id", id.view()).bind(":seq", a_.seq).bind(":step", parent_step.view()).bind(":redo", redo);
    bool found;
    WF_TRY(q.next(&found));
    const State state = found ? state_of(q.text(0)) : State::failed;
    if (found && !is_terminal(state)) return wait_for_child(q.integer(3));  // also the child that has come to this file by itself
    if (state == State::completed) {
      add_json(q.value(1), a_.result, &a_.db.stop());
      return done();
    }
    a_.fail("child", found ? "the child was cancelled" : "the child was deleted", true);
    if (found && !q.is_null(2)) {
      a_.error.clear();
      add_json(q.value(2), a_.error, &a_.db.stop());
    }
    return {};
  }

  // ---- for_each and while --------------------------------------------------------------------------------------------
  Status expand() {
    if (row_.items >= 0) {  // before a retry: what it was to be done for stands
      WF_TRY(a_.rows.open_items(row_, row_.items));
      return came(Upshot::items);
    }
    Text items;
    Numbers ends;
    WF_TRY(a_.list(Role::for_each, items, ends));
    if (a_.stopped()) return {};
    for (size_t i = 0, from = 0; i < ends.size(); from = static_cast<size_t>(ends[i]), ++i) {
      Text name;
      name.add(row_.name.view()).add('[').add_integer(static_cast<int64_t>(i)).add(']');
      if (!name.ok()) return Status::no_memory();
      WF_TRY(a_.rows.add(name.view(), a_.kind(), a_.now, part(items.view(), from, static_cast<size_t>(ends[i]) - from), nullptr));
    }
    WF_TRY(a_.rows.open_items(row_, static_cast<int64_t>(ends.size())));
    return came(Upshot::items);
  }

  Status end_loop() {
    WF_TRY(a_.facts.output(row_.name.view(), a_.result));
    if (a_.result.size() == 0) a_.result.add("null");
    row_.attempts = 0;
    return came(Upshot::loop_over);
  }

  // ---- What came of it -----------------------------------------------------------------------------------------------
  Status came(Upshot upshot) {
    *upshot_ = upshot;
    return {};
  }

  Status done() { return came(Upshot::done); }

  Status open(Millis due, string_view topics) {
    WF_TRY(a_.rows.open(row_, due, topics));
    return came(Upshot::waits);
  }

  Attempt& a_;
  StepRow& row_;
  Upshot* upshot_;
};

}  // namespace

Status execute(Attempt& attempt, Upshot* upshot) { return Execution(attempt, upshot).execute(); }

}  // namespace wf

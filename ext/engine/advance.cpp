#include "engine/advance.h"

#include <charconv>

#include "base/json.h"
#include "base/scope.h"
#include "engine/bind.h"
#include "engine/children.h"
#include "engine/control.h"
#include "engine/finish.h"
#include "engine/lane.h"
#include "engine/queue.h"
#include "engine/start.h"
#include "engine/wait.h"

namespace wf {
namespace {

constexpr string_view kUndo = "undo ";
constexpr Millis kUnfitAgain = 1000;  // when a statement that does not compile here is looked at again

// What a row of _wf_step is about.
struct Row {
  int64_t n = 0;           // 0: there is none to look at
  Name name;
  bool undo = false, waiting = false, begun = false;
  size_t step = 0;
  int64_t item = -1;
  int64_t attempts = 0, iteration = 0;
  Millis due = kNoTime;
  Text topics;

  void clear() {
    n = 0;
    undo = waiting = begun = false;
    item = -1;
    attempts = iteration = 0;
    due = kNoTime;
    topics.clear();
  }
  string_view base() const { return part(name.view(), undo ? kUndo.size() : 0); }
};

// What an error says in words: its message, if it has one.
void add_cause(string_view error, Text& out) {
  if (json::kind(error) == json::Kind::string) return json::unquote(error, out);
  if (json::kind(error) == json::Kind::object) {
    for (json::Members m(error); m.next();) {
      if (m.key_is("message") && json::kind(m.value()) == json::Kind::string) return json::unquote(m.value(), out);
    }
  }
  out.add(error);
}

// Looks at one workflow, step by step.
class Turn {
 public:
  Turn(Db& db, Scripts& scripts, int64_t seq, Millis now) : db_(db), scripts_(scripts), seq_(seq), now_(now), facts_(db, seq) {}

  // Executes the next step. `locked`: as of WriteScope.
  Status take(bool locked, bool* moved, bool* executed) {
    WriteScope scope(db_);
    WF_TRY(scope.begin(Inline::refused, "wf_run", locked));
    result_.clear();
    error_.clear();
    failed_ = unfit_ = for_good_ = fresh_ = over_ = false;
    virtual_ = false;
    // What was found out before holds as long as nobody else has written. Behind the write lock nobody can.
    if (known_ && db_.data_version() == version_) go_on();
    else WF_TRY(look());
    known_ = false;
    was_again_ = again_;
    *moved = *executed = false;
    if (!live_) return scope.commit();
    if (program_ == nullptr) {
      WF_TRY(suspend(State::pending, later(now_, kUnfitAgain)));
      return scope.commit();
    }
    if (again_) WF_TRY(begin_attempt());
    if (row_.n == 0 && !virtual_) {
      WF_TRY(settle(&fresh_));
      if (fresh_) WF_TRY(look());
    }
    if (row_.n == 0 && !virtual_) return scope.commit();
    if (virtual_ && (step().action != Action::sql || step().has(Role::for_each) || step().has(Role::loop))) {
      fresh_ = true;
      WF_TRY(make_row());
    }
    *moved = *executed = true;
    const bool transaction = !db_.autocommit();
    Status status = execute();
    WF_TRY(static_cast<Status&&>(status));
    if (transaction && db_.autocommit()) {
      return Status::error(Code::state, "step '%.*s' of workflow '%.*s' has ended the transaction", WF_SV(row_.name.view()), WF_SV(facts_.id()));
    }
    if (failed_ || unfit_) return {};  // the scope is rolled back, and with it what the statement did
    status = scope.commit();
    version_ = db_.data_version();     // our own commit has changed it, too
    if ((status.rc() & 0xff) != SQLITE_CONSTRAINT) return status;
    fail("sql", status.message());     // a foreign key that is checked at the end
    return {};
  }

  // The next step gets a row where it can be seen that it is the next. (Else whoever looks finds out anew.)
  Status leave() {
    if (!known_) return {};
    WriteScope scope(db_);
    WF_TRY(scope.begin(Inline::refused, "wf_run"));
    if (db_.data_version() == version_) {
      go_on();
      WF_TRY(make_row());
    }
    known_ = false;
    return scope.commit();
  }

  // After take() was rolled back: what is left of the step is the record of its failure, or why it cannot run here.
  bool failed() const { return failed_ || unfit_; }
  Status record_failure(bool* moved, bool* executed) {
    WriteScope scope(db_);
    WF_TRY(scope.begin(Inline::refused, "wf_run"));
    *moved = *executed = failed_;
    known_ = false;
    again_ = was_again_;
    if (again_) WF_TRY(begin_attempt());
    if (virtual_) {
      WF_TRY(make_row());
    } else if (fresh_) {
      // The row itself was made in that scope, too.
      bool activated;
      WF_TRY(settle(&activated));
      if (over_) return scope.commit();
      row_.n = 0;
      WF_TRY(last_n(row_.name.view(), &row_.n));
    }
    bool same = false;
    {
      Query q(db_, Sql::run_row);
      q.bind(":n", row_.n).bind(":seq", seq_);
      bool found;
      WF_TRY(q.next(&found));
      same = found && q.integer(0) == row_.attempts && q.integer(1) != 0;
    }
    if (!error_.ok()) return Status::no_memory();
    if (!same) return scope.commit();  // someone else has been here meanwhile
    if (unfit_) {
      Query q(db_, Sql::run_unfit);
      q.bind(":n", row_.n).bind(":due", later(now_, kUnfitAgain)).bind(":error", error_.view());
      WF_TRY(q.run());
    } else {
      WF_TRY(count_failure());
    }
    if (!over_) WF_TRY(settle(nullptr));
    return scope.commit();
  }

 private:
  // ---- Reading -------------------------------------------------------------------------------------------------------
  Status look() {
    row_.clear();
    live_ = false;
    facts_.forget();
    Query q(db_, Sql::run_next);
    q.bind(":seq", seq_).bind(":now", now_);
    bool found;
    WF_TRY(q.next(&found));
    if (!found) return {};
    const State state = state_of(q.text(0));
    live_ = state == State::pending || state == State::waiting;
    ending_ = q.integer(1) != 0;
    again_ = q.integer(2) != 0;
    retried_ = q.integer(17) + again_ > 1;
    priority_ = q.integer(6);
    queue_ = q.text(7);
    if (!live_) return {};
    const Name name(q.text(4)), version(q.text(5));
    if (!q.is_null(8)) WF_TRY(read_row(q));
    WF_TRY(scripts_.program(name.view(), version.view(), &program_));
    if (program_ == nullptr || row_.n == 0) return {};
    const int64_t step = definition().find(part(row_.base(), 0, row_.base().find('[')));
    if (step < 0) return Status::error(Code::state, "step '%.*s' is not in its definition: the row was edited by hand", WF_SV(row_.name.view()));
    row_.step = static_cast<size_t>(step);
    return {};
  }

  Status read_row(const Query& q) {
    row_.n = q.integer(8);
    row_.name = q.text(9);
    row_.undo = q.text(10) == "undo";
    row_.waiting = q.integer(11) != 0;
    row_.attempts = q.integer(12);
    row_.begun = q.integer(13) != 0;
    row_.due = q.integer_or(14, kNoTime);
    row_.topics.add(q.text(15));
    const string_view name = row_.name.view(), how = q.text(16);
    if (const size_t open = name.find('['); open != string_view::npos) std::from_chars(name.data() + open + 1, name.data() + name.size(), row_.item);
    if (const size_t at = how.find("\"iteration\":"); at != string_view::npos) std::from_chars(how.data() + at + 12, how.data() + how.size(), row_.iteration);
    return row_.topics.ok() ? Status() : Status::no_memory();
  }

  const Definition& definition() const { return program_->definition; }
  const ScriptStep& step() const { return definition().step(row_.step); }

  Status workflow(Workflow* out) {
    bool found;
    return find_seq(db_, seq_, &found, out);
  }

  // ---- Failing -------------------------------------------------------------------------------------------------------
  void fail(const char* code, const char* message, bool for_good = false) {
    error_.clear();
    error_.add("{\"code\":\"").add(code).add("\",\"message\":");
    json::quote(message != nullptr ? message : "out of memory", error_);
    error_.add('}');
    failed_ = true;
    for_good_ = for_good;
  }

  // Takes an error that is the step's own as its failure, and hands on every other.
  Status own(Status status) {
    const int rc = status.rc() & 0xff;
    if (rc != SQLITE_ERROR && rc != SQLITE_CONSTRAINT && rc != SQLITE_TOOBIG && rc != SQLITE_MISMATCH && rc != SQLITE_RANGE) return status;
    fail("sql", status.message());
    return {};
  }

  // ---- Statements ----------------------------------------------------------------------------------------------------
  // The statement, bound. Not `*fit`: it cannot run on this connection, and that is all that this turn has found out.
  Status prepare(Role role, sqlite3_stmt** out, bool* fit) {
    Text why;
    WF_TRY(scripts_.statement(*program_, row_.step, role, out, why));
    *fit = *out != nullptr;
    if (*fit) {
      const Binding binding{definition(), row_.step, role, row_.base(), row_.attempts + 1, row_.iteration, now_};
      return own(bind_parameters(*out, binding, facts_));
    }
    why.add('\0');
    fail("statement", why.ok() ? why.view().data() : nullptr);
    failed_ = false;
    unfit_ = true;
    return {};
  }

  Status next_row(sqlite3_stmt* statement, bool* row) {
    const int rc = sqlite3_step(statement);
    *row = rc == SQLITE_ROW;
    if (rc == SQLITE_ROW || rc == SQLITE_DONE) return {};
    Status status = Status::sqlite(sqlite3_extended_errcode(db_.handle()), db_.handle());
    sqlite3_reset(statement);
    return own(static_cast<Status&&>(status));
  }

  // Whether the condition holds, as WHERE sees it.
  Status condition(Role role, bool* holds) {
    sqlite3_stmt* statement;
    bool fit, row;
    *holds = false;
    WF_TRY(prepare(role, &statement, &fit));
    if (!fit || failed_) return {};
    WF_TRY(next_row(statement, &row));
    *holds = row && sqlite3_column_double(statement, 0) != 0;
    sqlite3_reset(statement);
    return {};
  }

  // The first column of the first row of a query, NULL if there is none, its bytes held by `buffer`.
  Status single(Role role, Text& buffer, Value* out) {
    sqlite3_stmt* statement;
    bool fit, row;
    *out = {};
    WF_TRY(prepare(role, &statement, &fit));
    if (!fit || failed_) return {};
    WF_TRY(next_row(statement, &row));
    if (row) *out = Value::from(sqlite3_column_value(statement, 0));
    buffer.add(out->bytes);
    out->bytes = buffer.view();
    sqlite3_reset(statement);
    return buffer.ok() ? Status() : Status::no_memory();
  }

  // The same as an input: text that is no JSON becomes a JSON string.
  Status single_json(Role role, Text& buffer, Value* out) {
    Text raw;
    WF_TRY(single(role, raw, out));
    if (out->type == Value::Type::text && !json::valid(out->bytes)) json::quote(out->bytes, buffer);
    else buffer.add(out->bytes);
    out->bytes = buffer.view();
    return buffer.ok() ? Status() : Status::no_memory();
  }

  Status run_statement(Role role) {
    sqlite3_stmt* statement;
    bool fit;
    WF_TRY(prepare(role, &statement, &fit));
    if (!fit || failed_) return {};
    const int before = sqlite3_total_changes(db_.handle());
    const bool was_violated = foreign_keys_violated();
    const int columns = sqlite3_column_count(statement);
    const bool all = role == Role::action && step().all_rows;
    int64_t rows = 0;
    if (all) result_.add('[');
    for (;;) {
      bool row;
      WF_TRY(next_row(statement, &row));
      if (failed_) return {};
      if (!row) break;
      if (all || rows == 0) {
        if (rows != 0) result_.add(',');
        add_row(statement, columns, result_);
      }
      ++rows;
    }
    sqlite3_reset(statement);
    // A call of a wf_ function, or a trigger, counts in the total only.
    const int changed = sqlite3_total_changes(db_.handle()) - before;
    nested_ = changed != (sqlite3_stmt_readonly(statement) ? 0 : sqlite3_changes(db_.handle()));
    const int64_t count = columns != 0 ? rows : sqlite3_changes(db_.handle());
    if (all) result_.add(']');
    else if (columns == 0) result_.add("{\"changes\":").add_integer(count).add('}');
    else if (rows == 0) result_.add("null");
    if (!was_violated && foreign_keys_violated()) {
      fail("sql", "FOREIGN KEY constraint failed");
    } else if (role == Role::action && step().expect >= 0 && step().expect != count) {
      char message[96];
      sqlite3_snprintf(sizeof message, message, "%lld rows expected, got %lld", static_cast<long long>(step().expect), static_cast<long long>(count));
      fail("expect", message);
    }
    return result_.ok() ? Status() : Status::no_memory();
  }

  bool foreign_keys_violated() const {
    int current = 0, highest = 0;
    return sqlite3_db_status(db_.handle(), SQLITE_DBSTATUS_DEFERRED_FKS, &current, &highest, 0) == SQLITE_OK && current != 0;
  }

  // ---- Executing -----------------------------------------------------------------------------------------------------
  Status execute() {
    if (row_.begun) return decide();
    const ScriptStep& s = step();
    if (row_.undo) {
      if (!s.undo_task.empty()) return start_child();
      WF_TRY(run_statement(Role::undo));
      return failed() ? Status() : done();
    }
    if (row_.item < 0) {
      bool holds = true;
      if (s.has(Role::when) && row_.iteration == 0) WF_TRY(condition(Role::when, &holds));
      if (failed()) return {};
      if (!holds) {
        WF_TRY(record("skipped", {}));
        return over();
      }
      if (s.has(Role::for_each)) return expand();
      if (s.has(Role::loop)) WF_TRY(condition(Role::loop, &holds));
      if (failed()) return {};
      if (!holds) return end_loop();
    }
    switch (s.action) {
      case Action::sql:
        if (definition().has_output() && row_.step + 1 == definition().size()) {
          Text buffer;
          Value value;
          WF_TRY(single_json(Role::action, buffer, &value));
          add_json(value, result_);
        } else {
          WF_TRY(run_statement(Role::action));
        }
        return failed() ? Status() : done();
      case Action::task:
      case Action::start: return start_child();
      case Action::sleep: return begin_sleep();
      case Action::await:
      case Action::await_event: return begin_wait();
      case Action::emit: return emit();
    }
    return {};
  }

  // Something has happened to what was opened, or its time is up.
  Status decide() {
    const ScriptStep& s = step();
    if (row_.undo || s.action == Action::task || s.action == Action::start) return decide_child();
    if (s.action != Action::sleep) return decide_wait();
    if (row_.due > now_) return open(row_.due, {});
    result_.add('"').add(TimeText(row_.due, TimeForm::sql).view()).add('"');
    return done();
  }

  Status begin_sleep() {
    Millis duration = step().duration;
    if (step().has(Role::action)) {
      Text buffer;
      Value value;
      WF_TRY(single(Role::action, buffer, &value));
      if (failed()) return {};
      const bool number = value.type == Value::Type::integer || value.type == Value::Type::real;
      const bool ok = number ? seconds_to_millis(value.type == Value::Type::real ? value.real : static_cast<double>(value.integer), &duration) && duration >= 0
                             : value.type == Value::Type::text && parse_duration(value.bytes, &duration);
      if (!ok) return fail("sql", "the query of sleep gives no duration"), Status();
    }
    row_.due = later(now_, duration);
    if (duration == 0) return decide();
    return open(row_.due, {});
  }

  Status begin_wait() {
    const ScriptStep& s = step();
    Text topics;
    if (s.action == Action::await) {
      topics.add(s.target[0] == '[' ? "" : "[").add(s.target).add(s.target[0] == '[' ? "" : "]");
    } else {
      Text name;
      WF_TRY(event_name(name));
      if (failed()) return {};
      topics.add('[');
      json::quote(name.view(), topics);
      topics.add(']');
    }
    if (!topics.ok()) return Status::no_memory();
    row_.topics.clear();
    row_.topics.add(topics.view());
    row_.due = s.timeout == kNoTime ? kNoTime : later(now_, s.timeout);
    return decide_wait();
  }

  Status decide_wait() {
    const bool event = step().action == Action::await_event;
    bool satisfied;
    WF_TRY(renumber());  // the number by which a signal knows who has taken it
    WF_TRY(decide_step(db_, seq_, row_.n, event ? WaitKind::event : WaitKind::signal, row_.topics.view(), row_.due, now_, &satisfied, result_));
    if (satisfied) {
      if (row_.begun) WF_TRY(forget());
      return done();
    }
    if (event) WF_TRY(wait_for("e", row_.topics.view()));
    return open(row_.due, row_.topics.view());
  }

  // The name of an event, as it stands there or as a query gives it.
  Status event_name(Text& out) {
    if (!step().has(Role::action)) {
      out.add(step().target);
      return {};
    }
    Value value;
    WF_TRY(single(Role::action, out, &value));
    if (failed()) return {};
    if (value.type != Value::Type::text) return fail("sql", "the query gives no name of an event"), Status();
    Status named = check_name("the name of the event", out.view());
    if (!named.ok()) fail("sql", named.message());
    return {};
  }

  Status emit() {
    Text name, buffer, held;
    Value payload, standing;
    bool first;
    WF_TRY(event_name(name));
    if (failed()) return {};
    WF_TRY(input(Role::input, buffer, &payload));
    if (failed()) return {};
    WF_TRY(emit_event(db_, name.view(), payload, {true, now_}, &first, held, &standing));
    add_json(first ? payload : standing, result_);
    return done();
  }

  // What a child or an event gets: of its query, else the item, else the workflow's input.
  Status input(Role role, Text& buffer, Value* out) {
    if (step().has(role)) return single_json(role, buffer, out);
    if (row_.item >= 0) {
      WF_TRY(facts_.item(row_.base(), buffer));
      *out = Value::text(buffer.view());
      // An item that is text holding JSON is meant as JSON.
      Text text;
      if (json::kind(buffer.view()) == json::Kind::string) json::unquote(buffer.view(), text);
      if (json::valid(text.view())) {
        buffer.clear();
        buffer.add(text.view());
        *out = Value::text(buffer.view());
      }
      return buffer.ok() && text.ok() ? Status() : Status::no_memory();
    }
    return facts_.input(out);
  }

  // ---- Children ------------------------------------------------------------------------------------------------------
  Status child_id(Text& out) {
    WF_TRY(facts_.load());
    out.add(facts_.id()).add('/').add(row_.name.view());
    if (!row_.undo && step().has(Role::loop)) out.add('[').add_integer(row_.iteration).add(']');
    if (facts_.redo() != 0) out.add('~').add_integer(facts_.redo());
    return out.ok() ? Status() : Status::no_memory();
  }

  Status start_child() {
    const ScriptStep& s = step();
    Text id, buffer;
    Start child;
    WF_TRY(child_id(id));
    WF_TRY(input(row_.undo ? Role::undo_input : Role::input, buffer, &child.input));
    if (failed()) return {};
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
    child.priority = priority_;
    child.parent = seq_;
    child.detached = start && s.detached;
    child.max_attempts = script.max_attempts;
    child.has_backoff = script.has_backoff;
    child.backoff = script.backoff;
    if (!row_.undo) child.timeout = s.timeout;
    Status checked = check_id("the child's id", id.view());
    Name name;
    if (checked.ok()) checked = wf::start(db_, child, {true, now_}, &name);
    WF_TRY(own(static_cast<Status&&>(checked)));
    if (failed_) return {};
    if (child.detached) {
      result_.add("{\"id\":");
      json::quote(name.view(), result_);
      result_.add('}');
      return done();
    }
    // One that had failed before is given another chance, with this step.
    Handle handle;
    handle.id = name.view();
    Workflow w;
    WF_TRY(load(db_, handle, &w));
    if (w.state == State::failed || w.state == State::cancelled) {
      bool changed;
      WF_TRY(retry(db_, w, {}, now_, &changed));
    } else if (is_terminal(w.state)) {
      return decide_child();
    }
    Text topics;
    topics.add('[').add_integer(w.seq).add(']');
    if (!topics.ok()) return Status::no_memory();
    WF_TRY(wait_for("w", topics.view()));
    return open(kNoTime, {});
  }

  Status decide_child() {
    Text id;
    WF_TRY(child_id(id));
    Query q(db_, Sql::workflow_outcome);
    q.bind(":id", id.view());
    bool found;
    WF_TRY(q.next(&found));
    const State state = found ? state_of(q.text(0)) : State::failed;
    if (found && !is_terminal(state)) return open(kNoTime, {});
    if (state == State::completed) {
      add_json(q.value(1), result_);
      return done();
    }
    fail("child", found ? "the child was cancelled" : "the child was deleted", true);
    if (found && !q.is_null(2)) {
      error_.clear();
      add_json(q.value(2), error_);
    }
    return {};
  }

  // ---- for_each and while --------------------------------------------------------------------------------------------
  Status expand() {
    sqlite3_stmt* statement;
    bool fit;
    WF_TRY(prepare(Role::for_each, &statement, &fit));
    if (!fit || failed_) return {};
    Text items;
    Numbers ends;
    const int columns = sqlite3_column_count(statement);
    for (;;) {
      bool row;
      WF_TRY(next_row(statement, &row));
      if (failed_) return {};
      if (!row) break;
      columns == 1 ? add_value(sqlite3_column_value(statement, 0), items) : add_row(statement, columns, items);
      ends.add(static_cast<int64_t>(items.size()));
    }
    sqlite3_reset(statement);
    if (!items.ok() || !ends.ok()) return Status::no_memory();
    for (size_t i = 0, from = 0; i < ends.size(); from = static_cast<size_t>(ends[i]), ++i) {
      Text name;
      name.add(row_.name.view()).add('[').add_integer(static_cast<int64_t>(i)).add(']');
      if (!name.ok()) return Status::no_memory();
      WF_TRY(add_step(name.view(), action_name(step().action), now_, part(items.view(), from, static_cast<size_t>(ends[i]) - from)));
    }
    Text how;
    how.add("{\"items\":").add_integer(static_cast<int64_t>(ends.size())).add('}');
    if (!how.ok()) return Status::no_memory();
    WF_TRY(open_row(kNoTime, {}, how.view()));
    return item_over();
  }

  Status item_over() {
    activated_ = 0;
    WF_TRY(end_for_each(row_.step));
    return activated_ != 0 ? Status() : settle(nullptr);
  }

  // Ends the for_each if none of its items is open.
  Status end_for_each(size_t step) {
    const string_view name = definition().step(step).name;
    {
      Query q(db_, Sql::run_items_open);
      q.bind(":seq", seq_).bind(":step", name);
      bool open;
      WF_TRY(q.next(&open));
      if (open) return {};
    }
    Text results;
    {
      Query q(db_, Sql::run_items);
      q.bind(":seq", seq_).bind(":step", name);
      for (bool first = true;; first = false) {
        bool row;
        WF_TRY(q.next(&row));
        if (!row) break;
        results.add(first ? "[" : ",").add(q.text(0));
      }
    }
    results.add(results.size() == 0 ? "[]" : "]");
    if (!results.ok()) return Status::no_memory();
    row_.n = 0;
    WF_TRY(last_n(name, &row_.n));
    if (row_.n == 0) return {};
    row_.item = -1;
    row_.step = step;
    row_.name = name;
    WF_TRY(record("done", results.view()));
    return activate_after(step);
  }

  Status end_loop() {
    WF_TRY(facts_.output(row_.name.view(), result_));
    if (result_.size() == 0) result_.add("null");
    row_.attempts = 0;
    WF_TRY(record("done", result_.view()));
    return over();
  }

  // ---- Recording -----------------------------------------------------------------------------------------------------
  Status add_step(string_view name, string_view kind, Millis due, string_view topics) {
    Query q(db_, Sql::run_add);
    q.bind(":seq", seq_).bind(":step", name).bind(":kind", kind).bind(":now", now_).bind_time(":due", due).bind_name(":topics", topics);
    return q.run();
  }

  Status open_row(Millis due, string_view topics, string_view how) {
    Query q(db_, Sql::run_open);
    q.bind(":n", row_.n).bind(":now", now_).bind_time(":due", due).bind_name(":topics", topics).bind_name(":how", how);
    return q.run();
  }

  Status open(Millis due, string_view topics) {
    WF_TRY(open_row(due, topics, {}));
    bool changed;
    WF_TRY(has_changed(&changed));
    return changed ? Status() : settle(nullptr);
  }

  Status wait_for(const char* kind, string_view topics) {
    Query q(db_, Sql::run_wait);
    q.bind(":kind", string_view(kind)).bind(":topics", topics).bind(":seq", seq_).bind(":step", row_.name.view());
    return q.run();
  }

  Status forget() {
    Query q(db_, Sql::run_forget);
    q.bind(":seq", seq_).bind(":step", row_.name.view());
    return q.run();
  }

  Status renumber() {
    {
      Query q(db_, Sql::run_renumber);
      q.bind(":n", row_.n);
      WF_TRY(q.run());
      if (q.changes() == 0) return {};
    }
    const int64_t before = row_.n;
    WF_TRY(last_n(row_.name.view(), &row_.n));
    if (row_.undo || step().action != Action::await) return {};
    Query q(db_, Sql::run_move_signals);
    q.bind(":seq", seq_).bind(":n", row_.n).bind(":before", before);
    return q.run();
  }

  // The number of a step's row.
  Status last_n(string_view name, int64_t* n) {
    Query q(db_, Sql::run_last_n);
    q.bind(":seq", seq_).bind(":step", name);
    bool found;
    WF_TRY(q.next(&found));
    if (found) *n = q.integer(0);
    return {};
  }

  // Without an output the one there is, of a loop, stays. `goes_on`: failed, and passed over.
  Status record(string_view status, string_view output, string_view error = {}, bool goes_on = false) {
    if (!virtual_) {
      Query q(db_, Sql::run_record);
      q.bind(":n", row_.n).bind(":status", status).bind(":now", now_).bind_name(":output", output).bind_name(":error", error);
      if (goes_on) q.bind(":goes_on", int64_t{1});
      WF_TRY(q.run());
    }
    // It has no row yet, or its statement has ended the workflow, and with it what was open.
    if (virtual_ || sqlite3_changes(db_.handle()) == 0) {
      Query q(db_, nested_ ? Sql::run_insert_if : Sql::run_insert);
      q.bind(":seq", seq_).bind(":step", row_.name.view()).bind(":kind", row_.undo ? string_view("undo") : action_name(step().action));
      q.bind(":status", status).bind(":now", now_).bind_name(":topics", row_.topics.view()).bind_name(":output", output);
      return q.run();
    }
    // Rows of one workflow are put in line in the order in which they are executed, but where several are there at once.
    if (row_.undo || (definition().is_line() && !retried_ && row_.attempts == 0 && !step().has(Role::for_each) && !row_.begun)) return {};
    return renumber();
  }

  // It has succeeded, with result_.
  Status done() {
    if (!result_.ok()) return Status::no_memory();
    const ScriptStep& s = step();
    if (row_.begun && s.action != Action::sleep) WF_TRY(forget());
    if (!row_.undo && row_.item < 0 && s.has(Role::loop)) {
      Text how;
      how.add("{\"iteration\":").add_integer(row_.iteration + 1).add('}');
      Query q(db_, Sql::run_iterate);
      q.bind(":n", row_.n).bind(":now", now_).bind(":how", how.view()).bind(":output", result_.view());
      return how.ok() ? q.run() : Status::no_memory();
    }
    WF_TRY(record("done", result_.view()));
    return over();
  }

  // What follows once a row is over: nothing, if the statement has ended or paused its own workflow.
  Status over() {
    bool changed;
    WF_TRY(has_changed(&changed));
    if (changed) return {};
    if (row_.undo) {
      bool more;
      WF_TRY(next_planned(&more));
      return more ? Status() : settle(nullptr);
    }
    if (row_.item >= 0) return item_over();
    if (definition().is_line() && !retried_ && row_.step + 1 < definition().size()) {
      next_step_ = row_.step + 1;
      known_ = true;
      return {};
    }
    activated_ = 0;
    WF_TRY(activate_after(row_.step));
    return activated_ != 0 ? Status() : settle(nullptr);
  }

  // The next step of a line; it has no row yet.
  void go_on() {
    row_.clear();
    row_.step = next_step_;
    row_.name = step().name;
    virtual_ = true;
  }

  // Gives the row of the next step to whoever looks later.
  Status make_row() {
    virtual_ = false;
    WF_TRY(add_step(row_.name.view(), action_name(step().action), now_, {}));
    row_.n = sqlite3_last_insert_rowid(db_.handle());
    return {};
  }

  Status has_changed(bool* changed) {
    *changed = false;
    if (!nested_) return {};
    nested_ = false;
    Query q(db_, Sql::run_status);
    q.bind(":seq", seq_);
    bool found;
    WF_TRY(q.next(&found));
    const State state = found ? state_of(q.text(0)) : State::failed;
    *changed = (state != State::pending && state != State::waiting) || (q.integer(1) != 0) != ending_;
    return {};
  }

  Status next_planned(bool* found) {
    Query q(db_, Sql::run_next_planned);
    q.bind(":seq", seq_).bind(":now", now_);
    WF_TRY(q.run());
    *found = q.changes() != 0;
    return {};
  }

  Status has_row(Sql sql, string_view name, bool* found) {
    Query q(db_, sql);
    q.bind(":seq", seq_).bind(":step", name);
    return q.next(found);
  }

  // Puts the steps in line that came after `step` and nothing else that is still open.
  Status activate_after(size_t step) {
    const Definition& d = definition();
    if (retried_) return activate_all();
    for (size_t i = 0; i < d.size(); ++i) {
      if (d.comes_after(i, step)) WF_TRY(activate(i, step));
    }
    return {};
  }

  // `but` is known to be over.
  Status activate(size_t i, size_t but) {
    const Definition& d = definition();
    const ScriptStep& s = d.step(i);
    for (size_t k = 0; k < s.after_count; ++k) {
      if (d.after(s, k) == but) continue;
      bool finished;
      WF_TRY(has_row(Sql::run_finished, d.step(d.after(s, k)).name, &finished));
      if (!finished) return {};
    }
    return put_in_line(s);
  }

  Status put_in_line(const ScriptStep& s) {
    WF_TRY(add_step(s.name, action_name(s.action), now_, {}));
    activated_ += sqlite3_changes(db_.handle());
    return {};
  }

  // Puts every step in line that has not been, or has failed before a retry, and comes only after what is over: itself, and all that it comes after.
  Status activate_all() {
    Text known;  // of each step: 0 not known, 1 over, 2 not over
    for (size_t i = 0; i < definition().size(); ++i) known.add('\0');
    if (!known.ok()) return Status::no_memory();
    for (size_t i = 0; i < definition().size(); ++i) {
      bool over;
      WF_TRY(look_at(i, known.data(), &over));
    }
    return {};
  }

  Status look_at(size_t i, char* known, bool* over) {
    const Definition& d = definition();
    const ScriptStep& s = d.step(i);
    *over = known[i] == 1;
    if (known[i] != 0) return {};
    bool ready = true;
    for (size_t k = 0; k < s.after_count; ++k) {
      bool before;
      WF_TRY(look_at(d.after(s, k), known, &before));
      ready = ready && before;
    }
    if (ready) WF_TRY(has_row(Sql::run_finished, s.name, over));
    known[i] = *over ? 1 : 2;
    if (!ready || *over) return {};
    {
      Query q(db_, Sql::run_again);
      q.bind(":seq", seq_).bind(":step", s.name).bind(":now", now_);
      WF_TRY(q.run());
      activated_ += q.changes();
    }
    return put_in_line(s);
  }

  // ---- The workflow --------------------------------------------------------------------------------------------------
  Status begin_attempt() {
    QueueSettings settings;
    WF_TRY(read_queue(db_, queue_.view(), &settings));
    {
      Query q(db_, Sql::run_take);
      q.bind(":seq", seq_).bind(":now", now_).bind(":until_end", int64_t{settings.has_limits() && settings.until_end});
      WF_TRY(q.run());
    }
    again_ = false;
    return count_rate(db_, queue_.view(), settings, now_);
  }

  Status suspend(State state, Millis due) {
    Workflow w;
    WF_TRY(workflow(&w));
    if (due != kNoTime) WF_TRY(lane_expect(db_, w.lane, due));
    {
      Query q(db_, Sql::run_suspend);
      q.bind(":seq", seq_).bind(":status", state_name(state)).bind_time(":due", due).bind(":now", now_);
      q.bind(":place", static_cast<int64_t>(due == kNoTime ? Place::not_offered : w.line(again_)));
      WF_TRY(q.run());
    }
    return lane_moved(db_, w);
  }

  // Says when the workflow is to be looked at again, or ends it if nothing of it is open. `*more` (may be nullptr): steps were put
  // in line.
  Status settle(bool* more) {
    Millis due;
    bool waits;
    {
      Query q(db_, Sql::run_due);
      q.bind(":seq", seq_);
      bool row;
      WF_TRY(q.next(&row));
      const Millis ready = q.integer_or(0, kNoTime), waiting = q.integer_or(1, kNoTime);
      due = ready == kNoTime || (waiting != kNoTime && waiting < ready) ? waiting : ready;
      waits = q.integer(2) != 0;
    }
    if (due != kNoTime && due <= now_) return {};
    if (due != kNoTime || waits) return suspend(waits ? State::waiting : State::pending, due);
    activated_ = 0;
    if (ending_) {
      bool begun;
      WF_TRY(has_row(Sql::run_undo_begun, {}, &begun));
      if (!begun) WF_TRY(plan_undo());
    } else {
      WF_TRY(activate_all());
    }
    if (activated_ == 0) return end();
    if (more != nullptr) *more = true;
    return {};
  }

  Status plan_undo() {
    Text names;
    Numbers ends;
    {
      Query q(db_, Sql::run_done);
      q.bind(":seq", seq_);
      for (;;) {
        bool row;
        WF_TRY(q.next(&row));
        if (!row) break;
        const string_view name = q.text(0);
        const size_t open = name.find('[');
        const int64_t i = definition().find(part(name, 0, open));
        if (i < 0) continue;
        const ScriptStep& s = definition().step(static_cast<size_t>(i));
        if (!s.has_undo() || s.has(Role::for_each) != (open != string_view::npos)) continue;
        names.add(kUndo).add(name);
        ends.add(static_cast<int64_t>(names.size()));
      }
    }
    if (!names.ok() || !ends.ok()) return Status::no_memory();
    for (size_t i = 0, from = 0; i < ends.size(); from = static_cast<size_t>(ends[i]), ++i) {
      WF_TRY(add_step(part(names.view(), from, static_cast<size_t>(ends[i]) - from), "undo", i == 0 ? now_ : kNoTime, {}));
      ++activated_;
    }
    return {};
  }

  Status end() {
    over_ = true;
    Workflow w;
    WF_TRY(workflow(&w));
    Text output;
    if (!ending_ && definition().has_output()) WF_TRY(facts_.output("output", output));
    State became;
    return finish(db_, w, {State::completed, output.size() != 0 ? Value::text(output.view()) : Value{}, {}}, {}, now_, &became);
  }

  // The row stands as it did before, and its step has failed with error_.
  Status count_failure() {
    const ScriptStep& s = step();
    const Script& script = row_.undo ? s.undo : s;
    Workflow w;
    WF_TRY(workflow(&w));
    Policy policy;
    WF_TRY(policy_of(db_, w, &policy));
    const bool child = row_.undo ? !s.undo_task.empty() : s.action == Action::task || s.action == Action::start;
    if (script.max_attempts != 0 && !child) policy.max_attempts = script.max_attempts;
    if (script.has_backoff && !child) policy.backoff = script.backoff;
    {
      Query q(db_, Sql::failure_add);
      q.bind(":seq", seq_).bind(":attempt", w.attempt).bind(":step", row_.name.view()).bind(":error", error_.view()).bind(":now", now_);
      WF_TRY(q.run());
    }
    const int64_t failures = row_.attempts + 1;
    if (!for_good_ && failures < policy.max_attempts) {
      Query q(db_, Sql::run_retry);
      q.bind(":n", row_.n).bind(":attempts", failures).bind(":now", now_).bind(":error", error_.view());
      q.bind(":due", later(now_, policy.backoff.after(failures, w.id.view())));
      return q.run();
    }
    WF_TRY(forget());
    if (row_.undo) {
      WF_TRY(record("failed", {}, error_.view()));
      bool more;
      return next_planned(&more);
    }
    if (s.keep_on) {
      Text output;
      output.add("{\"error\":").add(error_.view()).add('}');
      if (!output.ok()) return Status::no_memory();
      WF_TRY(record("failed", output.view(), error_.view(), true));
      return row_.item >= 0 ? end_for_each(row_.step) : activate_after(row_.step);
    }
    WF_TRY(record("failed", {}, error_.view()));
    Text error;
    error.add("{\"code\":\"step\",\"message\":");
    Text message;
    message.add("step '").add(row_.name.view()).add("' failed: ");
    add_cause(error_.view(), message);
    json::quote(message.view(), error);
    error.add(",\"step\":");
    json::quote(row_.name.view(), error);
    error.add(",\"error\":").add(error_.view()).add('}');
    if (!error.ok()) return Status::no_memory();
    over_ = true;
    State became;
    return finish(db_, w, {State::failed, {}, Value::text(error.view())}, {}, now_, &became);
  }

  Db& db_;
  Scripts& scripts_;
  int64_t seq_;
  Millis now_;
  Facts facts_;
  Program* program_ = nullptr;
  Row row_;
  Name queue_;
  int64_t priority_ = 0;
  bool live_ = false, ending_ = false, again_ = false;
  bool retried_ = false;    // some steps may have been forgotten, others not
  bool failed_ = false, unfit_ = false, for_good_ = false;
  bool nested_ = false;     // the statement has written otherwise than by itself
  bool known_ = false;      // the next step is next_step_
  size_t next_step_ = 0;
  bool virtual_ = false;    // the step has no row yet
  unsigned version_ = 0;    // of the file
  bool was_again_ = false;  // as the turn began
  bool fresh_ = false;      // the row was put in line by this turn
  bool over_ = false;       // the workflow's own row is written
  int64_t activated_ = 0;   // steps put in line
  Text result_, error_;
};

}  // namespace

Status advance(Db& db, Scripts& scripts, int64_t seq, Millis now, const Batch& batch, int64_t* executed, bool* moved) {
  *executed = 0;
  *moved = false;
  Turn turn(db, scripts, seq, now);
  for (bool locked = false; *executed < batch.steps && (*executed == 0 || db.wall_clock() < batch.until); locked = !db.autocommit()) {
    bool more = false, one = false;
    WF_TRY(turn.take(locked, &more, &one));
    if (turn.failed()) WF_TRY(turn.record_failure(&more, &one));
    *executed += one;
    *moved = *moved || more;
    if (!more) break;
  }
  return turn.leave();
}

Status wake_steps(Db& db, string_view topic, Millis now) {
  Query q(db, Sql::run_wake_steps);
  q.bind(":topic", topic).bind(":now", now);
  return q.run();
}

Status wake_awaits(Db& db, const Workflow& w, string_view signal, Millis now) {
  {
    Query q(db, Sql::run_wake_signal);
    q.bind(":seq", w.seq).bind(":name", signal).bind(":now", now);
    WF_TRY(q.run());
    if (q.changes() == 0) return {};
  }
  WF_TRY(lane_expect(db, w.lane, now));
  Query q(db, Sql::run_wake);
  q.bind(":seq", w.seq).bind(":now", now);
  return q.run();
}

}  // namespace wf

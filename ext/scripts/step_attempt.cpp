#include "scripts/step_attempt.h"

#include "base/json.h"

namespace wf {

void Attempt::clear() {
  result.clear();
  error.clear();
  failed = unfit = for_good = overtaken = ended = false;
}

void Attempt::fail(const char* code, const char* message, bool lasting) {
  error.clear();
  error.add("{\"code\":\"").add(code).add("\",\"message\":");
  json::quote(message != nullptr ? message : "out of memory", error);
  error.add('}');
  failed = true;
  for_good = lasting;
}

Status Attempt::own(Status status) {
  if (status.is_ours() && status.rc() == SQLITE_AUTH) return status;  // this connection's fault: see Status::ignored()
  switch (status.rc() & 0xff) {
    // What passes, or concerns the whole file: no fault of the step.
    case SQLITE_OK: case SQLITE_BUSY: case SQLITE_LOCKED: case SQLITE_NOMEM: case SQLITE_INTERRUPT: case SQLITE_IOERR: case SQLITE_FULL:
    case SQLITE_PROTOCOL: case SQLITE_SCHEMA: case SQLITE_ABORT: return status;
    default: fail("sql", status.message()); return {};
  }
}

// The statement, bound.
Status Attempt::prepare(Role role, sqlite3_stmt** out) {
  Text why;
  WF_TRY(scripts.statement(*program, row.step, role, out, why));
  if (*out != nullptr) {
    const Binding binding{definition(), row.step, role, row.base(), row.attempts + 1, row.iteration, now};
    Status bound = bind_parameters(*out, binding, facts);
    // An input or an output that is longer than this connection may have: others can do the step.
    return (bound.rc() & 0xff) == SQLITE_TOOBIG ? static_cast<Status&&>(bound) : own(static_cast<Status&&>(bound));
  }
  why.add('\0');
  fail("statement", why.ok() ? why.view().data() : nullptr);
  failed = false;
  unfit = true;
  return {};
}

Status Attempt::next_row(sqlite3_stmt* statement, bool* there) {
  const int rc = sqlite3_step(statement);
  *there = rc == SQLITE_ROW;
  if (rc == SQLITE_ROW || rc == SQLITE_DONE) return {};
  Status status = Status::sqlite(sqlite3_extended_errcode(db.handle()), db.handle());
  sqlite3_reset(statement);
  return own(static_cast<Status&&>(status));
}

// Looks at what a query has written, by a wf_ function: there is nothing more to be done if that was to end the workflow.
Status Attempt::end_query(sqlite3_stmt* statement, int changes_before) {
  sqlite3_reset(statement);
  if (failed || sqlite3_total_changes(db.handle()) == changes_before) return {};
  nested = true;
  WF_TRY(has_changed(&overtaken));
  nested = true;  // the step's own statement is still to come
  return {};
}

Status Attempt::has_changed(bool* changed) {
  *changed = false;
  if (!nested) return {};
  nested = false;
  return look_again(changed);
}

Status Attempt::look_again(bool* changed) {
  Query q(db, Sql::run_status);
  q.bind(":seq", seq);
  bool found;
  WF_TRY(q.next(&found));
  const State state = found ? state_of(q.text(0)) : State::failed;
  *changed = (state != State::pending && state != State::waiting) || (q.integer(1) != 0) != ending;
  again = q.integer(2) != 0;
  return {};
}

// Hands the first column of a query's first row to `use`, if there is a row.
template <class F>
Status Attempt::first(Role role, F&& use) {
  sqlite3_stmt* statement;
  bool there;
  WF_TRY(prepare(role, &statement));
  if (stopped()) return {};
  const int before = sqlite3_total_changes(db.handle());
  WF_TRY(next_row(statement, &there));
  if (there) use(sqlite3_column_value(statement, 0));
  return end_query(statement, before);
}

Status Attempt::condition(Role role, bool* holds) {
  *holds = false;
  return first(role, [&](sqlite3_value* value) { *holds = sqlite3_value_double(value) != 0; });
}

Status Attempt::single(Role role, Text& buffer, Value* out) {
  *out = {};
  WF_TRY(first(role, [&](sqlite3_value* value) {
    *out = Value::from(value);
    buffer.add(out->bytes);
    out->bytes = buffer.view();
  }));
  return buffer.ok() ? Status() : Status::no_memory();
}

Status Attempt::single_json(Role role, Text& buffer, Value* out) {
  Text raw;
  WF_TRY(single(role, raw, out));
  if (out->type == Value::Type::text && !json::valid(out->bytes, &db.stop())) json::quote(out->bytes, buffer, &db.stop());
  else buffer.add(out->bytes);
  out->bytes = buffer.view();
  return buffer.ok() ? Status() : Status::no_memory();
}

Status Attempt::list(Role role, Text& rows_json, Numbers& ends) {
  sqlite3_stmt* statement;
  WF_TRY(prepare(role, &statement));
  if (stopped()) return {};
  const int columns = sqlite3_column_count(statement), before = sqlite3_total_changes(db.handle());
  for (;;) {
    bool there;
    WF_TRY(next_row(statement, &there));
    if (failed) return {};
    if (!there) break;
    columns == 1 ? add_value(sqlite3_column_value(statement, 0), &db.stop(), rows_json) : add_row(statement, columns, &db.stop(), rows_json);
    ends.add(static_cast<int64_t>(rows_json.size()));
  }
  WF_TRY(end_query(statement, before));
  return rows_json.ok() && ends.ok() ? Status() : Status::no_memory();
}

Status Attempt::run(Role role) {
  sqlite3_stmt* statement;
  WF_TRY(prepare(role, &statement));
  if (stopped()) return {};
  const int before = sqlite3_total_changes(db.handle());
  const bool was_violated = foreign_keys_violated();
  const int columns = sqlite3_column_count(statement);
  const bool all = role == Role::action && step().all_rows;
  int64_t rows_seen = 0;
  if (all) result.add('[');
  for (;;) {
    bool there;
    WF_TRY(next_row(statement, &there));
    if (failed) return {};
    if (!there) break;
    if (all || rows_seen == 0) {
      if (rows_seen != 0) result.add(',');
      add_row(statement, columns, &db.stop(), result);
    }
    ++rows_seen;
  }
  sqlite3_reset(statement);
  // A call of a wf_ function, or a trigger, counts in the total only.
  const int changed = sqlite3_total_changes(db.handle()) - before;
  nested = nested || changed != (sqlite3_stmt_readonly(statement) ? 0 : sqlite3_changes(db.handle()));
  const int64_t count = columns != 0 ? rows_seen : sqlite3_changes(db.handle());
  if (all) result.add(']');
  else if (columns == 0) result.add("{\"changes\":").add_integer(count).add('}');
  else if (rows_seen == 0) result.add("null");
  if (!was_violated && foreign_keys_violated()) {
    fail("sql", "FOREIGN KEY constraint failed");
  } else if (role == Role::action && step().expect >= 0 && step().expect != count) {
    char message[96];
    sqlite3_snprintf(sizeof message, message, "%lld rows expected, got %lld", static_cast<long long>(step().expect),
                     static_cast<long long>(count));
    fail("expect", message);
  }
  return result.ok() ? Status() : Status::no_memory();
}

bool Attempt::foreign_keys_violated() const {
  int current = 0, highest = 0;
  return sqlite3_db_status(db.handle(), SQLITE_DBSTATUS_DEFERRED_FKS, &current, &highest, 0) == SQLITE_OK && current != 0;
}

}  // namespace wf

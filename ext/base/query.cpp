// Query: one statement of the cache, from its parameters to its rows.
#include "base/db.h"

#include "base/no_rows.h"
#include "base/unscoped.h"

namespace wf {

Query& Query::bound(int rc) {
  is_bound_ = true;
  if (rc != SQLITE_OK && status_.ok()) status_ = Status::sqlite(rc, db_.handle());
  return *this;
}

Query& Query::bind(SqlParameter name, int64_t number) {
  if (statement_ == nullptr) return *this;
  const int at = index(name);
  return at == 0 ? *this : bound(sqlite3_bind_int64(statement_, at, number));
}

Query& Query::bind(SqlParameter name, string_view text) {
  if (statement_ == nullptr) return *this;
  const int at = index(name);
  return at == 0 ? *this : bind_at(at, Value::text(text));
}

Query& Query::bind(SqlParameter name, const Value& value) {
  if (statement_ == nullptr) return *this;
  const int at = index(name);
  return at == 0 ? *this : bind_at(at, value);
}

Query& Query::bind_copy(SqlParameter name, const Value& value) {
  if (value.type != Value::Type::text && value.type != Value::Type::blob) return bind(name, value);
  if (statement_ == nullptr) return *this;
  const int at = index(name);
  if (at == 0) return *this;
  const char* bytes = value.bytes.empty() ? "" : value.bytes.data();
  return bound(value.type == Value::Type::text
                   ? sqlite3_bind_text64(statement_, at, bytes, value.bytes.size(), SQLITE_TRANSIENT, SQLITE_UTF8)
                   : sqlite3_bind_blob64(statement_, at, bytes, value.bytes.size(), SQLITE_TRANSIENT));
}

Query& Query::bind_held(SqlParameter name, const Value& value, Text& held) {
  if ((value.type != Value::Type::text && value.type != Value::Type::blob) || value.bytes.empty()) return bind_copy(name, value);
  const int at = statement_ == nullptr ? 0 : index(name);
  if (at == 0) return *this;
  const size_t size = value.bytes.size();
  char* bytes = held.release();
  return bound(value.type == Value::Type::text ? sqlite3_bind_text64(statement_, at, bytes, size, sqlite3_free, SQLITE_UTF8)
                                               : sqlite3_bind_blob64(statement_, at, bytes, size, sqlite3_free));
}

Query& Query::bind_null(SqlParameter name) { return bind(name, Value{}); }

Query& Query::bind_at(int at, const Value& value) {
  if (statement_ == nullptr) return *this;
  switch (value.type) {
    case Value::Type::null: return bound(sqlite3_bind_null(statement_, at));
    case Value::Type::integer: return bound(sqlite3_bind_int64(statement_, at, value.integer));
    case Value::Type::real: return bound(sqlite3_bind_double(statement_, at, value.real));
    // Empty bytes need a pointer, or they would be NULL.
    case Value::Type::text:
      return bound(sqlite3_bind_text64(statement_, at, value.bytes.empty() ? "" : value.bytes.data(), value.bytes.size(), SQLITE_STATIC, SQLITE_UTF8));
    case Value::Type::blob:
      return bound(sqlite3_bind_blob64(statement_, at, value.bytes.empty() ? "" : value.bytes.data(), value.bytes.size(), SQLITE_STATIC));
  }
  return *this;
}

Status Query::next(bool* row) {
  *row = false;
  if (!status_.ok()) return take_status();
  // What has stopped the call stops all of it but the way back.
  if (db_.stop().stopped() && sql_ > Sql::lock) return Status::sqlite(SQLITE_INTERRUPT);
  const int rc = sqlite3_step(statement_);
  is_reset_ = rc != SQLITE_ROW;  // it is below
  if (is_reset_) changes_ = sqlite3_changes(db_.handle());
  if (begins_ && (rc == SQLITE_ROW || rc == SQLITE_DONE) && sql_ != Sql::count_) {
    begins_ = false;
    if (Status looked = db_.compiled_anew(statement_, slot_); !looked.ok()) {
      sqlite3_reset(statement_);
      return looked;
    }
  }
  if (rc == SQLITE_ROW) {
    *row = true;
    return {};
  }
  if (rc == SQLITE_DONE) {
    sqlite3_reset(statement_);
    return {};
  }
  // Says only now what is wrong, and this to nobody else.
  if (is_plain(sql_) && sqlite3_reset(statement_) == SQLITE_SCHEMA) return Status::sqlite(SQLITE_SCHEMA);
  Status failed = Status::sqlite(sqlite3_extended_errcode(db_.handle()), db_.handle());
  sqlite3_reset(statement_);
  return failed.ok() ? Status::sqlite(rc) : static_cast<Status&&>(failed);
}

Status Query::run() {
  // PRAGMA count_changes makes a row of what was changed.
  for (bool row = true; row;) {
    if (Status failed = next(&row); !failed.ok()) {
      bool made = false;
      if ((failed.rc() & 0xff) == SQLITE_ERROR && statement_ != nullptr) WF_TRY(make_table_of(db_, sqlite3_sql(statement_), &made));
      if (made) {
        row = true;
        continue;
      }
      db_.leaves_work((failed.rc() & 0xff) == SQLITE_CONSTRAINT && changes() != 0);
      return (failed.rc() & 0xff) == SQLITE_CONSTRAINT ? used_up(static_cast<Status&&>(failed)) : static_cast<Status&&>(failed);
    }
  }
  return changes() == 0 && sql_ != Sql::count_ && must_change(sql_) ? not_written() : Status();
}

// The next row of a workflow has a number that is taken: see fragment_next_step. The next workflow has one that none may have.
Status Query::used_up(Status failed) {
  const string_view message(failed.message() != nullptr ? failed.message() : "");
  if (message == "CHECK constraint failed: _wf_last_seq") {
    return Status::error(Code::state, "a file has at most 34359738367 workflows, in the order of their numbers, and the last one is given away: wf_check says whether by a hand edit");
  }
  for (const char* table : {"_wf_step", "_wf_failure", "_wf_signal"}) {
    Text taken;
    taken.add("UNIQUE constraint failed: ").add(table).add(".n");
    if (message != taken.view()) continue;
    return Status::error(Code::state, "a workflow has at most 268435455 rows of %s, and this one has used them up: wf_continue begins anew", table);
  }
  // The engine has looked before: what it did not find is no row as it writes them.
  if (has_prefix(message, "UNIQUE constraint failed: _wf_") || has_prefix(message, "NOT NULL constraint failed: _wf_")) {
    return Status::error(Code::state, "a row that the call needs is damaged, wf_check names it (%.*s)", WF_SV(message));
  }
  return failed;
}

Status Query::one_row() {
  bool row;
  WF_TRY(next(&row));
  return row ? Status() : Status::ignored("SELECT of", "what is asked");
}

Status Query::not_written() const {
  string_view table(sqlite3_sql(statement_));
  table = part(table, table.find("_wf_"), table.size());
  table = part(table, 0, table.find_first_of(" (\n"));
  return Status::error(Code::state, "a row of %.*s was not written: a trigger on it has ignored it, or an authorizer", WF_SV(table));
}

void Query::reset() {
  if (statement_ != nullptr) sqlite3_reset(statement_);
  begins_ = true;
  is_reset_ = true;
}

string_view Query::text(int column) const {
  sqlite3_value* value = raw(column);
  const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(value));
  return {text != nullptr ? text : "", static_cast<size_t>(sqlite3_value_bytes(value))};
}

Value Query::value(int column) const { return Value::from(sqlite3_column_value(statement_, column)); }

Status look_for_left(Db& db, Sql sql, const Binds& bind) {
  Query left(db, sql);
  bind(left);
  bool row;
  WF_TRY(left.next(&row));
  return row ? left.not_written() : Status();
}

Status run_all(Db& db, Sql sql, const Binds& bind, bool* any) {
  {
    Query q(db, sql);
    bind(q);
    WF_TRY(q.run());
    if (any != nullptr) *any = q.changes() != 0;
  }
  return leaves_none(sql) ? look_for_left(db, static_cast<Sql>(static_cast<unsigned>(sql) + 1), bind) : Status();
}

Status run_counted(Db& db, Sql sql, Sql count, const Binds& bind) {
  int64_t rows;
  {
    Query q(db, count);
    bind(q);
    WF_TRY(q.one_row());
    rows = q.integer(0);
  }
  Query q(db, sql);
  bind(q);
  WF_TRY(q.run());
  return q.changes() == rows ? Status() : q.not_written();
}

}  // namespace wf

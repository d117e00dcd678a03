#include "base/scope.h"

namespace wf {
namespace {

// Steps a statement that was prepared before, whatever state the connection is in.
int step_plain(Db& db, Sql sql) {
  sqlite3_stmt* statement;
  bool own;
  if (!db.statement(sql, &statement, &own).ok()) return SQLITE_ERROR;
  const int rc = sqlite3_step(statement);
  own ? sqlite3_finalize(statement) : sqlite3_reset(statement);
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

Status prepare_only(Db& db, Sql sql) {
  sqlite3_stmt* statement;
  bool own;
  WF_TRY(db.statement(sql, &statement, &own));
  if (own) sqlite3_finalize(statement);
  return {};
}

}  // namespace

WriteScope::WriteScope(Db& db) : db_(db) {}

WriteScope::~WriteScope() {
  if (open_) roll_back();
}

Status WriteScope::begin(Inline inline_mode, const char* function) {
  // Under an interrupt nothing can be prepared any more, so all that may be needed for the way back is prepared first.
  for (const Sql sql : {Sql::savepoint, Sql::savepoint_release, Sql::savepoint_undo, Sql::roll_back}) WF_TRY(prepare_only(db_, sql));
  owns_ = db_.autocommit();
  const int rc = step_plain(db_, Sql::savepoint);
  if ((rc & 0xff) == SQLITE_BUSY) {
    // A savepoint locks no file: it is busy for one reason only, a statement further up that writes.
    if (inline_mode == Inline::refused) {
      return Status::error(Code::context, "%s() cannot run inside a statement that writes: call it as SELECT %s(...)", function, function);
    }
    inline_ = true;
    return lock(function);
  }
  if (rc != SQLITE_OK) return Status::sqlite(rc, db_.handle());
  open_ = true;
  return lock(function);
}

// The write lock of main, by an UPDATE that changes nothing.
Status WriteScope::lock(const char* function) {
  Status locked;
  {
    Query q(db_, Sql::lock);
    locked = q.run();
  }
  if (locked.ok() || (locked.rc() & 0xff) != SQLITE_ERROR) return locked;
  bool exists;
  WF_TRY(db_.schema_exists(&exists));
  if (exists) return locked;
  if (inline_) {
    return Status::error(Code::context, "%s() cannot create the tables inside a statement that writes: run SELECT wf_init() once", function);
  }
  return create_tables();
}

Status WriteScope::create_tables() {
  // Compiled while the table is missing it is a write, good for roll_back() where Sql::lock does not exist yet.
  Query hammer(db_, Sql::create_meta);
  WF_TRY(hammer.run());
  Status created = db_.script(Sql::schema_1);
  if (created.ok()) created = prepare_only(db_, Sql::lock);
  if (!created.ok() && open_) {
    roll_back();
    if (owns_ && !db_.autocommit()) (void)hammer.run();
  }
  return created;
}

Status WriteScope::commit() {
  if (!open_) return {};
  const int rc = step_plain(db_, Sql::savepoint_release);
  if (rc != SQLITE_OK) return Status::sqlite(rc, db_.handle());  // the destructor rolls back
  open_ = false;
  return {};
}

void WriteScope::roll_back() {
  open_ = false;
  if (db_.autocommit()) return;  // SQLite has rolled back already (disk full, I/O error, interrupt)
  int rc;
  if (owns_) {
    rc = step_plain(db_, Sql::roll_back);
  } else {
    rc = step_plain(db_, Sql::savepoint_undo);
    if (rc == SQLITE_OK) rc = step_plain(db_, Sql::savepoint_release);
  }
  // An interrupt stays up as long as any statement runs and fails ROLLBACK too; but a writing statement that it hits makes SQLite roll
  // the whole transaction back. Without this the transaction would leak.
  if (rc != SQLITE_OK && !db_.autocommit()) (void)step_plain(db_, Sql::lock);
}

}  // namespace wf

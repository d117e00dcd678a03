#include "base/scope.h"

namespace wf {
namespace {

// Steps a statement that was prepared before, whatever state the connection is in.
int step_plain(Db& db, Sql sql) {
  sqlite3_stmt* statement;
  Db::Slot* slot;
  if (!db.borrow(sql, &statement, &slot).ok()) return SQLITE_ERROR;
  const int rc = sqlite3_step(statement);
  Db::give_back(statement, slot);
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

Status prepare_only(Db& db, Sql sql) {
  sqlite3_stmt* statement;
  Db::Slot* slot;
  WF_TRY(db.borrow(sql, &statement, &slot));
  Db::give_back(statement, slot);
  return {};
}

// The write lock of main, by an UPDATE that changes nothing. Compiles that statement for the schema as it is now.
Status take_lock(Db& db) {
  Query q(db, Sql::lock);
  return q.run();
}

// A savepoint locks no file: it is busy for one reason only, a statement further up that writes.
bool is_inside_writer(int rc) { return (rc & 0xff) == SQLITE_BUSY; }

Status refused(const char* function) {
  return Status::error(Code::context, "%s() cannot run inside a statement that writes: call it as SELECT %s(...)", function, function);
}

}  // namespace

Status check_context(Db& db, const char* function) {
  for (const Sql sql : {Sql::savepoint, Sql::savepoint_release}) WF_TRY(prepare_only(db, sql));
  const int rc = step_plain(db, Sql::savepoint);
  if (is_inside_writer(rc)) return refused(function);
  if (rc == SQLITE_OK) (void)step_plain(db, Sql::savepoint_release);
  return {};
}

WriteScope::WriteScope(Db& db) : db_(db) {}

WriteScope::~WriteScope() {
  roll_back();
}

Status WriteScope::begin(Inline inline_mode, const char* function, bool locked) {
  if (db_.autocommit()) db_.forget_rolled_back();
  // Under an interrupt nothing can be prepared any more, so all that may be needed for the way back is prepared first.
  if (!locked) for (const Sql sql : {Sql::savepoint, Sql::savepoint_release, Sql::savepoint_undo, Sql::commit, Sql::roll_back}) WF_TRY(prepare_only(db_, sql));
  if (Status lock = prepare_only(db_, Sql::lock); !lock.ok() && (lock.rc() & 0xff) != SQLITE_ERROR) return lock;
  owns_ = db_.autocommit();
  const int rc = step_plain(db_, Sql::savepoint);
  if (is_inside_writer(rc)) {
    if (inline_mode == Inline::refused) return refused(function);
    inline_ = true;
    return lock(function);
  }
  // An interrupt may be reported after the savepoint was opened.
  open_ = rc == SQLITE_OK || !db_.autocommit();
  if (rc == SQLITE_OK && locked && !owns_) return {};
  return rc == SQLITE_OK ? lock(function) : Status::sqlite(rc, db_.handle());
}

// Nothing is read before the lock: one that had to be upgraded would not wait.
Status WriteScope::lock(const char* function) {
  Status locked = take_lock(db_);
  if (!locked.ok() && (locked.rc() & 0xff) != SQLITE_ERROR) return locked;
  bool exists = false;
  int64_t version = 0;
  if (locked.ok()) WF_TRY(db_.schema_version(&exists, &version));
  if (version == kSchemaVersion) return {};
  if (!inline_) return create_tables();
  if (!exists) WF_TRY(db_.schema_version(&exists, &version));
  if (exists && !locked.ok()) return locked;
  return Status::error(Code::context, "%s() cannot %s the tables inside a statement that writes: run SELECT wf_init() once", function,
                       exists ? "upgrade" : "create");
}

// Makes the tables, or brings them forward, one version after the other. A file that was just made runs every script, so that there is
// one way only to get to a format.
Status WriteScope::run_schemas() {
  // Where the tables were missing a moment ago, another process may have made them since: what counts is read under the lock.
  WF_TRY(take_lock(db_));
  bool exists;
  int64_t version;
  WF_TRY(db_.schema_version(&exists, &version));
  for (size_t i = version < 0 ? 0 : static_cast<size_t>(version); i < std::size(kSchemas); ++i) WF_TRY(db_.script(kSchemas[i]));
  Query q(db_, Sql::schema_reached);
  q.bind(":version", kSchemaVersion);
  return q.run();
}

Status WriteScope::create_tables() {
  db_.tables_are_made();
  {
    Query q(db_, Sql::create_meta);  // takes the write lock, where the table is missing
    WF_TRY(q.run());
  }
  // Out of memory in the middle of this, SQLite can run nothing anew until the outermost statement has ended, not even a ROLLBACK. But a
  // statement that is under way can fail for want of memory, and then SQLite rolls back itself.
  Query probe(db_, Sql::memory_probe);
  bool row;
  WF_TRY(probe.next(&row));
  Status created = run_schemas();
  if (created.ok()) created = take_lock(db_);  // the way back depends on it
  if (created.ok()) return db_.schema_exists(&row);  // a newer format, half made, is not for us
  roll_back();
  if (owns_ && !db_.autocommit()) (void)probe.next(&row);
  return created;
}

Status WriteScope::commit() {
  if (!open_) return {};
  // A transaction of our own ends by COMMIT: a RELEASE that fails would leave it half open, and after a change of the schema with
  // no statement left that could close it.
  const int rc = step_plain(db_, owns_ ? Sql::commit : Sql::savepoint_release);
  if (rc != SQLITE_OK) return Status::sqlite(sqlite3_extended_errcode(db_.handle()), db_.handle());  // the destructor rolls back
  open_ = false;
  return {};
}

void WriteScope::roll_back() {
  if (!open_) return;
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
  // the whole transaction back. Without this the transaction would leak. The second one needs no statement, where creating the
  // tables has outdated them all: SQLite opens a BLOB for writing by a program of its own.
  if (rc != SQLITE_OK && !db_.autocommit()) (void)step_plain(db_, Sql::lock);
  if (rc != SQLITE_OK && !db_.autocommit()) {
    sqlite3_blob* blob = nullptr;
    (void)sqlite3_blob_open(db_.handle(), "main", "sqlite_master", "name", 1, 1, &blob);
    sqlite3_blob_close(blob);
  }
}

}  // namespace wf

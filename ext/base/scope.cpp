#include "base/scope.h"

#include "base/fair_wait.h"
#include "base/place.h"
#include "base/statistics.h"

namespace wf {
namespace {

// How often the way back is tried: a handler may stop one statement of it, and the next, but hardly all of them.
constexpr int kTries = 16;

// Steps a statement that was prepared before, whatever state the connection is in.
int step_plain(Db& db, Sql sql) {
  sqlite3_stmt* statement;
  Db::Slot* slot;
  if (Status borrowed = db.borrow(sql, &statement, &slot); !borrowed.ok()) return borrowed.rc();
  const int rc = sqlite3_step(statement);
  Db::give_back(statement, slot, false, false);
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

// The write lock of main, by an UPDATE that changes nothing. Compiles that statement for the schema as it is now.
Status take_lock(Db& db) {
  Query q(db, Sql::lock);
  return q.run();
}

// A savepoint locks no file: it is busy for one reason only, a statement further up that writes.
bool is_inside_writer(int rc) { return (rc & 0xff) == SQLITE_BUSY; }

// What an interrupt or a handler has stopped may have been done before it was.
bool may_be_done(int rc) { return (rc & 0xff) == SQLITE_INTERRUPT; }

// Makes SQLite roll the whole transaction back, by a statement of ours that writes and fails.
void roll_back_all(Db& db) {
  {
    Query q(db, Sql::lock);
    q.bind(":undo", int64_t{1});
    (void)q.run();
  }
  if (db.autocommit()) return;
  // Where creating the tables has outdated all statements, an interrupt lets none be compiled. But SQLite opens a BLOB for writing by a
  // program of its own, and that is stopped, too.
  sqlite3_blob* blob = nullptr;
  (void)sqlite3_blob_open(db.handle(), "main", "sqlite_master", "name", 1, 1, &blob);
  sqlite3_blob_close(blob);
}

// Ends the transaction; false: SQLite has refused.
bool end_transaction(Db& db) {
  for (int i = 0; i < kTries && !db.autocommit(); ++i) {
    (void)step_plain(db, Sql::roll_back);
    if (!db.autocommit()) roll_back_all(db);
  }
  return db.autocommit();
}

// Once memory has run out inside of a statement, SQLite before 3.39 begins no other, not even a ROLLBACK, until the outermost has ended; later ones do so
// where the schema has changed since it was compiled. But a statement that is under way can fail for want of memory, and then SQLite rolls back itself.
bool begins_nothing_without_memory() { return library_version() < 3039000; }

Status refused(const char* function) {
  return Status::error(Code::context, "%s() cannot run inside a statement that writes: call it as SELECT %s(...)", function, function);
}

// An authorizer may leave out a table, or an index that keeps something unique.
Status run_schema(Db& db, Sql script) {
  WF_TRY(db.script(script));
  const SqlText text(script);
  if (!text.ok()) return Status::no_memory();
  constexpr string_view kCreate = "CREATE ";
  int64_t expected = 0;
  for (size_t at = 0; (at = text.view().find(kCreate, at)) != string_view::npos; at += kCreate.size()) ++expected;
  Query q(db, Sql::schema_made);
  q.bind(":script", text.view());
  WF_TRY(q.one_row());
  return q.integer(0) >= expected ? Status() : Status::ignored("CREATE", "TABLE or INDEX");
}

// Cluster nodes that get a new extension one after the other would upgrade at different calls.
Status may_upgrade(Db& db, const char* function, int64_t version) {
  Query q(db, Sql::clock_is_explicit);
  bool is_explicit;
  WF_TRY(q.next(&is_explicit));
  if (!is_explicit) return {};
  return Status::error(Code::schema, "%s() does not upgrade the tables, of schema version %lld, in a file whose wf_config('clock') is 'explicit': once every machine has this extension, run SELECT wf_init()",
                       function, static_cast<long long>(version));
}

}  // namespace

// Asks the statements, and not a savepoint, which would have to be closed again.
Status check_context(Db& db, const char* function) {
  for (sqlite3_stmt* s = nullptr; (s = sqlite3_next_stmt(db.handle(), s)) != nullptr;) {
    if (sqlite3_stmt_busy(s) && !sqlite3_stmt_readonly(s)) return refused(function);
  }
  return {};
}

Status check_transaction(Db& db) {
  if (!db.is_stuck()) return {};
  // Its savepoint tells it from one that the application has begun since.
  const int rc = db.autocommit() ? SQLITE_ERROR : step_plain(db, Sql::savepoint_undo);
  const bool is_gone = rc == SQLITE_ERROR;
  if (is_gone || (rc == SQLITE_OK && end_transaction(db))) {
    const bool was_used = !is_gone && db.is_written_since();
    db.forget_stuck();
    if (!was_used) return {};
    return Status::error(Code::stuck, "the transaction of an earlier call could not be ended then: it is rolled back now, with what was written in it since");
  }
  return Status::error(Code::stuck, "the transaction of an earlier call could not be ended: nothing is stored before it is, by ROLLBACK or by closing the connection");
}

Status wait_for_lock(Db& db, FairWait& wait) {
  return wait.until([&db] { return take_lock(db); });
}

Status make_rare_table(Db& db, string_view table, Sql script) {
  WF_TRY(db.may_create());
  {
    Query note(db, Sql::rare_made);
    note.bind(":table", table);
    WF_TRY(note.run());
    if (note.changes() == 0) return Status::error(Code::state, "the table %.*s is missing", WF_SV(table));
  }
  db.tables_are_made();
  if (db.outermost_scope() != nullptr) WF_TRY(db.outermost_scope()->begin_probe(Sql::memory_probe));
  Status made = run_schema(db, script);
  if (made.ok()) made = take_lock(db);  // the way back depends on it
  // Where there is no savepoint a table may be there without its indexes.
  if (!made.ok()) db.leaves_work(true);
  return made;
}

WriteScope::WriteScope(Db& db) : db_(db) {}

WriteScope::~WriteScope() {
  db_.know_clock(false);
  // No savepoint takes back what RAISE(FAIL) has left in a transaction of the caller. (Without one the outer statement does.)
  if (inline_ && db_.left_work() && !db_.autocommit()) roll_back_all(db_);
  roll_back();
  Db::give_back(probe_, probe_slot_);
}

Status WriteScope::begin(Inline inline_mode, const char* function, bool locked) {
  if (db_.autocommit()) db_.forget_rolled_back();
  FairWait wait(db_);
  WF_TRY(wait.until([&] { return prepare(locked); }));
  if (is_time_for_statistics(db_)) {
    WF_TRY(drop_statistics(db_, wait));
    WF_TRY(prepare(locked));
  }
  owns_ = db_.autocommit();
  commit_waits_ = owns_ && wait.commit_waits();
  db_.leaves_work(false);
  if (begins_nothing_without_memory() && !db_.in_scope()) WF_TRY(begin_probe(Sql::memory_probe_early));
  const int rc = step_plain(db_, Sql::savepoint);
  if (is_inside_writer(rc)) {
    if (inline_mode == Inline::refused) return refused(function);
    inline_ = true;
    return lock(function, wait);
  }
  sure_ = rc == SQLITE_OK;
  if (owns_ ? !db_.autocommit() : sure_ || may_be_done(rc)) {
    open_ = true;
    nested_ = db_.in_scope();
    if (!nested_) db_.outermost_scope() = this;
  }
  if (!sure_) return Status::sqlite(rc, db_.handle());
  if (!open_) return Status::ignored("SAVEPOINT", "(BEGIN)");
  if (locked && !owns_) return {};
  return lock(function, wait);
}

Status WriteScope::begin(const char* function, PlainOpening* plain, Inline inline_mode) {
  plain_ = plain;
  return begin(inline_mode, function);
}

// Under an interrupt nothing can be prepared any more, so all that may be needed for the way back is prepared first.
Status WriteScope::prepare(bool locked) {
  if (!locked) for (const Sql sql : {Sql::savepoint, Sql::savepoint_release, Sql::savepoint_undo, Sql::commit, Sql::roll_back}) WF_TRY(db_.keep_ready(sql));
  Status lock = db_.keep_ready(Sql::lock);
  return (lock.rc() & 0xff) == SQLITE_ERROR ? Status() : static_cast<Status&&>(lock);  // there are no tables yet
}

// Nothing is read before the lock: one that had to be upgraded would not wait.
Status WriteScope::lock(const char* function, FairWait& wait) {
  if (inline_) plain_ = nullptr;
  // (To compile it reads.)
  const bool at_once = plain_ != nullptr && db_.is_compiled(plain_->sql) && !begins_nothing_without_memory();
  Status locked = at_once ? wait.until([this] { return plain_->run(); }) : wait_for_lock(db_, wait);
  if (!locked.ok() && (locked.rc() & 0xff) != SQLITE_ERROR) return locked;
  if (!locked.ok() && at_once) {
    // It has failed because there are no tables, or a trigger of the application has, and half of it may be done.
    bool exists;
    WF_TRY(db_.schema_exists(&exists));
    if (exists) return locked;
  }
  if (locked.ok() && plain_ != nullptr) {
    if (!at_once) WF_TRY(plain_->run());
    if (plain_->done) return {};
    if (plain_->half_done) WF_TRY(Status::sqlite(step_plain(db_, Sql::savepoint_undo), db_.handle()));
  }
  bool exists = false;
  int64_t version = 0;
  bool system_clock = false;
  if (locked.ok()) WF_TRY(db_.schema_version(&exists, &version, &system_clock));
  db_.know_clock(system_clock);
  if (version == kSchemaVersion) return {};
  if (exists && !upgrades_) WF_TRY(may_upgrade(db_, function, version));
  if (!inline_) return create_tables(wait);
  if (!exists) WF_TRY(wait.until([&] { return db_.schema_version(&exists, &version); }));
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
  for (size_t i = version < 0 ? 0 : static_cast<size_t>(version); i < std::size(kSchemas); ++i) WF_TRY(run_schema(db_, kSchemas[i]));
  {
    Query q(db_, Sql::schema_reached);
    q.bind(":version", kSchemaVersion);
    WF_TRY(q.run());
  }
  return exists && version > 0 ? Status() : write_place(db_);
}

Status WriteScope::begin_probe(Sql probe) {
  if (probe_ != nullptr) return {};
  WF_TRY(db_.borrow(probe, &probe_, &probe_slot_));
  const int rc = sqlite3_step(probe_);
  if (rc == SQLITE_DONE) return Status::ignored("SELECT of", "a row");  // (as an error of ours SQLite would take it for the end of the rows)
  return rc == SQLITE_ROW ? Status() : Status::sqlite(rc, db_.handle());
}

Status WriteScope::create_tables(FairWait& wait) {
  WF_TRY(db_.may_create());
  db_.tables_are_made();
  WF_TRY(wait.until([&] {
    Query q(db_, Sql::create_meta);  // takes the write lock, where the table is missing
    return q.run();
  }));
  WF_TRY(begin_probe(Sql::memory_probe));
  Status created = run_schemas();
  if (created.ok()) created = take_lock(db_);  // the way back depends on it
  bool row;
  if (created.ok()) return db_.schema_exists(&row);  // a newer format, half made, is not for us
  return created;
}

Status WriteScope::commit() {
  if (db_.stop().stopped()) return Status::sqlite(SQLITE_INTERRUPT);  // what has been written may be half of it
  if (!open_) return {};
  // A transaction of our own ends by COMMIT: a RELEASE that fails would leave it half open, and after a change of the schema with
  // no statement left that could close it.
  int rc = commit_waits_ ? commit_behind_readers() : step_plain(db_, owns_ ? Sql::commit : Sql::savepoint_release);
  if (rc != SQLITE_OK && !owns_) {
    sure_ = !may_be_done(rc);
    Status failed = Status::sqlite(sqlite3_extended_errcode(db_.handle()), db_.handle());
    if (sure_ || nested_ || db_.autocommit()) return failed;
    // Once more: it is released now, or was before.
    rc = step_plain(db_, Sql::savepoint_release);
    if (rc == SQLITE_ERROR && !db_.autocommit()) rc = SQLITE_OK;
    if (rc != SQLITE_OK) return failed;
  }
  if (rc != SQLITE_OK) return Status::sqlite(sqlite3_extended_errcode(db_.handle()), db_.handle());  // the destructor rolls back
  if (owns_ && !db_.autocommit()) return Status::ignored("TRANSACTION", "(COMMIT)");
  if (owns_) db_.waiting().gives_back(sqlite3_total_changes(db_.handle()));
  close();
  return {};
}

int WriteScope::commit_behind_readers() {
  FairWait wait(db_, FairWait::For::commit);
  return wait.until([this] { return Status::sqlite(step_plain(db_, Sql::commit)); }).rc();
}

void WriteScope::close() {
  open_ = false;
  if (!nested_) db_.outermost_scope() = nullptr;
}

// Undoes what was done since the savepoint. That of a scope further out has the same name: where it is not sure that our own is there, the
// whole transaction goes, as it does where an interrupt hits a statement that writes.
bool WriteScope::undo() {
  if (nested_ && !sure_) return false;
  for (int i = 0; i < kTries; ++i) {
    const int rc = step_plain(db_, Sql::savepoint_undo);
    if (rc == SQLITE_OK) {
      const int released = step_plain(db_, Sql::savepoint_release);
      return released == SQLITE_OK || !nested_;  // one that stays does nobody any harm
    }
    if (db_.autocommit()) return true;
    if (rc == SQLITE_ERROR && !sure_) return true;  // it was never opened, or is released
    if (!may_be_done(rc)) return false;
  }
  return false;
}

void WriteScope::roll_back() {
  if (!open_) return;
  close();
  if (db_.autocommit()) return;  // SQLite has rolled back already (disk full, I/O error, interrupt)
  if (!owns_ && undo()) return;
  if (end_transaction(db_)) return;
  if (probe_ != nullptr) (void)sqlite3_step(probe_);  // it makes its next row, for which there is no memory
  if (!db_.autocommit()) db_.remains_stuck();
}

}  // namespace wf

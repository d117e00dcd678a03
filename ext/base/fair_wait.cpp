#include "base/fair_wait.h"

#include <atomic>

namespace wf {
namespace {

// Where SQLite waits inside the system (SQLITE_ENABLE_SETLK_TIMEOUT), its timeout is more than one handler's.
bool waits_by_handler() {
#ifndef SQLITE_CORE
  if (sqlite3_api->compileoption_used == nullptr) return true;
#endif
#ifdef SQLITE_OMIT_COMPILEOPTION_DIAGS
  return true;
#else
  // (SQLite goes through all of its options for each. Of two threads that ask at once both find the same.)
  static std::atomic<int> known{-1};
  int is = known.load(std::memory_order_relaxed);
  if (is < 0) known.store(is = sqlite3_compileoption_used("ENABLE_SETLK_TIMEOUT") == 0, std::memory_order_relaxed);
  return is != 0;
#endif
}

bool is_open(const Db& db, int which) {
  sqlite3_file* file = nullptr;
  return sqlite3_file_control(db.handle(), nullptr, which, &file) == SQLITE_OK && file != nullptr && file->pMethods != nullptr;
}

// Whether those who read are in the way of a COMMIT. Between two transactions the WAL is open, and a journal is not; nor is a file in memory.
bool has_rollback_journal(const Db& db) { return is_open(db, SQLITE_FCNTL_FILE_POINTER) && !is_open(db, SQLITE_FCNTL_JOURNAL_POINTER); }

bool holds_lock(const Db& db) {
  constexpr int kFirstToTell = 3034000;
  return !db.autocommit() && library_version() >= kFirstToTell && sqlite3_txn_state(db.handle(), "main") == SQLITE_TXN_WRITE;
}

// What cannot be read (an authorizer may not allow it) is left alone. (Compiled each time, as SQLite would do with a cached one.)
int busy_timeout(Db& db) {
  const SqlText text(Sql::busy_timeout);
  sqlite3_stmt* statement = nullptr;
  int timeout = 0;
  if (text.ok() && sqlite3_prepare_v2(db.handle(), text.c_str(), -1, &statement, nullptr) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW) {
    timeout = sqlite3_column_int(statement, 0);
  }
  sqlite3_finalize(statement);
  return timeout;
}

}  // namespace

FairWait::FairWait(Db& db, For what) : db_(db), w_(db.waiting()), was_sliced_(w_.sliced_) {
  if (what == For::lock && holds_lock(db)) return;
  looks_ = what == For::lock;
  if (looks_) {
    const int changes = db.autocommit() ? sqlite3_total_changes(db.handle()) : Waiting::kUnknown;
    if (!w_.knows_version(changes)) w_.begins_at(db.data_version(), changes);
    w_.give_way();
  }
  w_.sliced_ = true;
  w_.resumed_ = false;
  if (!w_.is_alone()) ask(what);
}

void FairWait::ask(For what) {
  if (what == For::lock) commit_waits_ = w_.has_journal_ = has_rollback_journal(db_);
  if (waits_by_handler()) timeout_ = busy_timeout(db_);
  if (timeout_ <= 0) return;
  w_.for_all_ = 0;  // the application has set another since
  w_.timeout_ = timeout_;
  w_.stand_in(db_.handle());
}

FairWait::~FairWait() {
  w_.sliced_ = was_sliced_;
  if (timeout_ > 0) sqlite3_busy_timeout(db_.handle(), timeout_);
  if (looks_) w_.look_for_others(db_.data_version());
}

// Whether what came out as `rc` has not waited to the end.
bool FairWait::again(int rc) {
  const bool again = w_.gave_up_ && (rc & 0xff) == SQLITE_BUSY;
  w_.gave_up_ = false;
  w_.resumed_ = again;
  if (again) w_.stand_in(db_.handle());  // it is ours that has given up; SQLite asks it no more before it is set anew
  return again;
}

Status FairWait::until(const Doing& take) {
  Status taken;
  do taken = take();
  while (again(taken.rc()));
  return taken;
}

}  // namespace wf

#include "base/db.h"

#include <new>

#include "base/library.h"

namespace wf {

Db* Db::create(sqlite3* handle, const Above& above) {
  void* memory = sqlite3_malloc64(sizeof(Db));
  if (memory == nullptr) return nullptr;
  hold_library();
  return new (memory) Db(handle, above);
}

void Db::release(void* pointer) {
  Db* db = static_cast<Db*>(pointer);
  if (--db->references_ != 0) return;
  db->finalize_all();
  db->waiting_.leave(db->handle_);
  db->~Db();
  sqlite3_free(db);
  drop_library();  // nothing of this connection calls SQLite any more
}

Status Db::connect_close_hook() {
  // Preparing it connects the table.
  const SqlText text(Sql::close_hook);
  if (!text.ok()) return Status::no_memory();
  sqlite3_stmt* statement = nullptr;
  const int rc = sqlite3_prepare_v2(handle_, text.c_str(), -1, &statement, nullptr);
  const bool is_empty = sqlite3_column_count(statement) == 0;  // then it has not looked at the table
  sqlite3_finalize(statement);
  if (rc == SQLITE_OK && is_empty) return Status::ignored("SELECT of", "_wf_close_hook");
  return rc == SQLITE_OK ? Status() : Status::sqlite(rc, handle_);
}

// The flag of sqlite3_interrupt() is read by every statement that begins, and stays as long as the statement runs that has called us.
bool Stop::look() {
  done_ = 0;
  if (stopped_) return true;
  sqlite3_stmt* statement;
  Db::Slot* slot;
  const Status borrowed = db_.borrow(Sql::look, &statement, &slot);
  int rc = borrowed.rc();
  if (borrowed.ok()) {
    rc = sqlite3_step(statement);
    Db::give_back(statement, slot, false, false);
  }
  return stopped_ = (rc & 0xff) == SQLITE_INTERRUPT;
}

bool Db::has_table(const char* table) const {
  return sqlite3_table_column_metadata(handle_, "main", table, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr) == SQLITE_OK;
}

Millis Db::clock() const { return clock_fixed_ ? clock_ : within(wall_clock(), kTimeMin, kTimeMax); }

Millis Db::wall_clock() const {
  // Julian day in milliseconds, from the VFS: test harnesses replace it there.
  sqlite3_vfs* vfs = nullptr;
  sqlite3_file_control(handle_, nullptr, SQLITE_FCNTL_VFS_POINTER, &vfs);
  if (vfs == nullptr) vfs = sqlite3_vfs_find(nullptr);
  constexpr Millis kUnixEpoch = 210866760000000;
  sqlite3_int64 now = 0;
  if (vfs->iVersion >= 2 && vfs->xCurrentTimeInt64 != nullptr) {
    vfs->xCurrentTimeInt64(vfs, &now);
  } else {
    double days = 0;
    vfs->xCurrentTime(vfs, &days);
    now = static_cast<sqlite3_int64>(days * 86400000.0);
  }
  return now - kUnixEpoch;
}

}  // namespace wf

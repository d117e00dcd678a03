#include "base/write_lock.h"

namespace wf {
namespace {

constexpr int kShmWriteLock = 0, kShmRegion = 32768;  // of SQLite's WAL

}  // namespace

sqlite3_file* file_of(Db& db, int which) {
  sqlite3_file* file = nullptr;
  if (sqlite3_file_control(db.handle(), "main", which, &file) != SQLITE_OK) return nullptr;
  return file != nullptr && file->pMethods != nullptr ? file : nullptr;
}

int is_locked(sqlite3_file* file, bool wal) {
  const sqlite3_io_methods& io = *file->pMethods;
  if (!wal) {
    int held = 0;
    return io.xCheckReservedLock(file, &held) == SQLITE_OK ? held != 0 : -1;
  }
  void volatile* region = nullptr;
  if (io.iVersion < 2 || io.xShmMap == nullptr || io.xShmMap(file, 0, kShmRegion, 0, &region) != SQLITE_OK || region == nullptr) return -1;
  const int rc = io.xShmLock(file, kShmWriteLock, 1, SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE);
  if (rc == SQLITE_OK) io.xShmLock(file, kShmWriteLock, 1, SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE);
  return rc == SQLITE_OK ? 0 : (rc & 0xff) == SQLITE_BUSY ? 1 : -1;
}

}  // namespace wf

// Whether somebody is in the middle of a transaction that writes: asked of SQLite's own files, through its VFS, so that no lock of this process is lost.
#pragma once

#include "base/db.h"

namespace wf {

// SQLITE_FCNTL_FILE_POINTER, the file, or SQLITE_FCNTL_JOURNAL_POINTER, its WAL or its journal: nullptr if that is not open.
sqlite3_file* file_of(Db& db, int which);
// Of the file, which has a `wal` or not: 1, 0, or -1, not known. In a WAL the lock is held for a moment, if it is free.
int is_locked(sqlite3_file* file, bool wal);

}  // namespace wf

#include "base/plain.h"

#include "base/fair_wait.h"
#include "base/scope.h"
#include "base/statistics.h"

namespace wf {

Status run_plain(Db& db, Sql sql, const Doing& attempt) {
  constexpr int kTries = 50;  // as SQLite itself does where it compiles a statement anew
  FairWait wait(db);
  if (is_time_for_statistics(db)) WF_TRY(drop_statistics(db, wait));
  // To compile it reads, and a transaction that has read waits for nobody.
  if (!db.autocommit() && !db.is_compiled(sql)) {
    if (Status locked = wait_for_lock(db, wait); !locked.ok() && (locked.rc() & 0xff) != SQLITE_ERROR) return locked;
  }
  Status status;
  for (int i = 0;; ++i) {
    status = wait.until(attempt);
    if (status.ok() && db.autocommit()) db.waiting().gives_back(sqlite3_total_changes(db.handle()));
    if ((status.rc() & 0xff) != SQLITE_SCHEMA || i == kTries) break;
    db.forget_plain();
  }
  if ((status.rc() & 0xff) != SQLITE_ERROR) return status;
  // A file without tables is for the way through a scope, too. Where there are some, a trigger of the application has failed, which would then run twice.
  bool exists;
  WF_TRY(db.schema_exists(&exists));
  return exists ? static_cast<Status&&>(status) : Status();
}

}  // namespace wf

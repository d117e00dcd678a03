#include "base/stop.h"

#include "base/db.h"

namespace wf {

// The flag of sqlite3_interrupt() is read by every statement that begins, and stays as long as the statement runs that has called us.
bool Stop::look() {
  done_ = 0;
  if (stopped_) return true;
  sqlite3_stmt* statement;
  Db::Slot* slot;
  Status borrowed = db_.borrow(Sql::look, &statement, &slot);
  int rc = borrowed.rc();
  if (borrowed.ok()) {
    rc = sqlite3_step(statement);
    Db::give_back(statement, slot);
  }
  return stopped_ = (rc & 0xff) == SQLITE_INTERRUPT;
}

}  // namespace wf

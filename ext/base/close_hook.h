// The close hook: frees the cached statements before SQLite looks whether any statement is left.
//
// sqlite3_close() disconnects the connection's virtual tables first and counts its statements afterwards. So an eponymous virtual
// table whose xDisconnect finalizes the statements lets sqlite3_close() return SQLITE_OK and keeps sqlite3_close_v2() from
// leaving a zombie. A function's destructor would come too late. The table has no rows, and is connected (by Db) with the first
// cached statement, not at load: a file that is locked, or whose key is still to be given, could not be read then.
#pragma once

#include "base/db.h"

namespace wf {

// Registers the hook's module. Takes over one reference to `db`.
int register_close_hook(sqlite3* handle, Db* db);

}  // namespace wf

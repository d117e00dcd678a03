// What stands between SQLite and an implementation: options are read, the format of the file is checked, a Status becomes SQLite's error.
#pragma once

#include "base/db.h"

namespace wf {

// Registers every function of the registry on the connection; not `all`: only those that the engine's own statements call.
int register_functions(sqlite3* handle, Db* db, bool all = true);

}  // namespace wf

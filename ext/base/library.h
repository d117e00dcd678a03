// Which SQLite the module calls: one in a process, as long as a connection of ours lives.
//
// The module has one table of SQLite's functions. A second SQLite library in the process (Python's sqlite3 beside a package that brings its
// own) that loads it, too, would have the first one's connections called through the second one's functions. And two libraries must not open
// the same file anyway: file locks belong to the process, and neither library sees those of the other.
#pragma once

#include "base/api.h"

namespace wf {

#ifdef SQLITE_CORE
inline void hold_library() {}
inline void drop_library() {}
#else
// From now on SQLite is called through `api`, and held; false: it is called through another, which is held.
bool take_library(const sqlite3_api_routines* api);
// Holds it once more; every hold is dropped by whoever calls SQLite no more.
void hold_library();
void drop_library();
#endif

}  // namespace wf

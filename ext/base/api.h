// The SQLite C API, however it reaches us.
//
// Loadable: through the table of functions that the host hands to the entry point (wfext.cpp alone defines the
// pointer, by WF_DEFINES_SQLITE_API).
// Static (SQLITE_CORE): linked directly. Every file includes this header and never sqlite3.h itself: a missed file would bind
// to whatever SQLite the process happens to export.
//
// Calls newer than SQLite 3.31 are used only behind a check of library_version(): on an older library the slot in
// the table lies past its end.
#pragma once

#ifdef SQLITE_CORE
#include <sqlite3.h>
#else
#include <sqlite3ext.h>
#ifdef WF_DEFINES_SQLITE_API
// Every extension has a pointer of this name: another's must not be taken for ours.
#if defined(__GNUC__) && !defined(_WIN32)
#pragma GCC visibility push(hidden)
SQLITE_EXTENSION_INIT1
#pragma GCC visibility pop
#else
SQLITE_EXTENSION_INIT1
#endif
#else
SQLITE_EXTENSION_INIT3
#endif
#endif

namespace wf {

constexpr int kOldestSqlite = 3031000;

// 3040001 for SQLite 3.40.1: the library that runs, not the header compiled against.
inline int library_version() { return sqlite3_libversion_number(); }

}  // namespace wf

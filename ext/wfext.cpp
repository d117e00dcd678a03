// wfext: durable workflows as a SQLite extension. CONTRIBUTING.md has a map of everything.
//
// The entry point writes nothing, opens no transaction, and may be called again on the same connection.
#define WF_DEFINES_SQLITE_API
#include "base/api.h"

#include "wfext.h"

#include "base/db.h"
#include "base/library.h"
#include "base/no_rows.h"
#include "engine/above.h"
#include "functions/invoke.h"
#include "schedules/schedule.h"
#include "scripts/kind.h"
#include "tables/tables.h"

namespace {

constexpr wf::Above kAbove{&wf::kScripts, &wf::kSchedules};

bool compiles(sqlite3* handle, wf::Sql sql) {
  const wf::SqlText text(sql);
  sqlite3_stmt* statement = nullptr;
  const bool ok = text.ok() && sqlite3_prepare_v2(handle, text.c_str(), -1, &statement, nullptr) == SQLITE_OK;
  sqlite3_finalize(statement);
  return ok;
}

// A connection that has the extension already keeps it: registering anew fails while a statement runs.
bool is_loaded(sqlite3* handle) {
  if (compiles(handle, wf::Sql::loaded)) return true;
  // Takes the error away that this has left: opening a connection fails over it, if an auto-extension calls us.
  (void)compiles(handle, wf::Sql::savepoint);
  return false;
}

int load(sqlite3* handle, char** message) {
  if (wf::library_version() < wf::kOldestSqlite) {
    *message = sqlite3_mprintf("WF_SCHEMA: SQLite 3.31 or later is needed, this is %s", sqlite3_libversion());
    return SQLITE_ERROR;
  }
  if (is_loaded(handle)) return SQLITE_OK;
  wf::Db* db = wf::Db::create(handle, kAbove);
  if (db == nullptr) return SQLITE_NOMEM;
  int rc = wf::register_tables_without_rows(handle, db);
  if (rc == SQLITE_OK) rc = wf::register_tables(handle, db);
  if (rc == SQLITE_OK) rc = wf::register_functions(handle, db);  // wf_version last: is_loaded() looks for it
  if (rc != SQLITE_OK) *message = sqlite3_mprintf("wfext could not be registered: %s", sqlite3_errmsg(handle));
  wf::Db::release(db);
  return rc;
}

int init(sqlite3* handle, char** message, [[maybe_unused]] const sqlite3_api_routines* api) {
#ifndef SQLITE_CORE
  if (!wf::take_library(api)) {
    // In the memory of the library that asks.
    if (message != nullptr) *message = api->mprintf("WF_CONTEXT: this process has two SQLite libraries: they must not open the same file");
    return SQLITE_ERROR;
  }
#endif
  char* error = nullptr;
  const int rc = load(handle, &error);
  if (message != nullptr) *message = error;
  else sqlite3_free(error);
  wf::drop_library();
  return rc;
}

}  // namespace

// Both names lead here by a call that the dynamic linker has no part in: beside another copy of the library in the process, a call of an
// exported name would end in that one.
int sqlite3_wfext_init(sqlite3* handle, char** message, const sqlite3_api_routines* api) { return init(handle, message, api); }

#ifndef SQLITE_CORE
// Found whatever the file is called.
int sqlite3_extension_init(sqlite3* handle, char** message, const sqlite3_api_routines* api) {
  return init(handle, message, api);
}
#endif

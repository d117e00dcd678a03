// Virtual tables that never have a row: the close hook, and the tables that a file does not have yet.
#pragma once

#include "base/db.h"
#include "base/eponymous.h"

namespace wf {

struct NoRows : sqlite3_vtab {
  sqlite3_vtab_cursor cursor;  // of all statements: there is nothing that one could keep
  Db* db;
};

// `declaration`: CREATE TABLE.
inline int connect_no_rows(sqlite3* handle, void* db, const char* declaration, sqlite3_vtab** out) {
  const int rc = sqlite3_declare_vtab(handle, declaration);
  if (rc != SQLITE_OK) return rc;
  auto* table = static_cast<NoRows*>(sqlite3_malloc64(sizeof(NoRows)));
  if (table == nullptr) return SQLITE_NOMEM;
  *table = {};
  table->db = static_cast<Db*>(db);
  *out = table;
  return SQLITE_OK;
}

constexpr sqlite3_module no_rows(int (*connect)(sqlite3*, void*, int, const char* const*, sqlite3_vtab**, char**), int (*disconnect)(sqlite3_vtab*),
                                 int (*update)(sqlite3_vtab*, int, sqlite3_value**, sqlite3_int64*)) {
  sqlite3_module m = eponymous(
      connect,
      [](sqlite3_vtab*, sqlite3_index_info* info) {
        info->estimatedCost = 1;
        return SQLITE_OK;
      },
      disconnect,
      [](sqlite3_vtab* table, sqlite3_vtab_cursor** out) {
        *out = &static_cast<NoRows*>(table)->cursor;
        return SQLITE_OK;
      },
      [](sqlite3_vtab_cursor*) { return SQLITE_OK; }, [](sqlite3_vtab_cursor*, int, const char*, int, sqlite3_value**) { return SQLITE_OK; },
      [](sqlite3_vtab_cursor*) { return SQLITE_OK; }, [](sqlite3_vtab_cursor*) { return 1; },
      [](sqlite3_vtab_cursor*, sqlite3_context*, int) { return SQLITE_OK; }, [](sqlite3_vtab_cursor*, sqlite3_int64*) { return SQLITE_OK; });
  m.xUpdate = update;
  return m;
}

}  // namespace wf

#include "base/close_hook.h"

namespace wf {
namespace {

struct HookTable : sqlite3_vtab {
  Db* db;
};

int hook_connect(sqlite3* handle, void* db, int, const char* const*, sqlite3_vtab** out, char**) {
  const int rc = sqlite3_declare_vtab(handle, "CREATE TABLE hook(x)");
  if (rc != SQLITE_OK) return rc;
  auto* table = static_cast<HookTable*>(sqlite3_malloc64(sizeof(HookTable)));
  if (table == nullptr) return SQLITE_NOMEM;
  *table = {};
  table->db = static_cast<Db*>(db);
  *out = table;
  return SQLITE_OK;
}

int hook_disconnect(sqlite3_vtab* table) {
  static_cast<HookTable*>(table)->db->finalize_all();
  sqlite3_free(table);
  return SQLITE_OK;
}

int hook_best_index(sqlite3_vtab*, sqlite3_index_info*) { return SQLITE_OK; }

int hook_open(sqlite3_vtab*, sqlite3_vtab_cursor** out) {
  *out = static_cast<sqlite3_vtab_cursor*>(sqlite3_malloc64(sizeof(sqlite3_vtab_cursor)));
  if (*out == nullptr) return SQLITE_NOMEM;
  **out = {};
  return SQLITE_OK;
}

int hook_close(sqlite3_vtab_cursor* cursor) {
  sqlite3_free(cursor);
  return SQLITE_OK;
}

int hook_filter(sqlite3_vtab_cursor*, int, const char*, int, sqlite3_value**) { return SQLITE_OK; }
int hook_next(sqlite3_vtab_cursor*) { return SQLITE_OK; }
int hook_eof(sqlite3_vtab_cursor*) { return 1; }
int hook_column(sqlite3_vtab_cursor*, sqlite3_context*, int) { return SQLITE_OK; }
int hook_rowid(sqlite3_vtab_cursor*, sqlite3_int64*) { return SQLITE_OK; }

constexpr sqlite3_module hook_module() {
  sqlite3_module m = {};
  m.xConnect = hook_connect;  // no xCreate: eponymous only
  m.xDisconnect = hook_disconnect;
  m.xBestIndex = hook_best_index;
  m.xOpen = hook_open;
  m.xClose = hook_close;
  m.xFilter = hook_filter;
  m.xNext = hook_next;
  m.xEof = hook_eof;
  m.xColumn = hook_column;
  m.xRowid = hook_rowid;
  return m;
}
const sqlite3_module kHookModule = hook_module();

}  // namespace

int register_close_hook(sqlite3* handle, Db* db) {
  return sqlite3_create_module_v2(handle, "_wf_close_hook", &kHookModule, db, Db::release);
}

}  // namespace wf

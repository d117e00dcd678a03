#include "base/close_hook.h"

#include "base/no_rows.h"

namespace wf {
namespace {

int hook_connect(sqlite3* handle, void* db, int, const char* const*, sqlite3_vtab** out, char**) {
  return connect_no_rows(handle, db, "CREATE TABLE hook(x)", out);
}

int hook_disconnect(sqlite3_vtab* table) {
  static_cast<NoRows*>(table)->db->finalize_all();
  sqlite3_free(table);
  return SQLITE_OK;
}

constexpr sqlite3_module kHookModule = no_rows(hook_connect, hook_disconnect, nullptr);

}  // namespace

int register_close_hook(sqlite3* handle, Db* db) {
  return sqlite3_create_module_v2(handle, "_wf_close_hook", &kHookModule, db, Db::release);
}

}  // namespace wf

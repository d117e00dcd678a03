#include "base/no_rows.h"

#include "base/eponymous.h"
#include "base/scope.h"

namespace wf {
namespace {

// In the order of the scripts that make them, and the close hook behind them.
constexpr char kNames[][16] = {"_wf_large", "_wf_redo", "_wf_gone", "_wf_failure", "_wf_queue", "_wf_signal", "_wf_event", "_wf_waiter", "_wf_value", "_wf_stream", "_wf_tag", "_wf_stream_end", "_wf_rate", "_wf_limit", "_wf_share", "_wf_line", "_wf_schedule", "_wf_trouble", "_wf_definition", "_wf_close_hook"};
constexpr size_t kRareTables = std::size(kNames) - 1;
static_assert(static_cast<size_t>(Sql::script_definition) - static_cast<size_t>(Sql::script_large) + 1 == kRareTables);

struct NoRows : sqlite3_vtab {
  sqlite3_vtab_cursor cursor;  // of all statements: there is nothing that one could keep
  Db* db;                      // of the close hook
};

// Its place in kNames, kRareTables for none of those.
size_t rare_table(string_view name) {
  size_t i = 0;
  while (i < kRareTables && name != kNames[i]) ++i;
  return i;
}

Sql script_of(size_t rare) { return static_cast<Sql>(static_cast<size_t>(Sql::script_large) + rare); }

// CREATE TABLE with the names of the columns of the table that the script makes, and nothing else of it: each stands at the start of a line.
bool declare(Sql script, Text& out) {
  const SqlText text(script);
  const char* comma = "CREATE TABLE t(";
  bool starts = false, names = false;
  for (const char c : text.view()) {
    if (c == '\n') {
      starts = true;
      continue;
    }
    if (starts && (c == ')' || c == 'P')) break;  // PRIMARY KEY
    if (starts) out.add(comma), comma = ",";
    names = starts || (names && c != ' ' && c != ',');
    starts = false;
    if (names) out.add(c);
  }
  out.add(')').add('\0');
  return text.ok() && out.ok();
}

int no_rows_connect(sqlite3* handle, void* db, int, const char* const* names, sqlite3_vtab** out, char**) {
  const size_t rare = rare_table(names[0]);
  const bool is_hook = rare == kRareTables;
  Text declaration;
  if (!is_hook && !declare(script_of(rare), declaration)) return SQLITE_NOMEM;
  const int rc = sqlite3_declare_vtab(handle, is_hook ? "CREATE TABLE hook(x)" : declaration.view().data());
  if (rc != SQLITE_OK) return rc;
  auto* table = static_cast<NoRows*>(sqlite3_malloc64(sizeof(NoRows)));
  if (table == nullptr) return SQLITE_NOMEM;
  *table = {};
  if (is_hook) {
    table->db = static_cast<Db*>(db);
  } else {
    static_cast<Db*>(db)->rare_is_connected();
    (void)sqlite3_vtab_config(handle, SQLITE_VTAB_INNOCUOUS);
  }
  *out = table;
  return SQLITE_OK;
}

int no_rows_disconnect(sqlite3_vtab* table) {
  if (Db* db = static_cast<NoRows*>(table)->db; db != nullptr) db->finalize_all();
  sqlite3_free(table);
  return SQLITE_OK;
}

int no_rows_best_index(sqlite3_vtab*, sqlite3_index_info* info) {
  info->estimatedCost = 1;
  return SQLITE_OK;
}

int no_rows_open(sqlite3_vtab* table, sqlite3_vtab_cursor** out) {
  *out = &static_cast<NoRows*>(table)->cursor;
  return SQLITE_OK;
}

int no_rows_close(sqlite3_vtab_cursor*) { return SQLITE_OK; }
int no_rows_filter(sqlite3_vtab_cursor*, int, const char*, int, sqlite3_value**) { return SQLITE_OK; }
int no_rows_eof(sqlite3_vtab_cursor*) { return 1; }
int no_rows_column(sqlite3_vtab_cursor*, sqlite3_context*, int) { return SQLITE_OK; }
int no_rows_rowid(sqlite3_vtab_cursor*, sqlite3_int64*) { return SQLITE_OK; }

// Of an INSERT: there is no row that another statement could change.
int no_rows_update(sqlite3_vtab* table, int, sqlite3_value**, sqlite3_int64*) {
  table->zErrMsg = sqlite3_mprintf("no such table");
  return SQLITE_ERROR;
}

constexpr sqlite3_module kNoRows = [] {
  sqlite3_module m = eponymous(no_rows_connect, no_rows_best_index, no_rows_disconnect, no_rows_open, no_rows_close, no_rows_filter, no_rows_close, no_rows_eof, no_rows_column, no_rows_rowid);
  m.xUpdate = no_rows_update;
  return m;
}();

int register_first(size_t n, sqlite3* handle, Db* db) {
  int rc = SQLITE_OK;
  for (size_t i = 0; i < n && rc == SQLITE_OK; ++i) {
    db->retain();  // for the module, which releases it also if registering fails
    rc = sqlite3_create_module_v2(handle, kNames[i], &kNoRows, db, Db::release);
  }
  return rc;
}

}  // namespace

int register_tables_without_rows(sqlite3* handle, Db* db) { return register_first(std::size(kNames), handle, db); }

Db::Main Db::main_file() const {
  Main main;
  (void)sqlite3_file_control(handle_, nullptr, SQLITE_FCNTL_FILE_POINTER, &main.file);
  if (main.file != nullptr) main.methods = main.file->pMethods;
  return main;
}

void Db::rare_is_connected() {
  if (rare_of_.file == nullptr) rare_of_ = main_file();
}

// sqlite3_deserialize() gives the connection another main, and an eponymous virtual table stays with the one that was there when it was connected, whose description
// SQLite has freed by then. Where a module is registered anew its table is connected anew.
void Db::call_begins() {
  stop_.forget();
  if (rare_of_.file == nullptr) return;
  const Main now = main_file();
  if (now.file == rare_of_.file && now.methods == rare_of_.methods) return;
  rare_of_ = {};
  (void)register_first(kRareTables, handle_, this);
}

Status make_table_of(Db& db, string_view insert, bool* made) {
  if (!has_prefix(insert, "INSERT ")) return {};
  insert = part(insert, insert.find("_wf_"));
  insert = part(insert, 0, insert.find('('));
  const size_t rare = rare_table(insert);
  // (SQLite has just compiled by what it knows.)
  if (rare == kRareTables || db.has_table(kNames[rare])) return {};
  *made = true;
  return make_rare_table(db, insert, script_of(rare));
}

}  // namespace wf

#include "base/rare.h"

#include "base/no_rows.h"
#include "base/scope.h"

namespace wf {
namespace {

// In the order of the scripts that make them.
constexpr char kRareTables[][16] = {"_wf_large", "_wf_redo", "_wf_gone", "_wf_failure", "_wf_queue", "_wf_signal", "_wf_event", "_wf_waiter", "_wf_value", "_wf_stream", "_wf_tag", "_wf_stream_end", "_wf_rate", "_wf_limit", "_wf_share", "_wf_line", "_wf_schedule", "_wf_trouble", "_wf_definition"};
static_assert(static_cast<size_t>(Sql::script_definition) - static_cast<size_t>(Sql::script_large) + 1 == std::size(kRareTables));

// The script that makes it, Sql::count_ for none of them.
Sql script_of(string_view table) {
  for (size_t i = 0; i < std::size(kRareTables); ++i) {
    if (table == kRareTables[i]) return static_cast<Sql>(static_cast<size_t>(Sql::script_large) + i);
  }
  return Sql::count_;
}

// CREATE TABLE with the names of the columns of the table that the script makes, and nothing else of it: each stands at the start of a line.
bool declare(Sql script, Text& out) {
  const SqlText text(script);
  string_view rest = text.view();
  rest = part(rest, 0, rest.find("\n)"));
  const char* comma = "CREATE TABLE t(";
  for (size_t at = rest.find('\n'); at != string_view::npos; at = rest.find('\n')) {
    rest = part(rest, at + 1);
    const string_view name = part(rest, 0, rest.find_first_of(" ,"));
    if (name == "PRIMARY") break;
    out.add(comma).add(name);
    comma = ",";
  }
  out.add(')').add('\0');
  return text.ok() && out.ok();
}

int rare_connect(sqlite3* handle, void* db, int, const char* const* names, sqlite3_vtab** out, char**) {
  Text declaration;
  if (!declare(script_of(names[0]), declaration)) return SQLITE_NOMEM;
  (void)sqlite3_vtab_config(handle, SQLITE_VTAB_INNOCUOUS);
  return connect_no_rows(handle, db, declaration.view().data(), out);
}

int rare_disconnect(sqlite3_vtab* table) {
  sqlite3_free(table);
  return SQLITE_OK;
}

int rare_update(sqlite3_vtab* table, int, sqlite3_value**, sqlite3_int64*) {
  table->zErrMsg = sqlite3_mprintf("no such table");
  return SQLITE_ERROR;
}

constexpr sqlite3_module kRareModule = no_rows(rare_connect, rare_disconnect, rare_update);

}  // namespace

int register_rare_tables(sqlite3* handle, Db* db) {
  for (const char* name : kRareTables) {
    db->retain();
    if (const int rc = sqlite3_create_module_v2(handle, name, &kRareModule, db, Db::release); rc != SQLITE_OK) return rc;
  }
  return SQLITE_OK;
}

Status make_table_of(Db& db, string_view insert, bool* made) {
  if (!has_prefix(insert, "INSERT ")) return {};
  insert = part(insert, insert.find("_wf_"));
  insert = part(insert, 0, insert.find('('));
  const Sql script = script_of(insert);
  // (Looks at SQLite's description of main, by which it has just compiled, and asks no authorizer.)
  if (script == Sql::count_ || sqlite3_table_column_metadata(db.handle(), "main", kRareTables[static_cast<size_t>(script) - static_cast<size_t>(Sql::script_large)], nullptr, nullptr, nullptr, nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  *made = true;
  return make_rare_table(db, insert, script);
}

}  // namespace wf

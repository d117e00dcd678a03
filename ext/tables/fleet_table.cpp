// The table-valued function wf_fleet(glob [, index]): its rows are made at once (fleet.h), when it is asked.

#include <new>

#include "base/eponymous.h"
#include "tables/fleet.h"
#include "tables/tables.h"

namespace wf {
namespace {

struct FleetTable : sqlite3_vtab {
  Db* db;
};

struct FleetCursor : sqlite3_vtab_cursor {
  Fleet* fleet;
  size_t row;
  alignas(Fleet) unsigned char space[sizeof(Fleet)];

  void clear() {
    if (fleet != nullptr) fleet->~Fleet();
    fleet = nullptr;
  }
};

int fleet_fail(sqlite3_vtab* table, const char* message, int rc) {
  sqlite3_free(table->zErrMsg);
  table->zErrMsg = message != nullptr ? sqlite3_mprintf("%s", message) : nullptr;
  return rc;
}

int fleet_connect(sqlite3* handle, void* db, int, const char* const*, sqlite3_vtab** out, char**) {
  const SqlText declaration(Sql::fleet_table_declaration);
  if (!declaration.ok()) return SQLITE_NOMEM;
  int rc = sqlite3_declare_vtab(handle, declaration.c_str());
  if (rc == SQLITE_OK) rc = sqlite3_vtab_config(handle, SQLITE_VTAB_DIRECTONLY);
  if (rc != SQLITE_OK) return rc;
  auto* table = static_cast<FleetTable*>(sqlite3_malloc64(sizeof(FleetTable)));
  if (table == nullptr) return SQLITE_NOMEM;
  *table = {};
  table->db = static_cast<Db*>(db);
  *out = table;
  return SQLITE_OK;
}

int fleet_disconnect(sqlite3_vtab* table) {
  sqlite3_free(table);
  return SQLITE_OK;
}

// The arguments are hidden columns that are compared by =.
int fleet_best_index(sqlite3_vtab* table, sqlite3_index_info* info) {
  constexpr int kArguments = 2;
  int found[kArguments] = {-1, -1};
  bool asked = false;
  for (int i = 0; i < info->nConstraint; ++i) {
    const auto& constraint = info->aConstraint[i];
    const int argument = constraint.iColumn - static_cast<int>(FleetColumn::glob);
    if (argument < 0 || argument >= kArguments || constraint.op != SQLITE_INDEX_CONSTRAINT_EQ) continue;
    asked = true;
    if (!constraint.usable) return SQLITE_CONSTRAINT;
    found[argument] = i;
  }
  if (found[0] < 0) return asked ? SQLITE_CONSTRAINT : fleet_fail(table, "WF_INVALID: wf_fleet wants a pattern of files: SELECT * FROM wf_fleet('agents/*.db')", SQLITE_ERROR);
  int given = 0;
  for (const int i : found) {
    if (i < 0) continue;
    info->aConstraintUsage[i].argvIndex = ++given;
    info->aConstraintUsage[i].omit = 1;
  }
  info->estimatedCost = 1e6;
  info->estimatedRows = 1000;
  return SQLITE_OK;
}

int fleet_open(sqlite3_vtab*, sqlite3_vtab_cursor** out) {
  auto* cursor = static_cast<FleetCursor*>(sqlite3_malloc64(sizeof(FleetCursor)));
  if (cursor == nullptr) return SQLITE_NOMEM;
  std::memset(static_cast<void*>(cursor), 0, sizeof(FleetCursor));
  *out = cursor;
  return SQLITE_OK;
}

int fleet_close(sqlite3_vtab_cursor* base) {
  auto* cursor = static_cast<FleetCursor*>(base);
  cursor->clear();
  sqlite3_free(cursor);
  return SQLITE_OK;
}

string_view text_of_argument(int argc, sqlite3_value** argv, int i) {
  if (i >= argc) return {};
  const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(argv[i]));
  return text != nullptr ? string_view(text, static_cast<size_t>(sqlite3_value_bytes(argv[i]))) : string_view();
}

int fleet_filter(sqlite3_vtab_cursor* base, int, const char*, int argc, sqlite3_value** argv) {
  auto* cursor = static_cast<FleetCursor*>(base);
  Db& db = *static_cast<FleetTable*>(base->pVtab)->db;
  cursor->clear();
  cursor->row = 0;
  if (!db.is_in_a_call()) db.stop().forget();
  cursor->fleet = new (cursor->space) Fleet;
  const Status looked = cursor->fleet->look(db, text_of_argument(argc, argv, 0), text_of_argument(argc, argv, 1));
  if (looked.ok()) return SQLITE_OK;
  cursor->clear();
  return fleet_fail(base->pVtab, looked.message(), looked.rc());
}

int fleet_next(sqlite3_vtab_cursor* base) {
  ++static_cast<FleetCursor*>(base)->row;
  return SQLITE_OK;
}

int fleet_eof(sqlite3_vtab_cursor* base) {
  const auto* cursor = static_cast<FleetCursor*>(base);
  return cursor->fleet == nullptr || cursor->row >= cursor->fleet->size();
}

int fleet_column(sqlite3_vtab_cursor* base, sqlite3_context* context, int i) {
  const auto* cursor = static_cast<FleetCursor*>(base);
  const Fleet& fleet = *cursor->fleet;
  const auto column = static_cast<FleetColumn>(i);
  if (column == FleetColumn::file || column == FleetColumn::error) {
    const char* text = column == FleetColumn::file ? fleet.file(cursor->row) : fleet.error(cursor->row);
    if (text != nullptr) sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
  } else if (column < FleetColumn::glob) {
    const int64_t number = fleet.number(cursor->row, column);
    if (number == kNoTime) return SQLITE_OK;
    if (column != FleetColumn::next_due) return sqlite3_result_int64(context, number), SQLITE_OK;
    const TimeText time(number, TimeForm::sql);
    sqlite3_result_text(context, time.view().data(), static_cast<int>(time.view().size()), SQLITE_TRANSIENT);
  }
  return SQLITE_OK;
}

int fleet_rowid(sqlite3_vtab_cursor* base, sqlite3_int64* out) {
  *out = static_cast<int64_t>(static_cast<FleetCursor*>(base)->row) + 1;
  return SQLITE_OK;
}

constexpr sqlite3_module kFleetModule = eponymous(fleet_connect, fleet_best_index, fleet_disconnect, fleet_open, fleet_close, fleet_filter, fleet_next, fleet_eof, fleet_column, fleet_rowid);

}  // namespace

int register_fleet(sqlite3* handle, Db* db) {
  db->retain();
  return sqlite3_create_module_v2(handle, "wf_fleet", &kFleetModule, db, Db::release);
}

}  // namespace wf

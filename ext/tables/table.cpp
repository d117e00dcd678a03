// One implementation for every virtual table: it turns what SQLite asks for into one query over the base tables (plan.h). xFilter binds
// the values and steps it.

#include <charconv>
#include <new>

#include "base/eponymous.h"
#include "base/json.h"
#include "base/scope.h"
#include "engine/claim_order.h"
#include "engine/created.h"
#include "engine/export_import.h"
#include "engine/file_document.h"
#include "engine/step.h"
#include "functions/call.h"
#include "functions/reference.h"
#include "tables/plan.h"

namespace wf {
namespace {

struct Registration {
  const Table* table;
  Db* db;
};

struct TableObject : sqlite3_vtab {
  const Table* table;
  Db* db;
};

struct Cursor : sqlite3_vtab_cursor {
  Query* query;   // that the row is of; nullptr: no rows
  bool at_row;
  unsigned char place[kMostColumns];  // of each of the table's columns in the query; 0: not in use
  Mode mode;
  int created;    // place of the time of creation, where two queries are merged
  Query* both[2];  // of which the second may be missing
  bool rows[2];    // whether they are at one
  alignas(Query) unsigned char space[2][sizeof(Query)];

  void close() {
    for (Query*& q : both) {
      if (q != nullptr) q->~Query();
      q = nullptr;
    }
    rows[0] = rows[1] = false;
    query = nullptr;
    at_row = false;
  }

  // Whether the row of the second query comes before that of the first.
  bool second_is_first() const {
    if (!rows[0] || !rows[1]) return !rows[0];
    if (mode == Mode::one_by_one) return false;
    const bool down = mode == Mode::created_down || mode == Mode::number_down;
    const int64_t numbers[] = {both[0]->integer(0), both[1]->integer(0)};
    if (mode == Mode::number_up || mode == Mode::number_down) return (numbers[1] < numbers[0]) != down;
    const int64_t times[] = {both[0]->integer(created), both[1]->integer(created)};
    return (times[0] == times[1] ? numbers[1] < numbers[0] : times[1] < times[0]) != down;
  }

  void choose() {
    at_row = rows[0] || rows[1];
    query = both[both[1] != nullptr && second_is_first() ? 1 : 0];
  }

  Status next() {
    const int i = query == both[1] ? 1 : 0;
    WF_TRY(both[i]->next(&rows[i]));
    choose();
    return {};
  }
};

int fail(sqlite3_vtab* table, const Status& status) {
  sqlite3_free(table->zErrMsg);
  table->zErrMsg = status.message() != nullptr ? sqlite3_mprintf("%s", status.message()) : nullptr;
  return status.rc();
}

// ---- Running ---------------------------------------------------------------------------------------------------------

// Whether a column is in use that the query computes: of wf_pending those that say what a claim would do, for which alone it has :longest and :met.
bool computes(const Table& table, const Cursor& cursor) {
  for (size_t i = 0; i < table.columns.size(); ++i) {
    if (cursor.place[i] != 0 && table.columns[i].type == ColumnType::any) return true;
  }
  return false;
}

// Parameters that a named query may have beside the plan's.
Status bind_facts(const TableObject& table, const Cursor& cursor, Query& query, const char* letters, int argc, sqlite3_value** argv) {
  Now given;
  for (int i = 0; i < argc; ++i) {
    if (letters[i] != 't') continue;
    given.given = true;
    WF_TRY(read_time("now", Value::from(argv[i]), &given.time));
  }
  Millis now = kNoTime;
  if (query.has(":now") || query.has(":longest")) WF_TRY(time_to_show(*table.db, given, &now));
  if (query.has(":now")) query.bind(":now", now);
  if (query.has(":longest") && computes(*table.table, cursor)) {
    int64_t longest;
    WF_TRY(longest_claim(*table.db, &longest));
    query.bind(":longest", longest).bind_copy(":met", Value::text(table.db->too_long().list(now)));
  }
  Text json;
  if (table.table->query == Sql::table_functions) {
    add_functions_json(json);
    query.bind_copy(":functions", Value::text(json.view()));
  } else if (table.table->query == Sql::table_doctor) {
    WF_TRY(add_host_json(*table.db, given, json));
    query.bind_copy(":host", Value::text(json.view()));
  }
  return json.ok() ? Status() : Status::no_memory();
}

Status start_one(const TableObject& table, Cursor& cursor, const char* plan, bool second, int argc, sqlite3_value** argv, CreatedSpan* created) {
  const string_view query = query_of(plan, second);
  Text with_values;
  const bool has_values = has_values_in_text(plan);
  if (has_values) WF_TRY(query_with_values(*table.db, plan, second, argc, argv, with_values));
  const int i = second ? 1 : 0;
  Text copy;  // ends where the query does
  if (!has_values && cursor.mode != Mode::one) copy.add(query);
  if (!copy.ok()) return Status::no_memory();
  Query* q = cursor.both[i] = new (cursor.space[i]) Query(*table.db, has_values ? with_values.view() : cursor.mode != Mode::one ? copy.view() : query);
  if (!q->prepared()) return {};
  WF_TRY(bind_facts(table, cursor, *q, letters_of(plan), argc, argv));
  return bind_values(*table.db, plan, argc, argv, *q, created);
}

Status first_rows(const TableObject& table, Cursor& cursor, const char* plan, int argc, sqlite3_value** argv) {
  CreatedSpan created;
  WF_TRY(start_one(table, cursor, plan, false, argc, argv, &created));
  WF_TRY(check_transaction(*table.db));
  if (cursor.mode != Mode::one && cursor.both[0]->prepared()) {
    int64_t from = 0, to = INT64_MAX;
    if (created.from > kTimeMin) WF_TRY(last_created(*table.db, created.from - 1, &from));
    if (created.to < kTimeMax) WF_TRY(last_created(*table.db, created.to, &to));
    cursor.both[0]->bind(SqlParameter::by_name(":from_number"), from + 1).bind(SqlParameter::by_name(":to_number"), to);
    bool late;
    WF_TRY(any_late(*table.db, &late));
    if (late) WF_TRY(start_one(table, cursor, plan, true, argc, argv, &created));
  }
  for (int i = 0; i < 2; ++i) {
    if (cursor.both[i] != nullptr) WF_TRY(cursor.both[i]->next(&cursor.rows[i]));
  }
  cursor.choose();
  return {};
}

Status start_query(const TableObject& table, Cursor& cursor, const char* plan, int argc, sqlite3_value** argv) {
  cursor.mode = mode_of(plan);
  Status first = first_rows(table, cursor, plan, argc, argv);
  const bool of_file = table.table->query != Sql::table_functions && table.table->query != Sql::table_doctor;
  if (first.ok() && of_file) first = table.db->check_format();
  if (first.ok() || !of_file || (first.rc() & 0xff) != SQLITE_ERROR || first.is_ours()) return first;
  cursor.close();
  bool exists;
  WF_TRY(table.db->schema_exists(&exists));
  return exists ? static_cast<Status&&>(first) : Status();  // a file that has no tables has no rows
}

int filter(sqlite3_vtab_cursor* base, int used, const char* plan, int argc, sqlite3_value** argv) {
  auto* cursor = static_cast<Cursor*>(base);
  auto* table = static_cast<TableObject*>(base->pVtab);
  cursor->close();
  if (!table->db->is_in_a_call()) table->db->call_begins();
  unsigned char place = 0;
  for (size_t i = 0; i < table->table->columns.size(); ++i) cursor->place[i] = (used >> i & 1) != 0 ? ++place : 0;
  cursor->created = place + 1;
  const Status status = start_query(*table, *cursor, plan, argc, argv);
  if (status.ok()) return SQLITE_OK;
  cursor->close();
  return fail(table, status);
}

int next(sqlite3_vtab_cursor* base) {
  auto* cursor = static_cast<Cursor*>(base);
  const Status status = cursor->next();
  return status.ok() ? SQLITE_OK : fail(base->pVtab, status);
}

int eof(sqlite3_vtab_cursor* base) { return !static_cast<Cursor*>(base)->at_row; }

// wf_key() of a step, which is an error of that function's where the workflow is damaged.
Status show_key(Db& db, string_view step, sqlite3_context* context) {
  int64_t seq = 0;
  const auto [end, error] = std::from_chars(step.data(), step.data() + step.size(), seq);
  if (error != std::errc()) return {};
  bool found;
  Workflow w;
  WF_TRY(find_seq(db, seq, &found, &w));
  if (!found) return {};
  Name key;
  WF_TRY(step_key(db, w, part(step, static_cast<size_t>(end - step.data()) + 1), &key));
  sqlite3_result_text(context, key.view().data(), static_cast<int>(key.view().size()), SQLITE_TRANSIENT);
  return {};
}

// Of "<now> <id>", or "<now> " for what the file holds beside its workflows.
Status show_document(Db& db, string_view what, sqlite3_context* context) {
  Millis now = 0;
  const auto [end, error] = std::from_chars(what.data(), what.data() + what.size(), now);
  if (error != std::errc()) return {};
  const string_view id = part(what, static_cast<size_t>(end - what.data()) + 1);
  Text document;
  bool found = true;
  if (id.empty()) WF_TRY(export_file(db, document));
  else WF_TRY(export_workflow(db, id, now, &found, document));
  if (!document.ok()) return Status::no_memory();
  if (found) sqlite3_result_text64(context, document.view().data(), document.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  return {};
}

int column(sqlite3_vtab_cursor* base, sqlite3_context* context, int i) {
  const auto* cursor = static_cast<Cursor*>(base);
  const int place = cursor->place[i];
  if (place == 0) return SQLITE_OK;
  if (static_cast<TableObject*>(base->pVtab)->table->columns[static_cast<size_t>(i)].type == ColumnType::tag) {
    return fail(base->pVtab, Status::error(Code::invalid, "the column tag can only be compared: tag = 'key=value', or IN; the column tags shows all of a workflow"));
  }
  if (static_cast<TableObject*>(base->pVtab)->table->columns[static_cast<size_t>(i)].type == ColumnType::key) {
    const Status shown = show_key(*static_cast<TableObject*>(base->pVtab)->db, cursor->query->text(place), context);
    return shown.ok() ? SQLITE_OK : fail(base->pVtab, shown);
  }
  if (static_cast<TableObject*>(base->pVtab)->table->columns[static_cast<size_t>(i)].type == ColumnType::document) {
    const Status shown = show_document(*static_cast<TableObject*>(base->pVtab)->db, cursor->query->text(place), context);
    return shown.ok() ? SQLITE_OK : fail(base->pVtab, shown);
  }
  // One look at the value: every sqlite3_column_ function takes and gives back the mutex, which is ours anyway.
  sqlite3_value* value = cursor->query->raw(place);
  switch (sqlite3_value_type(value)) {
    case SQLITE_TEXT: {
      // As sqlite3_result_value() would, but into the memory that the row before has left there.
      const string_view text = Value::from(value).bytes;
      if (is_utf8(text)) {
        // Without its size it keeps the NUL at its end: else sqlite3_column_text() would have to copy it for one.
        if (std::strlen(text.data()) == text.size()) sqlite3_result_text(context, text.data(), -1, SQLITE_TRANSIENT);
        else sqlite3_result_text64(context, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
        break;
      }
      // A hand edit has made it: hosts could not read the row, nor find it.
      Text readable;
      add_readable(text, readable);
      if (!readable.ok()) return SQLITE_NOMEM;
      sqlite3_result_text64(context, readable.view().data(), readable.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
      break;
    }
    case SQLITE_INTEGER: {
      const int64_t integer = sqlite3_value_int64(value);
      if (static_cast<TableObject*>(base->pVtab)->table->columns[static_cast<size_t>(i)].type != ColumnType::time) {
        sqlite3_result_int64(context, integer);
        break;
      }
      const TimeText time(integer, TimeForm::sql);
      sqlite3_result_text(context, time.c_str(), -1, SQLITE_TRANSIENT);
      break;
    }
    default: sqlite3_result_value(context, value);
  }
  return SQLITE_OK;
}

int rowid(sqlite3_vtab_cursor* base, sqlite3_int64* out) {
  *out = static_cast<Cursor*>(base)->query->integer(0);
  return SQLITE_OK;
}

// ---- Objects ---------------------------------------------------------------------------------------------------------

int best_index(sqlite3_vtab* base, sqlite3_index_info* info) { return make_plan(*static_cast<TableObject*>(base)->table, *info); }

int connect(sqlite3* handle, void* pointer, int, const char* const*, sqlite3_vtab** out, char**) {
  const auto* registration = static_cast<const Registration*>(pointer);
  Text declaration;
  declaration.add("CREATE TABLE x");
  char separator = '(';
  for (const Column& column : registration->table->columns) {
    declaration.add(separator).add(' ').add(column.name);
    // What the query computes has no affinity there, so it must have none here: comparisons then mean the same.
    declaration.add(column.type == ColumnType::any ? "" : column.type == ColumnType::integer ? " INTEGER" : column.type == ColumnType::tag ? " TEXT HIDDEN" : column.type == ColumnType::now ? " HIDDEN" : " TEXT");
    separator = ',';
  }
  declaration.add(")").add('\0');
  if (!declaration.ok()) return SQLITE_NOMEM;
  const int rc = sqlite3_declare_vtab(handle, declaration.data());
  if (rc != SQLITE_OK) return rc;
  auto* table = static_cast<TableObject*>(sqlite3_malloc64(sizeof(TableObject)));
  if (table == nullptr) return SQLITE_NOMEM;
  *table = {};
  table->table = registration->table;
  table->db = registration->db;
  *out = table;
  return SQLITE_OK;
}

int disconnect(sqlite3_vtab* table) {
  sqlite3_free(table);
  return SQLITE_OK;
}

int open(sqlite3_vtab*, sqlite3_vtab_cursor** out) {
  auto* cursor = static_cast<Cursor*>(sqlite3_malloc64(sizeof(Cursor)));
  if (cursor == nullptr) return SQLITE_NOMEM;
  std::memset(static_cast<void*>(cursor), 0, sizeof(Cursor));
  *out = cursor;
  return SQLITE_OK;
}

int close(sqlite3_vtab_cursor* cursor) {
  static_cast<Cursor*>(cursor)->close();
  sqlite3_free(cursor);
  return SQLITE_OK;
}

constexpr sqlite3_module kModule = eponymous(connect, best_index, disconnect, open, close, filter, next, eof, column, rowid);

void release_registration(void* pointer) {
  Db* db = static_cast<Registration*>(pointer)->db;
  sqlite3_free(pointer);
  Db::release(db);
}

}  // namespace

int register_tables(sqlite3* handle, Db* db) {
  if (const int rc = register_tallies(handle); rc != SQLITE_OK) return rc;
  for (const Table& table : tables()) {
    auto* registration = static_cast<Registration*>(sqlite3_malloc64(sizeof(Registration)));
    if (registration == nullptr) return SQLITE_NOMEM;
    db->retain();
    *registration = {&table, db};
    const int rc = sqlite3_create_module_v2(handle, table.name, &kModule, registration, release_registration);
    if (rc != SQLITE_OK) return rc;  // SQLite has released the registration
  }
  return register_fleet(handle, db);
}

}  // namespace wf

// One implementation for every virtual table: it turns what SQLite asks for into one query over the base tables.
//
// best_index() writes that query: the columns in use, the conditions and the order that SQLite offers, LIMIT and OFFSET where
// everything else is dealt with, around the table's named query. filter() binds the values and steps it. The plan that travels between
// them is one letter per value, a line end, and the query (idxStr), and a bit for each column in use (idxNum).
//
//   v  the value as it is              E G g L l  a time: = >= > <= <, bound as milliseconds
//   i  all values of an IN at once, as a JSON array; a few are put into the query one by one instead, which is faster
//
// Times are compared as the text that they are shown as. Times in that form have the order of their milliseconds, so every
// comparison with a text is a comparison with the first millisecond whose text is not before, or is after, that text.

#include <charconv>
#include <new>

#include "base/json.h"
#include "functions/registry.h"
#include "tables/tables.h"

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
  Query* query;   // nullptr: no rows
  bool at_row;
  unsigned char place[kMostColumns];  // of each of the table's columns in the query; 0: not in use
  alignas(Query) unsigned char space[sizeof(Query)];

  void close() {
    if (query != nullptr) query->~Query();
    query = nullptr;
    at_row = false;
  }
};

const Column& column_of(const Table& table, int i) { return table.columns[static_cast<size_t>(i)]; }

int fail(sqlite3_vtab* table, const Status& status) {
  sqlite3_free(table->zErrMsg);
  table->zErrMsg = status.message() != nullptr ? sqlite3_mprintf("%s", status.message()) : nullptr;
  return status.rc();
}

// ---- Planning --------------------------------------------------------------------------------------------------------

const char* operator_text(unsigned char op) {
  switch (op) {
    case SQLITE_INDEX_CONSTRAINT_EQ: return "=";
    case SQLITE_INDEX_CONSTRAINT_GT: return ">";
    case SQLITE_INDEX_CONSTRAINT_GE: return ">=";
    case SQLITE_INDEX_CONSTRAINT_LT: return "<";
    case SQLITE_INDEX_CONSTRAINT_LE: return "<=";
    default: return nullptr;
  }
}

char time_letter(unsigned char op) {
  switch (op) {
    case SQLITE_INDEX_CONSTRAINT_EQ: return 'E';
    case SQLITE_INDEX_CONSTRAINT_GT: return 'g';
    case SQLITE_INDEX_CONSTRAINT_GE: return 'G';
    case SQLITE_INDEX_CONSTRAINT_LT: return 'l';
    default: return 'L';
  }
}

// The values of an IN, as the plan has them: a JSON array in one parameter.
void add_values_of(int parameter, Text& out) { out.add("(SELECT value FROM main.json_each(:p").add_integer(parameter).add("))"); }

class Planner {
 public:
  Planner(const Table& table, sqlite3_index_info& info) : table_(table), info_(info) {}

  int plan() {
    for (int i = 0; i < info_.nConstraint; ++i) take_condition(i);
    const bool ordered = take_order();
    if (complete_ && ordered) take_limits();
    estimate();
    return write();
  }

 private:
  string_view column_name(int column) const { return column < 0 ? "_n" : column_of(table_, column).name; }
  ColumnType type(int column) const { return column < 0 ? ColumnType::integer : column_of(table_, column).type; }

  // Adds the condition `i` to the query, if it is one that the query can decide.
  void take_condition(int i) {
    const auto& constraint = info_.aConstraint[i];
    if (is_limit(constraint.op)) return;
    const char* op = operator_text(constraint.op);
    const char* collation = op != nullptr ? sqlite3_vtab_collation(&info_, i) : nullptr;
    // What has no affinity is compared by the affinity of the other side, which is not told: SQLite does that itself.
    if (!constraint.usable || op == nullptr || type(constraint.iColumn) == ColumnType::any || collation == nullptr || sqlite3_stricmp(collation, "BINARY") != 0) {
      complete_ = false;
      return;
    }
    const bool is_time = type(constraint.iColumn) == ColumnType::time;
    where_.add(where_.size() != 0 ? " AND " : " WHERE ").add(column_name(constraint.iColumn));
    bool exact = !is_time;  // the query compares a time with texts only: SQLite looks again
    if (is_time) {
      letters_.add(time_letter(constraint.op));
      if (constraint.op == SQLITE_INDEX_CONSTRAINT_EQ) {
        where_.add(" BETWEEN ");
        parameter();
        where_.add(" AND ");
      } else {
        where_.add(time_letter(constraint.op) == 'G' || time_letter(constraint.op) == 'g' ? " >= " : " <= ");
      }
      parameter();
    } else if (takes_in(i)) {
      letters_.add('i');
      where_.add(" IN ");
      add_values_of(++parameters_, where_);
    } else {
      letters_.add('v');
      where_.add(' ').add(op).add(' ');
      parameter();
    }
    use(i, exact);
    if (constraint.op == SQLITE_INDEX_CONSTRAINT_EQ) {
      ++equal_;
      if (constraint.iColumn < 0 || column_name(constraint.iColumn) == "id") unique_ = true;
    } else {
      ++range_;
    }
  }

  // Whether condition `i` is an IN whose values we take all at once. Only worth it, and only needed, where the order of the rows is
  // asked for; JSON can carry texts and numbers, so only columns that hold no others.
  bool takes_in(int i) {
    if (library_version() < 3038000 || info_.aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ) return false;
    const ColumnType column = type(info_.aConstraint[i].iColumn);
    if ((column != ColumnType::text && column != ColumnType::integer) || !sqlite3_vtab_in(&info_, i, -1)) return false;
    return sqlite3_vtab_in(&info_, i, 1) != 0;
  }

  void use(int i, bool exact) {
    info_.aConstraintUsage[i].argvIndex = ++arguments_;
    info_.aConstraintUsage[i].omit = exact;
    if (!exact) complete_ = false;
  }

  void parameter() { where_.add(":p").add_integer(++parameters_); }

  bool take_order() {
    if (info_.nOrderBy == 0) {
      if (table_.in_order) order_.add(" ORDER BY _n");
      return true;
    }
    for (int i = 0; i < info_.nOrderBy; ++i) {
      order_.add(i == 0 ? " ORDER BY " : ", ").add(column_name(info_.aOrderBy[i].iColumn));
      if (info_.aOrderBy[i].desc) order_.add(" DESC");
    }
    info_.orderByConsumed = 1;
    return true;
  }

  static bool is_limit(unsigned char op) { return op == SQLITE_INDEX_CONSTRAINT_LIMIT || op == SQLITE_INDEX_CONSTRAINT_OFFSET; }

  void take_limits() {
    int limit = -1, offset = -1;
    for (int i = 0; i < info_.nConstraint; ++i) {
      if (!is_limit(info_.aConstraint[i].op)) continue;
      if (!info_.aConstraint[i].usable) return;
      (info_.aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_LIMIT ? limit : offset) = i;
    }
    for (const int i : {limit, offset}) {
      if (i < 0) continue;
      order_.add(i == limit ? " LIMIT :p" : limit < 0 ? " LIMIT -1 OFFSET :p" : " OFFSET :p").add_integer(++parameters_);
      letters_.add('v');
      use(i, true);
    }
  }

  void estimate() {
    info_.estimatedRows = unique_ ? 1 : equal_ != 0 ? 100 : range_ != 0 ? 10000 : 1000000;
    info_.estimatedCost = static_cast<double>(info_.estimatedRows) * 2 + 10;
    if (unique_) info_.idxFlags |= SQLITE_INDEX_SCAN_UNIQUE;
  }

  int write() {
    Text columns;
    columns.add("_n");
    for (size_t i = 0; i < table_.columns.size(); ++i) {
      if ((info_.colUsed >> i & 1) == 0) continue;
      columns.add(", ").add(table_.columns[i].name);
      info_.idxNum |= 1 << i;
    }
    columns.add('\0');
    const SqlText query(table_.query), frame(Sql::table_select);
    if (!columns.ok() || !query.ok() || !frame.ok() || !letters_.ok() || !where_.ok() || !order_.ok()) return SQLITE_NOMEM;
    char* select = sqlite3_mprintf(frame.c_str(), columns.data(), query.c_str());
    if (select == nullptr) return SQLITE_NOMEM;
    info_.idxStr = sqlite3_mprintf("%.*s\n%z%.*s%.*s", WF_SV(letters_.view()), select, WF_SV(where_.view()), WF_SV(order_.view()));
    info_.needToFreeIdxStr = 1;
    return info_.idxStr != nullptr ? SQLITE_OK : SQLITE_NOMEM;
  }

  const Table& table_;
  sqlite3_index_info& info_;
  Text letters_, where_, order_;
  int arguments_ = 0, parameters_ = 0, equal_ = 0, range_ = 0;
  bool complete_ = true;  // every condition is decided by the query
  bool unique_ = false;
};

int best_index(sqlite3_vtab* base, sqlite3_index_info* info) {
  return Planner(*static_cast<TableObject*>(base)->table, *info).plan();
}

// ---- Running ---------------------------------------------------------------------------------------------------------

// The first millisecond whose text is not before `text`, or with `after` the first one whose text is after it.
Millis first_not_before(string_view text, bool after) {
  Millis low = kTimeMin, high = kTimeMax + 1;
  while (low < high) {
    const Millis middle = low + (high - low) / 2;
    const int order = TimeText(middle, TimeForm::sql).view().compare(text);
    if (order < 0 || (after && order == 0)) low = middle + 1;
    else high = middle;
  }
  return low;
}

// The values of an IN, one after the other.
class InValues {
 public:
  explicit InValues(sqlite3_value* list) : list_(list) {}
  sqlite3_value* next() {
    sqlite3_value* item = nullptr;
    const int rc = begun_ ? sqlite3_vtab_in_next(list_, &item) : sqlite3_vtab_in_first(list_, &item);
    begun_ = true;
    return rc == SQLITE_OK ? item : nullptr;
  }

 private:
  sqlite3_value* list_;
  bool begun_ = false;
};

// The number of parameters for the values of an IN that has only a few: a power of two, so that there are not as many different queries as
// numbers of values. -1: they are many.
int few_parameters(sqlite3_value* list) {
  InValues values(list);
  int count = 0, parameters = 0;
  for (; values.next() != nullptr; ++count) {
    if (count < parameters) continue;
    if (parameters == 8) return -1;
    parameters = parameters == 0 ? 1 : 2 * parameters;
  }
  return parameters;
}

// All values of an IN as a JSON array; a BLOB or NULL equals no text and no number.
Status in_values(sqlite3_value* list, Text& out) {
  out.add('[');
  bool first = true;
  InValues values(list);
  while (sqlite3_value* item = values.next()) {
    const Value value = Value::from(item);
    if (value.is_null() || value.type == Value::Type::blob) continue;
    if (!first) out.add(',');
    value.type == Value::Type::text ? json::quote(value.bytes, out) : add_json(value, out);
    first = false;
  }
  out.add(']');
  return out.ok() ? Status() : Status::no_memory();
}

// How many parameters of the query a letter of the plan stands for.
int parameters_of(char letter) { return letter == 'E' ? 2 : 1; }

// The name of a parameter: ":p3", or ":p3_1" for the second value of a short IN.
class ParameterName {
 public:
  explicit ParameterName(int number, int value = -1) {
    char* end = std::to_chars(text_ + 2, text_ + 8, number).ptr;
    if (value >= 0) {
      *end++ = '_';
      end = std::to_chars(end, end + 4, value).ptr;
    }
    *end = '\0';
  }
  const char* c_str() const { return text_; }

 private:
  char text_[16] = ":p";
};

// The query of the plan, with a parameter for each value of a short IN.
Status query_of(const char* plan, int argc, sqlite3_value** argv, Text& out) {
  string_view rest(std::strchr(plan, '\n') + 1);
  for (int i = 0, parameter = 0; i < argc; ++i) {
    parameter += parameters_of(plan[i]);
    const int few = plan[i] == 'i' ? few_parameters(argv[i]) : -1;
    if (few < 0) continue;
    Text array;
    add_values_of(parameter, array);
    if (!array.ok()) return Status::no_memory();
    const size_t at = rest.find(array.view());
    out.add(part(rest, 0, at)).add('(');
    for (int k = 0; k < few; ++k) out.add(k == 0 ? "" : ",").add(ParameterName(parameter, k).c_str());
    out.add(')');
    rest = part(rest, at + array.size());
  }
  out.add(rest);
  return out.ok() ? Status() : Status::no_memory();
}

// Binds the values SQLite gives for the plan's letters.
class Binder {
 public:
  explicit Binder(Query& query) : query_(query) {}

  Status bind(char letter, sqlite3_value* value) {
    if (letter == 'v') {
      next(Value::from(value));
      return {};
    }
    if (letter == 'i') return bind_in(value);
    if (sqlite3_value_type(value) == SQLITE_BLOB || sqlite3_value_type(value) == SQLITE_NULL) {
      // Nothing is known: SQLite looks at every row itself.
      if (letter == 'E') next(Value::of(kTimeMin));
      next(Value::of(letter == 'G' || letter == 'g' ? kTimeMin : kTimeMax));
      return {};
    }
    const string_view text(reinterpret_cast<const char*>(sqlite3_value_text(value)), static_cast<size_t>(sqlite3_value_bytes(value)));
    switch (letter) {
      case 'G': next(Value::of(first_not_before(text, false))); break;
      case 'g': next(Value::of(first_not_before(text, true))); break;
      case 'L': next(Value::of(first_not_before(text, true) - 1)); break;
      case 'l': next(Value::of(first_not_before(text, false) - 1)); break;
      default:
        next(Value::of(first_not_before(text, false)));
        next(Value::of(first_not_before(text, true) - 1));
    }
    return {};
  }

 private:
  void next(const Value& value) { query_.bind_copy(ParameterName(++parameter_).c_str(), value); }

  Status bind_in(sqlite3_value* list) {
    const int few = few_parameters(list);
    if (few < 0) {
      Text array;
      WF_TRY(in_values(list, array));
      next(Value::text(array.view()));
      return {};
    }
    ++parameter_;
    InValues values(list);
    for (int k = 0; k < few; ++k) {
      sqlite3_value* item = values.next();
      if (item == nullptr) {  // what is left over repeats them
        values = InValues(list);
        item = values.next();
      }
      query_.bind_copy(ParameterName(parameter_, k).c_str(), Value::from(item));
    }
    return {};
  }

  Query& query_;
  int parameter_ = 0;
};

// Parameters that a named query may have beside the plan's.
Status bind_facts(const TableObject& table, Query& query) {
  if (query.has(":now")) query.bind(":now", table.db->clock());
  Text json;
  if (table.table->query == Sql::table_functions) {
    add_functions_json(json);
    query.bind_copy(":functions", Value::text(json.view()));
  } else if (table.table->query == Sql::table_doctor) {
    WF_TRY(add_host_json(*table.db, json));
    query.bind_copy(":host", Value::text(json.view()));
  }
  return json.ok() ? Status() : Status::no_memory();
}

Status start_query(const TableObject& table, Cursor& cursor, const char* plan, int argc, sqlite3_value** argv) {
  const char* select = std::strchr(plan, '\n');
  if (std::memchr(plan, 'i', static_cast<size_t>(select - plan)) == nullptr) {
    cursor.query = new (cursor.space) Query(*table.db, string_view(select + 1));
  } else {
    Text with_values;
    WF_TRY(query_of(plan, argc, argv, with_values));
    cursor.query = new (cursor.space) Query(*table.db, with_values.view());
  }
  if (cursor.query->prepared()) {
    WF_TRY(bind_facts(table, *cursor.query));
    Binder binder(*cursor.query);
    for (int i = 0; i < argc; ++i) WF_TRY(binder.bind(plan[i], argv[i]));
  }
  Status first = cursor.query->next(&cursor.at_row);
  const bool of_file = table.table->query != Sql::table_functions && table.table->query != Sql::table_doctor;
  if (first.ok() && of_file) first = table.db->check_format();
  if (first.ok() || (first.rc() & 0xff) != SQLITE_ERROR || first.is_ours()) return first;
  cursor.close();
  bool exists;
  WF_TRY(table.db->schema_exists(&exists));
  return exists ? static_cast<Status&&>(first) : Status();  // a file that has no tables has no rows
}

int filter(sqlite3_vtab_cursor* base, int used, const char* plan, int argc, sqlite3_value** argv) {
  auto* cursor = static_cast<Cursor*>(base);
  auto* table = static_cast<TableObject*>(base->pVtab);
  cursor->close();
  unsigned char place = 0;
  for (size_t i = 0; i < table->table->columns.size(); ++i) cursor->place[i] = (used >> i & 1) != 0 ? ++place : 0;
  const Status status = start_query(*table, *cursor, plan, argc, argv);
  if (status.ok()) return SQLITE_OK;
  cursor->close();
  return fail(table, status);
}

int next(sqlite3_vtab_cursor* base) {
  auto* cursor = static_cast<Cursor*>(base);
  const Status status = cursor->query->next(&cursor->at_row);
  return status.ok() ? SQLITE_OK : fail(base->pVtab, status);
}

int eof(sqlite3_vtab_cursor* base) { return !static_cast<Cursor*>(base)->at_row; }

int column(sqlite3_vtab_cursor* base, sqlite3_context* context, int i) {
  const auto* cursor = static_cast<Cursor*>(base);
  const int place = cursor->place[i];
  if (place == 0) return SQLITE_OK;
  // One look at the value: every sqlite3_column_ function takes and gives back the mutex, which is ours anyway.
  sqlite3_value* value = cursor->query->raw(place);
  switch (sqlite3_value_type(value)) {
    case SQLITE_TEXT: {
      // As sqlite3_result_value() would, but into the memory that the row before has left there.
      const char* text = reinterpret_cast<const char*>(sqlite3_value_text(value));
      sqlite3_result_text(context, text, sqlite3_value_bytes(value), SQLITE_TRANSIENT);
      break;
    }
    case SQLITE_INTEGER: {
      const int64_t integer = sqlite3_value_int64(value);
      if (column_of(*static_cast<TableObject*>(base->pVtab)->table, i).type != ColumnType::time) {
        sqlite3_result_int64(context, integer);
        break;
      }
      const TimeText time(integer, TimeForm::sql);
      sqlite3_result_text(context, time.view().data(), static_cast<int>(time.view().size()), SQLITE_TRANSIENT);
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

int connect(sqlite3* handle, void* pointer, int, const char* const*, sqlite3_vtab** out, char**) {
  const auto* registration = static_cast<const Registration*>(pointer);
  Text declaration;
  declaration.add("CREATE TABLE x");
  char separator = '(';
  for (const Column& column : registration->table->columns) {
    declaration.add(separator).add(' ').add(column.name);
    // What the query computes has no affinity there, so it must have none here: comparisons then mean the same.
    declaration.add(column.type == ColumnType::any ? "" : column.type == ColumnType::integer ? " INTEGER" : " TEXT");
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

constexpr sqlite3_module module() {
  sqlite3_module m = {};
  m.xConnect = connect;  // no xCreate: eponymous only
  m.xBestIndex = best_index;
  m.xDisconnect = disconnect;
  m.xOpen = open;
  m.xClose = close;
  m.xFilter = filter;
  m.xNext = next;
  m.xEof = eof;
  m.xColumn = column;
  m.xRowid = rowid;
  return m;
}
const sqlite3_module kModule = module();

void release_registration(void* pointer) {
  auto* registration = static_cast<Registration*>(pointer);
  Db::release(registration->db);
  sqlite3_free(registration);
}

}  // namespace

int register_tables(sqlite3* handle, Db* db) {
  for (const Table& table : tables()) {
    auto* registration = static_cast<Registration*>(sqlite3_malloc64(sizeof(Registration)));
    if (registration == nullptr) return SQLITE_NOMEM;
    db->retain();
    *registration = {&table, db};
    const int rc = sqlite3_create_module_v2(handle, table.name, &kModule, registration, release_registration);
    if (rc != SQLITE_OK) return rc;  // SQLite has released the registration
  }
  return SQLITE_OK;
}

}  // namespace wf

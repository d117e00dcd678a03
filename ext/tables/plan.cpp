#include "tables/plan.h"

namespace wf {
namespace {

const Column& column_of(const Table& table, int i) { return table.columns[static_cast<size_t>(i)]; }

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


char place_letter(unsigned char op) {
  return op == SQLITE_INDEX_CONSTRAINT_LT || op == SQLITE_INDEX_CONSTRAINT_LE ? 'M' : 'm';
}

class Planner {
 public:
  Planner(const Table& table, sqlite3_index_info& info) : table_(table), info_(info) {}

  int plan() {
    for (int i = 0; i < info_.nConstraint; ++i) take_condition(i);
    of_one_ = of_one_ && table_.order == Order::by_workflow;
    const bool ordered = take_order();
    if (impossible_) return SQLITE_CONSTRAINT;
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
    // Nobody but the query can compare a tag, so a plan in which it cannot is none.
    const bool is_tag = type(constraint.iColumn) == ColumnType::tag;
    if (is_tag && !constraint.usable && constraint.op == SQLITE_INDEX_CONSTRAINT_EQ) impossible_ = true;
    const char* op = operator_text(constraint.op);
    const char* collation = op != nullptr ? sqlite3_vtab_collation(&info_, i) : nullptr;
    // What has no affinity is compared by the affinity of the other side, which is not told: SQLite does that itself.
    if (!constraint.usable || op == nullptr || type(constraint.iColumn) == ColumnType::any || type(constraint.iColumn) == ColumnType::key || collation == nullptr || sqlite3_stricmp(collation, "BINARY") != 0 || (is_tag && constraint.op != SQLITE_INDEX_CONSTRAINT_EQ)) {
      complete_ = false;
      return;
    }
    const bool is_time = type(constraint.iColumn) == ColumnType::time;
    where_.add(where_.size() != 0 ? " AND " : " WHERE ").add(is_tag ? "_n IN (SELECT wf FROM main._wf_tag WHERE tag" : column_name(constraint.iColumn));
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
      const bool is_place = this->is_place(constraint.iColumn);
      letters_.add(is_place ? place_letter(constraint.op) : 'v');
      where_.add(' ').add(op).add(' ');
      parameter();
      if (is_place) add_range(constraint.op);
      if (constraint.op == SQLITE_INDEX_CONSTRAINT_EQ) look_at_equal(column_name(constraint.iColumn));
    }
    if (is_tag) where_.add(')');
    use(i, exact);
    if (constraint.op == SQLITE_INDEX_CONSTRAINT_EQ) {
      ++equal_;
      if (constraint.iColumn < 0 || column_name(constraint.iColumn) == "id") unique_ = true;
    } else {
      ++range_;
    }
  }

  // Whether the column is the place of a row inside its workflow.
  bool is_place(int column) const { return table_.order == Order::by_workflow && column_name(column) == "seq"; }

  // The same condition once more, as a range of the table.
  void add_range(unsigned char op) {
    const bool equal = op == SQLITE_INDEX_CONSTRAINT_EQ, above = op == SQLITE_INDEX_CONSTRAINT_GT || op == SQLITE_INDEX_CONSTRAINT_GE;
    where_.add(" AND _n ").add(equal ? "= _begin + " : above ? ">= _begin + " : "<= _begin + ");
    parameter();
  }

  // By workflow and name there is an index, of which the query itself does not know.
  void look_at_equal(string_view column) {
    if (column == "workflow_id") of_one_ = true;
    if (column == "name" && table_.order == Order::by_workflow) where_.add(" AND _wf = _owner");
  }

  // Whether condition `i` is an IN whose values we take all at once. Only worth it, and only needed, where the order of the rows is
  // asked for; JSON can carry texts and numbers, so only columns that hold no others.
  bool takes_in(int i) {
    if (library_version() < 3038000 || info_.aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ) return false;
    const ColumnType column = type(info_.aConstraint[i].iColumn);
    if ((column != ColumnType::text && column != ColumnType::integer && column != ColumnType::tag) || !sqlite3_vtab_in(&info_, i, -1)) return false;
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
      if (table_.order != Order::any) order_.add(" ORDER BY _n");
      return true;
    }
    for (int i = 0; i < info_.nOrderBy; ++i) {
      if (const ColumnType by = type(info_.aOrderBy[i].iColumn); by == ColumnType::tag || by == ColumnType::key) return false;  // SQLite sorts what it reads (a tag is an error)
    }
    for (int i = 0; i < info_.nOrderBy; ++i) {
      const int column = info_.aOrderBy[i].iColumn;
      // Inside of one workflow the place is the order of the table.
      order_.add(i == 0 ? " ORDER BY " : ", ").add(of_one_ && is_place(column) ? "_n" : column_name(column));
      of_one_ = of_one_ || (i == 0 && table_.order == Order::by_workflow && column_name(column) == "workflow_id");
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
  bool of_one_ = false;    // all rows are of one workflow, or those of one come together
  bool impossible_ = false;
};

}  // namespace

void add_values_of(int parameter, Text& out) { out.add("(SELECT value FROM _wf.json_each(:p").add_integer(parameter).add("))"); }

int make_plan(const Table& table, sqlite3_index_info& info) { return Planner(table, info).plan(); }

}  // namespace wf

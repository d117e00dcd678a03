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


// Of the time of creation.
char created_letter(char time) { return time == 'E' ? '1' : time == 'G' ? '2' : time == 'g' ? '3' : time == 'L' ? '4' : '5'; }

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
    if (complete_ && ordered && mode_ == Mode::one) take_limits();
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
    if (is_beginning(i)) return take_beginning(i);
    // Nobody but the query can compare a tag, so a plan in which it cannot is none.
    const bool is_tag = type(constraint.iColumn) == ColumnType::tag;
    const bool is_now = type(constraint.iColumn) == ColumnType::now;
    if ((is_tag || is_now) && !constraint.usable && constraint.op == SQLITE_INDEX_CONSTRAINT_EQ) impossible_ = true;
    if (is_now && constraint.usable && constraint.op == SQLITE_INDEX_CONSTRAINT_EQ) {
      letters_.add('t');
      return use(i, true);
    }
    const char* op = operator_text(constraint.op);
    const char* collation = op != nullptr ? sqlite3_vtab_collation(&info_, i) : nullptr;
    // What has no affinity is compared by the affinity of the other side, which is not told: SQLite does that itself.
    if (!constraint.usable || op == nullptr || type(constraint.iColumn) == ColumnType::any || type(constraint.iColumn) == ColumnType::key || type(constraint.iColumn) == ColumnType::document || is_now || collation == nullptr || sqlite3_stricmp(collation, "BINARY") != 0 || (is_tag && constraint.op != SQLITE_INDEX_CONSTRAINT_EQ)) {
      complete_ = false;
      return;
    }
    const bool is_time = type(constraint.iColumn) == ColumnType::time;
    const bool is_parent = type(constraint.iColumn) == ColumnType::parent && constraint.op == SQLITE_INDEX_CONSTRAINT_EQ;
    const char* within = is_tag ? "_n IN (SELECT wf FROM main._wf_tag WHERE tag" : is_parent ? "_parent = (SELECT seq FROM main._wf_workflow WHERE id" : nullptr;
    and_();
    const size_t begin = where_.size();
    if (within != nullptr) where_.add(within);
    else where_.add(column_name(constraint.iColumn));
    bool exact = !is_time;  // the query compares a time with texts only: SQLite looks again
    if (is_time) {
      const bool created = is_created(constraint.iColumn);
      letters_.add(created ? created_letter(time_letter(constraint.op)) : time_letter(constraint.op));
      ranged_ = ranged_ || created;
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
      if (is_parent) where_.truncate(begin), where_.add("_parent IN (SELECT seq FROM main._wf_workflow WHERE id");
      where_.add(" IN ").add(kValuesBegin);
      parameter();
      where_.add(kValuesEnd);
    } else {
      const bool is_place = this->is_place(constraint.iColumn);
      letters_.add(is_place ? place_letter(constraint.op) : value_letter(i));
      where_.add(' ').add(op).add(' ');
      parameter();
      if (is_place) add_range(constraint.op);
      if (constraint.op == SQLITE_INDEX_CONSTRAINT_EQ) look_at_equal(column_name(constraint.iColumn));
    }
    if (within != nullptr) where_.add(')');
    few_ = few_ || within != nullptr;
    use(i, exact);
    if (constraint.op == SQLITE_INDEX_CONSTRAINT_EQ) {
      ++equal_;
      if (constraint.iColumn < 0 || column_name(constraint.iColumn) == "id" || is_number(constraint.iColumn)) unique_ = true;
    } else {
      ++range_;
    }
  }

  void and_() { where_.add(where_.size() != 0 ? " AND " : " WHERE "); }
  bool of_workflows() const { return table_.order == Order::by_start; }
  bool is_created(int column) const { return of_workflows() && column_name(column) == "created_at"; }
  // Whether the column is the number of a workflow.
  bool is_number(int column) const { return column < 0 || (of_workflows() && column_name(column) == "seq"); }

  // The letter of a value that is compared as it is. Of some it is looked whether workflows that have it are few.
  char value_letter(int i) {
    const auto& constraint = info_.aConstraint[i];
    if (!of_workflows() || constraint.iColumn < 0 || constraint.op != SQLITE_INDEX_CONSTRAINT_EQ) return 'v';
    const string_view column = column_name(constraint.iColumn);
    const char letter = column == "status" ? 's' : column == "queue" ? 'q' : column == "name" ? 'n' : 'v';
    if (letter != 'v') some_ = true;
    return letter;
  }

  // What ids begin with: LIKE 'x%' and GLOB 'x*', which SQLite looks at again.
  bool is_beginning(int i) const {
    const auto& constraint = info_.aConstraint[i];
    return of_workflows() && constraint.usable && constraint.iColumn >= 0 && column_name(constraint.iColumn) == "id"
           && (constraint.op == SQLITE_INDEX_CONSTRAINT_LIKE || constraint.op == SQLITE_INDEX_CONSTRAINT_GLOB);
  }
  void take_beginning(int i) {
    letters_.add(info_.aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_LIKE ? 'k' : 'b');
    and_();
    where_.add("id >= ");
    parameter();
    where_.add(" AND id < ");
    parameter();
    use(i, false);
    few_ = true;
    ++range_;
  }

  // Whether the column is the place of a row inside its workflow.
  bool is_place(int column) const { return table_.order == Order::by_workflow && column_name(column) == "seq"; }

  // The same condition once more, as a range of the table.
  void add_range(unsigned char op) {
    const bool equal = op == SQLITE_INDEX_CONSTRAINT_EQ, above = op == SQLITE_INDEX_CONSTRAINT_GT || op == SQLITE_INDEX_CONSTRAINT_GE;
    where_.add(" AND _n ").add(equal ? "= _begin + " : above ? ">= _begin + " : "<= _begin + ");
    parameter();
  }

  // By workflow and name there is an index, of which the query itself does not know. That of steps has not all of them: see _wf_step_name.
  void look_at_equal(string_view column) {
    if (column == "workflow_id") of_one_ = true;
    if (column != "name" || table_.order != Order::by_workflow) return;
    if (table_.query != Sql::table_steps) return (void)where_.add(" AND _wf = _owner");
    const SqlText by_name(Sql::plan_step_named);
    char* text = by_name.ok() ? sqlite3_mprintf(by_name.c_str(), parameters_, parameters_) : nullptr;
    if (text != nullptr) where_.add(' ').add(text);  // without it all steps of the workflow are looked at
    sqlite3_free(text);
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
    if (of_workflows()) return take_order_of_workflows();
    if (info_.nOrderBy == 0) {
      if (table_.order != Order::any) order_.add(" ORDER BY _n");
      return true;
    }
    return add_order();
  }

  bool add_order() {
    for (int i = 0; i < info_.nOrderBy; ++i) {
      if (const ColumnType by = type(info_.aOrderBy[i].iColumn); by == ColumnType::tag || by == ColumnType::key || by == ColumnType::document || by == ColumnType::now) return false;  // SQLite sorts what it reads (a tag is an error)
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

  // By creation, and by number, workflows come in the order of their numbers, those that are late apart: plan.h says how.
  bool take_order_of_workflows() {
    const int count = info_.nOrderBy;
    const auto* by = info_.aOrderBy;
    const bool by_number = count > 0 && is_number(by[0].iColumn);
    const bool by_creation = count > 0 && is_created(by[0].iColumn) && (count == 1 || (count == 2 && is_number(by[1].iColumn) && by[1].desc == by[0].desc));
    if (!ranged_ && !by_creation) {
      some_ = some_ || (by_number && table_.query == Sql::table_pending);
      return count == 0 || add_order();
    }
    const bool down = count > 0 && by[0].desc != 0;
    mode_ = by_creation ? (down ? Mode::created_down : Mode::created_up) : by_number ? (down ? Mode::number_down : Mode::number_up) : Mode::one_by_one;
    some_ = some_ || (count > 0 && table_.query == Sql::table_pending);
    if (!by_number && !by_creation) return count == 0;  // SQLite sorts
    order_.add(down ? " ORDER BY _n DESC" : " ORDER BY _n");
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
      if ((info_.colUsed >> i & 1) == 0 || table_.columns[i].type == ColumnType::now) continue;
      columns.add(", ").add(table_.columns[i].name);
      info_.idxNum |= 1 << i;
    }
    if (mode_ != Mode::one) columns.add(", _created");
    columns.add('\0');
    const bool lean = table_.lean != Sql::count_ && (info_.colUsed >> table_.lean_columns) == 0;
    const SqlText query(lean ? table_.lean : table_.query), frame(Sql::table_select);
    if (!columns.ok() || !query.ok() || !frame.ok() || !letters_.ok() || !where_.ok() || !order_.ok()) return SQLITE_NOMEM;
    char* select = sqlite3_mprintf(frame.c_str(), columns.data(), query.c_str());
    if (select == nullptr) return SQLITE_NOMEM;
    const char* some = some_ && !few_ && !unique_ ? kSomePlace : "";
    if (*some != '\0' && where_.size() == 0) where_.add(" WHERE 1");
    if (!where_.ok()) return SQLITE_NOMEM;
    if (mode_ == Mode::one) {
      info_.idxStr = sqlite3_mprintf("%c%.*s\n%s%.*s%s%.*s", static_cast<char>(mode_), WF_SV(letters_.view()), select, WF_SV(where_.view()), some, WF_SV(order_.view()));
    } else {
      const bool by_creation = mode_ == Mode::created_up || mode_ == Mode::created_down;
      info_.idxStr = sqlite3_mprintf("%c%.*s\n%s%.*s%s_late IS NULL%s%s%.*s%s%s%.*s%s_late IS NOT NULL%s%.*s", static_cast<char>(mode_),
                                     WF_SV(letters_.view()), select, WF_SV(where_.view()), where_.size() != 0 ? " AND " : " WHERE ", some, ranged_ ? kBounds : "", WF_SV(order_.view()), kSecondQuery,
                                     select, WF_SV(where_.view()), where_.size() != 0 ? " AND " : " WHERE ",
                                     !by_creation ? "" : mode_ == Mode::created_down ? " ORDER BY _created DESC, _n DESC" : " ORDER BY _created, _n", by_creation ? 0 : static_cast<int>(order_.size()), order_.data());
    }
    sqlite3_free(select);
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
  bool ranged_ = false;    // a span of the time of creation is asked for
  bool some_ = false;      // those that are asked for may be few
  bool few_ = false;       // they are found by an index of theirs
  Mode mode_ = Mode::one;
};

}  // namespace

int make_plan(const Table& table, sqlite3_index_info& info) { return Planner(table, info).plan(); }

}  // namespace wf

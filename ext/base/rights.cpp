#include "base/rights.h"

namespace wf {
namespace {

constexpr int kMark = 0x57460000;  // from here on each column has a number of its own, which nothing else in a program has
constexpr int kMostColumnsAsked = 63;

bool contains(string_view text, string_view what) { return text.find(what) != string_view::npos; }

// The text of `sql`, with the table, and what its columns are set to.
bool fill(Sql sql, string_view table, string_view columns, Text& out) {
  const SqlText text(sql);
  string_view rest = text.view();
  while (!rest.empty()) {
    const size_t at = rest.find('$');
    out.add(part(rest, 0, at));
    rest = part(rest, at);
    if (has_prefix(rest, "$table")) out.add(table), rest = part(rest, 6);
    else if (!rest.empty()) out.add(columns), rest = part(rest, 8);
  }
  out.add('\0');
  return text.ok() && out.ok();
}

// A statement for once.
class Probe {
 public:
  Probe(sqlite3* handle, Sql sql, string_view table = {}, string_view columns = {}) : handle_(handle) {
    Text text;
    rc_ = fill(sql, table, columns, text) ? sqlite3_prepare_v2(handle, text.view().data(), -1, &statement_, nullptr) : SQLITE_NOMEM;
  }
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;
  ~Probe() { sqlite3_finalize(statement_); }

  bool next() {
    if (rc_ == SQLITE_OK) rc_ = sqlite3_step(statement_);
    if (rc_ == SQLITE_ROW) return rc_ = SQLITE_OK, true;
    if (rc_ == SQLITE_DONE) rc_ = SQLITE_OK;
    return false;
  }
  bool is_compiled() const { return rc_ == SQLITE_OK; }
  // What is forbidden fails where it is used. (Nor has every SQLite all of these functions, or EXPLAIN.)
  Status take_status() const {
    const int rc = rc_ & 0xff;
    return rc == SQLITE_ERROR || rc == SQLITE_AUTH || rc == SQLITE_TOOBIG || rc == SQLITE_OK ? Status() : Status::sqlite(rc_, handle_);
  }

  int columns() const { return sqlite3_column_count(statement_); }
  string_view name(int i) const {
    const char* name = sqlite3_column_name(statement_, i);
    return name != nullptr ? name : "";
  }
  bool is_null(int i) const { return sqlite3_column_type(statement_, i) == SQLITE_NULL; }
  // Of EXPLAIN.
  bool is_op(const char* op) const {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, 1));
    return text != nullptr && string_view(text) == op;
  }
  int p1() const { return sqlite3_column_int(statement_, 2); }

 private:
  sqlite3* handle_;
  sqlite3_stmt* statement_ = nullptr;
  int rc_;
};

}  // namespace

// Runs `look` for what has not been looked at since forget().
template <class Look>
Status Rights::once(string_view what, char how, const Look& look) {
  Text key;
  key.add(',').add(how).add(what).add(',');
  if (!key.ok()) return Status::no_memory();
  if (contains(known_.view(), key.view())) return {};
  WF_TRY(look());
  known_.add(key.view());
  return known_.ok() ? Status() : Status::no_memory();
}

Status Rights::check_read(string_view table) const {
  Probe read(handle_, Sql::rights_read, table);
  bool all = true, any = false;
  while (read.next()) {
    all = all && !read.is_op("Null");
    any = any || read.is_op("ResultRow");
  }
  WF_TRY(read.take_status());
  return read.is_compiled() && !(all && any) ? Status::ignored(any ? "READ of" : "SELECT of", table) : Status();
}

Status Rights::check_update(string_view table) const {
  Probe all(handle_, Sql::rights_columns, table);
  const int columns = all.columns() < kMostColumnsAsked ? all.columns() : kMostColumnsAsked;
  Text list;
  for (int i = 0; i < columns; ++i) list.add(i == 0 ? "" : ", ").add(all.name(i)).add('=').add_integer(kMark + i);
  if (!list.ok()) return Status::no_memory();
  WF_TRY(all.take_status());
  Probe update(handle_, Sql::rights_update, table, list.view());
  uint64_t left = (uint64_t{1} << columns) - 1;
  while (left != 0 && update.next()) {
    if (update.is_op("Integer") && update.p1() >= kMark && update.p1() < kMark + columns) left &= ~(uint64_t{1} << (update.p1() - kMark));
  }
  WF_TRY(update.take_status());
  if (!update.is_compiled() || left == 0) return {};
  Text column;
  column.add(table).add('.').add(all.name(__builtin_ctzll(left)));
  return Status::ignored("UPDATE of", column.view());
}

Status Rights::check_calls(Sql sql) const {
  Probe call(handle_, sql);
  const bool row = call.next();
  WF_TRY(call.take_status());
  if (!call.is_compiled()) return {};
  for (int i = 0; i < call.columns(); ++i) {
    if (!row || call.is_null(i)) return Status::ignored("FUNCTION", call.name(i));
  }
  return call.columns() != 0 ? Status() : Status::ignored("SELECT of", "json_each");
}

Status Rights::check_create() const {
  Probe create(handle_, Sql::rights_create);
  int trees = 0;
  bool all = true;
  while (create.next()) trees += create.is_op("CreateBtree"), all = all && !create.is_op("Column");
  WF_TRY(create.take_status());
  return create.is_compiled() && !(all && trees == 2) ? Status::ignored("CREATE", "TABLE or INDEX") : Status();
}

Status Rights::check(string_view text, sqlite3_stmt* statement) {
  if (trusted_) return {};
  const bool inserts = has_prefix(text, "INSERT ");
  const bool updates = has_prefix(text, "UPDATE ") || (inserts && contains(text, "DO UPDATE"));
  bool writes = inserts || updates || has_prefix(text, "DELETE ");
  for (size_t at = text.find("main."); at != string_view::npos; at = text.find("main.", at)) {
    at += 5;
    const size_t end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_", at);
    const string_view table = part(text, at, end == string_view::npos ? end : end - at);
    if (!has_prefix(table, "_wf_") && table != "sqlite_master") continue;
    // (What is written stands first.)
    if (writes && sqlite3_stmt_readonly(statement)) return Status::ignored(inserts ? "INSERT of" : "what is written to", table);
    WF_TRY(once(table, 'r', [&] { return check_read(table); }));
    if (writes && updates) WF_TRY(once(table, 'u', [&] { return check_update(table); }));
    writes = false;
  }
  WF_TRY(once("", 'f', [&] { return check_calls(Sql::rights_call); }));
  if (contains(text, "json")) WF_TRY(once("", 'j', [&] { return check_calls(Sql::rights_call_json); }));
  return contains(text, "RECURSIVE") ? once("", 'w', [&] { return check_calls(Sql::rights_recurse); }) : Status();
}

}  // namespace wf

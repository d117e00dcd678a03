#include "engine/check.h"

#include "base/json.h"
#include "engine/workflow.h"

namespace wf {
namespace {

// Collects what is wrong.
class Problems {
 public:
  Problems(Db& db, Text& out) : db_(db), out_(out) {}

  bool full() const { return count_ > kMostProblems; }
  int count() const { return count_; }

  void add(string_view problem, string_view where) {
    out_.add(count_++ == 0 ? "[{\"problem\":" : ",{\"problem\":");
    json::quote(problem, out_);
    out_.add(",\"where\":");
    json::quote(where, out_);
    out_.add('}');
  }

  // Adds the rows of a part of the check: (problem, where). Where the file is damaged such that SQLite cannot read it, that is one.
  Status add_all(Query& q) {
    return each(q, [](const Query&) { return true; });
  }
  Status add_all(Sql sql) {
    Query q(db_, sql);
    return add_all(q);
  }
  // Of rows with an id those that check_id() refuses.
  Status add_ids(Sql sql) {
    Query q(db_, sql);
    return each(q, [](const Query& row) { return row.value(1).type != Value::Type::text || !check_id("id", row.text(1)).ok(); });
  }

  // Of SQLite's own check what is not ok.
  Status add_damage(Sql sql) {
    Query q(db_, sql);
    return each(q, [](const Query& row) { return row.text(0) != "ok"; }, "SQLite finds the file damaged");
  }

  void end() {
    if (count_ != 0) out_.add(']');
  }

 private:
  // `problem`: of statements that say only where.
  template <class Wrong>
  Status each(Query& q, Wrong wrong, string_view problem = {}) {
    while (!full()) {
      bool row;
      Status read = q.next(&row);
      if ((read.rc() & 0xff) == SQLITE_CORRUPT) {
        add("SQLite finds the file damaged", read.message() != nullptr ? read.message() : "");
        return {};
      }
      WF_TRY(static_cast<Status&&>(read));
      if (!row) return {};
      if (!wrong(q)) continue;
      if (count_ == kMostProblems) add("and more", "");
      else if (!problem.empty()) add(problem, q.text(0));
      else add(q.text(0), q.text(1));
    }
    return {};
  }

  Db& db_;
  Text& out_;
  int count_ = 0;
};

// Whether there are tables, if only without the row that says so.
Status tables_exist(Db& db, bool* exist) {
  Query q(db, Sql::check_exists);
  return q.next(exist);
}

// What no column of its type and name can hold, table by table.
Status check_columns(Db& db, Problems& problems) {
  Query tables(db, Sql::check_columns);
  while (!problems.full()) {
    bool row;
    WF_TRY(tables.next(&row));
    if (!row) return {};
    Query q(db, tables.text(0));
    WF_TRY(problems.add_all(q));
  }
  return {};
}

}  // namespace

Status check(Db& db, FileCheck file, Text& out) {
  bool exists;
  int64_t version;
  Status known = db.schema_version(&exists, &version);
  // A version that is none is one of the problems; a format that is too new cannot be looked at.
  if (!known.ok() && (!known.is(Code::schema) || version != 0)) return known;
  if (known.ok() && !exists) WF_TRY(tables_exist(db, &exists));
  if (!exists) return {};
  Problems problems(db, out);
  if (file != FileCheck::none) WF_TRY(problems.add_damage(file == FileCheck::full ? Sql::check_file : Sql::check_file_quickly));
  const int of_file = problems.count();
  WF_TRY(problems.add_all(Sql::check_objects));
  if (problems.count() == of_file) {  // without its tables nothing else can be asked
    WF_TRY(check_columns(db, problems));
    WF_TRY(problems.add_ids(Sql::check_ids));
    for (const Sql sql : {Sql::check_meta, Sql::check_workflows, Sql::check_lanes, Sql::check_steps, Sql::check_rest}) WF_TRY(problems.add_all(sql));
  }
  problems.end();
  return out.ok() ? Status() : Status::no_memory();
}

}  // namespace wf

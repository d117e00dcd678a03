#include "engine/check.h"

#include "base/json.h"
#include "engine/above.h"
#include "engine/settings.h"
#include "engine/wait_row.h"
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
  // Of rows with a backoff those in which it is none.
  Status add_backoffs(Sql sql) {
    Query q(db_, sql);
    return each(q, [](const Query& row) {
      bool sound;
      (void)stored_backoff(row.text(2), &sound);
      return !sound;
    });
  }
  // Of rows of a table the texts that are none: names by check_name(), others in their encoding. `table`: its name, its columns, and which are names.
  Status add_texts(Query& q, const Query& table) {
    return each(q, [&](const Query& row) {
      json::Elements columns(json::check(table.text(2), nullptr)), are_names(json::check(table.text(3), nullptr));
      for (int i = 1; columns.next() && are_names.next(); ++i) {
        const string_view text = row.text(i);
        const bool is_name = are_names.value().text() == "1" && !text.empty();
        if (is_name ? check_name({}, text).ok() : is_utf8(text, &db_.stop())) continue;
        Text where;
        where.add(table.text(1)).add('.');
        json::unquote(columns.value(), where);
        where.add(" in the row of ").add(row.text(0));
        add_one("a column holds what it cannot", where.view());
      }
      return false;
    });
  }
  // Of rows of waits those that wait for nothing.
  Status add_waits(Sql sql) {
    Query q(db_, sql);
    return each(q, [this](const Query& row) {
      WaitRow wait;
      wait.kind = row.text(2);
      wait.topics = row.text(3);
      wait.due = row.time(4);
      wait.how = row.text(5);
      bool sound;
      return !wait.check(&db_.stop(), &sound).ok() || !sound;
    });
  }
  // What the folders above say.
  Status add_findings(Status (*check)(Db& db, const Findings& findings)) {
    return add_corruption(check(db_, {[](void* to, string_view problem, string_view where) { static_cast<Problems*>(to)->add_one(problem, where); }, this}));
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

  // The same while there is room.
  void add_one(string_view problem, string_view where) {
    if (count_ < kMostProblems) add(problem, where);
    else if (count_ == kMostProblems) add("and more", "");
  }

  void end() {
    if (count_ != 0) out_.add(']');
  }

 private:
  Status add_corruption(Status read) {
    if ((read.rc() & 0xff) != SQLITE_CORRUPT) return read;
    add_one("SQLite finds the file damaged", read.message() != nullptr ? read.message() : "");
    return {};
  }

  // `problem`: of statements that say only where.
  Status each(Query& q, const Callback<bool(const Query&)>& wrong, string_view problem = {}) {
    while (!full()) {
      bool row;
      if (Status read = q.next(&row); !read.ok()) return add_corruption(static_cast<Status&&>(read));
      if (!row) return {};
      if (!wrong(q)) continue;
      if (!problem.empty()) add_one(problem, q.text(0));
      else add_one(q.text(0), q.text(1));
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

// What no text can be, table by table.
Status check_texts(Db& db, Problems& problems) {
  Query tables(db, Sql::check_texts);
  while (!problems.full()) {
    bool row;
    WF_TRY(tables.next(&row));
    if (!row) return {};
    Query q(db, tables.text(0));
    WF_TRY(problems.add_texts(q, tables));
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
    WF_TRY(check_texts(db, problems));
    WF_TRY(problems.add_ids(Sql::check_ids));
    WF_TRY(problems.add_backoffs(Sql::check_backoffs));
    WF_TRY(problems.add_waits(Sql::check_waits));
    for (const Sql sql : {Sql::check_meta, Sql::check_workflows, Sql::check_lanes, Sql::check_steps, Sql::check_rest}) WF_TRY(problems.add_all(sql));
    for (const auto check : {db.above().kind->check, db.above().duty->check}) WF_TRY(problems.add_findings(check));
  }
  problems.end();
  return out.ok() ? Status() : Status::no_memory();
}

}  // namespace wf

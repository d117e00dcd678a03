#include "engine/check.h"

#include "base/json.h"

namespace wf {
namespace {

void add_problem(string_view problem, string_view where, int* count, Text& out) {
  out.add((*count)++ == 0 ? "[{\"problem\":" : ",{\"problem\":");
  json::quote(problem, out);
  out.add(",\"where\":");
  json::quote(where, out);
  out.add('}');
}

// Whether there are tables, if only without the row that says so.
Status tables_exist(Db& db, bool* exist) {
  Query q(db, Sql::check_exists);
  return q.next(exist);
}

}  // namespace

Status check(Db& db, Text& out) {
  bool exists;
  int64_t version;
  Status known = db.schema_version(&exists, &version);
  // A version that is none is one of the problems; a format that is too new cannot be looked at.
  if (!known.ok() && (!known.is(Code::schema) || version != 0)) return known;
  if (known.ok() && !exists) WF_TRY(tables_exist(db, &exists));
  if (!exists) return {};
  int count = 0;
  for (const Sql sql : {Sql::check_objects, Sql::check_meta, Sql::check_workflows, Sql::check_lanes, Sql::check_steps, Sql::check_rest}) {
    Query q(db, sql);
    for (;;) {
      bool row;
      WF_TRY(q.next(&row));
      if (!row) break;
      if (count == kMostProblems) {
        add_problem("and more", "", &count, out);
        break;
      }
      add_problem(q.text(0), q.text(1), &count, out);
    }
    // Without its tables nothing else can be asked.
    if (count > kMostProblems || (sql == Sql::check_objects && count != 0)) break;
  }
  if (count != 0) out.add(']');
  return out.ok() ? Status() : Status::no_memory();
}

}  // namespace wf

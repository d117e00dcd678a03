#include "scripts/define.h"

#include "base/json.h"
#include "base/scope.h"
#include "scripts/definition_reader.h"
#include "scripts/statement_check.h"

namespace wf {

Status define(Db& db, string_view name, string_view document, const Now& now, int64_t* version) {
  Mistakes mistakes;
  {
    Definition definition;
    WF_TRY(parse_definition(db, document, definition, mistakes));
    WF_TRY(check_statements(db, definition, mistakes));
  }
  WF_TRY(mistakes_error(name, mistakes));
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::refused, "wf_define"));
  Millis time;
  WF_TRY(call_time(db, now, &time));
  bool same = false;
  *version = 0;
  {
    Query q(db, Sql::definition_newest);
    q.bind(":name", name);
    bool row, failed = false;
    WF_TRY(q.next(&row));
    if (row) {
      *version = q.integer(0);
      same = json::same(json::check(q.text(1), &db.stop()), json::check(document, &db.stop()), &failed);
    }
    if (failed) return Status::no_memory();
  }
  WF_TRY(run_all(db, Sql::definition_retire, [&](Query& q) { q.bind(":name", name).bind(":but", same ? *version : -1); }));
  if (!same) {
    Query q(db, Sql::definition_add);
    q.bind(":name", name).bind(":version", ++*version).bind(":definition", document).bind(":now", time);
    WF_TRY(q.run());
  }
  return scope.commit();
}

Status undefine(Db& db, string_view name, const Now& now, bool* existed) {
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::refused, "wf_undefine"));
  Millis time;
  WF_TRY(call_time(db, now, &time));
  WF_TRY(run_all(db, Sql::definition_retire, [&](Query& q) { q.bind(":name", name).bind(":but", int64_t{-1}); }, existed));
  WF_TRY(run_all(db, Sql::definition_drop, [&](Query& q) { q.bind(":name", name); }));
  return scope.commit();
}

Status check_definitions(Db& db, const Findings& findings) {
  Query q(db, Sql::definition_all);
  for (;;) {
    bool row;
    WF_TRY(q.next(&row));
    if (!row) return {};
    Definition definition;
    Mistakes mistakes;
    WF_TRY(parse_definition(db, q.text(1), definition, mistakes));
    if (mistakes.count() != 0) findings.add(findings.to, "a definition is damaged", q.text(0));
  }
}

Status read_definition(Db& db, string_view name, int64_t* version, bool* found, Text& document) {
  Query q(db, *version == 0 ? Sql::definition_current : Sql::definition_version);
  q.bind(":name", name).bind(":version", *version);
  WF_TRY(q.next(found));
  if (!*found) return {};
  *version = q.integer(0);
  document.clear();
  document.add(q.text(1));
  return document.ok() ? Status() : Status::no_memory();
}

}  // namespace wf

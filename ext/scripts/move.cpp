#include "scripts/move.h"

#include <charconv>

#include "scripts/define.h"
#include "scripts/definition_reader.h"
#include "scripts/statement_check.h"
#include "scripts/step_row.h"

namespace wf {
namespace {

// The number that a version is, or 0.
int64_t number_of(string_view version) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(version.data(), version.data() + version.size(), number);
  return error == std::errc() && end == version.data() + version.size() && number > 0 && number <= kMostCount ? number : 0;
}

// Looks among the versions of a definition for one that is the same; `*version` is its number, or else a free one: that asked for, or a new one.
Status find_same(Db& db, string_view name, json::Checked document, int64_t* version, bool* found) {
  const int64_t wanted = *version;
  int64_t newest = 0;
  bool taken = false, failed = false;
  *found = false;
  Query q(db, Sql::definition_versions);
  q.bind(":name", name).bind(":version", wanted);
  for (;;) {
    bool row;
    WF_TRY(q.next(&row));
    if (!row) break;
    *version = q.count(0);
    *found = json::same(json::check(q.text(1), &db.stop()), document, &failed);
    if (failed) return Status::no_memory();
    if (*found) return {};
    newest = *version > newest ? *version : newest;
    taken = taken || *version == wanted;
  }
  *version = taken ? newest + 1 : wanted;
  return {};
}

Status run_at(Db& db, Sql sql, int64_t seq, Millis now) {
  Query q(db, sql);
  q.bind(":seq", seq).bind(":now", now);
  return q.run();
}

// Whether the definition has a step whose row this could be.
bool fits(const Definition& d, const StepRow& row, string_view kind) {
  const int64_t i = d.find(row.step_name());
  if (i < 0 || row.undo != has_prefix(row.name.view(), kUndo)) return false;
  const ScriptStep& s = d.step(static_cast<size_t>(i));
  return row.undo ? s.has_undo() : kind == action_name(s.action) && (row.item < 0 || s.has(Role::for_each));
}

Status check_steps(Db& db, const Definition& d, int64_t seq) {
  Query q(db, Sql::move_steps);
  q.bind(":seq", seq);
  for (;;) {
    bool found;
    WF_TRY(q.next(&found));
    if (!found) return {};
    StepRow row;
    WF_TRY(row.read(q, 0));
    if (q.integer(8) != 0 && fits(d, row, q.text(2)) && row.is_how(q.text(7))) continue;
    return Status::error(Code::invalid, "the step '%.*s' contradicts itself or the definition", WF_SV(row.name.view()));
  }
}

}  // namespace

Status show_definition(Db& db, string_view name, string_view version, Text& out) {
  int64_t number = number_of(version);
  bool found = false;
  Text document;
  if (number != 0) WF_TRY(read_definition(db, name, &number, &found, document));
  if (!json::valid(document.view(), &db.stop())) {
    return Status::error(Code::state, "version '%.*s' of the definition '%.*s' is gone or damaged", WF_SV(version), WF_SV(name));
  }
  out.add(document.view());
  return {};
}

Status take_definition(Db& db, string_view name, string_view version, json::Checked document, Millis now, Name* here) {
  int64_t number = number_of(version);
  if (number == 0) return Status::error(Code::invalid, "workflow.version must be the number of a version of the definition, got '%.*s'", WF_SV(version));
  {
    Definition definition;
    Mistakes mistakes;
    WF_TRY(parse_definition(db, document.text(), definition, mistakes));
    WF_TRY(mistakes_error(name, mistakes));
  }
  bool found;
  WF_TRY(find_same(db, name, document, &number, &found));
  if (!found) {
    Query q(db, Sql::definition_add_old);
    q.bind(":name", name).bind(":version", number).bind(":definition", document.text()).bind(":now", now);
    WF_TRY(q.run());
  }
  char digits[20];
  *here = string_view(digits, static_cast<size_t>(std::to_chars(digits, digits + sizeof digits, number).ptr - digits));
  return {};
}

Status check_imported(Db& db, int64_t seq, Millis now) {
  Name name;
  int64_t version;
  {
    Query q(db, Sql::move_definition);
    q.bind(":seq", seq);
    bool row;
    WF_TRY(q.next(&row));
    name = q.text(0);
    version = number_of(q.text(1));
  }
  {
    bool found;
    Text document;
    WF_TRY(read_definition(db, name.view(), &version, &found, document));
    Definition definition;
    Mistakes mistakes;
    WF_TRY(parse_definition(db, document.view(), definition, mistakes));
    WF_TRY(check_steps(db, definition, seq));
  }
  for (const Sql sql : {Sql::move_wake, Sql::move_due}) WF_TRY(run_at(db, sql, seq, now));
  return {};
}

}  // namespace wf

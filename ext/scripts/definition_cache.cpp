#include "scripts/definition_cache.h"

#include <charconv>
#include <new>

#include "scripts/define.h"
#include "scripts/definition_reader.h"
#include "scripts/statement_check.h"

namespace wf {

Scripts* Scripts::of(Db& db) {
  Db::Kept& kept = db.kept();
  if (kept.object == nullptr) {
    void* memory = sqlite3_malloc64(sizeof(Scripts));
    if (memory == nullptr) return nullptr;
    kept = {new (memory) Scripts(db), free};
  }
  return static_cast<Scripts*>(kept.object);
}

void Scripts::free(void* scripts) {
  static_cast<Scripts*>(scripts)->~Scripts();
  sqlite3_free(scripts);
}

Status Scripts::check_schema(bool* changed) {
  *changed = witness_ == nullptr;
  if (witness_ == nullptr) {
    const SqlText sql(Sql::run_witness);
    if (!sql.ok()) return Status::no_memory();
    const int rc = sqlite3_prepare_v3(db_.handle(), sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &witness_, nullptr);
    if (rc != SQLITE_OK) return Status::sqlite(rc, db_.handle());
  }
  const int rc = sqlite3_step(witness_);
  Status looked = rc == SQLITE_DONE || rc == SQLITE_ROW ? Status() : Status::sqlite(sqlite3_extended_errcode(db_.handle()), db_.handle());
  sqlite3_reset(witness_);
  const int prepared = sqlite3_stmt_status(witness_, SQLITE_STMTSTATUS_REPREPARE, 0);
  if (prepared != prepared_anew_ || !looked.ok()) *changed = true;
  prepared_anew_ = prepared;
  if (*changed) drop_all();
  return looked;
}

void Scripts::end() {
  int prepared = 0;
  for (const Program* program : programs_) prepared += program != nullptr ? program->prepared : 0;
  if (prepared > kMostStatements) drop_all();
}

void Scripts::drop_all() {
  for (Program*& program : programs_) drop(program);
}

void Scripts::drop(Program*& program) {
  if (program == nullptr) return;
  for (size_t i = 0; program->statements != nullptr && i < program->definition.size() * kRoles; ++i) db_.finalize(program->statements[i]);
  sqlite3_free(program->statements);
  program->~Program();
  sqlite3_free(program);
  program = nullptr;
}

Status Scripts::program(string_view name, string_view version, Program** out) {
  *out = nullptr;
  int64_t number = 0;
  std::from_chars(version.data(), version.data() + version.size(), number);
  if (number <= 0) return {};
  bool found;
  Text document;
  size_t oldest = 0;
  for (size_t i = 0; i < kMost; ++i) {
    Program* p = programs_[i];
    if (p != nullptr && p->name.view() == name && p->version.view() == version) {
      p->used = ++uses_;
      if (p->call == calls_) {
        *out = p;
        return {};
      }
      // A transaction that was rolled back may have made this number stand for another document.
      WF_TRY(read_definition(db_, name, &number, &found, document));
      p->call = calls_;
      if (found && document.view() == p->definition.document()) {
        *out = p;
        return {};
      }
      drop(programs_[i]);
      p = nullptr;
    }
    if (p == nullptr || (programs_[oldest] != nullptr && p->used < programs_[oldest]->used)) oldest = i;
  }
  WF_TRY(read_definition(db_, name, &number, &found, document));
  if (!found) return {};
  void* memory = sqlite3_malloc64(sizeof(Program));
  if (memory == nullptr) return Status::no_memory();
  Program* program = new (memory) Program;
  Mistakes mistakes;
  Status parsed = parse_definition(db_, document.view(), program->definition, mistakes);
  const size_t bytes = program->definition.size() * kRoles * sizeof(sqlite3_stmt*);
  if (parsed.ok() && mistakes.count() == 0) {
    program->statements = static_cast<sqlite3_stmt**>(sqlite3_malloc64(bytes));
    if (program->statements == nullptr) parsed = Status::no_memory();
    else std::memset(program->statements, 0, bytes);
  }
  if (!parsed.ok() || mistakes.count() != 0) {
    drop(program);
    return parsed;
  }
  program->name = name;
  program->version = version;
  program->used = ++uses_;
  program->call = calls_;
  drop(programs_[oldest]);
  programs_[oldest] = program;
  *out = program;
  return {};
}

Status Scripts::statement(Program& program, size_t step, Role role, sqlite3_stmt** out, Text& why) {
  sqlite3_stmt*& kept = program.statements[step * kRoles + static_cast<size_t>(role)];
  if (kept == nullptr) {
    const Definition& d = program.definition;
    WF_TRY(prepare_statement(db_, d, d.step(step).text(role), d.is_query(step, role), &kept, why));
    program.prepared += kept != nullptr;
  }
  *out = kept;
  if (kept != nullptr) sqlite3_reset(kept);
  return {};
}

}  // namespace wf

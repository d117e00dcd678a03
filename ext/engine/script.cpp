#include "engine/script.h"

#include <charconv>
#include <new>

namespace wf {

Scripts::~Scripts() {
  for (Program* program : programs_) drop(program);
}

void Scripts::drop(Program* program) {
  if (program == nullptr) return;
  for (size_t i = 0; program->statements != nullptr && i < program->definition.size() * kRoles; ++i) sqlite3_finalize(program->statements[i]);
  sqlite3_free(program->statements);
  program->~Program();
  sqlite3_free(program);
}

Status Scripts::program(string_view name, string_view version, Program** out) {
  *out = nullptr;
  size_t oldest = 0;
  for (size_t i = 0; i < kMost; ++i) {
    Program* p = programs_[i];
    if (p != nullptr && p->name.view() == name && p->version.view() == version) {
      p->used = ++uses_;
      *out = p;
      return {};
    }
    if (p == nullptr || (programs_[oldest] != nullptr && p->used < programs_[oldest]->used)) oldest = i;
  }
  int64_t number = 0;
  std::from_chars(version.data(), version.data() + version.size(), number);
  bool found = false;
  Text document;
  if (number > 0) WF_TRY(read_definition(db_, name, &number, &found, document));
  if (!found) return {};
  void* memory = sqlite3_malloc64(sizeof(Program));
  if (memory == nullptr) return Status::no_memory();
  Program* program = new (memory) Program;
  Mistakes mistakes;
  Status parsed = program->definition.parse(document.view(), mistakes);
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
  drop(programs_[oldest]);
  programs_[oldest] = program;
  *out = program;
  return {};
}

Status Scripts::statement(Program& program, size_t step, Role role, sqlite3_stmt** out, Text& why) {
  sqlite3_stmt*& kept = program.statements[step * kRoles + static_cast<size_t>(role)];
  if (kept == nullptr) {
    const Definition& d = program.definition;
    const ScriptStep& s = d.step(step);
    const bool is_output = d.has_output() && step + 1 == d.size();
    const bool query = !(role == Role::undo || (role == Role::action && s.action == Action::sql && !is_output));
    WF_TRY(prepare_statement(db_, s.text(role), query, &kept, why));
  }
  *out = kept;
  if (kept != nullptr) sqlite3_reset(kept);
  return {};
}

}  // namespace wf

// The definitions that one call of wf_run works with: parsed once, their statements prepared once, all given up at its end.
#pragma once

#include "engine/compile.h"

namespace wf {

struct Program {
  Name name, version;
  Definition definition;
  sqlite3_stmt** statements = nullptr;  // by step and role
  uint64_t used = 0;
};

class Scripts {
 public:
  explicit Scripts(Db& db) : db_(db) {}
  Scripts(const Scripts&) = delete;
  Scripts& operator=(const Scripts&) = delete;
  ~Scripts();

  // The version of a definition; nullptr: there is none, or it is damaged.
  Status program(string_view name, string_view version, Program** out);
  // A statement, reset and ready to be bound. nullptr: it cannot run here, `why` says why.
  Status statement(Program& program, size_t step, Role role, sqlite3_stmt** out, Text& why);

 private:
  static constexpr size_t kMost = 8;
  void drop(Program* program);

  Db& db_;
  Program* programs_[kMost] = {};
  uint64_t uses_ = 0;
};

}  // namespace wf

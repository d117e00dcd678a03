// The definitions that wf_run has worked with lately, kept with the connection: parsed once, their statements prepared once.
//
// A statement is checked when it is prepared. SQLite prepares it anew when the schema has changed, without asking us; so all are given up then.
#pragma once

#include "engine/compile.h"

namespace wf {

struct Program {
  Name name, version;
  Definition definition;
  sqlite3_stmt** statements = nullptr;  // by step and role
  int prepared = 0;
  uint64_t used = 0;
  uint64_t call = 0;                    // the call of wf_run that has compared it with what is stored
};

class Scripts {
 public:
  // Those of the connection; nullptr: out of memory.
  static Scripts* of(Db& db);
  Scripts(const Scripts&) = delete;
  Scripts& operator=(const Scripts&) = delete;

  // To be called as a call of wf_run begins and ends.
  Status begin();
  void end();

  // The version of a definition; nullptr: there is none, or it is damaged.
  Status program(string_view name, string_view version, Program** out);
  // A statement, reset and ready to be bound. nullptr: it cannot run here, `why` says why.
  Status statement(Program& program, size_t step, Role role, sqlite3_stmt** out, Text& why);

 private:
  static constexpr size_t kMost = 8;
  static constexpr int kMostStatements = 64;  // kept beyond a call: a statement takes some kilobytes

  explicit Scripts(Db& db) : db_(db) {}
  ~Scripts() { drop_all(); }
  static void free(void* scripts);
  void drop(Program*& program);
  void drop_all();

  Db& db_;
  Program* programs_[kMost] = {};
  uint64_t uses_ = 0, calls_ = 0;
  int64_t schema_ = -1;  // version of the schema for which the statements were checked
};

}  // namespace wf

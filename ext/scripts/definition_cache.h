// The definitions that wf_run has worked with lately, kept with the connection: parsed once, their statements prepared once.
//
// A statement is checked when it is prepared. SQLite prepares it anew, without asking us, when the schema has changed, also by a rollback, or a
// setting of the connection on which its program depends; so all are given up then. One that reads nothing tells: SQLite counts how often it
// was prepared anew, and it is whenever the others are.
#pragma once

#include "scripts/definition.h"

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
  void begin() { ++calls_; }
  void end();
  // To be called before each step, in its transaction. `*changed`: programs and statements that were given out are no more.
  Status check_schema(bool* changed);

  // The version of a definition; nullptr: there is none, or it is damaged.
  Status program(string_view name, string_view version, Program** out);
  // A statement, reset and ready to be bound. nullptr: it cannot run here, `why` says why.
  Status statement(Program& program, size_t step, Role role, sqlite3_stmt** out, Text& why);

 private:
  static constexpr size_t kMost = 8;
  static constexpr int kMostStatements = 64;  // kept beyond a call: a statement takes some kilobytes

  explicit Scripts(Db& db) : db_(db) {}
  ~Scripts() {
    drop_all();
    db_.finalize(witness_);
  }
  static void free(void* scripts);
  void drop(Program*& program);
  void drop_all();

  Db& db_;
  Program* programs_[kMost] = {};
  uint64_t uses_ = 0, calls_ = 0;
  sqlite3_stmt* witness_ = nullptr;
  int prepared_anew_ = 0;  // the witness, when it was looked at last
};

}  // namespace wf

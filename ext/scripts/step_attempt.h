// A step that is being executed: what is known of it and of its workflow, its statements, and what came of them.
//
// What goes wrong with a step is no error of wf_run. Where that happens, the function succeeds and the attempt is `stopped()`. It has
// failed, or cannot be made on this connection: then it is `undone()`, and everything that it has written is rolled back. Or it is overtaken.
#pragma once

#include "base/numbers.h"
#include "scripts/bind.h"
#include "scripts/definition_cache.h"
#include "scripts/step_row.h"

namespace wf {

struct Attempt {
  Attempt(Db& database, Scripts& kept, int64_t workflow, Millis time)
      : db(database), scripts(kept), seq(workflow), now(time), facts(database, workflow), rows(database, workflow, time) {}

  Db& db;
  Scripts& scripts;
  const int64_t seq;
  const Millis now;
  Facts facts;
  StepRows rows;

  // The workflow.
  Program* program = nullptr;
  Name queue;
  int64_t priority = 0;
  bool ending = false;    // it is undone
  bool again = false;     // its own attempt has not begun
  bool retried = false;   // some steps may have been forgotten, others not

  // The step.
  StepRow row;
  const Definition& definition() const { return program->definition; }
  const ScriptStep& step() const { return definition().step(row.step); }
  // The kind of its row.
  string_view kind() const { return row.undo ? "undo" : action_name(step().action); }
  // Whether a child does it.
  bool is_child() const { return row.undo ? !step().undo_task.empty() : step().action == Action::task || step().action == Action::start; }

  // What came of it.
  Text result;            // JSON
  bool failed = false, for_good = false;
  bool unfit = false;     // its statement does not compile here
  Text error;             // why, JSON
  bool nested = false;    // a statement has written otherwise than by itself
  bool overtaken = false; // a query of the step has ended or paused the workflow: nothing more of the step is done
  bool ended = false;     // the workflow is over: its own row is written
  bool undone() const { return failed || unfit; }
  bool stopped() const { return undone() || overtaken; }

  // Whether the statements so far have ended, paused or deleted the workflow.
  Status has_changed(bool* changed);
  // The same of whoever has written since it was looked at; else `again` is as it is now.
  Status look_again(bool* changed);

  // Forgets what came of the last one.
  void clear();
  void fail(const char* code, const char* message, bool lasting = false);
  // Takes an error that is the step's own as its failure, and hands on every other.
  Status own(Status status);

  // Whether the condition holds, as WHERE sees it.
  Status condition(Role role, bool* holds);
  // The first column of the first row of a query, NULL if there is none, its bytes held by `buffer`.
  Status single(Role role, Text& buffer, Value* out);
  // The same as an input: text that is no JSON becomes a JSON string.
  Status single_json(Role role, Text& buffer, Value* out);
  // Every row of a query as JSON, one after the other: the value where it has one column, else an object. `ends`: where each ends.
  Status list(Role role, Text& rows_json, Numbers& ends);
  // Runs the statement to its end, for the result.
  Status run(Role role);

 private:
  Status prepare(Role role, sqlite3_stmt** out);
  Status next_row(sqlite3_stmt* statement, bool* there);
  Status end_query(sqlite3_stmt* statement, int changes_before);
  template <class F>
  Status first(Role role, F&& use);
  bool foreign_keys_violated() const;
};

}  // namespace wf

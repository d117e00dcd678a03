// The rows of a scripted workflow's steps.
//
// How far such a workflow is stands in its rows of _wf_step, and nowhere else. A step has a row from the moment on when all that it comes
// after is over. Its name is the step's, `step[i]` for an item of a for_each (from 0), `undo step` and `undo step[i]` for what takes it
// back; its kind is the key word of its action, or `undo`. Its status:
//   ready     to be looked at when due_at comes; without due_at it is in line behind others (undo). With begun_at it has been opened
//             before, and something has happened: it is to be decided
//   waiting   opened: a sleep, an await, a child that runs, a share, a for_each with open items; due_at is the end of a sleep, the timeout, or when
//             a share is due
//   done, failed, skipped    over. A failed one has an output if the workflow goes on nevertheless (on_error)
// topics holds an item's value or the names that are awaited, how the number of items or of the next round of a loop, and
// of an open share how many.
#pragma once

#include "base/db.h"

namespace wf {

// Begins the names of rows that take a step back.
inline constexpr string_view kUndo = "undo ";

// The row that is looked at.
struct StepRow {
  int64_t n = 0;           // 0: there is none
  Name name;
  bool undo = false, begun = false;
  bool unwritten = false;  // it is known what comes next, but it has no row yet
  size_t step = 0;         // in the definition
  int64_t item = -1;
  int64_t attempts = 0, iteration = 0;
  int64_t items = -1;      // of a for_each whose items have rows
  int64_t amount = 1;      // of a share
  Millis due = kNoTime;
  Millis begun_at = kNoTime;    // if it is begun
  Text topics;

  void clear();
  // Column how of a share.
  void add_how(Text& out) const;
  // Whether column how, of which this was read, is as a call writes it.
  bool is_how(string_view how) const;
  // Reads n, name, kind, attempts, begun_at, due_at, topics and how, which are columns of the query from `column` on.
  Status read(const Query& q, int column);
  bool is_there() const { return n != 0 || unwritten; }
  // The name of the step or item itself, also in an undo.
  string_view base() const { return part(name.view(), undo ? kUndo.size() : 0); }
  // The name that the step has in the definition.
  string_view step_name() const { return part(base(), 0, base().find('[')); }
};

// How a step is over.
struct StepEnd {
  string_view status;
  string_view output;      // empty: the one there is, of a loop, stays
  string_view error;
  bool goes_on = false;    // failed, and passed over
};

// What is stored of the steps of one workflow.
class StepRows {
 public:
  StepRows(Db& db, int64_t seq, Millis now) : db_(db), seq_(seq), now_(now) {}

  // Puts a step in line, unless it has a row; `*added` (may be nullptr) counts it.
  Status add(string_view name, string_view kind, Millis due, string_view topics, int64_t* added);
  // Gives an unwritten one its row.
  Status make(StepRow& row, string_view kind);
  // It waits from now on; without topics those that it has stay, and so without `how`.
  Status open(const StepRow& row, Millis due, string_view topics, string_view how = {});
  // The same for so many items; those that are there already are open again, unless they are over.
  Status open_items(const StepRow& row, int64_t count);
  // Notes the topics (a JSON array) that it waits for: "e" events, "w" workflows; and forgets them.
  Status wait_for(const StepRow& row, string_view kind, string_view topics);
  Status forget(const StepRow& row);
  // It is looked at again: in the next round of its loop, after a failure, or by a connection that can run it.
  Status iterate(const StepRow& row, string_view output);
  Status retry(const StepRow& row, Millis due, string_view error);
  Status put_off(const StepRow& row, Millis due, string_view error);
  // It is over. `*inserted`: it has a new row, because it had none or, if its statement has ended the workflow, none any more. `nested`:
  // the statement may have deleted the workflow.
  Status record(const StepRow& row, string_view kind, const StepEnd& end, bool nested, bool* inserted);
  // Puts it last in the order of recording.
  Status renumber(StepRow& row, string_view kind);
  // The next undo in line is to be looked at.
  Status next_planned(bool* found);
  // A step that was stopped, a loop for example, is in line again; `*added` counts it.
  Status again(string_view name, int64_t* added);

  // The number of a step's row, 0 if it has none.
  Status number(string_view name, int64_t* n);
  // Whether the row is as it was looked at, and still open.
  Status is_unchanged(const StepRow& row, bool* unchanged);
  // Whether a step is over, such that those after it can go on.
  Status is_over(string_view name, bool* over) { return exists(Sql::run_finished, name, over); }
  // Whether undoing has begun.
  Status is_undoing(bool* undoing) { return exists(Sql::run_undo_begun, {}, undoing); }
  // The results of a step's items as a JSON array, unless one is `*open`.
  Status items(string_view step, bool* open, Text& results);
  // When the next one is to be looked at, and whether any waits.
  Status next_due(Millis* due, bool* waits);

 private:
  Status exists(Sql sql, string_view name, bool* found);

  Db& db_;
  int64_t seq_;
  Millis now_;
};

}  // namespace wf

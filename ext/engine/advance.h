// One step of a workflow scripted in SQL.
//
// How far such a workflow is stands in its rows of _wf_step, and nowhere else. A step has a row from the moment on when all that it comes after is
// over. Its name is the step's, `step[i]` for an item of a for_each (from 0), `undo step` and `undo step[i]` for what takes it back; its kind is the key
// word of its action, or `undo`. Its status:
//   ready     to be looked at when due_at comes; without due_at it is in line behind others (undo). With begun_at it has been opened before, and
//             something has happened: it is to be decided
//   waiting   opened: a sleep, an await, a child that runs, a for_each with open items; due_at is the end of a sleep or the timeout
//   done, failed, skipped    over. A failed one has an output if the workflow goes on nevertheless (on_error)
// topics holds an item's value or the names that are awaited, how the number of items or of the next round of a loop.
#pragma once

#include "engine/script.h"

namespace wf {

// How long to keep at one workflow.
struct Batch {
  int64_t steps;   // at most
  Millis until;    // by the wall clock; kNoTime: no matter how long
};

// Executes the next steps of the workflow `seq`, each in a write scope of its own: a step's statement and its record stand or fall together, and a
// statement that fails leaves nothing but the record of its failure. `*executed` is the number of steps, `*moved`: something was done. Errors are those
// that are no fault of a step (SQLite is busy, interrupted, out of memory ...), and WF_STATE if a statement has ended the transaction.
Status advance(Db& db, Scripts& scripts, int64_t seq, Millis now, const Batch& batch, int64_t* executed, bool* moved);

// The steps of scripted workflows that wait for this topic (see _wf_waiter) are to be looked at, and so are their workflows.
Status wake_steps(Db& db, string_view topic, Millis now);
// The same for the awaits of one workflow, for a signal.
Status wake_awaits(Db& db, const Workflow& workflow, string_view signal, Millis now);

}  // namespace wf

// Waits: sleeps, signals, events, joins.
//
// A wait is opened by the function that waits, if it is not satisfied at once: its step gets the status 'waiting', the claim is over, and the
// workflow is suspended until it is due: its wake-up time, or the moment when something that it waits for happens. It is decided, and its
// outcome recorded for good, by whoever looks first afterwards: the next claim, or the same function by bare id. Both read what has
// happened from the tables, so a wake-up too many does no harm, and none can be missed: everyone writes under the write lock.
#pragma once

#include "engine/wait_row.h"

namespace wf {

struct Wait {
  WaitKind kind = WaitKind::sleep;
  string_view step;
  string_view topics;          // JSON array: signals, events or workflow ids; of a join empty: the children spawned so far
  Millis timeout = kNoTime;    // from now; of a sleep its length
  Millis until = kNoTime;      // of a sleep, instead
  bool any = false;            // of a join: the earliest is enough
  bool outputs = true;         // of a join: with outputs and errors
};

// Opens the wait, repeats it, or reads its outcome. `*ready`: `output` is the recorded outcome (JSON), `*due` the wake-up time of a sleep.
// Not ready: the workflow is suspended. WF_NONDETERMINISM if the step is of another kind; all that may_act() raises.
Status wait(Db& db, const Handle& handle, const Wait& args, const Now& now, bool* ready, Text& output, Millis* due);

// Looks whether the open wait of a waiting workflow is satisfied. If so, its outcome is recorded, and the caller moves the workflow on.
// If not, the workflow is put back to where it waits, and is not due any more. WF_STATE if the stored wait cannot be one.
Status decide_wait(Db& db, const Workflow& workflow, Millis now, bool* satisfied);

// Looks whether what a step of a workflow of another kind waits for, a signal or an event, has come, or its time is up; then `output` is the
// outcome. `n` is the number of its row.
Status decide_step(Db& db, int64_t seq, int64_t n, WaitKind kind, string_view topics, Millis due, Millis now, bool* satisfied, Text& output);

// The workflow waits no more: it is pending, due at once (paused: once it is resumed).
Status leave_wait(Db& db, const Workflow& workflow, Millis now);

// Forgets the open wait of a workflow that ends or goes into its second phase.
Status drop_wait(Db& db, const Workflow& workflow);

// What a handle may do that has to wait for something outside: suspends the workflow until `due` (kNoTime: until it is woken).
Status suspend(Db& db, const Handle& handle, const Workflow& workflow, Millis due, Millis now);

}  // namespace wf

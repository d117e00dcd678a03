// Waits: for a time, signals, events, the end of other workflows, for one of them or several.
//
// A wait is opened by the function that waits, if it is not satisfied at once: its step gets the status 'waiting', the claim is over, and the
// workflow is suspended until it is due: its wake-up time, or the moment when something that it waits for happens. It is decided, and its
// outcome recorded for good, by whoever looks first afterwards: the next claim, or the same function by bare id. Both read what has
// happened from the tables, so a wake-up too many does no harm, and none can be missed: everyone writes under the write lock.
#pragma once

#include "engine/wait_row.h"

namespace wf {

// A wait may keep the claim: then it is open, and its times are fixed, while the claim goes on; there may be several. When the claim is released,
// ends with its lease, or waits for something without keeping itself, the workflow is suspended until any of its open waits is satisfied.
struct Wait {
  string_view step;
  string_view kind;            // of the step: wait_kind_name() of the one thing, or kWaitAny
  List<Awaited> things;
  Millis timeout = kNoTime;    // from now
  bool all = false;
  bool keep = false;           // keeps the claim
  bool cleanup = false;        // the workflow ends in two phases from now on
  Fingerprint print;
};

// Opens the wait, repeats it, or reads its outcome. `*ready`: `output` is the recorded outcome (JSON), `*due` the wake-up time of a sleep.
// Not ready: the workflow is suspended. WF_NONDETERMINISM if the step is of another kind; all that may_act() raises.
Status wait(Db& db, const Handle& handle, const Wait& args, const Now& now, bool* ready, Text& output, Millis* due);
// The same in a scope that is open, for the workflow of the handle, after check_keep().
Status wait_in_scope(Db& db, const Handle& handle, Workflow& w, const Wait& args, Millis now, bool* ready, Text& output, Millis* due);
// WF_INVALID: only a token has a claim to keep.
Status check_keep(const Handle& handle, bool keep);

// Looks whether an open wait of a waiting workflow is satisfied. If so, its outcome is recorded, and the caller moves the workflow on.
// If not, the workflow is put back to where it waits, and is not due any more. `*by`: what has ended it, of several waits the first; as it was where
// nothing holds it. WF_STATE if the stored wait cannot be one.
Status decide_wait(Db& db, const Workflow& workflow, Millis now, bool* satisfied, Wake* by);

// Whether a claim would find that a workflow with open waits, and with these flags, waits on. So it is where something has come, but not all that is
// needed, or who is joined goes on since: looked at only where that can be. Writes nothing.
Status waits_in_vain(Db& db, int64_t seq, int64_t flags, Millis now, bool* out);

// The workflow waits no more: it is pending, due at once (paused: once it is resumed).
Status leave_wait(Db& db, const Workflow& workflow, Millis now);

// Forgets the open waits of a workflow that ends or goes into its second phase.
Status drop_wait(Db& db, const Workflow& workflow, Millis now);

// What a handle may do that has to wait for something outside: suspends the workflow until `due` (kNoTime: until it is woken), or until another
// open wait is satisfied.
Status suspend(Db& db, const Handle& handle, const Workflow& workflow, Millis due, Millis now);

// The workflow's claim is over: given back, or run out, which is the same to it where waits are open: then it is suspended until one is satisfied,
// which may be now, and nothing was lost. Else `*suspended` is false.
Status suspend_kept(Db& db, const Workflow& workflow, Millis now, bool* suspended);

}  // namespace wf

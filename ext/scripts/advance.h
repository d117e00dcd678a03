// The loop in which a workflow scripted in SQL is advanced, one step after the other. What its steps do is in step_actions.h, what
// follows from it in step_outcome.h, which come next in step_order.h, and what is stored of them in step_row.h.
#pragma once

#include "scripts/definition_cache.h"

namespace wf {

// How long to keep at one workflow.
struct Batch {
  int64_t steps;   // at most
  Millis until;    // by the wall clock; kNoTime: no matter how long
  int64_t behind = INT64_MAX;  // the step after which the workflow stands behind the others that are due
};

// Executes the next steps of the workflow `seq`, each in a write scope of its own: a step's statement and its record stand or fall
// together, and a statement that fails leaves nothing but the record of its failure. `*executed` counts those that stand, also where the
// call fails or begins anew, `*moved`: something was done. Errors are those that are no fault of a step (SQLite is busy, interrupted, out of memory ...), and WF_STATE if a
// statement has ended the transaction.
Status advance(Db& db, Scripts& scripts, int64_t seq, Millis now, const Batch& batch, int64_t* executed, bool* moved);

}  // namespace wf

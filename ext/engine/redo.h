// Redo numbers: how often the record of a step was dropped, so that it is done again.
//
// The number is the step's own, and part of what wf_key and the default id of a child are made of: what is done again is another thing to
// the outside, and what was not dropped is the same as before. It is 0 until wf_retry or wf_continue drops the step. Then it outlives
// the row of the step: one row of _wf_redo for a step that was dropped, none for any other.
#pragma once

#include "engine/workflow.h"

namespace wf {

// The redo number of a step, recorded or not.
Status step_redo(Db& db, const Workflow& workflow, string_view step, int64_t* redo);
// The same where the workflow's number and its column redo are at hand.
Status step_redo(Db& db, int64_t seq, int64_t of_workflow, string_view step, int64_t* redo);

// Raises the redo number of the steps recorded at `from_n` (column n of _wf_step) or later. To be called before their rows are dropped. One
// that was begun and is not finished keeps its number, as it has no record: its effect may have happened, and is known by its key.
Status raise_redo(Db& db, int64_t seq, int64_t from_n);

// Raises the redo number of every step of the workflow, recorded or not, above all that it has had: for a history that is dropped as a whole.
// Takes no room, however long that history was. Changes column redo of its row: who has loaded it has the number of before.
Status raise_redo_of_all(Db& db, int64_t seq);

}  // namespace wf

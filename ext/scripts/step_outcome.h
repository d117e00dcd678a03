// What follows from what came of a step: its row is recorded, the steps that come next are put in line, and the workflow is suspended until
// the first of them is to be looked at, or ends.
#pragma once

#include "scripts/step_actions.h"

namespace wf {

// The step was executed. `*next`: the step that is known to come next, the only one that is open; it has no row yet. Else -1.
Status follow(Attempt& attempt, Upshot upshot, int64_t* next);
// The step has failed, and its row stands as it did before. It is tried again, passed over, or fails the workflow.
Status follow_failure(Attempt& attempt);

// Says when the workflow is to be looked at again, or ends it if nothing of it is open. `*more` (may be nullptr): steps were put in line.
Status settle(Attempt& attempt, bool* more);
// It is not to be looked at before `due` (kNoTime: until it is woken).
Status suspend(Attempt& attempt, State state, Millis due);
// If it is due on, others that are come first, also those that are new.
Status stand_behind(Attempt& attempt);
// An attempt of the workflow begins.
Status begin_attempt(Attempt& attempt);

}  // namespace wf

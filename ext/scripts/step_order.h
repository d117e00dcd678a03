// Which steps come next.
//
// A step is put in line when all that it comes after is over. As long as no step can have been forgotten since (by wf_retry), those that
// come next follow from the one that has just ended. `*added` counts what was put in line.
#pragma once

#include "scripts/step_attempt.h"

namespace wf {

// Puts the steps in line that came after `step` and nothing else that is still open.
Status put_next_in_line(Attempt& attempt, size_t step, int64_t* added);
// Puts every step in line that has not been, or has failed before a retry, and comes only after what is over all the way back.
Status put_all_in_line(Attempt& attempt, int64_t* added);
// Puts in line what takes back the steps that are done, the last one first; only the first undo is to be looked at at once.
Status plan_undo(Attempt& attempt, int64_t* added);

}  // namespace wf

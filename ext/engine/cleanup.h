// The option cleanup of what a workflow's code calls: it knows what it can undo, and who has started it need not.
#pragma once

#include "engine/workflow.h"

namespace wf {

// From now on the workflow ends in two phases (end.h). Written once; nothing if it has ended, or the token is not that of its current claim.
Status end_in_two_phases(Db& db, const Handle& handle, Workflow& workflow, Millis now);
// The same said by a call that is given again what it has recorded, or waits for: whoever may be given that may not have this written. The call that
// suspended the workflow may, until it goes on; others as wf_step may record.
Status repeat_in_two_phases(Db& db, const Handle& handle, Workflow& workflow, Millis now);

}  // namespace wf

// The budgets of a workflow: failures and lost leases in a row.
//
// Both rows are counted when one is added, and not when a step is recorded, which writes its own row alone: column mark is the workflow's newest
// step row by then, and a later one breaks the row.
#pragma once

#include "engine/settings.h"

namespace wf {

struct InARow {
  int64_t failures = 0;  // of the workflow itself, since a step was recorded
  int64_t lost = 0;      // leases, since a step or a wait was recorded
};

// What stands before a failure or lost lease that is about to be added. Whoever writes either number writes both, and the mark.
Status in_a_row(Db& db, const Workflow& workflow, InARow* out);

}  // namespace wf

// What a step does: its conditions, its action, its undo.
//
// An action either has a result at once, or opens its row and waits: a sleep for its end, an await for a signal or an event, a child for
// its end, a for_each for its items. Once something has happened to what was opened, the step is executed again, and decides.
#pragma once

#include "scripts/step_attempt.h"

namespace wf {

// What came of it.
enum class Upshot : char {
  stopped,     // nothing, see Attempt::stopped()
  done,        // it has its result; of a loop: this round
  loop_over,   // the loop has, its condition holds no more
  skipped,
  waits,       // its row is open
  items,       // its row is open, and its items are in line, if there are any
};

Status execute(Attempt& attempt, Upshot* upshot);

}  // namespace wf

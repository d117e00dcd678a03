// What the functions that wait have in common.
#pragma once

#include "engine/wait.h"
#include "functions/call.h"

namespace wf {

// Handle, step, and the result of a wait: NULL while it is open.
Status run_wait(Call& call, Wait& args);
// The same of a wait for one thing.
Status wait_for_one(Call& call, const Awaited& thing, Wait& args);

}  // namespace wf

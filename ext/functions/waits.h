// What the functions that wait have in common.
#pragma once

#include "engine/wait.h"
#include "functions/call.h"

namespace wf {

// Handle, step, and the result of a wait: NULL while it is open.
Status run_wait(Call& call, Wait& args);

// The end of a sleep, or its length: text is a duration where it can be one, else a time; numbers are seconds.
Status read_sleep(const char* what, const Value& given, Awaited* out);

}  // namespace wf

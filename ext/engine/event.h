// Events: named facts for everyone.
#pragma once

#include "engine/wait_row.h"

namespace wf {

// wf_emit: the first payload of an event stands. `*first`: it is this one; else `*standing` is the other, its bytes held by `buffer`.
Status emit_event(Db& db, string_view event, const Value& payload, const Now& now, bool* first, Text& buffer, Value* standing);

// Looks for the earliest of the events that was there in time; `output` is the outcome.
Status decide_event(Db& db, const WaitRow& row, bool* satisfied, Text& output);

}  // namespace wf

// Events: named facts for everyone.
#pragma once

#include "engine/wait_row.h"

namespace wf {

// wf_emit: the first payload of an event stands. `*first`: it is this one; else `*standing` is the other, its bytes held by `buffer`.
Status emit_event(Db& db, string_view event, const Value& payload, const Now& now, bool* first, Text& buffer, Value* standing);

// The earliest of the events that was there in time.
Status look_for_event(Db& db, const Awaited& thing, Millis until, Came* came);
Status show_event(Db& db, int64_t n, Text& out);

}  // namespace wf

// Signals: messages to one workflow, each taken by one await.
#pragma once

#include "engine/wait_row.h"

namespace wf {

// wf_signal: a message to one workflow. `*sent` is false if its key was used before.
Status send_signal(Db& db, string_view id, string_view signal, const Value& payload, string_view key, const Now& now, bool* sent);

// The earliest signal in line that arrived in time, but none of `taken`, a JSON array of the numbers of signals.
Status look_for_signal(Db& db, int64_t seq, const Awaited& thing, Millis until, string_view taken, Came* came);
Status show_signal(Db& db, int64_t n, Text& out);
// It is taken by the step of the number `step`.
Status take_signal(Db& db, int64_t n, int64_t step);

}  // namespace wf

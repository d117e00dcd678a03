// Signals: messages to one workflow, each taken by one await.
#pragma once

#include "engine/wait_row.h"

namespace wf {

// wf_signal: a message to one workflow. `*sent` is false if its key was used before.
Status send_signal(Db& db, string_view id, string_view signal, const Value& payload, string_view key, const Now& now, bool* sent);

// Takes the earliest signal that arrived in time; `output` is the outcome.
Status decide_signal(Db& db, int64_t seq, const WaitRow& row, bool* satisfied, Text& output);

}  // namespace wf

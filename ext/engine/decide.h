// What decides a wait, be it of a worker's workflow or of one of another kind.
#pragma once

#include "engine/wait_row.h"

namespace wf {

// Looks whether what the row waits for has come, or its time is up; then `output` is its outcome (JSON), the signals in it are taken by the row, and `*by`
// (may be nullptr) is what has ended it.
// Of several things the earliest to come is the first; of those that came at once the one that is named first.
Status decide(Db& db, int64_t seq, const WaitRow& row, Millis now, bool* satisfied, Text& output, Wake* by = nullptr);

// Whether it is satisfied by now. Writes nothing.
Status is_satisfied(Db& db, int64_t seq, const WaitRow& row, Millis now, bool* out);

// The row for what `things` are to be waited for from now on, for `timeout`: its columns topics, of one thing its names, and how, held by `topics` and `how`.
Status make_row(string_view step, string_view kind, const List<Awaited>& things, bool all, Millis timeout, Millis now, Text& topics, Text& how, WaitRow* out);

// Adds what the row waits for to the lists of those who are woken, or puts it in line for its share.
Status list_waiter(Db& db, int64_t seq, WaitRow& row, Millis now);

}  // namespace wf

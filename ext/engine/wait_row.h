// The row of a wait in _wf_step, as the files that decide waits share it.
#pragma once

#include "engine/settings.h"

namespace wf {

enum class WaitKind : char { sleep, signal, event, join };
// "sleep", "await", "await_event", "join": column kind of _wf_step.
string_view wait_kind_name(WaitKind kind);

// A wait as its row holds it, or is about to.
struct WaitRow {
  string_view step;
  WaitKind kind;
  int64_t n;
  string_view topics;
  Millis due;
  bool any, outputs;
};

// Of the kind that column kind names; false where that is another kind of step.
bool kind_of(string_view name, WaitKind* out);

// The options of a join, from column how.
void read_how(string_view how, WaitRow* row);

// What came first: {"<what>":name,"payload":...,"received_at":...}.
void add_outcome(const char* what, string_view name, const Value& payload, Millis at, Text& out);

// Writes it by Sql::wait_open or Sql::wait_done.
Status write_row(Db& db, Sql sql, int64_t seq, const WaitRow& row, Millis now, string_view output);

// Wakes one waiting workflow.
Status wake(Db& db, int64_t seq, int64_t lane, Wake why, Millis now);

}  // namespace wf

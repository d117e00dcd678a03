// Waiting for work, or for what else may come, without holding anything.
#pragma once

#include "engine/claim.h"

namespace wf {

// What a wait is for.
struct WaitFor {
  // Looks whether something of it has come at the time `now`. What time brings it does not take away, as long as nobody writes; so it is asked for times
  // to come as well.
  Status (*look)(Db& db, void* what, Millis now, bool* came);
  void* what;
  bool by_bells;  // it hears bells, too
};

// wf_wait: returns as soon as something of it has come, or a signal was handled, which a host may want to see to; `*came` is false then, and if
// `timeout` (kNoTime: none) passes first. It sees what any process commits, at once where the system says that the file was written (file_watch.h), else by
// a look every few milliseconds; and what time brings, at that time. SQLITE_INTERRUPT, within half a second.
Status wait_for(Db& db, const WaitFor& things, Millis timeout, bool* came);

// WF_CONTEXT where the clock is explicit and the connection can write: machines that repeat each other's calls would all stand still in it.
Status check_may_wait(Db& db, const char* function);

// Why no file can be watched for this connection, so that it has to look instead; empty: it can.
string_view why_not_watched(Db& db);

// What a wait may be for. Whether a claim with these arguments would find something, or housekeeping is due:
Status has_work(Db& db, const Claim& args, Millis now, bool* came);
// The workflow has ended; or, with `reading`, there is something to read in a stream of it, or that is closed. WF_NOT_FOUND.
struct Reading {
  string_view stream;
  int64_t offset = 0;  // of the first item that is to be read
};
Status has_ended(Db& db, string_view id, const Reading* reading, bool* came);
// The claim may go on no more: the error that a call by its token would be is `*why`.
Status has_been_lost(Db& db, const Handle& token, Millis now, Status* why);

}  // namespace wf

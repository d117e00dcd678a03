// Deleting workflows: wf_delete and wf_purge.
//
// A workflow goes with its children, and theirs; detached ones stay and lose their parent. Its own row goes at once, and with it the workflow:
// nothing finds or shows it any more, and its id is free. Of the rows that belong to it, of which there may be a million, a call clears away
// so many, and notes the workflow in _wf_gone if some are left: the next call that deletes, or wf_tick, goes on. So no call holds
// the lock for long, and nothing is seen half.
#pragma once

#include "engine/settings.h"

namespace wf {

// The rows that one call clears away.
constexpr int64_t kRowsAtOnce = 10000;

// wf_delete of one workflow and its descendants, inside the caller's WriteScope. WF_STATE if one of them has not ended and `force` is not set. `*rows`
// is how many rows may still be cleared away, and less afterwards.
Status remove(Db& db, const Workflow& workflow, bool force, Millis now, int64_t* rows);

// Clears away what deleted workflows have left, `*rows` at most. `*cleared`: there was something.
Status clear_away(Db& db, int64_t* rows, bool* cleared);

struct Purge {
  Millis older_than = 0;      // since their end
  string_view status;         // JSON array, or empty: every terminal status
  string_view name, queue;    // empty: every one
  int64_t keep = 0;           // of those that all this is true of, the newest so many stay
  bool events = false;        // events as old as that, too
  int64_t limit = 0;          // of rows; 0: 1,000 workflows and kRowsAtOnce rows
};
// wf_purge: deletes workflows that ended long ago, oldest first. A workflow and its descendants go together, once all of them are old enough; what is
// asked for is asked of the workflow on top alone. `*count`: workflows and events that are gone; 1 where only rows of earlier ones were left.
Status purge(Db& db, const Purge& args, const Now& now, int64_t* count);

}  // namespace wf

// Joins: waiting for other workflows to end.
#pragma once

#include "engine/wait_row.h"

namespace wf {

// Whether the workflow may wait for these ids. One that a step of it has recorded as that of its child means this child, and not who has come to the id
// since: such a child is gone, as any that is deleted, also for a join that is open (fragment is_meant, in sql/base/fragments.sql).
Status check_join(Db& db, const Workflow& w, string_view ids);

// The children spawned so far, for a join to which no ids are given.
Status spawned_so_far(Db& db, const Workflow& w, Text& out);

// WF_INVALID if there is none of which any one could end.
Status check_any(string_view ids, Stop* stop);

// Whether all of them have ended in time, or any one. `key`: by which they are listed in _wf_waiter, if the wait is open.
Status look_for_ends(Db& db, int64_t seq, const Awaited& thing, string_view key, Millis until, Millis now, Came* came);

// The workflows of a join as a JSON array, in order; if it waits for any, the one that has come, all of them where none has.
Status show_ends(Db& db, int64_t seq, const Awaited& thing, const Came& came, Text& out);

// Tells the joins that wait for the workflow `seq` that it ends or is deleted; to be called before its own row is written.
Status tell_joins(Db& db, int64_t seq, Millis now);

}  // namespace wf

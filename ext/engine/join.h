// Joins: waiting for other workflows to end.
#pragma once

#include "engine/wait_row.h"

namespace wf {

// Whether the workflow may wait for these ids.
Status check_join(Db& db, const Workflow& w, string_view ids);

// The ids of a join; none given stands for the children spawned so far.
Status join_topics(Db& db, const Workflow& w, string_view given, Text& out);

// WF_INVALID if there is none of which any one could end.
Status check_any(string_view ids);

// Looks whether all of them have ended, or any one; `output` is the outcome.
Status decide_join(Db& db, int64_t seq, const WaitRow& row, bool* satisfied, Text& output);

// The workflows of a join, in order; `only`: the one at this place, or -1.
Status show_join(Db& db, const WaitRow& row, int64_t only, Text& output);

// Tells the joins that wait for the workflow `seq` that it ends or is deleted; to be called before its own row is written.
Status tell_joins(Db& db, int64_t seq, Millis now);

}  // namespace wf

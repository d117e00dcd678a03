// Children: workflows that a workflow has started as one of its steps.
#pragma once

#include "base/numbers.h"
#include "engine/start.h"

namespace wf {

// wf_spawn: starts the child, once; `*id` is its id, "<id>/<step>" where `args.id` is empty. After a redo of the parent "~<redo>" is added.
// Raises what may_act() and start() raise, WF_NONDETERMINISM.
Status spawn(Db& db, const Handle& handle, string_view step, const Start& args, const Now& now, Name* id);

// The numbers that a query of children gives for the workflow `seq`.
Status list_children(Db& db, Sql query, int64_t seq, Numbers* out);

}  // namespace wf

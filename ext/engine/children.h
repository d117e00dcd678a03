// Children: workflows that a workflow has started as one of its steps.
#pragma once

#include "base/numbers.h"
#include "engine/fingerprint.h"
#include "engine/start.h"

namespace wf {

// wf_spawn: starts the child, once; `*id` is its id, that of child_id() where `args.id` is empty. With a dedup key that another workflow holds
// it is the id of that one: a stranger to join, and no child; so it is with IfExists::take. `*outcome`: what came of the start, Started::existing for a
// step that is recorded.
// Raises what may_act() and start() raise, WF_NONDETERMINISM.
Status spawn(Db& db, const Handle& handle, string_view step, const Start& args, const Fingerprint& print, const Now& now, Name* id, Started* outcome);

// The default id of a child: "<parent>/<step>", after redos of the step "~<redo>". What would make two of them one is escaped in the step,
// as in a URL: "/" is "%2F", "~" is "%7E", "%" is "%25".
void add_child_id(string_view parent, string_view step, int64_t redo, Text& out);

// The numbers that a query of children gives for the workflow `seq`.
Status list_children(Db& db, Sql query, int64_t seq, Numbers* out);

}  // namespace wf

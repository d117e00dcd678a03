// wf_start where the workflow is there already, and is not to stay as it is: the option if_exists.
#pragma once

#include "engine/start.h"

namespace wf {

// As start(). Where the id, or the dedup key, has led to a workflow of the same name,
//
// - IfExists::replace gives it the new input and due time, as long as nobody has begun it;
// - IfExists::restart begins it anew, as wf_continue would, once it has ended.
//
// Both take the options that were given of those that may change (priority, version, timeout, headers, tags, budgets, backoff), the others stay. Where
// it is too late, or too early, the same input changes nothing, and another is WF_STATE. WF_STATE too for a step that was begun and is not
// finished, WF_CONFLICT if the dedup key is another's by now.
Status start_again(Db& db, const Start& args, const Now& now, Name* id, Started* outcome);

}  // namespace wf

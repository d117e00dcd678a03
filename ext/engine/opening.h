// How a call about one workflow begins.
#pragma once

#include "base/scope.h"
#include "engine/settings.h"

namespace wf {

// With the write lock, at one time, with the workflow as it is then: opens `scope` for the SQL function `function`, and gives the time of the call and
// the workflow that `handle` names, or WF_NOT_FOUND.
Status open_for(Db& db, WriteScope& scope, const char* function, const Handle& handle, const Now& now, Millis* time, Workflow* w);

}  // namespace wf

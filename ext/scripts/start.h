// Starting a workflow that is scripted in SQL.
#pragma once

#include "engine/start.h"

namespace wf {

// A name that has a definition starts a workflow that is scripted, bound to the current version or to the one that `version` says. Its input is checked
// against the fields of the definition (WF_INVALID), and what was not asked for is as the definition says.
Status prepare_start(Db& db, Prepared* prepared);

}  // namespace wf

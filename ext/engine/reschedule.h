// wf_reschedule: what waits for a time gets another one.
#pragma once

#include "engine/workflow.h"

namespace wf {

// A workflow that waits for its start, for its next try or in a sleep is due at `to` instead, or now if that has passed. The outcome of the sleep is
// the new time. The deadline of one that nobody has begun moves along. Of a scripted one, all its sleeps and tries to come move; of a
// paused one it takes effect at resume. `*changed` is false for one that waits for something else, runs or has ended, and where nothing
// is different. The workflow's own row is written last.
Status reschedule(Db& db, const Workflow& workflow, Millis to, Millis now, bool* changed);

}  // namespace wf

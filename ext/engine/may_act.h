// The one place that decides who may do what to a workflow.
#pragma once

#include "engine/workflow.h"

namespace wf {

// What a caller wants to do.
enum class Act : char {
  record,    // an output that has happened (wf_step with three arguments)
  complete,  // wf_complete
  release,   // wf_release: also of a claim that was paused meanwhile
  give_back, // wf_fail
  note,      // wf_set and wf_append: as write, and also by the steps of a workflow that is not for workers
  write,     // anything else: the guard, wf_begin, heartbeat, new waits
};

// Whether the handle may act on the workflow now: the rules of tokens, slots, bare ids, pauses and waits (design, sections 2 and 3), first
// applicable error first. A claim that ran out and whose slot the queue has given away reports what has happened, and begins nothing new.
Status may_act(Db& db, const Handle& handle, const Workflow& workflow, Millis now, Act act);

// WF_STATE: the workflow is not for workers.
Status other_kind_error(const Db& db, const Workflow& workflow);
// WF_PAUSED.
Status paused_error(const Workflow& workflow);

}  // namespace wf

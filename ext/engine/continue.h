// wf_continue: a workflow without an end begins anew under its own id, with an empty history.
#pragma once

#include "engine/settings.h"
#include "engine/workflow.h"

namespace wf {

struct Continue {
  bool has_input = false;        // else the old one
  Value input;
  int64_t period = 0;            // the number of the period that is to end; 0: not said, which a bare id must
  Millis delay = 0;
  Millis timeout = kNoTime;      // kNoTime: as it is
  string_view version;           // empty: as it is
  bool has_priority = false;
  int64_t priority = 0;
  string_view headers;           // empty: as they are
  bool keeps_streams = true;
};

// Ends the present period and begins the next, with no steps, failures and budgets of the old. Its signals in line, its values, its place among
// the children of its parent stay, the attached children that live are cancelled. A repetition, by the token or by the period, changes nothing.
// Raises what may_act() raises; WF_STATE while a begun step is unfinished, while it is ending, for another period than the present.
// The rows of the old history are deleted in this call.
Status continue_workflow(Db& db, const Handle& handle, const Continue& args, const Now& now);

// Its parts, for what begins one that has ended anew (start_again.h).
// WF_STATE while a step is begun: it may have had its effect, and a new history would forget its key.
Status check_not_begun(Db& db, const Workflow& workflow);
// The children, steps, failures, taken signals and keys of the period that ends; the outcome too. Streams that were closed are open.
Status drop_history(Db& db, const Workflow& workflow, Millis now);
// The lane of what comes next, made if it is new: the same one, unless there is a version or a priority. `due`: as of lane_for().
Status next_lane(Db& db, const Workflow& workflow, string_view version, const int64_t* priority, Millis due, Millis now, int64_t* lane);

}  // namespace wf

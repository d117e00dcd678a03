// What operators do to workflows: cancel, pause, resume, retry, fork. (Deleting: remove.h.)
//
// Each act works on one workflow inside the caller's WriteScope and says in `*changed` whether it did anything: the SQL functions take one id
// or many, in one scope.
#pragma once

#include "engine/start.h"

namespace wf {

// wf_cancel: ends it as cancelled, or begins its second phase; `force` leaves that out. `reason`: a value, or NULL.
Status cancel(Db& db, const Workflow& workflow, const Value& reason, bool force, Millis now, bool* changed);

// wf_pause and wf_resume: neither claims nor writes while paused; the time to the deadline stands still.
Status pause(Db& db, const Workflow& workflow, Millis now, bool* changed);
Status resume(Db& db, const Workflow& workflow, Millis now, bool* changed);

struct Retry {
  string_view from;        // the first step to be done again; empty: all recorded steps stay
  bool children = false;   // failed and cancelled children too
  bool keeps_errors = false, drops_errors = false;  // steps whose outcome is an error stay so, or do not; neither: those before `from` do
  int64_t max_attempts = 0;  // of the workflow from now on; 0: as before
};
// wf_retry: a failed or cancelled workflow is pending again, with new budgets. WF_NOT_FOUND if it has no step `from`; all that
// check_may_begin_again() raises.
Status retry(Db& db, const Workflow& workflow, const Retry& args, Millis now, bool* changed);

// Whether a workflow that has ended may begin again: WF_STATE if some of its tree was purged, WF_CONFLICT if its dedup key is another's by now.
Status check_may_begin_again(Db& db, const Workflow& workflow);

struct Fork {
  string_view id;          // of the new workflow; empty: a new UUIDv7
  string_view from;        // steps before it are copied; empty: all that are done
  bool has_input = false;
  Value input;
};
// wf_fork: a new workflow like this one, with a copy of its finished steps. `*id` is its id.
Status fork(Db& db, string_view id, const Fork& args, const Now& now, Name* out);
// Copies the steps that `which` selects, of the workflow `from` and up to the step `n` (or kNoStep), to the workflow `to`; as the columns of fork_step.
Status copy_steps(Db& db, Sql which, int64_t from, int64_t to, int64_t n);

}  // namespace wf

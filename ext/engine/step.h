// Recording and reading steps.
#pragma once

#include "engine/settings.h"

namespace wf {

// Both give the output that stands as the current row of `output`, a Query of Sql::step_read: column 0.

// wf_step with two arguments: `*recorded`, or else every error that recording would raise.
Status read_step(Db& db, const Handle& handle, string_view step, const Now& now, bool* recorded, Query& output);

// wf_step with three arguments: records `value` unless an output stands already, which `once` makes a WF_CONFLICT. `*first`: it is
// `value` that stands, and `output` is not used. Writes one row; the workflow's only if half of the lease is over, and to have it end in two
// phases from now on: `cleanup`.
struct Record {
  bool once = false, cleanup = false;
};
Status record_step(Db& db, const Handle& handle, string_view step, const Value& value, const Record& args, const Now& now, bool* first, Query& output);

// The idempotency key of a step for outside systems: a function of the workflow's id, the step and its redo number.
Status step_key(Db& db, const Handle& handle, string_view step, Name* key);

}  // namespace wf

// Recording and reading steps.
#pragma once

#include "engine/fingerprint.h"
#include "engine/settings.h"

namespace wf {

// The kind of what they record.
inline constexpr string_view kStepKind = "step";

// Both give what stands as the current row of `output`, a Query of Sql::step_read: column 0.

// What is recorded of a step: nothing yet, its output, or that its outcome is an error.
enum class Stands : char { none, output, error };

// wf_step with two arguments: what is recorded, or else every error that recording would raise.
Status read_step(Db& db, const Handle& handle, string_view step, const Fingerprint& print, const Now& now, Stands* stands, Query& output);

// wf_step with three arguments: records `value`, as an `error` or as the output, unless something stands already, which `once` makes a WF_CONFLICT.
// `*stands` none: it is `value` that stands, and `output` is not used. Writes one row; the workflow's only if half of the lease is over, and to
// have it end in two phases from now on: `cleanup`.
// An error that stands is WF_STEP_FAILED, before anything is written, unless it is asked for as a value.
struct Record {
  bool once = false, cleanup = false, error = false, values = false;
  Fingerprint print;
};
Status record_step(Db& db, const Handle& handle, string_view step, const Value& value, const Record& args, const Now& now, Stands* stands, Query& output);

// Writes the record in a scope, for a workflow that may_act() has looked at.
Status write_step(Db& db, const Handle& handle, const Workflow& w, string_view step, const Value& value, const Record& args, Millis time);

// WF_STEP_FAILED: the outcome of the step is the error in `output`.
Status step_failed(Db& db, string_view step, const Query& output);

// The idempotency key of a step for outside systems: a function of the workflow's id, the step and its redo number.
Status step_key(Db& db, const Handle& handle, string_view step, Name* key);
Status step_key(Db& db, const Workflow& w, string_view step, Name* key);

}  // namespace wf

// What came of a workflow: wf_status, wf_result, wf_error.

#include "functions/call.h"

namespace wf {
namespace {

// The row of a workflow's status, output and error; `*found`.
Status outcome(Call& call, Query& q, bool* found) {
  Handle handle;
  WF_TRY(call.handle(0, &handle));
  *found = false;
  bool exists;
  WF_TRY(call.db.schema_exists(&exists));
  if (!exists) return {};
  handle.is_token ? q.bind(":seq", handle.seq) : q.bind(":id", handle.id);
  return q.next(found);
}

}  // namespace

Status wf_status(Call& call) {
  Query q(call.db, Sql::workflow_outcome);
  bool found;
  WF_TRY(outcome(call, q, &found));
  found ? call.result(q.text(0)) : call.result_null();
  return {};
}

Status wf_result(Call& call) {
  Query q(call.db, Sql::workflow_outcome);
  bool found;
  WF_TRY(outcome(call, q, &found));
  if (found && state_of(q.text(0)) == State::completed) return call.result_stored(q.value(1));
  call.result_null();
  return {};
}

Status wf_error(Call& call) {
  Query q(call.db, Sql::workflow_outcome);
  bool found;
  WF_TRY(outcome(call, q, &found));
  const State state = found ? state_of(q.text(0)) : State::pending;
  if ((state == State::failed || state == State::cancelled) && !q.is_null(2)) return call.result_stored(q.value(2));
  call.result_null();
  return {};
}

}  // namespace wf

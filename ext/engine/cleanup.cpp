#include "engine/cleanup.h"

#include "engine/may_act.h"

namespace wf {
namespace {

bool says_nothing(const Handle& handle, const Workflow& w) {
  return is_terminal(w.state) || (handle.is_token && handle.nonce != w.nonce && !closed_by(handle, w));
}

}  // namespace

Status end_in_two_phases(Db& db, const Handle& handle, Workflow& w, Millis now) {
  if (says_nothing(handle, w) || (w.flags & kCleanup)) return {};
  w.flags |= kCleanup;
  Query q(db, Sql::cleanup_set);
  q.bind(":seq", w.seq).bind(":now", now);
  return q.run();
}

Status repeat_in_two_phases(Db& db, const Handle& handle, Workflow& w, Millis now) {
  if (says_nothing(handle, w)) return {};
  const bool suspended = w.state == State::waiting && !(w.flags & kOtherKind) && (!handle.is_token || closed_by(handle, w));
  if (!suspended) WF_TRY(may_act(db, handle, w, now, Act::record));
  return end_in_two_phases(db, handle, w, now);
}

}  // namespace wf

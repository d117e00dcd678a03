#include "engine/cleanup.h"

namespace wf {

Status end_in_two_phases(Db& db, const Handle& handle, Workflow& w, Millis now) {
  if (is_terminal(w.state) || (w.flags & kCleanup) || (handle.is_token && handle.nonce != w.nonce && !closed_by(handle, w))) return {};
  w.flags |= kCleanup;
  Query q(db, Sql::cleanup_set);
  q.bind(":seq", w.seq).bind(":now", now);
  return q.run();
}

}  // namespace wf

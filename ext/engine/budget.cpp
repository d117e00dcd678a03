#include "engine/budget.h"

namespace wf {

Status in_a_row(Db& db, const Workflow& w, InARow* out) {
  *out = {w.failures, w.lost};
  if (w.failures == 0 && w.lost == 0) return {};
  Query q(db, Sql::budget_progress);
  q.bind(":seq", w.seq).bind(":mark", w.mark);
  WF_TRY(q.one_row());
  if (q.integer(0) != 0) out->failures = 0;
  if (q.integer(1) != 0) out->lost = 0;
  return {};
}

}  // namespace wf

#include "engine/redo.h"

namespace wf {

Status step_redo(Db& db, const Workflow& w, string_view step, int64_t* redo) { return step_redo(db, w.seq, w.redo, step, redo); }

Status step_redo(Db& db, int64_t seq, int64_t of_workflow, string_view step, int64_t* redo) {
  Query q(db, Sql::redo_of);
  q.bind(":seq", seq).bind(":step", step);
  bool dropped;
  WF_TRY(q.next(&dropped));
  *redo = of_workflow + (dropped ? q.count(0) : 0);
  return {};
}

Status raise_redo(Db& db, int64_t seq, int64_t from_n) {
  return run_counted(db, Sql::redo_raise, Sql::redo_count, [&](Query& q) { q.bind(":seq", seq).bind(":n", from_n); });
}

Status raise_redo_of_all(Db& db, int64_t seq) {
  for (const Sql sql : {Sql::redo_raise_all, Sql::redo_forget}) {
    WF_TRY(run_all(db, sql, [&](Query& q) { q.bind(":seq", seq); }));
  }
  return {};
}

}  // namespace wf

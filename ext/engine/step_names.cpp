#include "engine/step_names.h"

namespace wf {

Status name_first_steps(Db& db, int64_t seq) {
  const auto bind = [seq](Query& q) { q.bind(":seq", seq); };
  {
    Query border(db, Sql::step_at_border);
    bind(border);
    WF_TRY(border.one_row());
    if (border.integer(0) == 0) return {};
  }
  return run_all(db, Sql::step_name_first, bind);
}

}  // namespace wf

#include "engine/created.h"

namespace wf {

Status last_created(Db& db, Millis time, int64_t* seq) {
  bool row;
  int64_t high;
  *seq = 0;
  {
    Query q(db, Sql::created_last);
    WF_TRY(q.next(&row));
    high = q.integer(0);
  }
  while (*seq < high) {
    const int64_t middle = *seq + (high - *seq + 1) / 2;
    Query q(db, Sql::created_latest);
    q.bind(":seq", middle);
    WF_TRY(q.next(&row));
    if (!row || q.integer(1) <= time) *seq = middle;
    else if (q.integer(0) <= *seq) return {};  // of a file that is damaged: its order is none
    else high = q.integer(0) - 1;
  }
  return {};
}

Status any_late(Db& db, bool* any) {
  Query q(db, Sql::created_any_late);
  return q.next(any);
}

}  // namespace wf

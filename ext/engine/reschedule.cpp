#include "engine/reschedule.h"

#include "engine/lane.h"
#include "engine/trouble.h"

namespace wf {
namespace {

// Moves the steps that wait for a time; `*moved`: there were some.
Status move_steps(Db& db, const Workflow& w, Millis due, Millis now, bool* moved) {
  *moved = false;
  for (const Sql sql : {Sql::reschedule_sleeps, Sql::reschedule_tries}) {
    Query q(db, sql);
    q.bind(":seq", w.seq).bind(":due", due).bind(":now", now);
    WF_TRY(q.run());
    *moved = *moved || q.changes() != 0;
  }
  return {};
}

// When the workflow is due once its steps have moved to `to`: a scripted one may have several that are open.
Status first_due(Db& db, const Workflow& w, Millis to, Millis* due, bool* open) {
  *due = to;
  *open = w.under_pause == State::waiting;
  if (!(w.flags & kOtherKind)) return {};
  Query q(db, Sql::reschedule_first);
  q.bind(":seq", w.seq);
  bool row;
  WF_TRY(q.next(&row));
  *open = q.integer(1) != 0;
  if (*open) *due = q.time(0);
  return {};
}

}  // namespace

Status reschedule(Db& db, const Workflow& w, Millis to, Millis now, bool* changed) {
  *changed = false;
  if ((w.under_pause != State::pending && w.under_pause != State::waiting) || w.due_at == kNoTime) return {};
  if (to < now) to = now;
  bool moved, open;
  Millis due;
  WF_TRY(move_steps(db, w, to, now, &moved));
  WF_TRY(first_due(db, w, to, &due, &open));
  // What is due stays in line where it is, unless it is to be later.
  if (open ? !moved : due == w.due_at || (due <= now && w.due_at <= now)) return {};
  *changed = true;
  bool had_trouble;
  WF_TRY(forget_trouble(db, {w.seq, {}}, &had_trouble));
  const bool untouched = w.under_pause == State::pending && w.started_at == kNoTime && w.closed_nonce < 0;
  if (w.state != State::paused) WF_TRY(lane_expect(db, w.lane, due, now));
  {
    Query q(db, Sql::reschedule_workflow);
    q.bind(":seq", w.seq).bind(":due", due).bind(":now", now).bind(":by", untouched ? due - w.due_at : 0);
    WF_TRY(q.run());
  }
  return lane_moved(db, w, now);
}

}  // namespace wf

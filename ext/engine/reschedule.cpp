#include "engine/reschedule.h"

#include "engine/lane.h"
#include "engine/trouble.h"
#include "engine/wait_row.h"

namespace wf {
namespace {

// The same of the sleeps among several things that a step waits for.
Status move_sleeps_among(Db& db, const Workflow& w, Millis due, Millis now, bool* moved) {
  for (int64_t after = 0;;) {
    WaitRow row;
    Text topics;
    bool found, sound, some = false;
    {
      Query q(db, Sql::reschedule_several);
      q.bind(":seq", w.seq).bind(":after", after);
      WF_TRY(q.next(&found));
      if (!found) return {};
      after = row.n = q.integer(0);
      row.topics = q.text(1);
      WF_TRY(row.read(&db.stop(), &sound));
      for (size_t i = 0; sound && i < row.things.size(); ++i) {
        Awaited& thing = row.things[i];
        if (thing.kind != WaitKind::sleep || thing.due <= now || thing.due == due) continue;
        thing.due = due;
        some = true;
      }
      row.add_topics(topics);
    }
    if (!some) continue;
    if (!topics.ok()) return Status::no_memory();
    *moved = true;
    Query q(db, Sql::reschedule_write);
    q.bind(":n", row.n).bind(":topics", topics.view()).bind_time(":due", row.next_time(now)).bind(":scripted", w.flags & kOtherKind);
    WF_TRY(q.run());
  }
}

// Moves the steps that wait for a time; `*moved`: there were some.
Status move_steps(Db& db, const Workflow& w, Millis due, Millis now, bool* moved) {
  *moved = false;
  for (const Sql sql : {Sql::reschedule_sleeps, Sql::reschedule_tries}) {
    bool some = false;
    WF_TRY(run_all(db, sql, [&](Query& q) { q.bind(":seq", w.seq).bind(":due", due).bind(":now", now).bind(":scripted", w.flags & kOtherKind); }, &some));
    *moved = *moved || some;
  }
  return move_sleeps_among(db, w, due, now, moved);
}

// When the workflow is due once its steps have moved to `to`: it may wait for other times, too.
Status first_due(Db& db, const Workflow& w, Millis to, Millis* due, bool* open) {
  *due = to;
  *open = w.under_pause == State::waiting;
  if (!*open && !(w.flags & kOtherKind)) return {};
  Query q(db, Sql::reschedule_first);
  q.bind(":seq", w.seq);
  WF_TRY(q.one_row());
  *open = q.integer(1) != 0;
  if (*open) *due = q.time(0);
  return {};
}

}  // namespace

Status reschedule(Db& db, const Workflow& w, Millis to, Millis now, bool* changed) {
  *changed = false;
  if ((w.under_pause != State::pending && w.under_pause != State::waiting) || w.due_at == kNoTime) return {};
  if (to < now) to = now;
  bool moved = false, open = false;
  Millis due;
  if (w.under_pause == State::waiting || (w.flags & kOtherKind)) WF_TRY(move_steps(db, w, to, now, &moved));
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

#include "engine/wake.h"

#include "base/list.h"
#include "engine/above.h"
#include "engine/trouble.h"
#include "engine/wait_row.h"

namespace wf {
namespace {

// All of them by three statements, as long as each row can be written.
Status wake_at_once(Db& db, string_view topic, Millis now) {
  WF_TRY(db.above().kind->wake_steps(db, topic, 0, now));
  for (const Sql sql : {Sql::wait_wake_lanes, Sql::wait_wake_all}) {
    Query q(db, sql);
    q.bind(":topic", topic).bind(":now", now).bind(":due", now).bind(":wake", static_cast<int64_t>(Wake::event));
    WF_TRY(q.run());
  }
  return look_for_left(db, Sql::wake_left, [&](Query& q) { q.bind(":topic", topic).bind(":now", now); });
}

Status wake_other_kind(Db& db, string_view topic, int64_t seq, int64_t lane, Millis now) {
  WF_TRY(db.above().kind->wake_steps(db, topic, seq, now));
  return db.above().kind->wake(db, seq, lane, now);
}

}  // namespace

Status next_waiter(Db& db, string_view topic, Waiter* waiter, bool* found) {
  Query q(db, Sql::wake_next);
  q.bind(":topic", topic).bind(":after", waiter->seq).bind(":key", waiter->key);
  WF_TRY(q.next(found));
  if (!*found) return {};
  waiter->seq = q.integer(0);
  waiter->lane = q.integer(1);
  waiter->other_kind = q.integer(2) != 0;
  waiter->key = q.value(3);
  waiter->held.clear();
  waiter->held.add(waiter->key.bytes);
  waiter->key.bytes = waiter->held.view();
  return waiter->held.ok() ? Status() : Status::no_memory();
}

Status unless_its_own(Db& db, int64_t seq, bool has_transaction, Status woken, Millis now) {
  return woken.ok() ? Status() : put_off(db, {seq, {}}, static_cast<Status&&>(woken), now, kLongestPause, has_transaction);
}

Status wake_all(Db& db, string_view topic, Millis now) {
  const bool has_transaction = !db.autocommit();
  if (!db.taken_along().again) {
    Status woken = wake_at_once(db, topic, now);
    if (woken.ok() || !may_be_an_items_own(woken)) return woken;
    if (has_transaction && db.autocommit()) return one_by_one(db, static_cast<Status&&>(woken));
  }
  for (Waiter waiter;;) {
    bool found;
    WF_TRY(next_waiter(db, topic, &waiter, &found));
    if (!found) return {};
    Status one = waiter.other_kind ? wake_other_kind(db, topic, waiter.seq, waiter.lane, now) : wake(db, waiter.seq, waiter.lane, Wake::event, now);
    WF_TRY(unless_its_own(db, waiter.seq, has_transaction, static_cast<Status&&>(one), now));
  }
}

Status wake_asleep(Db& db, Millis now) {
  struct Sleeper {
    int64_t seq, lane;
    bool other_kind;
    Wake why;
  };
  List<Sleeper> sleepers;
  {
    Query q(db, Sql::wake_asleep);
    q.bind(":now", now);
    for (;;) {
      bool row;
      WF_TRY(q.next(&row));
      if (!row) break;
      sleepers.add({q.integer(0), q.integer(1), q.integer(2) != 0, q.integer(3) != 0 ? Wake::event : Wake::join});
    }
    if (!sleepers.ok()) return Status::no_memory();
  }
  for (size_t i = 0; i < sleepers.size(); ++i) {
    const Sleeper one = sleepers[i];
    bool done;
    // It is in line again, and not asleep: forgotten, or one that then waits on would be woken for ever.
    const auto wake_it = [&] {
      WF_TRY(one.other_kind ? wake_other_kind(db, {}, one.seq, one.lane, now) : wake(db, one.seq, one.lane, one.why, now));
      bool had;
      return forget_trouble(db, {one.seq, {}}, &had);
    };
    WF_TRY(attempt(db, "wf_tick", {one.seq, {}}, now, wake_it, &done));
  }
  return {};
}

Status is_one_asleep(Db& db, Millis now, bool* out) {
  Query q(db, Sql::wake_asleep);
  q.bind(":now", now);
  return q.next(out);
}

}  // namespace wf

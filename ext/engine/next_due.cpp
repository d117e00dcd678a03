#include "engine/next_due.h"

#include "engine/claim_order.h"
#include "engine/tick.h"

namespace wf {
namespace {

// Whether a claim, or who advances another kind, would find something at that time.
Status find_work(Db& db, Millis time, bool* found) {
  Query queues(db, Sql::next_due_queues);
  while (!*found) {
    bool row;
    WF_TRY(queues.next(&row));
    if (!row) return {};
    Claim args;
    args.queue = queues.text(0);
    args.kind = queues.integer(1);
    WF_TRY(is_claimable(db, args, time, found));
  }
  return {};
}

Status any_row(Db& db, Sql sql, Millis time, bool* found) {
  Query q(db, sql);
  q.bind(":now", time).bind(":met", db.too_long().list(time)).bind(":after", INT64_MIN);
  return q.next(found);
}

}  // namespace

// What time brings stays, as long as nobody writes: so the earliest moment at which something is wanted can be bisected.
Status next_due(Db& db, Millis now, Millis* out) {
  *out = kNoTime;
  bool wanted;
  WF_TRY(db.schema_exists(&wanted));
  if (!wanted) return {};
  Query ever(db, Sql::next_due_ever);
  WF_TRY(ever.one_row());
  if (ever.integer(0) == 0) return {};
  Query guess(db, Sql::next_due_guess);  // under way until the end: what follows sees the same state of the file
  guess.bind(":now", now);
  WF_TRY(guess.next(&wanted));
  Millis nothing = now - 1, then = INT64_MAX;
  const auto look = [&](Millis time) {
    wanted = false;
    if (guess.integer(1) != 0) WF_TRY(is_something_due(db, time, &wanted));
    if (!wanted) WF_TRY(find_work(db, time, &wanted));
    if (!wanted && guess.integer(2) != 0) {
      WF_TRY(any_row(db, Sql::tick_poison, time, &wanted));
      if (!wanted) WF_TRY(any_row(db, Sql::gone_next, time, &wanted));
    }
    (wanted ? then : nothing) = time;
    return Status();
  };
  WF_TRY(look(now));
  if (!wanted) {
    const Millis first = guess.is_null(0) ? kTimeMax : within(guess.integer(0), now, kTimeMax);
    WF_TRY(look(first));
    WF_TRY(look(wanted ? first - 1 : kTimeMax));
  }
  if (then == INT64_MAX) return {};
  while (then - nothing > 1) WF_TRY(look(nothing + (then - nothing) / 2));
  *out = then;
  return {};
}

}  // namespace wf

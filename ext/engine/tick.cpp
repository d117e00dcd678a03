#include "engine/tick.h"

#include "base/numbers.h"
#include "base/scope.h"
#include "engine/above.h"
#include "engine/end.h"
#include "engine/lease.h"
#include "engine/remove.h"
#include "engine/trouble.h"
#include "engine/wake.h"

namespace wf {
namespace {

constexpr size_t kMostDeadlines = 32;  // of one round
constexpr int64_t kMostRounds = 1000000;

// What a workflow may have run out of.
enum class RunOut : bool { time, leases };

// Ends the workflow if it has; the one before may have ended it, or begun its second phase.
Status end_if_due(Db& db, RunOut of, const Workflow& w, Millis now, bool* ended) {
  *ended = of == RunOut::time ? !is_terminal(w.state) && w.deadline_at != kNoTime && w.deadline_at <= now
                              : w.state == State::running && w.is_claimed() && w.due_at <= now;
  if (!*ended || of == RunOut::time) return *ended ? time_out(db, w, now) : Status();
  InARow row;
  WF_TRY(count_lost(db, w, &row, ended));
  return *ended ? poison(db, w, row.lost, now) : Status();
}

Status end_one(Db& db, RunOut of, int64_t seq, Millis now, bool* ended) {
  Workflow w;
  WF_TRY(find_seq(db, seq, ended, &w));
  return *ended ? end_if_due(db, of, w, now, ended) : Status();
}

// Ends those that `sql` lists, up to `most_listed` and `most`; `*more`: a bound was met. Of the claims that have run out only those are
// ended that were one too many. The others are left to the next claim: a sweep alone ends none.
Status end_all(Db& db, RunOut of, Sql sql, size_t most_listed, int64_t most, Millis now, int64_t* count, bool* more) {
  *count = 0;
  *more = false;
  Numbers due;
  {
    Query q(db, sql);
    q.bind(":now", now).bind(":met", db.too_long().list(now));
    for (bool row = true; !*more;) {
      WF_TRY(q.next(&row));
      if (!row) break;
      due.add(q.integer(0));
      *more = due.size() >= most_listed;
    }
    if (!due.ok()) return Status::no_memory();
  }
  for (size_t i = 0; i < due.size(); ++i) {
    if (*count >= most) {
      *more = true;
      break;
    }
    bool ended;
    const auto end_it = [&] { return end_one(db, of, due[i], now, &ended); };
    Status done = in_savepoint(db, "wf_tick", end_it);
    *count += done.ok() && ended;
    if (!done.ok()) WF_TRY(pass_over(db, {due[i], {}}, static_cast<Status&&>(done), now));
  }
  return {};
}

// Timeouts and the duty of others, up to the bounds of both, and `most`. `*count`: how many; `*more`: a bound was met, so there may be more.
Status one_round(Db& db, Millis now, int64_t most, int64_t* count, bool* more) {
  int64_t others;
  bool more_of_others;
  WF_TRY(end_all(db, RunOut::time, Sql::tick_deadlines, kMostDeadlines, most, now, count, more));
  WF_TRY(db.above().duty->run(db, now, most - *count, &others, &more_of_others));
  *count += others;
  *more = *more || more_of_others;
  return {};
}

// Those that are put off, and whether there are any.
Status look_after_troubles(Db& db, Millis now, bool* any) {
  bool due;
  WF_TRY(find_troubles(db, now, any, &due));
  if (!due) return {};
  WF_TRY(end_left_behind(db, now));
  WF_TRY(wake_asleep(db, now));
  return sweep_troubles(db, now);
}

Status tick_once(Db& db, int64_t limit, const Now& now, int64_t* count) {
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::refused, "wf_tick"));
  Millis time;
  WF_TRY(call_time(db, now, &time));
  *count = 0;
  bool more = true;
  for (int64_t round = 0; more && *count < limit && round < kMostRounds; ++round) {
    int64_t done;
    WF_TRY(one_round(db, time, limit - *count, &done, &more));
    *count += done;
  }
  int64_t poisoned;
  WF_TRY(end_all(db, RunOut::leases, Sql::tick_poison, SIZE_MAX, limit - *count, time, &poisoned, &more));
  *count += poisoned;
  if (*count < limit) {
    int64_t rows = kRowsAtOnce;
    bool cleared;
    WF_TRY(clear_away(db, &rows, &cleared));
    *count += cleared;
  }
  bool troubled;
  WF_TRY(look_after_troubles(db, time, &troubled));
  return scope.commit();
}

}  // namespace

Status do_what_is_due(Db& db, Millis now, bool* troubled) {
  *troubled = false;
  {
    Query q(db, Sql::tick_anything);
    q.bind(":now", now);
    bool row;
    WF_TRY(q.next(&row));
    if (row && q.integer(0) == 0) return {};
  }
  int64_t count;
  bool more;
  WF_TRY(one_round(db, now, kNoLimit, &count, &more));
  return look_after_troubles(db, now, troubled);
}

Status tick(Db& db, int64_t limit, const Now& now, int64_t* count) {
  return past_rollbacks(db, "wf_tick", [&] { return tick_once(db, limit, now, count); });
}

Status is_something_due(Db& db, Millis now, bool* out) {
  {
    Query q(db, Sql::tick_deadlines);
    q.bind(":now", now).bind(":met", db.too_long().list(now));
    WF_TRY(q.next(out));
  }
  if (!*out) WF_TRY(is_one_asleep(db, now, out));
  if (!*out) WF_TRY(is_one_left_behind(db, now, out));
  return *out ? Status() : db.above().duty->is_due(db, now, out);
}

}  // namespace wf

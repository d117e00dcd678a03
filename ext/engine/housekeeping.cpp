#include "engine/housekeeping.h"

#include "base/json.h"
#include "base/numbers.h"
#include "base/scope.h"
#include "engine/finish.h"
#include "engine/lease.h"
#include "engine/schedule.h"

namespace wf {
namespace {

constexpr size_t kMostDeadlines = 32;  // of one round
constexpr int64_t kMostRounds = 10000;

Status fire_one(Db& db, int64_t seq, Millis now, bool* fired) {
  WriteScope item(db);
  WF_TRY(item.begin(Inline::refused, "wf_tick"));
  Workflow w;
  bool found;
  WF_TRY(find_seq(db, seq, &found, &w));
  // The one before may have ended it, or begun its second phase.
  *fired = found && !is_terminal(w.state) && w.deadline_at != kNoTime && w.deadline_at <= now;
  if (*fired) WF_TRY(time_out(db, w, now));
  return item.commit();
}

// Notes that a deadline could not be fired, and tries again a minute later, so that it stands in nobody's way.
Status put_off(Db& db, int64_t seq, const Status& failed, Millis now) {
  WriteScope item(db);
  WF_TRY(item.begin(Inline::refused, "wf_tick"));
  Text error;
  error.add("{\"code\":\"maintenance\",\"message\":");
  json::quote(failed.message() != nullptr ? failed.message() : "", error);
  error.add('}');
  {
    Query q(db, Sql::failure_add);
    q.bind(":seq", seq).bind(":attempt", int64_t{0}).bind(":error", error.view()).bind(":now", now);
    WF_TRY(q.run());
  }
  Query q(db, Sql::due_put_off);
  q.bind(":seq", seq).bind(":until", later(now, 60000));
  WF_TRY(q.run());
  return item.commit();
}

Status list(Db& db, Sql sql, Millis now, Numbers* out) {
  Query q(db, sql);
  q.bind(":now", now);
  while (out->size() < kMostDeadlines) {
    bool row;
    WF_TRY(q.next(&row));
    if (!row) break;
    out->add(q.integer(0));
  }
  return out->ok() ? Status() : Status::no_memory();
}

Status fire_deadlines(Db& db, Millis now, int64_t* count) {
  *count = 0;
  Numbers due;
  WF_TRY(list(db, Sql::due_deadlines, now, &due));
  for (size_t i = 0; i < due.size(); ++i) {
    bool done;
    Status fired = fire_one(db, due[i], now, &done);
    if (fired.ok()) {
      *count += done;
      continue;
    }
    // What is not the workflow's own fault (an interrupt, a failing disk) is the caller's to know.
    const int rc = fired.rc() & 0xff;
    if (db.autocommit() || (rc != SQLITE_ERROR && rc != SQLITE_CONSTRAINT && rc != SQLITE_TOOBIG)) return fired;
    Status noted = put_off(db, due[i], fired, now);
    if (!noted.ok()) return fired;
  }
  return {};
}

// The expired claims that were one too many. The others are left to the next claim: a sweep alone ends none.
Status end_poisoned(Db& db, Millis now, int64_t* count) {
  Numbers expired;
  {
    Query q(db, Sql::due_poison);
    q.bind(":now", now);
    for (bool row = true;;) {
      WF_TRY(q.next(&row));
      if (!row) break;
      expired.add(q.integer(0));
    }
    if (!expired.ok()) return Status::no_memory();
  }
  for (size_t i = 0; i < expired.size(); ++i) {
    Workflow w;
    bool found;
    WF_TRY(find_seq(db, expired[i], &found, &w));
    if (!found || !w.is_claimed() || w.due_at > now || w.state != State::running) continue;
    int64_t lost;
    WF_TRY(count_lost(db, w, &lost));
    Policy policy;
    WF_TRY(policy_of(db, w, &policy));
    if (lost < policy.max_attempts) continue;
    WF_TRY(poison(db, w, lost, now));
    ++*count;
  }
  return {};
}

}  // namespace

Status do_what_is_due(Db& db, Millis now, int64_t* count) {
  int64_t started;
  WF_TRY(fire_deadlines(db, now, count));
  WF_TRY(fire_schedules(db, now, &started));
  *count += started;
  return {};
}

Status tick(Db& db, const Now& now, int64_t* count) {
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::refused, "wf_tick"));
  Millis time;
  WF_TRY(call_time(db, now, &time));
  *count = 0;
  for (int64_t round = 0; round < kMostRounds; ++round) {
    int64_t done;
    WF_TRY(do_what_is_due(db, time, &done));
    if (done == 0) break;
    *count += done;
  }
  WF_TRY(end_poisoned(db, time, count));
  return scope.commit();
}

Status is_something_due(Db& db, Millis now, bool* out) {
  {
    Query q(db, Sql::due_deadlines);
    q.bind(":now", now);
    WF_TRY(q.next(out));
  }
  if (*out) return {};
  Millis at;
  WF_TRY(next_firing(db, &at));
  *out = at != kNoTime && at <= now;
  return {};
}

}  // namespace wf

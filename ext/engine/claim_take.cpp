#include "engine/claim_take.h"

#include "base/hash.h"
#include "engine/claim_show.h"
#include "engine/end.h"
#include "engine/lane.h"
#include "engine/lease.h"
#include "engine/wait.h"

namespace wf {
namespace {

int64_t nonce_of(uint64_t bits, int64_t period) {
  bits = (bits & ~kPeriodBits) | (static_cast<uint64_t>(period) & kPeriodBits);
  const auto nonce = static_cast<int64_t>(bits & INT64_MAX);
  return nonce != 0 ? nonce : static_cast<int64_t>(kPeriodBits) + 1;
}

// The second half of a new token: random, or where machines repeat each other's calls a function of what they share.
// A file that was restored without a word gives the same claim another one as soon as its time is another, and a recovery has an id of its own.
Status new_nonce(Db& db, const Workflow& w, bool time_was_said, Millis now, int64_t* nonce) {
  bool is_explicit;
  WF_TRY(clock_is_explicit(db, time_was_said, &is_explicit));
  if (!is_explicit) {
    *nonce = random_nonce(w.period);
    return {};
  }
  SettingValue epoch;
  WF_TRY(read_setting(db, Setting::epoch, &epoch));
  Text seed;
  WF_TRY(add_meta(db, "recovery", seed));
  seed.add(' ').add_integer(now).add(' ').add_integer(epoch.value.integer).add(' ').add_integer(w.seq).add(' ').add_integer(w.attempt + w.resumed).add(' ').add(w.id.view());
  if (!seed.ok()) return Status::no_memory();
  *nonce = nonce_of(hash64(seed.view()), w.period);
  return {};
}

// How a workflow is taken.
struct Taking {
  QueueSettings settings;
  Millis lease = kNoTime;
  bool again = false;  // an attempt begins
  bool lost = false;   // whoever held it has lost it
  Place place = Place::leased;
};

// Makes of `w`, which is due, what it is then.
Status plan(Db& db, const Claim& args, const InARow& row, bool lost_before, Wake why, Millis now, Workflow* w, Taking* out) {
  out->lost = w->is_claimed();
  out->again = w->again != 0 || out->lost;
  out->place = w->flags & kManual ? Place::not_offered : lost_before ? Place::leased_again : Place::leased;
  WF_TRY(new_nonce(db, *w, args.time_was_said, now, &w->nonce));
  w->attempt += out->again;
  w->resumed += 1 - out->again;
  w->worker = args.worker;
  w->due_at = later(now, out->lease);
  w->failures = row.failures, w->lost = row.lost;
  w->wake = out->lost ? Wake::lost : why;
  return {};
}

// Leases the workflow, as it is planned.
Status take(Db& db, const Claim& args, const Workflow& w, const Taking& taking, Millis now) {
  const QueueSettings& settings = taking.settings;
  if (!args.key.empty()) {
    Query q(db, Sql::claim_free_key);
    q.bind(":key", args.key).bind(":seq", w.seq);
    WF_TRY(q.run());
  }
  Text claim;
  add_claim(w.attempt, args.worker, claim);
  if (!claim.ok()) return Status::no_memory();
  {
    Query q(db, Sql::claim_take);
    q.bind(":seq", w.seq).bind(":now", now).bind(":due", w.due_at).bind(":lease", taking.lease).bind(":nonce", w.nonce);
    q.bind(":place", static_cast<int64_t>(taking.place));
    q.bind_name(":worker", args.worker).bind(":claim", claim.view()).bind_name(":key", args.key).bind(":again", int64_t{taking.again});
    q.bind(":lost", w.lost).bind(":failures", w.failures).bind(":lost_now", int64_t{taking.lost}).bind(":wake", static_cast<int64_t>(w.wake));
    q.bind(":limits", int64_t{settings.has_limits()}).bind(":until_end", int64_t{settings.has_limits() && settings.until_end});
    WF_TRY(q.run());
  }
  if (taking.again) WF_TRY(count_rate(db, w.queue.view(), settings, now));
  return lane_served(db, w, now);
}

// Whether it only waits for its turn: nothing has to be looked at or written but its row.
bool stands_in_line(const Workflow& w, Millis now) {
  return w.state == State::pending && w.lost == 0 && w.wake != Wake::recover && (w.deadline_at == kNoTime || w.deadline_at > now);
}

}  // namespace

int64_t random_nonce(int64_t period) {
  uint64_t bits;
  Db::randomness(&bits, sizeof bits);
  return nonce_of(bits, period);
}

Status lease_of(Db& db, const Claim& args, const QueueSettings& settings, Millis* out) {
  *out = args.lease != kNoTime ? args.lease : settings.lease;
  if (*out != kNoTime) return {};
  Query q(db, Sql::setting_get);
  q.bind(":key", "lease");
  bool row;
  WF_TRY(q.next(&row));
  *out = row && q.integer(0) > 0 ? q.duration(0) : kDefaultLease;
  return {};
}

Status take_or_end(Db& db, const Claim& args, const Workflow& w, Millis now, bool* taken) {
  *taken = false;
  Wake why = w.wake;
  if (w.deadline_at != kNoTime && w.deadline_at <= now) return time_out(db, w, now);
  if (w.state == State::waiting) {
    bool satisfied;
    WF_TRY(decide_wait(db, w, now, &satisfied, &why));
    if (!satisfied) return {};
  }
  if (w.is_claimed()) {
    bool suspended;
    WF_TRY(suspend_kept(db, w, now, &suspended));
    if (suspended) {
      Workflow waits;
      WF_TRY(find_seq(db, w.seq, &suspended, &waits));
      return take_or_end(db, args, waits, now, taken);
    }
  }
  InARow row{w.failures, w.lost};
  bool lost_before = w.wake == Wake::recover;
  if (w.is_claimed()) {
    bool too_many;
    WF_TRY(count_lost(db, w, &row, &too_many));
    if (too_many) return poison(db, w, row.lost, now);
    WF_TRY(note_lost_lease(db, w, now));
    lost_before = true;
  } else if (w.lost != 0 && !lost_before) {
    InARow now_in_a_row;
    WF_TRY(in_a_row(db, w, &now_in_a_row));
    lost_before = now_in_a_row.lost != 0;
  }
  *taken = true;
  Taking taking;
  WF_TRY(read_queue(db, w.queue.view(), &taking.settings));
  WF_TRY(lease_of(db, args, taking.settings, &taking.lease));
  Workflow then = w;
  WF_TRY(plan(db, args, row, lost_before, why, now, &then, &taking));
  return take(db, args, then, taking, now);
}

// A workflow in line is shown as it will be, out of the one look at its row that finds out all that its claim depends on.
Status take_and_show(Db& db, const Claim& args, int64_t seq, Millis now, bool* taken, Text& out) {
  Taking taking;
  Workflow w;
  {
    ClaimRow row(db, seq);
    WF_TRY(row.read(&w));
    *taken = stands_in_line(w, now);
    if (*taken) {
      row.settings(&taking.settings);
      taking.lease = args.lease != kNoTime ? args.lease : taking.settings.lease != kNoTime ? taking.settings.lease : row.lease();
      WF_TRY(plan(db, args, {w.failures, 0}, false, w.wake, now, &w, &taking));
      WF_TRY(row.show(args, w, out));
    }
  }
  if (*taken) {
    WF_TRY(take(db, args, w, taking, now));
    return note_shown(args, seq, out);
  }
  WF_TRY(take_or_end(db, args, w, now, taken));
  return *taken ? show_claim(db, args, seq, out) : Status();
}

}  // namespace wf

#include "engine/claim.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/scope.h"
#include "engine/finish.h"
#include "engine/housekeeping.h"
#include "engine/lane.h"
#include "engine/lease.h"
#include "engine/queue.h"
#include "engine/wait.h"

namespace wf {
namespace {

struct Candidate {
  int64_t seq = 0;
  int64_t priority = INT64_MIN;
  Millis due = 0;

  bool found() const { return seq != 0; }
  // Whether it comes before `other` in the order of claims.
  bool before(const Candidate& other) const {
    if (!other.found()) return true;
    if (priority != other.priority) return priority > other.priority;
    return due != other.due ? due < other.due : seq < other.seq;
  }
};

// Lanes met that promised something due and had nothing: their next_due is put right afterwards. It is a write, and a claim that finds
// nothing should not write; so that is done along with one that does, or once there are too many of them.
class StaleLanes {
 public:
  // Without `writes` nothing may be put right at all: someone only looks.
  explicit StaleLanes(bool writes = true) : writes_(writes) {}
  bool may_write() const { return writes_; }
  void add(int64_t lane) {
    if (count_ < std::size(lanes_)) lanes_[count_++] = lane;
  }
  Status settle(Db& db) {
    for (size_t i = 0; i < count_; ++i) WF_TRY(lane_settle(db, lanes_[i]));
    count_ = 0;
    return {};
  }
  bool full() const { return count_ == std::size(lanes_); }

 private:
  bool writes_;
  int64_t lanes_[32];
  size_t count_ = 0;
};

// Whether the JSON array `filter` of strings holds `name`; an empty filter holds every one.
bool passes(string_view filter, string_view name) {
  if (filter.empty()) return true;
  Text text;
  for (json::Elements e(filter); e.next();) {
    text.clear();
    json::unquote(e.value(), text);
    if (text.view() == name) return true;
  }
  return false;
}

// Takes the rows of `heads` (due time, number) into `best`.
Status consider(Query& heads, int64_t priority, Candidate* best, bool* empty) {
  *empty = true;
  for (;;) {
    bool row;
    WF_TRY(heads.next(&row));
    if (!row) return {};
    *empty = false;
    const Candidate head{heads.integer(1), priority, heads.integer(0)};
    if (head.before(*best)) *best = head;
  }
}

// A lane as Sql::lane_due lists it.
struct Lane {
  int64_t number;
  int64_t priority;
  string_view queue, partition;
};

// Takes the first of the lane's due rows into `best` if it comes before it; `*empty`: there was none, although the lane promised one.
Status look_into_lane(Db& db, const Lane& lane, const QueueSettings& settings, bool may_write, Millis now, Candidate* best, bool* empty) {
  *empty = false;
  bool full, none;
  WF_TRY(partition_is_full(db, lane.queue, lane.partition, settings, now, &full));
  if (full) {
    {
      Query held(db, Sql::queue_held_in_lane);
      held.bind(":queue", lane.queue).bind(":partition", lane.partition).bind(":lane", lane.number).bind(":now", now);
      WF_TRY(consider(held, lane.priority, best, &none));
    }
    if (!none || !may_write) return {};
    Query block(db, Sql::queue_block_lane);
    block.bind(":queue", lane.queue).bind(":partition", lane.partition).bind(":lane", lane.number).bind(":now", now);
    return block.run();
  }
  Query heads(db, Sql::lane_heads);
  heads.bind(":lane", lane.number).bind(":now", now);
  return consider(heads, lane.priority, best, empty);
}

// A workflow without version takes every worker's.
bool passes_filters(const Claim& args, string_view name, string_view version) {
  return passes(args.names, name) && (version.empty() || passes(args.versions, version));
}

// The workflows that hold a slot of a full queue to their end.
Status look_at_held(Db& db, string_view queue, const Claim& args, bool resumed_only, Millis now, Candidate* best) {
  Query held(db, Sql::queue_held);
  held.bind(":queue", queue).bind(":now", now).bind(":kind", args.kind);
  for (;;) {
    bool row;
    WF_TRY(held.next(&row));
    if (!row) return {};
    const Candidate one{held.integer(1), held.integer(2), held.integer(0)};
    if (resumed_only && held.integer(5) != static_cast<int64_t>(Place::to_resume)) continue;
    if (passes_filters(args, held.text(3), held.text(4)) && one.before(*best)) *best = one;
  }
}

// What goes on with an attempt, in a queue whose rate is used up: these alone need no share of it. Lanes say nothing about them, so a walk
// through lanes would be long.
Status look_at_resumed(Db& db, string_view queue, const Claim& args, const QueueSettings& settings, Millis now, Candidate* best) {
  Query resumed(db, Sql::queue_resumed);
  resumed.bind(":queue", queue).bind(":now", now).bind(":kind", args.kind);
  for (;;) {
    bool row;
    WF_TRY(resumed.next(&row));
    if (!row) return {};
    const Candidate one{resumed.integer(1), resumed.integer(2), resumed.integer(0)};
    if (!passes_filters(args, resumed.text(3), resumed.text(4)) || !one.before(*best)) continue;
    bool full = false;
    if (resumed.integer(6) == 0) WF_TRY(partition_is_full(db, queue, resumed.text(5), settings, now, &full));
    if (!full) *best = one;
  }
}

// The best due workflow of one queue, if it comes before `best`.
Status look_into_queue(Db& db, string_view queue, const Claim& args, Millis now, Candidate* best, StaleLanes* stale) {
  Admission admitted;
  WF_TRY(admission(db, queue, args.worker, now, &admitted));
  if (admitted.closed) return {};
  if (admitted.full) return admitted.settings.until_end ? look_at_held(db, queue, args, admitted.rate_is_used_up, now, best) : Status();
  if (admitted.rate_is_used_up) return look_at_resumed(db, queue, args, admitted.settings, now, best);
  for (int64_t below = INT64_MAX;;) {
    {
      Query q(db, Sql::lane_priority);
      q.bind(":queue", queue).bind(":below", below).bind(":kind", args.kind);
      bool row;
      WF_TRY(q.next(&row));
      if (!row) return {};
      below = q.integer(0);
    }
    if (best->found() && best->priority > below) return {};
    Query lanes(db, Sql::lane_due);
    lanes.bind(":queue", queue).bind(":priority", below).bind(":now", now).bind(":kind", args.kind);
    for (;;) {
      bool row;
      WF_TRY(lanes.next(&row));
      if (!row) break;
      if (best->found() && best->priority == below && lanes.integer(1) > best->due) break;
      if (!passes_filters(args, lanes.text(2), lanes.text(3))) continue;
      bool empty;
      WF_TRY(look_into_lane(db, {lanes.integer(0), below, queue, lanes.text(4)}, admitted.settings, stale->may_write(), now, best, &empty));
      if (empty) stale->add(lanes.integer(0));
      if (stale->full()) return {};
    }
    if (best->found() && best->priority >= below) return {};
  }
}

// The best due workflow of all queues asked for. Stops where `stale` is full: then it has to be settled, and the look begun anew.
Status look(Db& db, const Claim& args, Millis now, Candidate* best, StaleLanes* stale) {
  *best = {};
  if (args.queues.empty()) return look_into_queue(db, args.queue, args, now, best, stale);
  Text queue;
  for (json::Elements e(args.queues); e.next();) {
    queue.clear();
    json::unquote(e.value(), queue);
    if (!queue.ok()) return Status::no_memory();
    WF_TRY(look_into_queue(db, queue.view(), args, now, best, stale));
    if (stale->full()) return {};
  }
  return {};
}

// The second half of a new token: random, or where machines repeat each other's calls a function of what they share.
Status new_nonce(Db& db, const Workflow& w, int64_t* nonce) {
  bool is_explicit;
  WF_TRY(clock_is_explicit(db, &is_explicit));
  uint64_t bits;
  if (is_explicit) {
    SettingValue epoch;
    WF_TRY(read_setting(db, Setting::epoch, &epoch));
    Text seed;
    seed.add_integer(epoch.value.integer).add(' ').add_integer(w.seq).add(' ').add_integer(w.attempt + w.resumed).add(' ').add(w.id.view());
    if (!seed.ok()) return Status::no_memory();
    bits = hash64(seed.view());
  } else {
    Db::randomness(&bits, sizeof bits);
  }
  *nonce = static_cast<int64_t>(bits >> 1);
  if (*nonce == 0) *nonce = 1;
  return {};
}

Status lease_of(Db& db, const Claim& args, const QueueSettings& settings, Millis* out) {
  *out = args.lease != kNoTime ? args.lease : settings.lease;
  if (*out != kNoTime) return {};
  Query q(db, Sql::setting_get);
  q.bind(":key", "lease");
  bool row;
  WF_TRY(q.next(&row));
  *out = row ? q.integer(0) : kDefaultLease;
  return {};
}

// Leases the workflow; it is due, and whoever held it has lost it.
Status take(Db& db, const Claim& args, const Workflow& w, int64_t lost, Millis now) {
  QueueSettings settings;
  WF_TRY(read_queue(db, w.queue.view(), &settings));
  Millis lease;
  WF_TRY(lease_of(db, args, settings, &lease));
  int64_t nonce = 0;
  WF_TRY(new_nonce(db, w, &nonce));
  const bool again = w.again != 0 || w.is_claimed();
  if (!args.key.empty()) {
    Query q(db, Sql::claim_free_key);
    q.bind(":key", args.key).bind(":seq", w.seq);
    WF_TRY(q.run());
  }
  {
    Query q(db, Sql::claim_take);
    q.bind(":seq", w.seq).bind(":now", now).bind(":due", later(now, lease)).bind(":lease", lease).bind(":nonce", nonce);
    q.bind(":place", static_cast<int64_t>(w.flags & kManual ? Place::not_offered : Place::leased));
    q.bind_name(":worker", args.worker).bind_name(":key", args.key).bind(":again", int64_t{again}).bind(":lost", lost).bind(":lost_now", int64_t{w.is_claimed()});
    q.bind(":limits", int64_t{settings.has_limits()}).bind(":until_end", int64_t{settings.has_limits() && settings.until_end});
    WF_TRY(q.run());
  }
  if (again) WF_TRY(count_rate(db, w.queue.view(), settings, now));
  return lane_moved(db, w);
}

// Takes a workflow that is due. Not taken: it was due to end instead (its time was up, or too many leases were lost), and has; or it was
// woken for nothing and waits on.
Status take_or_end(Db& db, const Claim& args, const Workflow& w, Millis now, bool* taken) {
  *taken = false;
  if (w.deadline_at != kNoTime && w.deadline_at <= now) return time_out(db, w, now);
  if (w.state == State::waiting) {
    bool satisfied;
    WF_TRY(decide_wait(db, w, now, &satisfied));
    if (!satisfied) return {};
  }
  int64_t lost = w.lost;
  if (w.is_claimed()) {
    WF_TRY(count_lost(db, w, &lost));
    Policy policy;
    WF_TRY(policy_of(db, w, &policy));
    if (lost >= policy.max_attempts) return poison(db, w, lost, now);
    WF_TRY(note_lost_lease(db, w, now));
  }
  *taken = true;
  return take(db, args, w, lost, now);
}

void add_name_or_null(const char* key, string_view text, Text& out) {
  out.add(",\"").add(key).add("\":");
  text.empty() ? (void)out.add("null") : json::quote(text, out);
}

void add_time_or_null(const char* key, const Query& q, int column, Text& out) {
  out.add(",\"").add(key).add("\":");
  if (q.is_null(column)) {
    out.add("null");
  } else {
    out.add('"').add(TimeText(q.integer(column), TimeForm::json).view()).add('"');
  }
}

Status show_steps(Db& db, int64_t seq, Text& out) {
  out.add(",\"steps\":{");
  Query q(db, Sql::claim_steps);
  q.bind(":seq", seq);
  for (bool first = true;; first = false) {
    bool row;
    WF_TRY(q.next(&row));
    if (!row) break;
    if (!first) out.add(',');
    json::quote(q.text(0), out);
    out.add(':');
    add_json(q.value(1), out);
  }
  out.add('}');
  return {};
}

// SQLITE_TOOBIG if `claims` cannot be a result: SQLite would say so after the commit, when nobody holds what was leased. SQLite itself
// is asked, for what counts is the size in the encoding of the file.
Status check_size(Db& db, Text& claims, string_view id) {
  const size_t size = claims.size();
  claims.add(']');  // what may come after the last one: there is room for it then
  if (!claims.ok()) return Status::no_memory();
  if (size < static_cast<size_t>(sqlite3_limit(db.handle(), SQLITE_LIMIT_LENGTH, -1)) / 2) {
    claims.truncate(size);
    return {};
  }
  Query q(db, Sql::claim_fits);
  q.bind(":claims", claims.view());
  bool row;
  Status fits = q.next(&row);
  claims.truncate(size);
  if (fits.ok() || (fits.rc() & 0xff) != SQLITE_TOOBIG) return fits;
  return Status::too_big("string or blob too big: a claim of workflow '%.*s'", WF_SV(id));
}

// Appends the JSON object of a claim.
Status show(Db& db, const Claim& args, int64_t seq, Text& out) {
  Query q(db, Sql::claim_show);
  q.bind(":seq", seq);
  bool row;
  WF_TRY(q.next(&row));
  out.add("{\"token\":\"");
  add_token(seq, q.integer(15), out);
  out.add("\",\"id\":");
  json::quote(q.text(0), out);
  add_name_or_null("name", q.text(1), out);
  out.add(",\"input\":");
  add_json(q.value(2), out);
  out.add(",\"attempt\":").add_integer(q.integer(3)).add(",\"resumed\":").add_integer(q.integer(4));
  add_name_or_null("ending", q.text(5), out);
  add_name_or_null("queue", q.text(6), out);
  out.add(",\"priority\":").add_integer(q.integer(7));
  add_name_or_null("worker", q.text(8), out);
  add_time_or_null("lease_expires_at", q, 9, out);
  add_time_or_null("deadline_at", q, 10, out);
  add_name_or_null("version", q.text(11), out);
  out.add(",\"headers\":").add(q.is_null(12) ? "null" : q.text(12));
  add_name_or_null("parent", q.text(13), out);
  add_time_or_null("scheduled_at", q, 14, out);
  if (args.steps) WF_TRY(show_steps(db, seq, out));
  out.add('}');
  return check_size(db, out, q.text(0));
}

// The claim that is current under `key`, renewed; `*found`.
Status repeat(Db& db, const Claim& args, Millis now, bool* found, Text& out) {
  int64_t seq = 0;
  {
    Query q(db, Sql::claim_of_key);
    q.bind(":key", args.key);
    WF_TRY(q.next(found));
    if (!*found) return {};
    seq = q.integer(0);
  }
  Workflow w;
  WF_TRY(find_seq(db, seq, found, &w));
  if (!args.id.empty() && w.id.view() != args.id) {
    Handle other;
    other.id = args.id;
    Workflow wanted;
    WF_TRY(load(db, other, &wanted));
    if (is_terminal(wanted.state) || wanted.lease_is_live(now)) WF_TRY(may_act(db, other, wanted, now, Act::write));
    return Status::error(Code::conflict, "the key '%.*s' holds a claim of workflow '%.*s', not '%.*s'", WF_SV(args.key),
                         WF_SV(w.id.view()), WF_SV(args.id));
  }
  QueueSettings settings;
  WF_TRY(read_queue(db, w.queue.view(), &settings));
  Millis lease;
  WF_TRY(lease_of(db, args, settings, &lease));
  if (later(now, lease) > w.due_at) {
    bool extended;
    WF_TRY(extend_lease(db, seq, later(now, lease), lease, now, &extended));
  }
  return show(db, args, seq, out);
}

// Claims the workflow `args.id`; nothing if it is not due or still waits.
Status claim_one(Db& db, const Claim& args, Millis now, Text& out, int64_t* count) {
  Handle handle;
  handle.id = args.id;
  Workflow w;
  WF_TRY(load(db, handle, &w));
  const bool over = is_terminal(w.state);
  if (!over && (w.flags & kScripted)) return scripted_error(w);
  if (w.state == State::paused && !w.lease_is_live(now)) return paused_error(w);
  if (!over && !w.lease_is_live(now) && (w.due_at == kNoTime || w.due_at > now)) return {};
  if (over || w.state != State::waiting) WF_TRY(may_act(db, handle, w, now, Act::write));
  bool taken;
  WF_TRY(take_or_end(db, args, w, now, &taken));
  if (!taken) {
    WF_TRY(load(db, handle, &w));
    if (is_terminal(w.state)) return may_act(db, handle, w, now, Act::write);
    return w.state == State::waiting ? Status() : claim_one(db, args, now, out, count);
  }
  *count = 1;
  return show(db, args, w.seq, out);
}

Status claim_next(Db& db, const Claim& args, Millis now, StaleLanes* stale, Text& out, bool* found) {
  for (;;) {
    Candidate best;
    WF_TRY(look(db, args, now, &best, stale));
    if (stale->full()) {
      WF_TRY(stale->settle(db));
      continue;
    }
    *found = best.found();
    if (!*found) return {};
    Workflow w;
    bool exists;
    WF_TRY(find_seq(db, best.seq, &exists, &w));
    WF_TRY(take_or_end(db, args, w, now, found));
    if (*found) return show(db, args, best.seq, out);
  }
}

// As claim(), but of at most `limit`.
Status claim_up_to(Db& db, const Claim& args, int64_t limit, const Now& now, Text& out, int64_t* count) {
  *count = 0;
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::refused, "wf_claim"));
  Millis time;
  WF_TRY(call_time(db, now, &time));
  WF_TRY(do_what_is_due(db, time));

  if (!args.key.empty() || !args.id.empty()) {
    bool found = false;
    Status status = args.key.empty() ? Status() : repeat(db, args, time, &found, out);
    if (found) *count = 1;
    if (status.ok() && !found && !args.id.empty()) status = claim_one(db, args, time, out, count);
    // What time has made due is done, also the end of the very workflow whose claim is refused for it.
    if (status.is_ours()) WF_TRY(scope.commit());
    if (!status.ok()) {
      *count = 0;
      return status;
    }
    if (found || !args.id.empty()) return scope.commit();
  }
  StaleLanes stale;
  while (*count < limit) {
    const size_t before = out.size();
    if (*count != 0) out.add(',');
    bool found;
    WF_TRY(claim_next(db, args, time, &stale, out, &found));
    if (!found) {
      out.truncate(before);
      break;
    }
    ++*count;
  }
  if (*count != 0) WF_TRY(stale.settle(db));
  return scope.commit();
}

}  // namespace

Status claim(Db& db, const Claim& args, const Now& now, Text& out, int64_t* count) {
  const size_t before = out.size();
  for (int64_t limit = args.limit;; limit = *count) {
    Status status = claim_up_to(db, args, limit, now, out, count);
    // Too long for a result with the one after these, and undone: once more without it.
    if ((status.rc() & 0xff) != SQLITE_TOOBIG || *count == 0) return status;
    out.truncate(before);
  }
}

Status is_claimable(Db& db, const Claim& args, Millis now, bool* out) {
  Candidate best;
  StaleLanes stale(false);
  WF_TRY(look(db, args, now, &best, &stale));
  *out = best.found() || stale.full();
  return {};
}

Status next_scripted(Db& db, string_view queues, Millis now, int64_t* seq) {
  Text all;
  if (queues.empty()) {
    Query q(db, Sql::run_queues);
    bool row;
    WF_TRY(q.next(&row));
    all.add(q.text(0));
    if (!all.ok()) return Status::no_memory();
  }
  Claim args;
  args.queues = queues.empty() ? all.view() : queues;
  args.kind = 1;
  for (StaleLanes stale;;) {
    Candidate best;
    WF_TRY(look(db, args, now, &best, &stale));
    const bool full = stale.full();
    *seq = best.seq;
    if (full || best.found()) WF_TRY(stale.settle(db));
    if (!full) return {};
  }
}

}  // namespace wf

#include "engine/claim.h"

#include "base/scope.h"
#include "engine/claim_order.h"
#include "engine/claim_plain.h"
#include "engine/claim_show.h"
#include "engine/claim_steps.h"
#include "engine/claim_take.h"
#include "engine/end.h"
#include "engine/lane.h"
#include "engine/lease.h"
#include "engine/may_act.h"
#include "engine/restored.h"
#include "engine/tick.h"
#include "engine/trouble.h"

namespace wf {
namespace {

bool is_too_long(const Status& status) { return (status.rc() & 0xff) == SQLITE_TOOBIG; }

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
    // A claim whose slot was given away could begin nothing: the key is free for another.
    WF_TRY(extend_lease(db, seq, later(now, lease), lease, now, found));
    if (!*found) return {};
  }
  return show_claim(db, args, seq, out);
}

// Takes the workflow `w`, that of `handle`, or ends it.
Status take_named(Db& db, const Claim& args, const Handle& handle, Workflow& w, Millis now, bool* taken) {
  bool was_put_off = false, ends = false;
  *taken = false;
  if (args.troubled) WF_TRY(end_if_left_behind(db, w.seq, now, &ends));
  if (ends) return {};
  if (args.troubled) WF_TRY(forget_trouble(db, {w.seq, {}}, &was_put_off));
  if (was_put_off) WF_TRY(lane_expect(db, w.lane, w.due_at, now));
  if (!w.exact_lane) {
    // It is a turn of those without partition, so they take part before it is taken.
    bool joined;
    WF_TRY(lanes_join_line(db, w.queue.view(), args.kind, now, &joined));
    if (joined) WF_TRY(load(db, handle, &w));
  }
  return take_or_end(db, args, w, now, taken);
}

// Claims the workflow `args.id`; nothing if it is not due or still waits.
Status claim_one(Db& db, const Claim& args, Millis now, Text& out, int64_t* count) {
  Handle handle;
  handle.id = args.id;
  Workflow w;
  WF_TRY(load(db, handle, &w));
  const bool over = is_terminal(w.state);
  if (!over && (w.flags & kOtherKind)) return other_kind_error(db, w);
  if (w.state == State::paused && !w.lease_is_live(now)) return paused_error(w);
  if (!over && !w.lease_is_live(now) && (w.due_at == kNoTime || w.due_at > now)) return {};
  if (over || w.state != State::waiting) WF_TRY(may_act(db, handle, w, now, Act::write));
  // Who names it wants it now, and hears why it fails. (What time has made due is done all the same, so the rest undoes itself.)
  bool taken;
  const auto take_it = [&] { return take_named(db, args, handle, w, now, &taken); };
  WF_TRY(in_savepoint(db, "wf_claim", take_it));
  if (!taken) {
    WF_TRY(load(db, handle, &w));
    if (is_terminal(w.state)) return may_act(db, handle, w, now, Act::write);
    return w.state == State::waiting ? Status() : claim_one(db, args, now, out, count);
  }
  *count = 1;
  return show_claim(db, args, w.seq, out);
}

// `first`: it is the first of the call. One that is too long behind others may be short enough by itself.
Status claim_next(Db& db, Claim& args, bool careful, bool first, Millis now, StaleLanes* stale, Text& out, bool* found) {
  for (;;) {
    Candidate best;
    WF_TRY(look_for_work(db, args, now, &best, stale));
    if (stale->full()) {
      WF_TRY(stale->settle(db, now));
      continue;
    }
    *found = best.found();
    if (!*found) return {};
    const auto take_best = [&] { return take_and_show(db, args, best.seq, now, found, out); };
    const size_t before = out.size();
    Status taken = careful ? in_savepoint(db, "wf_claim", take_best) : take_best();
    if (taken.ok() && *found) return {};
    if (taken.ok()) continue;
    const bool too_long = is_too_long(taken);
    if (!careful || (too_long && !first)) return taken;
    out.truncate(before);
    WF_TRY(pass_over(db, {best.seq, {}}, static_cast<Status&&>(taken), now));
    args.troubled = true;
    args.that_fit = args.that_fit || too_long;
  }
}

// As claim(), but of at most `limit`. `careful`: what cannot be taken is put off, which costs each a savepoint; else it ends the call.
Status claim_up_to(Db& db, const Claim& asked, int64_t limit, bool careful, const Now& now, Text& out, int64_t* count) {
  Claim args = asked;
  args.time_was_said = now.given;
  *count = 0;
  WriteScope scope(db);
  if (!careful && limit == 1 && db.has_looked_for_place() && PlainClaim::is_worth_it(db, args, now.given)) {
    PlainClaim plain(db, args, out);
    WF_TRY(scope.begin("wf_claim", &plain, Inline::refused));
    if (plain.done) {
      *count = 1;
      WF_TRY(note_shown(args, plain.seq(), out));
      return scope.commit();
    }
  } else {
    WF_TRY(scope.begin(Inline::refused, "wf_claim"));
  }
  WF_TRY(may_claim_here(db));
  Millis time;
  WF_TRY(call_time(db, now, &time));
  WF_TRY(do_what_is_due(db, time, &args.troubled));
  args.that_fit = args.that_fit || !db.too_long().list(time).empty();

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
    WF_TRY(claim_next(db, args, careful, *count == 0, time, &stale, out, &found));
    if (!found) {
      out.truncate(before);
      break;
    }
    ++*count;
  }
  if (*count != 0) WF_TRY(stale.settle(db, time));
  return scope.commit();
}

Status claim_at_once(Db& db, const Claim& asked, const Now& now, Text& out, int64_t* count) {
  const size_t before = out.size();
  Claim args = asked;
  int64_t limit = args.limit;
  for (bool careful = !args.id.empty();;) {
    Shown shown;
    if (args.steps) args.shown = &shown;
    Status status = claim_up_to(db, args, limit, careful, now, out, count);
    if (status.ok()) return shown.workflows.size() != 0 ? add_steps(db, shown, args.steps_limit, out) : Status();
    // It is undone. Too long for a result with the one after these: once more without that. Too long by itself: once more past it. Failed for
    // another reason: once more with care.
    if (db.taken_along().any) return status;
    out.truncate(before);
    if (PlainClaim::is_refused(db, status)) continue;
    const bool too_long = is_too_long(status);
    if (too_long && *count != 0) limit = *count;
    else if (too_long && !args.that_fit && args.id.empty()) args.that_fit = true;
    else if (!careful && may_be_an_items_own(status)) careful = true;
    else return status;
  }
}

}  // namespace

Status claim(Db& db, const Claim& args, const Now& now, Text& out, int64_t* count) {
  const size_t before = out.size();
  const auto claim_anew = [&] {
    out.truncate(before);
    return claim_at_once(db, args, now, out, count);
  };
  WF_TRY(past_rollbacks(db, "wf_claim", claim_anew));
  FileWatch& watch = db.file_watch();
  if (watch.found() != 0 && args.id.empty() && watch.found() == work_of(args)) watch.got(*count != 0);
  return {};
}

}  // namespace wf

#include "engine/line.h"

#include "engine/lane.h"
#include "engine/wake.h"

namespace wf {
namespace {

constexpr int kMostHastened = 16;  // by one who leaves: those who come earlier hasten the next ones

void bind(Query& q, const ShareOf& line) { q.bind(":rate", line.rate.view()).bind(":key", line.key.view()); }

// One who stands in line, or would.
struct Spot {
  bool in_line = false;
  int64_t place = 0, amount = 1;
  Millis due = kNoTime;
  int64_t seq = 0;
  Name step;

  void read(const Query& q) {
    in_line = true;
    place = q.count(0);
    amount = within(q.integer(1), 1, kMostCount);
    due = q.time(2);
  }
};

// What its time depends on.
struct LineTurn {
  int64_t needs = 0;           // shares for all who are waited for up to it
  bool now = false;            // there are so many
  Millis due = kNoTime;        // else when there will be
  Millis due_before = kNoTime; // when the one before it is due
  int64_t behind = 0;          // about how many are before it
};

Status damaged(const WaitRow& row) { return Status::error(Code::state, "step '%.*s' waits for a share, but its row is damaged", WF_SV(row.step)); }

Status read_line(const WaitRow& row, ShareOf* out) { return read_share(row.things[0], out) ? Status() : damaged(row); }

Status find_place(Db& db, int64_t seq, string_view step, Spot* out) {
  Query q(db, Sql::line_of);
  q.bind(":seq", seq).bind(":step", step);
  bool row;
  WF_TRY(q.next(&row));
  if (row) out->read(q);
  return {};
}

// A place at the end.
Status last_place(Db& db, const ShareOf& line, Spot* out) {
  Query q(db, Sql::line_last);
  bind(q, line);
  bool row;
  WF_TRY(q.next(&row));
  out->amount = line.amount;
  out->place = (row ? q.count(0) : 0) + line.amount;
  return {};
}

Status place_of(Db& db, int64_t seq, string_view step, const ShareOf& line, const Window& window, Spot* out) {
  *out = {};
  if (window.has_line) WF_TRY(find_place(db, seq, step, out));
  if (out->in_line) return {};
  if (window.has_line) return last_place(db, line, out);
  out->amount = out->place = line.amount;
  return {};
}

// Their places say how much they wait for at most: some may have left.
Status add_those_before(Db& db, const ShareOf& line, const Window& window, const Spot& p, int64_t first, Millis now, int64_t* needs) {
  const int64_t at_most = p.place - first;
  if (window.has_room(at_most)) {
    *needs = at_most;
    return {};
  }
  Query q(db, Sql::line_sum);
  bind(q, line);
  q.bind(":edge", first).bind(":place", p.place).bind(":expired", now - window.grace()).bind(":rows", window.limit);
  WF_TRY(q.one_row());
  *needs += q.count(0);
  return {};
}

Status turn_of(Db& db, const ShareOf& line, const Window& window, const Spot& p, Millis now, LineTurn* out) {
  *out = {};
  Millis edge = kNoTime;
  int64_t first = p.place;  // where those who are waited for begin
  out->needs = p.amount;
  if (window.has_line) {
    Query q(db, Sql::line_ahead);
    bind(q, line);
    q.bind(":expired", now - window.grace()).bind(":place", p.place).bind(":edge", p.place - window.limit);
    WF_TRY(q.one_row());
    first = within(q.integer_or(0, p.place), 0, p.place);
    out->due_before = q.time(1);
    edge = q.time(2);
  }
  out->behind = p.place - first;
  if (first < p.place - p.amount) WF_TRY(add_those_before(db, line, window, p, first, now, &out->needs));
  out->now = window.has_room(out->needs);
  if (out->now) return {};
  if (out->needs <= window.limit) WF_TRY(when_room(db, line, window, out->needs, now, &out->due));
  else out->due = edge == kNoTime ? later(now, window.grace()) : later(edge, window.per);
  if (out->due_before != kNoTime && out->due_before > out->due) out->due = out->due_before;
  if (out->due <= now) out->due = later(now, 1);
  return {};
}

// Whether one could be due so late: no, but by a clock that was wrong.
bool is_too_late(const Window& window, const LineTurn& turn, Millis now) {
  return turn.due_before != kNoTime && static_cast<double>(turn.due_before - now) > static_cast<double>(window.per) * static_cast<double>(turn.behind / window.limit + 2);
}

// The workflow of the spot is looked at by then, if it waits.
Status wake_by(Db& db, const Spot& spot, Millis due, Millis now) {
  int64_t lane;
  bool waits, later, scripted;
  {
    Query q(db, Sql::line_lane);
    q.bind(":seq", spot.seq).bind(":due", due);
    WF_TRY(q.next(&waits));
    if (!waits) return {};
    lane = q.integer(0);
    later = q.integer(1) != 0;
    scripted = q.integer(2) != 0;
  }
  if (scripted) {
    WF_TRY(run_all(db, Sql::line_wake_step, [&](Query& q) { q.bind(":seq", spot.seq).bind(":step", spot.step.view()).bind(":due", due); }));
  }
  if (!later) return {};
  WF_TRY(lane_expect(db, lane, due, now));
  Query q(db, Sql::line_wake);
  q.bind(":seq", spot.seq).bind(":due", due);
  return q.run();
}

Status find_next(Db& db, const ShareOf& line, bool first, int64_t place, Millis now, Spot* out) {
  *out = {};
  Query q(db, first ? Sql::line_next_due : Sql::line_next);
  bind(q, line);
  q.bind(":now", now).bind(":place", place);
  bool row;
  WF_TRY(q.next(&row));
  if (!row) return {};
  out->read(q);
  out->seq = q.integer(3);
  out->step = q.text(4);
  return {};
}

// Looks whether those who are not due yet may come earlier, from the first one on; `all`, or up to the first who may not.
Status hasten(Db& db, const ShareOf& line, bool all, Millis now) {
  Window window;
  WF_TRY(look_at_window(db, line, now, &window));
  const bool has_transaction = !db.autocommit();
  int64_t place = 0;
  for (int count = 0; all || count < kMostHastened; ++count) {
    Spot next;
    WF_TRY(find_next(db, line, count == 0, place, now, &next));
    if (!next.in_line || (count != 0 && next.place <= place)) return {};  // a place that is none would be the next one for ever
    place = next.place;
    if (next.due <= now) continue;
    LineTurn turn;
    turn.now = !window.exists;
    if (window.exists) WF_TRY(turn_of(db, line, window, next, now, &turn));
    if (turn.now) turn.due = now;
    if (turn.due >= next.due) {
      if (!all) return {};
      continue;
    }
    {
      Query q(db, Sql::line_call);
      bind(q, line);
      q.bind(":place", next.place).bind(":due", turn.due);
      WF_TRY(q.run());
    }
    WF_TRY(unless_its_own(db, next.seq, has_transaction, wake_by(db, next, turn.due, now), now));
  }
  return {};
}

// Nobody from `place` on is due before `due`, and each window's worth of them `per` later.
Status put_back(Db& db, const ShareOf& line, int64_t place, Millis due, Millis per, int64_t limit) {
  return run_all(db, Sql::line_put_back, [&](Query& q) {
    bind(q, line);
    q.bind(":place", place).bind(":due", due).bind(":per", per).bind(":limit", limit);
  });
}

Status leave(Db& db, int64_t seq, string_view step, const ShareOf& line, Millis now) {
  WF_TRY(run_all(db, Sql::line_leave, [&](Query& q) { q.bind(":seq", seq).bind(":step", step); }));
  return hasten(db, line, false, now);
}

Status too_much(const ShareOf& share, int64_t limit) {
  return Status::error(Code::invalid, "%lld shares of '%.*s' are more than its limit, %lld", static_cast<long long>(share.amount), WF_SV(share.rate.view()), static_cast<long long>(limit));
}

}  // namespace

Status look_for_share(Db& db, int64_t seq, const WaitRow& row, Millis now, Came* came) {
  if (row.timeout != kNoTime && now > row.timeout) return {};
  ShareOf share;
  Window window;
  WF_TRY(read_line(row, &share));
  WF_TRY(look_at_window(db, share, now, &window));
  came->at = now;
  came->yes = !window.exists || share.amount > window.limit;
  if (came->yes) return {};
  Spot place;
  LineTurn turn;
  WF_TRY(place_of(db, seq, row.step, share, window, &place));
  WF_TRY(turn_of(db, share, window, place, now, &turn));
  came->yes = turn.now;
  if (!window.has_line && (window.last_at == kNoTime || window.last_at <= now)) came->n = window.given;
  return {};
}

Status take_share(Db& db, int64_t seq, const WaitRow& row, const Came& came, Millis now) {
  ShareOf share;
  WF_TRY(read_line(row, &share));
  if (came.n >= 0) return give_share(db, share, came.n, now);
  Window window;
  WF_TRY(look_at_window(db, share, now, &window));
  if (window.exists) {
    if (share.amount > window.limit) return too_much(share, window.limit);
    WF_TRY(cut_later_shares(db, share, window, now));
    WF_TRY(give_share(db, share, window.given, now));
  }
  return leave(db, seq, row.step, share, now);
}

void show_share(const Awaited& thing, const Came& came, Text& out) {
  ShareOf share;
  if (!came.yes || !read_share(thing, &share)) {
    out.add("\"rate\":null,\"timeout\":true");
    return;
  }
  add_share(share, came.at, out);
}

Status call_for_share(Db& db, int64_t seq, const WaitRow& row, Millis now, bool* called) {
  Came came;
  WF_TRY(look_for_share(db, seq, row, now, &came));
  *called = came.yes;
  if (!came.yes) return {};
  ShareOf share;
  Window window;
  Spot place;
  WF_TRY(read_line(row, &share));
  WF_TRY(look_at_window(db, share, now, &window));
  WF_TRY(find_place(db, seq, row.step, &place));
  // It comes late, and those behind it are not later than it.
  if (!place.in_line || place.due >= now - window.grace() / 2) return {};
  return put_back(db, share, place.place, now, 0, 1);
}

Status stand_in_line(Db& db, int64_t seq, WaitRow* row, Millis now) {
  ShareOf share;
  Window window;
  Spot place;
  LineTurn turn;
  WF_TRY(read_line(*row, &share));
  WF_TRY(look_at_window(db, share, now, &window));
  row->call = now;
  if (!window.exists) return {};
  WF_TRY(cut_later_shares(db, share, window, now));
  WF_TRY(place_of(db, seq, row->step, share, window, &place));
  WF_TRY(turn_of(db, share, window, place, now, &turn));
  if (is_too_late(window, turn, now)) {
    WF_TRY(hasten(db, share, true, now));
    WF_TRY(turn_of(db, share, window, place, now, &turn));
  }
  row->call = turn.now ? later(now, window.grace()) : turn.due;
  if (!place.in_line) {
    Query q(db, Sql::line_join);
    bind(q, share);
    q.bind(":place", place.place).bind(":seq", seq).bind(":step", row->step).bind(":n", place.amount).bind(":due", row->call);
    return q.run();
  }
  if (turn.now) return {};
  if (place.due > turn.due) row->call = place.due;
  return place.due < turn.due ? put_back(db, share, place.place, turn.due, window.per, window.limit) : Status();
}

Status leave_line(Db& db, int64_t seq, string_view step, Millis now) {
  ShareOf line;
  {
    Query q(db, Sql::line_of);
    q.bind(":seq", seq).bind(":step", step);
    bool row;
    WF_TRY(q.next(&row));
    if (!row) return {};
    line.rate = q.text(3);
    line.key = q.text(4);
  }
  return leave(db, seq, step, line, now);
}

Status leave_lines(Db& db, int64_t seq, Millis now) {
  for (;;) {
    ShareOf line;
    {
      Query q(db, Sql::line_any_of);
      q.bind(":seq", seq);
      bool row;
      WF_TRY(q.next(&row));
      if (!row) return {};
      line.rate = q.text(1);
      line.key = q.text(2);
      // (As it is stored: a hand edit may have made it something else than a text.)
      WF_TRY(run_all(db, Sql::line_leave, [&](Query& leaving) { leaving.bind(":seq", seq).bind(":step", q.value(0)); }));
    }
    WF_TRY(hasten(db, line, false, now));
  }
}

Status hasten_line(Db& db, const ShareOf& line, Millis now) { return hasten(db, line, true, now); }

Status check_share(Db& db, const Awaited& thing) {
  ShareOf share;
  if (!read_share(thing, &share)) return Status::error(Code::invalid, "a share is of a limit, under one key or none");
  Limit limit;
  bool exists;
  WF_TRY(read_limit(db, share.rate.view(), &exists, &limit));
  if (!exists) return Status::error(Code::not_found, "no rate '%.*s': wf_rate() makes one", WF_SV(share.rate.view()));
  return share.amount > limit.limit ? too_much(share, limit.limit) : Status();
}

}  // namespace wf

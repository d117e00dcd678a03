#include "engine/decide.h"

#include "engine/event.h"
#include "engine/join.h"
#include "engine/line.h"
#include "engine/signal.h"
#include "engine/sleep.h"

namespace wf {
namespace {

// ---- Looking -------------------------------------------------------------------------------------------------------------

struct Seen {
  List<Came> came;     // of each thing
  size_t count = 0;    // how many have come
  size_t first = 0;    // which of them was the first
};

// Signals arrive in an order; other things only at times.
bool is_earlier(const Awaited& a, const Came& came, const Awaited& b, const Came& than) {
  if (a.kind == WaitKind::signal && b.kind == WaitKind::signal) return came.n < than.n;
  return came.at < than.at;
}

Status look_for(Db& db, int64_t seq, const WaitRow& row, size_t i, Millis now, string_view taken, Came* came) {
  const Awaited& thing = row.things[i];
  switch (thing.kind) {
    case WaitKind::sleep: look_for_time(thing, row.timeout, now, came); return {};
    case WaitKind::signal: return look_for_signal(db, seq, thing, row.timeout, taken, came);
    case WaitKind::event: return look_for_event(db, thing, row.timeout, came);
    case WaitKind::share: return look_for_share(db, seq, row, now, came);
    case WaitKind::join: {
      Text key;
      row.add_key(i, key);
      return key.ok() ? look_for_ends(db, seq, thing, key.view(), row.timeout, now, came) : Status::no_memory();
    }
  }
  return {};
}

// Writes nothing: who waits for all of them takes no signal before all are there. None counts for two things.
Status look(Db& db, int64_t seq, const WaitRow& row, Millis now, Seen* out) {
  Text taken;
  for (size_t i = 0; i < row.things.size(); ++i) {
    Came came;
    WF_TRY(look_for(db, seq, row, i, now, taken.view(), &came));
    out->came.add(came);
    if (!out->came.ok()) return Status::no_memory();
    if (!came.yes) continue;
    if (out->count++ == 0 || is_earlier(row.things[i], came, row.things[out->first], out->came[out->first])) out->first = i;
    if (!row.all || row.things[i].kind != WaitKind::signal) continue;
    if (taken.size() != 0) taken.truncate(taken.size() - 1);
    taken.add(taken.size() == 0 ? '[' : ',').add_integer(came.n).add(']');
    if (!taken.ok()) return Status::no_memory();
  }
  return {};
}

// ---- Showing -------------------------------------------------------------------------------------------------------------

// As members of an object.
Status show(Db& db, int64_t seq, const Awaited& thing, const Came& came, Text& out) {
  switch (thing.kind) {
    case WaitKind::sleep: out.add("\"sleep\":\"").add(TimeText(thing.due, TimeForm::json).view()).add('"'); return {};
    case WaitKind::signal: return show_signal(db, came.n, out);
    case WaitKind::event: return show_event(db, came.n, out);
    case WaitKind::join: out.add("\"join\":"); return show_ends(db, seq, thing, came, out);
    case WaitKind::share: return {};
  }
  return {};
}

void add_as(const Awaited& thing, const char* before, const char* after, Text& out) {
  if (!thing.as.empty()) out.add(before).add("\"as\":").add(thing.as).add(after);
}

// What the wait for one thing gives.
Status show_one(Db& db, int64_t seq, const Awaited& thing, const Came& came, Text& out) {
  switch (thing.kind) {
    case WaitKind::sleep: out.add('"').add(TimeText(thing.due, TimeForm::sql).view()).add('"'); return {};
    case WaitKind::join: return show_ends(db, seq, thing, came, out);
    case WaitKind::signal:
    case WaitKind::event:
    case WaitKind::share: break;
  }
  out.add('{');
  if (thing.kind == WaitKind::share) show_share(thing, came, out);
  else if (came.yes) WF_TRY(show(db, seq, thing, came, out));
  else out.add(thing.kind == WaitKind::signal ? "\"signal\"" : "\"event\"").add(":null,\"timeout\":true");
  out.add('}');
  return {};
}

Status show_first(Db& db, int64_t seq, const WaitRow& row, const Seen& seen, Text& out) {
  if (seen.count == 0) {
    out.add("{\"index\":null,\"timeout\":true}");
    return {};
  }
  const Awaited& thing = row.things[seen.first];
  out.add("{\"index\":").add_integer(static_cast<int64_t>(seen.first)).add(',');
  add_as(thing, "", ",", out);
  WF_TRY(show(db, seq, thing, seen.came[seen.first], out));
  out.add('}');
  return {};
}

Status show_all(Db& db, int64_t seq, const WaitRow& row, const Seen& seen, Text& out) {
  for (size_t i = 0; i < row.things.size(); ++i) {
    out.add(i == 0 ? "[{" : ",{");
    add_as(row.things[i], "", ",", out);
    if (seen.came[i].yes) WF_TRY(show(db, seq, row.things[i], seen.came[i], out));
    else out.add("\"timeout\":true");
    out.add('}');
  }
  out.add(']');
  return {};
}

// What has ended the wait: of all things the one that came last.
Wake ended_by(const WaitRow& row, const Seen& seen) {
  constexpr Wake kOf[] = {Wake::timer, Wake::signal, Wake::event, Wake::join, Wake::timer};
  if (seen.count < (row.all ? row.things.size() : 1)) return Wake::timer;
  size_t which = row.all ? 0 : seen.first;
  for (size_t i = 1; row.all && i < row.things.size(); ++i) {
    if (seen.came[i].at >= seen.came[which].at) which = i;
  }
  return kOf[static_cast<int>(row.things[which].kind)];
}

bool is_enough(const WaitRow& row, const Seen& seen, Millis now) {
  return (row.timeout != kNoTime && row.timeout <= now) || seen.count >= (row.all ? row.things.size() : 1);
}

}  // namespace

Status is_satisfied(Db& db, int64_t seq, const WaitRow& row, Millis now, bool* out) {
  Seen seen;
  WF_TRY(look(db, seq, row, now, &seen));
  *out = is_enough(row, seen, now);
  return {};
}

Status decide(Db& db, int64_t seq, const WaitRow& row, Millis now, bool* satisfied, Text& output, Wake* by) {
  Seen seen;
  WF_TRY(look(db, seq, row, now, &seen));
  *satisfied = is_enough(row, seen, now);
  if (!*satisfied) return {};
  if (by != nullptr) *by = ended_by(row, seen);
  WF_TRY(!row.several ? show_one(db, seq, row.things[0], seen.came[0], output) : row.all ? show_all(db, seq, row, seen, output) : show_first(db, seq, row, seen, output));
  if (!output.ok()) return Status::no_memory();
  if (row.is_share()) return seen.came[0].yes ? take_share(db, seq, row, seen.came[0], now) : leave_line(db, seq, row.step, now);
  for (size_t i = 0; i < row.things.size(); ++i) {
    const bool counts = seen.came[i].yes && (row.all || i == seen.first);
    if (counts && row.things[i].kind == WaitKind::signal) WF_TRY(take_signal(db, seen.came[i].n, row.n));
  }
  return {};
}

Status make_row(string_view step, string_view kind, const List<Awaited>& things, bool all, Millis timeout, Millis now, Text& topics, Text& how, WaitRow* out) {
  out->step = step;
  out->kind = kind;
  out->several = kind == kWaitAny;
  out->all = all;
  out->timeout = timeout == kNoTime ? kNoTime : later(now, timeout);
  for (size_t i = 0; i < things.size(); ++i) {
    Awaited thing = things[i];
    if (thing.length != kNoTime) thing.due = later(now, thing.length);
    out->things.add(thing);
  }
  if (!out->things.ok()) return Status::no_memory();
  out->due = out->next_time(now);
  const Awaited& one = out->things[0];
  if (out->several) out->add_topics(topics);
  if (!out->several && one.kind == WaitKind::join) how.add("{\"mode\":\"").add(one.any ? "any" : "all").add("\",\"outputs\":").add(one.outputs ? "true" : "false").add('}');
  if (!out->several && one.kind == WaitKind::share) add_how(one.amount, one.keep, how);
  out->topics = out->several ? topics.view() : one.names;
  out->how = how.view();
  return topics.ok() && how.ok() ? Status() : Status::no_memory();
}

Status list_waiter(Db& db, int64_t seq, WaitRow& row, Millis now) {
  if (row.is_share()) return stand_in_line(db, seq, &row, now);
  for (size_t i = 0; i < row.things.size(); ++i) {
    const Awaited& thing = row.things[i];
    if (thing.kind != WaitKind::event && thing.kind != WaitKind::join) continue;
    Text key;
    row.add_key(i, key);
    if (!key.ok()) return Status::no_memory();
    const bool event = thing.kind == WaitKind::event;
    WF_TRY(list_names(db, event ? Sql::event_wait : Sql::join_wait, event ? Sql::event_unlisted : Sql::join_unlisted, thing.names, [&](Query& q) {
      q.bind(":seq", seq).bind(":key", key.view());
    }));
  }
  return {};
}

}  // namespace wf

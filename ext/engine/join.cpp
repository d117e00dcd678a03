#include "engine/join.h"

#include "base/json.h"
#include "engine/above.h"
#include "engine/trouble.h"
#include "engine/wake.h"

namespace wf {
namespace {

constexpr int64_t kEach = -1;
constexpr int64_t kNoneLeft = -2;  // as Came::n: of a join for any, none is left that could end

// Whoever ends takes itself off the list.
Status retire(Db& db, string_view topic, const Waiter& waiter) {
  Query q(db, Sql::join_retire);
  q.bind(":topic", topic).bind(":seq", waiter.seq).bind(":key", waiter.key);
  return q.run();
}

}  // namespace

namespace {

Status show_portion(Db& db, int64_t seq, const Awaited& thing, string_view ids, int64_t only, Text& output) {
  Query q(db, Sql::join_show);
  q.bind(":topics", ids).bind(":seq", seq);
  if (only != kEach) q.bind(":only", only);
  for (;;) {
    bool found;
    WF_TRY(q.next(&found));
    if (!found) return {};
    output.add(output.view().back() == '[' ? "{\"id\":" : ",{\"id\":");
    json::quote(q.text(0), output);
    output.add(",\"status\":");
    if (q.is_null(1)) output.add("null");
    else json::quote(q.text(1), output);
    if (thing.outputs && q.integer(2) != 0) {
      const bool completed = q.text(1) == state_name(State::completed);
      output.add(completed ? ",\"output\":" : ",\"error\":");
      add_json(q.value(completed ? 3 : 4), output, &db.stop());
    }
    output.add('}');
    if (!output.ok()) return Status::no_memory();
  }
}

// Runs a statement that looks at ids, portion by portion, until it has found a row: `*found`.
Status find_id(Db& db, Sql sql, int64_t seq, string_view ids, bool* found, const Callback<Status(Query&)>& read) {
  *found = false;
  for (json::Portions p(ids, &db.stop()); !*found;) {
    bool more;
    WF_TRY(p.next(&more));
    if (!more) return {};
    Query q(db, sql);
    q.bind(":topics", p.text()).bind(":seq", seq);
    WF_TRY(q.next(found));
    if (*found) WF_TRY(read(q));
  }
  return {};
}

// The one that ended first.
Status look_for_first(Db& db, int64_t seq, string_view ids, Millis until, Came* came) {
  for (json::Portions p(ids, &db.stop());;) {
    bool more, found;
    WF_TRY(p.next(&more));
    if (!more) return {};
    Query q(db, Sql::join_first);
    q.bind(":topics", p.text()).bind(":seq", seq);
    WF_TRY(q.next(&found));
    if (!found || !in_time(q.time(1), until) || (came->yes && q.time(1) >= came->at)) continue;
    came->yes = true;
    came->n = p.first() + q.integer(0);
    came->at = q.time(1);
  }
}

// When the last one has ended; kNoTime: there is none.
Status look_for_last(Db& db, int64_t seq, string_view ids, Millis* at) {
  *at = kNoTime;
  for (json::Portions p(ids, &db.stop());;) {
    bool more, row;
    WF_TRY(p.next(&more));
    if (!more) return {};
    Query q(db, Sql::join_last);
    q.bind(":topics", p.text()).bind(":seq", seq);
    WF_TRY(q.next(&row));
    if (!q.is_null(0) && (*at == kNoTime || q.time(0) > *at)) *at = q.time(0);
  }
}

}  // namespace

Status show_ends(Db& db, int64_t seq, const Awaited& thing, const Came& came, Text& output) {
  output.add('[');
  if (!output.ok()) return Status::no_memory();
  for (json::Portions p(thing.names, &db.stop());;) {
    bool more;
    WF_TRY(p.next(&more));
    if (!more) break;
    const bool all = came.n == kEach, has_it = came.n >= p.first() && came.n < p.first() + p.count();
    if (all || has_it) WF_TRY(show_portion(db, seq, thing, p.text(), all ? kEach : came.n - p.first(), output));
  }
  output.add(']');
  return {};
}

Status look_for_ends(Db& db, int64_t seq, const Awaited& thing, string_view key, Millis until, Millis now, Came* came) {
  if (thing.any) {
    WF_TRY(look_for_first(db, seq, thing.names, until, came));
    if (came->yes) return {};
  } else {
    // Whoever ends takes itself off the list, so as long as there is one on it nothing else need be looked at.
    Query q(db, Sql::join_waits);
    q.bind(":seq", seq).bind(":key", key);
    bool listed;
    WF_TRY(q.next(&listed));
    if (listed) return {};
  }
  bool unfinished;
  WF_TRY(find_id(db, Sql::join_open, seq, thing.names, &unfinished, [](Query&) { return Status(); }));
  if (unfinished) return {};
  WF_TRY(look_for_last(db, seq, thing.names, &came->at));
  if (came->at == kNoTime) came->at = now;
  came->yes = in_time(came->at, until);
  if (came->yes && thing.any) came->n = kNoneLeft;
  return {};
}

Status check_join(Db& db, const Workflow& w, string_view ids) {
  if (ids.empty()) return {};
  Text id;
  for (json::Elements e(json::check(ids, &db.stop())); e.next();) {
    id.clear();
    json::unquote(e.value(), id);
    if (!id.ok()) return Status::no_memory();
    if (id.view() == w.id.view()) return Status::error(Code::invalid, "workflow '%.*s' cannot wait for itself", WF_SV(w.id.view()));
  }
  bool unknown;
  return find_id(db, Sql::join_unknown, w.seq, ids, &unknown, [&](Query& q) {
    if (q.integer(1) == 0) return Status::error(Code::not_found, "no workflow '%.*s' to join", WF_SV(q.text(0)));
    return Status::error(Code::not_found, "the child '%.*s' of workflow '%.*s' is gone, and another workflow has its id: there is nothing to join", WF_SV(q.text(0)),
                         WF_SV(w.id.view()));
  });
}

Status spawned_so_far(Db& db, const Workflow& w, Text& out) {
  Query q(db, Sql::join_children);
  q.bind(":seq", w.seq);
  WF_TRY(q.one_row());
  out.add(q.text(0));
  return out.ok() ? Status() : Status::no_memory();
}

Status check_any(string_view ids, Stop* stop) {
  if (json::Elements(json::check(ids, stop)).next()) return {};
  return Status::error(Code::invalid, "a join of none with mode any waits for what cannot be: give ids, or spawn a child before it");
}

namespace {

// The steps of another kind that wait are woken together, before the first is taken off the list, or where that fails each for itself.
enum class StepsWoken : char { not_yet, all, each };

Status tell_other_kind(Db& db, string_view topic, const Waiter& waiter, StepsWoken* steps, Millis now) {
  const Kind& kind = *db.above().kind;
  if (*steps == StepsWoken::not_yet) {
    Status all = kind.wake_steps(db, topic, 0, now);
    *steps = all.ok() ? StepsWoken::all : StepsWoken::each;
    if (!all.ok() && (!may_be_an_items_own(all) || db.autocommit())) return db.autocommit() ? one_by_one(db, static_cast<Status&&>(all)) : static_cast<Status&&>(all);
  }
  bool past;  // it stays on the list, for its steps to be found by
  WF_TRY(looks_past(db, waiter.seq, now, &past));
  if (past) return {};
  if (*steps == StepsWoken::each) WF_TRY(kind.wake_steps(db, topic, waiter.seq, now));
  WF_TRY(retire(db, topic, waiter));
  return kind.wake(db, waiter.seq, waiter.lane, now);
}

Status tell(Db& db, string_view topic, const Waiter& waiter, Millis now) {
  WF_TRY(retire(db, topic, waiter));
  bool waits_on, any = false;
  {
    Query q(db, Sql::join_waits);
    q.bind(":seq", waiter.seq).bind(":key", waiter.key);
    WF_TRY(q.next(&waits_on));
  }
  if (waits_on) {
    Query q(db, Sql::join_is_any);
    q.bind(":seq", waiter.seq).bind(":key", waiter.key);
    WF_TRY(q.next(&any));
  }
  return !waits_on || any ? wake(db, waiter.seq, waiter.lane, Wake::join, now) : Status();
}

}  // namespace

Status tell_joins(Db& db, int64_t seq, Millis now) {
  Text topic;
  topic.add('w').add_integer(seq);
  if (!topic.ok()) return Status::no_memory();
  StepsWoken steps = db.taken_along().again ? StepsWoken::each : StepsWoken::not_yet;
  const bool has_transaction = !db.autocommit();
  for (Waiter waiter;;) {
    bool found;
    WF_TRY(next_waiter(db, topic.view(), &waiter, &found));
    if (!found) return {};
    Status told = waiter.other_kind ? tell_other_kind(db, topic.view(), waiter, &steps, now) : tell(db, topic.view(), waiter, now);
    WF_TRY(unless_its_own(db, waiter.seq, has_transaction, static_cast<Status&&>(told), now));
  }
}

}  // namespace wf

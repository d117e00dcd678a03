#include "engine/join.h"

#include "base/json.h"
#include "engine/above.h"

namespace wf {
namespace {

constexpr int64_t kNoneLeft = -2;  // as Came::n: of a join for any, none is left that could end

}  // namespace

Status show_ends(Db& db, const Awaited& thing, const Came& came, Text& output) {
  Query q(db, Sql::join_show);
  q.bind(":topics", thing.names);
  if (came.n != -1) q.bind(":only", came.n);
  output.add('[');
  for (bool first = true;; first = false) {
    bool found;
    WF_TRY(q.next(&found));
    if (!found) break;
    output.add(first ? "{\"id\":" : ",{\"id\":");
    json::quote(q.text(0), output);
    output.add(",\"status\":");
    if (q.is_null(1)) output.add("null");
    else json::quote(q.text(1), output);
    if (thing.outputs && q.integer(2) != 0) {
      const bool completed = q.text(1) == state_name(State::completed);
      output.add(completed ? ",\"output\":" : ",\"error\":");
      add_json(q.value(completed ? 3 : 4), output);
    }
    output.add('}');
  }
  output.add(']');
  return {};
}

Status look_for_ends(Db& db, int64_t seq, const Awaited& thing, string_view key, Millis now, Came* came) {
  if (thing.any) {
    Query q(db, Sql::join_first);
    q.bind(":topics", thing.names);
    WF_TRY(q.next(&came->yes));
    if (came->yes) {
      came->n = q.integer(0);
      came->at = q.time(1);
      return {};
    }
  } else {
    // Whoever ends takes itself off the list, so as long as there is one on it nothing else need be looked at.
    Query q(db, Sql::join_waits);
    q.bind(":seq", seq).bind(":key", key);
    bool listed;
    WF_TRY(q.next(&listed));
    if (listed) return {};
  }
  Query q(db, Sql::join_open);
  q.bind(":topics", thing.names);
  bool unfinished;
  WF_TRY(q.next(&unfinished));
  came->yes = !unfinished;
  if (unfinished) return {};
  if (thing.any) came->n = kNoneLeft;
  Query last(db, Sql::join_last);
  last.bind(":topics", thing.names);
  bool row;
  WF_TRY(last.next(&row));
  came->at = last.is_null(0) ? now : last.time(0);
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
  Query q(db, Sql::join_unknown);
  q.bind(":topics", ids);
  bool row;
  WF_TRY(q.next(&row));
  return row ? Status::error(Code::not_found, "no workflow '%.*s' to join", WF_SV(q.text(0))) : Status();
}

Status spawned_so_far(Db& db, const Workflow& w, Text& out) {
  Query q(db, Sql::join_children);
  q.bind(":seq", w.seq);
  bool row;
  WF_TRY(q.next(&row));
  out.add(q.text(0));
  return out.ok() ? Status() : Status::no_memory();
}

Status check_any(string_view ids, Stop* stop) {
  if (json::Elements(json::check(ids, stop)).next()) return {};
  return Status::error(Code::invalid, "a join of none with mode any waits for what cannot be: give ids, or spawn a child before it");
}

Status tell_joins(Db& db, int64_t seq, Millis now) {
  Text topic;
  topic.add('w').add_integer(seq);
  if (!topic.ok()) return Status::no_memory();
  for (bool woken = false;;) {
    int64_t waiter, lane;
    bool other_kind;
    Text held;
    Value key;
    {
      Query q(db, Sql::wait_waiters);
      q.bind(":topic", topic.view());
      bool found;
      WF_TRY(q.next(&found));
      if (!found) return {};
      waiter = q.integer(0);
      lane = q.integer(1);
      other_kind = q.integer(2) != 0;
      key = q.value(3);  // of whatever type a hand edit has made it, or it would not be found again below
      held.add(key.bytes);
      if (!held.ok()) return Status::no_memory();
      key.bytes = held.view();
    }
    if (other_kind && !woken) WF_TRY(db.above().kind->wake_steps(db, topic.view(), now));  // all of them, before the first is taken off the list
    woken = woken || other_kind;
    {
      Query q(db, Sql::join_retire);
      q.bind(":topic", topic.view()).bind(":seq", waiter).bind(":key", key);
      WF_TRY(q.run());
    }
    if (other_kind) {
      WF_TRY(db.above().kind->wake(db, waiter, lane, now));
      continue;
    }
    bool waits_on, any = false;
    {
      Query q(db, Sql::join_waits);
      q.bind(":seq", waiter).bind(":key", key);
      WF_TRY(q.next(&waits_on));
    }
    if (waits_on) {
      Query q(db, Sql::join_is_any);
      q.bind(":seq", waiter).bind(":key", key);
      WF_TRY(q.next(&any));
    }
    if (!waits_on || any) WF_TRY(wake(db, waiter, lane, Wake::join, now));
  }
}

}  // namespace wf

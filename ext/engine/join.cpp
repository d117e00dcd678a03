#include "engine/join.h"

#include "base/json.h"
#include "engine/above.h"
#include "engine/trouble.h"
#include "engine/wake.h"

namespace wf {
namespace {

constexpr int64_t kNoneLeft = -2;  // as Came::n: of a join for any, none is left that could end

// Whoever ends takes itself off the list.
Status retire(Db& db, string_view topic, const Waiter& waiter) {
  Query q(db, Sql::join_retire);
  q.bind(":topic", topic).bind(":seq", waiter.seq).bind(":key", waiter.key);
  return q.run();
}

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

namespace {

// The steps of another kind that wait are woken together, before the first is taken off the list, or where that fails each for itself.
enum class StepsWoken : char { not_yet, all, each };

Status tell_other_kind(Db& db, string_view topic, const Waiter& waiter, StepsWoken* steps, Millis now) {
  const Kind& kind = *db.above().kind;
  if (*steps == StepsWoken::not_yet) {
    Status all = kind.wake_steps(db, topic, 0, now);
    *steps = all.ok() ? StepsWoken::all : StepsWoken::each;
    if (!all.ok() && !may_be_an_items_own(all)) return all;
  }
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
  StepsWoken steps = StepsWoken::not_yet;
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

#include "engine/signal.h"

#include "engine/above.h"
#include "engine/may_act.h"
#include "engine/opening.h"
#include "engine/trouble.h"
#include "engine/wake.h"

namespace wf {

Status look_for_signal(Db& db, int64_t seq, const Awaited& thing, Millis until, string_view taken, Came* came) {
  for (json::Portions p(thing.names, &db.stop());;) {
    bool more, row;
    WF_TRY(p.next(&more));
    if (!more) return {};
    Query q(db, Sql::signal_next);
    q.bind(":seq", seq).bind(":topics", p.text()).bind_time(":due", until).bind_name(":taken", taken);
    WF_TRY(q.next(&row));
    if (!row || (came->yes && q.integer(0) >= came->n)) continue;
    came->yes = true;
    came->n = q.integer(0);
    came->at = q.time(1);
  }
}

Status show_signal(Db& db, int64_t n, Text& out) { return show_arrival(db, "signal", Sql::signal_show, n, out); }

Status take_signal(Db& db, int64_t n, int64_t step) {
  Query q(db, Sql::signal_take);
  q.bind(":n", n).bind(":step", step);
  return q.run();
}

namespace {

Status wake_for(Db& db, const Workflow& w, string_view signal, Millis now) {
  if (w.flags & kOtherKind) return db.above().kind->signalled(db, w, signal, now);
  if (w.under_pause != State::waiting) return {};
  bool awaited;
  {
    Query q(db, Sql::signal_awaited);
    q.bind(":seq", w.seq).bind(":name", signal);
    WF_TRY(q.next(&awaited));
  }
  return awaited ? wake(db, w.seq, w.lane, Wake::signal, now) : Status();
}

Status send_once(Db& db, string_view id, string_view signal, const Value& payload, string_view key, const Now& now, bool* sent) {
  Handle handle;
  handle.id = id;
  WriteScope scope(db);
  Millis time;
  Workflow w;
  WF_TRY(open_for(db, scope, "wf_signal", handle, now, &time, &w));
  *sent = true;
  if (!key.empty()) {
    Query q(db, Sql::signal_of_key);
    q.bind(":seq", w.seq).bind(":name", signal).bind(":key", key);
    bool used;
    WF_TRY(q.next(&used));
    *sent = !used;
  }
  if (!*sent) return scope.commit();
  if (is_terminal(w.state)) WF_TRY(may_act(db, handle, w, time, Act::write));
  const bool has_transaction = !db.autocommit();
  WF_TRY(unless_its_own(db, w.seq, has_transaction, wake_for(db, w, signal, time), time));
  {
    // Last: a wake-up without a signal does no harm.
    Query q(db, Sql::signal_add);
    q.bind(":seq", w.seq).bind(":name", signal).bind_name(":key", key).bind(":now", time).bind(":payload", payload);
    WF_TRY(q.run());
  }
  return scope.commit();
}

}  // namespace

Status send_signal(Db& db, string_view id, string_view signal, const Value& payload, string_view key, const Now& now, bool* sent) {
  return past_rollbacks(db, "wf_signal", [&] { return send_once(db, id, signal, payload, key, now, sent); });
}

}  // namespace wf

#include "engine/remove.h"

#include "base/numbers.h"
#include "base/scope.h"
#include "engine/created.h"
#include "engine/join.h"
#include "engine/lane.h"
#include "engine/line.h"
#include "engine/trouble.h"

namespace wf {
namespace {

constexpr int64_t kWorkflowsAtOnce = 1000;

// One workflow, of which the caller has seen that it may go. What else is stored of it is left to clear_away().
Status remove_one(Db& db, const Workflow& w, Millis now) {
  WF_TRY(tell_joins(db, w.seq, now));
  bool row, last;
  {
    Query q(db, Sql::remove_is_last);
    q.bind(":seq", w.seq);
    WF_TRY(q.next(&row));
    last = q.integer(0) != 0;
  }
  WF_TRY(lane_end_undone(db, w));
  for (const Sql sql : {Sql::wait_forget_workflow, Sql::control_delete_trouble, Sql::remove_orphan, Sql::remove_keep_seq, Sql::remove_note, Sql::remove_workflow}) {
    if (sql == Sql::remove_keep_seq && !last) continue;
    WF_TRY(run_all(db, sql, [&](Query& q) { q.bind(":seq", w.seq); }));
  }
  if (!is_terminal(w.state)) WF_TRY(leave_lines(db, w.seq, now));
  WF_TRY(lane_moved(db, w, now));
  return lane_drop(db, w);
}

Status remove_seq(Db& db, int64_t seq, Millis now) {
  Workflow w;
  bool found;
  WF_TRY(find_seq(db, seq, &found, &w));
  return found ? remove_one(db, w, now) : Status();
}

// The workflow and its descendants, parents first. WF_STATE for one that has not ended, unless `force`.
Status list_tree(Db& db, int64_t seq, bool force, Numbers* out) {
  Query q(db, Sql::remove_tree);
  q.bind(":seq", seq);
  for (;;) {
    bool row;
    WF_TRY(q.next(&row));
    if (!row) return out->ok() ? Status() : Status::no_memory();
    if (q.integer(3) != 0 && !force) {
      return Status::error(Code::state, "workflow '%.*s'%s is %.*s: cancel it first, or use the option \"force\"", WF_SV(q.text(1)),
                           q.integer(0) == seq ? "" : ", which would go along,", WF_SV(q.text(2)));
    }
    out->add(q.integer(0));
  }
}

// Those with a number above `after`.
Status list_purged(Db& db, const Purge& args, Millis before, int64_t after, int64_t limit, Numbers* out) {
  int64_t upto;
  WF_TRY(last_created(db, before, &upto));
  const auto bind = [&](Query& q) {
    q.bind(":upto", upto).bind(":before", before).bind_name(":status", args.status).bind_name(":name", args.name).bind_name(":queue", args.queue);
  };
  bool row;
  int64_t below = 0;
  if (args.keep != 0) {
    Query q(db, Sql::purge_keeps_from);
    bind(q);
    q.bind(":keep", args.keep);
    WF_TRY(q.next(&row));
    if (!row) return {};
    below = q.integer(0);
  }
  Query q(db, Sql::purge_roots);
  bind(q);
  q.bind(":limit", limit).bind(":after", after);
  if (args.keep != 0) q.bind(":below", below);
  for (;;) {
    WF_TRY(q.next(&row));
    if (!row) return out->ok() ? Status() : Status::no_memory();
    out->add(q.integer(0));
  }
}

// Deletes the tree below `root` from its leaves, as far as it may; then the root stays, and is marked: nothing of the tree begins again.
Status purge_tree(Db& db, int64_t root, Millis now, int64_t most, int64_t* rows, int64_t* count) {
  Numbers tree;
  WF_TRY(list_tree(db, root, true, &tree));
  const int64_t rows_before = *rows;
  for (size_t i = tree.size(); i-- > 0 && *rows > 0 && *count < most;) {
    WF_TRY(remove_seq(db, tree[i], now));
    ++*count;
    --*rows;
    bool cleared;
    WF_TRY(clear_away(db, rows, &cleared));
    if (i == 0) return {};
  }
  if (*rows == rows_before) return {};
  Query q(db, Sql::purge_mark);
  q.bind(":seq", root);
  return q.run();
}

}  // namespace

Status remove(Db& db, const Workflow& w, bool force, Millis now, int64_t* rows) {
  Numbers tree;
  WF_TRY(list_tree(db, w.seq, force, &tree));
  for (size_t i = tree.size(); i-- > 0;) WF_TRY(remove_seq(db, tree[i], now));
  bool cleared;
  return clear_away(db, rows, &cleared);
}

namespace {

// What is left of one that is gone, up to `*rows`.
Status clear_one(Db& db, int64_t seq, int64_t* rows, bool* cleared) {
  for (const Sql sql : {Sql::gone_steps, Sql::gone_failures, Sql::gone_large, Sql::gone_signals, Sql::gone_values, Sql::gone_streams, Sql::gone_stream_ends, Sql::gone_tags, Sql::gone_redos}) {
    Query q(db, sql);
    q.bind(":seq", seq).bind(":rows", *rows);
    WF_TRY(q.run());
    *rows -= q.changes();
    *cleared = *cleared || q.changes() != 0;
    if (*rows <= 0) return {};
  }
  Query q(db, Sql::gone_forget);
  q.bind(":seq", seq);
  return q.run();
}

}  // namespace

Status clear_away(Db& db, int64_t* rows, bool* cleared) {
  *cleared = false;
  for (int64_t seq = INT64_MIN; *rows > 0;) {
    {
      Query q(db, Sql::gone_next);
      q.bind(":after", seq);
      bool found;
      WF_TRY(q.next(&found));
      if (!found) return {};
      seq = q.integer(0);
    }
    // One that cannot be cleared away keeps none of the others.
    Status one = clear_one(db, seq, rows, cleared);
    if (!one.ok() && !may_be_an_items_own(one)) return one;
  }
  return {};
}

namespace {

// Why a workflow or an event stays.
Status stays(const char* what, string_view name, string_view why) {
  return Status::error(Code::state, "%s '%.*s' cannot be deleted: %.*s", what, WF_SV(name), WF_SV(excerpt(why)));
}

Status cannot_go(Db& db, bool is_event, int64_t number, const Status& why) {
  Text message;
  message.add(why.message() != nullptr ? why.message() : sqlite3_errstr(why.rc()));
  if (!message.ok()) return Status::no_memory();
  bool found;
  if (is_event) {
    Query q(db, Sql::event_show);
    q.bind(":n", number);
    WF_TRY(q.next(&found));
    return stays("event", q.text(0), message.view());
  }
  Workflow w;
  WF_TRY(find_seq(db, number, &found, &w));
  return stays("workflow", w.id.view(), message.view());
}

Status drop_event(Db& db, int64_t n) {
  Query q(db, Sql::purge_event);
  q.bind(":n", n);
  return q.run();
}

// Events, up to `most`; with `careful` past those that cannot be deleted: `*obstacle` says why, of the first.
Status purge_events(Db& db, Millis before, bool careful, int64_t most, int64_t* count, Status* obstacle) {
  int64_t after = INT64_MIN, gone = 0;
  for (bool more = true; more && gone < most;) {
    Numbers events;
    {
      Query q(db, Sql::purge_events);
      q.bind(":before", before).bind(":after", after).bind(":limit", most - gone);
      for (bool row = true;;) {
        WF_TRY(q.next(&row));
        if (!row) break;
        events.add(q.integer(0));
      }
      if (!events.ok()) return Status::no_memory();
    }
    more = careful && events.size() != 0;
    for (size_t i = 0; i < events.size(); ++i) {
      after = events[i];
      const auto drop_it = [&] { return drop_event(db, after); };
      Status dropped = careful ? in_savepoint(db, "wf_purge", drop_it) : drop_it();
      if (dropped.ok()) {
        ++gone;
        continue;
      }
      if (!careful || !may_be_an_items_own(dropped) || db.autocommit()) return dropped;
      if (obstacle->ok()) *obstacle = cannot_go(db, true, after, dropped);
    }
  }
  *count += gone;
  return {};
}

// `careful`: a tree that cannot be deleted is passed over, which costs each a savepoint; where that is all there is, it is told. Else it ends the call.
Status purge_once(Db& db, const Purge& args, bool careful, const Now& now, int64_t* count) {
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::refused, "wf_purge"));
  Millis time;
  WF_TRY(call_time(db, now, &time));
  const Millis before = time - args.older_than;
  int64_t rows = args.limit != 0 ? args.limit : kRowsAtOnce;
  const int64_t most = args.limit != 0 ? args.limit : kWorkflowsAtOnce;
  bool cleared;
  WF_TRY(clear_away(db, &rows, &cleared));
  *count = 0;
  Status obstacle;
  int64_t after = 0;
  for (bool more = true; more && rows > 0 && *count < most;) {
    Numbers roots;
    WF_TRY(list_purged(db, args, before, after, most < rows ? most : rows, &roots));
    for (size_t i = 0; i < roots.size() && rows > 0 && *count < most; ++i) {
      after = roots[i];
      const int64_t rows_before = rows, count_before = *count;
      const auto purge_it = [&] { return purge_tree(db, after, time, most, &rows, count); };
      Status purged = careful ? in_savepoint(db, "wf_purge", purge_it) : purge_it();
      if (purged.ok()) continue;
      if (!careful || !may_be_an_items_own(purged) || db.autocommit()) return purged;
      rows = rows_before;
      *count = count_before;
      if (obstacle.ok()) obstacle = cannot_go(db, false, after, purged);
    }
    more = careful && roots.size() != 0;
  }
  if (args.events && rows > 0 && *count < most) WF_TRY(purge_events(db, before, careful, rows < most - *count ? rows : most - *count, count, &obstacle));
  if (*count == 0 && cleared) *count = 1;
  if (*count == 0 && !obstacle.ok()) return obstacle;
  return scope.commit();
}

}  // namespace

Status purge(Db& db, const Purge& args, const Now& now, int64_t* count) {
  return past_rollbacks(db, "wf_purge", [&] {
    Status once = purge_once(db, args, false, now, count);
    return may_be_an_items_own(once) && !db.taken_along().any ? purge_once(db, args, true, now, count) : static_cast<Status&&>(once);
  });
}

}  // namespace wf

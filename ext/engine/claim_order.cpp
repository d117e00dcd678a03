#include "engine/claim_order.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/numbers.h"
#include "engine/queue.h"
#include "engine/workflow.h"

namespace wf {
namespace {

constexpr int64_t kBegun = 0;  // the first rank
constexpr int64_t kMostReopened = 16;

// Whether the JSON array `filter` of strings holds `name`; an empty filter holds every one.
bool passes(json::Checked filter, string_view name) {
  if (!filter) return true;
  Text text;
  for (json::Elements e(filter); e.next();) {
    text.clear();
    json::unquote(e.value(), text);
    if (text.view() == name) return true;
  }
  return false;
}

// A workflow without version takes every worker's.
bool passes_filters(const Claim& args, string_view name, string_view version) {
  return passes(args.names, name) && (version.empty() || passes(args.versions, version));
}

// A look into one queue.
class QueueLook {
 public:
  QueueLook(Db& db, const Claim& args, string_view queue, Millis now, StaleLanes* stale) : db_(db), args_(args), queue_(queue), now_(now), stale_(*stale) {}

  // Takes the best due workflow of the queue into `best`, if it comes before it.
  Status into(Candidate* best) {
    WF_TRY(admission(db_, queue_, args_.worker, now_, &admitted_));
    if (admitted_.closed) return {};
    if (args_.that_fit || admitted_.settings.until_end || admitted_.rate_is_used_up) WF_TRY(longest_claim(db_, &longest_));
    if (admitted_.full || admitted_.rate_is_used_up) {
      if (admitted_.full && !admitted_.settings.until_end) return {};
      if (stale_.may_write()) WF_TRY(lanes_join_line(db_, queue_, args_.kind, now_));
      return look_at_some(best);
    }
    for (int64_t below = INT64_MAX;;) {
      Candidate here;
      bool found;
      WF_TRY(look_at_highest(below, *best, &found, &here));
      if (!found) return {};
      if (here.found() && here.before(*best)) *best = here;
      if (stale_.full() || (best->found() && best->priority >= priority_)) return {};
      below = priority_;
    }
  }

 private:
  Query& bind(Query& q) const { return q.bind(":queue", queue_).bind(":kind", args_.kind).bind(":priority", priority_).bind(":now", now_); }

  int64_t looks() const { return stale_.may_write() ? 0 : 1; }

  // Looks at the highest priority below `below`, unless `best` comes before it. `*found`: there is one.
  Status look_at_highest(int64_t below, const Candidate& best, bool* found, Candidate* here) {
    bool partitions = false;
    {
      Query q(db_, Sql::lane_open);
      q.bind(":queue", queue_).bind(":kind", args_.kind).bind(":below", below);
      WF_TRY(q.next(found));
      if (*found) {
        priority_ = q.integer(4);
        partitions = q.integer(5) != 0;
        if (!q.is_null(6) && q.integer(6) >= priority_) priority_ = q.integer(6), partitions = true;
        if (!partitions && !best.has_priority_over(priority_)) return look_at_loose(q, here);
      }
    }
    if (!*found) {
      Query q(db_, Sql::lane_in_line);
      q.bind(":queue", queue_).bind(":kind", args_.kind).bind(":below", below);
      WF_TRY(q.next(found));
      priority_ = q.integer(0);
      partitions = true;
    }
    if (best.has_priority_over(priority_)) *found = false;
    return *found && partitions ? look_in_turn(here) : Status();
  }

  // Takes the rows of `heads` (due time, number, rank, the last of its rank; lower ranks first) into `best`.
  Status consider(Query& heads, int64_t lane, Candidate* best, bool* none) const {
    *none = true;
    for (int64_t rank = 0;;) {
      bool row;
      WF_TRY(heads.next(&row));
      if (!row) return {};
      const Candidate head{heads.integer(1), priority_, 0, heads.integer(2), heads.integer(0), lane};
      if (!*none && head.rank > rank) return {};
      *none = false;
      rank = head.rank;
      if (head.before(*best)) *best = head;
      if (heads.integer(3) != 0) return {};
    }
  }

  Status look_into_lane(int64_t lane, Candidate* best) {
    Query heads(db_, args_.that_fit || args_.troubled ? Sql::lane_heads_passing_over : Sql::lane_heads);
    heads.bind(":lane", lane).bind(":now", now_).bind(":longest", args_.that_fit ? longest_ : INT64_MAX).bind(":met", db_.too_long().list(now_)).bind(":looks", looks());
    bool none;
    WF_TRY(consider(heads, lane, best, &none));
    if (none && !args_.that_fit) stale_.add(lane);  // there may be one that does not fit
    return {};
  }

  // A lane of a full partition: only what holds its slot to the end can be had. Where nothing does, it is closed.
  Status look_into_full_lane(string_view partition, int64_t lane, Candidate* best) {
    bool none;
    {
      Query held(db_, Sql::queue_held_in_lane);
      held.bind(":queue", queue_).bind(":partition", partition).bind(":lane", lane).bind(":now", now_).bind(":longest", longest_).bind(":met", db_.too_long().list(now_)).bind(":looks", looks());
      WF_TRY(consider(held, lane, best, &none));
    }
    if (!none || !stale_.may_write()) return {};
    Query close(db_, Sql::lane_close);
    close.bind(":queue", queue_).bind(":partition", partition).bind(":lane", lane).bind(":now", now_);
    return close.run();
  }

  // The lanes without partition, where there is none beside them: `lanes` stands on the first, or on one that is not due.
  Status look_at_loose(Query& lanes, Candidate* best) {
    for (bool row = true; row && !stale_.full() && lanes.integer(4) == priority_ && lanes.integer(1) <= now_;) {
      if (best->found() && best->rank == kBegun && lanes.integer(1) > best->due) return {};
      if (passes_filters(args_, lanes.text(2), lanes.text(3))) WF_TRY(look_into_lane(lanes.integer(0), best));
      WF_TRY(lanes.next(&row));
    }
    return {};
  }

  Status look_into_partition(string_view partition, Candidate* best) {
    bool full;
    WF_TRY(partition_is_full(db_, queue_, partition, admitted_.settings, now_, &full));
    Query lanes(db_, Sql::lane_of_partition);
    bind(lanes).bind(":partition", partition);
    for (;;) {
      bool row;
      WF_TRY(lanes.next(&row));
      if (!row || stale_.full()) return {};
      if (!passes_filters(args_, lanes.text(1), lanes.text(2))) continue;
      WF_TRY(full ? look_into_full_lane(partition, lanes.integer(0), best) : look_into_lane(lanes.integer(0), best));
    }
  }

  // Opens the lanes of full partitions where a slot may have run out: they have kept their turn. Who only looks, looks into them.
  Status reopen(Candidate* best) {
    if (admitted_.settings.partition_concurrency < 0) return {};
    for (bool more = true; more && !best->found();) {
      Numbers lanes;
      {
        Query q(db_, Sql::lane_reopening);
        bind(q).bind(":most", stale_.may_write() ? kMostReopened : INT64_MAX);
        for (;;) {
          bool row;
          WF_TRY(q.next(&row));
          if (!row) break;
          if (stale_.may_write()) lanes.add(q.integer(0));
          else WF_TRY(look_into_partition(q.text(1), best));
        }
        if (!lanes.ok()) return Status::no_memory();
      }
      for (size_t i = 0; i < lanes.size(); ++i) WF_TRY(lane_settle(db_, lanes[i], now_));
      more = lanes.size() == kMostReopened;
    }
    return {};
  }

  // Partition after partition, in turn: those in line and those whose time has come since, by the turn that both have.
  Status look_in_turn(Candidate* best) {
    if (stale_.may_write()) {
      WF_TRY(lanes_join_line(db_, queue_, args_.kind, now_));
    } else {
      Query loose(db_, Sql::lane_loose);
      bool row;
      WF_TRY(bind(loose).next(&row));
      if (row) WF_TRY(look_at_loose(loose, best));
    }
    WF_TRY(reopen(best));
    Query line(db_, Sql::lane_turns), timed(db_, Sql::lane_timed);
    bind(line), bind(timed);
    bool in_line, in_time;
    WF_TRY(line.next(&in_line));
    WF_TRY(timed.next(&in_time));
    while ((in_line || in_time) && !best->found() && !stale_.full()) {
      const bool from_line = in_line && (!in_time || line.integer(0) <= timed.integer(0));
      Query& next = from_line ? line : timed;
      const Name partition(next.text(1));
      WF_TRY(look_into_partition(partition.view(), best));
      WF_TRY(next.next(from_line ? &in_line : &in_time));
    }
    return {};
  }

  // In a queue that is full, the workflows that hold a slot to their end; in one whose rate is used up, what goes on with an attempt. Lanes say nothing
  // about these, so a walk through lanes would be long.
  Status look_at_some(Candidate* best) {
    Candidate here;
    Query q(db_, admitted_.full ? Sql::queue_held : Sql::queue_resumed);
    bind(q).bind(":longest", longest_).bind(":met", db_.too_long().list(now_)).bind(":looks", looks());
    for (;;) {
      bool row;
      WF_TRY(q.next(&row));
      if (!row) break;
      const Candidate one{q.integer(1), q.integer(2), q.integer(4), q.integer(3), q.integer(0), 0};
      if ((admitted_.rate_is_used_up && q.integer(9) == 0) || !passes_filters(args_, q.text(5), q.text(6)) || !one.before(here)) continue;
      bool full = false;
      if (q.integer(8) == 0) WF_TRY(partition_is_full(db_, queue_, q.text(7), admitted_.settings, now_, &full));
      if (!full) here = one;
    }
    here.turn = 0;
    if (here.found() && here.before(*best)) *best = here;
    return {};
  }

  Db& db_;
  const Claim& args_;
  const string_view queue_;
  const Millis now_;
  StaleLanes& stale_;
  Admission admitted_;
  int64_t longest_ = INT64_MAX;
  int64_t priority_ = 0;
};

}  // namespace

uint64_t work_of(const Claim& args) {
  Text queue;
  json::quote(args.queue, queue.add('['));
  queue.add(']');
  const uint64_t work = hash64(args.queues ? args.queues.text() : queue.view(), hash64(args.names.text(), hash64(args.versions.text())));
  return work != 0 ? work : 1;
}

Status longest_claim(Db& db, int64_t* out) {
  Query q(db, Sql::lane_longest);
  q.bind(":longest", int64_t{sqlite3_limit(db.handle(), SQLITE_LIMIT_LENGTH, -1)});
  WF_TRY(q.one_row());
  *out = q.integer(0);
  return {};
}

Status look_for_work(Db& db, const Claim& args, Millis now, Candidate* best, StaleLanes* stale) {
  *best = {};
  if (!args.queues) return QueueLook(db, args, args.queue, now, stale).into(best);
  Text queue;
  for (json::Elements e(args.queues); e.next();) {
    queue.clear();
    json::unquote(e.value(), queue);
    if (!queue.ok()) return Status::no_memory();
    WF_TRY(QueueLook(db, args, queue.view(), now, stale).into(best));
    if (stale->full()) return {};
  }
  return {};
}

Status is_claimable(Db& db, const Claim& asked, Millis now, bool* out) {
  Claim args = asked;
  args.that_fit = args.troubled = true;
  Candidate best;
  StaleLanes stale(false);
  WF_TRY(look_for_work(db, args, now, &best, &stale));
  *out = best.found() || stale.full();
  return {};
}

Status next_of_kind(Db& db, int64_t kind, json::Checked queues, bool troubled, Millis now, int64_t* seq) {
  Claim args;
  args.queues = queues;
  args.troubled = troubled;
  args.that_fit = !db.too_long().list(now).empty();
  args.kind = kind;
  for (StaleLanes stale;;) {
    Candidate best;
    WF_TRY(look_for_work(db, args, now, &best, &stale));
    const bool full = stale.full();
    *seq = best.seq;
    if (full || best.found()) WF_TRY(stale.settle(db, now));
    if (full) continue;
    if (!best.found()) return {};
    Workflow w;
    bool found;
    WF_TRY(find_seq(db, best.seq, &found, &w));
    return lane_served(db, w, now);
  }
}

}  // namespace wf

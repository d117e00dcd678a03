#include "engine/claim_order.h"

#include "base/json.h"
#include "engine/queue.h"
#include "engine/workflow.h"

namespace wf {
namespace {

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

}  // namespace

Status look_for_work(Db& db, const Claim& args, Millis now, Candidate* best, StaleLanes* stale) {
  *best = {};
  if (!args.queues) return look_into_queue(db, args.queue, args, now, best, stale);
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

Status is_claimable(Db& db, const Claim& args, Millis now, bool* out) {
  Candidate best;
  StaleLanes stale(false);
  WF_TRY(look_for_work(db, args, now, &best, &stale));
  *out = best.found() || stale.full();
  return {};
}

Status next_of_kind(Db& db, int64_t kind, json::Checked queues, Millis now, int64_t* seq) {
  Claim args;
  args.queues = queues;
  args.kind = kind;
  for (StaleLanes stale;;) {
    Candidate best;
    WF_TRY(look_for_work(db, args, now, &best, &stale));
    const bool full = stale.full();
    *seq = best.seq;
    if (full || best.found()) WF_TRY(stale.settle(db));
    if (!full) return {};
  }
}

}  // namespace wf
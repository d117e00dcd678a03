#include "engine/queue.h"

#include "base/scope.h"

namespace wf {
namespace {

Status is_used_up(Query& q, int64_t limit, bool* out) {
  *out = false;
  if (limit < 0) return {};
  q.bind(":most", limit);
  WF_TRY(q.one_row());
  *out = q.integer(0) >= limit;
  return {};
}

Status worker_has_enough(Db& db, string_view queue, string_view worker, const QueueSettings& s, Millis now, bool* out) {
  *out = false;
  if (s.worker_concurrency < 0) return {};
  Query q(db, Sql::queue_used_by_worker);
  q.bind(":queue", queue).bind_name(":worker", worker).bind(":now", now);
  return is_used_up(q, s.worker_concurrency, out);
}

Status is_full(Db& db, string_view queue, const QueueSettings& s, Millis now, bool* out) {
  *out = false;
  if (s.concurrency < 0) return {};
  Query q(db, Sql::queue_used);
  q.bind(":queue", queue).bind(":now", now);
  return is_used_up(q, s.concurrency, out);
}

}  // namespace

void read_queue(const Query& q, int first, QueueSettings* out) {
  out->concurrency = q.integer_or(first, -1);
  out->worker_concurrency = q.integer_or(first + 1, -1);
  out->partition_concurrency = q.integer_or(first + 2, -1);
  out->until_end = q.integer(first + 3) != 0;
  out->rate_limit = q.integer_or(first + 4, -1);
  out->rate_per = within(q.integer(first + 5), 0, kDurationMax);
  out->paused = q.integer(first + 6) != 0;
  out->lease = q.duration(first + 7);
  out->max_attempts = q.count(first + 8);
  out->has_backoff = !q.is_null(first + 9);
  if (out->has_backoff) out->backoff = stored_backoff(q.text(first + 9));
}

Status read_queue(Db& db, string_view queue, QueueSettings* out) {
  *out = {};
  Query q(db, Sql::queue_settings);
  q.bind(":queue", queue);
  bool row;
  WF_TRY(q.next(&row));
  if (row) read_queue(q, 0, out);
  return {};
}

Status write_queue(Db& db, string_view queue, const QueueSettings& s) {
  const auto limit = [](Query& q, SqlParameter name, int64_t value, int64_t none) { value == none ? q.bind_null(name) : q.bind(name, value); };
  if (!s.says_anything()) {
    WF_TRY(run_all(db, Sql::queue_forget, [&](Query& q) { q.bind(":queue", queue); }));
  } else {
    Text backoff;
    if (s.has_backoff) add_backoff(s.backoff, backoff);
    if (!backoff.ok()) return Status::no_memory();
    Query q(db, Sql::queue_put);
    q.bind(":queue", queue).bind(":paused", int64_t{s.paused}).bind_name(":backoff", backoff.view());
    limit(q, ":concurrency", s.concurrency, -1);
    limit(q, ":worker_concurrency", s.worker_concurrency, -1);
    limit(q, ":partition_concurrency", s.partition_concurrency, -1);
    limit(q, ":rate_limit", s.rate_limit, -1);
    if (s.rate_limit >= 0) q.bind(":rate_per", s.rate_per);
    if (s.until_end) q.bind(":hold", "started");
    q.bind_time(":lease", s.lease);
    limit(q, ":max_attempts", s.max_attempts, 0);
    WF_TRY(q.run());
  }
  WF_TRY(run_counted(db, Sql::queue_mark, Sql::queue_mark_count, [&](Query& q) {
    q.bind(":queue", queue).bind(":limits", int64_t{s.has_limits()}).bind(":started", int64_t{s.until_end});
  }));
  return run_all(db, Sql::queue_reopen, [&](Query& q) { q.bind(":queue", queue); });
}

Status admission(Db& db, string_view queue, string_view worker, Millis now, Admission* out) {
  *out = {};
  const QueueSettings& s = out->settings;
  WF_TRY(read_queue(db, queue, &out->settings));
  out->closed = s.paused;
  if (!out->closed) WF_TRY(worker_has_enough(db, queue, worker, s, now, &out->closed));
  if (!out->closed) WF_TRY(is_full(db, queue, s, now, &out->full));
  if (!out->closed && s.rate_limit >= 0) {
    Query q(db, Sql::rate_used);
    q.bind(":queue", queue).bind(":now", now).bind(":per", s.rate_per);
    WF_TRY(q.one_row());
    out->rate_is_used_up = q.integer(0) >= s.rate_limit;
  }
  return {};
}

Status partition_is_full(Db& db, string_view queue, string_view partition, const QueueSettings& s, Millis now, bool* full) {
  *full = false;
  if (partition.empty() || s.partition_concurrency < 0) return {};
  Query q(db, Sql::queue_used_in_partition);
  q.bind(":queue", queue).bind(":partition", partition).bind(":now", now);
  return is_used_up(q, s.partition_concurrency, full);
}

Status slot_is_lost(Db& db, int64_t seq, Millis now, bool* lost) {
  *lost = false;
  Query slot(db, Sql::queue_slot);
  slot.bind(":seq", seq).bind(":now", now);
  bool expired;
  WF_TRY(slot.next(&expired));
  if (!expired) return {};
  QueueSettings s;
  const string_view queue = slot.text(0);
  WF_TRY(read_queue(db, queue, &s));
  WF_TRY(worker_has_enough(db, queue, slot.text(2), s, now, lost));
  if (*lost || slot.integer(3) != 0) return {};  // it holds its slot to the end
  WF_TRY(is_full(db, queue, s, now, lost));
  return *lost ? Status() : partition_is_full(db, queue, slot.text(1), s, now, lost);
}

Status count_rate(Db& db, string_view queue, const QueueSettings& s, Millis now) {
  if (s.rate_limit < 0) return {};
  for (const Sql sql : {Sql::rate_prune, Sql::rate_add}) {
    Query q(db, sql);
    q.bind(":queue", queue).bind(":now", now).bind(":per", s.rate_per);
    WF_TRY(q.run());
  }
  return {};
}

}  // namespace wf

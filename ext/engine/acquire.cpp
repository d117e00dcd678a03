#include "engine/acquire.h"

#include "base/scope.h"
#include "engine/line.h"
#include "engine/wait.h"

namespace wf {
namespace {

constexpr const char* kAcquireName = "wf_acquire";

void bind(Query& q, const Acquire& args, int64_t seq, Millis now) { q.bind(":seq", seq).bind(":step", args.step).bind(":now", now); }

// Gives the share, where that is plain.
struct Giving final : PlainOpening {
  Giving(Db& db_in, const Handle& handle_in, const Acquire& args_in, const Now& now) : PlainOpening(Sql::acquire_share), db(db_in), handle(handle_in), args(args_in) {
    said = now.given;
    time = now.given ? now.time : db.clock();
  }

  Status run() override {
    Query q(db, sql);
    bind(q, args, handle.seq, time);
    q.bind(":rate", args.rate).bind(":key", args.key).bind(":n", args.amount).bind(":nonce", handle.nonce).bind(":format", kSchemaVersion);
    if (said) q.bind(":said", int64_t{1});
    WF_TRY(q.run());
    done = q.changes() != 0;
    return {};
  }

  Db& db;
  const Handle& handle;
  const Acquire& args;
  bool said;
  Millis time;
};

Status record(Db& db, const Handle& handle, const Acquire& args, const ShareOf& share, string_view topics, Millis now, Text& output) {
  Text how;
  add_how(share.amount, args.keep, how);
  output.add('{');
  add_share(share, now, output);
  output.add('}');
  if (!output.ok() || !how.ok()) return Status::no_memory();
  Query q(db, Sql::acquire_record);
  bind(q, args, handle.seq, now);
  q.bind_time(":due", args.timeout == kNoTime ? kNoTime : later(now, args.timeout)).bind(":topics", topics).bind(":how", how.view()).bind(":output", output.view());
  args.print.bind(q);
  return q.run();
}

// Now and then, so that every call does a little of it.
Status clear_away(Db& db, const ShareOf& share, Millis now) {
  const int64_t n = sqlite3_last_insert_rowid(db.handle());  // workflow and place of the row of the step
  return ((n >> 28) + n + now) % kBetweenPrunes == 0 ? prune_shares(db, share, now) : Status();
}

}  // namespace

Status acquire(Db& db, const Handle& handle, const Acquire& args, const Now& now, bool* ready, Text& output) {
  WF_TRY(check_keep(handle, args.keep));
  ShareOf share;
  share.rate = args.rate;
  share.key = args.key;
  share.amount = args.amount;
  Text topics;
  add_topics(share, topics);
  if (!topics.ok()) return Status::no_memory();
  WriteScope scope(db);
  Giving giving(db, handle, args, now);
  WF_TRY(handle.is_token ? scope.begin(kAcquireName, &giving) : scope.begin(Inline::allowed, kAcquireName));
  if (giving.done) {
    *ready = true;
    WF_TRY(record(db, handle, args, share, topics.view(), giving.time, output));
    WF_TRY(clear_away(db, share, giving.time));
    return scope.commit();
  }
  Wait wait_for;
  Awaited thing;
  thing.kind = WaitKind::share;
  thing.names = topics.view();
  thing.amount = args.amount;
  thing.keep = args.keep;
  wait_for.things.add(thing);
  if (!wait_for.things.ok()) return Status::no_memory();
  wait_for.step = args.step;
  wait_for.kind = wait_kind_name(thing.kind);
  wait_for.timeout = args.timeout;
  wait_for.keep = args.keep;
  wait_for.print = args.print;
  Millis time, due;
  Workflow w;
  WF_TRY(call_time(db, now, &time));
  WF_TRY(load(db, handle, &w));
  WF_TRY(wait_in_scope(db, handle, w, wait_for, time, ready, output, &due));
  return scope.commit();
}

}  // namespace wf

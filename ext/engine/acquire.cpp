#include "engine/acquire.h"

#include "base/scope.h"
#include "engine/line.h"
#include "engine/wait.h"

namespace wf {
namespace {

constexpr const char* kAcquireName = "wf_acquire";

// Records and gives the share, where that is plain.
struct Giving final : PlainOpening {
  Giving(Db& db_in, const Handle& handle_in, const Acquire& args_in, const Now& now) : PlainOpening(Sql::acquire_record), db(db_in), handle(handle_in), args(args_in) {
    said = now.given;
    time = now.given ? now.time : db.clock();
  }

  // What is recorded of the share at that time.
  Status describe(const ShareOf& share) {
    add_topics(share, topics);
    add_how(share.amount, args.keep, how);
    output.add('{');
    add_share(share, time, output);
    output.add('}');
    return topics.ok() && how.ok() && output.ok() ? Status() : Status::no_memory();
  }

  Status run() override {
    {
      Query q(db, sql);
      q.bind_at(1, Value::of(handle.seq)).bind_at(2, Value::text(args.step)).bind_at(3, Value::of(time)).bind_at(4, Value::of(handle.nonce));
      q.bind_at(5, Value::of(kSchemaVersion));
      if (said) q.bind_at(6, Value::of(int64_t{1}));
      if (args.timeout != kNoTime) q.bind_at(7, Value::of(later(time, args.timeout)));
      if (args.print.given) q.bind_at(8, Value::of(args.print.hash));
      q.bind_at(9, Value::text(topics.view())).bind_at(10, Value::text(how.view())).bind_at(11, Value::text(output.view()));
      WF_TRY(q.run());
      half_done = q.changes() != 0;
      if (!half_done) return {};
    }
    // The first share of a file is never plain, and to undo that its table was made would end what the application reads.
    if (!db.is_compiled(Sql::acquire_share) && !db.has_table("_wf_share")) return {};
    Query q(db, Sql::acquire_share);
    q.bind_at(1, Value::text(args.rate)).bind_at(2, Value::text(args.key)).bind_at(3, Value::of(time)).bind_at(4, Value::of(args.amount));
    WF_TRY(q.run());
    done = q.changes() != 0 && (said || !is_late(time, db.clock()));
    return {};
  }

  Db& db;
  const Handle& handle;
  const Acquire& args;
  bool said;
  Millis time;
  Text topics, how, output;
};

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
  WriteScope scope(db);
  Giving giving(db, handle, args, now);
  WF_TRY(giving.describe(share));
  WF_TRY(handle.is_token && !args.cleanup ? scope.begin(kAcquireName, &giving) : scope.begin(Inline::allowed, kAcquireName));
  if (giving.done) {
    *ready = true;
    output.add(giving.output.view());
    if (!output.ok()) return Status::no_memory();
    WF_TRY(clear_away(db, share, giving.time));
    return scope.commit();
  }
  Wait wait_for;
  Awaited thing;
  thing.kind = WaitKind::share;
  thing.names = giving.topics.view();
  thing.amount = args.amount;
  thing.keep = args.keep;
  wait_for.things.add(thing);
  if (!wait_for.things.ok()) return Status::no_memory();
  wait_for.step = args.step;
  wait_for.kind = wait_kind_name(thing.kind);
  wait_for.timeout = args.timeout;
  wait_for.keep = args.keep;
  wait_for.cleanup = args.cleanup;
  wait_for.print = args.print;
  Millis time, due;
  Workflow w;
  WF_TRY(call_time(db, now, &time));
  WF_TRY(load(db, handle, &w));
  WF_TRY(wait_in_scope(db, handle, w, wait_for, time, ready, output, &due));
  return scope.commit();
}

}  // namespace wf

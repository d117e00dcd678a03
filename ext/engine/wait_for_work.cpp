#include "engine/wait_for_work.h"

#include "engine/stream.h"
#include "engine/tick.h"

namespace wf {
namespace {

// Between two looks, each of which costs some ten microseconds.
constexpr int kShortest = 1, kLongest = 10;

Status look(Db& db, const Claim& args, const Reading& reading, bool* happened) {
  *happened = false;
  bool exists;
  WF_TRY(db.schema_exists(&exists));
  if (!args.id.empty()) {
    if (!exists) return Status::error(Code::not_found, "no workflow '%.*s': this file has none yet", WF_SV(args.id));
    Handle handle;
    handle.id = args.id;
    Workflow w;
    WF_TRY(load(db, handle, &w));
    *happened = is_terminal(w.state);
    return *happened || reading.stream.empty() ? Status() : stream_is_ready(db, w.seq, reading.stream, reading.offset, happened);
  }
  if (!exists) return {};
  Millis now;
  WF_TRY(time_to_show(db, &now));
  WF_TRY(is_something_due(db, now, happened));
  return *happened ? Status() : is_claimable(db, args, now, happened);
}

}  // namespace

Status check_may_wait(Db& db) {
  bool exists, is_explicit = false;
  WF_TRY(db.schema_exists(&exists));
  if (exists) WF_TRY(clock_is_explicit(db, &is_explicit));
  if (!is_explicit || sqlite3_db_readonly(db.handle(), "main") == 1) return {};
  Query q(db, Sql::wait_query_only);
  bool row;
  WF_TRY(q.next(&row));
  if (q.integer(0) != 0) return {};
  return Status::error(Code::context, "wf_wait() would hold up every machine of the cluster: wf_config('clock') is 'explicit' in this file. Wait on a connection that only reads");
}

Status watch(Db& db, const Claim& args, const Reading& reading, Millis timeout, bool* happened) {
  const Millis begun = db.wall_clock();
  for (int pause = kShortest;; pause = pause < kLongest ? pause + 1 : pause) {
    WF_TRY(look(db, args, reading, happened));
    if (*happened) return {};
    const Millis passed = db.wall_clock() - begun;
    if (timeout != kNoTime && passed >= timeout) return {};
    const Millis left = timeout == kNoTime ? pause : timeout - passed;
    sqlite3_sleep(static_cast<int>(left < pause ? left : pause));
  }
}

}  // namespace wf

#include "engine/recover.h"

#include "base/scope.h"
#include "engine/claim_order.h"

namespace wf {
namespace {

Status run_for(Db& db, Sql sql, const Recover& args, Millis now, int64_t* changes) {
  Query q(db, sql);
  q.bind(":now", now).bind(":due", now).bind_name(":worker", args.worker);
  WF_TRY(q.run());
  if (changes != nullptr) *changes = q.changes();
  return {};
}

Status count(Db& db, Sql sql, string_view queue, Millis now, int64_t* out) {
  *out = 0;
  bool exists;
  WF_TRY(db.schema_exists(&exists));
  if (!exists) return {};
  Query q(db, sql);
  q.bind_name(":queue", queue).bind(":now", now);
  if (q.has(":longest")) {
    int64_t longest;
    WF_TRY(longest_claim(db, &longest));
    q.bind(":longest", longest);
  }
  bool row;
  WF_TRY(q.next(&row));
  *out = q.integer(0);
  return {};
}

}  // namespace

Status recover(Db& db, const Recover& args, const Now& now, Recovered* out) {
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::refused, "wf_recover"));
  Millis time;
  WF_TRY(call_time(db, now, &time));
  WF_TRY(run_for(db, Sql::recover_lanes, args, time, nullptr));
  WF_TRY(run_for(db, Sql::recover_void, args, time, &out->leases_voided));
  WF_TRY(run_for(db, Sql::recover_void_ended, args, time, nullptr));
  WF_TRY(run_for(db, Sql::recover_partitions, args, time, nullptr));
  if (args.pause) WF_TRY(run_for(db, Sql::recover_pause, args, time, nullptr));
  if (args.worker.empty()) {
    WF_TRY(next_epoch(db, time, &out->epoch));
  } else {
    SettingValue epoch;
    WF_TRY(read_setting(db, Setting::epoch, &epoch));
    out->epoch = epoch.value.integer;
  }
  {
    Query q(db, Sql::recover_in_doubt);
    bool row;
    WF_TRY(q.next(&row));
    out->in_doubt = q.integer(0);
  }
  return scope.commit();
}

Status count_pending(Db& db, string_view queue, int64_t* out) { return count(db, Sql::count_pending, queue, 0, out); }
Status count_ready(Db& db, string_view queue, Millis now, int64_t* out) { return count(db, Sql::count_ready, queue, now, out); }

}  // namespace wf

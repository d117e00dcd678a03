#include "engine/values.h"

#include "base/scope.h"
#include "engine/lease.h"
#include "engine/may_act.h"
#include "engine/start.h"

namespace wf {
namespace {

// The workflow that the handle may write for now.
Status writer(Db& db, const Handle& handle, Millis now, Workflow* w) {
  WF_TRY(load(db, handle, w));
  return may_act(db, handle, *w, now, Act::note);
}

// What every write for a workflow brings with it; after everything that may refuse.
Status keep_or_end_claim(Db& db, const Handle& handle, Workflow& w, Millis now) {
  return handle.is_token ? renew_lease(db, handle, now) : end_lost_claim(db, w, now);
}

}  // namespace

Status set_value(Db& db, const Handle& handle, string_view key, const Value& value, const Now& now) {
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::allowed, "wf_set"));
  Millis time;
  WF_TRY(call_time(db, now, &time));
  Workflow w;
  WF_TRY(writer(db, handle, time, &w));
  WF_TRY(keep_or_end_claim(db, handle, w, time));
  {
    Query q(db, Sql::value_set);
    q.bind(":seq", w.seq).bind(":key", key).bind(":now", time).bind(":value", value);
    WF_TRY(q.run());
  }
  return scope.commit();
}

Status get_value(Db& db, const Handle& handle, string_view key, Query& q, bool* found) {
  *found = false;
  bool exists;
  WF_TRY(db.schema_exists(&exists));
  if (!exists) return {};
  handle.is_token ? q.bind(":seq", handle.seq) : q.bind(":id", handle.id);
  q.bind(":key", key);
  return q.next(found);
}

Status append(Db& db, const Handle& handle, string_view stream, const Value& value, int64_t wanted, const Now& now, int64_t* offset) {
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::allowed, "wf_append"));
  Millis time;
  WF_TRY(call_time(db, now, &time));
  Workflow w;
  WF_TRY(writer(db, handle, time, &w));
  int64_t next;
  {
    Query q(db, Sql::stream_next);
    q.bind(":seq", w.seq).bind(":stream", stream);
    bool row;
    WF_TRY(q.next(&row));
    next = q.integer(0);
  }
  *offset = wanted >= 0 ? wanted : next;
  if (*offset > next) {
    return Status::error(Code::invalid, "the option \"offset\" is %lld, but stream '%.*s' goes on at %lld", static_cast<long long>(wanted),
                         WF_SV(stream), static_cast<long long>(next));
  }
  if (*offset < next) {
    Query q(db, Sql::stream_at);
    q.bind(":seq", w.seq).bind(":stream", stream).bind(":offset", *offset);
    bool row, same;
    WF_TRY(q.next(&row));
    WF_TRY(same_value(q.value(0), value, &same));
    if (same) return scope.commit();
    return Status::error(Code::conflict, "stream '%.*s' has another value at offset %lld", WF_SV(stream), static_cast<long long>(wanted));
  }
  WF_TRY(keep_or_end_claim(db, handle, w, time));
  {
    Query q(db, Sql::stream_add);
    q.bind(":seq", w.seq).bind(":stream", stream).bind(":offset", *offset).bind(":now", time).bind(":value", value);
    WF_TRY(q.run());
  }
  return scope.commit();
}

}  // namespace wf

#include "engine/wait_row.h"

#include "base/json.h"
#include "engine/lane.h"

namespace wf {
namespace {

constexpr string_view kKinds[] = {"sleep", "await", "await_event", "join"};

// Options of a join, as column how keeps them.
void add_how(const WaitRow& row, Text& out) {
  out.add("{\"mode\":\"").add(row.any ? "any" : "all").add("\",\"outputs\":").add(row.outputs ? "true" : "false").add('}');
}

}  // namespace

string_view wait_kind_name(WaitKind kind) { return kKinds[static_cast<int>(kind)]; }

bool kind_of(string_view name, WaitKind* out) {
  for (size_t i = 0; i < std::size(kKinds); ++i) {
    if (kKinds[i] != name) continue;
    *out = static_cast<WaitKind>(i);
    return true;
  }
  return false;
}

void read_how(string_view how, WaitRow* row) {
  row->any = false;
  row->outputs = true;
  for (json::Members m(json::check(how)); m.next();) {
    if (m.key_is("mode")) row->any = m.value().text() == "\"any\"";
    if (m.key_is("outputs")) row->outputs = m.value().text() != "false";
  }
}

void add_outcome(const char* what, string_view name, const Value& payload, Millis at, Text& out) {
  out.add("{\"").add(what).add("\":");
  json::quote(name, out);
  out.add(",\"payload\":");
  add_json(payload, out);
  out.add(",\"received_at\":\"").add(TimeText(at, TimeForm::json).view()).add("\"}");
}

Status write_row(Db& db, Sql sql, int64_t seq, const WaitRow& row, Millis now, string_view output) {
  Query q(db, sql);
  Text how;
  if (row.kind == WaitKind::join) add_how(row, how);
  q.bind(":n", row.n).bind(":seq", seq).bind(":step", row.step).bind(":kind", kKinds[static_cast<int>(row.kind)]).bind(":now", now);
  q.bind_time(":due", row.due).bind_name(":topics", row.topics).bind_name(":how", how.view()).bind_name(":output", output);
  return how.ok() ? q.run() : Status::no_memory();
}

Status wake(Db& db, int64_t seq, int64_t lane, Wake why, Millis now) {
  WF_TRY(lane_expect(db, lane, now, now));
  Query q(db, Sql::wait_wake);
  q.bind(":seq", seq).bind(":now", now).bind(":wake", static_cast<int64_t>(why));
  return q.run();
}

}  // namespace wf

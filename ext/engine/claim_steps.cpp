#include "engine/claim_steps.h"

#include "base/json.h"

namespace wf {
namespace {

// What the steps of one claim may take, in bytes; less where the connection takes less.
constexpr size_t kMostOfSteps = 8 << 20;
// What comes after them.
constexpr string_view kMore = ",\"steps_more\":true", kNoMore = ",\"steps_more\":false";

void add_step(const Query& q, Text& out) {
  out.add("{\"seq\":").add_integer(q.integer(0)).add(",\"name\":");
  json::quote(q.text(1), out);
  out.add(",\"kind\":");
  json::quote(q.text(2), out);
  const string_view status = q.text(3);
  out.add(",\"status\":");
  json::quote(status, out);
  if (status == "done") {
    out.add(",\"output\":");
    if (q.is_null(5)) add_json(q.value(4), out);
    else out.add('"').add(TimeText(q.time(5), TimeForm::json).view()).add('"');
  } else if (status == "error" || status == "failed") {
    out.add(",\"error\":");
    add_json(q.value(4), out);
    out.add(",\"attempts\":").add_integer(q.count(6));
  }
  if (!q.is_null(7)) {
    const uint64_t bits = static_cast<uint64_t>(q.integer(7));
    unsigned char bytes[sizeof bits];
    for (size_t i = 0; i < sizeof bits; ++i) bytes[i] = static_cast<unsigned char>(bits >> (56 - 8 * i));
    out.add(",\"hash\":\"").add_hex(bytes, sizeof bytes).add('"');
  }
  out.add('}');
}

// The steps of one workflow in at most `room` bytes.
Status show_steps(Db& db, int64_t seq, int64_t limit, size_t room, Text& out) {
  Query q(db, Sql::claim_steps);
  q.bind(":seq", seq);
  out.add(",\"steps\":[");
  bool more = false;
  for (int64_t count = 0; !more; ++count) {
    bool row;
    const size_t before = out.size();
    Status read = q.next(&row);
    more = (read.rc() & 0xff) == SQLITE_TOOBIG;
    if (more) break;
    WF_TRY(static_cast<Status&&>(read));
    if (!row) break;
    more = count == limit || before + q.value(4).bytes.size() > room;
    if (more) break;
    if (count != 0) out.add(',');
    add_step(q, out);
    more = out.size() > room;
    if (more) out.truncate(before);
  }
  out.add(']').add(more ? kMore : kNoMore);
  return out.ok() ? Status() : Status::no_memory();
}

}  // namespace

void add_steps(Db& db, const Shown& shown, int64_t limit, Text& claims) {
  int64_t longest;
  if (!longest_claim(db, &longest).ok()) longest = 0;
  Text whole;
  size_t from = 0;
  for (size_t i = 0; i < shown.workflows.size(); ++i) {
    const auto end = static_cast<size_t>(shown.ends[i]) - 1;  // its last brace
    whole.add(part(claims.view(), from, end - from));
    from = end;
    // The claims that follow fit, and so does the word null for each.
    const size_t taken = whole.size() + (claims.size() - from) + 256 + 64 * shown.workflows.size();
    size_t room = static_cast<size_t>(longest) > taken ? static_cast<size_t>(longest) - taken : 0;
    if (room > kMostOfSteps) room = kMostOfSteps;
    Text steps;
    if (room != 0 && show_steps(db, shown.workflows[i], limit, room, steps).ok()) whole.add(steps.view());
    else whole.add(",\"steps\":null").add(kMore);
  }
  whole.add(part(claims.view(), from));
  if (!whole.ok()) return;  // without memory the claims stay as they are
  claims.clear();
  claims.add(whole.view());
}

}  // namespace wf

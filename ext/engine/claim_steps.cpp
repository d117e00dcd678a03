#include "engine/claim_steps.h"

#include <algorithm>

#include "base/json.h"

namespace wf {
namespace {

// What the steps of all claims of one call may take, in bytes; less where the connection takes less.
constexpr size_t kMostOfSteps = 8 << 20;
// More than what stands around them takes.
constexpr size_t kAround = 64;

void add_step(const Query& q, Stop* stop, Text& out) {
  out.add("{\"seq\":").add_integer(q.integer(0)).add(",\"name\":");
  json::quote(q.text(1), out);
  out.add(",\"kind\":");
  json::quote(q.text(2), out);
  const string_view status = q.text(3);
  out.add(",\"status\":");
  json::quote(status, out);
  if (status == "done") {
    out.add(",\"output\":");
    if (q.is_null(5)) add_json(q.value(4), out, stop);
    else out.add('"').add(TimeText(q.time(5), TimeForm::json).view()).add('"');
  } else if (status == "error" || status == "failed") {
    out.add(",\"error\":");
    add_json(q.value(4), out, stop);
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

size_t least_size(const Value& value) { return value.bytes.size() * (value.type == Value::Type::blob ? 2 : 1); }

// The steps of one workflow, and what ends its claim, in at most `room` bytes. Where there is room for none, `out` stays empty.
Status show_steps(Db& db, int64_t seq, int64_t limit, size_t room, Text& out) {
  Query q(db, Sql::claim_steps);
  q.bind(":seq", seq);
  out.add(",\"steps\":[");
  bool more = false;
  int64_t count = 0;
  while (!more) {
    bool row;
    const size_t before = out.size();
    Status read = q.next(&row);
    more = (read.rc() & 0xff) == SQLITE_TOOBIG;
    if (more) break;
    WF_TRY(static_cast<Status&&>(read));
    if (!row) break;
    more = count == limit || before + least_size(q.value(4)) > room;
    if (more) break;
    if (count != 0) out.add(',');
    add_step(q, &db.stop(), out);
    more = out.size() > room;
    more ? out.truncate(before) : void(++count);
  }
  if (more && count == 0 && limit != 0) {
    out.clear();
    return {};
  }
  out.add("],\"steps_more\":").add(more ? "true}" : "false}");
  return out.ok() ? Status() : Status::no_memory();
}

}  // namespace

Status add_steps(Db& db, const Shown& shown, int64_t limit, Text& claims) {
  const bool in_transaction = !db.autocommit();
  // What ends a transaction (no memory, a failing disk) ends that of the caller, too.
  const auto is_undone = [&](const Status& failed) { return !failed.ok() && in_transaction && db.autocommit(); };
  int64_t longest = 0;
  if (Status failed = longest_claim(db, &longest); is_undone(failed)) return failed;
  Text whole;
  size_t from = 0, left = kMostOfSteps;
  for (size_t i = 0; i < shown.workflows.size(); ++i) {
    const auto end = static_cast<size_t>(shown.ends[i]);
    whole.add(part(claims.view(), from, end - kNotRead.size() - from));
    from = end;
    const size_t taken = whole.size() + kNotRead.size() + (claims.size() - from) + kAround;
    size_t room = static_cast<size_t>(longest) > taken ? static_cast<size_t>(longest) - taken : 0;
    if (room > left) room = left;
    if (i + 1 != shown.workflows.size()) room /= 2;  // a long one leaves room for the others
    Text steps;
    Status read;
    if (room != 0) read = show_steps(db, shown.workflows[i], limit, room, steps);
    if (is_undone(read)) return read;
    const bool has_some = read.ok() && steps.size() != 0;
    if (has_some) left -= std::min(left, steps.size());
    whole.add(has_some ? steps.view() : kNotRead);
  }
  whole.add(part(claims.view(), from));
  if (whole.ok()) claims.swap(whole);
  return {};
}

}  // namespace wf

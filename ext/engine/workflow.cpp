#include "engine/workflow.h"

#include <charconv>

#include "base/json.h"

namespace wf {
namespace {

// (In place: a pointer would cost more, for it has to be relocated.)
constexpr char kStateNames[][10] = {"pending", "running", "waiting", "paused", "completed", "failed", "cancelled"};
constexpr char kWakeNames[][9] = {"start", "retry", "timer", "signal", "event", "join", "lost", "recover", "release", "resume", "cleanup"};
constexpr string_view kTokenPrefix = "run_";

}  // namespace

const char* state_name(State state) { return kStateNames[static_cast<int>(state)]; }

Wake wake_of(int64_t stored) {
  return stored >= 0 && stored < static_cast<int64_t>(std::size(kWakeNames)) ? static_cast<Wake>(stored) : Wake::start;
}

const char* wake_name(Wake wake) { return kWakeNames[static_cast<int>(wake)]; }

State state_of(string_view name) {
  for (int i = 0; i < static_cast<int>(std::size(kStateNames)); ++i) {
    if (name == kStateNames[i]) return static_cast<State>(i);
  }
  return State::failed;  // damaged by hand: terminal, so nothing acts on it
}

bool looks_like_token(string_view text) { return has_prefix(text, kTokenPrefix); }

Status parse_handle(string_view text, Handle* out) {
  if (!looks_like_token(text)) {
    WF_TRY(check_id("id", text));
    *out = {};
    out->id = text;
    return {};
  }
  WF_TRY(check_name("token", text));
  out->is_token = true;
  const char* end = text.data() + text.size();
  const auto seq = std::from_chars(text.data() + kTokenPrefix.size(), end, out->seq, 36);
  if (seq.ec == std::errc() && seq.ptr != end && *seq.ptr == '_' && out->seq > 0) {
    const auto nonce = std::from_chars(seq.ptr + 1, end, out->nonce, 36);
    if (nonce.ec == std::errc() && nonce.ptr == end && out->nonce > 0) return {};
  }
  return Status::error(Code::invalid, "'%.*s' is not a token of wf_claim", WF_SV(excerpt(text)));
}

void add_claim(int64_t attempt, string_view worker, Text& out) { out.add_integer(attempt).add(' ').add(worker); }

void add_token(int64_t seq, int64_t nonce, Text& out) {
  char digits[32];
  auto end = std::to_chars(digits, digits + sizeof digits, seq, 36);
  out.add(kTokenPrefix).add({digits, static_cast<size_t>(end.ptr - digits)});
  end = std::to_chars(digits, digits + sizeof digits, nonce, 36);
  out.add('_').add({digits, static_cast<size_t>(end.ptr - digits)});
}

namespace {

Status find_by(Db& db, const Value& seq, string_view id, bool* found, Workflow* out) {
  Query q(db, Sql::workflow_load);
  q.bind(":seq", seq).bind_name(":id", id);
  WF_TRY(q.next(found));
  if (*found) read_workflow(q, out);
  return {};
}

}  // namespace

void read_workflow(const Query& q, Workflow* out) {
  Workflow& w = *out;
  w.seq = q.integer(0);
  w.id = q.text(1);
  w.lane = q.integer(2);
  w.queue = q.text(3);
  w.partitioned = q.integer(4) != 0;
  w.state = state_of(q.text(5));
  w.under_pause = w.state == State::paused ? state_of(q.text(6)) : w.state;
  w.due_at = q.time(7);
  w.nonce = q.integer_or(8, 0);
  w.attempt = q.count(9);
  w.resumed = q.count(10);
  w.again = q.integer(11);
  w.failures = q.count(12);
  w.lost = q.count(13);
  w.mark = q.integer(14);
  w.lease = within(q.integer(15), 0, kDurationMax);
  w.deadline_at = q.time(16);
  w.closed_nonce = q.integer_or(17, -1);
  w.closed = q.text(18);
  w.worker = q.text(19);
  w.claim_key = q.text(20);
  w.ending = q.text(21);
  w.flags = q.integer(22);
  w.redo = q.count(23);
  w.parent = q.integer_or(24, 0);
  w.limited = q.integer(25) != 0;
  w.failed = q.count(26);
  w.wake = wake_of(q.integer(27));
  w.exact_lane = q.integer(28) != 0;
  w.started_at = q.time(29);
  w.period = q.count(30);
}

Status find(Db& db, const Handle& handle, bool* found, Workflow* out) {
  return find_by(db, handle.is_token ? Value::of(handle.seq) : Value{}, handle.id, found, out);
}

Status find_seq(Db& db, int64_t seq, bool* found, Workflow* out) { return find_by(db, Value::of(seq), {}, found, out); }

Status load(Db& db, const Handle& handle, Workflow* out) {
  WF_TRY(load_any_period(db, handle, out));
  return check_period(handle, *out);
}

Status check_period(const Handle& handle, const Workflow& w) {
  const auto differ = static_cast<uint64_t>(handle.nonce) ^ static_cast<uint64_t>(w.period);
  if (!handle.is_token || (differ & kPeriodBits) == 0) return {};
  return Status::error(Code::lease_lost, "this claim of workflow '%.*s' belongs to a period that is over", WF_SV(w.id.view()));
}

Status load_any_period(Db& db, const Handle& handle, Workflow* out) {
  bool found;
  WF_TRY(find(db, handle, &found, out));
  if (found) return {};
  if (handle.is_token) return Status::error(Code::not_found, "the workflow of this token does not exist");
  return Status::error(Code::not_found, "no workflow '%.*s'", WF_SV(handle.id));
}

Status wrong_kind(const Workflow& w, string_view step, string_view is, string_view wanted) {
  return Status::error(Code::nondeterminism, "step '%.*s' of workflow '%.*s' is a step of kind '%.*s', not '%.*s'", WF_SV(step),
                       WF_SV(w.id.view()), WF_SV(is), WF_SV(wanted));
}

Status check_name(string_view what, string_view name) {
  // Plain ASCII, as nearly all are, needs one look, eight bytes at a time: none from 0x80 on, none that is 0x7f, and all from 0x20 on.
  size_t plain = 0;
  for (; name.size() - plain >= sizeof(uint64_t); plain += sizeof(uint64_t)) {
    constexpr uint64_t kOnes = 0x0101010101010101, kHigh = kOnes << 7;
    uint64_t eight;
    std::memcpy(&eight, name.data() + plain, sizeof eight);
    if (((eight | (eight + kOnes)) & kHigh) != 0 || ((eight + kOnes * 0x60) & kHigh) != kHigh) break;
  }
  while (plain < name.size() && name[plain] >= 0x20 && name[plain] < 0x7f) ++plain;
  if (plain == name.size() && plain - 1 < 255) return {};
  if (name.empty()) return Status::error(Code::invalid, "%.*s is empty", WF_SV(what));
  if (name.size() > 255) {
    return Status::error(Code::invalid, "%.*s has %d bytes, 255 are allowed: '%.*s...'", WF_SV(what),
                         static_cast<int>(name.size()), WF_SV(shown(name)));
  }
  if (!is_utf8(name)) return Status::error(Code::invalid, "%.*s is not valid UTF-8", WF_SV(what));
  unsigned char before = 0;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    const bool upper = before == 0xc2 && byte < 0xa0;  // U+0080 to U+009F
    before = byte;
    if (byte < 0x20 || byte == 0x7f || upper) {
      Text escaped;
      json::quote(excerpt(name), escaped);
      return Status::error(Code::invalid, "%.*s holds the control character U+%04X: %.*s", WF_SV(what), static_cast<unsigned>(byte), WF_SV(escaped.view()));
    }
  }
  return {};
}

Status run_for(Db& db, Sql sql, int64_t seq) {
  return run_all(db, sql, [&](Query& q) { q.bind(":seq", seq); });
}

Status check_id(string_view what, string_view id) {
  WF_TRY(check_name(what, id));
  if (looks_like_token(id) || opens_with(id, '[')) {
    return Status::error(Code::invalid, "%.*s '%.*s' must not start with 'run_' or '['", WF_SV(what), WF_SV(id));
  }
  return {};
}

}  // namespace wf

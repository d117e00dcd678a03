#include "engine/claim_plain.h"

#include <charconv>

#include "engine/claim_show.h"
#include "engine/claim_take.h"

namespace wf {
namespace {

// Where one try was in vain, a queue with limits, partitions or several lanes, the next ones would be, too: each costs a claim a tenth.
constexpr int kPause = 16;
constexpr int kRefused = 1 << 30;

Millis stored_time(const Value& stored) { return stored.is_null() ? kNoTime : within(stored.integer, kTimeMin, kTimeMax); }

// The next of the parts of `text` that char(31) separates, which no name holds.
string_view next_part(string_view& text) {
  const size_t end = text.find('\x1f');
  const string_view one = part(text, 0, end);
  text = end == string_view::npos ? string_view() : part(text, end + 1);
  return one;
}

}  // namespace

bool PlainClaim::is_worth_it(Db& db, const Claim& args, bool time_was_said) {
  const bool plain = args.id.empty() && args.key.empty() && !args.queues && !args.names && !args.versions && !args.that_fit;
  if (!plain || time_was_said || !db.too_long().list(db.clock()).empty()) return false;
  int& pause = db.claims_not_plain();
  return pause == 0 || --pause == 0;
}

bool PlainClaim::is_refused(Db& db, const Status& failed) {
  const bool refused = (failed.rc() & 0xff) == SQLITE_AUTH && db.claims_not_plain() == kRefused;
  if (refused) --db.claims_not_plain();
  return refused;
}

PlainClaim::PlainClaim(Db& db, const Claim& args, Text& out) : PlainOpening(Sql::claim_plain), db_(db), args_(args), out_(out) {}

Status PlainClaim::run() {
  now_ = db_.clock();
  due_ = later(now_, args_.lease != kNoTime ? args_.lease : kDefaultLease);
  Query q(db_, sql);
  q.bind(":now", now_).bind(":queue", args_.queue).bind(":due", due_).bind(":lease", args_.lease != kNoTime ? args_.lease : kDefaultLease);
  q.bind_name(":worker", args_.worker).bind(":name", args_.worker).bind(":format", kSchemaVersion);
  if (db_.is_in_place()) q.bind(":in_place", int64_t{1});
  if (args_.lease != kNoTime) q.bind(":says_lease", int64_t{1});
  const size_t before = out_.size();
  seq_ = 0;
  RowTaker* const outer = db_.row_taker();
  db_.row_taker() = this;
  Status status = q.run();
  db_.row_taker() = outer;
  const bool written = status.ok() && q.changes() != 0;
  if (written && seq_ == 0) status = Status::ignored("FUNCTION", "_wf_take");
  done = written && status.ok() && !is_late(now_, db_.clock());
  half_done = written && !done;
  if (!done) out_.truncate(before);
  if (status.ok() && !written) db_.claims_not_plain() = kPause;
  if ((status.rc() & 0xff) == SQLITE_AUTH) db_.claims_not_plain() = kRefused;
  return status;
}

// In the order of claim_plain.
Status PlainClaim::take(const Value* row, int64_t* out) {
  ShownClaim c;
  c.seq = row[0].integer;
  c.id = row[1].bytes;
  c.attempt = row[2].integer;
  c.resumed = row[3].integer;
  c.nonce = random_nonce(row[4].integer);
  c.wake = wake_of(row[5].integer);
  c.ending = row[6].bytes;
  c.deadline_at = stored_time(row[7]);
  c.headers = row[8];
  c.scheduled_at = stored_time(row[9]);
  c.input = row[10];
  c.parent = row[11].bytes;
  string_view lane = row[12].bytes;
  c.name = next_part(lane);
  c.version = next_part(lane);
  (void)std::from_chars(lane.data(), lane.data() + lane.size(), c.priority, 10);
  c.queue = args_.queue;
  c.worker = args_.worker;
  c.lease_expires_at = due_;
  seq_ = c.seq;
  *out = c.nonce;
  return add_claim(db_, args_, c, out_);
}

}  // namespace wf

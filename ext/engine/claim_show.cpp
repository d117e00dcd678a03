#include "engine/claim_show.h"

#include "base/json.h"
#include "engine/claim_steps.h"
#include "engine/workflow.h"

namespace wf {
namespace {

// What a claim takes beside its input and its headers, so that nearly none has to be moved as it grows.
constexpr size_t kUsualClaim = 600;

void add_name_or_null(const char* key, string_view text, Text& out) {
  out.add(",\"").add(key).add("\":");
  text.empty() ? (void)out.add("null") : json::quote(text, out);
}

void add_time_or_null(const char* key, Millis time, Text& out) {
  out.add(",\"").add(key).add("\":");
  if (time == kNoTime) {
    out.add("null");
  } else {
    out.add('"').add(TimeText(time, TimeForm::json).view()).add('"');
  }
}

// SQLITE_TOOBIG if `claims` cannot be a result: SQLite would say so after the commit, when nobody holds what was leased. SQLite itself
// is asked, for what counts is the size in the encoding of the file.
Status check_size(Db& db, Text& claims, string_view id) {
  const size_t size = claims.size();
  claims.add(']');  // what may come after the last one: there is room for it then
  if (!claims.ok()) return Status::no_memory();
  if (size < static_cast<size_t>(sqlite3_limit(db.handle(), SQLITE_LIMIT_LENGTH, -1)) / 2) {
    claims.truncate(size);
    return {};
  }
  Query q(db, Sql::claim_fits);
  q.bind(":claims", claims.view());
  bool row;
  Status fits = q.next(&row);
  claims.truncate(size);
  if (fits.ok() || (fits.rc() & 0xff) != SQLITE_TOOBIG) return fits;
  return Status::too_big("string or blob too big: a claim of workflow '%.*s'", WF_SV(id));
}

}  // namespace

Status add_claim(Db& db, const Claim& args, const ShownClaim& c, Text& out) {
  // (The first of several has the bracket before it.)
  if (out.size() <= 1) out.make_room(kUsualClaim + c.input.bytes.size() + c.headers.bytes.size());
  out.add("{\"token\":\"");
  add_token(c.seq, c.nonce, out);
  out.add("\",\"id\":");
  json::quote(c.id, out);
  add_name_or_null("name", c.name, out);
  out.add(",\"input\":");
  add_json(c.input, out, &db.stop());
  out.add(",\"attempt\":").add_integer(c.attempt).add(",\"resumed\":").add_integer(c.resumed);
  add_name_or_null("ending", c.ending, out);
  add_name_or_null("queue", c.queue, out);
  out.add(",\"priority\":").add_integer(c.priority);
  add_name_or_null("worker", c.worker, out);
  add_time_or_null("lease_expires_at", c.lease_expires_at, out);
  add_time_or_null("deadline_at", c.deadline_at, out);
  add_name_or_null("version", c.version, out);
  out.add(",\"headers\":");
  add_json(c.headers, out, &db.stop());
  add_name_or_null("parent", c.parent, out);
  add_time_or_null("scheduled_at", c.scheduled_at, out);
  out.add(",\"wake\":\"").add(wake_name(c.wake)).add('"');
  out.add(args.shown != nullptr ? kNotRead : "}");
  return check_size(db, out, c.id);
}

// The columns of claim_row.
Status ClaimRow::read(Workflow* out) {
  bool row;
  WF_TRY(q_.next(&row));
  if (row) read_workflow(q_, out);
  return {};
}

namespace {

constexpr int kLease = kWorkflowColumns + kQueueColumns, kNameColumn = kLease + 1, kInput = kLease + 2, kPriority = kLease + 3, kVersionColumn = kLease + 4;
constexpr int kHeaders = kLease + 5, kParent = kLease + 6, kScheduled = kLease + 7, kHasQueue = kLease + 8;

}  // namespace

void ClaimRow::settings(QueueSettings* out) const {
  if (q_.integer(kHasQueue) != 0) read_queue(q_, kWorkflowColumns, out);
}

Millis ClaimRow::lease() const { return q_.integer(kLease) > 0 ? q_.duration(kLease) : kDefaultLease; }

Status ClaimRow::show(const Claim& args, const Workflow& w, Text& out) {
  ShownClaim c;
  c.seq = w.seq, c.nonce = w.nonce, c.attempt = w.attempt, c.resumed = w.resumed, c.priority = q_.integer(kPriority);
  c.id = q_.text(1), c.name = q_.text(kNameColumn), c.ending = w.ending.view(), c.queue = q_.text(3), c.worker = w.worker.view(), c.version = q_.text(kVersionColumn);
  c.parent = q_.text(kParent), c.input = q_.value(kInput), c.headers = q_.value(kHeaders);
  c.lease_expires_at = w.due_at, c.deadline_at = w.deadline_at, c.scheduled_at = q_.time(kScheduled), c.wake = w.wake;
  return add_claim(db_, args, c, out);
}

Status note_shown(const Claim& args, int64_t seq, const Text& out) {
  if (args.shown == nullptr) return {};
  args.shown->workflows.add(seq);
  args.shown->ends.add(static_cast<int64_t>(out.size()));
  return args.shown->workflows.ok() && args.shown->ends.ok() ? Status() : Status::no_memory();
}

Status show_claim(Db& db, const Claim& args, int64_t seq, Text& out) {
  ClaimRow row(db, seq);
  Workflow w;
  WF_TRY(row.read(&w));
  WF_TRY(row.show(args, w, out));
  return note_shown(args, seq, out);
}

}  // namespace wf

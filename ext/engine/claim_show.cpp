#include "engine/claim_show.h"

#include "base/json.h"
#include "engine/claim_steps.h"
#include "engine/workflow.h"

namespace wf {
namespace {

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
  out.add("{\"token\":\"");
  add_token(w.seq, w.nonce, out);
  out.add("\",\"id\":");
  json::quote(q_.text(1), out);
  add_name_or_null("name", q_.text(kNameColumn), out);
  out.add(",\"input\":");
  add_json(q_.value(kInput), out, &db_.stop());
  out.add(",\"attempt\":").add_integer(w.attempt).add(",\"resumed\":").add_integer(w.resumed);
  add_name_or_null("ending", w.ending.view(), out);
  add_name_or_null("queue", q_.text(3), out);
  out.add(",\"priority\":").add_integer(q_.integer(kPriority));
  add_name_or_null("worker", w.worker.view(), out);
  add_time_or_null("lease_expires_at", w.due_at, out);
  add_time_or_null("deadline_at", w.deadline_at, out);
  add_name_or_null("version", q_.text(kVersionColumn), out);
  out.add(",\"headers\":");
  add_json(q_.value(kHeaders), out, &db_.stop());
  add_name_or_null("parent", q_.text(kParent), out);
  add_time_or_null("scheduled_at", q_.time(kScheduled), out);
  out.add(",\"wake\":\"").add(wake_name(w.wake)).add('"');
  out.add(args.shown != nullptr ? kNotRead : "}");
  return check_size(db_, out, q_.text(1));
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

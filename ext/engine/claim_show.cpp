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

void add_time_or_null(const char* key, const Query& q, int column, Text& out) {
  out.add(",\"").add(key).add("\":");
  if (q.is_null(column)) {
    out.add("null");
  } else {
    out.add('"').add(TimeText(q.integer(column), TimeForm::json).view()).add('"');
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

Status show_claim(Db& db, const Claim& args, int64_t seq, Text& out) {
  Query q(db, Sql::claim_show);
  q.bind(":seq", seq);
  bool row;
  WF_TRY(q.next(&row));
  out.add("{\"token\":\"");
  add_token(seq, q.integer(15), out);
  out.add("\",\"id\":");
  json::quote(q.text(0), out);
  add_name_or_null("name", q.text(1), out);
  out.add(",\"input\":");
  add_json(q.value(2), out, &db.stop());
  out.add(",\"attempt\":").add_integer(q.integer(3)).add(",\"resumed\":").add_integer(q.integer(4));
  add_name_or_null("ending", q.text(5), out);
  add_name_or_null("queue", q.text(6), out);
  out.add(",\"priority\":").add_integer(q.integer(7));
  add_name_or_null("worker", q.text(8), out);
  add_time_or_null("lease_expires_at", q, 9, out);
  add_time_or_null("deadline_at", q, 10, out);
  add_name_or_null("version", q.text(11), out);
  out.add(",\"headers\":");
  add_json(q.value(12), out, &db.stop());
  add_name_or_null("parent", q.text(13), out);
  add_time_or_null("scheduled_at", q, 14, out);
  out.add(",\"wake\":\"").add(wake_name(wake_of(q.integer(16)))).add('"');
  out.add(args.shown != nullptr ? kNotRead : "}");
  WF_TRY(check_size(db, out, q.text(0)));
  if (args.shown == nullptr) return {};
  args.shown->workflows.add(seq);
  args.shown->ends.add(static_cast<int64_t>(out.size()));
  return args.shown->workflows.ok() && args.shown->ends.ok() ? Status() : Status::no_memory();
}

}  // namespace wf

#include "engine/rate.h"

#include "engine/line.h"

namespace wf {
namespace {

// All who wait are told, under each key.
Status tell_lines(Db& db, string_view name, Millis now) {
  ShareOf line;
  line.rate = name;
  for (bool first = true;; first = false) {
    {
      Query q(db, first ? Sql::rate_first_line : Sql::rate_next_line);
      q.bind(":rate", name).bind(":key", line.key.view());
      bool row;
      WF_TRY(q.next(&row));
      if (!row) return {};
      line.key = q.text(0);
    }
    WF_TRY(hasten_line(db, line, now));
  }
}

}  // namespace

Status write_limit(Db& db, string_view name, const Limit& limit, Millis now) {
  if (limit.limit < 0) {
    for (const Sql sql : {Sql::rate_drop_shares, Sql::rate_drop, Sql::rate_drop_forgotten}) {
      WF_TRY(run_all(db, sql, [&](Query& q) { q.bind(":rate", name).bind(":now", now).bind(":per", limit.per); }));
    }
  } else {
    Query q(db, Sql::rate_put);
    q.bind(":rate", name).bind(":limit", limit.limit).bind(":per", limit.per);
    WF_TRY(q.run());
  }
  return tell_lines(db, name, now);
}

}  // namespace wf

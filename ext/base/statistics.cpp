#include "base/statistics.h"

namespace wf {
namespace {

bool statistics_are_ours(const Db& db) {
  const SqlText text(Sql::statistics_are_ours);
  sqlite3_stmt* statement = nullptr;
  const bool found = text.ok() && sqlite3_prepare_v2(db.handle(), text.c_str(), -1, &statement, nullptr) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW;
  sqlite3_finalize(statement);
  return found;
}

}  // namespace

Status drop_statistics(Db& db, FairWait& wait) {
  db.knows_statistics();
  if (!db.has_table("sqlite_stat1") || !statistics_are_ours(db)) return {};
  const bool has_samples = db.has_table("sqlite_stat4");
  const Status dropped = wait.until([&] {
    if (has_samples) WF_TRY(db.script(Sql::script_drop_samples));
    return db.script(Sql::script_drop_statistics);
  });
  db.forget_way_back();  // all statements are outdated
  const int rc = dropped.rc() & 0xff;
  return rc == SQLITE_BUSY || rc == SQLITE_NOMEM || rc == SQLITE_INTERRUPT ? Status::sqlite(dropped.rc()) : Status();
}

}  // namespace wf

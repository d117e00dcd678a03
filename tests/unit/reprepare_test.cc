// Cached statements are compiled once. (SQLite compiles one anew for every value of a parameter that could decide whether a partial index fits;
// an index on `kind = 1` once made each start and claim twice as slow.)
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <string>

#include "wfext.h"

namespace {

void run(sqlite3* db, const std::string& sql) {
  char* error = nullptr;
  EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &error), SQLITE_OK) << (error != nullptr ? error : "");
  sqlite3_free(error);
}

TEST(Reprepare, CachedStatementsAreCompiledOnce) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(":memory:", &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_wfext_init(db, nullptr, nullptr), SQLITE_OK);
  run(db, "SELECT wf_define('flow', '{\"steps\":[{\"name\":\"a\",\"sql\":\"SELECT 1\"}]}')");
  for (int i = 0; i < 20; i++) {
    const std::string id = "w" + std::to_string(i);
    run(db, "SELECT wf_start('job', NULL, '{\"id\":\"" + id + "\"}'), wf_start('flow')");
    run(db, "SELECT wf_claim(NULL, NULL, '{\"id\":\"" + id + "\",\"key\":\"k\"}'), wf_ready(), wf_run()");
    run(db, "SELECT wf_recover(), wf_step('" + id + "', 'a', 1), wf_sleep('" + id + "', 'b', 0), wf_complete('" + id + "')");
  }
  int seen = 0;
  for (sqlite3_stmt* s = sqlite3_next_stmt(db, nullptr); s != nullptr; s = sqlite3_next_stmt(db, s), seen++) {
    EXPECT_LE(sqlite3_stmt_status(s, SQLITE_STMTSTATUS_REPREPARE, 0), 1) << sqlite3_sql(s);
  }
  EXPECT_GT(seen, 20);
  EXPECT_EQ(sqlite3_close(db), SQLITE_OK);
}

}  // namespace

// What a connection keeps: its statements, up to a bound, and those of a loop beside those that were used now and then.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <set>
#include <string>
#include <vector>

#include "wfext.h"

namespace {

class StatementMemory : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(sqlite3_open(":memory:", &db_), SQLITE_OK);
    before_ = sqlite3_memory_used();
    ASSERT_EQ(sqlite3_wfext_init(db_, nullptr, nullptr), SQLITE_OK);
    run("SELECT wf_init()");
  }
  void TearDown() override { EXPECT_EQ(sqlite3_close(db_), SQLITE_OK); }

  std::string run(const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    EXPECT_EQ(sqlite3_prepare_v2(db_, sql.c_str(), -1, &statement, nullptr), SQLITE_OK) << sql << ": " << sqlite3_errmsg(db_);
    std::string first;
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL) first = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
    while (rc == SQLITE_ROW) rc = sqlite3_step(statement);
    EXPECT_EQ(rc, SQLITE_DONE) << sql << ": " << sqlite3_errmsg(db_);
    sqlite3_finalize(statement);
    return first;
  }

  std::string claim() {
    const std::string claimed = run("SELECT json_extract(wf_claim('default', 'worker'), '$.token')");
    EXPECT_NE(claimed, "");
    return "'" + claimed + "'";
  }

  // Each of the calls that workers and applications live on.
  void work() {
    const std::string id = "w" + std::to_string(++started_);
    const auto at = [&](int second) { run("SELECT wf_clock(" + std::to_string(1'800'000'000 + 100 * started_ + second) + ")"); };
    at(0);
    run("SELECT wf_start('job', '{\"n\":1}', '{\"id\":\"" + id + "\"}')");
    std::string token = claim();
    for (const char* step : {"a", "b", "c"}) {
      run("SELECT wf_step(" + token + ", '" + step + "')");
      run("SELECT wf_step(" + token + ", '" + step + "', '{}')");
    }
    at(1);  // so that there is something to extend
    run("SELECT wf_heartbeat(" + token + ")");
    run("SELECT wf_await(" + token + ", 'wait', 'go')");
    run("SELECT wf_signal('" + id + "', 'go', 1)");
    token = claim();
    run("SELECT wf_await(" + token + ", 'wait', 'go')");
    run("SELECT wf_complete(" + token + ", 1)");
  }

  // What is called now and then, and looks at everything.
  void look_around() {
    run("SELECT wf_check()");
    run("SELECT wf_export('w1')");
    run("SELECT wf_purge('{\"older_than\":\"1d\"}')");
    run("SELECT wf_tick()");
    run("SELECT wf_recover()");
    run("SELECT wf_ready('default'), wf_pending('default')");
    std::vector<std::string> tables;
    sqlite3_stmt* list = nullptr;
    sqlite3_prepare_v2(db_, "SELECT name FROM pragma_module_list WHERE name GLOB 'wf_*'", -1, &list, nullptr);
    while (sqlite3_step(list) == SQLITE_ROW) tables.emplace_back(reinterpret_cast<const char*>(sqlite3_column_text(list, 0)));
    sqlite3_finalize(list);
    EXPECT_GE(tables.size(), 10U);
    for (const std::string& table : tables) run("SELECT * FROM " + table + (table == "wf_fleet" ? "('/nowhere/*.db')" : ""));
  }

  std::set<sqlite3_stmt*> statements() const {
    std::set<sqlite3_stmt*> all;
    for (sqlite3_stmt* s = nullptr; (s = sqlite3_next_stmt(db_, s)) != nullptr;) all.insert(s);
    return all;
  }
  int64_t held() const {
    int64_t bytes = 0;
    for (sqlite3_stmt* s : statements()) bytes += sqlite3_stmt_status(s, SQLITE_STMTSTATUS_MEMUSED, 0);
    return bytes;
  }
  // Less the database itself, which is in memory here.
  int64_t used() const {
    int cache = 0, high = 0;
    sqlite3_db_status(db_, SQLITE_DBSTATUS_CACHE_USED, &cache, &high, 0);
    return sqlite3_memory_used() - before_ - cache;
  }

 private:
  sqlite3* db_ = nullptr;
  int64_t before_ = 0;
  int started_ = 0;
};

TEST_F(StatementMemory, ALoopCompilesNothing) {
  for (int i = 0; i < 3; ++i) work();
  const auto before = statements();
  for (int i = 0; i < 3; ++i) work();
  for (sqlite3_stmt* s : statements()) EXPECT_EQ(before.count(s), 1U) << "compiled again: " << sqlite3_sql(s);
}

TEST_F(StatementMemory, WhatIsCalledNowAndThenTakesNothingFromALoop) {
  for (int i = 0; i < 3; ++i) work();
  work();
  look_around();
  const auto before = statements();
  work();
  for (sqlite3_stmt* s : statements()) EXPECT_EQ(before.count(s), 1U) << "compiled again: " << sqlite3_sql(s);
}

// The contract: at most 640 KiB a connection, whatever was called, and how often.
TEST_F(StatementMemory, IsBounded) {
  for (int round = 0; round < 3; ++round) {
    work();
    look_around();
    EXPECT_LE(held(), 552 * 1024) << round;
    EXPECT_LE(used(), (sqlite3_libversion_number() >= 3040000 ? 640 : 736) * 1024) << round;  // 3.31 opens TEMP, which has a page cache
  }
  EXPECT_GT(held(), 256 * 1024) << "so little is kept that this test has lost its point";
  RecordProperty("bytes", static_cast<int>(used()));
}

}  // namespace

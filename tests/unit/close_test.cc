// Closing a connection: sqlite3_close() says OK, the memory is back, and no statement is freed twice.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "fault.h"
#include "wfext.h"

namespace {

class Close : public ::testing::Test {
 protected:
  void SetUp() override {
    sqlite3_initialize();
    memory_ = sqlite3_memory_used();
  }
  void TearDown() override { EXPECT_EQ(sqlite3_memory_used(), memory_) << "memory is left allocated"; }

  static sqlite3* open() {
    sqlite3* db = nullptr;
    EXPECT_EQ(sqlite3_open(":memory:", &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_wfext_init(db, nullptr, nullptr), SQLITE_OK);
    return db;
  }
  static int exec(sqlite3* db, const char* sql) { return sqlite3_exec(db, sql, nullptr, nullptr, nullptr); }
  static void use(sqlite3* db) {
    EXPECT_EQ(exec(db,
                   "SELECT wf_start('job', 1, '{\"id\":\"w\"}'); SELECT wf_step('w', 'a', 1); SELECT wf_step('w', 'c', 1); SELECT wf_step('w', 'b');"
                   "SELECT wf_claim(); SELECT wf_status('w'); SELECT * FROM wf_workflows; SELECT * FROM wf_pending;"
                   "SELECT * FROM wf_steps; SELECT * FROM wf_failures; SELECT * FROM wf_doctor; SELECT wf_recover();"
                   "SELECT wf_complete('w'); SELECT wf_config('lease'); SELECT wf_clock()"),
              SQLITE_OK)
        << sqlite3_errmsg(db);
  }
  static int statements(sqlite3* db) {
    int n = 0;
    for (sqlite3_stmt* s = sqlite3_next_stmt(db, nullptr); s != nullptr; s = sqlite3_next_stmt(db, s)) ++n;
    return n;
  }

 private:
  int64_t memory_ = 0;
};

TEST_F(Close, WithoutUse) { EXPECT_EQ(sqlite3_close(open()), SQLITE_OK); }

TEST_F(Close, AfterEverythingWasUsed) {
  sqlite3* db = open();
  use(db);
  EXPECT_GT(statements(db), 0) << "nothing is cached: this test has lost its point";
  EXPECT_EQ(sqlite3_close(db), SQLITE_OK);
}

TEST_F(Close, V2AfterEverythingWasUsed) {
  sqlite3* db = open();
  use(db);
  EXPECT_EQ(sqlite3_close_v2(db), SQLITE_OK);
}

TEST_F(Close, WithAnOpenTransaction) {
  sqlite3* db = open();
  EXPECT_EQ(exec(db, "BEGIN; SELECT wf_start('job'); SELECT wf_claim()"), SQLITE_OK);
  EXPECT_EQ(sqlite3_close(db), SQLITE_OK);
}

TEST_F(Close, RefusedWhileAStatementOfTheApplicationIsLeftAndUsableAfterwards) {
  sqlite3* db = open();
  use(db);
  sqlite3_stmt* mine = nullptr;
  ASSERT_EQ(sqlite3_prepare_v2(db, "SELECT * FROM wf_steps", -1, &mine, nullptr), SQLITE_OK);
  ASSERT_EQ(sqlite3_step(mine), SQLITE_ROW);
  EXPECT_EQ(sqlite3_close(db), SQLITE_BUSY);
  EXPECT_EQ(sqlite3_step(mine), SQLITE_ROW) << "the statement goes on";
  sqlite3_finalize(mine);
  EXPECT_EQ(exec(db, "SELECT wf_start('job'); SELECT wf_claim(); SELECT * FROM wf_workflows"), SQLITE_OK) << sqlite3_errmsg(db);
  EXPECT_EQ(sqlite3_close(db), SQLITE_OK);
}

TEST_F(Close, RefusedTwice) {
  sqlite3* db = open();
  use(db);
  sqlite3_stmt* mine = nullptr;
  ASSERT_EQ(sqlite3_prepare_v2(db, "SELECT wf_status('w')", -1, &mine, nullptr), SQLITE_OK);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(sqlite3_close(db), SQLITE_BUSY);
    EXPECT_EQ(sqlite3_step(mine), SQLITE_ROW);
    EXPECT_STREQ(reinterpret_cast<const char*>(sqlite3_column_text(mine, 0)), "completed");
    sqlite3_reset(mine);
  }
  sqlite3_finalize(mine);
  EXPECT_EQ(sqlite3_close(db), SQLITE_OK);
}

TEST_F(Close, V2WithAStatementLeftFinishesWithIt) {
  sqlite3* db = open();
  use(db);
  sqlite3_stmt* mine = nullptr;
  ASSERT_EQ(sqlite3_prepare_v2(db, "SELECT wf_status('w')", -1, &mine, nullptr), SQLITE_OK);
  EXPECT_EQ(sqlite3_close_v2(db), SQLITE_OK);
  sqlite3_finalize(mine);
}

// fmdb, Expo, Bun and others finalize all statements that sqlite3_next_stmt() finds before they close.
TEST_F(Close, HostFinalizesEveryStatementFirst) {
  sqlite3* db = open();
  use(db);
  while (sqlite3_stmt* s = sqlite3_next_stmt(db, nullptr)) sqlite3_finalize(s);
  EXPECT_EQ(sqlite3_close(db), SQLITE_OK);
}

TEST_F(Close, HostFinalizesEveryStatementFirstV2) {
  sqlite3* db = open();
  use(db);
  while (sqlite3_stmt* s = sqlite3_next_stmt(db, nullptr)) sqlite3_finalize(s);
  EXPECT_EQ(sqlite3_close_v2(db), SQLITE_OK);
}

TEST_F(Close, TablesStillConnectedByAnotherStatement) {
  sqlite3* db = open();
  sqlite3_stmt* table = nullptr;
  ASSERT_EQ(sqlite3_prepare_v2(db, "SELECT count(*) FROM wf_workflows", -1, &table, nullptr), SQLITE_OK);
  use(db);
  EXPECT_EQ(sqlite3_step(table), SQLITE_ROW);
  EXPECT_EQ(sqlite3_column_int(table, 0), 1);
  sqlite3_finalize(table);
  EXPECT_EQ(sqlite3_close(db), SQLITE_OK);
}

TEST_F(Close, ModulesDroppedByTheHost) {
  sqlite3* db = open();
  use(db);
  EXPECT_EQ(sqlite3_drop_modules(db, nullptr), SQLITE_OK);
  exec(db, "SELECT wf_start('job'); SELECT wf_claim()");
  EXPECT_EQ(sqlite3_close(db), SQLITE_OK);
}

TEST_F(Close, FunctionReplacedByTheHost) {
  sqlite3* db = open();
  use(db);
  EXPECT_EQ(sqlite3_create_function_v2(db, "wf_start", 1, SQLITE_UTF8, nullptr, nullptr, nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_EQ(exec(db, "SELECT wf_claim()"), SQLITE_OK);
  EXPECT_EQ(sqlite3_close(db), SQLITE_OK);
}

TEST_F(Close, RegisteredTwice) {
  sqlite3* db = open();
  use(db);
  EXPECT_EQ(sqlite3_wfext_init(db, nullptr, nullptr), SQLITE_OK);
  EXPECT_EQ(exec(db, "SELECT wf_start('job')"), SQLITE_OK);
  sqlite3_stmt* mine = nullptr;
  ASSERT_EQ(sqlite3_prepare_v2(db, "SELECT * FROM wf_workflows", -1, &mine, nullptr), SQLITE_OK);
  ASSERT_EQ(sqlite3_step(mine), SQLITE_ROW);
  EXPECT_EQ(sqlite3_wfext_init(db, nullptr, nullptr), SQLITE_OK) << "while a statement runs";
  EXPECT_EQ(sqlite3_step(mine), SQLITE_ROW);
  sqlite3_finalize(mine);
  EXPECT_EQ(sqlite3_close(db), SQLITE_OK);
}

TEST_F(Close, ByAutoExtension) {
  ASSERT_EQ(sqlite3_auto_extension(reinterpret_cast<void (*)(void)>(sqlite3_wfext_init)), SQLITE_OK);
  for (int i = 0; i < 3; ++i) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(":memory:", &db), SQLITE_OK);
    use(db);
    EXPECT_EQ(sqlite3_close(db), SQLITE_OK);
  }
  EXPECT_EQ(sqlite3_cancel_auto_extension(reinterpret_cast<void (*)(void)>(sqlite3_wfext_init)), 1);
  sqlite3_reset_auto_extension();
}

// The contract: at most 640 KiB a connection after every function was used once.
TEST_F(Close, MemoryOfAConnection) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(":memory:", &db), SQLITE_OK);
  const int64_t before = sqlite3_memory_used();
  ASSERT_EQ(sqlite3_wfext_init(db, nullptr, nullptr), SQLITE_OK);
  use(db);
  int cache = 0, high = 0;
  sqlite3_db_status(db, SQLITE_DBSTATUS_CACHE_USED, &cache, &high, 0);
  const int64_t used = sqlite3_memory_used() - before - cache;   // less the database itself, which is in memory here
  EXPECT_LT(used, 640 * 1024);
  if (sqlite3_libversion_number() >= 3040000) {  // 3.31 opens it at the first write
    EXPECT_EQ(sqlite3_db_readonly(db, "temp"), -1) << "the TEMP database was opened: it has a page cache of its own";
  }
  RecordProperty("bytes", static_cast<int>(used));
  EXPECT_EQ(sqlite3_close(db), SQLITE_OK);
}

}  // namespace

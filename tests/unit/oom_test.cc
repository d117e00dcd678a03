// Every allocation fails once: nothing half done, nothing left open, nothing leaked.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "fault.h"
#include "fuse.h"
#include "wfext.h"

namespace {

using fault::Oom;

class OomIn : public Oom, public ::testing::WithParamInterface<fault::Scenario> {};

TEST_P(OomIn, ColdConnection) {
  const int once = fault::for_each_fault(GetParam(), oom, fault::Start::cold, false);
  const int sticky = fault::for_each_fault(GetParam(), oom, fault::Start::cold, true);
  EXPECT_GT(once, 5) << "hardly any allocation: the fuse is not in the line";
  EXPECT_GT(sticky, 5);
}

TEST_P(OomIn, StatementsPrepared) {
  fault::for_each_fault(GetParam(), oom, fault::Start::warm, false);
  fault::for_each_fault(GetParam(), oom, fault::Start::warm, true);
}

INSTANTIATE_TEST_SUITE_P(Every, OomIn, ::testing::ValuesIn(fault::scenarios()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_F(Oom, Registering) {
  for (const bool sticky : {false, true}) {
    int n = 0;
    for (bool fired = true; fired;) {
      SCOPED_TRACE(++n);
      ASSERT_LT(n, 5000);
      const int64_t memory = sqlite3_memory_used();
      sqlite3* db = nullptr;
      ASSERT_EQ(sqlite3_open(":memory:", &db), SQLITE_OK);
      char* message = nullptr;
      oom.arm(db, n, sticky);
      const int code = sqlite3_wfext_init(db, &message, nullptr);
      fired = oom.disarm(db);
      if (!fired) {
        EXPECT_EQ(code, SQLITE_OK);
      }
      if (code != SQLITE_OK) {
        EXPECT_EQ(code, SQLITE_NOMEM);
      }
      sqlite3_free(message);
      // A connection that could not load it once can load it later.
      ASSERT_EQ(sqlite3_wfext_init(db, nullptr, nullptr), SQLITE_OK);
      ASSERT_EQ(sqlite3_exec(db, "SELECT wf_start('job'); SELECT wf_claim(); SELECT * FROM wf_workflows", nullptr, nullptr, nullptr), SQLITE_OK)
          << sqlite3_errmsg(db);
      EXPECT_EQ(sqlite3_close(db), SQLITE_OK);
      EXPECT_EQ(sqlite3_memory_used(), memory);
      if (HasFailure()) return;
    }
  }
}

// Found by review: the statement that is the last way back knew the tables of a transaction that was rolled back, and there was no memory
// to compile it anew. Here memory runs out as it does in a process: no allocation that is too large succeeds, smaller ones still do.
TEST_F(Oom, NoTransactionIsLeftOpenWhereTablesAreMadeAnewAfterARollback) {
  int failed = 0;
  for (int64_t room = 2000; room < 60000; room += 500) {
    SCOPED_TRACE(room);
    fault::Connection c(":memory:");
    for (const char* sql : {"BEGIN", "SELECT wf_start('job')", "ROLLBACK"}) c.query(sql);
    sqlite3_hard_heap_limit64(sqlite3_memory_used() + room);
    failed += c.run("SELECT wf_claim()") != SQLITE_OK;
    sqlite3_hard_heap_limit64(0);
    EXPECT_NE(sqlite3_get_autocommit(c.handle()), 0);
  }
  EXPECT_GT(failed, 5) << "memory never ran out";
}

TEST_F(Oom, NoTransactionIsLeftOpenWhereNoLargeStatementCanBeCompiled) {
  for (int most = 20; most < 200; most += 3) {
    SCOPED_TRACE(most);
    fault::Connection c(":memory:");
    sqlite3_limit(c.handle(), SQLITE_LIMIT_VDBE_OP, most);
    for (const char* sql : {"SELECT wf_start('job')", "SELECT wf_claim()", "SELECT wf_init()"}) {
      c.run(sql);
      EXPECT_NE(sqlite3_get_autocommit(c.handle()), 0) << sql;
    }
  }
}

// A step that uses an earlier one, names in an array, durations in a backoff: what is looked at in memory of its own must not be wrong where there is none.
TEST_F(Oom, NoMistakeOfADefinitionIsMadeUp) {
  for (const bool sticky : {false, true}) {
    int n = 0;
    for (bool fired = true; fired;) {
      SCOPED_TRACE(++n);
      fault::Connection c(":memory:");
      oom.arm(c.handle(), n, sticky);
      const int code = c.run(
          R"(SELECT wf_explain('{"steps":[{"name":"b","await":["one","two"],"timeout":"5m"},{"name":"c","sleep":"1h30m","backoff":{"initial":"5s","max":"1h"}},
             {"name":"a","after":["c","\u0062"],"sql":"SELECT :b, :c"}],"output":"SELECT :a"}'))");
      fired = oom.disarm(c.handle());
      if (code != SQLITE_OK) {
        EXPECT_EQ(code, SQLITE_NOMEM) << c.message();
      }
      if (HasFailure()) return;
    }
    EXPECT_GT(n, 20) << "hardly any allocation: the fuse is not in the line";
  }
}

// A connection that lived through a thousand refusals is as good as new, and has not grown.
TEST_F(Oom, MemoryOfAConnectionDoesNotGrowWithFailures) {
  fault::Connection c(":memory:");
  c.query("SELECT wf_init()");
  const auto round = [&](int n) {
    oom.arm(c.handle(), n, true);
    c.run("SELECT wf_start('job', 1, '{\"id\":\"w\"}')");
    c.run("SELECT wf_step('w', 'a', 1)");
    c.run("SELECT wf_complete('w')");
    c.run("SELECT count(*) FROM wf_workflows");
    oom.disarm(c.handle());
    EXPECT_NE(sqlite3_get_autocommit(c.handle()), 0);
  };
  for (int n = 1; n < 400; ++n) round(n);
  const int64_t memory = sqlite3_memory_used();
  for (int i = 0; i < 3; ++i)
    for (int n = 1; n < 400; ++n) round(n);
  EXPECT_LE(sqlite3_memory_used(), memory + 16384);
  c.query("SELECT wf_start('job', 1, '{\"id\":\"fresh\"}')");
  EXPECT_EQ(c.query("SELECT wf_status('fresh')"), "pending");
}

}  // namespace

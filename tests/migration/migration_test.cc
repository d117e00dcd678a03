// A file of an older format under a newer extension: brought forward by the first write, once, all of it or nothing.
//
// This program is linked with the library of the next format (schema.sql); the loadable module has the one before.
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "fault.h"
#include "fuse.h"

namespace {

using fault::Connection;

constexpr char kVersion[] = "SELECT value FROM _wf_meta WHERE key = 'schema_version'";
constexpr char kObjects[] =
    "SELECT group_concat(name) FROM (SELECT name FROM sqlite_master WHERE name LIKE '\\_wf%' ESCAPE '\\' ORDER BY name)";

struct Older : Connection {
  explicit Older(const std::string& path) : Connection(path, nullptr, false) { load(); }
};

// The build of an old SQLite that test-compat uses waits for locks in whole seconds.
const bool kOld = sqlite3_libversion_number() < 3035000;

class Migration : public ::testing::Test {
 protected:
  void SetUp() override {
    path = ::testing::TempDir() + "migration_" + std::to_string(getpid()) + ".db";
    remove();
    older = Older(":memory:").query("SELECT wf_init()");
    newer = Connection(":memory:").query("SELECT wf_init()");
    ASSERT_EQ(std::stoi(newer), std::stoi(older) + 1);
  }
  void TearDown() override { remove(); }
  void remove() {
    for (const char* suffix : {"", "-journal", "-wal", "-shm"}) unlink((path + suffix).c_str());
  }

  // A file of the older format with two workflows; 'w' has a step, and a claim under way, whose token is returned.
  std::string old_file() {
    remove();
    Older c(path);
    c.query("CREATE TABLE app(v)");
    c.query("SELECT wf_start('job', 1, '{\"id\":\"w\"}')");
    c.query("SELECT wf_start('job', 2, '{\"id\":\"x\"}')");
    const std::string token = c.query("SELECT json_extract(wf_claim(NULL, 'ann', '{\"id\":\"w\"}'), '$.token')");
    EXPECT_EQ(c.run("SELECT wf_step(?1, 'a', '[1]')", token), SQLITE_OK) << c.message();
    return token;
  }
  // Whether the file is whole, of the newer format, and was brought there once.
  void expect_brought_forward(Connection& c) {
    EXPECT_EQ(c.query(kVersion), newer);
    EXPECT_EQ(c.query("SELECT count(*) FROM _wf_next"), "2");
    EXPECT_EQ(c.query("SELECT count(*) FROM _wf_workflow WHERE id IN ('w', 'x') AND next IS NOT 1"), "0");
    EXPECT_EQ(c.query("SELECT wf_check()"), "NULL");
    EXPECT_EQ(c.query("PRAGMA integrity_check"), "ok");
    EXPECT_EQ(c.query("SELECT name, output FROM wf_steps WHERE name = 'a'"), "a|[1]");
  }
  // The statement fails with this text.
  static void expect_error(Connection& c, const std::string& sql, const std::string& bound, const std::string& text) {
    EXPECT_NE(c.run(sql.c_str(), bound), SQLITE_OK) << sql;
    EXPECT_NE(c.message().find(text), std::string::npos) << sql << ": " << c.message();
  }

  std::string path, older, newer;
};

// Nodes of a cluster get the new extension one after the other: until all have it, none may change the file.
TEST_F(Migration, InExplicitModeOnlyInitBringsTheFileForward) {
  const std::string token = old_file();
  Older(path).query("SELECT wf_config('clock', 'explicit')");
  Connection c(path);
  for (const char* write : {"SELECT wf_start('job', 3, '{\"id\":\"y\",\"now\":0}')", "SELECT wf_claim('none', NULL, '{\"now\":0}')", "SELECT wf_step(?1, 'b', 1, '{\"now\":0}')",
                            "SELECT wf_config('lease', 5)", "SELECT wf_tick('{\"now\":0}')", "SELECT wf_config('clock', 'system')"}) {
    expect_error(c, write, token, "wf_init()");
    EXPECT_EQ(c.message().rfind("WF_SCHEMA: ", 0), 0U) << c.message();
    EXPECT_EQ(c.query(kVersion), older);
  }
  EXPECT_EQ(c.query("SELECT wf_init()"), newer);
  expect_brought_forward(c);
  EXPECT_EQ(c.run("SELECT wf_step(?1, 'b', 1, '{\"now\":0}')", token), SQLITE_OK) << c.message();
}

TEST_F(Migration, AnyFirstWriteBringsTheFileForward) {
  for (const char* write :
       {"SELECT wf_init()", "SELECT wf_start('job', 3, '{\"id\":\"y\"}')", "SELECT wf_start('job', 1, '{\"id\":\"w\"}')",
        "SELECT wf_claim('none')", "SELECT wf_step(?1, 'b', 1)", "SELECT wf_step('x', 'b', 1)", "SELECT wf_heartbeat(?1, 60)",
        "SELECT wf_complete(?1)", "SELECT wf_config('lease', 5)", "SELECT wf_tick()", "SELECT wf_recover()",
        "SELECT wf_queue('q', '{\"concurrency\":1}')"}) {
    SCOPED_TRACE(write);
    const std::string token = old_file();
    Connection c(path);
    EXPECT_EQ(c.query("SELECT value, advice FROM wf_doctor WHERE name = 'schema version'"),
              older + "|the next write upgrades it, or SELECT wf_init()");
    EXPECT_EQ(c.query("SELECT wf_status('w'), wf_pending()"), "running|2");
    EXPECT_EQ(c.query(kVersion), older) << "reading has changed the file";
    EXPECT_EQ(c.run(write, token), SQLITE_OK) << c.message();
    expect_brought_forward(c);
  }
}

TEST_F(Migration, ANewFileIsTheSameAsOneThatWasBroughtForward) {
  old_file();
  Connection c(path), fresh(":memory:");
  c.query("SELECT wf_init()");
  fresh.query("SELECT wf_init()");
  EXPECT_EQ(fresh.query(kVersion), newer);
  EXPECT_EQ(fresh.query(kObjects), c.query(kObjects));
  EXPECT_EQ(fresh.query("SELECT group_concat(sql) FROM (SELECT sql FROM sqlite_master WHERE name <> 'app' ORDER BY name)"),
            c.query("SELECT group_concat(sql) FROM (SELECT sql FROM sqlite_master WHERE name <> 'app' ORDER BY name)"));
  expect_brought_forward(c);
}

TEST_F(Migration, ATokenOfTheOlderFormatGoesOn) {
  const std::string token = old_file();
  Connection c(path);
  c.query("SELECT wf_init()");
  std::string got;
  EXPECT_EQ(c.run("SELECT wf_step(?1, 'a'), wf_complete(?1, 7)", token, &got), SQLITE_OK) << c.message();
  EXPECT_EQ(got, "[1]|completed|\n");
}

TEST_F(Migration, IsUndoneWithTheTransactionAroundIt) {
  old_file();
  Connection c(path);
  const std::string before = fault::stored(c), objects = c.query(kObjects);
  c.query("BEGIN");
  c.query("SELECT wf_start('job')");
  expect_brought_forward(c);
  c.query("ROLLBACK");
  EXPECT_EQ(fault::stored(c), before);
  EXPECT_EQ(c.query(kObjects), objects);
  c.query("BEGIN");
  c.query("SELECT wf_start('job', 3, '{\"id\":\"y\"}')");
  c.query("COMMIT");
  expect_brought_forward(c);
}

TEST_F(Migration, IsUndoneWithACallThatFails) {
  old_file();
  Connection c(path);
  expect_error(c, "SELECT wf_start('other', 1, '{\"id\":\"w\"}')", "", "WF_CONFLICT");
  EXPECT_EQ(c.query(kVersion), older);
  EXPECT_NE(sqlite3_get_autocommit(c.handle()), 0);
}

TEST_F(Migration, IsRefusedInsideAStatementThatWrites) {
  const std::string token = old_file();
  for (const char* call : {"wf_start('job')", "wf_step(?1, 'b', 1)", "wf_complete(?1)"}) {
    Connection c(path);
    const std::string before = fault::stored(c);
    expect_error(c, std::string("INSERT INTO app VALUES(") + call + ")", token, "cannot upgrade the tables inside a statement that writes");
    EXPECT_EQ(c.message().rfind("WF_CONTEXT: ", 0), 0u) << c.message();
    EXPECT_EQ(fault::stored(c), before);
    EXPECT_EQ(c.query("SELECT count(*) FROM app"), "0");
  }
  Connection c(path);
  c.query("SELECT wf_init()");
  c.query("INSERT INTO app VALUES(wf_start('job', 3, '{\"id\":\"y\"}'))");
  expect_brought_forward(c);
}

TEST_F(Migration, AConnectionWithTheOlderExtensionNotices) {
  const std::string token = old_file();
  Older c(path);
  std::string got;
  EXPECT_EQ(c.run("SELECT wf_step(?1, 'a'), wf_heartbeat(?1) > '', wf_status('w'), wf_claim('none')", token, &got), SQLITE_OK)
      << c.message();
  EXPECT_EQ(got, "[1]|1|running|NULL|\n");
  Connection(path).query("SELECT wf_init()");
  const std::string said = "WF_SCHEMA: the file has schema version " + newer + ", this extension knows up to " + older;
  Connection now(path);
  const std::string before = fault::stored(now);
  for (const char* sql : {"SELECT wf_step(?1, 'b', 1)", "SELECT wf_start('job')", "SELECT wf_claim()", "SELECT wf_complete(?1)",
                          "SELECT wf_init()", "SELECT wf_status('w')", "SELECT wf_pending()", "INSERT INTO app VALUES(wf_step(?1, 'b', 1))",
                          "INSERT INTO app VALUES(wf_start('job'))"})
    expect_error(c, sql, token, said);
  EXPECT_EQ(fault::stored(now), before);
  EXPECT_NE(sqlite3_get_autocommit(c.handle()), 0);
}

// A child process that waits for a byte from `gate` and then runs the statements; it exits with 0 if none failed, or only by WF_SCHEMA.
pid_t start_process(const std::string& path, bool with_older, int gate, const std::vector<const char*>& statements) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  int failed = 0;
  {
    Connection c(path, nullptr, !with_older);
    if (with_older) c.load();
    sqlite3_busy_timeout(c.handle(), 20000);
    char byte;
    if (read(gate, &byte, 1) != 1) failed = 1;
    for (const char* sql : statements) {
      if (c.run(sql) == SQLITE_OK || (with_older && c.message().rfind("WF_SCHEMA: ", 0) == 0)) continue;
      fprintf(stderr, "%s: %s\n", sql, c.message().c_str());
      failed = 1;
    }
  }
  _exit(failed | ::testing::Test::HasFailure());
}

TEST_F(Migration, ProcessesThatMeetBringItForwardOnce) {
  for (const char* journal : {"delete", "wal"}) {
    for (int round = 0; round < (kOld ? 1 : 6); ++round) {
      SCOPED_TRACE(std::string(journal) + ", round " + std::to_string(round));
      old_file();
      Connection(path).query((std::string("PRAGMA journal_mode = ") + journal).c_str());
      int gate[2];
      ASSERT_EQ(pipe(gate), 0);
      std::vector<pid_t> processes;
      for (int i = 0; i < 6; ++i) {
        const pid_t pid =
            start_process(path, i >= 4, gate[0], {"SELECT wf_claim('none')", "SELECT wf_tick()", "SELECT wf_config('lease', 30)"});
        ASSERT_GT(pid, 0);
        processes.push_back(pid);
      }
      usleep(20000);
      EXPECT_EQ(write(gate[1], "123456", 6), 6);
      for (const pid_t pid : processes) {
        int status = 0;
        waitpid(pid, &status, 0);
        EXPECT_EQ(status, 0);
      }
      for (const int end : gate) close(end);
      Connection c(path);
      expect_brought_forward(c);
      if (HasFailure()) return;
    }
  }
}

class OomMigration : public fault::Oom {};

TEST_F(OomMigration, NothingIsHalfDone) {
  if (kOld) GTEST_SKIP() << "a few allocations on the way of making tables leave a transaction open there";
  fault::Scenario scenario = {"migration", {"SELECT wf_start('job', 1, '{\"id\":\"w\"}')"}, "SELECT wf_init()"};
  scenario.older = true;
  const int once = fault::for_each_fault(scenario, oom, fault::Start::cold, false);
  EXPECT_GT(once, 5);
  fault::for_each_fault(scenario, oom, fault::Start::cold, true);
}

}  // namespace

// What ANALYZE has found in the engine's tables decides none of its plans: the first write takes it away (base/statistics.h).
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdio>
#include <functional>
#include <map>
#include <string>

#include "base/sql.h"
#include "fault.h"

namespace {

// The plan of every statement that compiles, which few do not: those with a placeholder of ours, or a table in TEMP.
std::map<int, std::string> plans(fault::Connection& c) {
  std::map<int, std::string> all;
  for (int i = 0; i < static_cast<int>(wf::Sql::count_); ++i) {
    const std::string explained = std::string("EXPLAIN QUERY PLAN ") + wf::SqlText(static_cast<wf::Sql>(i)).c_str();
    sqlite3_stmt* statement = nullptr;
    const char* rest = nullptr;
    if (sqlite3_prepare_v2(c.handle(), explained.c_str(), -1, &statement, &rest) == SQLITE_OK && *rest == 0) {
      std::string& plan = all[i];
      while (sqlite3_step(statement) == SQLITE_ROW) plan.append(reinterpret_cast<const char*>(sqlite3_column_text(statement, 3))).append("\n");
    }
    sqlite3_finalize(statement);
  }
  return all;
}

class Plans : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { forget(); }
  void TearDown() override { forget(); }
  void forget() const {
    for (const char* end : {"", "-wal", "-shm", "-journal"}) std::remove((path + end).c_str());
  }
  // Its own: the others may run beside it.
  const std::string path = "plans_test_" + std::to_string(std::hash<std::string>()(GetParam())) + ".db";
};

TEST_P(Plans, AreThoseWithoutStatistics) {
  std::map<int, std::string> expected;
  {
    fault::Connection c(path.c_str());
    c.query("SELECT wf_init()");
    for (auto script = static_cast<size_t>(wf::Sql::script_large); script <= static_cast<size_t>(wf::Sql::script_definition); ++script) {
      EXPECT_EQ(sqlite3_exec(c.handle(), wf::SqlText(static_cast<wf::Sql>(script)).c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
    }
    c.query("ANALYZE");
    c.query("DELETE FROM sqlite_stat1");
    EXPECT_EQ(c.close(), SQLITE_OK);
  }
  {
    fault::Connection c(path.c_str());
    expected = plans(c);
    ASSERT_GT(expected.size(), 400u);
    c.query((std::string("INSERT INTO sqlite_stat1 SELECT m.tbl_name, m.name, ") + GetParam() +
             " FROM sqlite_master AS m JOIN pragma_index_info(m.name) AS i WHERE m.type = 'index' AND m.tbl_name GLOB '_wf_*' GROUP BY m.name")
                .c_str());
    c.query("INSERT INTO sqlite_stat1 SELECT name, NULL, '1' FROM sqlite_master WHERE name GLOB '_wf_*' AND name NOT IN (SELECT tbl FROM sqlite_stat1)");
    EXPECT_EQ(c.close(), SQLITE_OK);
  }
  {
    fault::Connection c(path.c_str());
    EXPECT_NE(plans(c), expected);  // else they would prove nothing
    c.query("SELECT wf_start('job')");
    EXPECT_EQ(c.query("SELECT count(*) FROM sqlite_stat1"), "0");
    EXPECT_EQ(plans(c), expected);  // and this connection has forgotten what it had read
    EXPECT_EQ(c.close(), SQLITE_OK);
  }
  fault::Connection c(path.c_str());
  EXPECT_EQ(plans(c), expected);
}

INSTANTIATE_TEST_SUITE_P(Whatever, Plans, ::testing::Values("'1' || replace(hex(zeroblob(count(*))), '00', ' 1')",            // a file with a row in each table
                                                            "'90000000' || replace(hex(zeroblob(count(*))), '00', ' 1')",     // many, all different
                                                            "'90000000' || replace(hex(zeroblob(count(*))), '00', ' 90000000')",  // many, all the same
                                                            "(1 << (m.rowid % 20)) || replace(hex(zeroblob(count(*))), '00', ' 1')"));

}  // namespace

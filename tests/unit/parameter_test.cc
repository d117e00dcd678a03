// The numbers of parameters that are found out when the module is built are those that SQLite gives them.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <string>

#include "base/sql.h"
#include "fault.h"

TEST(Parameters, StandWhereSqliteNumbersThem) {
  fault::Connection c(":memory:");
  ASSERT_NE(c.query("SELECT wf_init()"), "NULL");
  c.query("SELECT wf_start('job')");
  int compared = 0;
  for (int i = 0; i < static_cast<int>(wf::Sql::count_); ++i) {
    const auto sql = static_cast<wf::Sql>(i);
    const wf::SqlText text(sql);
    sqlite3_stmt* statement = nullptr;
    const char* rest = nullptr;
    // Statements of TEMP, or of a newer SQLite, are none of this one's; scripts have no parameters.
    if (sqlite3_prepare_v2(c.handle(), text.c_str(), -1, &statement, &rest) != SQLITE_OK || *rest != 0) {
      sqlite3_finalize(statement);
      continue;
    }
    ASSERT_EQ(sqlite3_bind_parameter_count(statement), wf::parameter_count(sql)) << text.c_str();
    for (size_t number = 0; number < std::size(wf::kParameters); ++number) {
      const std::string name(wf::kParameters[number]);
      EXPECT_EQ(sqlite3_bind_parameter_index(statement, name.c_str()), wf::parameter_of(sql, static_cast<unsigned char>(number))) << name << ": " << text.c_str();
    }
    sqlite3_finalize(statement);
    ++compared;
  }
  EXPECT_GT(compared, 100);
}

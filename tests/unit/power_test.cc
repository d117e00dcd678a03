// Power cuts: what was acknowledged is there afterwards, in the journal modes and with the settings for which the docs say so.
//
// A disk in memory (disk.h) logs what a run of calls does to it; then it is cut at one point of the log after the other.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdlib>

#include "disk.h"
#include "fault.h"

namespace {

struct Harm {
  int cuts = 0;
  int damaged = 0;   // SQLite finds the file malformed
  int torn = 0;      // a state that no call had left
  int lost = 0;      // an acknowledged call is gone
};

struct Run {
  power::Disk disk;
  std::vector<std::string> states;   // what is stored after each call; the first one: before all of them
  std::vector<size_t> acknowledged;  // how long the log was when the call had returned
};

void play(Run& run, const std::string& journal, const std::string& synchronous) {
  power::mount(&run.disk);
  {
    fault::Connection c("power.db", "disk");
    c.query("PRAGMA page_size = 1024");
    c.query(("PRAGMA journal_mode = " + journal).c_str());
  }
  run.disk.settle();
  fault::Connection c("power.db", "disk");
  c.query(("PRAGMA journal_mode = " + journal).c_str());
  c.query(("PRAGMA synchronous = " + synchronous).c_str());
  c.query("PRAGMA wal_autocheckpoint = 20");
  run.states.push_back(fault::stored(c));
  std::string token;
  const auto call = [&](const std::string& sql) {
    std::string value;
    ASSERT_EQ(c.run(sql.c_str(), token, &value), SQLITE_OK) << sql << ": " << c.message();
    run.acknowledged.push_back(run.disk.log.size());
    run.states.push_back(fault::stored(c));
    if (sql.find("wf_claim") != std::string::npos) token = value.substr(0, value.find('|'));
  };
  call("SELECT wf_init()");
  for (const char* id : {"a", "b", "c"}) {
    call(std::string("SELECT wf_start('job', '{\"in\":1}', '{\"id\":\"") + id + "\"}')");
    call("SELECT json_extract(wf_claim('default', 'worker'), '$.token')");
    call("SELECT wf_step(?1, 'charge', '{\"ref\":1}')");
    call("SELECT wf_step(?1, 'ship', '\"' || replace(hex(zeroblob(1500)), '0', 'x') || '\"')");
    call("SELECT wf_complete(?1, '\"done\"')");
  }
}

Harm cut_everywhere(const std::string& journal, const std::string& synchronous) {
  Run run;
  play(run, journal, synchronous);
  Harm harm;
  const bool deep = std::getenv("WFEXT_DEEP") != nullptr;
  std::mt19937 random(17);
  size_t calls = 0;   // acknowledged before the cut
  for (size_t at = 0; at <= run.disk.log.size(); at += deep ? 1 : 2) {
    while (calls < run.acknowledged.size() && run.acknowledged[calls] <= at) ++calls;
    for (const double luck : deep ? std::vector<double>{0, 0.1, 0.3, 0.5, 0.5, 0.5, 0.7, 0.9, 0.9, 1} : std::vector<double>{0, 0.6}) {
      const auto left = run.disk.cut(at, luck, random);
      power::mount(left.get());
      fault::Connection c("power.db", "disk");
      ++harm.cuts;
      std::string check;
      if (c.run("PRAGMA integrity_check", "", &check) != SQLITE_OK || check != "ok|\n") {
        ++harm.damaged;
        continue;
      }
      const std::string stored = fault::stored(c);
      size_t state = run.states.size();
      while (state > 0 && run.states[state - 1] != stored) --state;
      if (state == 0) {
        ++harm.torn;
        continue;
      }
      if (state - 1 < calls) ++harm.lost;
      EXPECT_LE(state, calls + 2) << "a call that had not begun";
      EXPECT_EQ(c.query("SELECT wf_check()"), "NULL");
    }
  }
  const std::string mode = journal + "_" + synchronous;
  ::testing::Test::RecordProperty("cuts_" + mode, harm.cuts);
  ::testing::Test::RecordProperty("lost_" + mode, harm.lost);
  return harm;
}

void expect_safe(const char* journal, const char* synchronous) {
  const Harm harm = cut_everywhere(journal, synchronous);
  EXPECT_GT(harm.cuts, 100);
  EXPECT_EQ(harm.damaged, 0);
  EXPECT_EQ(harm.torn, 0);
  EXPECT_EQ(harm.lost, 0) << "an acknowledged call is gone";
}

TEST(PowerCut, WalFullKeepsWhatWasAcknowledged) { expect_safe("wal", "full"); }
TEST(PowerCut, TruncateFullKeepsWhatWasAcknowledged) { expect_safe("truncate", "full"); }
TEST(PowerCut, PersistFullKeepsWhatWasAcknowledged) { expect_safe("persist", "full"); }
TEST(PowerCut, DeleteExtraKeepsWhatWasAcknowledged) { expect_safe("delete", "extra"); }
// The journal is unlinked, but the folder is not synced: it comes back, and takes the last call back.
TEST(PowerCut, DeleteFullLosesTheLastCall) {
  const Harm harm = cut_everywhere("delete", "full");
  EXPECT_EQ(harm.damaged + harm.torn, 0);
  EXPECT_GT(harm.lost, 0);
}
TEST(PowerCut, WalNormalLosesCallsButNoMore) {
  const Harm harm = cut_everywhere("wal", "normal");
  EXPECT_EQ(harm.damaged + harm.torn, 0);
  EXPECT_GT(harm.lost, 0);
}
TEST(PowerCut, NoJournalOnDiskIsNeverSafe) {
  for (const char* journal : {"memory", "off"}) {
    const Harm harm = cut_everywhere(journal, "extra");
    EXPECT_GT(harm.damaged + harm.torn + harm.lost, 0) << journal;
  }
}
TEST(PowerCut, SynchronousOffIsNeverSafe) {
  const Harm harm = cut_everywhere("wal", "off");
  EXPECT_GT(harm.damaged + harm.torn + harm.lost, 0);
}

}  // namespace

// What stops a call, and then what it does to undo itself: progress handlers that fire again, and authorizers.
//
// A transaction that a call has begun is ended with it, and what a later call says is stored is.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdlib>

#include "fault.h"

namespace {

bool is_deep() { return std::getenv("WFEXT_DEEP") != nullptr; }

// A progress handler that says stop at operation n, and again `gap` operations later: once, or for ever.
class Stops : public fault::Injector {
 public:
  Stops(int gap, bool for_ever) : gap_(gap), for_ever_(for_ever) {}
  void arm(sqlite3* db, int n, bool) override {
    at_ = n;
    count_ = 0;
    sqlite3_progress_handler(db, 1, &Stops::tick, this);
  }
  bool disarm(sqlite3* db) override {
    sqlite3_progress_handler(db, 0, nullptr, nullptr);
    again_ = again_ || count_ >= at_ + gap_;
    return count_ >= at_;
  }
  // Whether any call was still at work when it was stopped again.
  bool has_stopped_again() const { return again_; }
  bool is_fault(int code) const override { return code == SQLITE_INTERRUPT; }
  bool sparse() const override { return true; }

 private:
  static int tick(void* self) {
    auto* it = static_cast<Stops*>(self);
    const int since = ++it->count_ - it->at_;
    return since == 0 || since == it->gap_ || (it->for_ever_ && since > 0 && since % it->gap_ == 0);
  }
  const int gap_;
  const bool for_ever_;
  int at_ = 0, count_ = 0;
  bool again_ = false;
};

// An authorizer that denies the n-th action code, from the `from`-th question about it on.
class Denies : public fault::Injector {
 public:
  Denies(int from, int verdict) : from_(from), verdict_(verdict) {}
  void arm(sqlite3* db, int n, bool) override {
    code_ = n;
    asked_ = 0;
    sqlite3_set_authorizer(db, &Denies::asked, this);
  }
  bool disarm(sqlite3* db) override {
    sqlite3_set_authorizer(db, nullptr, nullptr);
    return asked_ >= from_;
  }
  bool is_fault(int code) const override { return (code & 0xff) == SQLITE_AUTH || (code & 0xff) == SQLITE_ERROR; }
  int faults() const override { return SQLITE_RECURSIVE; }

 private:
  static int asked(void* self, int code, const char*, const char*, const char*, const char*) {
    auto* it = static_cast<Denies*>(self);
    return code == it->code_ && ++it->asked_ >= it->from_ ? it->verdict_ : SQLITE_OK;
  }
  const int from_, verdict_;
  int code_ = 0, asked_ = 0;
};

// (Where tables are made without what SQLite itself writes to its own, SQLite finds them damaged.)
bool may_follow(int code) { return (code & 0xff) == SQLITE_AUTH || (code & 0xff) == SQLITE_ERROR || (code & 0xff) == SQLITE_CORRUPT; }

// An authorizer that says IGNORE to an action, but where the application's own statement is compiled.
class Ignores : public fault::Injector {
 public:
  void arm(sqlite3* db, int n, bool) override {
    code_ = n;
    asked_ = armed_ = false;
    sqlite3_set_authorizer(db, &Ignores::asked, this);
  }
  void compiled() override { armed_ = true; }
  bool disarm(sqlite3* db) override {
    sqlite3_set_authorizer(db, nullptr, nullptr);
    return asked_;
  }
  bool is_fault(int code) const override { return may_follow(code); }
  int faults() const override { return SQLITE_RECURSIVE; }

 private:
  static int asked(void* self, int code, const char*, const char*, const char*, const char*) {
    auto* it = static_cast<Ignores*>(self);
    if (!it->armed_ || code != it->code_) return SQLITE_OK;
    it->asked_ = true;
    return SQLITE_IGNORE;
  }
  int code_ = 0;
  bool asked_ = false, armed_ = false;
};

// An authorizer that says IGNORE to the n-th thing it is asked about, whenever it is asked about it: an action on a column, a function, a table.
class IgnoresOne : public fault::Injector {
 public:
  void arm(sqlite3* db, int n, bool) override {
    at_ = static_cast<size_t>(n);
    seen_.clear();
    armed_ = false;
    sqlite3_set_authorizer(db, &IgnoresOne::asked, this);
  }
  bool disarm(sqlite3* db) override {
    sqlite3_set_authorizer(db, nullptr, nullptr);
    return seen_.size() >= at_;
  }
  bool is_fault(int code) const override { return may_follow(code); }
  bool sparse() const override { return true; }
  void compiled() override { armed_ = true; }

 private:
  static int asked(void* self, int code, const char* one, const char* two, const char*, const char*) {
    auto* it = static_cast<IgnoresOne*>(self);
    if (!it->armed_) return SQLITE_OK;
    // SQLite itself crashes where it makes a table WITHOUT ROWID and is kept from making the index of its key.
    if (code == SQLITE_CREATE_INDEX && one != nullptr && std::string(one).rfind("sqlite_autoindex_", 0) == 0) return SQLITE_OK;
    const std::string thing = std::to_string(code) + "|" + (one != nullptr ? one : "") + "|" + (two != nullptr ? two : "");
    size_t i = 0;
    while (i < it->seen_.size() && it->seen_[i] != thing) ++i;
    if (i == it->seen_.size()) it->seen_.push_back(thing);
    return i + 1 == it->at_ ? SQLITE_IGNORE : SQLITE_OK;
  }
  std::vector<std::string> seen_;
  size_t at_ = 0;
  bool armed_ = false;
};

// Leaves out what statements about transactions do, and says that they have succeeded.
class LeavesOut : public Denies {
 public:
  LeavesOut() : Denies(1, SQLITE_IGNORE) {}
  void arm(sqlite3* db, int n, bool sticky) override { Denies::arm(db, n == 1 ? SQLITE_TRANSACTION : SQLITE_SAVEPOINT, sticky); }
  int faults() const override { return 2; }
};

constexpr bool kToken = true;
constexpr bool kMaySkip = true;

// The functions that fault::scenarios() leaves out.
std::vector<fault::Scenario> others() {
  static const std::vector<const char*> claimed = {"SELECT wf_start('job', 1, '{\"id\":\"w\"}')", "SELECT wf_claim(NULL, 'worker')"};
  static const std::vector<const char*> one = {"SELECT wf_start('job', 1, '{\"id\":\"w\"}')"};
  static const std::vector<const char*> waiting = {"SELECT wf_start('job', 1, '{\"id\":\"w\"}')", "SELECT wf_await('w', 'a', 'go')"};
  static const std::vector<const char*> doubted = {"SELECT wf_start('job', 1, '{\"id\":\"w\"}')", "SELECT wf_begin('w', 'a')",
                                                   "SELECT wf_begin('w', 'a', '{\"in_doubt\":\"hold\"}')"};
  static const std::vector<const char*> family = {"SELECT wf_start('job', 1, '{\"id\":\"w\"}')", "SELECT wf_spawn('w', 'a', 'child')",
                                                  "SELECT wf_spawn('w', 'b', 'child')"};
  static const std::vector<const char*> failed = {"SELECT wf_start('job', 1, '{\"id\":\"w\"}')", "SELECT wf_step('w', 'a', 1)", "SELECT wf_step('w', 'b', 2)",
                                                  "SELECT wf_fail('w', 'no', '{\"retry\":false}')"};
  static const std::vector<const char*> in_line = {"SELECT wf_rate('api', '{\"limit\":1,\"per\":60}')", "SELECT wf_start('job', 1, '{\"id\":\"w\"}')", "SELECT wf_acquire('w', 'a', 'api')",
                                                  "SELECT wf_start('job', 1, '{\"id\":\"a\"}')", "SELECT wf_acquire('a', 'a', 'api')",
                                                  "SELECT wf_start('job', 1, '{\"id\":\"b\"}')", "SELECT wf_acquire('b', 'a', 'api')"};
  return {
      {"sleep", claimed, "SELECT wf_sleep(?1, 'a', '1h')", kToken},
      {"await", claimed, "SELECT wf_await(?1, 'a', 'go', '1h')", kToken},
      {"signal", waiting, "SELECT wf_signal('w', 'go', 1, '{\"key\":\"k\"}')"},
      {"emit", one, "SELECT wf_emit('e', 1)"},
      {"await_event", claimed, "SELECT wf_await_event(?1, 'a', '[\"e\",\"f\"]')", kToken},
      {"spawn", claimed, "SELECT wf_spawn(?1, 'a', 'child', 1)", kToken},
      {"join", family, "SELECT wf_join('w', 'c')"},
      {"wait_any", claimed, "SELECT wf_wait_any(?1, 'a', '[{\"signal\":\"go\"},{\"event\":[\"e\",\"f\"]},{\"sleep\":60}]', '1h')", kToken},
      {"await_keep", claimed, "SELECT wf_await(?1, 'a', 'go', '1h', '{\"keep\":true}')", kToken},
      {"acquire", {claimed[0], claimed[1], "SELECT wf_rate('api', '{\"limit\":5,\"per\":60}')"}, "SELECT wf_acquire(?1, 'a', 'api')", kToken},
      // (Of a key that was used before: by the two statements of a share that is free, and where it is not, by what undoes the first.)
      {"acquire_free", {claimed[0], claimed[1], in_line[0], "SELECT wf_rate('api', '{\"limit\":5}')", "SELECT wf_start('job', 1, '{\"id\":\"x\"}')", "SELECT wf_acquire('x', 'a', 'api')"},
       "SELECT wf_acquire(?1, 'a', 'api')", kToken},
      {"acquire_none", {claimed[0], claimed[1], in_line[0], "SELECT wf_start('job', 1, '{\"id\":\"x\"}')", "SELECT wf_acquire('x', 'a', 'api')"},
       "SELECT wf_acquire(?1, 'a', 'api')", kToken},
      {"acquire_wait", in_line, "SELECT wf_acquire('w', 'b', 'api')"},
      {"rate", in_line, "SELECT wf_rate('api', '{\"limit\":3}')"},
      {"rate_gone", in_line, "SELECT wf_rate('api', '{\"limit\":null}') WHERE EXISTS (SELECT 1 FROM wf_rates)"},
      {"leave_line", in_line, "SELECT wf_cancel('a') WHERE wf_status('a') <> 'cancelled'"},
      {"begin", claimed, "SELECT wf_begin(?1, 'a')", kToken},
      {"resolve", doubted, "SELECT wf_resolve('w', 'a', 'done', 1) WHERE wf_status('w') = 'waiting'"},
      {"set", claimed, "SELECT wf_set(?1, 'k', 1)", kToken},
      {"append", claimed, "SELECT wf_append(?1, 's', 1, '{\"offset\":0}')", kToken},
      {"append_several", claimed, "SELECT wf_append(?1, 's', '[1,2,3]', '{\"each\":true,\"offset\":0}')", kToken},
      {"tag", claimed, "SELECT wf_tag(?1, 'a', '1')", kToken},
      {"close", claimed, "SELECT wf_append(?1, 's', NULL, '{\"close\":true}')", kToken},
      {"trim", {"SELECT wf_start('job', 1, '{\"id\":\"w\"}')", "SELECT wf_append('w', 's', '[1,2,3]', '{\"each\":true}')"}, "SELECT wf_trim('w', 's', 2)"},
      {"cancel", family, "SELECT wf_cancel('w', 'no') WHERE wf_status('w') <> 'cancelled'"},
      {"pause", one, "SELECT wf_pause('w') WHERE wf_status('w') = 'pending'"},
      {"resume", {"SELECT wf_start('job', 1, '{\"id\":\"w\"}')", "SELECT wf_pause('w')"}, "SELECT wf_resume('w') WHERE wf_status('w') = 'paused'"},
      {"reschedule", {"SELECT wf_start('job', 1, '{\"id\":\"w\",\"delay\":3600}')"}, "SELECT wf_reschedule('w')"},
      {"retry", failed, "SELECT wf_retry('w', '{\"from\":\"b\"}') WHERE wf_status('w') = 'failed'"},
      {"replace", one, "SELECT wf_start('job', json_quote(hex(zeroblob(2000))), '{\"id\":\"w\",\"if_exists\":\"replace\",\"version\":\"v\"}')"},
      {"restart", failed, "SELECT wf_start('job', 2, '{\"id\":\"w\",\"if_exists\":\"restart\"}')"},
      {"delete", failed, "SELECT wf_delete('w') WHERE wf_status('w') = 'failed'"},
      {"fork", failed, "SELECT wf_fork('w', '{\"id\":\"x\"}') WHERE wf_status('x') IS NULL"},
      {"purge", failed, "SELECT wf_purge('{\"older_than\":0,\"now\":\"2028-01-01\"}') WHERE wf_status('w') = 'failed'"},
      {"queue", one, "SELECT wf_queue('default', '{\"concurrency\":3,\"rate\":{\"limit\":2,\"per\":1}}')"},
      {"schedule", one, "SELECT wf_schedule('s', '@hourly', 'job')"},
      {"trigger", {"SELECT wf_schedule('s', '@hourly', 'job')"}, "SELECT wf_trigger('s', '2026-01-01')"},
      {"unschedule", {"SELECT wf_schedule('s', '@hourly', 'job')"}, "SELECT wf_unschedule('s') WHERE EXISTS (SELECT 1 FROM wf_schedules)"},
      {"run", {"SELECT wf_define('flow', '{\"steps\":[{\"name\":\"a\",\"sql\":\"INSERT INTO app(v) VALUES(1)\"}]}')", "SELECT wf_start('flow', NULL, '{\"id\":\"w\"}')"},
       "SELECT wf_run() WHERE wf_status('w') = 'pending'", false, false, kMaySkip},
      {"run_share", {in_line[0], "SELECT wf_define('flow', '{\"steps\":[{\"name\":\"a\",\"acquire\":\"api\"}]}')", "SELECT wf_start('flow', NULL, '{\"id\":\"w\"}')"}, "SELECT wf_run() WHERE wf_status('w') = 'pending'", false, false, kMaySkip},
      {"run_line", {in_line[0], "SELECT wf_start('job', 1, '{\"id\":\"x\"}')", "SELECT wf_acquire('x', 'a', 'api')", "SELECT wf_define('flow', '{\"steps\":[{\"name\":\"a\",\"acquire\":\"api\"}]}')", "SELECT wf_start('flow', NULL, '{\"id\":\"w\"}')"}, "SELECT wf_run() WHERE wf_status('w') = 'pending'", false, false, kMaySkip},
  };
}

std::vector<fault::Scenario> all() {
  std::vector<fault::Scenario> scenarios = fault::scenarios();
  for (const fault::Scenario& scenario : others()) scenarios.push_back(scenario);
  return scenarios;
}

// Whether the savepoint of a call is there cannot be told inside a transaction.
std::vector<fault::Scenario> outside_transactions() {
  std::vector<fault::Scenario> scenarios;
  for (const fault::Scenario& scenario : all()) {
    if (!scenario.in_transaction) scenarios.push_back(scenario);
  }
  return scenarios;
}

// What a table shows under an authorizer is SQLite's own to say, and so is what wf_digest finds in the columns that it may read.
std::vector<fault::Scenario> functions() {
  std::vector<fault::Scenario> scenarios;
  for (const fault::Scenario& scenario : all()) {
    if (std::string(scenario.body).find("FROM wf_") == std::string::npos && std::string(scenario.name) != "digest") scenarios.push_back(scenario);
  }
  return scenarios;
}

std::string name_of(const ::testing::TestParamInfo<fault::Scenario>& info) { return info.param.name; }

class WayBack : public ::testing::TestWithParam<fault::Scenario> {};
class WayBackOutsideTransactions : public WayBack {};
class WayBackOfFunctions : public WayBack {};

// In the deep run as far apart as there is a call left to stop: the way back of each.
TEST_P(WayBack, HandlerStopsTwice) {
  const int gaps[] = {1, 2, 3, 5, 9, 20};
  const int some = gaps[std::string(GetParam().name).size() % 6];
  for (int gap = is_deep() ? 1 : some;; ++gap) {
    Stops stops(gap, false);
    EXPECT_GT(fault::for_each_fault(GetParam(), stops, fault::Start::warm, false), 0);
    if (HasFailure() || !is_deep() || !stops.has_stopped_again()) return;
  }
}

TEST_P(WayBack, HandlerStopsAgainAndAgain) {
  const int some = 2 + static_cast<int>(std::string(GetParam().name).size()) % 4;
  for (int period = 2; period < 40; ++period) {
    if (!is_deep() && period != some) continue;
    Stops stops(period, true);
    EXPECT_GT(fault::for_each_fault(GetParam(), stops, fault::Start::warm, false), 0);
    if (HasFailure()) return;
  }
}

TEST_P(WayBack, AuthorizerDenies) {
  const int some = 1 + static_cast<int>(std::string(GetParam().name).size()) % 3;
  for (int from = 1; from <= 8; ++from) {
    if (!is_deep() && from != some) continue;
    Denies denies(from, SQLITE_DENY);
    EXPECT_GT(fault::for_each_fault(GetParam(), denies, from % 2 != 0 ? fault::Start::warm : fault::Start::cold, false), 0);
    if (HasFailure()) return;
  }
}

// What is left out is an error, and undoes the call. (By a connection that is at work, or one that begins.)
TEST_P(WayBackOfFunctions, AuthorizerIgnores) {
  Ignores ignores;
  for (const fault::Start start : {fault::Start::warm, fault::Start::cold}) {
    EXPECT_GT(fault::for_each_fault(GetParam(), ignores, start, false), 0);
    if (HasFailure()) return;
  }
}

TEST_P(WayBackOfFunctions, AuthorizerIgnoresOneThing) {
  const bool odd = std::string(GetParam().name).size() % 2 != 0;
  IgnoresOne ignores;
  EXPECT_GT(fault::for_each_fault(GetParam(), ignores, odd ? fault::Start::warm : fault::Start::cold, false), 0);
}

TEST_P(WayBackOutsideTransactions, AuthorizerLeavesOutWhatTransactionsDo) {
  LeavesOut leaves_out;
  EXPECT_GT(fault::for_each_fault(GetParam(), leaves_out, fault::Start::warm, false), 0);
}

INSTANTIATE_TEST_SUITE_P(Every, WayBack, ::testing::ValuesIn(all()), name_of);
INSTANTIATE_TEST_SUITE_P(Every, WayBackOfFunctions, ::testing::ValuesIn(functions()), name_of);
INSTANTIATE_TEST_SUITE_P(Every, WayBackOutsideTransactions, ::testing::ValuesIn(outside_transactions()), name_of);

int deny_transactions(void*, int code, const char*, const char*, const char*, const char*) {
  return code == SQLITE_TRANSACTION ? SQLITE_DENY : SQLITE_OK;
}

// No way back at all: the authorizer forbids ROLLBACK, and a trigger takes the sting out of the statement that fails on purpose.
class Stuck : public ::testing::Test {
 protected:
  void SetUp() override {
    c.query("SELECT wf_start('job', 1, '{\"id\":\"w\"}')");
    for (int i = 0; i < 2; ++i) c.query("SELECT wf_set('w', 'k', 1)");  // the first makes a table, after which the way back is compiled anew
    c.query("CREATE TABLE app(v)");
    c.query("CREATE TRIGGER in_the_way BEFORE INSERT ON _wf_meta WHEN NEW.key IS NULL BEGIN SELECT RAISE(IGNORE); END");
    sqlite3_set_authorizer(c.handle(), deny_transactions, nullptr);
    fails("SELECT wf_complete('w')");
    EXPECT_NE(c.message().find("wf_complete() failed (not authorized)"), std::string::npos) << c.message();
  }
  void fails(const char* sql) {
    EXPECT_EQ(c.run(sql), SQLITE_ERROR) << sql;
    EXPECT_EQ(c.message().rfind("WF_STUCK: ", 0), 0U) << c.message();
  }
  void allow() { sqlite3_set_authorizer(c.handle(), nullptr, nullptr); }

  fault::Connection c{":memory:"};
};

TEST_F(Stuck, LaterCallsDoNotPretend) {
  fails("SELECT wf_start('job', 2)");
  fails("SELECT wf_status('w')");
  fails("SELECT * FROM wf_workflows");
  allow();
  EXPECT_EQ(c.query("SELECT wf_status('w')"), "pending");
  EXPECT_NE(sqlite3_get_autocommit(c.handle()), 0);
}

TEST_F(Stuck, WhatWasWrittenInItIsNotLostInSilence) {
  c.query("INSERT INTO app VALUES(1)");
  allow();
  fails("SELECT wf_start('job', 2)");
  EXPECT_EQ(c.query("SELECT count(*) FROM app"), "0");
  EXPECT_EQ(c.query("SELECT wf_status('w')"), "pending");
}

TEST_F(Stuck, ATransactionOfTheApplicationIsNotTakenForIt) {
  allow();
  c.query("ROLLBACK");
  c.query("BEGIN");
  c.query("INSERT INTO app VALUES(1)");
  EXPECT_EQ(c.query("SELECT wf_complete('w')"), "completed");
  c.query("COMMIT");
  EXPECT_EQ(c.query("SELECT count(*) FROM app"), "1");
  EXPECT_EQ(c.query("SELECT wf_status('w')"), "completed");
}

}  // namespace

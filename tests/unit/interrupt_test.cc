// sqlite3_interrupt() at every point of every call.
//
// An interrupt stays set until no statement runs, so it hits the statements inside a call, the ones that tidy up
// included: no transaction may be left open, and nothing half done.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "fault.h"

namespace {

bool interrupted(int code) { return code == SQLITE_INTERRUPT; }

// sqlite3_interrupt() from a progress handler.
class FromProgress : public fault::Injector {
 public:
  void arm(sqlite3* db, int n, bool) override {
    db_ = db;
    left_ = n;
    fired_ = false;
    sqlite3_progress_handler(db, 1, &FromProgress::tick, this);
  }
  bool disarm(sqlite3* db) override {
    sqlite3_progress_handler(db, 0, nullptr, nullptr);
    return fired_;
  }
  bool is_fault(int code) const override { return interrupted(code); }

 private:
  static int tick(void* self) {
    auto* it = static_cast<FromProgress*>(self);
    if (it->left_ > 0 && --it->left_ == 0) {
      it->fired_ = true;
      sqlite3_interrupt(it->db_);
    }
    return 0;
  }
  sqlite3* db_ = nullptr;
  int left_ = 0;
  bool fired_ = false;
};

// A progress handler that says stop: once, or for good. Only the statement it stops is interrupted.
class ProgressStops : public fault::Injector {
 public:
  void arm(sqlite3* db, int n, bool sticky) override {
    left_ = n;
    sticky_ = sticky;
    fired_ = false;
    sqlite3_progress_handler(db, 1, &ProgressStops::tick, this);
  }
  bool disarm(sqlite3* db) override {
    sqlite3_progress_handler(db, 0, nullptr, nullptr);
    return fired_;
  }
  bool is_fault(int code) const override { return interrupted(code); }

 private:
  static int tick(void* self) {
    auto* it = static_cast<ProgressStops*>(self);
    if (it->left_ > 0 && --it->left_ == 0) return it->fired_ = true;
    return it->fired_ && it->sticky_;
  }
  int left_ = 0;
  bool sticky_ = false, fired_ = false;
};

// sqlite3_interrupt() when the n-th statement inside the call begins, or ends.
template <unsigned kEvent>
class AtStatement : public fault::Injector {
 public:
  void arm(sqlite3* db, int n, bool) override {
    db_ = db;
    left_ = n;
    fired_ = false;
    sqlite3_trace_v2(db, kEvent, &AtStatement::traced, this);
  }
  bool disarm(sqlite3* db) override {
    sqlite3_trace_v2(db, 0, nullptr, nullptr);
    return fired_;
  }
  bool is_fault(int code) const override { return interrupted(code); }

 private:
  static int traced(unsigned, void* self, void*, void*) {
    auto* it = static_cast<AtStatement*>(self);
    if (it->left_ > 0 && --it->left_ == 0) {
      it->fired_ = true;
      sqlite3_interrupt(it->db_);
    }
    return 0;
  }
  sqlite3* db_ = nullptr;
  int left_ = 0;
  bool fired_ = false;
};

class InterruptIn : public ::testing::TestWithParam<fault::Scenario> {
 protected:
  template <class Kind>
  int everywhere(bool sticky = false) {
    Kind kind;
    return fault::for_each_fault(GetParam(), kind, fault::Start::cold, sticky) +
           fault::for_each_fault(GetParam(), kind, fault::Start::warm, sticky);
  }
};

TEST_P(InterruptIn, FromProgressHandler) { EXPECT_GT(everywhere<FromProgress>(), 0); }
TEST_P(InterruptIn, ProgressHandlerStopsOnce) { EXPECT_GT(everywhere<ProgressStops>(false), 0); }
TEST_P(InterruptIn, ProgressHandlerStopsForGood) { EXPECT_GT(everywhere<ProgressStops>(true), 0); }
TEST_P(InterruptIn, WhenAStatementBegins) { EXPECT_GT(everywhere<AtStatement<SQLITE_TRACE_STMT>>(), 0); }
TEST_P(InterruptIn, WhenAStatementEnds) { EXPECT_GT(everywhere<AtStatement<SQLITE_TRACE_PROFILE>>(), 0); }

INSTANTIATE_TEST_SUITE_P(Every, InterruptIn, ::testing::ValuesIn(fault::scenarios()),
                         [](const auto& info) { return std::string(info.param.name); });

// From another thread, at random moments: what users do with Ctrl-C.
TEST(Interrupt, FromAnotherThread) {
  fault::Connection c(":memory:");
  c.query("SELECT wf_init()");
  c.query("CREATE TABLE app(v)");
  std::atomic<bool> stop{false};
  std::thread other([&] {
    for (unsigned i = 1; !stop; ++i) {
      std::this_thread::sleep_for(std::chrono::microseconds(i * 37 % 200));
      sqlite3_interrupt(c.handle());
    }
  });
  int done = 0, broken = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::string id = "w" + std::to_string(i);
    const std::string options = "{\"id\":\"" + id + "\"}";
    const int code = c.run("SELECT wf_start('job', 1, ?1)", options);
    if (code == SQLITE_OK) {
      ++done;
    } else {
      ++broken;
      EXPECT_EQ(code, SQLITE_INTERRUPT) << c.message();
    }
    if (sqlite3_get_autocommit(c.handle()) == 0) {
      ADD_FAILURE() << "a transaction was left open by call " << i;
      break;
    }
    c.run("SELECT wf_step(?1, 'a', 1)", id);
    c.run("SELECT wf_complete(?1)", id);
    if (HasFailure()) break;
  }
  stop = true;
  other.join();
  c.run("SELECT 1");
  EXPECT_GE(std::stoi(c.query("SELECT count(*) FROM wf_workflows")), done);
  EXPECT_EQ(c.query("SELECT count(*) FROM _wf_step WHERE wf NOT IN (SELECT seq FROM _wf_workflow)"), "0");
  EXPECT_EQ(c.query("PRAGMA integrity_check"), "ok");
  RecordProperty("interrupted", broken);
}

}  // namespace

// wf_step against one raw INSERT of the same row: in autocommit, where the commit dominates, and inside a
// transaction, where nothing hides the work of the function.
#include <string>
#include <utility>
#include <vector>

#include "bench.h"
#include "raw.h"

namespace bench {

namespace {

constexpr int kWorkflows = 8;
// How many steps a workflow has: the first ones are not in the index of names (docs/file-format.md), so those of a long one are measured, too.
constexpr int kUsual = 24, kEndless = 1 << 30;

// Steps of some workflows in turn, as a pool of workers would record them. Who has had its steps is completed, and the next one begins.
class Steps {
 public:
  Steps(Db& db, const std::string& module, int length)
      : length_(length), start_(prepare(db, module)), claim_(db.prepare("SELECT wf_claim(NULL, 'bench', '{\"lease\":\"1h\"}')")),
        step_(db.prepare("SELECT wf_step(?, ?, ?)")), complete_(db.prepare("SELECT wf_complete(?)")), at_(kWorkflows) {
    for (int i = 0; i < kUntilAlone; i++) {
      make_ready();
      one(-1 - i);
    }
  }

  // Not to be timed: the workflow of the next step is claimed.
  void make_ready() {
    At& at = at_[next_ % kWorkflows];
    if (!at.token.empty() && at.steps < length_) return;
    if (!at.token.empty()) run(complete_.bind(1, at.token));
    run(start_);
    at = {token_of(run(claim_)), 0};
  }

  void one(int i) {
    At& at = at_[next_++ % kWorkflows];
    ++at.steps;
    std::string name = step_name(i);
    step_.reset();
    step_.bind(1, at.token).bind(2, name).bind(3, kOutput);
    if (!step_.step() || step_.text(0) != kOutput) die("wf_step did not record");
    step_.step();
  }

  static std::string step_name(int i) { return "step-" + std::to_string(1'000'000 + i); }

 private:
  static constexpr const char* kOutput = R"({"ref":"r9"})";

  struct At {
    std::string token;
    int steps = 0;
  };

  static Stmt prepare(Db& db, const std::string& module) {
    db.load(module);
    return db.prepare("SELECT wf_start('bench', '{\"order\":17}')");
  }
  static std::string run(Stmt& stmt) {
    if (!stmt.step()) die("no row");
    std::string result = stmt.text(0);
    stmt.step();
    stmt.reset();
    return result;
  }

  int length_;
  Stmt start_, claim_, step_, complete_;
  std::vector<At> at_;
  size_t next_ = 0;
};

class Raws {
 public:
  explicit Raws(Db& db) : table_(db) {}

  // Ids ascend, as those of a careful author do, and are as long as a UUID.
  void one(int i) {
    std::string name = Steps::step_name(i), id = "01936b9c-3a00-7000-8000-0" + std::to_string(10'000'000'000 + i);
    table_.row(id, name).step();
  }

 private:
  RawTable table_;
};

void in_autocommit(Run& run, const char* what, int length, const char* synchronous, int rounds, double bar, double goal) {
  std::string file = std::string("step-") + std::to_string(length) + synchronous;
  Db db(run.scratch->path(file), synchronous);
  Steps steps(db, run.module, length);
  Raws raws(db);
  Pair pair;
  pair.interleave(
      rounds,
      [&](int i) {
        steps.make_ready();
        return timed([&] { steps.one(i); });
      },
      [&](int i) { return timed([&] { raws.one(i); }); });
  run.report->add(pair.result(std::string(what) + ", autocommit, synchronous=" + synchronous, bar, goal));
}

void in_transaction(Run& run) {
  constexpr int kBatch = 50;
  Db db(run.scratch->path("step-transaction"));
  Steps steps(db, run.module, kEndless);
  Raws raws(db);
  Pair pair;
  int next = 0;
  for (int t = 0; t < run.rounds(40); t++) {
    db.exec("BEGIN IMMEDIATE");
    pair.interleave(
        10,
        [&](int i) {
          return timed([&] { for (int k = 0; k < kBatch; k++) steps.one(next + i * kBatch + k); });
        },
        [&](int i) {
          return timed([&] { for (int k = 0; k < kBatch; k++) raws.one(next + i * kBatch + k); });
        });
    next += 10 * kBatch;
    db.exec("COMMIT");
  }
  run.report->add(pair.result("wf_step inside a transaction", 3, 2, kBatch));
}

}  // namespace

void measure_step(Run& run) {
  for (const auto& [what, length] : {std::pair("wf_step", kUsual), std::pair("wf_step behind a thousand others", kEndless)}) {
    in_autocommit(run, what, length, "NORMAL", run.rounds(6'000), 1.3, 1.15);
    in_autocommit(run, what, length, "FULL", run.rounds(2'000), 1.1, 1.02);
  }
  in_transaction(run);
}

}  // namespace bench

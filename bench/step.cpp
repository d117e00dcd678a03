// wf_step against one raw INSERT of the same row: in autocommit, where the commit dominates, and inside a
// transaction, where nothing hides the work of the function.
#include <string>
#include <vector>

#include "bench.h"
#include "raw.h"

namespace bench {

namespace {

constexpr int kWorkflows = 8;

// Steps of some workflows in turn, as a pool of workers would record them.
class Steps {
 public:
  Steps(Db& db, const std::string& module) : step_(prepare(db, module)) {
    Stmt claim = db.prepare("SELECT value FROM json_each(wf_claim(NULL, 'bench', ?))");
    claim.bind(1, R"({"limit":8,"lease":"1h"})");
    while (claim.step()) tokens_.push_back(token_of(claim.text(0)));
    if (tokens_.size() != kWorkflows) die("not every workflow was claimed");
    for (int i = 0; i < kUntilAlone; i++) one(-1 - i);
  }

  void one(int i) {
    const std::string& token = tokens_[size_t(i < 0 ? -i : i) % kWorkflows];
    std::string name = step_name(i);
    step_.reset();
    step_.bind(1, token).bind(2, name).bind(3, kOutput);
    if (!step_.step() || step_.text(0) != kOutput) die("wf_step did not record");
    step_.step();
  }

  static std::string step_name(int i) { return "step-" + std::to_string(1'000'000 + i); }

 private:
  static constexpr const char* kOutput = R"({"ref":"r9"})";

  static Stmt prepare(Db& db, const std::string& module) {
    db.load(module);
    db.exec("BEGIN");
    for (int i = 0; i < kWorkflows; i++) db.exec("SELECT wf_start('bench', '{\"order\":17}')");
    db.exec("COMMIT");
    return db.prepare("SELECT wf_step(?, ?, ?)");
  }

  std::vector<std::string> tokens_;
  Stmt step_;
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

void in_autocommit(Run& run, const char* synchronous, int rounds, double bar, double goal) {
  std::string file = std::string("step-") + synchronous;
  Db db(run.scratch->path(file), synchronous);
  Steps steps(db, run.module);
  Raws raws(db);
  Pair pair;
  pair.interleave(
      rounds, [&](int i) { return timed([&] { steps.one(i); }); }, [&](int i) { return timed([&] { raws.one(i); }); });
  run.report->add(pair.result(std::string("wf_step, autocommit, synchronous=") + synchronous, bar, goal));
}

void in_transaction(Run& run) {
  constexpr int kBatch = 50;
  Db db(run.scratch->path("step-transaction"));
  Steps steps(db, run.module);
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
  in_autocommit(run, "NORMAL", run.rounds(6'000), 1.3, 1.15);
  in_autocommit(run, "FULL", run.rounds(2'000), 1.1, 1.02);
  in_transaction(run);
}

}  // namespace bench

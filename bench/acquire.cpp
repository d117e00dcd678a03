// wf_acquire against wf_step, both in autocommit: what a share of a rate costs where one is free, which is the common case. It writes a row more.
#include <string>
#include <vector>

#include "bench.h"
#include "job.h"

namespace bench {

namespace {

constexpr int kWorkflows = 8;

// Steps of some workflows in turn, all in one file.
class Calls {
 public:
  Calls(Db& db, const std::string& module) : step_(prepare(db, module)), acquire_(db.prepare("SELECT wf_acquire(?, ?, 'api')")) {
    Stmt claim = db.prepare("SELECT value FROM json_each(wf_claim(NULL, 'bench', ?))");
    claim.bind(1, R"({"limit":8,"lease":"1h"})");
    while (claim.step()) tokens_.push_back(token_of(claim.text(0)));
    if (tokens_.size() != kWorkflows) die("not every workflow was claimed");
    for (int i = 0; i < kWorkflows; i++) {
      step(-1 - i);
      acquire(-1 - i);
    }
  }

  // As long as what wf_acquire records.
  void step(int i) { run(step_, i, "step-"); }
  void acquire(int i) { run(acquire_, i, "share-"); }

 private:
  static Stmt prepare(Db& db, const std::string& module) {
    db.load(module);
    db.exec("SELECT wf_rate('api', '{\"limit\":1000000000,\"per\":\"1s\"}')");
    for (int i = 0; i < kWorkflows; i++) db.exec("SELECT wf_start('bench', '{\"order\":17}')");
    return db.prepare(R"(SELECT wf_step(?, ?, '{"rate":"api","amount":1,"acquired_at":"2026-11-23T10:00:00.000Z"}'))");
  }

  void run(Stmt& call, int i, const char* prefix) {
    const std::string& token = tokens_[size_t(i < 0 ? -i : i) % kWorkflows];
    const std::string name = prefix + std::to_string(1'000'000 + i);
    call.reset();
    call.bind(1, token).bind(2, name);
    if (!call.step() || call.text(0).empty()) die("nothing was recorded");
    call.step();
  }

  std::vector<std::string> tokens_;
  Stmt step_, acquire_;
};

}  // namespace

void measure_acquire(Run& run) {
  Db db(run.scratch->path("acquire"), "NORMAL");
  Calls calls(db, run.module);
  Pair pair;
  pair.interleave(
      run.rounds(6'000), [&](int i) { return timed([&] { calls.acquire(i); }); }, [&](int i) { return timed([&] { calls.step(i); }); });
  run.report->add(pair.result("wf_acquire of a free share / wf_step", 1.5, 1.3));
}

}  // namespace bench

// wf_claim in a file with 1,000,000 workflows against one with 1,000, in every mix in which a claim can become slow:
// because it must look at what cannot be claimed before it finds what can, or because it cannot see that nothing can.
#include <string>

#include "bench.h"
#include "fixture.h"
#include "mixes.h"

namespace bench {

namespace {

// A connection that claims in one file.
class Claimer {
 public:
  Claimer(const Run& run, const std::string& file, const Mix& mix)
      : mix_(mix), db_(run.scratch->path(file)), claim_(prepare(run)) {
    claim_.bind(1, mix.options);
  }

  int64_t one() {
    bool found = false;
    int64_t ns = timed([&] {
      if (!claim_.step()) die("no row");
      found = !claim_.is_null(0);
      claim_.step();
    });
    claim_.reset();
    if (found != mix_.claims) die(std::string(found ? "a claim" : "no claim") + " in the mix: " + mix_.name);
    return ns;
  }

  Db& db() { return db_; }

 private:
  Stmt prepare(const Run& run) {
    db_.load(run.module);
    return db_.prepare("SELECT wf_claim(NULL, 'bench', ?)");
  }

  const Mix& mix_;
  Db db_;
  Stmt claim_;
};

// Each batch gets a fresh small file; the large one has enough for all of them.
void measure_mix(Run& run, const Mix& mix) {
  constexpr int kWarm = 20, kClaims = 250, kTransaction = 100;
  const int batches = run.quick ? 1 : 4;
  build_mix(run, mix, "large", run.large());
  Claimer large(run, "large", mix);
  for (int i = 0; i < kWarm; i++) large.one();

  Pair autocommit, transaction;
  for (int batch = 0; batch < batches; batch++) {
    build_mix(run, mix, "small", run.small());
    Claimer small(run, "small", mix);
    for (int i = 0; i < kWarm; i++) small.one();
    for (int t = 0; t < 3; t++) {
      large.db().exec("BEGIN");
      small.db().exec("BEGIN");
      transaction.interleave(kTransaction, [&](int) { return large.one(); }, [&](int) { return small.one(); });
      large.db().exec("ROLLBACK");
      small.db().exec("ROLLBACK");
    }
    autocommit.interleave(kClaims, [&](int) { return large.one(); }, [&](int) { return small.one(); });
  }
  std::string of = std::to_string(run.large()) + " / " + std::to_string(run.small()) + ": ";
  run.report->add(autocommit.result("claim " + of + mix.name, 1.2, 1.0));
  run.report->add(transaction.result("  in a transaction", 0, 0));
}

bool has_function(const Run& run, const char* name) {
  Db db(":memory:");
  db.load(run.module);
  return db.integer(std::string("SELECT count(*) FROM wf_functions WHERE name = '") + name + "'") > 0;
}

}  // namespace

void measure_claim(Run& run) {
  check_copies(run);
  for (const Mix& mix : kMixes) {
    if (mix.limits && !has_function(run, "wf_queue")) {
      run.report->skip(std::string("claim: ") + mix.name, "needs wf_queue, which this module does not have yet");
      continue;
    }
    measure_mix(run, mix);
  }
  run.scratch->remove("large");
  run.scratch->remove("small");
}

}  // namespace bench

// wf_claim in a file with 1,000,000 workflows against one with 1,000, in every mix in which a claim can become slow:
// because it must look at what cannot be claimed before it finds what can, or because it cannot see that nothing can.
#include <chrono>
#include <string>

#include "bench.h"
#include "fixture.h"

namespace bench {

namespace {

// What a worker calls, and what the file holds.
struct Mix {
  const char* name;
  const char* options;  // of wf_claim
  bool claims;          // false: the claim finds nothing
  void (*fill)(Fixture&, int64_t n);
};

// How many can be claimed where most cannot: enough for every batch.
int64_t claimable(int64_t n) { return n > 10'000 ? 2'000 : 400; }

// Times from an hour ago. A number, not the clock of SQL: the statements that copy lanes and workflows run seconds apart, and a lane that
// promises its workflow earlier than it is due would be looked into by every claim before.
Changes due_at(const std::string& sql) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  return {{"due_at", std::to_string(ms - 3'600'000) + " + (" + sql + ")"}};
}

// The originals are due an hour ago: before every copy, as the lower bound of the lane demands.
std::string start(const std::string& id, const std::string& more = "") {
  return "SELECT wf_start('work', '{\"n\":1}', '{\"id\":\"" + id + "\",\"at\":' || (strftime('%s','now') - 3600) || '" +
         more + "}')";
}

void thirds(Fixture& f, int64_t n, const std::string& ready_due) {
  f.engine(start("ready"));
  f.engine("SELECT wf_start('work', '{\"n\":1}', '{\"id\":\"asleep\",\"delay\":\"10h\"}')");
  f.engine(start("done"));
  f.engine("SELECT wf_complete('done', '{\"ok\":true}')");
  f.copy("done", n / 3, {});
  f.copy("asleep", n / 3, {{"due_at", "t.due_at + i"}});
  f.copy("ready", n - 2 * (n / 3), due_at(ready_due));
}

void thirds_in_order(Fixture& f, int64_t n) { thirds(f, n, "i"); }
void thirds_at_random(Fixture& f, int64_t n) { thirds(f, n, shuffled(n)); }

void all_sleeping(Fixture& f, int64_t n) {
  f.engine("SELECT wf_start('work', '{\"n\":1}', '{\"id\":\"asleep\",\"delay\":\"10h\"}')");
  f.copy("asleep", n, {{"due_at", "t.due_at + " + shuffled(n)}});
}

void higher_not_due(Fixture& f, int64_t n) {
  f.engine("SELECT wf_start('work', '{\"n\":1}', '{\"id\":\"asleep\",\"delay\":\"10h\",\"priority\":50}')");
  f.engine(start("ready"));
  f.copy("asleep", n - claimable(n), {{"due_at", "t.due_at + " + shuffled(n)}});
  f.copy("ready", claimable(n), due_at("i"));
}

void partition_at_limit(Fixture& f, int64_t n) {
  f.engine("SELECT wf_queue('default', '{\"partition_concurrency\":1}')");
  f.engine(start("full", ",\"partition\":\"full\""));
  f.copy("full", n - claimable(n), due_at("i"));
  f.engine("SELECT wf_claim(NULL, 'other', '{\"lease\":\"10h\"}')");
  f.engine(start("free", ",\"partition\":\"free\""));
  f.copy("free", claimable(n), due_at("1000 + i"), "p");
}

void all_expired(Fixture& f, int64_t n) {
  f.engine(start("lost"));
  f.engine("SELECT wf_claim(NULL, 'crashed', '{\"lease\":\"1ms\"}')");
  f.copy("lost", n, due_at("i"));
}

void all_partitions(Fixture& f, int64_t n) {
  f.engine(start("one", ",\"partition\":\"p0\""));
  f.copy("one", n, due_at("i"), "p");
}

// A tenth as many partitions as workflows; all but a hundredth are full, or their time is to come.
void mostly_full(Fixture& f, int64_t n) {
  const int64_t half = n / 20;
  f.engine("SELECT wf_queue('default', '{\"partition_concurrency\":1}')");
  f.engine(start("held", ",\"partition\":\"full\""));
  f.engine("SELECT wf_claim(NULL, 'other', '{\"lease\":\"10h\"}')");
  f.engine(start("blocked", ",\"partition\":\"full\""));
  f.engine("SELECT wf_claim()");  // finds it full
  const std::string lanes = std::to_string(f.db().integer("SELECT max(lane) FROM _wf_lane"));
  f.copy("held", half, {{"limited", "'default' || char(31) || 'f' || i"}}, "f");
  f.copy("blocked", half, {{"lane", lanes + " + i"}});
  f.engine("SELECT wf_start('work', '{\"n\":1}', '{\"id\":\"asleep\",\"partition\":\"asleep\",\"delay\":\"10h\"}')");
  f.copy("asleep", half, {{"due_at", "t.due_at + " + shuffled(half)}}, "s");
  f.engine(start("ready"));
  f.copy("ready", claimable(n), due_at("1000 + i"));
}

void names_filter(Fixture& f, int64_t n) {
  f.engine(start("common"));
  f.engine("SELECT wf_start('rare', '{\"n\":1}', '{\"id\":\"rare\",\"at\":' || (strftime('%s','now') - 3600) || '}')");
  f.copy("common", n - claimable(n), due_at("i"));
  f.copy("rare", claimable(n), due_at("1000 + i"));
}

constexpr Mix kMixes[] = {
    {"thirds, due in start order", "{}", true, thirds_in_order},
    {"thirds, due at random", "{}", true, thirds_at_random},
    {"all sleeping", "{}", false, all_sleeping},
    {"all higher priority not due", "{}", true, higher_not_due},
    {"one partition at its limit", "{}", true, partition_at_limit},
    {"all leases expired", "{}", true, all_expired},
    {"all in different partitions", "{}", true, all_partitions},
    {"partitions, 99 % full or not due", "{}", true, mostly_full},
    {"a names filter", R"({"names":["rare"]})", true, names_filter},
};

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

void build(const Run& run, const Mix& mix, const std::string& file, int64_t n) {
  Fixture fixture(run, file);
  mix.fill(fixture, n);
}

// Each batch gets a fresh small file; the large one has enough for all of them.
void measure_mix(Run& run, const Mix& mix) {
  constexpr int kWarm = 20, kClaims = 250, kTransaction = 100;
  const int batches = run.quick ? 1 : 4;
  build(run, mix, "large", run.large());
  Claimer large(run, "large", mix);
  for (int i = 0; i < kWarm; i++) large.one();

  Pair autocommit, transaction;
  for (int batch = 0; batch < batches; batch++) {
    build(run, mix, "small", run.small());
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
    if (mix.fill == partition_at_limit && !has_function(run, "wf_queue")) {
      run.report->skip(std::string("claim: ") + mix.name, "needs wf_queue, which this module does not have yet");
      continue;
    }
    measure_mix(run, mix);
  }
  run.scratch->remove("large");
  run.scratch->remove("small");
}

}  // namespace bench

// What a call costs by the number of workflows in the file, in a good mix and in bad ones, and by the number of steps of one workflow;
// how large the file gets, and the memory. The pictures in docs/performance.md are drawn from this (bench/growth/draw.py).
#include <sys/stat.h>

#include <string>
#include <vector>

#include "bench.h"
#include "mixes.h"
#include "raw.h"

namespace bench {

namespace {

constexpr const char* kGrown[] = {"thirds, due at random", "one partition at its limit", "all in different partitions", "all higher priority not due"};

// A figure that was measured at a size: draw.py takes the name apart again.
void tell(Run& run, const std::string& what, const std::string& mix, int64_t n, double value, const char* unit) {
  Result r;
  r.what = what + " | " + mix + " | " + std::to_string(n);
  r.value = value;
  r.unit = unit;
  run.report->add(r);
}

// A prepared call whose samples are told as their median, in microseconds.
class Timed {
 public:
  Timed(Db& db, const char* what, const char* sql) : what_(what), stmt_(db.prepare(sql)) {}

  Stmt& stmt() { return stmt_; }

  std::string once() {
    std::string text;
    samples_.push_back(timed([&] {
      while (stmt_.step()) text = stmt_.text(0);
    }));
    stmt_.reset();
    return text;
  }

  void told(Run& run, const std::string& mix, int64_t n) {
    // The first ones fill the caches.
    samples_.erase(samples_.begin(), samples_.begin() + std::ptrdiff_t(samples_.size() / 10));
    tell(run, what_, mix, n, median(samples_) / 1000, "us");
    samples_.clear();
  }

 private:
  const char* what_;
  Stmt stmt_;
  std::vector<int64_t> samples_;
};

std::string id_of(const std::string& claim) {
  constexpr std::string_view kKey = "\"id\":\"";
  size_t begin = claim.find(kKey) + kKey.size();
  return claim.substr(begin, claim.find('"', begin) - begin);
}

void measure_calls(Run& run, const Mix& mix, int64_t n) {
  build_mix(run, mix, "growth", n);
  const int64_t before = sqlite3_memory_used();
  Db db(run.scratch->path("growth"));
  db.load(run.module);
  db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  struct stat file;
  if (stat(run.scratch->path("growth").c_str(), &file) == 0) tell(run, "file", mix.name, n, double(file.st_size) / double(n), "B each");

  Timed start(db, "wf_start", "SELECT wf_start('work', '{\"n\":1}')"), claim(db, "wf_claim", "SELECT wf_claim(NULL, 'bench', ?)"),
      step(db, "wf_step", "SELECT wf_step(?, 'reserve', '{\"ref\":\"r9\"}')"), signal(db, "wf_signal", "SELECT wf_signal(?, 'hello', '1')"),
      complete(db, "wf_complete", "SELECT wf_complete(?, '{\"ok\":true}')"), pending(db, "wf_pending LIMIT 20", "SELECT id, reason FROM wf_pending LIMIT 20"),
      tick(db, "wf_tick", "SELECT wf_tick()"), purge(db, "wf_purge of 20", "SELECT wf_purge('{\"older_than\":0,\"limit\":20}')"),
      nothing(db, "wf_purge that finds nothing", "SELECT wf_purge('{\"older_than\":\"365d\"}')");
  const int calls = run.rounds(250);
  claim.stmt().bind(1, mix.options);
  for (int i = 0; i < calls; i++) {
    start.once();
    const std::string claimed = claim.once();
    if (claimed.empty()) die(std::string("no claim in the mix: ") + mix.name);
    const std::string token = token_of(claimed), id = id_of(claimed);
    step.stmt().bind(1, token);
    step.once();
    signal.stmt().bind(1, id);
    signal.once();
    complete.stmt().bind(1, token);
    complete.once();
  }
  for (int i = 0; i < run.rounds(40); i++) pending.once(), tick.once();
  for (int i = 0; i < run.rounds(10); i++) nothing.once(), purge.once();
  for (Timed* call : {&start, &claim, &step, &signal, &complete, &pending, &tick, &purge, &nothing}) call->told(run, mix.name, n);
  tell(run, "memory", mix.name, n, double(sqlite3_memory_used() - before) / 1024, "KiB");
}

// The k-th step of one workflow, in the way from the first to the last.
void measure_steps(Run& run, int64_t most) {
  run.scratch->remove("growth");
  Db db(run.scratch->path("growth"));
  db.load(run.module);
  db.exec("SELECT wf_start('long', NULL, '{\"id\":\"long\"}')");
  const std::string token = token_of(db.text("SELECT wf_claim(NULL, 'bench', '{\"lease\":\"10h\"}')"));
  Timed record(db, "wf_step that records", "SELECT wf_step(?1, ?2, '{\"ref\":\"r9\"}')"), read(db, "wf_step that reads", "SELECT wf_step(?1, ?2)");
  Stmt fill = db.prepare("SELECT wf_step(?1, ?2, '{\"ref\":\"r9\"}')");
  int64_t k = 0;
  auto named = [&](Stmt& stmt, const std::string& name) { stmt.bind(1, token).bind(2, name); };
  for (int64_t upto = 10; upto <= most; upto *= 10) {
    db.exec("BEGIN");
    const int64_t samples = std::min<int64_t>(run.rounds(200), upto / 2);
    while (k < upto - samples) {
      const std::string name = "step-" + std::to_string(k++);
      named(fill, name);
      fill.drain();
    }
    db.exec("COMMIT");
    for (int64_t i = 0; i < samples; i++) {
      const std::string name = "step-" + std::to_string(k++), earlier = "step-" + std::to_string(i * 7919 % k);
      named(record.stmt(), name);
      record.once();
      named(read.stmt(), earlier);
      read.once();
    }
    record.told(run, "one workflow", upto);
    read.told(run, "one workflow", upto);
  }
}

}  // namespace

void measure_growth(Run& run) {
  for (const char* name : kGrown) {
    for (int64_t n = 1'000; n <= run.large(); n *= 10) measure_calls(run, mix_named(name), n);
  }
  measure_steps(run, run.quick ? 1'000 : 100'000);
  run.scratch->remove("growth");
}

}  // namespace bench

// A whole small job, start + claim + 3 steps + complete, against six raw one-row commits.
#include <string>

#include "bench.h"
#include "job.h"

namespace bench {

JobCalls::JobCalls(Db& db)
    : start_(db.prepare("SELECT wf_start('bench', '{\"order\":17}')")),
      claim_(db.prepare("SELECT wf_claim()")),
      step_(db.prepare("SELECT wf_step(?, ?, '{\"ref\":\"r9\"}')")),
      complete_(db.prepare("SELECT wf_complete(?, '{\"ok\":true}')")) {}

RawCalls::RawCalls(Db& db, std::string prefix) : table_(db), prefix_(std::move(prefix)) {}

namespace {

void measure(Run& run, const char* synchronous, int rounds, double bar, double goal) {
  Db db(run.scratch->path(std::string("job-") + synchronous), synchronous);
  db.load(run.module);
  JobCalls job(db);
  int64_t total = 0;
  auto add = [&total](int64_t ns, int) { total += ns; };
  for (int i = 0; i < kUntilAlone / 6; i++) job.once(add);
  RawCalls raw(db, "r");

  Pair pair;
  pair.interleave(
      rounds,
      [&](int) {
        total = 0;
        if (!job.once(add)) die("a job ended early: " + job.error());
        return total;
      },
      [&](int) {
        total = 0;
        if (!raw.once(add)) die("a raw commit failed: " + raw.error());
        return total;
      });
  run.report->add(pair.result(std::string("start + claim + 3 steps + complete / six commits, synchronous=") + synchronous, bar, goal));
}

}  // namespace

void measure_job(Run& run) {
  measure(run, "NORMAL", run.rounds(2'000), 1.6, 1.3);
  measure(run, "FULL", run.rounds(1'000), 1.25, 1.08);
}

}  // namespace bench

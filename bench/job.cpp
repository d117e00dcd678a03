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

void measure_job(Run& run) {
  Db db(run.scratch->path("job"));
  db.load(run.module);
  JobCalls job(db);
  int64_t total = 0;
  auto add = [&total](int64_t ns, int) { total += ns; };
  job.once(add);
  RawCalls raw(db, "r");

  Pair pair;
  pair.interleave(
      run.rounds(2'000),
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
  run.report->add(pair.result("start + claim + 3 steps + complete / six commits", 2, 1.3));
}

}  // namespace bench

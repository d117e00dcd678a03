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

// What a queue costs that is written by hand: the least that a job of these calls can be in SQLite, for one kind of worker, with nothing that the engine has beside that
// (no queues, partitions, priorities, waits, children, retries, tables to look at). A start, a claim, steps that are recorded while the claim stands, an end.
class ByHand {
 public:
  explicit ByHand(Db& db)
      : start_(prepare(db)),
        claim_(db.prepare("UPDATE hand_job SET status = 'running', nonce = random(), attempt = attempt + 1, due_at = CAST(strftime('%s') AS INTEGER) + 300, worker = 'w' "
                          "WHERE seq = (SELECT seq FROM hand_job WHERE status = 'pending' AND due_at <= CAST(strftime('%s') AS INTEGER) ORDER BY due_at LIMIT 1)")),
        // (RETURNING came with SQLite 3.35, and costs as much as the hand-written SELECT.)
        claimed_(db.prepare("SELECT seq, nonce, id, input FROM hand_job WHERE status = 'running' ORDER BY seq DESC LIMIT 1")),
        step_(db.prepare("INSERT OR IGNORE INTO hand_step VALUES((SELECT seq FROM hand_job WHERE seq = ?1 AND nonce = ?2 AND due_at > CAST(strftime('%s') AS INTEGER)), ?3, "
                         "CAST(strftime('%s') AS INTEGER), '1 w', '{\"ref\":\"r9\"}')")),
        end_(db.prepare("UPDATE hand_job SET status = 'completed', due_at = NULL, nonce = NULL, finished_at = CAST(strftime('%s') AS INTEGER), output = '{\"ok\":true}' "
                        "WHERE seq = ? AND nonce = ? AND status = 'running'")) {}

  template <class F>
  bool once(F&& each) {
    const std::string id = "01936b9c-3a00-7000-8000-0" + std::to_string(10'000'000'000 + next_++);
    if (!timed_call(start_.bind(1, id), each, nullptr, &error_) || !timed_call(claim_, each, nullptr, &error_)) return false;
    int64_t seq = 0, nonce = 0;
    each(timed([&] {
      if (!claimed_.step()) die("nothing was claimed by hand");
      seq = claimed_.integer(0), nonce = claimed_.integer(1);
      claimed_.text(3);
      claimed_.reset();
    }), SQLITE_DONE);
    for (const char* name : {"reserve", "charge", "ship"}) {
      if (!timed_call(step_.bind(1, seq).bind(2, nonce).bind(3, name), each, nullptr, &error_)) return false;
    }
    return timed_call(end_.bind(1, seq).bind(2, nonce), each, nullptr, &error_);
  }

  const std::string& error() const { return error_; }

 private:
  static Stmt prepare(Db& db) {
    db.exec("CREATE TABLE hand_job(seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, status TEXT NOT NULL, due_at INTEGER, nonce INTEGER, attempt INTEGER NOT NULL DEFAULT 0, worker TEXT, "
            "created_at INTEGER NOT NULL, finished_at INTEGER, input TEXT, output TEXT, error TEXT)");
    db.exec("CREATE INDEX hand_due ON hand_job(status, due_at)");
    db.exec("CREATE TABLE hand_step(job INTEGER NOT NULL, name TEXT NOT NULL, at INTEGER NOT NULL, claim TEXT, output TEXT, PRIMARY KEY(job, name))");
    return db.prepare("INSERT INTO hand_job(id, status, due_at, created_at, input) "
                      "VALUES(?, 'pending', CAST(strftime('%s') AS INTEGER), CAST(strftime('%s') AS INTEGER), '{\"order\":17}')");
  }

  Stmt start_, claim_, claimed_, step_, end_;
  int64_t next_ = 0;
  std::string error_;
};

// Jobs of `calls` and of plain commits in turn, each with the time of its calls alone.
template <class Calls>
Pair in_turn(int rounds, Calls& calls, RawCalls& raw) {
  int64_t total = 0;
  const auto once = [&total](auto& each) {
    total = 0;
    if (!each.once([&total](int64_t ns, int) { total += ns; })) die("a job ended early: " + each.error());
    return total;
  };
  Pair pair;
  pair.interleave(rounds, [&](int) { return once(calls); }, [&](int) { return once(raw); });
  return pair;
}

void measure(Run& run, const char* synchronous, int rounds, double bar, double goal) {
  Db db(run.scratch->path(std::string("job-") + synchronous), synchronous);
  db.load(run.module);
  JobCalls job(db);
  for (int i = 0; i < kUntilAlone / 6; i++) job.once([](int64_t, int) {});
  RawCalls raw(db, "r");
  run.report->add(in_turn(rounds, job, raw).result(std::string("start + claim + 3 steps + complete / six commits, synchronous=") + synchronous, bar, goal));
  ByHand hand(db);
  run.report->add(in_turn(rounds, hand, raw).result("  the same written by hand, with nothing else", 0, 0));
}

}  // namespace

void measure_job(Run& run) {
  measure(run, "NORMAL", run.rounds(2'000), 1.6, 1.3);
  measure(run, "FULL", run.rounds(1'000), 1.25, 1.08);
}

}  // namespace bench

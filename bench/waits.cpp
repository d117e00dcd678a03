// wf_wait: how long after another process' commit it returns, what it costs while nothing happens, and what those who wait cost the one who writes.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "bench.h"

namespace bench {

namespace {

// What the processes of one measurement share.
struct Shared {
  std::atomic<int64_t> committed, returned;  // when, as of the monotonic clock; 0: not yet
  std::atomic<int> ready;
};

class Waiters {
 public:
  ~Waiters() {
    for (pid_t child : children_) {
      kill(child, SIGKILL);
      waitpid(child, nullptr, 0);
    }
  }
  // The open connections of the parent are not touched by the child.
  template <class F>
  void add(F&& live) {
    const pid_t child = fork();
    if (child < 0) die("cannot fork");
    if (child == 0) {
      live();
      _exit(0);
    }
    children_.push_back(child);
  }

 private:
  std::vector<pid_t> children_;
};

Shared* share() {
  void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) die("no shared memory");
  return new (memory) Shared{};
}

void add(Run& run, const std::string& what, double value, const char* unit, double bar, double goal, const std::string& note = "") {
  Result r;
  r.what = what;
  r.value = value;
  r.unit = unit;
  r.bar = bar;
  r.goal = goal;
  r.note = note;
  run.report->add(r);
}

std::string file(Run& run, const std::string& name, const char* synchronous, const char* journal = "WAL") {
  const std::string path = run.scratch->path("waits-" + name);
  Db db(path, synchronous, journal);
  db.load(run.module);
  db.exec("SELECT wf_init()");
  return path;
}

void open_as(Db& db, const Run& run) {
  sqlite3_busy_timeout(db.handle(), 10'000);
  db.load(run.module);
}

// Returns that are told through shared memory; the sleep between two starts lets the other one come to rest.
void latency(Run& run, const char* synchronous, const char* journal) {
  const bool wal = std::string(journal) == "WAL";
  const std::string name = std::string(wal ? "WAL, " : "DELETE journal, ") + synchronous;
  const std::string path = file(run, name, synchronous, journal);
  Shared* shared = share();
  Waiters waiters;
  waiters.add([&] {
    Db db(path, synchronous, journal);
    open_as(db, run);
    Stmt wait = db.prepare("SELECT wf_wait(60)"), claim = db.prepare("SELECT wf_complete(json_extract(wf_claim(), '$.token'))");
    shared->ready = 1;
    for (;;) {
      wait.drain();
      shared->returned = nanoseconds();
      claim.drain();
    }
  });
  Db db(path, synchronous, journal);
  open_as(db, run);
  Stmt start = db.prepare("SELECT wf_start('job')");
  while (shared->ready == 0) usleep(1000);
  std::vector<int64_t> late;
  for (int i = 0; i < run.rounds(300); i++) {
    usleep(useconds_t(20'000 + i * 7919 % 20'000));
    shared->returned = 0;
    start.drain();
    const int64_t committed = nanoseconds();
    while (shared->returned == 0) usleep(50);
    late.push_back(std::max<int64_t>(shared->returned - committed, 0));
  }
  std::sort(late.begin(), late.end());
  char note[80];
  snprintf(note, sizeof note, "p99 %.0f us", double(late[late.size() * 99 / 100]) / 1000);
  add(run, "wf_wait: from the commit to the return, " + name, double(late[late.size() / 2]) / 1000, "us", wal ? 1000 : 0, wal ? 200 : 0, note);
}

int64_t cpu() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return int64_t(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

void idle(Run& run) {
  const std::string path = file(run, "idle", "NORMAL");
  Db db(path);
  open_as(db, run);
  Stmt wait = db.prepare(run.quick ? "SELECT wf_wait(2)" : "SELECT wf_wait(20)");
  db.integer("SELECT wf_wait(0.1)");
  const int64_t begin = nanoseconds(), used = cpu();
  wait.drain();
  add(run, "wf_wait: CPU while nothing happens, of a second", double(cpu() - used) * 1e6 / double(nanoseconds() - begin), "us", 1000, 200);
}

// One start every 20 ms, while so many processes wait: each for a queue of its own, or all for one.
double start_with(Run& run, int count, bool own) {
  const std::string path = file(run, "tax-" + std::to_string(count) + (own ? "-own" : "-one"), "NORMAL");
  Shared* shared = share();
  Waiters waiters;
  for (int i = 0; i < count; i++) {
    waiters.add([&] {
      Db db(path);
      open_as(db, run);
      const std::string queue = "q" + std::to_string(own ? i : 0);
      Stmt wait = db.prepare("SELECT wf_wait(60, '{\"queue\":\"" + queue + "\"}')"), claim = db.prepare("SELECT json_extract(wf_claim('" + queue + "'), '$.token')");
      Stmt complete = db.prepare("SELECT wf_complete(?)");
      shared->ready++;
      for (;;) {
        wait.drain();
        std::string token;
        if (claim.step() && !claim.is_null(0)) token = claim.text(0);
        claim.reset();
        if (!token.empty()) complete.bind(1, token).drain();
      }
    });
  }
  Db db(path);
  open_as(db, run);
  Stmt start = db.prepare("SELECT wf_start('job', NULL, json_object('queue', ?))");
  while (shared->ready < count) usleep(1000);
  usleep(300'000);
  std::vector<int64_t> samples;
  for (int i = 0; i < run.rounds(200); i++) {
    usleep(20'000);
    start.bind(1, "q" + std::to_string(own && count > 0 ? i % count : 0));
    samples.push_back(timed([&] { start.drain(); }));
  }
  return median(samples) / 1000;
}

void tax(Run& run) {
  const double alone = start_with(run, 0, true);
  for (const bool own : {true, false}) {
    for (const int count : {1, 8, 32, 64}) {
      if (run.quick && count > 8) continue;
      Result r;
      r.what = "wf_start while " + std::to_string(count) + (count == 1 ? " process waits" : " processes wait") + (own ? ", each for its own queue" : ", all for its queue");
      r.ours = start_with(run, count, own);
      r.reference = alone;
      r.value = r.ours / alone;
      if (count == 32) r.bar = 2, r.goal = 1.5;
      run.report->add(r);
    }
  }
}

}  // namespace

void measure_waits(Run& run) {
  latency(run, "NORMAL", "WAL");
  latency(run, "FULL", "WAL");
  latency(run, "NORMAL", "DELETE");
  idle(run);
  tax(run);
}

}  // namespace bench

// How much a machine gets done in a second: steps, alone and in transactions, words of a stream, and whole jobs by the number of
// processes. Beside each the same number of plain rows, counted in the same seconds: the machine decides both.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "bench.h"
#include "job.h"

namespace bench {

namespace {

constexpr int64_t kSecond = 1'000'000'000;

// Ours and the raw reference take turns, in slices of half a second.
template <class A, class B>
void alternate(Run& run, const std::string& what, A&& ours, B&& raw) {
  const int slices = run.quick ? 2 : 6;
  double done[2] = {0, 0}, seconds[2] = {0, 0};
  for (int i = 0; i < slices * 2; i++) {
    const int side = (i / 2 + i) % 2;   // A B B A A B ...
    const int64_t begin = nanoseconds();
    while (nanoseconds() < begin + kSecond / 2) done[side] += double(side == 0 ? ours() : raw());
    seconds[side] += double(nanoseconds() - begin) / double(kSecond);
  }
  Result r;
  r.what = what;
  r.value = done[0] / seconds[0];
  r.unit = "/s";
  char note[80];
  snprintf(note, sizeof note, "raw %.0f/s, x%.2f", done[1] / seconds[1], done[1] / seconds[1] / r.value);
  r.note = note;
  run.report->add(r);
}

void steps(Run& run, const char* synchronous, int batch) {
  Db db(run.scratch->path(std::string("throughput-") + synchronous + std::to_string(batch)), synchronous);
  db.load(run.module);
  db.exec("SELECT wf_start('bench', NULL, '{\"id\":\"w\"}')");
  std::string token = token_of(db.text("SELECT wf_claim('default', 'bench', '{\"lease\":\"1h\"}')"));
  Stmt step = db.prepare("SELECT wf_step(?, ?, '{\"ref\":\"r9\"}')");
  step.bind(1, token).bind(2, "first");
  step.drain();
  RawTable table(db);
  int64_t n = 0;
  auto in_batches = [&](auto&& one) {
    if (batch > 1) db.exec("BEGIN IMMEDIATE");
    for (int i = 0; i < batch; i++) one();
    if (batch > 1) db.exec("COMMIT");
    return batch;
  };
  char what[80];
  snprintf(what, sizeof what, batch > 1 ? "wf_step, %2$d in a transaction, %1$s" : "wf_step, each a commit, %1$s", synchronous, batch);
  alternate(
      run, what,
      [&] {
        return in_batches([&] {
          std::string name = "step-" + std::to_string(n++);
          step.bind(1, token).bind(2, name);
          step.drain();
        });
      },
      [&] {
        return in_batches([&] {
          std::string id = "01936b9c-3a00-7000-8000-0" + std::to_string(10'000'000'000 + n++), name = "step";
          Stmt& row = table.row(id, name);
          row.drain();
        });
      });
}

// What the children count, in shared memory.
struct Count {
  int64_t done, failures;
};

template <class Calls>
void work(Calls& calls, int64_t until, Count* count) {
  while (nanoseconds() < until) (calls.once([](int64_t, int) {}) ? count->done : count->failures)++;
}

// Whole jobs a second, of so many processes together; raw: six rows, each a commit.
Count jobs(Run& run, const std::string& path, const char* synchronous, int processes, bool raw, int slice, int64_t length, Count* counts) {
  memset(counts, 0, sizeof(Count) * size_t(processes));
  const int64_t begin = nanoseconds() + kSecond / 5, until = begin + length;
  for (int i = 0; i < processes; i++) {
    pid_t child = fork();
    if (child < 0) die("cannot fork");
    if (child > 0) continue;
    Db db(path, synchronous);
    if (raw) {
      RawCalls calls(db, "r" + std::to_string(processes) + "-" + std::to_string(slice) + "-" + std::to_string(i) + "-");
      while (nanoseconds() < begin) usleep(1000);
      work(calls, until, &counts[i]);
    } else {
      db.load(run.module);
      JobCalls calls(db);
      while (nanoseconds() < begin) usleep(1000);
      work(calls, until, &counts[i]);
    }
    _exit(0);
  }
  Count all{0, 0};
  for (int i = 0; i < processes; i++) {
    int status = 0;
    if (wait(&status) < 0 || status != 0) die("a process of the benchmark failed");
  }
  for (int i = 0; i < processes; i++) all.done += counts[i].done, all.failures += counts[i].failures;
  return all;
}

void by_processes(Run& run, const char* synchronous, Count* counts) {
  std::string path = run.scratch->path(std::string("throughput-jobs-") + synchronous);
  {
    Db db(path, synchronous);
    db.load(run.module);
    JobCalls job(db);
    job.once([](int64_t, int) {});
    RawTable make(db);
  }
  const int slices = run.quick ? 2 : 4;
  const int64_t length = (run.quick ? 1 : 2) * kSecond / 2;
  for (int processes : {1, 2, 4, 8}) {
    Count sum[2] = {{0, 0}, {0, 0}};
    for (int i = 0; i < slices * 2; i++) {
      const int side = (i / 2 + i) % 2;
      Count got = jobs(run, path, synchronous, processes, side == 1, i, length, counts);
      sum[side].done += got.done;
      sum[side].failures += got.failures;
    }
    const double seconds = double(slices) * double(length) / double(kSecond);
    Result r;
    r.what = std::string("jobs, ") + std::to_string(processes) + (processes == 1 ? " process, " : " processes, ") + synchronous;
    r.value = double(sum[0].done) / seconds;
    r.unit = "/s";
    r.failed = sum[0].failures > 0;
    char note[80];
    snprintf(note, sizeof note, "raw %.0f/s, x%.2f%s", double(sum[1].done) / seconds, double(sum[1].done) / std::max(1.0, double(sum[0].done)),
             r.failed ? ", calls failed" : "");
    r.note = note;
    run.report->add(r);
  }
}

}  // namespace

void measure_throughput(Run& run) {
  for (const char* synchronous : {"NORMAL", "FULL"}) {
    steps(run, synchronous, 1);
    steps(run, synchronous, 10);
    steps(run, synchronous, 100);
  }
  void* shared = mmap(nullptr, sizeof(Count) * 8, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) die("no shared memory");
  for (const char* synchronous : {"NORMAL", "FULL"}) by_processes(run, synchronous, static_cast<Count*>(shared));
  munmap(shared, sizeof(Count) * 8);
}

}  // namespace bench

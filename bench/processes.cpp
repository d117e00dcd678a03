// The longest single call while 8 processes write to one file, against the same with raw commits.
//
// A maximum is the noisiest of all figures. So the two kinds take turns in slices of some seconds, each process
// opens its connection anew, and the table shows the maximum of all slices, as the contract asks, and beside it the
// median of the slices' maxima, which is what moves when the code changes.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "bench.h"
#include "job.h"

namespace bench {

namespace {

constexpr int kProcesses = 8;

// What a child leaves in shared memory.
struct Outcome {
  int64_t calls, longest, failures;
  char error[200];
};

struct Kind {
  std::vector<int64_t> maxima;
  int64_t calls = 0, longest = 0, failures = 0;
  std::string error;
};

template <class Calls>
void work(Calls& calls, int64_t until, Outcome* out) {
  while (nanoseconds() < until) {
    bool good = calls.once([out](int64_t ns, int) {
      out->calls++;
      out->longest = std::max(out->longest, ns);
    });
    if (!good) {
      out->failures++;
      snprintf(out->error, sizeof out->error, "%s", calls.error().c_str());
    }
  }
}

void run_child(const Run& run, const std::string& path, bool raw, int slice, int number, int64_t begin, int64_t until,
           Outcome* out) {
  Db db(path);
  if (raw) {
    RawCalls calls(db, "s" + std::to_string(slice) + "-" + std::to_string(number) + "-");
    while (nanoseconds() < begin) usleep(1000);
    work(calls, until, out);
  } else {
    db.load(run.module);
    JobCalls calls(db);
    while (nanoseconds() < begin) usleep(1000);
    work(calls, until, out);
  }
}

void run_slice(const Run& run, const std::string& path, bool raw, int slice, int64_t length, Outcome* out, Kind* kind) {
  memset(out, 0, sizeof(Outcome) * kProcesses);
  int64_t begin = nanoseconds() + 200'000'000, until = begin + length;
  for (int i = 0; i < kProcesses; i++) {
    pid_t child = fork();
    if (child < 0) die("cannot fork");
    if (child == 0) {
      run_child(run, path, raw, slice, i, begin, until, &out[i]);
      _exit(0);
    }
  }
  for (int i = 0; i < kProcesses; i++) {
    int status = 0;
    if (wait(&status) < 0 || status != 0) die("a process of the benchmark failed");
  }
  int64_t longest = 0;
  for (int i = 0; i < kProcesses; i++) {
    longest = std::max(longest, out[i].longest);
    kind->calls += out[i].calls;
    kind->failures += out[i].failures;
    if (out[i].error[0]) kind->error = out[i].error;
  }
  kind->maxima.push_back(longest);
  kind->longest = std::max(kind->longest, longest);
}

}  // namespace

void measure_processes(Run& run) {
  std::string path = run.scratch->path("processes");
  {
    Db db(path);
    db.load(run.module);
    JobCalls job(db);
    job.once([](int64_t, int) {});
    RawTable make(db);
  }
  size_t size = sizeof(Outcome) * kProcesses;
  void* shared = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) die("no shared memory");
  auto* out = static_cast<Outcome*>(shared);

  const int slices = run.quick ? 2 : 6;
  const int64_t length = (run.quick ? 1 : 5) * int64_t(1'000'000'000);
  Kind ours, raw;
  for (int i = 0; i < slices; i++) {
    run_slice(run, path, i % 2 == 1, i, length, out, i % 2 == 1 ? &raw : &ours);
    run_slice(run, path, i % 2 == 0, i, length, out, i % 2 == 0 ? &raw : &ours);
  }
  munmap(shared, size);

  double seconds = double(slices) * double(length) / 1e9;
  char text[400];
  Result r;
  r.what = "longest call, 8 processes, " + std::to_string(int(seconds)) + " s each";
  r.ours = double(ours.longest) / 1000;
  r.reference = double(raw.longest) / 1000;
  r.value = r.ours / r.reference;
  r.bar = 0.2;
  r.goal = 0.1;
  r.failed = ours.failures > 0;
  snprintf(text, sizeof text, "%" PRId64 " of %" PRId64 " calls failed%s%s (raw: %" PRId64 " of %" PRId64 ")",
           ours.failures, ours.calls, ours.failures ? ": " : "", ours.error.c_str(), raw.failures, raw.calls);
  r.note = text;
  run.report->add(r);

  Result typical;
  typical.what = "  median of the longest call of each slice";
  typical.ours = median(ours.maxima) / 1000;
  typical.reference = median(raw.maxima) / 1000;
  typical.value = typical.ours / typical.reference;
  snprintf(text, sizeof text, "%.0f calls/s (raw: %.0f/s)", double(ours.calls) / seconds, double(raw.calls) / seconds);
  typical.note = text;
  run.report->add(typical);
}

}  // namespace bench

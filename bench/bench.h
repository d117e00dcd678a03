// What every benchmark gets (Run) and gives (Result), and the one way in which two things are compared.
#pragma once

#include <time.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "db.h"

namespace bench {

// So many calls that have met nobody, after which a connection no longer looks for others: what is measured is a process that has been at work for a moment.
constexpr int kUntilAlone = 3'100;

// One line of the table: a figure with its bar and its goal, smaller is better.
struct Result {
  std::string what;
  double value = 0;               // the ratio, or the figure itself where the contract names a size
  const char* unit = "x";         // "x": a ratio
  double bar = 0, goal = 0;       // 0: the contract sets none, the line is for information
  double ours = 0, reference = 0; // microseconds, 0: does not apply
  bool failed = false;            // something that may never happen did: no figure can make up for it
  std::string note;
};

class Report {
 public:
  // `file`: where the figures go as JSON, too; empty: nowhere.
  Report(bool json, std::string file) : json_(json), file_(std::move(file)) {}
  void begin();
  void add(const Result& result);
  void skip(const std::string& what, const std::string& why);
  void end();  // the summary line, or the JSON text; and the file

 private:
  std::string as_json() const;

  bool json_;
  std::string file_;
  std::vector<Result> results_;
  int skipped_ = 0;
};

// One run of the program.
struct Run {
  std::string module;  // path of the loadable module
  bool quick = false;
  bool is_long = false;
  Scratch* scratch = nullptr;
  Report* report = nullptr;

  int64_t small() const { return 1'000; }
  int64_t large() const { return quick ? 20'000 : 1'000'000; }
  int rounds(int full) const { return quick ? std::max(full / 5, 5) : full; }
};

inline int64_t nanoseconds() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return int64_t(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

template <class F>
int64_t timed(F&& f) {
  int64_t begin = nanoseconds();
  f();
  return nanoseconds() - begin;
}

inline double median(std::vector<int64_t>& samples) {
  if (samples.empty()) die("no samples");
  auto middle = samples.begin() + std::ptrdiff_t(samples.size() / 2);
  std::nth_element(samples.begin(), middle, samples.end());
  return double(*middle);
}

// The samples of two things, taken in turn. Machines change speed: what is measured one after the other
// differs by more than the bars allow.
class Pair {
 public:
  // Each of the functions returns the nanoseconds of what it wants counted; so it can prepare untimed.
  // The order changes with every round, so that neither always runs on the caches of the other.
  template <class A, class B>
  void interleave(int rounds, A&& ours, B&& reference) {
    for (int i = 0; i < rounds; i++) {
      if (i % 2 == 0) ours_.push_back(ours(i));
      reference_.push_back(reference(i));
      if (i % 2 == 1) ours_.push_back(ours(i));
    }
  }

  // calls: how many calls one sample holds.
  Result result(std::string what, double bar, double goal, int calls = 1) {
    double ours = median(ours_), reference = median(reference_);
    Result r;
    r.what = std::move(what);
    r.value = ours / reference;
    r.bar = bar;
    r.goal = goal;
    r.ours = ours / 1000 / calls;
    r.reference = reference / 1000 / calls;
    return r;
  }

 private:
  std::vector<int64_t> ours_, reference_;
};

// The benchmarks, each in the file of its name.
void measure_step(Run& run);         // step.cpp
void measure_acquire(Run& run);      // acquire.cpp
void measure_claim(Run& run);        // claim.cpp
void measure_job(Run& run);          // job.cpp
void measure_processes(Run& run);    // processes.cpp
void measure_fairness(Run& run);     // fairness.cpp
void measure_crowds(Run& run);       // fairness.cpp
void measure_tables(Run& run);       // tables.cpp
void measure_dashboard(Run& run);    // dashboard.cpp
void measure_memory(Run& run);       // memory.cpp
void measure_cold(Run& run);         // cold.cpp
void measure_script(Run& run);       // script.cpp
void measure_size(Run& run);         // cold.cpp
void measure_throughput(Run& run);   // throughput.cpp
void measure_waits(Run& run);        // waits.cpp
void measure_growth(Run& run);       // growth.cpp

}  // namespace bench

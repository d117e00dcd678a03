// wfext_bench: the figures that the project promises, as a table. bench/README.md says how to read it.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "bench.h"

#ifndef WFEXT_MODULE
#define WFEXT_MODULE "build/libwfext.so"
#endif

namespace {

struct Benchmark {
  const char* name;
  void (*measure)(bench::Run&);
  const char* what;
  bool asked = false;  // takes long, and has no bar: only if it is named
};

constexpr Benchmark kBenchmarks[] = {
    {"step", bench::measure_step, "wf_step against one raw INSERT"},
    {"acquire", bench::measure_acquire, "wf_acquire against wf_step"},
    {"job", bench::measure_job, "start + claim + 3 steps + complete against six raw commits"},
    {"claim", bench::measure_claim, "wf_claim with many workflows against few, in every mix"},
    {"tables", bench::measure_tables, "the virtual tables against the same SQL on the base tables"},
    {"dashboard", bench::measure_dashboard, "the questions of a dashboard, in milliseconds"},
    {"memory", bench::measure_memory, "memory of a connection that used everything once"},
    {"cold", bench::measure_cold, "a process that loads the module and closes, against an empty module"},
    {"size", bench::measure_size, "the stripped module"},
    {"script", bench::measure_script, "wf_run against the same statements run by hand, and fan-outs of two sizes"},
    {"throughput", bench::measure_throughput, "what is done in a second: steps, and jobs by the number of processes"},
    {"waits", bench::measure_waits, "wf_wait: how soon it returns, what it costs, also the one who writes"},
    {"processes", bench::measure_processes, "the longest call while 8 processes write"},
    {"fairness", bench::measure_fairness, "many writers: the longest call, shares and calls; --long: as long as the contract says"},
    {"crowds", bench::measure_crowds, "the same with every journal, 2 to 64 processes, and applications among them (only if named)", true},
    {"growth", bench::measure_growth, "each call by the number of workflows, for the pictures (only if named)", true},
};

int usage(const char* program) {
  fprintf(stderr,
          "usage: %s [--quick | --long] [--json] [--save FILE] [--only NAME]... [--dir DIRECTORY] [MODULE]\n\n"
          "  MODULE      the loadable module, default the one of this build\n"
          "  --quick     small databases and few rounds: a smoke test, not a figure\n"
          "  --long      fairness in 30 seconds for each row, 5 minutes in all\n"
          "  --json      one JSON array instead of the table\n"
          "  --save      the same JSON, into a file, beside what is printed\n"
          "  --dir       where the databases go (about 1 GB), default $TMPDIR or /tmp\n"
          "  --only      one of:\n",
          program);
  for (const Benchmark& b : kBenchmarks) fprintf(stderr, "    %-10s %s\n", b.name, b.what);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  const char* tmp = getenv("TMPDIR");
  std::string dir = tmp && *tmp ? tmp : "/tmp";
  std::string module = WFEXT_MODULE, file;
  bool quick = false, is_long = false, json = false;
  bool chosen[std::size(kBenchmarks)] = {}, any = false;

  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--quick") == 0) {
      quick = true;
    } else if (strcmp(argv[i], "--long") == 0) {
      is_long = true;
    } else if (strcmp(argv[i], "--json") == 0) {
      json = true;
    } else if (strcmp(argv[i], "--save") == 0 && i + 1 < argc) {
      file = argv[++i];
    } else if (strcmp(argv[i], "--dir") == 0 && i + 1 < argc) {
      dir = argv[++i];
    } else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
      const char* name = argv[++i];
      bool known = false;
      for (size_t b = 0; b < std::size(kBenchmarks); b++) {
        if (strcmp(kBenchmarks[b].name, name) == 0) chosen[b] = known = any = true;
      }
      if (!known) return usage(argv[0]);
    } else if (argv[i][0] == '-') {
      return usage(argv[0]);
    } else {
      module = argv[i];
    }
  }

  // Absolute, because a name without a slash is looked up in the library path.
  char* path = realpath(module.c_str(), nullptr);
  if (!path) bench::die("no module at " + module + " (make builds it)");
  bench::Scratch scratch(dir);
  bench::Report report(json, file);
  bench::Run run{path, quick, is_long, &scratch, &report};
  free(path);

  report.begin();
  for (size_t b = 0; b < std::size(kBenchmarks); b++) {
    if (any ? chosen[b] : !kBenchmarks[b].asked) kBenchmarks[b].measure(run);
  }
  report.end();
  return 0;
}

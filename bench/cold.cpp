// What loading costs: a cold process that loads the module and closes, and the size of the file.
//
// The process is a C program of ten lines, so that nothing but SQLite and the module counts, and the reference is a
// module whose entry point returns at once. Both are compiled here, by `cc`, when the benchmark runs.
#include <dlfcn.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "bench.h"

extern char** environ;

namespace bench {

namespace {

constexpr const char* kEmptyModule =
    "int sqlite3_extension_init(void *db, char **err, const void *api) { return 0; }\n";

constexpr const char* kHost = R"(
typedef struct sqlite3 sqlite3;
int sqlite3_open(const char *, sqlite3 **);
int sqlite3_enable_load_extension(sqlite3 *, int);
int sqlite3_load_extension(sqlite3 *, const char *, const char *, char **);
int sqlite3_close(sqlite3 *);
int main(int argc, char **argv) {
  sqlite3 *db;
  if (argc != 3 || sqlite3_open(argv[1], &db)) return 1;
  sqlite3_enable_load_extension(db, 1);
  if (sqlite3_load_extension(db, argv[2], 0, 0)) return 2;
  return sqlite3_close(db);
}
)";

bool compile(const std::string& source, const std::string& text, const std::string& output) {
  FILE* f = fopen(source.c_str(), "w");
  if (!f || fputs(text.c_str(), f) < 0 || fclose(f) != 0) die("cannot write " + source);
  return system(("cc -O2 -w '" + source + "' -o " + output).c_str()) == 0;
}

int64_t run_cold(const std::string& host, const std::string& file, const std::string& module) {
  char* argv[] = {const_cast<char*>(host.c_str()), const_cast<char*>(file.c_str()), const_cast<char*>(module.c_str()),
                  nullptr};
  int status = -1;
  int64_t ns = timed([&] {
    pid_t child;
    if (posix_spawn(&child, host.c_str(), nullptr, nullptr, argv, environ) != 0) die("cannot start " + host);
    if (waitpid(child, &status, 0) < 0) die("lost a process");
  });
  if (status != 0) die("a cold process failed with " + module);
  return ns;
}

}  // namespace

void measure_cold(Run& run) {
  const char* what = "cold process: load and close / an empty module";
  std::string empty = run.scratch->path("empty.so"), host = run.scratch->path("host");
  Dl_info sqlite;
  void* open = dlsym(RTLD_DEFAULT, "sqlite3_open");
  if (!open || !dladdr(open, &sqlite) || !strstr(sqlite.dli_fname, ".so")) {
    return run.report->skip(what, "SQLite is not a shared library here");
  }
  if (!compile(run.scratch->path("empty.c"), kEmptyModule, "'" + empty + "' -shared -fPIC") ||
      !compile(run.scratch->path("host.c"), kHost, "'" + host + "' '" + sqlite.dli_fname + "'")) {
    return run.report->skip(what, "no C compiler (cc)");
  }

  std::string file = run.scratch->path("cold");
  {
    Db db(file);
    db.load(run.module);
    db.exec("SELECT wf_init()");
  }
  Pair pair;
  pair.interleave(
      run.rounds(800), [&](int) { return run_cold(host, file, run.module); },
      [&](int) { return run_cold(host, file, empty); });
  run.report->add(pair.result(what, 3, 1.5));
}

void measure_size(Run& run) {
  std::string stripped = run.scratch->path("stripped.so");
  bool strips = system(("strip -s -o '" + stripped + "' '" + run.module + "' 2>/dev/null").c_str()) == 0;
  struct stat st;
  if (stat(strips ? stripped.c_str() : run.module.c_str(), &st) != 0) die("cannot read the module");
  Result r;
  r.what = "size of the module";
  r.value = double(st.st_size) / 1000;
  r.unit = "KB";
  r.bar = 600;
  r.goal = 450;
  r.note = strips ? "stripped" : "not stripped: no strip here";
  run.report->add(r);
}

}  // namespace bench

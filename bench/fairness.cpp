// Many processes that write to one file as fast as they can: whether all get their turn, how long the longest call takes, and what that costs.
//
// The engine's way of waiting and SQLite's own take turns: the connections of "SQLite's own" have a busy handler that sleeps as SQLite's does, which
// the engine leaves in charge, so that both sides run the same code. A mix adds, to writers of ours, as many applications that write rows of their
// own by BEGIN IMMEDIATE, with SQLite's own handler or with wf_busy_timeout; or one that now and then holds the lock for a second.
//
// "fairness" are the rows that the contract has bars for, of 30 seconds with --long; "crowds" is the whole table.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <string>

#include "bench.h"

namespace bench {

namespace {

constexpr int kMost = 64;
constexpr int64_t kSecond = 1'000'000'000;
constexpr int kTimeout = 5000;

enum class Role { ours, application, raw, holder };
enum class Mix { alone, applications, fair_applications, holder, raw, one_application, all_applications };

struct Setting {
  int processes;
  const char* journal;
  const char* synchronous;
  Mix mix;
  bool fair;
};

// What a child leaves in shared memory.
struct Outcome {
  Role role;
  int64_t calls, longest, failures;
};

// As SQLite's own sleeps.
int sqlites_own(void*, int count) {
  constexpr int kSleeps[] = {1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50, 100};
  constexpr int kPast[] = {0, 1, 3, 8, 18, 33, 53, 78, 103, 128, 178, 228};
  constexpr int kLast = 11;
  int sleep = count <= kLast ? kSleeps[count] : kSleeps[kLast];
  const int past = count <= kLast ? kPast[count] : kPast[kLast] + kSleeps[kLast] * (count - kLast);
  if (past + sleep > kTimeout) sleep = kTimeout - past;
  if (sleep <= 0) return 0;
  usleep(useconds_t(sleep) * 1000);
  return 1;
}

Role role_of(const Setting& s, int number) {
  if (s.mix == Mix::holder) return number == 0 ? Role::holder : Role::ours;
  if (s.mix == Mix::one_application) return number == 0 ? Role::application : Role::ours;
  if (s.mix == Mix::raw) return Role::raw;
  if (s.mix == Mix::all_applications) return Role::application;
  return s.mix != Mix::alone && number % 2 == 1 ? Role::application : Role::ours;
}

// One call or transaction; false: it failed.
bool write_once(Db& db, Stmt& call, Role role) {
  if (role == Role::ours) {
    const int rc = call.try_step();
    call.reset();
    return rc == SQLITE_ROW;
  }
  if (role == Role::raw) {
    const int rc = call.try_step();
    call.reset();
    return rc == SQLITE_DONE;
  }
  if (sqlite3_exec(db.handle(), "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) != SQLITE_OK) return false;
  int rc = call.try_step();
  call.reset();
  if (role == Role::holder) usleep(1'000'000);
  if (rc == SQLITE_DONE) rc = sqlite3_exec(db.handle(), "COMMIT", nullptr, nullptr, nullptr);
  if (rc == SQLITE_OK) return true;
  sqlite3_exec(db.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
  return false;
}

void work(const Run& run, const std::string& path, const Setting& s, int number, int64_t begin, int64_t until, Outcome* out) {
  out->role = role_of(s, number);
  Db db(path, s.synchronous, s.journal);
  db.load(run.module);
  if (!s.fair && out->role == Role::ours) sqlite3_busy_handler(db.handle(), sqlites_own, nullptr);
  if (s.fair && (out->role == Role::holder || (out->role == Role::application && s.mix == Mix::fair_applications))) db.exec("SELECT wf_busy_timeout(5)");
  const char* sql = out->role == Role::ours  ? "SELECT wf_step(?, ?, '{\"ref\":\"r9\"}')"
                    : out->role == Role::raw ? "INSERT INTO raw VALUES(?1 || '-' || ?2, ?2, '{\"ref\":\"r9\"}')"
                                             : "INSERT INTO app VALUES(?, ?)";
  Stmt call = db.prepare(sql);
  const std::string id = "w" + std::to_string(number);
  while (nanoseconds() < begin) usleep(1000);
  for (int64_t before = nanoseconds(); before < until;) {
    const std::string step = "step-" + std::to_string(out->calls + out->failures);
    call.bind(1, id).bind(2, step);
    (write_once(db, call, out->role) ? out->calls : out->failures)++;
    const int64_t after = nanoseconds();
    if (out->role != Role::holder) out->longest = std::max(out->longest, after - before);
    if (out->role == Role::holder) usleep(2'000'000);
    before = nanoseconds();
  }
}

void make_file(const Run& run, const std::string& path, const Setting& s) {
  Db db(path, "OFF", s.journal);
  db.load(run.module);
  db.exec("CREATE TABLE app(id, step)");
  db.exec("CREATE TABLE raw(id TEXT PRIMARY KEY, step TEXT, output TEXT)");
  for (int i = 0; i < s.processes; i++) db.exec("SELECT wf_start('bench', NULL, '{\"id\":\"w" + std::to_string(i) + "\"}')");
}

struct Sum {
  int64_t calls = 0, longest = 0, failures = 0, fewest = INT64_MAX, most = 0, applications = 0;
  double share() const { return most == 0 ? 0 : double(fewest) / double(most); }
};

Sum measure(const Run& run, const Setting& s, int64_t length, Outcome* out) {
  memset(out, 0, sizeof(Outcome) * kMost);
  const std::string name = "fairness";
  make_file(run, run.scratch->path(name), s);
  const int64_t begin = nanoseconds() + kSecond / 5 + s.processes * kSecond / 100, until = begin + length;
  for (int i = 0; i < s.processes; i++) {
    const pid_t child = fork();
    if (child < 0) die("cannot fork");
    if (child > 0) continue;
    work(run, run.scratch->path(name), s, i, begin, until, &out[i]);
    _exit(0);
  }
  for (int i = 0; i < s.processes; i++) {
    int status = 0;
    if (wait(&status) < 0 || status != 0) die("a process of the benchmark failed");
  }
  run.scratch->remove(name);
  Sum sum;
  for (int i = 0; i < s.processes; i++) {
    if (out[i].role == Role::holder) continue;
    sum.calls += out[i].calls;
    sum.failures += out[i].failures;
    sum.longest = std::max(sum.longest, out[i].longest);
    if (out[i].role == Role::application) sum.applications += out[i].calls;
    sum.fewest = std::min(sum.fewest, out[i].calls);
    sum.most = std::max(sum.most, out[i].calls);
  }
  return sum;
}

const char* name_of(Mix mix) {
  switch (mix) {
    case Mix::applications: return ", half applications";
    case Mix::fair_applications: return ", half applications with wf_busy_timeout";
    case Mix::holder: return ", one holds the lock for 1 s";
    default: return "";
  }
}

std::string name_of(const Setting& s) {
  char text[200];
  snprintf(text, sizeof text, "%d processes, %s, %s%s", s.processes, s.journal, s.synchronous, name_of(s.mix));
  return text;
}

double per_second(int64_t calls, int64_t length) { return double(calls) * double(kSecond) / double(length); }

// A line of the whole table.
void report_row(Run& run, const Setting& s, const Sum& ours, const Sum& own, int64_t length) {
  Result longest;
  longest.what = name_of(s) + ": longest call";
  longest.ours = double(ours.longest) / 1000;
  longest.reference = double(own.longest) / 1000;
  longest.value = longest.ours / longest.reference;
  longest.failed = ours.failures > 0 && s.mix != Mix::applications;
  char text[200];
  snprintf(text, sizeof text, "failed %" PRId64 " (%" PRId64 "), fewest/most %.2f (%.2f), calls/s %.0f (%.0f)", ours.failures, own.failures, ours.share(), own.share(),
           per_second(ours.calls, length), per_second(own.calls, length));
  longest.note = text;
  if (s.mix == Mix::applications || s.mix == Mix::fair_applications) {
    snprintf(text, sizeof text, ", of applications %.0f (%.0f)", per_second(ours.applications, length), per_second(own.applications, length));
    longest.note += text;
  }
  run.report->add(longest);
}

// The contract's: the longest call against raw commits with SQLite's handler, the shares, the calls against the engine with SQLite's own waiting. The two
// that ours is compared with take half the time: a longest call can but grow.
void measure_bars(Run& run, int processes, const char* synchronous, int64_t length, Outcome* out) {
  Setting s{processes, "WAL", synchronous, Mix::alone, false};
  const Sum own = measure(run, s, length / 2, out);
  s.fair = true;
  const Sum ours = measure(run, s, length, out);
  s.mix = Mix::raw;
  const Sum raw = measure(run, s, length / 2, out);
  Result longest;
  longest.what = name_of(s) + ": longest call";
  longest.ours = double(ours.longest) / 1000;
  longest.reference = double(raw.longest) / 1000;
  longest.value = longest.ours / longest.reference;
  longest.bar = 0.2, longest.goal = 0.1;
  longest.failed = ours.failures > 0;
  char text[200];
  snprintf(text, sizeof text, "%.1f s; failed: %" PRId64 ", raw commits %" PRId64 ", with SQLite's own waiting %" PRId64, double(length) / double(kSecond), ours.failures, raw.failures,
           own.failures);
  longest.note = text;
  run.report->add(longest);

  Result share;
  share.what = "  most calls of a process / fewest";
  share.value = double(ours.most) / double(std::max<int64_t>(ours.fewest, 1));
  share.bar = 1 / 0.4, share.goal = 1 / 0.6;
  snprintf(text, sizeof text, "fewest/most %.2f, raw commits %.2f, with SQLite's own waiting %.2f", ours.share(), raw.share(), own.share());
  share.note = text;
  run.report->add(share);

  const bool handed_over = processes == 32 && strcmp(synchronous, "NORMAL") == 0;
  const double calls_ours = per_second(ours.calls, length), calls_own = per_second(own.calls, length / 2);
  Result calls;
  calls.what = "  calls with SQLite's own waiting / calls";
  calls.value = calls_own / std::max(calls_ours, 1.0);
  calls.bar = handed_over ? 1 / 0.5 : 1 / 0.7;
  calls.goal = handed_over ? 1 / 0.8 : 1;
  snprintf(text, sizeof text, "calls/s %.0f, with SQLite's own waiting %.0f", calls_ours, calls_own);
  calls.note = text;
  run.report->add(calls);
}

// One application with SQLite's own handler beside 15 that wait fairly, against the slowest of 16 such applications. Five seconds, as long as its timeout.
void measure_one_beside(Run& run, const char* synchronous, int64_t length, Outcome* out) {
  Setting s{16, "WAL", synchronous, Mix::all_applications, true};
  const Sum stock = measure(run, s, length, out);
  s.mix = Mix::one_application;
  measure(run, s, length, out);
  const Outcome one = out[0];
  Result r;
  r.what = std::string("slowest of 16 with SQLite's handler / one beside 15 fair ones, WAL, ") + synchronous;
  r.value = double(stock.fewest) / double(std::max<int64_t>(one.calls, 1));
  r.bar = 1;
  r.failed = one.failures > 0 || one.calls == 0;
  char text[200];
  snprintf(text, sizeof text, "transactions %" PRId64 " (%" PRId64 "), failed %" PRId64 " (%" PRId64 "), longest %.0f ms (%.0f)", one.calls, stock.fewest, one.failures, stock.failures,
           double(one.longest) / 1e6, double(stock.longest) / 1e6);
  r.note = text;
  run.report->add(r);
}

Outcome* share() {
  void* shared = mmap(nullptr, sizeof(Outcome) * kMost, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) die("no shared memory");
  return static_cast<Outcome*>(shared);
}

}  // namespace

void measure_fairness(Run& run) {
  Outcome* out = share();
  const int64_t length = run.quick ? kSecond / 2 : run.is_long ? 30 * kSecond : 4 * kSecond;
  for (const char* synchronous : {"NORMAL", "FULL"}) {
    for (const int processes : {8, 32}) {
      if (!run.quick || processes == 8) measure_bars(run, processes, synchronous, length, out);
    }
    measure_one_beside(run, synchronous, run.quick ? kSecond : 5 * kSecond, out);
  }
  munmap(out, sizeof(Outcome) * kMost);
}

void measure_crowds(Run& run) {
  Outcome* out = share();
  const int64_t length = run.quick ? kSecond / 2 : 2 * kSecond;
  for (const char* journal : {"WAL", "DELETE"}) {
    for (const char* synchronous : {"NORMAL", "FULL"}) {
      for (const int processes : {2, 8, 32, 64}) {
        if (run.quick && processes > 8) continue;
        for (const Mix mix : {Mix::alone, Mix::applications, Mix::fair_applications, Mix::holder}) {
          Setting s{processes, journal, synchronous, mix, true};
          const Sum ours = measure(run, s, length, out);
          s.fair = false;
          const Sum own = measure(run, s, length, out);
          report_row(run, s, ours, own, length);
        }
      }
    }
  }
  munmap(out, sizeof(Outcome) * kMost);
}

}  // namespace bench

// wf_run against the same statements run by hand: each in a transaction of its own, and all inside one transaction. And what an item of a fan-out
// costs, with few items and with many.
//
// A statement changes one row of a table with `id TEXT PRIMARY KEY`, which is the reference of the contract. For information, one more line with the
// cheapest write there is: of a row by its rowid.
#include <string>
#include <vector>

#include "bench.h"

namespace bench {

namespace {

// So many in a round that each side writes its share of checkpoints in it: one for about 1,000 pages in the log.
constexpr int kSteps = 20, kWorkflows = 60, kRows = 100;

// The key of a row as an SQL literal.
std::string key(const char* type, int i) {
  return type[0] == 'T' ? "'row-" + std::to_string(i) + "'" : std::to_string(i);
}

std::string definition(const char* type) {
  std::string steps;
  for (int i = 0; i < kSteps; i++) {
    if (i != 0) steps += ',';
    steps += R"({"name":"s)" + std::to_string(i) + R"(","sql":"UPDATE tally SET n = n + 1 WHERE id = )" + key(type, i) + R"("})";
  }
  return "{\"steps\":[" + steps + "]}";
}

// As many steps by wf_run as statements by hand, in one call or loop; both timed without their preparation.
class Scripts {
 public:
  Scripts(Db& db, const std::string& module, const char* type)
      : run_(prepare(db, module, type)), start_(db.prepare("SELECT wf_start('flow')")), db_(db) {
    for (int i = 0; i < kSteps; i++) updates_.push_back(db.prepare("UPDATE tally SET n = n + 1 WHERE id = " + key(type, i)));
  }

  int64_t ours(bool transaction) {
    for (int i = 0; i < kWorkflows; i++) {
      start_.reset();
      start_.step();
    }
    return timed([&] {
      if (transaction) db_.exec("BEGIN IMMEDIATE");
      run_.reset();
      if (!run_.step() || run_.text(0) != std::to_string(kSteps * kWorkflows)) die("wf_run did not execute all steps");
      run_.reset();
      if (transaction) db_.exec("COMMIT");
    });
  }

  int64_t by_hand(bool transaction) {
    return timed([&] {
      if (transaction) db_.exec("BEGIN IMMEDIATE");
      for (int i = 0; i < kSteps * kWorkflows; i++) {
        Stmt& update = updates_[size_t(i % kSteps)];
        update.step();
        update.reset();
      }
      if (transaction) db_.exec("COMMIT");
    });
  }

 private:
  static Stmt prepare(Db& db, const std::string& module, const char* type) {
    db.load(module);
    db.exec(std::string("CREATE TABLE tally(id ") + type + " PRIMARY KEY, n INTEGER)");
    for (int i = 0; i < kRows; i++) db.exec("INSERT INTO tally VALUES(" + key(type, i) + ", 0)");
    Stmt define = db.prepare("SELECT wf_define('flow', ?)");
    const std::string flow = definition(type);
    define.bind(1, flow);
    define.step();
    return db.prepare("SELECT wf_run()");
  }

  Stmt run_, start_;
  std::vector<Stmt> updates_;
  Db& db_;
};

void compare(Run& run, const char* what, const char* synchronous, bool transaction, double bar, const char* type = "TEXT") {
  Db db(run.scratch->path(std::string("script-") + synchronous + (transaction ? "-t" : "") + type), synchronous);
  Scripts scripts(db, run.module, type);
  Pair pair;
  pair.interleave(run.rounds(transaction ? 30 : 15), [&](int) { return scripts.ours(transaction); }, [&](int) { return scripts.by_hand(transaction); });
  run.report->add(pair.result(what, bar, 0, kSteps * kWorkflows));
}

// Nanoseconds for the fan-out, by the item.
int64_t fan_out(Run& run, const std::string& name, int items) {
  Db db(run.scratch->path(name), "NORMAL");
  db.load(run.module);
  db.exec("CREATE TABLE done(x)");
  db.exec(
      R"sql(SELECT wf_define('fan', '{"steps":[{"name":"each", "sql":"INSERT INTO done VALUES(:item)", "for_each":
              "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < :input) SELECT i FROM c"}]}'))sql");
  db.exec("SELECT wf_start('fan', " + std::to_string(items) + ")");
  db.exec("BEGIN IMMEDIATE");
  const int64_t time = timed([&] { db.exec("SELECT wf_run()"); });
  db.exec("COMMIT");
  return time / items;
}

}  // namespace

void measure_script(Run& run) {
  compare(run, "wf_run / one-statement transactions, synchronous=NORMAL", "NORMAL", false, 4);
  compare(run, "wf_run / one-statement transactions, synchronous=FULL", "FULL", false, 2);
  compare(run, "wf_run inside one transaction / plain statements", "NORMAL", true, 8);
  compare(run, "  the same with the cheapest statement", "NORMAL", true, 0, "INTEGER");
  Pair pair;
  const int many = run.quick ? 2000 : 10000;
  pair.interleave(run.rounds(9), [&](int i) { return fan_out(run, "many-" + std::to_string(i), many); }, [&](int i) { return fan_out(run, "few-" + std::to_string(i), 1000); });
  run.report->add(pair.result("an item of a fan-out of 10,000 / of 1,000", 1.5, 0));
}

}  // namespace bench

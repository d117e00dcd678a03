// The virtual tables against the same SQL on the base tables, with 1,000,000 workflows and as many steps.
//
// The reference joins what the question needs and nothing more. It is prepared, as ours is, and both must return the
// same number of rows.
#include <string>

#include "bench.h"
#include "fixture.h"

namespace bench {

namespace {

struct Query {
  const char* what;
  const char* table;  // SQL on the virtual tables
  const char* base;   // SQL on the base tables
  int rounds;
};

// {MID} is the id of a workflow in the middle, {UPTO} of the one 1,000 starts later, {FEW} a list of 20 ids.
constexpr Query kQueries[] = {
    {"point by id",
     "SELECT id, status, attempt, created_at FROM wf_workflows WHERE id = {MID}",
     "SELECT id, status, attempt, created_at FROM _wf_workflow WHERE id = {MID}", 2000},
    {"point by id, name and values",
     "SELECT id, name, queue, status, input, output FROM wf_workflows WHERE id = {MID}",
     "SELECT id, name, queue, status, input, output FROM _wf_workflow JOIN _wf_lane USING(lane) WHERE id = {MID}",
     2000},
    {"ORDER BY id DESC LIMIT 10",
     "SELECT id, status, attempt, created_at FROM wf_workflows ORDER BY id DESC LIMIT 10",
     "SELECT id, status, attempt, created_at FROM _wf_workflow ORDER BY id DESC LIMIT 10", 1000},
    {"range of 1,000 ids",
     "SELECT id, status, attempt, created_at FROM wf_workflows WHERE id >= {MID} AND id < {UPTO}",
     "SELECT id, status, attempt, created_at FROM _wf_workflow WHERE id >= {MID} AND id < {UPTO}", 200},
    {"20 ids with IN, ORDER BY id LIMIT 10",
     "SELECT id, status, attempt FROM wf_workflows WHERE id IN ({FEW}) ORDER BY id LIMIT 10",
     "SELECT id, status, attempt FROM _wf_workflow WHERE id IN ({FEW}) ORDER BY id LIMIT 10", 1000},
    {"status = 'failed' (1,000 rows)",
     "SELECT id, status, attempt FROM wf_workflows WHERE status = 'failed'",
     "SELECT id, status, attempt FROM _wf_workflow WHERE status = 'failed'", 9},
    {"status = 'completed' LIMIT 10",
     "SELECT id, status, attempt FROM wf_workflows WHERE status = 'completed' LIMIT 10",
     "SELECT id, status, attempt FROM _wf_workflow WHERE status = 'completed' LIMIT 10", 1000},
    {"status IN (2), ORDER BY id LIMIT 10",
     "SELECT id, status FROM wf_workflows WHERE status IN ('failed', 'completed') ORDER BY id LIMIT 10",
     "SELECT id, status FROM _wf_workflow WHERE status IN ('failed', 'completed') ORDER BY id LIMIT 10", 1000},
    {"queue = 'rare' and pending (300 rows)",
     "SELECT id, name FROM wf_workflows WHERE queue = 'rare' AND status = 'pending'",
     "SELECT id, name FROM _wf_workflow JOIN _wf_lane USING(lane) WHERE queue = 'rare' AND status = 'pending'", 9},
    {"name = 'rare' (300 rows)",
     "SELECT id, name FROM wf_workflows WHERE name = 'rare'",
     "SELECT id, name FROM _wf_workflow JOIN _wf_lane USING(lane) WHERE name = 'rare'", 9},
    {"created_at range (1,000 rows)",
     "SELECT id, status FROM wf_workflows WHERE created_at >= {TEXT} AND created_at < {TEXT2}",
     "SELECT id, status FROM _wf_workflow WHERE created_at >= {MS} AND created_at < {MS2}", 9},
    {"ORDER BY created_at DESC LIMIT 10",
     "SELECT id, status FROM wf_workflows ORDER BY created_at DESC LIMIT 10",
     "SELECT id, status FROM _wf_workflow ORDER BY created_at DESC LIMIT 10", 5},
    {"steps of one workflow",
     "SELECT name, status, output FROM wf_steps WHERE workflow_id = {MID}",
     "SELECT s.name, s.status, s.output FROM _wf_step s JOIN _wf_workflow w ON s.n BETWEEN w.seq << 28 AND w.seq << 28 | 268435455 WHERE w.id = {MID} "
     "ORDER BY s.n", 2000},
    {"one step of one workflow",
     "SELECT output FROM wf_steps WHERE workflow_id = {MID} AND name = 'charge'",
     "SELECT s.output FROM _wf_step s JOIN _wf_workflow w ON s.n BETWEEN w.seq << 28 AND w.seq << 28 | 268435455 WHERE w.id = {MID} AND s.name = 'charge'",
     2000},
    {"wf_pending by id",
     "SELECT id, status, due_at FROM wf_pending WHERE id = {LIVE}",
     "SELECT id, status, due_at FROM _wf_workflow WHERE id = {LIVE} AND place IS NOT NULL", 2000},
    {"wf_pending LIMIT 10",
     "SELECT id, status, due_at FROM wf_pending LIMIT 10",
     "SELECT id, status, due_at FROM _wf_workflow WHERE place IS NOT NULL LIMIT 10", 1000},
    {"failures of one workflow",
     "SELECT attempt, error FROM wf_failures WHERE workflow_id = 'failed'",
     "SELECT f.attempt, f.error FROM _wf_failure f JOIN _wf_workflow w ON w.seq = f.wf WHERE w.id = 'failed'", 2000},
};

void fill(Fixture& f, int64_t n) {
  for (const char* options : {R"({"id":"done"})", R"({"id":"failed"})", R"({"id":"live"})",
                              R"({"id":"queued","queue":"rare"})"}) {
    f.engine(std::string("SELECT wf_start('work', '{\"n\":1}', '") + options + "')");
  }
  f.engine("SELECT wf_start('rare', '{\"n\":1}', '{\"id\":\"named\"}')");
  for (const char* step : {"reserve", "charge", "ship"}) {
    f.engine(std::string("SELECT wf_step('done', '") + step + "', '{\"ref\":\"r9\"}')");
  }
  f.engine("SELECT wf_complete('done', '{\"ok\":true}'), wf_complete('named', '{\"ok\":true}')");
  f.engine("SELECT wf_fail('failed', 'no luck', '{\"retry\":false}')");

  // Started one per millisecond, mostly done.
  auto later = [](const char* first) -> Changes {
    std::string at = std::string("t.created_at + i + ") + first;
    return {{"created_at", at}, {"updated_at", at}};
  };
  int64_t live = n / 10, few = n < 100'000 ? n / 100 : 1'000, rare = n < 100'000 ? n / 100 : 300;
  int64_t done = n - live - few - 2 * rare;
  std::string half = std::to_string(done / 2);
  int64_t first = f.copy("done", done / 2, later("0"));
  f.copy("failed", few, later(half.c_str()));
  int64_t second = f.copy("done", done - done / 2, later(std::to_string(done / 2 + few).c_str()));
  f.copy("queued", rare, later("2000000"));
  f.copy("named", rare, later("2000000"));
  f.copy("live", live, {{"due_at", "t.due_at + i"}, {"created_at", "t.created_at + i + 3000000"}, {"updated_at", "t.created_at + i + 3000000"}});
  f.copy_steps("done", first, n / 6);
  f.copy_steps("done", second, n / 6);
  f.engine("ANALYZE");
}

void replace_all(std::string* sql, const std::string& key, const std::string& value) {
  for (size_t at; (at = sql->find(key)) != std::string::npos;) sql->replace(at, key.size(), value);
}

// The values that the queries speak of, as SQL literals.
class Values {
 public:
  explicit Values(Db& db, int64_t n) {
    std::string mid = std::to_string(n / 10), upto = std::to_string(n / 10 + 1000);
    mid_ = quote(db, "id", "seq = " + mid);
    upto_ = quote(db, "id", "seq = " + upto);
    live_ = quote(db, "id", "seq = (SELECT max(seq) - 100 FROM _wf_workflow)");
    few_ = quote(db, "group_concat('''' || id || '''')", "seq % " + std::to_string(n / 20) + " = 7");
    few_ = few_.substr(1, few_.size() - 2);  // of the list, not of one text
    replace_all(&few_, "''", "'");
    ms_ = quote(db, "created_at", "seq = " + mid);
    ms2_ = quote(db, "created_at", "seq = " + upto);
  }

  std::string in(std::string sql) const {
    const char* text = "strftime('%Y-%m-%d %H:%M:%f', ";
    replace_all(&sql, "{MID}", mid_);
    replace_all(&sql, "{UPTO}", upto_);
    replace_all(&sql, "{LIVE}", live_);
    replace_all(&sql, "{FEW}", few_);
    replace_all(&sql, "{TEXT}", text + ms_ + " / 1000.0, 'unixepoch')");
    replace_all(&sql, "{TEXT2}", text + ms2_ + " / 1000.0, 'unixepoch')");
    replace_all(&sql, "{MS}", ms_);
    replace_all(&sql, "{MS2}", ms2_);
    return sql;
  }

 private:
  static std::string quote(Db& db, const std::string& what, const std::string& where) {
    return db.text("SELECT quote(" + what + ") FROM _wf_workflow WHERE " + where);
  }

  std::string mid_, upto_, live_, few_, ms_, ms2_;
};

}  // namespace

void measure_tables(Run& run) {
  {
    Fixture fixture(run, "tables");
    fill(fixture, run.large());
  }
  Db db(run.scratch->path("tables"));
  db.load(run.module);
  Values values(db, run.large());
  for (const Query& q : kQueries) {
    Stmt table = db.prepare(values.in(q.table)), base = db.prepare(values.in(q.base));
    int64_t rows = base.drain();
    if (table.drain() != rows || rows == 0) die(std::string("not the same rows: ") + q.table);
    Pair pair;
    pair.interleave(
        run.rounds(q.rounds), [&](int) { return timed([&] { table.drain(); }); },
        [&](int) { return timed([&] { base.drain(); }); });
    Result r = pair.result(std::string("table: ") + q.what, 3, 1.5);
    r.note = std::to_string(rows) + (rows == 1 ? " row" : " rows");
    run.report->add(r);
  }
  run.scratch->remove("tables");
}

}  // namespace bench

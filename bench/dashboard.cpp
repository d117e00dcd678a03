// The questions of a dashboard (docs/dashboards.md) with 1,000,000 workflows of all kinds, in milliseconds: in 10 lanes, and in 10,000 partitions.
#include <string>
#include <utility>
#include <vector>

#include "bench.h"
#include "fixture.h"

namespace bench {

namespace {

struct Question {
  const char* what;
  const char* sql;
};

// {MID} and {UPTO}: times a minute apart, {SEQ}: the number at the first, {START}: the start of an id, {LAST}: of the last hour.
constexpr Question kQuestions[] = {
    {"newest 50", "SELECT id, name, queue, status, created_at FROM wf_workflows ORDER BY seq DESC LIMIT 50"},
    {"newest 50 by created_at", "SELECT id, name, queue, status, created_at FROM wf_workflows ORDER BY created_at DESC LIMIT 50"},
    {"next page", "SELECT id, name, queue, status, created_at FROM wf_workflows WHERE seq < {SEQ} ORDER BY seq DESC LIMIT 50"},
    {"next page by created_at", "SELECT id, name, queue, status, created_at FROM wf_workflows WHERE created_at < {MID} ORDER BY created_at DESC LIMIT 50"},
    {"in a span of time", "SELECT id, status, created_at FROM wf_workflows WHERE created_at >= {MID} AND created_at < {UPTO} ORDER BY created_at LIMIT 50"},
    {"newest 50 failed", "SELECT id, name, error, created_at FROM wf_workflows WHERE status = 'failed' ORDER BY created_at DESC LIMIT 50"},
    {"newest 50 paused", "SELECT id, name, created_at FROM wf_workflows WHERE status = 'paused' ORDER BY seq DESC LIMIT 50"},
    {"newest 50 completed", "SELECT id, name, created_at FROM wf_workflows WHERE status = 'completed' ORDER BY seq DESC LIMIT 50"},
    {"newest 50 waiting", "SELECT id, name, created_at FROM wf_workflows WHERE status = 'waiting' ORDER BY seq DESC LIMIT 50"},
    {"newest 50 pending", "SELECT id, name, created_at FROM wf_workflows WHERE status = 'pending' ORDER BY seq DESC LIMIT 50"},
    {"running, by worker", "SELECT worker, count(*) FROM wf_workflows WHERE status = 'running' GROUP BY worker"},
    {"newest 50 of a worker", "SELECT id, status FROM wf_workflows WHERE worker = 'worker-7' ORDER BY seq DESC LIMIT 50"},
    {"newest 50 of a queue", "SELECT id, status FROM wf_workflows WHERE queue = 'mail' ORDER BY created_at DESC LIMIT 50"},
    {"newest 50 of a rare queue", "SELECT id, status FROM wf_workflows WHERE queue = 'rare' ORDER BY created_at DESC LIMIT 50"},
    {"newest 50 of a name", "SELECT id, status FROM wf_workflows WHERE name = 'charge' ORDER BY created_at DESC LIMIT 50"},
    {"start of an id, LIKE", "SELECT id, status FROM wf_workflows WHERE id LIKE {START} || '%' LIMIT 50"},
    {"start of an id, GLOB", "SELECT id, status FROM wf_workflows WHERE id GLOB {START} || '*' LIMIT 50"},
    {"children of one", "SELECT id, status FROM wf_workflows WHERE parent_id = 'mail-send'"},
    {"wf_pending, newest 50", "SELECT id, reason, due_at FROM wf_pending ORDER BY seq DESC LIMIT 50"},
    {"newest 50 failures", "SELECT workflow_id, error, at FROM wf_failures ORDER BY at DESC LIMIT 50"},
    {"counts by status", "SELECT status, sum(count) FROM wf_stats GROUP BY status"},
    {"counts by name", "SELECT name, sum(count) FROM wf_stats GROUP BY name"},
    {"counts by queue", "SELECT queue, sum(count) FROM wf_stats GROUP BY queue"},
    {"wf_stats with durations", "SELECT * FROM wf_stats"},
    {"wf_queues", "SELECT * FROM wf_queues"},
    {"finished per minute", "SELECT substr(completed_at, 1, 16), count(*) FROM (SELECT completed_at FROM wf_workflows ORDER BY seq DESC LIMIT 10000) "
                            "WHERE completed_at >= {LAST} GROUP BY 1"},
    {"wf_in_doubt", "SELECT * FROM wf_in_doubt"},
    {"wf_pending()", "SELECT wf_pending()"},
    {"wf_ready()", "SELECT wf_ready()"},
    {"wf_purge that finds nothing", R"(SELECT wf_purge('{"older_than":"3650d"}'))"},
};

std::string numbers(int64_t count) {
  return "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT " + std::to_string(count) + ") SELECT i FROM n)";
}

// INSERT of rows like `t`, with changes.
std::string rows_like(Db& db, const std::string& table, const Changes& changes, const std::string& from) {
  std::string names, values;
  Stmt info = db.prepare("SELECT name FROM pragma_table_info('" + table + "')");
  while (info.step()) {
    std::string name = info.text(0), value = "t." + name;
    for (auto& [column, sql] : changes) {
      if (column == name) value = sql;
    }
    names += (names.empty() ? "" : ", ") + name;
    values += (values.empty() ? "" : ", ") + value;
  }
  return "INSERT INTO " + table + "(" + names + ") SELECT " + values + " FROM " + from;
}

// Of every 200: 195 completed, 2 failed, 1 cancelled, 1 paused ... and the newest 8 % pending, some of them running.
std::string status_of(int64_t n) {
  return "CASE WHEN i > " + std::to_string(n * 92 / 100) +
         " THEN CASE WHEN i % 2000 = 7 THEN 'running' ELSE 'pending' END "
         "WHEN i % 200 < 2 THEN 'failed' WHEN i % 200 = 2 THEN 'cancelled' WHEN i % 200 = 3 THEN 'paused' WHEN i % 200 < 8 THEN 'waiting' ELSE 'completed' END";
}

void fill(Fixture& f, int64_t n, int64_t partitions) {
  Db& db = f.db();
  const char* option = partitions != 0 ? R"(,"partition":"x")" : "";
  for (const char* queue : {"mail", "orders", "reports", "rare"}) {
    for (const char* name : {"send", "charge", "build"}) {
      if (queue == std::string("rare") && name != std::string("send")) continue;
      f.engine(std::string("SELECT wf_start('") + name + R"(', '{"n":1}', '{"id":")" + queue + "-" + name + R"(","queue":")" + queue + "\"" + option + "}')");
    }
  }
  db.exec("BEGIN");
  if (partitions != 0) {
    db.exec(rows_like(db, "_wf_lane", {{"lane", "65536 * (1 + (i - 1) % 9) + (i - 1) / 9"}, {"partition", "'c' || i"}}, numbers(partitions - 10) + ", _wf_lane AS t WHERE t.lane = max(1, (i - 1) % 9 * 256)"));
  }
  // The lanes of the rows above are 1, 256, 512 and so on: each begins a block.
  const std::string nth = "i * 7 % " + std::to_string(partitions - 10);
  const std::string lane = partitions != 0 ? "65536 * (1 + " + nth + " % 9) + (" + nth + ") / 9" : "max(1, i * 7 % 9 * 256)";
  const std::string ended = "s IN ('completed', 'failed', 'cancelled')", begun = "s NOT IN ('pending', 'paused')";
  const Changes changes = {
      {"seq", "10 + i"}, {"id", "printf('%08x-%04x-7000-8000-%012x', (10 + i) >> 16, (10 + i) & 65535, i)"}, {"lane", "CASE WHEN i % 3500 = 9 THEN 9 * 256 ELSE " + lane + " END"},
      {"status", "s"}, {"place", "CASE s WHEN 'pending' THEN 0 WHEN 'running' THEN 1 WHEN 'waiting' THEN 3 WHEN 'paused' THEN 2 END"},
      {"due_at", "CASE WHEN " + ended + " THEN NULL WHEN s IN ('running', 'waiting') THEN t.due_at + 90000000000 ELSE t.due_at + i - " + std::to_string(n) + " END"},
      {"paused_from", "CASE s WHEN 'paused' THEN 'pending' END"}, {"wake", "CASE s WHEN 'waiting' THEN 2 ELSE 0 END"}, {"again", "s NOT IN ('waiting', 'running')"},
      {"nonce", "CASE s WHEN 'running' THEN 65537 END"}, {"attempt", begun}, {"lease", "CASE s WHEN 'running' THEN 300000 END"},
      {"worker", "CASE WHEN " + begun + " THEN 'worker-' || (i % 16) END"}, {"started_at", "CASE WHEN " + begun + " THEN t.created_at + i * 3 + 5 END"},
      {"finished_at", "CASE WHEN " + ended + " THEN t.created_at + i * 3 + 50 + i % 1000 END"}, {"nth", "CASE WHEN " + ended + " THEN i END"},
      {"error", "CASE s WHEN 'failed' THEN '{\"message\":\"no\"}' END"}, {"created_at", "t.created_at + i * 3"}, {"updated_at", "t.created_at + i * 3"},
      {"parent", "CASE WHEN i % 20000 = 77 THEN 1 END"}, {"parent_step", "CASE WHEN i % 20000 = 77 THEN 'c' END"}, {"parent_redo", "CASE WHEN i % 20000 = 77 THEN 0 END"}};
  db.exec(rows_like(db, "_wf_workflow", changes, "(SELECT i, " + status_of(n) + " AS s FROM " + numbers(n) + "), _wf_workflow AS t WHERE t.seq = 1"));
  db.exec("UPDATE _wf_lane SET gone = coalesce((SELECT max(nth) FROM _wf_workflow AS w WHERE w.lane = _wf_lane.lane AND place IS NULL), 0)"
          " - (SELECT count(*) FROM _wf_workflow AS w WHERE w.lane = _wf_lane.lane AND place IS NULL)");
  db.exec("UPDATE _wf_lane SET count_to = coalesce((SELECT max(nth) FROM _wf_workflow AS w WHERE w.lane = _wf_lane.lane AND place IS NULL), 0)");
  for (const std::string status : {"failed", "cancelled", "paused"}) {
    db.exec("UPDATE _wf_lane SET count_" + status + " = coalesce((SELECT n FROM (SELECT lane AS l, count(*) AS n FROM _wf_workflow WHERE status = '" + status + "' GROUP BY lane LIMIT -1) WHERE l = lane), 0)");
  }
  // What is in line is due an hour after it was started.
  db.exec("UPDATE _wf_lane SET line = 2, turn = NULL, next_due = (SELECT min(due_at) FROM _wf_workflow AS w WHERE w.lane = _wf_lane.lane AND place IN (0, 1, 3)) WHERE line > 0");
  // One that has failed and is gone, for the table: it is made with its first row.
  for (const char* call : {"wf_start('once', NULL, '{\"id\":\"once\",\"queue\":\"once\"}')", "wf_fail('once', 'no', '{\"retry\":false}')", "wf_delete('once')"}) db.exec(std::string("SELECT ") + call);
  db.exec("INSERT INTO _wf_failure(n, wf, attempt, error, at) SELECT seq << 28 | 1, seq, 1, error, finished_at FROM _wf_workflow WHERE status = 'failed'");
  db.exec("INSERT INTO _wf_step(n, wf, name, kind, status, attempts, begun_at, at, due_at) "
          "SELECT seq << 28 | 1, seq, 'nap', 'sleep', 'waiting', 0, created_at, created_at, due_at FROM _wf_workflow WHERE status = 'waiting'");
  db.exec("COMMIT");
}

void replace_all(std::string* sql, const std::string& key, const std::string& value) {
  for (size_t at; (at = sql->find(key)) != std::string::npos;) sql->replace(at, key.size(), value);
}

std::string with_values(Db& db, std::string sql, int64_t n) {
  auto text = [&](const char* what, int64_t ms) {
    return db.text(std::string("SELECT quote(strftime('%Y-%m-%d %H:%M:%f', (max(") + what + ") - " + std::to_string(ms) + ") / 1000.0, 'unixepoch')) FROM _wf_workflow");
  };
  replace_all(&sql, "{MID}", text("created_at", n));
  replace_all(&sql, "{UPTO}", text("created_at", n * 9 / 10));
  replace_all(&sql, "{LAST}", text("finished_at", 3'600'000));
  replace_all(&sql, "{SEQ}", std::to_string(n / 2));
  replace_all(&sql, "{START}", db.text("SELECT quote(substr(id, 1, 9)) FROM _wf_workflow WHERE seq = " + std::to_string(n / 2)));
  return sql;
}

}  // namespace

void measure_dashboard(Run& run) {
  for (const int64_t partitions : {int64_t{0}, run.large() / 100}) {
    {
      Fixture fixture(run, "dashboard");
      fill(fixture, run.large(), partitions);
    }
    Db db(run.scratch->path("dashboard"));
    db.load(run.module);
    for (const Question& q : kQuestions) {
      Stmt statement = db.prepare(with_values(db, q.sql, run.large()));
      const int64_t rows = statement.drain();
      std::vector<int64_t> samples;
      for (int i = 0; i < run.rounds(15); i++) samples.push_back(timed([&] { statement.drain(); }));
      Result r;
      r.what = std::string("dashboard: ") + q.what + (partitions != 0 ? ", " + std::to_string(partitions) + " lanes" : "");
      r.ours = median(samples) / 1000;
      r.value = r.ours / 1000;
      r.unit = "ms";
      r.bar = 10;
      r.goal = 2;
      r.note = std::to_string(rows) + (rows == 1 ? " row" : " rows");
      run.report->add(r);
    }
    run.scratch->remove("dashboard");
  }
}

}  // namespace bench

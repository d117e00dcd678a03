#include "fixture.h"

#include <set>

namespace bench {

namespace {

// The columns of a table, each as a value of the row `t` or as the change that stands for it.
std::pair<std::string, std::string> columns(Db& db, const std::string& table, const Changes& changes) {
  std::string names, values;
  size_t used = 0;
  Stmt info = db.prepare("SELECT name FROM pragma_table_info('" + table + "')");
  while (info.step()) {
    std::string name = info.text(0), value = "t." + name;
    for (auto& [column, sql] : changes) {
      if (column == name) value = sql, used++;
    }
    names += (names.empty() ? "" : ", ") + name;
    values += (values.empty() ? "" : ", ") + value;
  }
  if (used != changes.size()) die("a column of the fixture is not in " + table);
  return {names, values};
}

std::string numbers(int64_t count) {
  return "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT " + std::to_string(count) +
         ") SELECT i FROM n)";
}

std::string earliest(const char* place) {
  return std::string("SELECT min(due_at) AS due FROM _wf_workflow w WHERE w.lane = _wf_lane.lane AND place = ") + place;
}

std::string quoted(const std::string& text) { return "'" + text + "'"; }

}  // namespace

Fixture::Fixture(const Run& run, const std::string& file)
    : db_((run.scratch->remove(file), run.scratch->path(file)), "OFF") {
  db_.load(run.module);
  db_.exec("PRAGMA cache_size = -200000");
  db_.exec("SELECT wf_init()");
}

int64_t Fixture::copy(const std::string& id, int64_t count, const Changes& changes, const std::string& lanes) {
  int64_t last = db_.integer("SELECT max(seq) FROM _wf_workflow");
  std::string seq = "(" + std::to_string(last) + " + i)";
  Changes all = changes;
  all.emplace_back("seq", seq);
  all.emplace_back("nth", "t.nth + " + std::to_string(last) + " + i");
  all.emplace_back("id", "printf('%08x-%04x-7000-8000-%012x', " + seq + " >> 16, " + seq + " & 65535, i)");
  db_.exec("BEGIN");
  if (!lanes.empty()) {
    std::string lane = std::to_string(db_.integer("SELECT max(lane) | 255 FROM _wf_lane")), due = "t.next_due";
    for (auto& [column, sql] : changes) {
      if (column == "due_at") due = sql;
    }
    auto [names, values] =
        columns(db_, "_wf_lane", {{"lane", lane + " + i"}, {"partition", quoted(lanes) + " || i"}, {"turn", "t.turn + i"},
                                      {"next_due", "CASE line WHEN 2 THEN " + due + " ELSE t.next_due END"}});
    db_.exec("INSERT INTO _wf_lane(" + names + ") SELECT " + values + " FROM " + numbers(count) +
             ", (SELECT l.*, due_at FROM _wf_lane l JOIN _wf_workflow USING(lane) WHERE id = " + quoted(id) + ") t");
    all.emplace_back("lane", lane + " + i");
  }
  auto [names, values] = columns(db_, "_wf_workflow", all);
  db_.exec("INSERT INTO _wf_workflow(" + names + ") SELECT " + values + " FROM " + numbers(count) +
           ", (SELECT * FROM _wf_workflow WHERE id = " + quoted(id) + ") t");
  if (lanes.empty()) lower_lanes();
  if (lanes.empty() && db_.integer("SELECT place IS NULL FROM _wf_workflow WHERE id = " + quoted(id)) != 0) {
    db_.exec("UPDATE _wf_lane SET gone = coalesce((SELECT max(nth) FROM _wf_workflow w WHERE w.lane = _wf_lane.lane AND place IS NULL), 0)"
             " - (SELECT count(*) FROM _wf_workflow w WHERE w.lane = _wf_lane.lane AND place IS NULL)");
  }
  db_.exec("COMMIT");
  return last + 1;
}

// A copy may be due before its original, for which the lane was opened.
void Fixture::lower_lanes() {
  const std::string first = "(SELECT min(due) FROM (" + earliest("0") + " UNION ALL " + earliest("1") + "))";
  db_.exec("UPDATE _wf_lane SET next_due = " + first + " WHERE partition = '' AND " + first +
           " < coalesce(next_due, 9e18)");
}

void Fixture::copy_steps(const std::string& id, int64_t first, int64_t count) {
  auto [names, values] = columns(db_, "_wf_step", {{"n", "(" + std::to_string(first) + " + i - 1) << 28 | (t.n & 268435455)"}, {"wf", std::to_string(first) + " + i - 1"}});
  db_.exec("INSERT INTO _wf_step(" + names + ") SELECT " + values + " FROM " + numbers(count) +
           ", (SELECT s.* FROM _wf_step s JOIN _wf_workflow w ON w.seq = s.wf WHERE w.id = " + quoted(id) + ") t");
}

void check_copies(const Run& run) {
  Fixture fixture(run, "copies");
  for (const char* id : {"original", "second"}) {
    fixture.engine(std::string("SELECT wf_start('check', '{\"n\":1}', json_object('id', '") + id +
                   "', 'queue', 'q', 'priority', 3, 'timeout', '1h', 'headers', json_object('h', 1)))");
  }
  fixture.copy("original", 1, {});
  const std::set<std::string> differ = {"seq", "id", "due_at", "created_at", "updated_at", "deadline_at"};
  Stmt copy = fixture.db().prepare("SELECT * FROM _wf_workflow ORDER BY seq DESC LIMIT 1");
  Stmt real = fixture.db().prepare("SELECT * FROM _wf_workflow WHERE id = 'second'");
  Stmt info = fixture.db().prepare("SELECT name FROM pragma_table_info('_wf_workflow')");
  if (!copy.step() || !real.step()) die("the copies are missing");
  for (int i = 0; info.step(); i++) {
    if (!differ.contains(info.text(0)) && (copy.text(i) != real.text(i) || copy.is_null(i) != real.is_null(i))) {
      die("a copied workflow differs from a started one in " + info.text(0));
    }
  }
}

std::string shuffled(int64_t n) {
  // A multiplier without a common factor with 10^k or 20,000.
  return "(i * 7368787 % " + std::to_string(n) + ")";
}

}  // namespace bench

// What a connection that has used every function and table once holds, over one that has only used the raw reference.
//
// Cached pages are the file's, not the module's: both connections give theirs back before the count. What is left of
// the module are its registrations, its cached statements and its virtual tables.
#include <string>
#include <vector>

#include "bench.h"
#include "raw.h"

namespace bench {

namespace {

// One plausible call of each function; the order makes each succeed. {T} is the token of the last claim.
constexpr const char* kCalls[] = {
    "SELECT wf_init()",
    "SELECT wf_version()",
    "SELECT wf_config('lease')",
    "SELECT wf_clock()",
    "SELECT wf_queue('default', '{\"concurrency\":10,\"rate\":{\"limit\":100,\"per\":\"1s\"}}')",
    "SELECT wf_queue('default', '{\"concurrency\":null,\"rate\":null}')",
    "SELECT wf_start('memory', '{\"n\":1}', '{\"id\":\"a\",\"timeout\":\"1h\",\"partition\":\"p\",\"dedup\":\"d\"}')",
    "SELECT wf_start('memory', '{\"n\":1}')",
    "SELECT wf_start('memory', '{\"n\":1}', '{\"id\":\"c\"}')",
    "SELECT wf_pending(), wf_ready(NULL), wf_pending('default'), wf_ready('default')",
    "SELECT wf_step('a', 'one'), wf_step('a', 'one', '{}'), wf_key('a', 'one'), wf_status('a')",
    "SELECT wf_set('a', 'k', '1'), wf_get('a', 'k')",
    "SELECT wf_append('a', 's', '1')",
    "SELECT wf_emit('event', '1')",
    "SELECT wf_claim(NULL, 'w', '{\"key\":\"k\",\"steps\":true,\"id\":\"a\"}')",
    "SELECT wf_heartbeat('{T}', 60)",
    "SELECT wf_step('{T}', 'two', '{}'), wf_step('{T}', 'two')",
    "SELECT wf_begin('{T}', 'three'), wf_step('{T}', 'three', '{}')",
    "SELECT wf_signal('a', 'hello', '1'), wf_await('{T}', 'four', 'hello')",
    "SELECT wf_await_event('{T}', 'five', 'event')",
    "SELECT wf_spawn('{T}', 'six', 'child'), wf_complete('a/six')",
    "SELECT wf_join('{T}', 'seven')",
    "SELECT wf_sleep('{T}', 'eight', 0)",
    "SELECT wf_fail('{T}', 'again', '{\"delay\":0}')",
    "SELECT wf_claim(NULL, 'w', '{\"id\":\"a\"}')",
    "SELECT wf_release('{T}')",
    "SELECT wf_claim(NULL, 'w', '{\"id\":\"a\"}')",
    "SELECT wf_complete('{T}', '{}'), wf_result('a')",
    "SELECT wf_claim(NULL, 'w', '{\"names\":[\"memory\"],\"limit\":1}')",
    "SELECT wf_recover()",
    "SELECT wf_fail('c', 'no', '{\"retry\":false}'), wf_error('c')",
    "SELECT wf_retry('c'), wf_pause('c'), wf_resume('c'), wf_cancel('c'), wf_fork('a'), wf_delete('c')",
    "SELECT wf_import(json_set(wf_export('a'), '$.workflow.id', 'moved'))",
    "SELECT wf_schedule('s', '@daily', 'memory'), wf_trigger('s'), wf_unschedule('s')",
    "SELECT wf_append('begun2', 's', '1') FROM (SELECT wf_start('other', NULL, '{\"id\":\"begun2\"}'))",
    "SELECT wf_trim('begun2', 's', 1), wf_tag('begun2', 'k', 'v'), wf_reschedule('begun2')",
    "SELECT wf_rate('api', '{\"limit\":10,\"per\":\"1s\"}'), wf_acquire('begun2', 'nine', 'api')",
    "SELECT wf_wait_any('begun2', 'ten', '[{\"signal\":\"x\"},{\"event\":\"event\"}]')",
    "SELECT wf_continue('begun2', NULL, '{\"period\":1}'), wf_wake('bell'), wf_busy_timeout(0)",
    "SELECT wf_define('d', '{\"steps\":[{\"name\":\"s\",\"sql\":\"SELECT 1\"}]}'), wf_explain('d')",
    "SELECT wf_start('d', NULL, '{\"id\":\"e\"}'), wf_run(), wf_undefine('d')",
    "SELECT wf_start('job', NULL, '{\"id\":\"begun\"}'), wf_begin('begun', 'x'), wf_resolve('begun', 'x', 'done')",
    "SELECT wf_purge('{\"older_than\":\"1d\"}'), wf_check(), wf_tick(), wf_wait(0)",
    "SELECT wf_next_due(), wf_digest(), wf_digest('a')",
    "SELECT wf_sync()",  // (fails: nobody listens)
};

int64_t status_of(Db& db, int what) {
  int now = 0, high = 0;
  if (sqlite3_db_status(db.handle(), what, &now, &high, 0) != SQLITE_OK) die("no status");
  return now;
}

// A statement that uses a function that does not exist yet is left out; any other error counts as a use, but is told.
bool use(Db& db, const std::string& sql, std::string* token, std::string* note) {
  sqlite3_stmt* stmt = nullptr;
  if (sqlite3_prepare_v2(db.handle(), sql.c_str(), -1, &stmt, nullptr) != SQLITE_OK) return false;
  int rc = sqlite3_step(stmt);
  if (rc == SQLITE_ROW) {
    auto* text = reinterpret_cast<const char*>(sqlite3_column_text(stmt, 0));
    if (text && text[0] == '{' && std::string(text).find("\"token\"") != std::string::npos) *token = token_of(text);
  } else if (rc != SQLITE_DONE) {
    *note += std::string(note->empty() ? "" : "; ") + sqlite3_errmsg(db.handle());
  }
  sqlite3_finalize(stmt);
  return true;
}

std::vector<std::string> names(Db& db, const char* sql) {
  std::vector<std::string> names;
  Stmt stmt = db.prepare(sql);
  while (stmt.step()) names.push_back(stmt.text(0));
  return names;
}

}  // namespace

void measure_memory(Run& run) {
  std::string path = run.scratch->path("memory");
  {
    Db db(path);
    db.load(run.module);
    db.exec("SELECT wf_start('sample', NULL, '{\"id\":\"sample\"}'), wf_step('sample', 's', '{}')");
  }
  int64_t before = sqlite3_memory_used(), plain, used;
  {
    Db db(path);
    RawTable raw(db);
    raw.row("id", "step").step();
    raw.row("id2", "step").reset();
    sqlite3_db_release_memory(db.handle());
    plain = sqlite3_memory_used() - before;
  }

  Result r;
  Db db(path);
  db.load(run.module);
  std::string all, token;
  for (const char* call : kCalls) {
    std::string sql = call;
    for (size_t at; (at = sql.find("{T}")) != std::string::npos;) sql.replace(at, 3, token);
    if (use(db, sql, &token, &r.note)) all += sql;
  }
  for (const std::string& name : names(db, "SELECT name FROM wf_functions")) {
    if (all.find(name + "(") != std::string::npos) continue;
    r.failed = true;
    r.note += " not used: " + name;
  }
  for (const std::string& table : names(db, "SELECT name FROM pragma_module_list WHERE name LIKE 'wf_%'")) {
    std::string sql = "SELECT * FROM " + table + " LIMIT 1";
    sqlite3_exec(db.handle(), sql.c_str(), nullptr, nullptr, nullptr);  // not every module is a table
  }
  // The statements of the pragma and of the list are closed by now; pages go back as above.
  sqlite3_db_release_memory(db.handle());
  used = sqlite3_memory_used() - before;

  r.what = "memory per connection, everything used once";
  r.value = double(used - plain) / 1024;
  r.unit = "KiB";
  r.bar = 640;
  r.goal = 400;
  r.note = "statements " + std::to_string(status_of(db, SQLITE_DBSTATUS_STMT_USED) / 1024) + " KiB, schema " +
           std::to_string(status_of(db, SQLITE_DBSTATUS_SCHEMA_USED) / 1024) + " KiB, a raw connection " +
           std::to_string(plain / 1024) + " KiB in all" + (r.note.empty() ? "" : "; " + r.note);
  run.report->add(r);
}

}  // namespace bench

#include "fault.h"

#include "control_socket.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cctype>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <regex>

#include "wfext.h"

namespace fault {
namespace {

constexpr char kStart[] = "SELECT wf_start('job', '{\"in\":1}', '{\"id\":\"w\"}')";
constexpr char kClaim[] = "SELECT wf_claim('default', 'worker', '{\"id\":\"w\"}')";
constexpr char script[] =
    "SELECT wf_define('flow', '{\"input\":{\"n\":\"integer\"},\"steps\":[{\"name\":\"a\",\"sql\":\"INSERT INTO app(k, v) VALUES(70, :n)\"},"
    "{\"name\":\"b\",\"for_each\":\"VALUES(1),(2)\",\"sql\":\"SELECT :item AS x, :a AS y\"},{\"name\":\"c\",\"task\":\"q\"}]}')";
constexpr bool kToken = true;
constexpr bool kInTransaction = true;
constexpr bool kMaySkip = true;
constexpr char kLarge[] = "'\"' || replace(hex(zeroblob(4000)), '0', 'x') || '\"'";

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// (The same file, cut and written again: the extension knows files by their place on the disk.)
void write_file(const std::string& path, const std::string& bytes) {
  for (const char* suffix : {"-journal", "-wal", "-shm"}) unlink((path + suffix).c_str());
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// The token at or after `from`: "run_" and what belongs to it. Without one, `begin` is npos. (std::regex takes a fifth of the time of these tests, and more of it
// under the sanitizers.)
struct Span {
  size_t begin, end;
};
Span find_token(const std::string& text, size_t from = 0) {
  for (size_t begin; (begin = text.find("run_", from)) != std::string::npos; from = begin + 1) {
    size_t end = begin + 4;
    while (end < text.size() && (std::isalnum(static_cast<unsigned char>(text[end])) || text[end] == '_')) ++end;
    if (end > begin + 4) return {begin, end};
  }
  return {std::string::npos, std::string::npos};
}

// Tokens hold a nonce.
std::string without_nonces(const std::string& text) {
  std::string kept;
  size_t from = 0;
  for (Span token = find_token(text); token.begin != std::string::npos; token = find_token(text, from)) {
    kept.append(text, from, token.begin - from).append("run_#");
    from = token.end;
  }
  return kept.append(text, from);
}

// Leaves all statements prepared and the file as it was.
void warm_up(Connection& c) {
  for (const char* sql : {"BEGIN", "SELECT wf_start('warm', 1, '{\"id\":\"warm\",\"queue\":\"warm\"}')"}) c.query(sql);
  const std::string token = c.query("SELECT json_extract(wf_claim('warm', 'w'), '$.token')");
  for (const char* sql :
       {"SELECT wf_step(?1, 'a')", "SELECT wf_step(?1, 'a', 1)", "SELECT wf_heartbeat(?1, 60)", "SELECT wf_release(?1)"})
    EXPECT_EQ(c.run(sql, token), SQLITE_OK) << sql << ": " << c.message();
  const std::string again = c.query("SELECT json_extract(wf_claim('warm', 'w'), '$.token')");
  EXPECT_EQ(c.run("SELECT wf_fail(?1, 'x', '{\"delay\":0}')", again), SQLITE_OK) << c.message();
  const std::string last = c.query("SELECT json_extract(wf_claim('warm', 'w'), '$.token')");
  EXPECT_EQ(c.run("SELECT wf_complete(?1)", last), SQLITE_OK) << c.message();
  c.query("ROLLBACK");
}

}  // namespace

const std::vector<Scenario>& scenarios() {
  static const std::vector<const char*> claimed = {"SELECT wf_init()", kStart, kClaim};
  static const std::string large_step = std::string("SELECT wf_step(?1, 'a', ") + kLarge + ")";
  static const std::string large_end = std::string("SELECT wf_complete(?1, ") + kLarge + ")";
  // A workflow with a row of every kind, and its document under another id.
  static const std::string large_value = std::string("SELECT wf_step('w', 'large', ") + kLarge + ")";
  static const std::vector<const char*> moving = {
      "SELECT wf_start('job', x'00ff', '{\"id\":\"w\",\"timeout\":60}')", "SELECT wf_step('w', 'a', 1.5)", large_value.c_str(), "SELECT wf_set('w', 'k', 1)",
      "SELECT wf_append('w', 's', '[]')", "SELECT wf_signal('w', 'go', 1)", "SELECT wf_await('w', 'b', 'go')", "SELECT wf_fail('w', 'no', '{\"delay\":0}')",
      "SELECT wf_await_event('w', 'c', '[\"x\",\"y\"]')", "CREATE TABLE moving AS SELECT replace(wf_export('w'), '\"id\":\"w\"', '\"id\":\"x\"') AS document"};
  // What a file holds beside its workflows, and its document, which is to come back.
  static const std::vector<const char*> everything = {
      "SELECT wf_queue('q', '{\"concurrency\":2}'), wf_rate('api', '{\"limit\":2,\"per\":60}'), wf_emit('e', x'00ff')", script,
      "SELECT wf_schedule('nightly', '0 3 * * *', 'job')", kStart, "CREATE TABLE everything AS SELECT wf_export() AS documents",
      "SELECT wf_unschedule('nightly'), wf_undefine('flow'), wf_queue('q', '{\"concurrency\":null}'), wf_delete('w', '{\"force\":true}')",
      "DELETE FROM _wf_event", "DELETE FROM _wf_queue"};
  static const std::string large_start = std::string("SELECT wf_start('job', ") + kLarge + ", '{\"id\":\"s\"}')";
  static const std::string sync = "SELECT substr(wf_sync(60, '{\"path\":\"/replicated.db\",\"allow_normal\":true,\"socket\":\"" + control_socket() + "\"}'), 1, 29)";
  static const std::vector<Scenario> all = {
      {"init", {}, "SELECT wf_init()"},
      {"first_start", {}, "SELECT wf_start('job', '{\"a\":1}', '{\"id\":\"s\"}')"},
      {"start", {"SELECT wf_init()"}, "SELECT wf_start('job', '{\"a\":1}', '{\"id\":\"s\",\"queue\":\"q\",\"timeout\":60}')"},
      {"start_large", {"SELECT wf_init()"}, large_start.c_str()},
      {"start_again", {kStart}, "SELECT wf_start('job', '{\"in\": 1.0}', '{\"id\":\"w\"}')"},
      {"start_inline", {"SELECT wf_init()"}, "INSERT INTO app(k, v) VALUES (7, wf_start('job', 1, '{\"id\":\"s\"}')) ON CONFLICT DO NOTHING"},
      {"start_analyzed", {kStart, "ANALYZE"}, "SELECT wf_start('job', 1, '{\"id\":\"s\"}')"},
      {"set_analyzed", {kStart, "ANALYZE"}, "SELECT wf_set('w', 'k', 1)"},
      {"start_in_transaction", {"SELECT wf_init()"}, "SELECT wf_start('job', 1, '{\"id\":\"s\"}')", false, kInTransaction},
      {"claim", {kStart, "SELECT wf_step('w', 'a', 1)"}, "SELECT wf_claim('default', 'worker', '{\"key\":\"k\",\"steps\":true}')"},
      {"claim_steps_in_transaction", {kStart, "SELECT wf_step('w', 'a', 1)"}, "SELECT wf_claim('default', 'worker', '{\"key\":\"k\",\"steps\":true}')", false, kInTransaction},
      {"claim_in_transaction", {kStart}, "SELECT wf_claim('default', 'worker', '{\"key\":\"k\"}')", false, kInTransaction},
      {"claim_lost_lease", {kStart, kClaim, "SELECT wf_clock('2027-01-15 09:00:00')"},
       "SELECT wf_claim('default', 'other', '{\"key\":\"k\"}')"},
      {"claim_poison", {"SELECT wf_start('job', 1, '{\"id\":\"w\",\"max_attempts\":1}')", kClaim, "SELECT wf_clock('2027-01-15 09:00:00')"},
       "SELECT wf_claim('default', 'other', '{\"key\":\"k\"}')", false, false, kMaySkip},
      {"claim_timeout", {"SELECT wf_start('job', 1, '{\"id\":\"w\",\"timeout\":5}')", "SELECT wf_clock('2027-01-15 09:00:00')"},
       "SELECT wf_claim('default', 'other', '{\"key\":\"k\"}')", false, false, kMaySkip},
      {"tick",
       {"SELECT wf_start('job', 1, '{\"id\":\"t\",\"timeout\":5}')", "SELECT wf_start('job', 2, '{\"id\":\"m\",\"manual\":true,\"max_attempts\":1}')",
        "SELECT wf_claim(NULL, 'worker', '{\"id\":\"m\"}')", "SELECT wf_schedule('s', '@hourly', 'job')"},
       "SELECT wf_tick('{\"limit\":9,\"now\":\"2027-01-15 10:00:00\"}')", false, false, kMaySkip},
      {"claim_many", {kStart, "SELECT wf_start('job', 2, '{\"id\":\"x\"}')"}, "SELECT wf_claim('default', 'worker', '{\"limit\":5}')"},
      {"step", claimed, "SELECT wf_step(?1, 'a', '[1,2]')", kToken},
      {"step_large", claimed, large_step.c_str(), kToken},
      {"step_by_id", {kStart}, "SELECT wf_step('w', 'a', x'00ff')"},
      {"step_inline", claimed, "INSERT INTO app(k, v) VALUES (7, wf_step(?1, 'a', 'text')) ON CONFLICT DO NOTHING", kToken},
      {"step_in_transaction", claimed, "SELECT wf_step(?1, 'a', '[1,2]')", kToken, kInTransaction},
      {"step_cleanup", claimed, "SELECT wf_step(?1, 'a', 1, '{\"cleanup\":true}')", kToken},
      {"begin_cleanup", claimed, "SELECT wf_begin(?1, 'a', '{\"cleanup\":true}')", kToken},
      {"spawn_cleanup", claimed, "SELECT wf_spawn(?1, 'a', 'kid', NULL, '{\"parent_cleanup\":true,\"id\":\"kid\"}')", kToken},
      {"step_guard", claimed, "SELECT wf_step(?1, 'a')", kToken},
      {"complete", claimed, "SELECT wf_complete(?1, '{\"out\":1}')", kToken},
      {"complete_large", claimed, large_end.c_str(), kToken},
      {"continue", claimed, "SELECT wf_continue(?1, '{\"in\":2}')", kToken},
      {"complete_in_transaction", claimed, "SELECT wf_complete(?1)", kToken, kInTransaction},
      {"fail", claimed, "SELECT wf_fail(?1, 'oops')", kToken},
      {"fail_for_good", claimed, "SELECT wf_fail(?1, 'oops', '{\"retry\":false}')", kToken},
      {"fail_step", claimed, "SELECT wf_fail(?1, 'oops', '{\"step\":\"a\",\"max_attempts\":3}')", kToken},
      {"fail_in_transaction", claimed, "SELECT wf_fail(?1, 'oops')", kToken, kInTransaction},
      {"heartbeat", claimed, "SELECT wf_heartbeat(?1, 7200)", kToken},
      {"append_as_step", claimed, "SELECT wf_append(?1, 's', 1, '{\"step\":\"a\",\"cleanup\":true}')", kToken},
      {"release_paused", {"SELECT wf_init()", kStart, kClaim, "SELECT wf_pause('w')"}, "SELECT wf_release(?1)", kToken},
      // Each makes a table that the file does not have.
      {"first_signal", claimed, "SELECT wf_signal('w', 'go', 1, '{\"key\":\"k\"}')"},
      {"first_signal_inline", claimed, "INSERT INTO app(k, v) VALUES (7, wf_signal('w', 'go', 1, '{\"key\":\"k\"}')) ON CONFLICT DO NOTHING"},
      {"first_signal_in_transaction", claimed, "SELECT wf_signal('w', 'go', 1, '{\"key\":\"k\"}')", false, kInTransaction},
      {"first_value", claimed, "SELECT wf_set(?1, 'k', 1)", kToken},
      {"first_value_inline", claimed, "INSERT INTO app(k, v) VALUES (7, wf_set(?1, 'k', 1)) ON CONFLICT DO NOTHING", kToken},
      {"first_waiter_in_transaction", claimed, "SELECT wf_await_event(?1, 'a', 'e')", kToken, kInTransaction},
      {"first_event", {"SELECT wf_init()"}, "SELECT wf_emit('e', 1)"},
      {"first_queue", claimed, "SELECT wf_queue('q', '{\"concurrency\":2}')"},
      {"first_tags_inline", claimed, "INSERT INTO app(k, v) VALUES (7, wf_start('job', 1, '{\"id\":\"s\",\"tags\":{\"a\":\"b\"}}')) ON CONFLICT DO NOTHING"},
      {"release", claimed, "SELECT wf_release(?1, '{\"delay\":5}')", kToken},
      {"recover", claimed, "SELECT wf_recover('{\"worker\":\"worker\"}')"},
      {"recover_lost", claimed, "SELECT wf_recover('{\"worker\":\"worker\",\"lost\":true}')"},
      {"config", {"SELECT wf_init()"}, "SELECT wf_config('lease', '45s')"},
      {"config_test_clock", {"SELECT wf_init()"}, "SELECT wf_config('test_clock', 1800000000)"},
      {"sync", {"SELECT wf_init()"}, sync.c_str()},
      {"sync_by_settings", {"SELECT wf_config('sync_path', '/elsewhere.db')"}, sync.c_str()},
      {"export", moving, "SELECT wf_export('w')"},
      {"digest", moving, "SELECT wf_digest()"},
      {"import", moving, "SELECT wf_import((SELECT document FROM moving))"},
      {"export_all", everything, "SELECT wf_export()"},
      {"exports", everything, "SELECT id, document FROM wf_exports"},
      {"import_all", everything, "SELECT wf_import(documents) FROM everything"},
      {"import_in_transaction", moving, "SELECT wf_import((SELECT document FROM moving))", false, kInTransaction},
      {"define", {"SELECT wf_init()"}, script},
      {"undefine", {script}, "SELECT wf_undefine('flow')"},
      {"start_scripted", {script}, "SELECT wf_start('flow', '{\"n\":1}', '{\"id\":\"w\"}')"},
      {"run_in_transaction", {script, "SELECT wf_start('flow', '{\"n\":1}', '{\"id\":\"w\"}')"}, "SELECT wf_run()", false, kInTransaction},
      {"explain", {script}, "SELECT wf_explain('flow')"},
      {"status", claimed, "SELECT wf_status('w'), wf_result('w'), wf_error('w'), wf_pending(), wf_ready(), wf_next_due(), wf_key('w', 'a')"},
      {"workflows", claimed, "SELECT * FROM wf_workflows WHERE status IN ('running', 'failed') ORDER BY created_at LIMIT 3"},
      {"pending", claimed, "SELECT * FROM wf_pending"},
      {"steps", {kStart, "SELECT wf_step('w', 'a', 1)", "SELECT wf_step('w', 'b', x'01')"}, "SELECT * FROM wf_steps WHERE workflow_id = 'w'"},
      {"failures", {kStart, "SELECT wf_fail('w', 'no')"}, "SELECT * FROM wf_failures"},
      {"functions", {}, "SELECT * FROM wf_functions"},
      {"doctor", claimed, "SELECT name FROM wf_doctor"},
      {"fleet", claimed, "SELECT file FROM wf_fleet((SELECT file FROM pragma_database_list WHERE name = 'main'))"},
  };
  return all;
}

Connection::Connection(const std::string& path, const char* vfs, bool extension) {
  EXPECT_EQ(sqlite3_open_v2(path.c_str(), &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs), SQLITE_OK);
  if (!extension) return;
  EXPECT_EQ(sqlite3_wfext_init(db_, nullptr, nullptr), SQLITE_OK);
  query("SELECT wf_clock('2027-01-15 08:00:00')");
}

void Connection::load() {
  sqlite3_db_config(db_, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, nullptr);
  EXPECT_EQ(sqlite3_load_extension(db_, WFEXT_MODULE, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db_);
  query("SELECT wf_clock('2027-01-15 08:00:00')");
}

Connection::~Connection() {
  if (db_ != nullptr) {
    EXPECT_EQ(close(), SQLITE_OK);
  }
}

int Connection::close() {
  const int code = sqlite3_close(db_);
  if (code == SQLITE_OK) db_ = nullptr;
  return code;
}

int Connection::run(const char* sql, const std::string& bound, std::string* value, const std::function<void()>& compiled) {
  sqlite3_stmt* stmt = nullptr;
  int code = sqlite3_prepare_v2(db_, sql, -1, &stmt, nullptr);
  if (compiled) compiled();
  if (code == SQLITE_OK && sqlite3_bind_parameter_count(stmt) > 0)
    code = sqlite3_bind_text(stmt, 1, bound.c_str(), -1, SQLITE_TRANSIENT);
  std::string rows;
  if (code == SQLITE_OK) {
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
      for (int i = 0; i < sqlite3_column_count(stmt); ++i) {
        const char* cell = reinterpret_cast<const char*>(sqlite3_column_text(stmt, i));
        rows += (cell == nullptr ? std::string("NULL") : std::string(cell)) + "|";
      }
      rows += "\n";
    }
    if (code == SQLITE_DONE) code = SQLITE_OK;
  }
  if (code != SQLITE_OK) {
    const char* text = sqlite3_errmsg(db_);
    message_ = text == nullptr ? "" : text;
  }
  sqlite3_finalize(stmt);
  if (value != nullptr) *value = rows;
  return code;
}

std::string Connection::query(const char* sql) {
  std::string rows;
  EXPECT_EQ(run(sql, "", &rows), SQLITE_OK) << sql << ": " << message_;
  if (rows.size() >= 2) rows.resize(rows.size() - 2);   // one cell: without its separators
  return rows;
}

namespace {

// A value such that no two of different types look alike.
void add_value(std::string& to, sqlite3_stmt* stmt, int column) {
  const int type = sqlite3_column_type(stmt, column);
  if (type == SQLITE_NULL) {
    to += "NULL";
  } else if (type == SQLITE_BLOB) {
    const auto* bytes = static_cast<const unsigned char*>(sqlite3_column_blob(stmt, column));
    to += "x'";
    for (int i = 0; i < sqlite3_column_bytes(stmt, column); ++i) (to += "0123456789abcdef"[bytes[i] >> 4]) += "0123456789abcdef"[bytes[i] & 15];
    to += "'";
  } else {
    const std::string text(reinterpret_cast<const char*>(sqlite3_column_text(stmt, column)), static_cast<size_t>(sqlite3_column_bytes(stmt, column)));
    to += type == SQLITE_TEXT ? "'" + text + "'" : text;
  }
  to += "|";
}

}  // namespace

// (Asked four times for each fault: the short statements are for that.)
std::string stored(Connection& c) {
  std::string all;
  const std::string tables = "|\n" + c.query("SELECT name FROM main.sqlite_master WHERE type = 'table' AND name GLOB '_wf_*'") + "|\n";
  for (const char* table : {"_wf_meta", "_wf_workflow", "_wf_step", "_wf_failure", "_wf_large", "_wf_signal", "_wf_value", "_wf_stream", "_wf_waiter", "_wf_queue", "_wf_event", "_wf_tag"}) {
    if (tables.find(std::string("|\n") + table + "|\n") == std::string::npos) continue;
    const std::string sql = std::string("SELECT * FROM main.") + table + " ORDER BY 1, 2";
    sqlite3_stmt* stmt = nullptr;
    EXPECT_EQ(sqlite3_prepare_v2(c.handle(), sql.c_str(), -1, &stmt, nullptr), SQLITE_OK) << sql << ": " << sqlite3_errmsg(c.handle());
    std::vector<int> columns;
    for (int i = 0; i < sqlite3_column_count(stmt); ++i) {
      const std::string name = sqlite3_column_name(stmt, i);
      if (name != "nonce" && name != "closed_nonce") columns.push_back(i);
    }
    std::string rows;
    while (sqlite3_step(stmt) == SQLITE_ROW) {
      for (const int column : columns) add_value(rows, stmt, column);
      rows += "\n";
    }
    EXPECT_EQ(sqlite3_finalize(stmt), SQLITE_OK) << sql << ": " << sqlite3_errmsg(c.handle());
    if (!rows.empty()) all += std::string(table) + "\n" + rows + "\n";  // a table that the file does not have is one without rows, where the extension is
  }
  return without_nonces(all);
}

namespace {

// One prepared database, kept as bytes.
struct Prepared {
  std::string bytes, token, clock;
};

Prepared prepare(const Scenario& scenario, const std::string& path, const char* journal_mode) {
  Prepared made;
  write_file(path, "");
  {
    Connection c(path, nullptr, !scenario.older);
    if (scenario.older) c.load();
    c.query("PRAGMA page_size = 1024");
    c.query((std::string("PRAGMA journal_mode = ") + (std::string(journal_mode) == "wal" ? "wal" : "memory")).c_str());
    c.query("PRAGMA synchronous = off");
    c.query("CREATE TABLE app(k INTEGER PRIMARY KEY, v)");
    for (const char* sql : scenario.prepare) {
      std::string value;
      EXPECT_EQ(c.run(sql, "", &value), SQLITE_OK) << sql << ": " << c.message();
      const Span token = find_token(value);
      if (token.begin != std::string::npos) made.token = value.substr(token.begin, token.end - token.begin);
      if (std::string(sql).find("wf_clock") != std::string::npos) made.clock = sql;
    }
  }
  if (scenario.token) {
    EXPECT_FALSE(made.token.empty()) << scenario.name;
  }
  made.bytes = read_file(path);
  return made;
}

std::string with_application_rows(Connection& c) { return stored(c) + "app: " + c.query("SELECT count(*) FROM app"); }

void begin(Connection& c, const Scenario& scenario, const Prepared& made, Start start, const char* journal_mode,
           bool sync) {
  c.query((std::string("PRAGMA journal_mode = ") + journal_mode).c_str());
  c.query(sync ? "PRAGMA synchronous = full" : "PRAGMA synchronous = off");
  if (!made.clock.empty()) c.query(made.clock.c_str());
  if (start == Start::warm && !scenario.prepare.empty()) warm_up(c);
  if (scenario.in_transaction) {
    c.query("BEGIN");
    c.query("INSERT INTO app VALUES (1, 'mine')");
  }
}

// A claim whose steps could not be read, which is no reason for it to fail.
std::string without_steps(const std::string& value) {
  return std::regex_replace(value, std::regex(R"("steps":\[.*\],"steps_more":false)"), "\"steps\":null,\"steps_more\":true");
}

}  // namespace

int for_each_fault(const Scenario& scenario, Injector& injector, Start start, bool sticky, const char* journal_mode) {
  const std::string path = ::testing::TempDir() + "fault_" + scenario.name + "_" + std::to_string(getpid()) + ".db";
  const Prepared made = prepare(scenario, path, journal_mode);

  // The two states that are allowed, and the undisturbed result.
  std::string before, after, value;
  write_file(path, made.bytes);
  {
    Connection c(path);
    before = with_application_rows(c);
    begin(c, scenario, made, start, journal_mode, false);
    EXPECT_EQ(c.run(scenario.body, made.token, &value), SQLITE_OK) << c.message();
    if (scenario.in_transaction) c.query("COMMIT");
    after = with_application_rows(c);
  }
  value = without_nonces(value);
  const int64_t memory = sqlite3_memory_used();

  // Every one in the deep run; else the first dozen, and then fewer and fewer, other ones for each scenario.
  const bool deep = std::getenv("WFEXT_DEEP") != nullptr;
  int n = 0, tried = 0;
  for (bool fired = true; (fired || n < injector.faults()) && !::testing::Test::HasFailure(); ++tried) {
    const int other = static_cast<int>(std::string(scenario.name).size()) % 3;
    n += deep || injector.faults() != 0 ? 1 : injector.sparse() ? 2 + n / 2 + other : n < 12 ? 1 : 1 + n / 4 + other;
    if (injector.faults() != 0 && n > injector.faults()) break;
    SCOPED_TRACE(std::string(scenario.name) + ", fault " + std::to_string(n) + (sticky ? ", sticky" : ", once") +
                 (start == Start::warm ? ", warm" : ", cold"));
    write_file(path, made.bytes);
    std::string got, now;
    int code = SQLITE_OK;
    {
      Connection c(path, injector.vfs());
      begin(c, scenario, made, start, journal_mode, injector.vfs() != nullptr);
      injector.arm(c.handle(), n, sticky);
      code = c.run(scenario.body, made.token, &got, [&injector] { injector.compiled(); });
      fired = injector.disarm(c.handle());
      if (code != SQLITE_OK) {
        EXPECT_TRUE(injector.is_fault(sqlite3_extended_errcode(c.handle())) || injector.is_fault(code)) << code << ": " << c.message();
      }
      if (!scenario.in_transaction) {
        EXPECT_NE(sqlite3_get_autocommit(c.handle()), 0) << "a transaction was left open";
      }
      if (sqlite3_get_autocommit(c.handle()) == 0) c.query("COMMIT");
      if (injector.vfs() == nullptr) {
        Connection other(path, nullptr, false);
        EXPECT_EQ(other.run("BEGIN IMMEDIATE"), SQLITE_OK) << "the write lock was left: " << other.message();
      }
      now = with_application_rows(c);
      EXPECT_EQ(c.close(), SQLITE_OK) << "a statement was left behind";
    }
    EXPECT_EQ(sqlite3_memory_used(), memory) << "a leak";
    EXPECT_LT(n, 20000);
    {
      Connection plain(path, nullptr, false);
      plain.query("PRAGMA synchronous = off");   // (a disk takes longer than all the rest, here and below)
      EXPECT_EQ(plain.query("PRAGMA integrity_check"), "ok");
      EXPECT_EQ(with_application_rows(plain), now) << "the connection saw something that is not in the file";
    }
    // In a transaction the application's row may have been committed alone: the call failed, the transaction went on.
    const std::string row_alone = scenario.in_transaction ? before.substr(0, before.size() - 1) + "1" : before;
    if (code == SQLITE_OK) {
      got = without_nonces(got);
      EXPECT_TRUE(got == value || got == without_steps(value)) << got << "\nnot:\n" << value;
      EXPECT_TRUE(now == after || (scenario.may_skip && now == before)) << "reported success, but stored:\n" << now << "\nnot:\n" << after;
    } else {
      EXPECT_TRUE(now == before || now == after || now == row_alone) << "half done:\n" << now << "\nbefore:\n" << before << "\nafter:\n" << after;
    }
    Connection again(path);
    again.query("PRAGMA synchronous = off");
    if (!made.clock.empty()) again.query(made.clock.c_str());
    EXPECT_EQ(again.run(scenario.body, made.token), SQLITE_OK) << "cannot be repeated: " << again.message();
    if (!scenario.in_transaction) {
      EXPECT_EQ(with_application_rows(again), after) << "the repetition made something else";
    }
  }
  for (const char* suffix : {"", "-journal", "-wal", "-shm"}) unlink((path + suffix).c_str());
  return tried - 1;
}

}  // namespace fault

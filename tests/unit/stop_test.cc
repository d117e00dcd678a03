// Long values: an interrupt ends a call soon, wherever it is in them, and a call takes at most four times their length of memory.
//
// SQLite asks for an interrupt while it runs statements; walks through long text run none, and ask by one of ours, "SELECT 1", every 16 KB. So it
// is counted how often they ask, and not how long they take.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <ostream>
#include <string>
#include <vector>

#include "fault.h"

namespace {

constexpr size_t kStride = 16 << 10;
constexpr size_t kSize = 1 << 19;

std::string repeat(const std::string& piece, size_t size, const char* open = "", const char* close = "") {
  std::string text = open;
  for (size_t i = 0; text.size() + piece.size() < size; ++i) text += piece;
  if (*close != '\0' && text.back() == ',') text.pop_back();
  return text + close;
}
// `piece` with a number in it, so that none is like another.
std::string numbered(const std::string& before, const std::string& after, size_t size, const char* open, const char* close) {
  std::string text = open;
  for (size_t i = 100000; text.size() < size; ++i) text += before + std::to_string(i) + after + ',';
  text.pop_back();
  return text + close;
}

using Make = std::string (*)(size_t);
std::string json_string(size_t n) { return repeat("a", n, "\"", "\""); }
std::string json_objects(size_t n) { return repeat("{\"a\":[1,null,\"x\"]},", n, "[", "]"); }
std::string members(size_t n) { return numbered("\"k", "\":1", n, "{", "}"); }
std::string plain(size_t n) { return std::string(n, 'a'); }
std::string digits(size_t n) { return std::string(n, '1'); }
std::string controls(size_t n) { return std::string(n, '\x01'); }
std::string umlauts(size_t n) { return repeat("\xc3\xa4", n); }
std::string ids(size_t n) { return numbered("\"w", "\"", n, "[", "]"); }
std::string names_of_steps(size_t n) {
  std::string text = "{\"steps\":[{\"name\":\"a\",\"sql\":\"SELECT 1\"},{\"name\":\"b\",\"sql\":\"SELECT 1\",\"after\":[\"a\"";
  while (text.size() < n) text += ",\"a\"";
  return text + "]}]}";
}
// Steps that come after half of all others, in circles, and name them all.
std::string tangle(size_t) {
  std::string text = "{\"steps\":[";
  for (int i = 0; i < 100; ++i) {
    text += (i != 0 ? ",{\"name\":\"s" : "{\"name\":\"s") + std::to_string(i) + "\",\"sql\":\"SELECT 0";
    for (int k = 0; k < 100; ++k) text += "+:s" + std::to_string(k);
    text += "\",\"after\":[\"s0\"";
    for (int k = 1; k < 50; ++k) text += ",\"s" + std::to_string((i + k) % 100) + "\"";
    text += "]}";
  }
  return text + "]}";
}

struct Case {
  const char* name;
  Make make;
  std::vector<const char*> prepare;   // ?1 is the value
  const char* body;                   // likewise
  size_t looks = kSize / kStride - 2; // at least so many
};
void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

constexpr char kW[] = "SELECT wf_start('job', 1, '{\"id\":\"w\"}')";
constexpr char kBig[] = "SELECT wf_start('job', ?1, '{\"id\":\"w\"}')";

// A value in every place where one may be long.
const std::vector<Case>& cases() {
  static const std::vector<Case> all = [] {
    std::vector<Case> some = {
      {"start", json_objects, {}, "SELECT wf_start('job', ?1)"},
      {"start_string", json_string, {}, "SELECT wf_start('job', ?1)"},
      {"start_digits", digits, {}, "SELECT wf_start('job', ?1)"},
      {"start_no_json", plain, {}, "SELECT wf_start('job', '\"' || ?1)"},
      {"start_again", members, {"SELECT wf_start('job', replace(?1, ':', ': '), '{\"id\":\"w\"}')"}, kBig},
      {"complete", json_objects, {kW}, "SELECT wf_complete('w', ?1)"},
      {"complete_text", plain, {kW}, "SELECT wf_complete('w', ?1)"},
      {"complete_controls", controls, {kW}, "SELECT wf_complete('w', ?1)"},
      {"complete_umlauts", umlauts, {kW}, "SELECT wf_complete('w', ?1)"},
      {"fail", plain, {kW}, "SELECT wf_fail('w', ?1)"},
      {"step", json_objects, {kW}, "SELECT wf_step('w', 's', ?1)"},
      {"step_text", plain, {kW}, "SELECT wf_step('w', 's', ?1)"},
      {"signal", json_objects, {kW}, "SELECT wf_signal('w', 's', ?1)"},
      {"emit", json_objects, {}, "SELECT wf_emit('e', ?1)"},
      {"set", json_objects, {kW}, "SELECT wf_set('w', 'k', ?1)"},
      {"append", json_objects, {kW}, "SELECT wf_append('w', 's', ?1)"},
      {"append_again", members, {kW, "SELECT wf_append('w', 's', replace(?1, ':', ': '))"}, "SELECT wf_append('w', 's', ?1, '{\"offset\":0}')"},
      {"spawn", json_objects, {kW}, "SELECT wf_spawn('w', 's', 'child', ?1)"},
      {"cancel_many", ids, {kW}, "SELECT wf_cancel(?1, NULL, '{\"skip\":true}')"},
      {"delete_many", ids, {kW}, "SELECT wf_delete(?1)"},
      {"await_many", ids, {kW}, "SELECT wf_await('w', 's', ?1)"},
      {"await_event_many", ids, {kW}, "SELECT wf_await_event('w', 's', ?1)"},
      {"claim_of_many", ids, {kW}, "SELECT wf_claim(?1)"},
      {"claim_names", ids, {kW}, "SELECT wf_claim(NULL, NULL, '{\"names\":' || ?1 || '}')"},
      {"headers", members, {}, "SELECT wf_start('job', 1, '{\"headers\":' || ?1 || '}')"},
      {"options", json_objects, {}, "SELECT wf_start('job', 1, '{\"id\":' || ?1 || '}')"},
      {"schedule", json_objects, {}, "SELECT wf_schedule('s', '@hourly', 'job', ?1)"},
      {"export", json_string, {kBig}, "SELECT wf_export('w')"},
      {"import", json_string, {kBig, "CREATE TABLE moved AS SELECT replace(wf_export('w'), '\"id\":\"w\"', '\"id\":\"x\"') AS document"}, "SELECT wf_import((SELECT document FROM moved))"},
      {"define", names_of_steps, {}, "SELECT wf_define('flow', ?1)"},
      {"define_tangle", tangle, {}, "SELECT wf_define('flow', ?1)"},
      {"explain", names_of_steps, {}, "SELECT wf_explain(?1)"},
      {"run", plain, {"CREATE TABLE app(v)", "INSERT INTO app VALUES(?1)", "SELECT wf_define('flow', '{\"steps\":[{\"name\":\"a\",\"sql\":\"SELECT v FROM app\"}]}')", "SELECT wf_start('flow')"},
       "SELECT wf_run()"},
    };
    // (Before 3.38 SQLite looks the ids up one by one, and none is long.)
    if (sqlite3_libversion_number() >= 3038000) some.push_back({"table_of_many", ids, {kW}, "SELECT count(*) FROM wf_workflows WHERE id IN (SELECT value FROM json_each(?1))"});
    return some;
  }();
  return all;
}

// How often a call asks, and an interrupt or a handler that stops it when it does so the n-th time.
class Looks {
 public:
  explicit Looks(sqlite3* db) : db_(db) { sqlite3_trace_v2(db, SQLITE_TRACE_STMT, &Looks::traced, this); }
  ~Looks() {
    sqlite3_trace_v2(db_, 0, nullptr, nullptr);
    sqlite3_progress_handler(db_, 0, nullptr, nullptr);
  }
  void interrupt_at(size_t n) { interrupt_at_ = n; }
  void stop_at(size_t n) { stop_at_ = n; }
  size_t count() const { return count_; }
  // Statements that began after the call was stopped.
  size_t after() const { return after_; }

 private:
  static int traced(unsigned, void* self, void*, void* text) {
    auto* it = static_cast<Looks*>(self);
    it->after_ += it->stopped_;
    if (std::string(static_cast<const char*>(text)) != "-- SELECT 1") return 0;  // (inside another statement)
    ++it->count_;
    if (it->count_ == it->interrupt_at_) {
      it->stopped_ = true;
      sqlite3_interrupt(it->db_);
    }
    if (it->count_ == it->stop_at_) sqlite3_progress_handler(it->db_, 1, &Looks::tick, self);
    return 0;
  }
  // Stops one statement, and no other.
  static int tick(void* self) {
    auto* it = static_cast<Looks*>(self);
    if (it->stopped_) return 0;
    return it->stopped_ = true;
  }
  sqlite3* db_;
  size_t interrupt_at_ = 0, stop_at_ = 0, count_ = 0, after_ = 0;
  bool stopped_ = false;
};

class Long : public ::testing::TestWithParam<Case> {
 protected:
  void prepare(fault::Connection& c, const std::string& value) {
    c.query("SELECT wf_init()");
    for (const char* sql : GetParam().prepare) ASSERT_EQ(c.run(sql, value), SQLITE_OK) << sql << c.message();
  }
};

TEST_P(Long, ValueIsLookedAtWithLooksInBetween) {
  const std::string value = GetParam().make(kSize);
  fault::Connection c(":memory:");
  prepare(c, value);
  Looks looks(c.handle());
  (void)c.run(GetParam().body, value);
  EXPECT_GE(looks.count(), GetParam().looks);
}

TEST_P(Long, ValueIsLeftWhenInterrupted) {
  const std::string value = GetParam().make(kSize);
  for (const size_t n : {size_t{1}, GetParam().looks / 2, GetParam().looks}) {
    fault::Connection c(":memory:");
    prepare(c, value);
    const std::string before = fault::stored(c);
    {
      Looks looks(c.handle());
      looks.interrupt_at(n);
      EXPECT_EQ(c.run(GetParam().body, value), SQLITE_INTERRUPT) << n << ": " << c.message();
      EXPECT_EQ(looks.count(), n);
      EXPECT_EQ(looks.after(), 0u) << n;
    }
    EXPECT_NE(sqlite3_get_autocommit(c.handle()), 0);
    EXPECT_TRUE(fault::stored(c) == before) << n;
  }
}

// A handler stops one statement only, so that nothing else would end the call.
TEST_P(Long, ValueIsLeftWhenAHandlerSaysSo) {
  const std::string value = GetParam().make(kSize);
  fault::Connection c(":memory:");
  prepare(c, value);
  const std::string before = fault::stored(c);
  {
    Looks looks(c.handle());
    looks.stop_at(GetParam().looks / 2);
    EXPECT_EQ(c.run(GetParam().body, value), SQLITE_INTERRUPT) << c.message();
    EXPECT_LE(looks.count(), GetParam().looks / 2 + 2);   // (SQLite reads the handler when a statement begins)
  }
  EXPECT_NE(sqlite3_get_autocommit(c.handle()), 0);
  EXPECT_TRUE(fault::stored(c) == before);
  // And the next call is none that was stopped.
  (void)c.run(GetParam().body, value);
  EXPECT_EQ(c.query("SELECT wf_start('next', 1, '{\"id\":\"next\"}')"), "next");
}

INSTANTIATE_TEST_SUITE_P(Every, Long, ::testing::ValuesIn(cases()), [](const auto& info) { return std::string(info.param.name); });

// ---- Memory ----------------------------------------------------------------------------------------------------------

struct MemoryCase {
  const char* name;
  Make make;
  std::vector<const char*> prepare;
  const char* body;
};
void PrintTo(const MemoryCase& one, std::ostream* out) { *out << one.name; }

constexpr char kSame[] = "SELECT wf_start('job', 1, '{\"id\":\"a long id, so that there are not too many of them in the list\"}')";
std::string same_ids(size_t n) {
  std::string text = "[";
  while (text.size() < n) text += "\"a long id, so that there are not too many of them in the list\",";
  text.back() = ']';
  return text;
}

std::string things(size_t n) { return "[{\"signal\":" + ids(n) + "}]"; }

const std::vector<MemoryCase>& memory_cases() {
  static const std::vector<MemoryCase> all = {
      {"start", json_objects, {}, "SELECT wf_start('job', ?1)"},
      {"start_again", members, {"SELECT wf_start('job', replace(?1, ':', ': '), '{\"id\":\"w\"}')"}, kBig},
      {"complete", json_objects, {kW}, "SELECT wf_complete('w', ?1)"},
      {"complete_text", plain, {kW}, "SELECT wf_complete('w', ?1)"},
      {"complete_controls", controls, {kW}, "SELECT wf_complete('w', ?1)"},
      {"complete_umlauts", umlauts, {kW}, "SELECT wf_complete('w', ?1)"},
      {"fail_text", plain, {kW}, "SELECT wf_fail('w', ?1)"},
      {"step", json_objects, {kW}, "SELECT wf_step('w', 's', ?1)"},
      {"step_text", plain, {kW}, "SELECT wf_step('w', 's', ?1)"},
      {"step_read", json_objects, {kW, "SELECT wf_step('w', 's', ?1)"}, "SELECT wf_step('w', 's')"},
      {"result", json_objects, {kW, "SELECT wf_complete('w', ?1)"}, "SELECT wf_result('w')"},
      {"error", json_objects, {kW, "SELECT wf_fail('w', ?1, '{\"retry\":false}')"}, "SELECT wf_error('w')"},
      {"claim", json_objects, {kBig}, "SELECT wf_claim()"},
      {"signal", json_objects, {kW}, "SELECT wf_signal('w', 's', ?1)"},
      {"await", json_objects, {kW, "SELECT wf_signal('w', 's', ?1)"}, "SELECT wf_await('w', 'a', 's')"},
      {"await_event", json_objects, {kW, "SELECT wf_emit('s', ?1)"}, "SELECT wf_await_event('w', 'a', 's')"},
      {"join", json_objects, {kW, "SELECT wf_spawn('w', 's', 'child', NULL, '{\"id\":\"c\"}')", "SELECT wf_complete('c', ?1)"}, "SELECT wf_join('w', 'j')"},
      {"emit", json_objects, {}, "SELECT wf_emit('e', ?1)"},
      {"set", json_objects, {kW}, "SELECT wf_set('w', 'k', ?1)"},
      {"get", json_objects, {kW, "SELECT wf_set('w', 'k', ?1)"}, "SELECT wf_get('w', 'k')"},
      {"append", json_objects, {kW}, "SELECT wf_append('w', 's', ?1)"},
      {"export", json_objects, {kBig}, "SELECT wf_export('w')"},
      {"fork", json_objects, {kW, "SELECT wf_step('w', 's', ?1)"}, "SELECT wf_fork('w')"},
      {"fork_text", plain, {kW, "SELECT wf_step('w', 's', ?1)"}, "SELECT wf_fork('w')"},
      {"fork_input", json_objects, {kBig}, "SELECT wf_fork('w')"},
      {"claim_steps", json_objects, {kW, "SELECT wf_step('w', 's', ?1)"}, "SELECT wf_claim(NULL, NULL, '{\"steps\":true}')"},
      {"join_many", same_ids, {kW, kSame}, "SELECT wf_join('w', 'j', ?1)"},
      {"join_many_ended", same_ids, {kW, kSame, "SELECT wf_complete('a long id, so that there are not too many of them in the list')"},
       "SELECT wf_join('w', 'j', ?1, '{\"mode\":\"any\"}')"},
      {"await_many", ids, {kW}, "SELECT wf_await('w', 's', ?1)"},
      {"wait_any_many", things, {kW}, "SELECT wf_wait_any('w', 's', ?1)"},
      {"await_event_many", ids, {kW}, "SELECT wf_await_event('w', 's', ?1)"},
      {"cancel_many", ids, {kW}, "SELECT wf_cancel(?1, NULL, '{\"skip\":true}')"},
      {"define", names_of_steps, {}, "SELECT wf_define('flow', ?1)"},
      {"table", json_objects, {kBig}, "SELECT input FROM wf_workflows"},
  };
  return all;
}

class MemoryOf : public ::testing::TestWithParam<MemoryCase> {};

TEST_P(MemoryOf, ALongValueIsAtMostFourTimesItsLength) {
  constexpr size_t kLong = 4 << 20;
  const std::string path = ::testing::TempDir() + "wfext_memory_" + GetParam().name + ".db", value = GetParam().make(kLong);
  std::remove(path.c_str());
  {
    fault::Connection c(path);
    c.query("SELECT wf_init()");
    for (const char* sql : GetParam().prepare) ASSERT_EQ(c.run(sql, value), SQLITE_OK) << sql << c.message();
  }
  fault::Connection c(path);
  c.query("PRAGMA cache_size = -64");
  c.query("PRAGMA journal_mode = off");   // (a journal on disk takes none, one in memory the value once more)
  c.query("SELECT wf_status('w')");
  sqlite3_stmt* statement = nullptr;
  ASSERT_EQ(sqlite3_prepare_v2(c.handle(), GetParam().body, -1, &statement, nullptr), SQLITE_OK);
  sqlite3_bind_text(statement, 1, value.data(), static_cast<int>(value.size()), SQLITE_STATIC);
  (void)sqlite3_memory_highwater(1);
  const sqlite3_int64 before = sqlite3_memory_used();
  const int rc = sqlite3_step(statement);
  const sqlite3_int64 taken = sqlite3_memory_highwater(0) - before;
  ASSERT_TRUE(rc == SQLITE_ROW || rc == SQLITE_DONE) << sqlite3_errmsg(c.handle());
  size_t length = value.size();
  if (std::string(GetParam().name) == "complete_controls") length = 6 * value.size();   // as long as what is stored
  sqlite3_finalize(statement);
  const double times = static_cast<double>(taken) / static_cast<double>(length);
  RecordProperty("times", std::to_string(times));
  EXPECT_LE(times, 4) << GetParam().name;
  std::remove(path.c_str());
}

INSTANTIATE_TEST_SUITE_P(Every, MemoryOf, ::testing::ValuesIn(memory_cases()), [](const auto& info) { return std::string(info.param.name); });

}  // namespace

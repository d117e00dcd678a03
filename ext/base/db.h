// Db: what the extension knows of one connection. Query: one use of a named statement.
//
//   Query q(db, Sql::workflow_of_id);
//   q.bind(":id", id);
//   bool found;
//   WF_TRY(q.next(&found));
//   if (found) seq = q.integer(0);
//
// Statements are prepared at their first use, once per connection, and finalized when the connection closes (see
// no_rows.h). A statement is reset when its Query goes. Nothing read from a table is kept here between calls. All of it
// runs under the connection's own mutex, so it is as thread-safe as the connection.
#pragma once

#include <iterator>

#include "base/bells.h"
#include "base/callback.h"
#include "base/rights.h"
#include "base/sql.h"
#include "base/status.h"
#include "base/stop.h"
#include "base/time.h"
#include "base/too_long.h"
#include "base/value.h"
#include "base/waiting.h"

namespace wf {

struct Above;
struct RowTaker;
class WriteScope;

// The newest file format that this extension knows: that of the last script schema_<n> in sql/.
constexpr int64_t kSchemaVersion = std::size(kSchemas);

class Db {
 public:
  Db(sqlite3* handle, const Above& above) : handle_(handle), above_(above), rights_(handle), too_long_(handle) {}
  Db(const Db&) = delete;
  Db& operator=(const Db&) = delete;

  sqlite3* handle() const { return handle_; }
  // What the folders above the engine bring to it: engine/above.h.
  const Above& above() const { return above_; }
  // It is one of our own, which no application sees.
  void is_our_own() { rights_.trust(); }
  // Whether a function of ours is under way.
  bool is_in_a_call() const { return depth_ != 0; }
  // Whether the call under way has to end.
  Stop& stop() { return stop_; }
  bool autocommit() const { return sqlite3_get_autocommit(handle_) != 0; }

  // A cached statement. Who uses it says so, and gives it back by give_back().
  struct Slot {
    sqlite3_stmt* statement = nullptr;
    uint64_t used = 0;   // when: the larger, the later
    uint64_t first = 0;  // the same of its last use in the call that has compiled it
    uint64_t rights = 0; // which of the connection's it was compiled under: see notice_change()
    int compiled = 0;    // how often SQLite had compiled it anew when its rights were looked at
    int memory = 0;      // bytes that it holds
    bool in_use = false;
    bool came_back = false;  // it was given up for want of room before: compiled once more, it counts as used again
    bool is_used_again() const { return used != first; }
  };
  // The statement `sql`, ready to be bound. `*slot` is nullptr if it is a fresh one, because the cached one is in use further up.
  Status borrow(Sql sql, sqlite3_stmt** out, Slot** slot);
  // A read statement of a virtual table, by its text; the same rules.
  Status borrow(string_view text, sqlite3_stmt** out, Slot** slot);
  // Whether it was used before: else to borrow it compiles it.
  bool is_compiled(Sql sql) const { return cache_[static_cast<size_t>(sql)].statement != nullptr; }
  // Compiles the statement `sql` where it is not yet.
  Status keep_ready(Sql sql);
  // Resets the statement, or finalizes it where the cache has it no more. `is_reset`: it was done already; `is_bound`: it has parameters that were bound.
  static void give_back(sqlite3_stmt* statement, Slot* slot, bool is_reset = false, bool is_bound = true);
  // Whether the plain statements, Sql::step_record and its like, which run outside of any savepoint, fire triggers. One may say RAISE(FAIL): what the statement has done stays
  // then. To be asked while it is borrowed: a change of the schema since is an error of it, SQLITE_SCHEMA, and it is to be tried again.
  bool plain_fires_triggers() const { return plain_fires_triggers_; }
  void forget_plain();
  // A statement has failed and left some of its work, as RAISE(FAIL) does.
  void leaves_work(bool leaves) { left_work_ = leaves; }
  bool left_work() const { return left_work_; }
  // To be called once `statement`, of our own, has begun to run. Where SQLite has compiled it anew for that it may do less than it says, see rights.h;
  // all others are compiled anew by us before they run again.
  Status compiled_anew(sqlite3_stmt* statement, Slot* slot) {
    const int compiled = sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_REPREPARE, 0);
    return compiled == (slot != nullptr ? slot->compiled : 0) ? Status() : look_at(statement, compiled, slot);
  }
  // Runs the statements of the script `sql`, one after the other.
  Status script(Sql sql);
  // WF_STATE if an authorizer would leave out that tables are made.
  Status may_create() const { return rights_.check_create(); }

  // Changes with every commit to main, ours as well; those of others show once a transaction has begun.
  unsigned data_version() const {
    unsigned version = 0;
    sqlite3_file_control(handle_, nullptr, SQLITE_FCNTL_DATA_VERSION, &version);
    return version;
  }

  // Whether main has this table, as far as SQLite knows. Asks no authorizer.
  bool has_table(const char* table) const;

  // Whether main has our tables, all of them, and checks that this version knows their format (WF_SCHEMA).
  Status schema_exists(bool* exists);
  // The same, and the version of the format: 0 if there is none. `*system_clock`: the file says nothing of its clock.
  Status schema_version(bool* exists, int64_t* version, bool* system_clock = nullptr);
  // Whether that check has been made once.
  bool format_checked() const { return format_checked_; }
  // WF_SCHEMA if the file has become one of a newer format since; looks only if anything has changed. For readers that look at the version
  // in no other way: to be called while their statement is under way.
  Status check_format();

  // The tables have been made in this transaction. If it is rolled back, the statements that the way back from a failure needs have to be
  // compiled anew, for which there may be no memory once something has failed; so they are forgotten before the next transaction begins.
  void tables_are_made() { tables_made_ = true; }
  void forget_rolled_back();
  // Forgets the statements of the way back, to be compiled anew while nothing is to be taken back.
  void forget_way_back();

  // A call begins that is in no other.
  void call_begins();
  // The virtual table of a rare table is connected: no_rows.h.
  void rare_is_connected();

  // Whether the schema has changed, or was read for the first time, and nobody has looked since what ANALYZE has left: statistics.h.
  bool may_have_statistics() const { return may_have_statistics_; }
  void knows_statistics() { may_have_statistics_ = false; }

  // How it waits for locks.
  Waiting& waiting() { return waiting_; }

  // What was found out about the file's place, and that it is the one where it belongs: engine/restored.h.
  bool has_looked_for_place() const { return place_ != Place::unknown; }
  bool is_in_place() const { return place_ == Place::own; }
  void knows_place(bool own) { place_ = own ? Place::own : Place::other; }

  // Whether the file is known to say nothing of its clock: as long as the scope lives that has looked, and no other has since.
  bool has_system_clock() const { return system_clock_; }
  void know_clock(bool system_clock) { system_clock_ = system_clock; }

  // Of the scopes that are open that in which all others are; nullptr: there is none.
  WriteScope*& outermost_scope() { return outermost_scope_; }
  bool in_scope() const { return outermost_scope_ != nullptr; }

  // The transaction of a call could not be ended: see scope.h.
  void remains_stuck() { stuck_ = true, stuck_at_ = sqlite3_total_changes(handle_); }
  void forget_stuck() { stuck_ = false; }
  bool is_stuck() const { return stuck_; }
  bool is_written_since() const { return sqlite3_total_changes(handle_) != stuck_at_; }

  // The wall clock of the connection's VFS, or the time wf_clock has fixed.
  Millis clock() const;
  // The former in any case.
  Millis wall_clock() const;
  void fix_clock(Millis time) { clock_fixed_ = true, clock_ = time; }
  void release_clock() { clock_fixed_ = false; }
  bool clock_is_fixed() const { return clock_fixed_; }
  // The one source of random bytes, also after fork().
  static void randomness(void* out, int size);

  // What is to be said of an item once the call has begun anew, for a trigger's RAISE(ROLLBACK) has taken the note along: engine/trouble.h.
  struct TakenAlong {
    bool any = false;
    bool twice = false;  // of the one before, in the same call
    int64_t workflow = 0;
    Name schedule;
    Millis now = 0, longest = 0;
    int64_t ends = 0;
    Text error, reason;
    bool again = false;  // the call has begun anew
  };
  TakenAlong& taken_along() { return taken_along_; }
  TooLong& too_long() { return too_long_; }

  // Finalizes every cached statement that the connection still lists: hosts that sweep sqlite3_next_stmt have finalized
  // some of them already. One that is in use (a close that was refused because of it) is left to who uses it.
  void finalize_all();
  // The same for one statement of others.
  void finalize(sqlite3_stmt* statement) const;

  // Who takes the row that a statement under way changes: taker.h.
  RowTaker*& row_taker() { return row_taker_; }
  // How many claims are not to be tried as plain ones: engine/claim_plain.h.
  int& claims_not_plain() { return claims_not_plain_; }

  // What an engine keeps with the connection beyond one call, and how it is given up; it goes before the statements do.
  struct Kept {
    void* object = nullptr;
    void (*drop)(void*) = nullptr;
  };
  Kept& kept() { return kept_; }

  // By which wf_wait sleeps; closed with the statements.
  FileWatch& file_watch() { return file_watch_; }
  Bells& bells() { return bells_; }

  // Counts how deep calls are nested in each other (through triggers on our tables): beyond any use the stack would run out.
  class Depth {
   public:
    explicit Depth(Db& db) : db_(db) {
      if (++db_.depth_ == 1 && db_.has_compiled_) db_.settle();
    }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;
    ~Depth() { --db_.depth_; }
    bool ok() const { return db_.depth_ <= 32; }
    bool is_outermost() const { return db_.depth_ == 1; }

   private:
    Db& db_;
  };

  // Says that wf_run is under way, as long as it lives.
  class Running {
   public:
    explicit Running(Db& db) : db_(db), alone_(!db.running_) { db.running_ = true; }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running() { if (alone_) db_.running_ = false; }
    bool alone() const { return alone_; }

   private:
    Db& db_;
    bool alone_;
  };

  // Shared by every function and module registered on the connection, and freed with the last of them.
  static Db* create(sqlite3* handle, const Above& above);
  void retain() { ++references_; }
  static void release(void* db);

 private:
  struct Cached : Slot {
    char* text = nullptr;
  };
  static constexpr size_t kTexts = 4;

  struct Main {
    sqlite3_file* file = nullptr;
    const sqlite3_io_methods* methods = nullptr;
  };
  [[gnu::noinline]] Main main_file() const;
  Status connect_close_hook();
  Status prepare(string_view text, sqlite3_stmt** out);
  Status prepare(Sql sql, sqlite3_stmt** out);
  Status prepare_plain(string_view text, sqlite3_stmt** out);
  Status find_plain_triggers();
  Status look_at(sqlite3_stmt* statement, int compiled, Slot* slot);
  Status notice_change();
  Status read_version(bool* exists, int64_t* version, bool* system_clock);
  bool is_listed(sqlite3_stmt* statement) const;
  void hold(Slot& slot, sqlite3_stmt* statement);
  void drop(Slot& slot);
  bool give_up_one();
  void settle();

  sqlite3* handle_;
  const Above& above_;
  Stop stop_{*this};
  Rights rights_;
  uint64_t rights_now_ = 0;
  int look_compiled_ = -1;      // how often Sql::look had been compiled anew when rights_ began
  Waiting waiting_;
  int references_ = 1;
  int depth_ = 0;
  WriteScope* outermost_scope_ = nullptr;
  Main rare_of_;                // that in which rare tables are connected, if any
  bool stuck_ = false;
  int stuck_at_ = 0;
  bool running_ = false;
  Kept kept_;
  TakenAlong taken_along_;
  RowTaker* row_taker_ = nullptr;
  int claims_not_plain_ = 0;
  TooLong too_long_;
  FileWatch file_watch_;
  Bells bells_;
  bool hooked_ = false;         // the close hook is connected
  bool format_checked_ = false;
  unsigned format_of_ = 0;      // the state of the file in which it was
  bool plain_fires_triggers_ = true;
  bool left_work_ = false;
  bool may_have_statistics_ = true;
  bool tables_made_ = false;    // in the transaction under way, or in the last one
  bool system_clock_ = false;
  enum class Place : unsigned char { unknown, own, other } place_ = Place::unknown;
  bool clock_fixed_ = false;
  Millis clock_ = 0;
  uint64_t uses_ = 0;
  int64_t held_ = 0;            // bytes, by the statements of cache_ and texts_
  uint64_t settled_ = 0;        // the uses before settle()
  bool has_compiled_ = false;   // some since
  Slot cache_[static_cast<size_t>(Sql::count_)];
  Cached texts_[kTexts];
};

class Query {
 public:
  // A failure to prepare is reported by the first next() or run().
  Query(Db& db, Sql sql) : db_(db), sql_(sql) { status_ = db.borrow(sql, &statement_, &slot_); }
  Query(Db& db, string_view text) : db_(db) { status_ = db.borrow(text, &statement_, &slot_); }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;
  ~Query() { Db::give_back(statement_, slot_, is_reset_, is_bound_); }

  // Whether it has this parameter.
  bool has(SqlParameter name) const { return statement_ != nullptr && index(name) != 0; }
  // Whether the statement exists; tells a missing table from a failing statement.
  bool prepared() const { return statement_ != nullptr; }

  // Parameters by name, with the colon; one that the statement does not have is ignored. Views must outlive the Query.
  Query& bind(SqlParameter name, int64_t number);
  Query& bind(SqlParameter name, string_view text);
  Query& bind(SqlParameter name, const Value& value);
  Query& bind_null(SqlParameter name);
  // Keeps a copy, where the value does not outlive the Query.
  [[gnu::cold]] Query& bind_copy(SqlParameter name, const Value& value);
  // A value whose bytes are all that `held` holds, which it takes over.
  [[gnu::cold]] Query& bind_held(SqlParameter name, const Value& value, Text& held);
  // NULL where the optional is empty.
  Query& bind_name(SqlParameter name, string_view text) { return text.empty() ? bind_null(name) : bind(name, text); }
  // NULL where there is no time.
  Query& bind_time(SqlParameter name, Millis time) { return time == kNoTime ? bind_null(name) : bind(name, time); }
  Query& bind_at(int index, const Value& value);

  // Steps to the next row.
  Status next(bool* row);
  // Steps to the row of a query that always has one, as a count has. WF_STATE if there is none: an authorizer has left out to select. (SQLite 3.31 tells by nothing else
  // where it compiles a statement anew.)
  Status one_row();
  // Runs a writing statement to its end. WF_STATE if it has to change a row (must_change()) and has changed none: a trigger has ignored it.
  Status run();
  // WF_STATE: that a trigger has kept a row of its table from being written.
  [[gnu::cold]] Status not_written() const;
  // Rows that the last run() inserted, changed or deleted.
  int changes() const { return changes_; }
  // Makes it ready to run again; keeps the bindings.
  void reset();

  int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }
  bool is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  // (One look at the column: each sqlite3_column_ function takes and gives back the mutex, which is ours anyway.)
  int64_t integer_or(int column, int64_t otherwise) const {
    sqlite3_value* value = raw(column);
    return sqlite3_value_type(value) == SQLITE_NULL ? otherwise : sqlite3_value_int64(value);
  }
  // What is stored as a time, a duration or a count, whatever a hand edit has made of it: within the bounds in which nothing overflows. NULL is
  // kNoTime, and no count.
  Millis time(int column) const { return within_or_none(column, kTimeMin, kTimeMax); }
  Millis duration(int column) const { return within_or_none(column, 0, kDurationMax); }
  int64_t count(int column) const { return within(integer(column), 0, kMostCount); }
  string_view text(int column) const;   // valid until the next step or reset; "" for NULL
  Value value(int column) const;        // likewise
  sqlite3_value* raw(int column) const { return sqlite3_column_value(statement_, column); }
  int columns() const { return sqlite3_column_count(statement_); }
  Status take_status() { return static_cast<Status&&>(status_); }

 private:
  Query& bound(int rc);
  Millis within_or_none(int column, Millis least, Millis most) const {
    sqlite3_value* value = raw(column);
    return sqlite3_value_type(value) == SQLITE_NULL ? kNoTime : within(sqlite3_value_int64(value), least, most);
  }
  int index(SqlParameter name) const { return name.in(sql_, statement_); }

  [[gnu::cold]] static Status used_up(Status failed);

  Db& db_;
  const Sql sql_ = Sql::count_;
  bool begins_ = true;          // the next step is the first one
  sqlite3_stmt* statement_ = nullptr;
  Db::Slot* slot_ = nullptr;
  bool is_reset_ = true;   // it has not been stepped since
  bool is_bound_ = false;
  int changes_ = 0;        // (Asked for later, SQLite would tell of what Rights has run since.)
  Status status_;
};

// Binds the parameters of a statement.
using Binds = Callback<void(Query&)>;

// WF_STATE if the statement finds a row that one that has written before should have left for none.
Status look_for_left(Db& db, Sql sql, const Binds& bind);

// Runs a writing statement. WF_STATE if it is one that leaves no row that its WHERE finds (leaves_none()), and has left one: a trigger has ignored it.
// `*any`: it has written something.
Status run_all(Db& db, Sql sql, const Binds& bind, bool* any = nullptr);

// Runs a statement that writes as many rows as `count`, of the same parameters, has found before. WF_STATE if it has written another number.
Status run_counted(Db& db, Sql sql, Sql count, const Binds& bind);

}  // namespace wf

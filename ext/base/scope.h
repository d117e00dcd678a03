// WriteScope: makes the writes of one call all or nothing.
//
//   WriteScope scope(db);
//   WF_TRY(scope.begin(Inline::allowed, "wf_start"));
//   ... queries; a return before commit() undoes them ...
//   return scope.commit();
//
// It is a savepoint in every case, so that it joins the caller's transaction or makes one of its own, and it takes the write
// lock of main before anything is read, so that the lock is waited for (fair_wait.h) and no read lock has to be upgraded. Scopes nest.
//
// Whatever stops the way back (an interrupt, a handler, an authorizer), the transaction is ended; a writing statement that fails does it
// in the last resort, and takes the caller's transaction with it, as SQLite does where a writing statement is interrupted. Where SQLite refuses
// even that, the call is WF_STUCK, and so are those after it until the transaction has ended.
//
// Inside a statement that writes (INSERT ... VALUES(wf_start()), a trigger) SQLite opens no savepoint. A scope that allows it then runs
// "inline": each statement is atomic, the outer statement undoes what it can, and the caller orders its writes such that
// the last one decides and the earlier ones do no harm. One that does not allow it is WF_CONTEXT.
#pragma once

#include "base/db.h"

namespace wf {

class FairWait;

enum class Inline : bool { refused, allowed };

// WF_CONTEXT if a statement that writes is under way, in which `function` could not be atomic.
Status check_context(Db& db, const char* function);

// Whether the statistics are to be looked at now: statistics.h. They may be there, no transaction is open, and no statement that writes is under way.
inline bool is_time_for_statistics(Db& db) { return db.may_have_statistics() && db.autocommit() && check_context(db, "").ok(); }

// To be called first: WF_STUCK if the transaction of an earlier call is still open, and cannot be ended now.
Status check_transaction(Db& db);

// Takes the write lock of main; SQLITE_ERROR where there are no tables.
Status wait_for_lock(Db& db, FairWait& wait);

// Makes a table of no_rows.h by its script. Inside a statement that writes, too: it stays without rows until all of it is there.
Status make_rare_table(Db& db, string_view table, Sql script);

// The plain statement `sql`, with which a scope begins, and more behind it: run() says in `done` whether it has done all of it, which it does only in a file of
// this format, at a time that is the call's. What was half done is undone. It is not run inside a statement that writes, where it could not be.
struct PlainOpening {
  explicit PlainOpening(Sql statement) : sql(statement) {}
  virtual Status run() = 0;
  // Whether the lock was waited for so long that the time that was read before is not that of the call: nothing is to be dated by it then. (Milliseconds.)
  static bool is_late(Millis time, Millis now) { return now - time > 20; }
  const Sql sql;
  bool done = false, half_done = false;

 protected:
  ~PlainOpening() = default;
};

class WriteScope {
 public:
  explicit WriteScope(Db& db);
  WriteScope(const WriteScope&) = delete;
  WriteScope& operator=(const WriteScope&) = delete;
  ~WriteScope();

  // Opens the scope on behalf of the SQL function `function`; creates the tables if the file has none, and brings those of an
  // older format forward (in explicit mode only after is_to_upgrade(): machines get a new extension one after the other, and have to stay alike).
  // WF_CONTEXT, WF_SCHEMA, or SQLite's BUSY, READONLY ...
  // With `locked` the caller's transaction is known to hold the write lock already.
  Status begin(Inline inline_mode, const char* function, bool locked = false);
  // The same, by a plain statement (plain.h) that takes the lock as it does what there is to do. `plain->done`: it has; else the scope is as after begin().
  Status begin(const char* function, PlainOpening* plain, Inline inline_mode = Inline::allowed);
  Status commit();
  // Before begin(): the call is asked to bring the tables forward, and may where no other does, in explicit mode.
  void is_to_upgrade() { upgrades_ = true; }
  bool is_inline() const { return inline_; }
  // A read that is under way until the scope ends, so that there is a way back where there is no memory. To be called behind the lock, or early, before there
  // is anything to take back.
  Status begin_probe(Sql probe);

 private:
  Status prepare(bool locked);
  Status lock(const char* function, FairWait& wait);
  Status create_tables(FairWait& wait);
  Status run_schemas();
  int commit_behind_readers();
  void close();
  bool undo();
  void roll_back();

  Db& db_;
  bool open_ = false;
  bool sure_ = false;    // that the savepoint is there
  bool nested_ = false;  // in another scope
  bool inline_ = false;
  bool owns_ = false;
  bool commit_waits_ = false;
  bool upgrades_ = false;
  PlainOpening* plain_ = nullptr;
  sqlite3_stmt* probe_ = nullptr;  // fails where there is no memory: see begins_nothing_without_memory()
  Db::Slot* probe_slot_ = nullptr;
};

}  // namespace wf

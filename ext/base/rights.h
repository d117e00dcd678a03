// Rights: whether an authorizer of the application lets SQLite leave out what a statement of ours says.
//
// One that answers SQLITE_IGNORE lets SQLite compile a statement that does less, and nobody is told: no row is inserted, a column is not changed, or is
// read as NULL, a function gives NULL. It cannot be asked, but what SQLite has compiled shows its answer: a statement that writes has become
// one that only reads, a column of EXPLAIN's program is missing. This is looked at where a statement is compiled, once for each table, and not where it
// runs; Db says when it is to be looked at anew.
#pragma once

#include "base/sql.h"
#include "base/status.h"

namespace wf {

class Rights {
 public:
  explicit Rights(sqlite3* handle) : handle_(handle) {}
  Rights(const Rights&) = delete;
  Rights& operator=(const Rights&) = delete;

  // No application sees this connection, so there is no authorizer.
  void trust() { trusted_ = true; }
  // There may be another authorizer, or other tables.
  void forget() { known_.clear(); }
  // WF_STATE if something is left out of what the statement was compiled from, or may be: it is judged by whole tables.
  Status check(string_view text, sqlite3_stmt* statement);
  // The same of making tables and indexes.
  Status check_create() const;

 private:
  template <class Look>
  Status once(string_view what, char how, const Look& look);
  Status check_read(string_view table) const;
  Status check_update(string_view table) const;
  Status check_calls(Sql sql) const;

  sqlite3* handle_;
  bool trusted_ = false;
  Text known_;  // what was found in order: r a table that is read, u one that is updated, f j w what is called
};

}  // namespace wf

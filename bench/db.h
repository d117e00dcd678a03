// A thin, checked view of the SQLite C API for the benchmarks.
//
// Every error ends the program with the message of SQLite: a figure measured after an error is no figure.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace bench {

[[noreturn]] void die(const std::string& message);

// A prepared statement. Binding is by position, from 1; columns are read by position, from 0.
class Stmt {
 public:
  Stmt(sqlite3* db, const std::string& sql);
  Stmt(Stmt&& other) noexcept : db_(other.db_), stmt_(other.stmt_) { other.stmt_ = nullptr; }
  Stmt(const Stmt&) = delete;
  Stmt& operator=(const Stmt&) = delete;
  ~Stmt() { sqlite3_finalize(stmt_); }

  Stmt& bind(int position, std::string_view text);
  Stmt& bind(int position, int64_t number);
  Stmt& bind(int position, sqlite3_value* value);

  bool step();    // true: a row is there
  int try_step();  // the result code of SQLite instead of an end with a message
  std::string error() { return sqlite3_errmsg(db_); }
  void reset() { sqlite3_reset(stmt_); }

  // Steps to the end, reads every column of every row, resets. Returns the number of rows.
  int64_t drain();

  bool is_null(int column) { return sqlite3_column_type(stmt_, column) == SQLITE_NULL; }
  int64_t integer(int column) { return sqlite3_column_int64(stmt_, column); }
  std::string text(int column);
  sqlite3_value* value(int column) { return sqlite3_column_value(stmt_, column); }
  int columns() { return sqlite3_column_count(stmt_); }

 private:
  sqlite3* db_;
  sqlite3_stmt* stmt_ = nullptr;
};

// A connection to one file, in WAL mode unless told otherwise or in memory.
class Db {
 public:
  explicit Db(const std::string& path, const char* synchronous = "NORMAL", const char* journal = "WAL");
  Db(const Db&) = delete;
  Db& operator=(const Db&) = delete;
  ~Db();

  void load(const std::string& module);  // sqlite3_load_extension
  void exec(const std::string& sql);
  Stmt prepare(const std::string& sql) { return Stmt(db_, sql); }
  std::string text(const std::string& sql);  // first column of the first row, "" for NULL or no row
  int64_t integer(const std::string& sql);
  sqlite3* handle() { return db_; }

 private:
  sqlite3* db_ = nullptr;
};

// An empty directory for the databases of one run; it goes away with this object.
class Scratch {
 public:
  explicit Scratch(const std::string& parent);
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch();

  std::string path(const std::string& name) const { return dir_ + "/" + name; }
  void remove(const std::string& name) const;  // a database with its -wal and -shm

 private:
  std::string dir_;
};

}  // namespace bench

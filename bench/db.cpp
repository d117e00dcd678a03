#include "db.h"

#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

namespace bench {

void die(const std::string& message) {
  fprintf(stderr, "wfext_bench: %s\n", message.c_str());
  // Not exit(): a forked child must not run the destructors of its parent.
  fflush(nullptr);
  _exit(1);
}

Stmt::Stmt(sqlite3* db, const std::string& sql) : db_(db) {
  if (sqlite3_prepare_v2(db, sql.c_str(), int(sql.size()), &stmt_, nullptr) != SQLITE_OK) {
    die(std::string(sqlite3_errmsg(db)) + "\n  in: " + sql);
  }
}

Stmt& Stmt::bind(int position, std::string_view text) {
  // The text outlives the step: no copy, as a careful host would bind it.
  if (sqlite3_bind_text(stmt_, position, text.data(), int(text.size()), SQLITE_STATIC) != SQLITE_OK) {
    die(sqlite3_errmsg(db_));
  }
  return *this;
}

Stmt& Stmt::bind(int position, int64_t number) {
  if (sqlite3_bind_int64(stmt_, position, number) != SQLITE_OK) die(sqlite3_errmsg(db_));
  return *this;
}

Stmt& Stmt::bind(int position, sqlite3_value* value) {
  if (sqlite3_bind_value(stmt_, position, value) != SQLITE_OK) die(sqlite3_errmsg(db_));
  return *this;
}

int Stmt::try_step() { return sqlite3_step(stmt_); }

bool Stmt::step() {
  int rc = sqlite3_step(stmt_);
  if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
    die(std::string(sqlite3_errmsg(db_)) + "\n  in: " + sqlite3_sql(stmt_));
  }
  return rc == SQLITE_ROW;
}

int64_t Stmt::drain() {
  int64_t rows = 0;
  int columns = sqlite3_column_count(stmt_);
  while (step()) {
    for (int i = 0; i < columns; i++) sqlite3_column_text(stmt_, i);
    rows++;
  }
  sqlite3_reset(stmt_);
  return rows;
}

std::string Stmt::text(int column) {
  auto* text = reinterpret_cast<const char*>(sqlite3_column_text(stmt_, column));
  return text ? std::string(text, size_t(sqlite3_column_bytes(stmt_, column))) : std::string();
}

Db::Db(const std::string& path, const char* synchronous, const char* journal) {
  if (sqlite3_open(path.c_str(), &db_) != SQLITE_OK) die(path + ": " + sqlite3_errmsg(db_));
  sqlite3_busy_timeout(db_, 5000);
  exec(std::string("PRAGMA journal_mode = ") + journal);
  exec(std::string("PRAGMA synchronous = ") + synchronous);
}

Db::~Db() {
  if (sqlite3_close(db_) != SQLITE_OK) die("a connection did not close: " + std::string(sqlite3_errmsg(db_)));
}

void Db::load(const std::string& module) {
  char* message = nullptr;
  if (sqlite3_db_config(db_, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, nullptr) != SQLITE_OK ||
      sqlite3_load_extension(db_, module.c_str(), nullptr, &message) != SQLITE_OK) {
    die("cannot load " + module + ": " + (message ? message : sqlite3_errmsg(db_)));
  }
}

void Db::exec(const std::string& sql) {
  char* message = nullptr;
  if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, &message) != SQLITE_OK) {
    die(std::string(message ? message : sqlite3_errmsg(db_)) + "\n  in: " + sql);
  }
}

std::string Db::text(const std::string& sql) {
  Stmt stmt = prepare(sql);
  return stmt.step() ? stmt.text(0) : std::string();
}

int64_t Db::integer(const std::string& sql) {
  Stmt stmt = prepare(sql);
  return stmt.step() ? stmt.integer(0) : 0;
}

Scratch::Scratch(const std::string& parent) {
  dir_ = parent + "/wfext-bench-XXXXXX";
  if (!mkdtemp(dir_.data())) die("cannot make a directory in " + parent);
}

Scratch::~Scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(dir_, ignored);
}

void Scratch::remove(const std::string& name) const {
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) unlink((path(name) + suffix).c_str());
}

}  // namespace bench

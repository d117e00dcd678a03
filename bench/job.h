// The calls of one job and their raw counterpart, for the benchmarks that time whole jobs.
#pragma once

#include <string>

#include "bench.h"
#include "raw.h"

namespace bench {

// Steps a statement that yields at most one row. `each` is told the nanoseconds and the result code.
template <class F>
bool timed_call(Stmt& stmt, F&& each, std::string* text, std::string* error) {
  int rc = SQLITE_OK;
  int64_t ns = timed([&] {
    rc = stmt.try_step();
    if (rc == SQLITE_ROW) {
      if (text) *text = stmt.text(0);
      rc = stmt.try_step();
    }
  });
  if (rc != SQLITE_DONE) *error = stmt.error();
  stmt.reset();
  each(ns, rc);
  return rc == SQLITE_DONE;
}

class JobCalls {
 public:
  explicit JobCalls(Db& db);

  // Calls each(nanoseconds, result code) six times. False: a call failed, error() says why. With several
  // processes the claim may find that others took everything; then the job ends there, without an error.
  template <class F>
  bool once(F&& each) {
    std::string claim;
    if (!timed_call(start_, each, nullptr, &error_)) return false;
    if (!timed_call(claim_, each, &claim, &error_)) return false;
    if (claim.empty()) return true;
    std::string token = token_of(claim);
    for (const char* name : {"reserve", "charge", "ship"}) {
      step_.bind(1, token).bind(2, name);
      if (!timed_call(step_, each, nullptr, &error_)) return false;
    }
    complete_.bind(1, token);
    return timed_call(complete_, each, nullptr, &error_);
  }

  const std::string& error() const { return error_; }

 private:
  Stmt start_, claim_, step_, complete_;
  std::string error_;
};

class RawCalls {
 public:
  // The file must hold a step already. `prefix` keeps the ids of several processes apart.
  RawCalls(Db& db, std::string prefix);

  template <class F>
  bool once(F&& each) {
    for (const char* name : {"start", "claim", "reserve", "charge", "ship", "complete"}) {
      std::string id = prefix_ + std::to_string(1'000'000'000 + next_++), step = name;
      if (!timed_call(table_.row(id, step), each, nullptr, &error_)) return false;
    }
    return true;
  }

  const std::string& error() const { return error_; }

 private:
  RawTable table_;
  std::string prefix_;
  int64_t next_ = 0;
  std::string error_;
};

}  // namespace bench

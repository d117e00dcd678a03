// Stop: whether the call under way has to end, by sqlite3_interrupt() or a progress handler, for loops that run no statement.
//
//   for (...) {
//     ...
//     if (stop.after(bytes)) break;      // `bytes` more have been looked at
//   }
//
// SQLite asks by itself while it runs a statement; a walk through a hundred megabytes of JSON runs none. Whoever is stopped gives up as if there
// were nothing more, with any result at all: from then on no Query of the call runs and no WriteScope commits, and the call is SQLITE_INTERRUPT.
#pragma once

#include <cstddef>

namespace wf {

class Db;

class Stop {
 public:
  explicit Stop(Db& db) : db_(db) {}
  Stop(const Stop&) = delete;
  Stop& operator=(const Stop&) = delete;

  // What one look is made for: some microseconds of work.
  static constexpr size_t kStride = 16 << 10;

  // After some work: as much as looking at so many bytes.
  bool after(size_t bytes) {
    done_ += bytes;
    return done_ < kStride ? stopped_ : look();
  }
  bool stopped() const { return stopped_; }
  // A new call begins.
  void forget() { stopped_ = false; }

 private:
  bool look();

  Db& db_;
  size_t done_ = 0;
  bool stopped_ = false;
};

}  // namespace wf

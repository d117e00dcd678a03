// TooLong: workflows that one connection cannot take, for something of theirs is longer than its SQLITE_LIMIT_LENGTH. Others can, so nothing is stored.
//
// Which of their values it is (headers, the payload of a signal, what a child has put out) shows only when one is read, so a workflow is met once, and
// passed over for a while: five minutes, or as long as the limit stays.
#pragma once

#include "base/text.h"
#include "base/time.h"

namespace wf {

class TooLong {
 public:
  explicit TooLong(sqlite3* handle) : handle_(handle) {}
  TooLong(const TooLong&) = delete;
  TooLong& operator=(const TooLong&) = delete;

  // Whether the limit is lower than this SQLite's own: only then is it the connection's.
  bool is_possible() const {
    const int limit = sqlite3_limit(handle_, SQLITE_LIMIT_LENGTH, 0x7fffffff);
    const bool is_low = limit < sqlite3_limit(handle_, SQLITE_LIMIT_LENGTH, limit);
    return is_low;
  }
  void add(int64_t workflow, Millis now) {
    if (list(now).empty() || list_.size() > kMostBytes) {
      list_.clear();
      list_.add(',');
      since_ = now;
      limit_ = limit();
    }
    list_.add_integer(workflow).add(',');
  }
  // ",1,2,", or nothing.
  string_view list(Millis now) {
    if (list_.size() != 0 && (limit() != limit_ || now < since_ || now - since_ > kLongest)) list_.clear();
    return list_.view();
  }

 private:
  static constexpr Millis kLongest = 300000;
  static constexpr size_t kMostBytes = 16384;
  int limit() const { return sqlite3_limit(handle_, SQLITE_LIMIT_LENGTH, -1); }

  sqlite3* handle_;
  Text list_;
  int limit_ = 0;
  Millis since_ = 0;
};

}  // namespace wf

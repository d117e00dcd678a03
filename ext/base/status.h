// Status: success, or what went wrong.
//
//   WF_TRY(engine.step(...));                          // returns from the function on failure
//   return Status::error(Code::not_found, "no workflow '%.*s'", WF_SV(id));
//
// An error of ours carries a Code, whose name starts the message that users see ("WF_NOT_FOUND: no workflow 'x'"). An error of
// SQLite keeps SQLite's own result code, extended where known, and message. Not copyable; used by one thread at a time.
#pragma once

#include <string_view>
#include <utility>

#include "base/api.h"

namespace wf {

// In order of precedence: when several apply, the first one is reported (design, section 2).
enum class Code : unsigned char {
  schema, stuck, context, invalid, not_found, cancelled, state, lease_lost, leased, paused, suspended, nondeterminism, step_failed, conflict
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Status&& other) noexcept : rc_(std::exchange(other.rc_, SQLITE_OK)), message_(other.message_) {}
  Status& operator=(Status&& other) noexcept {
    std::swap(rc_, other.rc_);
    std::swap(message_, other.message_);
    return *this;
  }
  // Success has no message: where the compiler sees that it is one, nothing is left of this. (There are 1,200 WF_TRYs.)
  [[gnu::always_inline]] ~Status() { if (rc_ != SQLITE_OK) drop(message_); }

  // An error of ours; `format` is that of sqlite3_mprintf.
  static Status error(Code code, const char* format, ...);
  // SQLite's error `rc` with the connection's message for it.
  static Status sqlite(int rc, sqlite3* db);
  // SQLite's SQLITE_TOOBIG; `format` says of what.
  static Status too_big(const char* format, ...);
  // WF_STATE, but within the engine SQLITE_AUTH, for it is the connection's fault and no item's: an authorizer ignores `what` `of`.
  static Status ignored(const char* what, std::string_view of);
  // SQLite's error `rc` without a message of its own.
  static Status sqlite(int rc);
  static Status no_memory() { return sqlite(SQLITE_NOMEM); }

  bool ok() const { return rc_ == SQLITE_OK; }
  // The SQLite result code: SQLITE_OK, SQLITE_ERROR or SQLITE_CONSTRAINT_FUNCTION for our errors, else SQLite's.
  int rc() const { return rc_; }
  // Zero-terminated text, or nullptr if there is none beside rc().
  const char* message() const { return message_; }
  // Whether this is one of our errors, and none of SQLite's.
  bool is_ours() const;
  // Whether this is our error `code`.
  bool is(Code code) const;
  // The name of the code of one of our errors, else empty.
  std::string_view code() const;

 private:
  static void drop(char* message);

  int rc_ = SQLITE_OK;
  char* message_ = nullptr;  // where rc_ is SQLITE_OK there is none
};

// "WF_INVALID" and so on.
const char* code_name(Code code);

// Arguments for %.*s.
#define WF_SV(view) static_cast<int>((view).size()), (view).data()

#define WF_TRY(expression)                                           \
  do {                                                               \
    if (::wf::Status try_ = (expression); !try_.ok()) return try_; \
  } while (false)

}  // namespace wf

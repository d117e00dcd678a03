#include "base/status.h"

#include <cstdarg>
#include <cstring>

#include "base/text.h"

namespace wf {
namespace {

// A message as hosts can read it: what is named in it may be no UTF-8, where a hand edit has made it. Takes `message` over.
char* readable(char* message) {
  if (message == nullptr || is_utf8(message)) return message;
  Text out;
  add_readable(message, out);
  out.add('\0');
  sqlite3_free(message);
  return out.release();
}

}  // namespace

const char* code_name(Code code) {
  static constexpr char kNames[][18] = {
      "WF_SCHEMA", "WF_STUCK", "WF_CONTEXT", "WF_INVALID", "WF_NOT_FOUND", "WF_CANCELLED", "WF_STATE",
      "WF_LEASE_LOST", "WF_LEASED", "WF_PAUSED", "WF_SUSPENDED", "WF_NONDETERMINISM", "WF_STEP_FAILED", "WF_CONFLICT",
  };
  return kNames[static_cast<int>(code)];
}

void Status::drop(char* message) { sqlite3_free(message); }

Status Status::error(Code code, const char* format, ...) {
  Status status;
  status.rc_ = code == Code::conflict ? SQLITE_CONSTRAINT_FUNCTION : SQLITE_ERROR;
  va_list arguments;
  va_start(arguments, format);
  char* detail = sqlite3_vmprintf(format, arguments);
  va_end(arguments);
  if (detail != nullptr) status.message_ = readable(sqlite3_mprintf("%s: %z", code_name(code), detail));
  if (status.message_ == nullptr) status.rc_ = SQLITE_NOMEM;
  return status;
}

Status Status::sqlite(int rc, sqlite3* db) {
  Status status;
  status.rc_ = rc;
  if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_NOMEM) status.message_ = readable(sqlite3_mprintf("%s", sqlite3_errmsg(db)));
  return status;
}

Status Status::too_big(const char* format, ...) {
  Status status;
  status.rc_ = SQLITE_TOOBIG;
  va_list arguments;
  va_start(arguments, format);
  status.message_ = readable(sqlite3_vmprintf(format, arguments));
  va_end(arguments);
  return status;
}

Status Status::ignored(const char* what, std::string_view of) {
  Status status = error(Code::state, "an authorizer of this connection ignores %s %.*s: nothing is done without it", what, WF_SV(of));
  if (status.message_ != nullptr) status.rc_ = SQLITE_AUTH;
  return status;
}

Status Status::sqlite(int rc) {
  Status status;
  status.rc_ = rc;
  return status;
}

bool Status::is_ours() const { return message_ != nullptr && std::strncmp(message_, "WF_", 3) == 0; }

bool Status::is(Code code) const {
  if (message_ == nullptr) return false;
  const char* name = code_name(code);
  const size_t length = std::strlen(name);
  return std::strncmp(message_, name, length) == 0 && message_[length] == ':';
}

std::string_view Status::code() const {
  if (!is_ours()) return {};
  const char* end = std::strchr(message_, ':');
  return {message_, end != nullptr ? static_cast<size_t>(end - message_) : 0};
}

}  // namespace wf

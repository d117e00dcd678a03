#include "base/local_http.h"

#include "base/sleep.h"

#if !defined(_WIN32) && !defined(__wasi__)
#define WF_LOCAL_SOCKETS
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#endif

namespace wf {

int64_t LocalHttp::left() const { return until_ - monotonic_clock(); }

Status LocalHttp::fail(const char* why, const char* hint) const { return Status::error(Code::state, "%s: %s (socket '%.*s')%s", words_, why, WF_SV(socket_), hint); }

Status LocalHttp::pause(int64_t nanoseconds) {
  const int64_t most = left();
  if (most <= 0) return fail("the time is over");
  if (nanoseconds != 0 && sleep_for(most < nanoseconds ? most : nanoseconds)) return fail("a signal came in between");
  return stop_.after(Stop::kStride) ? Status::sqlite(SQLITE_INTERRUPT) : Status();
}

#ifdef WF_LOCAL_SOCKETS

namespace {

// So late an interrupt is seen.
constexpr int64_t kBetweenAsking = 400 * kMillisecond;
// An answer is some hundred bytes.
constexpr size_t kLongestAnswer = 64 << 10;

// The digits of a length; false: they are none, or of one that no answer has.
bool read_length(string_view digits, unsigned base, size_t* out) {
  *out = 0;
  for (const char c : digits) {
    const unsigned low = static_cast<unsigned char>(c) | 0x20u;
    const unsigned digit = low <= '9' ? low - '0' : low - 'a' + 10;
    if (digit >= base || *out > kLongestAnswer) return false;
    *out = *out * base + digit;
  }
  return !digits.empty();
}

// Cuts the first line off `bytes`, which it keeps as it is where that has not ended yet.
bool next_line(string_view& bytes, string_view* line) {
  const size_t end = bytes.find("\r\n");
  if (end == string_view::npos) return false;
  *line = part(bytes, 0, end);
  bytes = part(bytes, end + 2);
  return true;
}

// Whether the line is that header, whose value then is all that is left of it.
bool is_header(string_view name, string_view& line) {
  if (!same_letters(part(line, 0, name.size()), name)) return false;
  line = trim(part(line, name.size()));
  return true;
}

// Who writes to a server that has gone is told so, and not killed.
#ifdef MSG_NOSIGNAL
constexpr int kNoSignal = MSG_NOSIGNAL;
#else
constexpr int kNoSignal = 0;
#endif

// For this question alone, and for no program that is started meanwhile.
int open_socket() {
#ifdef SOCK_CLOEXEC
  const int file = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
#else
  const int file = ::socket(AF_UNIX, SOCK_STREAM, 0);
  if (file >= 0) {
    fcntl(file, F_SETFD, FD_CLOEXEC);
    fcntl(file, F_SETFL, O_NONBLOCK);
  }
#endif
#ifdef SO_NOSIGPIPE
  const int on = 1;
  if (file >= 0) setsockopt(file, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
  return file;
}

}  // namespace

LocalHttp::Read LocalHttp::read_chunks(string_view bytes) {
  for (string_view line; next_line(bytes, &line);) {
    size_t length;
    if (!read_length(trim(part(line, 0, line.find(';'))), 16, &length)) return Read::foreign;
    if (length == 0) return Read::whole;
    if (bytes.size() < length + 2) return Read::more;
    if (part(bytes, length, 2) != "\r\n") return Read::foreign;
    body_.add(part(bytes, 0, length));
    bytes = part(bytes, length + 2);
  }
  return Read::more;
}

// `bytes` are the answer, as far as it has come; `closed`: no more will.
LocalHttp::Read LocalHttp::read(string_view bytes, bool closed) {
  constexpr string_view kBegin = "HTTP/1.";
  constexpr size_t kStatus = kBegin.size() + 2;
  body_.clear();
  if (part(bytes, 0, kBegin.size()) != part(kBegin, 0, bytes.size()) || bytes.size() > kLongestAnswer) return Read::foreign;
  if (bytes.find("\r\n\r\n") == string_view::npos) return Read::more;
  string_view line;
  next_line(bytes, &line);
  size_t length = SIZE_MAX;
  if (part(line, kStatus - 1, 1) != " " || !read_length(part(line, kStatus, 3), 10, &length)) return Read::foreign;
  status_ = static_cast<int>(length);
  length = SIZE_MAX;
  bool is_chunked = false;
  while (next_line(bytes, &line) && !line.empty()) {
    if (is_header("transfer-encoding:", line)) {
      if (!same_letters(line, "chunked")) return Read::foreign;
      is_chunked = true;
    } else if (is_header("content-length:", line) && !read_length(line, 10, &length)) {
      return Read::foreign;
    }
  }
  if (is_chunked) return read_chunks(bytes);
  if (length == SIZE_MAX ? !closed : bytes.size() < length) return Read::more;
  body_.add(part(bytes, 0, length));
  return Read::whole;
}

Status LocalHttp::wait(int file, short events) {
  const int64_t most = left();
  pollfd one = {file, events, 0};
  const int64_t time = most < kBetweenAsking ? most : kBetweenAsking;
  const bool is_signal = most > 0 && poll(&one, 1, static_cast<int>((time + kMillisecond - 1) / kMillisecond)) < 0;
  return is_signal ? fail("a signal came in between") : pause(0);
}

Status LocalHttp::exchange(int file, string_view question) {
  sockaddr_un address = {};
  if (socket_.size() >= sizeof address.sun_path) {
    return Status::error(Code::invalid, "the path of a socket has at most %d bytes, '%.*s' has more", static_cast<int>(sizeof address.sun_path) - 1, WF_SV(socket_));
  }
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  // A server that has as many callers as it takes: there is nothing to poll for, it says only "again".
  while (file < 0 || (::connect(file, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 && errno != EISCONN)) {
    if (file < 0 || (errno != EAGAIN && errno != EINTR && errno != EINPROGRESS && errno != EALREADY)) return fail(std::strerror(errno), errno == ENOENT || errno == ECONNREFUSED ? hint_ : "");
    WF_TRY(pause(5 * kMillisecond));
  }
  Text bytes;
  for (size_t sent = 0;;) {
    const bool sends = sent < question.size();
    char some[4096];
    const ssize_t done = sends ? ::send(file, question.data() + sent, question.size() - sent, kNoSignal) : ::recv(file, some, sizeof some, 0);
    if (done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
      WF_TRY(wait(file, sends ? POLLOUT : POLLIN));
    } else if (sends) {
      // Who hangs up before it has heard all may have answered.
      sent = done > 0 ? sent + static_cast<size_t>(done) : question.size();
    } else {
      if (done > 0) bytes.add(string_view(some, static_cast<size_t>(done)));
      const Read read_so_far = read(bytes.view(), done <= 0);
      if (!bytes.ok() || !body_.ok()) return Status::no_memory();
      if (read_so_far == Read::whole) return {};
      if (read_so_far == Read::foreign) return fail_foreign();
      if (done <= 0) return fail("the connection ended before the answer did");
    }
  }
}

Status LocalHttp::ask(string_view what, string_view body) {
  WF_TRY(pause(0));
  Text question;
  question.add(what).add(" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ").add_integer(static_cast<int64_t>(body.size()));
  question.add("\r\n\r\n").add(body);
  if (!question.ok()) return Status::no_memory();
  const int file = open_socket();
  Status exchanged = exchange(file, question.view());
  if (file >= 0) ::close(file);
  return exchanged;
}

#else

Status LocalHttp::ask(string_view, string_view) { return fail("this extension cannot use sockets in the file system here"); }

#endif

}  // namespace wf

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
namespace {

// So late an interrupt is seen.
constexpr int64_t kBetweenAsking = 400 * kMillisecond;
// An answer is some hundred bytes.
constexpr size_t kLongestAnswer = 64 << 10;

using HttpEnd = LocalHttp::End;

// The digits of a length; false: they are none, or of one that no answer has.
bool read_length(string_view digits, int base, size_t* out) {
  *out = 0;
  for (const char c : digits) {
    const int low = c | 0x20;
    const int digit = c >= '0' && c <= '9' ? c - '0' : base == 16 && low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
    if (digit < 0 || *out > kLongestAnswer) return false;
    *out = *out * static_cast<size_t>(base) + static_cast<size_t>(digit);
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

bool read_chunks(string_view bytes, LocalHttp::Answer* out) {
  for (string_view line; next_line(bytes, &line);) {
    size_t length;
    if (!read_length(trim(part(line, 0, line.find(';'))), 16, &length)) return out->end = HttpEnd::foreign, true;
    if (length == 0) return true;
    if (bytes.size() < length + 2) return false;
    if (part(bytes, length, 2) != "\r\n") return out->end = HttpEnd::foreign, true;
    out->body.add(part(bytes, 0, length));
    bytes = part(bytes, length + 2);
  }
  return false;
}

}  // namespace

bool LocalHttp::read(string_view bytes, bool closed, Answer* out) {
  constexpr string_view kBegin = "HTTP/1.";
  constexpr size_t kStatus = kBegin.size() + 2;
  out->body.clear();
  const auto foreign = [&] { return out->end = End::foreign, true; };
  if (part(bytes, 0, kBegin.size()) != part(kBegin, 0, bytes.size()) || bytes.size() > kLongestAnswer) return foreign();
  do {
    if (bytes.find("\r\n\r\n") == string_view::npos) return false;
    string_view line;
    next_line(bytes, &line);
    size_t status, length = 0;
    if (!has_prefix(line, kBegin) || part(line, kStatus - 1, 1) != " " || !read_length(part(line, kStatus, 3), 10, &status)) return foreign();
    out->status = static_cast<int>(status);
    bool is_chunked = false, has_length = false;
    while (next_line(bytes, &line) && !line.empty()) {
      const size_t colon = line.find(':');
      const string_view name = part(line, 0, colon), value = colon == string_view::npos ? string_view() : trim(part(line, colon + 1));
      if (same_letters(name, "transfer-encoding")) {
        if (!same_letters(value, "chunked")) return foreign();
        is_chunked = true;
      } else if (same_letters(name, "content-length")) {
        if (!read_length(value, 10, &length)) return foreign();
        has_length = true;
      }
    }
    if (out->status < 200) continue;  // the answer itself is behind it
    if (is_chunked) return read_chunks(bytes, out);
    if (has_length ? bytes.size() < length : !closed) return false;
    out->body.add(has_length ? part(bytes, 0, length) : bytes);
    return true;
  } while (!bytes.empty());
  return false;
}

int64_t LocalHttp::left() const { return until_ - monotonic_clock(); }

// (As much as a look is made for.)
Status LocalHttp::look() { return stop_.after(Stop::kStride) ? Status::sqlite(SQLITE_INTERRUPT) : Status(); }

Status LocalHttp::pause(int64_t nanoseconds, End* end) {
  const int64_t most = left();
  if (most <= 0) *end = End::late;
  else if (sleep_for(most < nanoseconds ? most : nanoseconds)) *end = End::signal;
  return look();
}

#ifdef WF_LOCAL_SOCKETS

const bool LocalHttp::kExists = true;

namespace {

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

Status LocalHttp::wait(int file, short events, Answer* out) {
  const int64_t most = left();
  if (most <= 0) return out->end = End::late, Status();
  pollfd one = {file, events, 0};
  const int64_t time = most < kBetweenAsking ? most : kBetweenAsking;
  if (::poll(&one, 1, static_cast<int>((time + kMillisecond - 1) / kMillisecond)) < 0) out->end = End::signal;
  return look();
}

Status LocalHttp::exchange(int file, string_view question, Answer* out) {
  sockaddr_un address = {};
  if (socket_.size() >= sizeof address.sun_path) {
    return Status::error(Code::invalid, "the path of a socket has at most %d bytes, '%.*s' has more", static_cast<int>(sizeof address.sun_path) - 1, WF_SV(socket_));
  }
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  // A server that has as many callers as it takes: there is nothing to poll for, it says only "again".
  while (::connect(file, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 && errno != EISCONN) {
    if (errno == EAGAIN || errno == EINTR) {
      WF_TRY(pause(5 * kMillisecond, &out->end));
    } else if (errno == EINPROGRESS || errno == EALREADY) {
      WF_TRY(wait(file, POLLOUT, out));
    } else {
      out->end = End::unreachable;
      out->error = errno;
    }
    if (out->end != End::answered) return {};
  }
  Text bytes;
  bool closed = false;
  for (size_t sent = 0;;) {
    const bool sends = sent < question.size();
    char some[4096];
    const ssize_t done = sends ? ::send(file, question.data() + sent, question.size() - sent, kNoSignal) : ::recv(file, some, sizeof some, 0);
    if (done > 0 && sends) {
      sent += static_cast<size_t>(done);
      continue;
    }
    if (done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
      WF_TRY(wait(file, sends ? POLLOUT : POLLIN, out));
      if (out->end != End::answered) return {};
      continue;
    }
    // Who hangs up before it has heard all may have answered.
    if (sends) sent = question.size();
    else if (done <= 0) closed = true;
    else bytes.add(string_view(some, static_cast<size_t>(done)));
    if (!bytes.ok()) return Status::no_memory();
    if (!sends && read(bytes.view(), closed, out)) return out->body.ok() ? Status() : Status::no_memory();
    if (closed) return out->end = End::cut, Status();
  }
}

Status LocalHttp::ask(string_view what, string_view body, Answer* out) {
  out->end = End::answered;
  out->error = out->status = 0;
  WF_TRY(look());
  Text question;
  question.add(what).add(" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
  if (!body.empty()) question.add("Content-Type: application/json\r\nContent-Length: ").add_integer(static_cast<int64_t>(body.size())).add("\r\n");
  question.add("\r\n").add(body);
  if (!question.ok()) return Status::no_memory();
  const int file = open_socket();
  if (file < 0) {
    out->end = End::unreachable;
    out->error = errno;
    return {};
  }
  Status exchanged = exchange(file, question.view(), out);
  ::close(file);
  return exchanged;
}

#else

const bool LocalHttp::kExists = false;

Status LocalHttp::ask(string_view, string_view, Answer* out) {
  out->end = End::unreachable;
  return {};
}

#endif

}  // namespace wf

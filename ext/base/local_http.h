// One question to a server of this machine, behind a socket in the file system (AF_UNIX), by HTTP/1.1.
//
//   LocalHttp server(socket, monotonic_clock() + 5000 * kMillisecond, db.stop());
//   LocalHttp::Answer answer;
//   WF_TRY(server.ask("GET /info", {}, &answer));          // answer.end says how it went
//
// Each question has a connection of its own, and holds nothing else. It is sent, and the answer awaited, until the time that was given, an interrupt
// of SQLite's connection (SQLITE_INTERRUPT, within half a second) or a signal.
#pragma once

#include "base/status.h"
#include "base/stop.h"
#include "base/text.h"

namespace wf {

class LocalHttp {
 public:
  // `until` is of monotonic_clock(). WF_INVALID by ask(): the path is too long for a socket.
  LocalHttp(string_view socket, int64_t until, Stop& stop) : socket_(socket), until_(until), stop_(stop) {}

  enum class End : char {
    answered,
    unreachable,  // nobody to talk to: `error` is the system's number
    cut,          // the connection ended before the answer did
    foreign,      // what came is no HTTP, or too long to be an answer
    late,         // the time has passed
    signal,       // was handled meanwhile
  };
  struct Answer {
    End end = End::answered;
    int error = 0;
    int status = 0;  // 200 ...
    Text body;
  };
  // `what` is a method and a path; the body is JSON, or empty.
  Status ask(string_view what, string_view body, Answer* out);
  // Sleeps for so long, but not beyond the time.
  Status pause(int64_t nanoseconds, End* end);
  int64_t left() const;

  // Reads `bytes` as an answer, as far as they go. `closed`: no more will come. False: it is not all there yet.
  static bool read(string_view bytes, bool closed, Answer* out);
  // This system has such sockets, and this file a client for them.
  static const bool kExists;

 private:
  Status exchange(int file, string_view question, Answer* out);
  Status wait(int file, short events, Answer* out);
  Status look();

  string_view socket_;
  int64_t until_;
  Stop& stop_;
};

}  // namespace wf

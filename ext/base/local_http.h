// One question to a server of this machine, behind a socket in the file system (AF_UNIX), by HTTP/1.1.
//
//   LocalHttp server(socket, monotonic_clock() + 5000 * kMillisecond, db.stop(), "it is not known", "Start it.");
//   WF_TRY(server.ask("GET /info", {}));                      // WF_STATE "it is not known: the time is over (socket '...')"
//   use(server.status(), server.body());
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
  // `until` is of monotonic_clock(); `words` begin the errors, and are read when there is one; `hint` ends those that say that nobody listens.
  LocalHttp(string_view socket, int64_t until, Stop& stop, const char* words, const char* hint) : socket_(socket), until_(until), stop_(stop), words_(words), hint_(hint) {}

  // `what` is a method and a path; the body is JSON, or empty. WF_STATE where there is no whole answer; WF_INVALID if the path is too long for a socket.
  Status ask(string_view what, string_view body);
  int status() const { return status_; }  // 200 ...
  string_view body() const { return body_.view(); }

  // Sleeps for so long. WF_STATE: the time is over then, or a signal came.
  Status pause(int64_t nanoseconds);
  int64_t left() const;
  // WF_STATE, and why.
  [[gnu::cold]] Status fail(const char* why) const { return fail(why, ""); }
  // The same where what answers is not the server that is meant.
  [[gnu::cold]] Status fail_foreign() const { return fail("something else answers there"); }

 private:
  enum class Read : char { more, whole, foreign };
  Read read(string_view bytes, bool closed);
  Read read_chunks(string_view bytes);
  [[gnu::cold]] Status fail(const char* why, const char* hint) const;
  Status exchange(int file, string_view question);
  Status wait(int file, short events);

  string_view socket_;
  int64_t until_;
  Stop& stop_;
  const char *words_, *hint_;
  int status_ = 0;
  Text body_;
};

}  // namespace wf

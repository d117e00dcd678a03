// Waiting: how the statements of one connection wait for locks. See fair_wait.h.
#pragma once

#include "base/status.h"
#include "base/time.h"

namespace wf {

// What is known of one connection's waiting.
class Waiting {
 public:
  // From now on every statement of the connection, whoever steps it, waits fairly, for so long; 0: none waits any more. It stays so until the
  // application sets a timeout or a handler of its own.
  Status stand_in_for_all(sqlite3* handle, Millis timeout);
  // That time; 0: none was set, or SQLite's own handler was found to be in force since.
  Millis for_all() const { return for_all_; }
  // It is going, and the connection with it or not.
  void leave(sqlite3* handle) { if (for_all_ != 0) sqlite3_busy_handler(handle, nullptr, nullptr); }
  // The lock that a FairWait has waited for is given back by now.
  void gives_back();

 private:
  friend class FairWait;

  static int wait(void* waiting, int count);
  void stand_in(sqlite3* handle) { sqlite3_busy_handler(handle, wait, this); }
  bool is_alone(unsigned version);
  void give_way();

  Millis for_all_ = 0;
  Millis timeout_ = 0;       // of the handler that is in force
  int64_t begun_ = 0, slice_ = 0, last_ = 0;  // when the wait, the statement and the last try began
  int sleeps_ = 0;
  bool sliced_ = false;      // who steps the statement would step it again
  bool gave_up_ = false;     // and has to
  bool resumed_ = false;
  int64_t called_ = 0;       // when is_alone() was last asked
  unsigned version_ = 0;     // of the file at that time
  int alone_ = 0;
  int calls_ = 1 << 30;      // since one had to wait
  int64_t got_ = 0, given_back_ = 0, held_ = 0;  // the lock: when it was got and given back the last time, and between the two
};

}  // namespace wf

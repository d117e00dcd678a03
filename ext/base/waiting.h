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
  // A COMMIT has given back the lock that a FairWait has waited for; so many rows has the connection changed by now, ever.
  void gives_back(int changes);

 private:
  friend class FairWait;

  static int wait(void* waiting, int count);
  void stand_in(sqlite3* handle) { sqlite3_busy_handler(handle, wait, this); }
  void give_way();
  // To ask for the timeout costs as much as a tenth of a wf_step. Who has called so often and seen nobody else's commits has nobody to wait for, and asks no
  // more, as long as one call follows the other closely; should somebody come, it is SQLite's own handler that waits, once. That may take seconds, and no
  // interrupt ends it, so it has to be more calls than the others sleep through, and no pause in which they may have come.
  static constexpr int kAlone = 3000;
  bool is_alone();
  // Before the lock: the version of the file is known from the last call, unless the application may have committed since. It has changed rows then, or has
  // a transaction under way.
  static constexpr int kUnknown = -1;
  bool knows_version(int changes) const { return changes == changes_ && changes != kUnknown; }
  void begins_at(unsigned version, int changes) { version_ = version, changes_ = changes, commits_ = 0; }
  // Behind it: whether the version has moved by more than the commits of our own. With a rollback journal others who only read are to be waited for, too.
  void look_for_others(unsigned version);

  Millis for_all_ = 0;
  Millis timeout_ = 0;       // of the handler that is in force
  int64_t begun_ = 0, slice_ = 0, last_ = 0;  // when the wait, the statement and the last try began
  int sleeps_ = 0;
  bool has_journal_ = false; // and no WAL
  bool sliced_ = false;      // who steps the statement would step it again
  bool gave_up_ = false;     // and has to
  bool resumed_ = false;
  unsigned version_ = 0;     // of the file
  unsigned commits_ = 0;     // of our own since
  int changes_ = kUnknown;   // of rows, ever, behind the last of them
  int alone_ = 0;            // so many calls
  int64_t came_ = 0;         // the last of those that found nobody
  int calls_ = 1 << 30;      // since one had to wait
  int64_t got_ = 0, given_back_ = 0, held_ = 0;  // the lock: when it was got and given back the last time, and between the two
};

}  // namespace wf

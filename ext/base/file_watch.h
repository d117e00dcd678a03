// FileWatch: sleeping until a database file is written by anyone, as far as the system says so.
//
//   watch.arm(path);                    // before a look, or what comes after the look and before the sleep would be missed
//   ... look ...
//   watch.sleep(nanoseconds);           // Woke::change: there was a write since arm(), which may not be committed yet
//
// It never opens the database or its -shm: closing a second descriptor on them would drop this process's locks. One watch tells once, and is armed
// again for the next: a watch that tells of every write costs whoever writes.
//
// A watch stays with its connection: to close one takes the system (Linux) some 10 milliseconds.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/sleep.h"
#include "base/text.h"

namespace wf {

enum class Woke : char { time, change, signal };

// The name of a file system whose files are written by other machines, too, which this one does not hear of, and on which SQLite's locks cannot be
// relied on; empty: it is none that we know.
string_view network_file_system(const char* path);
int64_t process_number();

class FileWatch {
 public:
  FileWatch() = default;
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;
  ~FileWatch() { close(); }

  // Watches the database file at `path`, whichever journal it has. False: the system cannot, or not here; error() says why.
  bool arm(const char* path);
  // Whether it is armed, and nothing was written since.
  bool is_quiet() { return armed_ && sleep(0) == Woke::time; }
  // Until a file was written, poke() was called, a signal was handled, or the time is over.
  Woke sleep(int64_t nanoseconds);
  // Wakes the sleeper, from another thread; does nothing to one that arms later: what it is to see has to be there before.
  void poke();
  void close();
  // errno of the last arm() that failed.
  int error() const { return error_; }

  // Of who sleeps by it, kept with the connection: how often it was woken for nothing, up to kMostUseless, and how often in a row it was not told of a
  // commit. A wait that has found work (work_of(); 0: something else) was for nothing, too, where this connection then asked for the same and another had it by then.
  static constexpr int kMostUseless = 5;
  int useless = 0, missed = 0;
  void was_useless() { useless = useless < kMostUseless ? useless + 1 : kMostUseless; }
  void found(uint64_t work) { found_ = work; }
  uint64_t found() const { return found_; }
  void got(bool got) {
    found_ = 0;
    if (got) useless /= 2;
    else was_useless();
  }

 private:
  bool open();

  static constexpr int kFiles = 3;
  [[maybe_unused]] int queue_ = -1;
  bool armed_ = false;
  uint64_t found_ = 0;            // by the last wait, and it is not known yet whether it was for this connection
  [[maybe_unused]] int64_t owner_ = 0;  // the process that has opened it: a child has its parent's
  [[maybe_unused]] int files_[kFiles] = {-1, -1, -1};
  std::atomic<int> poked_{-1};    // by what poke() reaches it
  int error_ = 0;
};

}  // namespace wf

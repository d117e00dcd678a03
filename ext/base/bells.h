// Bells: what one connection rings for others of this process, without a write: wf_wake. Each connection hears each ring since it was opened once,
// if it listens then or later; rings between are one.
#pragma once

#include "base/file_watch.h"

namespace wf {

class Bells {
 public:
  Bells();
  Bells(const Bells&) = delete;
  Bells& operator=(const Bells&) = delete;
  ~Bells();

  // The bell of a name, for the connections of one file.
  static uint64_t of(const char* path, string_view name);
  // False: there is no memory.
  static bool ring(uint64_t bell);
  // How often any was rung.
  static int64_t rings();

  // Whether it was rung, and this connection has not heard it yet.
  bool has_rung(uint64_t bell) const;
  // What was rung up to then has been heard.
  bool hear(uint64_t bell, int64_t rings);

  // Who sleeps by `file` is woken by a ring, as long as this lives. Whatever was rung is to be looked at after it is made.
  class Listener {
   public:
    explicit Listener(FileWatch& file);
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    ~Listener();
    // Whether there was a ring since the last call.
    bool heard() { return heard_.exchange(false); }

   private:
    friend class Bells;
    FileWatch& file_;
    std::atomic<bool> heard_{false};
    Listener* next_ = nullptr;
  };

  // The last ring of each bell.
  struct Ring {
    uint64_t bell;
    int64_t at;
  };
  struct Rings {
    Ring* all = nullptr;
    size_t count = 0;
    Ring* find(uint64_t bell) const;
    bool set(uint64_t bell, int64_t at);
    void clear();
  };

 private:
  Rings heard_;
  int64_t since_;
};

}  // namespace wf

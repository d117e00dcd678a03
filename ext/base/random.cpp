// Random bytes: those of SQLite, told apart by process.
#include "base/db.h"

// (No process is forked from another there.)
#if defined(_WIN32) || defined(__wasm__)

namespace wf {

void Db::randomness(void* out, int size) { sqlite3_randomness(size, out); }

}  // namespace wf

#else

#include <time.h>
#include <unistd.h>

#include <atomic>

#include "base/hash.h"

namespace wf {
namespace {

// What tells this process from one that was forked from the same. (Two threads that find out at the same moment may differ: no matter.)
uint64_t process_salt() {
  static std::atomic<uint64_t> salt{0};
  static std::atomic<int> process{0};
  const int self = getpid();
  if (process.load(std::memory_order_acquire) == self) return salt.load(std::memory_order_relaxed);
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  char text[64];
  sqlite3_snprintf(sizeof text, text, "%d %lld %ld", self, static_cast<long long>(now.tv_sec), static_cast<long>(now.tv_nsec));
  const uint64_t made = hash64(text);
  salt.store(made, std::memory_order_relaxed);
  process.store(self, std::memory_order_release);
  return made;
}

}  // namespace

// A child process begins with a copy of its parent's generator.
void Db::randomness(void* out, int size) {
  sqlite3_randomness(size, out);
  const uint64_t salt = process_salt();
  for (int i = 0; i < size; ++i) static_cast<unsigned char*>(out)[i] ^= static_cast<unsigned char>(salt >> (i % 8 * 8));
}

}  // namespace wf

#endif

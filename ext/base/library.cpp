#include "base/library.h"

#ifndef SQLITE_CORE

#include <atomic>

namespace wf {
namespace {

std::atomic_flag g_locked;
int g_holds = 0;

// Held for a few instructions.
struct Lock {
  Lock() { while (g_locked.test_and_set(std::memory_order_acquire)) {} }
  ~Lock() { g_locked.clear(std::memory_order_release); }
};

}  // namespace

bool take_library(const sqlite3_api_routines* api) {
  const Lock lock;
  if (g_holds != 0 && sqlite3_api != api) return false;
  SQLITE_EXTENSION_INIT2(api);
  ++g_holds;
  return true;
}

void hold_library() {
  const Lock lock;
  ++g_holds;
}

void drop_library() {
  const Lock lock;
  --g_holds;
}

}  // namespace wf

#endif

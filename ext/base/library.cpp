#include "base/library.h"

#ifndef SQLITE_CORE

#include "base/spin_lock.h"

namespace wf {
namespace {

std::atomic_flag g_library_locked;
int g_holds = 0;

}  // namespace

bool take_library(const sqlite3_api_routines* api) {
  const SpinLock lock(g_library_locked);
  if (g_holds != 0 && sqlite3_api != api) return false;
  SQLITE_EXTENSION_INIT2(api);
  ++g_holds;
  return true;
}

void hold_library() {
  const SpinLock lock(g_library_locked);
  ++g_holds;
}

void drop_library() {
  const SpinLock lock(g_library_locked);
  --g_holds;
}

}  // namespace wf

#endif

// Allocations that fail: the Injector OutOfMemory, and Oom, the fixture of tests that use it.
#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "fault.h"

namespace fault {

// SQLite's allocator, with a fuse.
struct Fuse {
  sqlite3_mem_methods real;
  int left = 0;  // allocations until it blows; 0: not armed
  bool sticky = false, blown = false;

  bool blows() {
    if (left == 0) return blown && sticky;
    if (--left > 0) return false;
    return blown = true;
  }
};
inline Fuse fuse;

inline void* fused_malloc(int size) { return fuse.blows() ? nullptr : fuse.real.xMalloc(size); }
inline void* fused_realloc(void* old, int size) { return fuse.blows() ? nullptr : fuse.real.xRealloc(old, size); }

class OutOfMemory : public Injector {
 public:
  void arm(sqlite3*, int n, bool sticky) override {
    fuse.left = n;
    fuse.sticky = sticky;
    fuse.blown = false;
  }
  bool disarm(sqlite3*) override {
    const bool blown = fuse.blown;
    fuse.left = 0;
    fuse.blown = fuse.sticky = false;
    return blown;
  }
  bool is_fault(int code) const override { return code == SQLITE_NOMEM || code == SQLITE_IOERR_NOMEM; }
};

// SQLite with the fused allocator and no lookaside, for the time of a test.
class Oom : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(sqlite3_shutdown(), SQLITE_OK);
    ASSERT_EQ(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &fuse.real), SQLITE_OK);
    sqlite3_mem_methods fused = fuse.real;
    fused.xMalloc = fused_malloc;
    fused.xRealloc = fused_realloc;
    ASSERT_EQ(sqlite3_config(SQLITE_CONFIG_MALLOC, &fused), SQLITE_OK);
    ASSERT_EQ(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0), SQLITE_OK);
    ASSERT_EQ(sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 1), SQLITE_OK);
    ASSERT_EQ(sqlite3_initialize(), SQLITE_OK);
  }
  void TearDown() override {
    ASSERT_EQ(sqlite3_shutdown(), SQLITE_OK);
    ASSERT_EQ(sqlite3_config(SQLITE_CONFIG_MALLOC, &fuse.real), SQLITE_OK);
    ASSERT_EQ(sqlite3_initialize(), SQLITE_OK);
  }
  OutOfMemory oom;
};

}  // namespace fault

// Every read, write, sync, truncation, lock and deletion of a file fails once, or from then on.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <unistd.h>

#include "fault.h"

namespace {

// A VFS that stands before the default one and fails on demand. Syncs are not carried out.
struct Shim {
  sqlite3_vfs vfs;
  sqlite3_vfs* real;
  int left = 0;
  bool sticky = false, fired = false;

  bool fails() {
    if (left == 0) return fired && sticky;
    if (--left > 0) return false;
    return fired = true;
  }
} shim;

struct File {
  sqlite3_file base;
  sqlite3_file* real;   // behind this struct
};

sqlite3_file* real(sqlite3_file* file) { return reinterpret_cast<File*>(file)->real; }

int close_file(sqlite3_file* f) { return real(f)->pMethods ? real(f)->pMethods->xClose(real(f)) : SQLITE_OK; }
int read_file(sqlite3_file* f, void* to, int n, sqlite3_int64 at) {
  return shim.fails() ? SQLITE_IOERR_READ : real(f)->pMethods->xRead(real(f), to, n, at);
}
int write_file(sqlite3_file* f, const void* from, int n, sqlite3_int64 at) {
  return shim.fails() ? SQLITE_IOERR_WRITE : real(f)->pMethods->xWrite(real(f), from, n, at);
}
int truncate_file(sqlite3_file* f, sqlite3_int64 size) {
  return shim.fails() ? SQLITE_IOERR_TRUNCATE : real(f)->pMethods->xTruncate(real(f), size);
}
int sync_file(sqlite3_file*, int) { return shim.fails() ? SQLITE_IOERR_FSYNC : SQLITE_OK; }
int file_size(sqlite3_file* f, sqlite3_int64* size) {
  return shim.fails() ? SQLITE_IOERR_FSTAT : real(f)->pMethods->xFileSize(real(f), size);
}
int lock_file(sqlite3_file* f, int level) {
  return shim.fails() ? SQLITE_IOERR_LOCK : real(f)->pMethods->xLock(real(f), level);
}
int unlock_file(sqlite3_file* f, int level) { return real(f)->pMethods->xUnlock(real(f), level); }
int check_reserved(sqlite3_file* f, int* out) { return real(f)->pMethods->xCheckReservedLock(real(f), out); }
int file_control(sqlite3_file* f, int op, void* arg) { return real(f)->pMethods->xFileControl(real(f), op, arg); }
int sector_size(sqlite3_file* f) { return real(f)->pMethods->xSectorSize(real(f)); }
int characteristics(sqlite3_file* f) { return real(f)->pMethods->xDeviceCharacteristics(real(f)); }
int shm_map(sqlite3_file* f, int page, int size, int extend, void volatile** out) {
  return shim.fails() ? SQLITE_IOERR_SHMMAP : real(f)->pMethods->xShmMap(real(f), page, size, extend, out);
}
int shm_lock(sqlite3_file* f, int offset, int n, int flags) {
  if ((flags & SQLITE_SHM_LOCK) && shim.fails()) return SQLITE_IOERR_SHMLOCK;
  return real(f)->pMethods->xShmLock(real(f), offset, n, flags);
}
void shm_barrier(sqlite3_file* f) { real(f)->pMethods->xShmBarrier(real(f)); }
int shm_unmap(sqlite3_file* f, int drop) { return real(f)->pMethods->xShmUnmap(real(f), drop); }

const sqlite3_io_methods kMethods = {
    2,           close_file,     read_file,    write_file,  truncate_file,   sync_file, file_size, lock_file,
    unlock_file, check_reserved, file_control, sector_size, characteristics, shm_map,   shm_lock,  shm_barrier,
    shm_unmap,   nullptr,        nullptr,
};

int open_file(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
  auto* f = reinterpret_cast<File*>(file);
  f->base.pMethods = nullptr;
  f->real = reinterpret_cast<sqlite3_file*>(f + 1);
  if (shim.fails()) return SQLITE_CANTOPEN;
  const int code = shim.real->xOpen(shim.real, name, f->real, flags, out);
  if (f->real->pMethods != nullptr) f->base.pMethods = &kMethods;
  return code;
}
int delete_file(sqlite3_vfs*, const char* name, int sync) {
  return shim.fails() ? SQLITE_IOERR_DELETE : shim.real->xDelete(shim.real, name, sync);
}
int access_file(sqlite3_vfs*, const char* name, int flags, int* out) {
  return shim.fails() ? SQLITE_IOERR_ACCESS : shim.real->xAccess(shim.real, name, flags, out);
}

class IoError : public fault::Injector {
 public:
  IoError() {
    if (shim.real != nullptr) return;
    shim.real = sqlite3_vfs_find(nullptr);
    shim.vfs = *shim.real;
    shim.vfs.zName = "shim";
    shim.vfs.szOsFile = static_cast<int>(sizeof(File)) + shim.real->szOsFile;
    shim.vfs.xOpen = open_file;
    shim.vfs.xDelete = delete_file;
    shim.vfs.xAccess = access_file;
    EXPECT_EQ(sqlite3_vfs_register(&shim.vfs, 0), SQLITE_OK);
  }
  const char* vfs() const override { return "shim"; }
  void arm(sqlite3*, int n, bool sticky) override {
    shim.left = n;
    shim.sticky = sticky;
    shim.fired = false;
  }
  bool disarm(sqlite3*) override {
    const bool fired = shim.fired;
    shim.left = 0;
    shim.fired = shim.sticky = false;
    return fired;
  }
  bool is_fault(int code) const override { return (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN; }
};

class IoErrorIn : public ::testing::TestWithParam<fault::Scenario> {
 protected:
  int everywhere(const char* journal_mode) {
    IoError error;
    int tried = 0;
    for (const bool sticky : {false, true}) {
      tried += fault::for_each_fault(GetParam(), error, fault::Start::cold, sticky, journal_mode);
      tried += fault::for_each_fault(GetParam(), error, fault::Start::warm, sticky, journal_mode);
    }
    return tried;
  }
};

TEST_P(IoErrorIn, DeleteJournal) { EXPECT_GT(everywhere("delete"), 0); }
TEST_P(IoErrorIn, Wal) { EXPECT_GT(everywhere("wal"), 0); }

INSTANTIATE_TEST_SUITE_P(Every, IoErrorIn, ::testing::ValuesIn(fault::scenarios()),
                         [](const auto& info) { return std::string(info.param.name); });

// A disk that is full for a while: the call says so, and works when there is room again.
TEST(DiskFull, EveryPageCount) {
  const std::string path = ::testing::TempDir() + "full_test.db";
  for (const char* suffix : {"", "-journal", "-wal", "-shm"}) unlink((path + suffix).c_str());
  fault::Connection c(path);
  c.query("PRAGMA page_size = 1024");
  c.query("PRAGMA synchronous = off");
  c.query("SELECT wf_init()");
  int refused = 0;
  for (int room = 0; room < 40; ++room) {
    SCOPED_TRACE(room);
    const std::string id = "w" + std::to_string(room);
    const std::string before = fault::stored(c);
    c.query(("PRAGMA max_page_count = " + std::to_string(std::stoi(c.query("PRAGMA page_count")) + room)).c_str());
    const int code = c.run("SELECT wf_start('job', '\"' || replace(hex(zeroblob(9000)), '0', 'x') || '\"', json_object('id', ?1))", id);
    EXPECT_NE(sqlite3_get_autocommit(c.handle()), 0);
    c.query("PRAGMA max_page_count = 1000000");
    if (code != SQLITE_OK) {
      ++refused;
      EXPECT_EQ(code, SQLITE_FULL) << c.message();
      EXPECT_EQ(fault::stored(c), before);
      EXPECT_EQ(c.run("SELECT wf_start('job', 1, json_object('id', ?1))", id), SQLITE_OK) << c.message();
    }
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_GT(refused, 3);
  EXPECT_EQ(c.query("PRAGMA integrity_check"), "ok");
}

}  // namespace

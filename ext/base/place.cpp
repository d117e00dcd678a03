#include "base/place.h"

#ifdef __linux__
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__APPLE__)
#include <sys/stat.h>
#endif

namespace wf {
namespace {

struct Birth {
  uint64_t inode = 0;
  int64_t seconds = 0, nanoseconds = 0;
};

#if defined(__linux__) && defined(SYS_statx)
// As the kernel has it. (The C library's stat() would tie the module to a new version of it, and knows no time of birth.)
struct KernelTime {
  int64_t seconds;
  uint32_t nanoseconds;
  int32_t unused;
};
struct KernelStat {
  uint32_t mask, block_size;
  uint64_t attributes;
  uint32_t links, user, group;
  uint16_t mode, unused[1];
  uint64_t inode, size, blocks, attributes_mask;
  KernelTime read, birth, changed, written;
  uint64_t more[16];
};
static_assert(sizeof(KernelStat) == 256);

bool find_birth(const char* path, Birth* out) {
  constexpr unsigned kInode = 0x100, kBirth = 0x800;
  KernelStat s = {};
  if (syscall(SYS_statx, AT_FDCWD, path, 0, kInode | kBirth, &s) != 0 || (s.mask & kBirth) == 0) return false;
  *out = {s.inode, s.birth.seconds, s.birth.nanoseconds};
  return true;
}
#elif defined(__APPLE__)
bool find_birth(const char* path, Birth* out) {
  struct stat s;
  if (stat(path, &s) != 0) return false;
  *out = {s.st_ino, s.st_birthtimespec.tv_sec, s.st_birthtimespec.tv_nsec};
  return true;
}
#else
bool find_birth(const char*, Birth*) { return false; }
#endif

}  // namespace

void add_place(Db& db, Text& out) {
  const char* path = sqlite3_db_filename(db.handle(), "main");
  Birth birth;
  if (path == nullptr || *path == '\0' || !find_birth(path, &birth)) return;
  out.add_integer(static_cast<int64_t>(birth.inode)).add(' ').add_integer(birth.seconds).add(' ').add_integer(birth.nanoseconds);
}

Status write_place(Db& db) {
  Text place;
  add_place(db, place);
  if (!place.ok()) return Status::no_memory();
  if (place.size() == 0) return {};
  Query q(db, Sql::place_put);
  q.bind(":place", place.view());
  return q.run();
}

}  // namespace wf

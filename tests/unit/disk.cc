#include "disk.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>

namespace power {
namespace {

constexpr int64_t kSector = 512;

void write_to(std::string& file, int64_t at, const char* bytes, size_t n) {
  const size_t from = static_cast<size_t>(at);
  if (file.size() < from + n) file.resize(from + n, '\0');
  file.replace(from, n, bytes, n);
}

void change(std::vector<std::string>& files, Names& names, const Op& op) {
  switch (op.kind) {
    case Op::write: write_to(files[static_cast<size_t>(op.file)], op.at, op.text.data(), op.text.size()); break;
    case Op::truncate: {
      std::string& file = files[static_cast<size_t>(op.file)];
      if (static_cast<int64_t>(file.size()) > op.at) file.resize(static_cast<size_t>(op.at));
      break;
    }
    case Op::create: names[op.text] = op.file; break;
    case Op::unlink: names.erase(op.text); break;
    case Op::sync:
    case Op::sync_folder: break;
  }
}

}  // namespace

void Disk::apply(Op op) {
  if (op.kind == Op::create) op.file = static_cast<int>(files.size()), files.emplace_back();
  change(files, names, op);
  log.push_back(std::move(op));
}

void Disk::settle() {
  log.clear();
  start = files;
  names_at_start = names;
}

std::unique_ptr<Disk> Disk::cut(size_t count, double luck, std::mt19937& random) const {
  auto left = std::make_unique<Disk>();
  left->files = start;
  left->files.resize(files.size());
  left->names = names_at_start;

  std::vector<size_t> synced(files.size(), 0);   // by file: how much of the log its last sync covers
  size_t folder_synced = 0;
  for (size_t i = 0; i < count; ++i) {
    if (log[i].kind == Op::sync) synced[static_cast<size_t>(log[i].file)] = i;
    if (log[i].kind == Op::sync_folder) folder_synced = i;
  }
  std::bernoulli_distribution lucky(luck);
  bool folder_goes_on = true;
  for (size_t i = 0; i < count; ++i) {
    const Op& op = log[i];
    if (op.kind == Op::create || op.kind == Op::unlink) {
      if (i >= folder_synced) folder_goes_on = folder_goes_on && lucky(random);
      if (folder_goes_on) change(left->files, left->names, op);
    } else if (i < synced[static_cast<size_t>(op.file)]) {
      change(left->files, left->names, op);
    } else if (op.kind == Op::truncate) {
      if (lucky(random)) change(left->files, left->names, op);
    } else if (op.kind == Op::write) {
      for (int64_t at = 0; at < static_cast<int64_t>(op.text.size());) {
        const int64_t n = std::min(kSector - (op.at + at) % kSector, static_cast<int64_t>(op.text.size()) - at);
        if (lucky(random)) write_to(left->files[static_cast<size_t>(op.file)], op.at + at, op.text.data() + at, static_cast<size_t>(n));
        at += n;
      }
    }
  }
  left->settle();
  return left;
}

// ---- The VFS -----------------------------------------------------------------------------------------------------------
namespace {

Disk* mounted = nullptr;
std::map<int, std::string> shared;   // the wal-index of each page of 32 KiB: memory, gone with the power

struct File {
  sqlite3_file base;
  Disk* disk;
  int number;
  bool sync_folder;        // with its next sync: it is new, and its name has to last
  bool delete_at_close;
  char name[64];
};

File* file_of(sqlite3_file* f) { return reinterpret_cast<File*>(f); }
std::string& bytes_of(sqlite3_file* f) { return file_of(f)->disk->files[static_cast<size_t>(file_of(f)->number)]; }

int close_file(sqlite3_file* f) {
  if (file_of(f)->delete_at_close) file_of(f)->disk->apply({Op::unlink, 0, 0, file_of(f)->name});
  return SQLITE_OK;
}
int read_file(sqlite3_file* f, void* to, int n, sqlite3_int64 at) {
  const std::string& bytes = bytes_of(f);
  const int64_t there = std::clamp<int64_t>(static_cast<int64_t>(bytes.size()) - at, 0, n);
  memset(to, 0, static_cast<size_t>(n));
  if (there > 0) memcpy(to, bytes.data() + at, static_cast<size_t>(there));
  return there == n ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}
int write_file(sqlite3_file* f, const void* from, int n, sqlite3_int64 at) {
  file_of(f)->disk->apply({Op::write, file_of(f)->number, at, std::string(static_cast<const char*>(from), static_cast<size_t>(n))});
  return SQLITE_OK;
}
int truncate_file(sqlite3_file* f, sqlite3_int64 size) {
  file_of(f)->disk->apply({Op::truncate, file_of(f)->number, size, {}});
  return SQLITE_OK;
}
int sync_file(sqlite3_file* f, int) {
  file_of(f)->disk->apply({Op::sync, file_of(f)->number, 0, {}});
  if (file_of(f)->sync_folder) file_of(f)->disk->apply({Op::sync_folder, 0, 0, {}});
  file_of(f)->sync_folder = false;
  return SQLITE_OK;
}
int file_size(sqlite3_file* f, sqlite3_int64* size) {
  *size = static_cast<sqlite3_int64>(bytes_of(f).size());
  return SQLITE_OK;
}
int lock_file(sqlite3_file*, int) { return SQLITE_OK; }
int check_reserved(sqlite3_file*, int* out) { return *out = 0, SQLITE_OK; }
int file_control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int sector_size(sqlite3_file*) { return static_cast<int>(kSector); }
int characteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }   // as of the unix VFS
int shm_map(sqlite3_file*, int page, int size, int extend, void volatile** out) {
  *out = nullptr;
  if (shared.count(page) == 0 && !extend) return SQLITE_OK;
  std::string& region = shared[page];
  if (region.empty()) region.resize(static_cast<size_t>(size), '\0');
  *out = region.data();
  return SQLITE_OK;
}
int shm_lock(sqlite3_file*, int, int, int) { return SQLITE_OK; }
void shm_barrier(sqlite3_file*) {}
int shm_unmap(sqlite3_file*, int drop) {
  if (drop) shared.clear();
  return SQLITE_OK;
}

const sqlite3_io_methods kMethods = {
    2,           close_file,     read_file,    write_file,  truncate_file,   sync_file, file_size, lock_file,
    lock_file,   check_reserved, file_control, sector_size, characteristics, shm_map,   shm_lock,  shm_barrier,
    shm_unmap,   nullptr,        nullptr,
};

int open_file(sqlite3_vfs*, const char* path, sqlite3_file* f, int flags, int* out) {
  static int temporary = 0;
  const std::string name = path != nullptr ? path : "temporary-" + std::to_string(++temporary);
  File* file = file_of(f);
  file->base.pMethods = nullptr;
  file->disk = mounted;
  file->delete_at_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
  file->sync_folder = false;
  strncpy(file->name, name.c_str(), sizeof file->name - 1);
  file->name[sizeof file->name - 1] = '\0';
  if (mounted->names.count(name) == 0) {
    if (!(flags & SQLITE_OPEN_CREATE)) return SQLITE_CANTOPEN;
    mounted->apply({Op::create, 0, 0, name});
    file->sync_folder = (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL)) != 0;
  }
  file->number = mounted->names[name];
  file->base.pMethods = &kMethods;
  if (out != nullptr) *out = flags;
  return SQLITE_OK;
}
int delete_file(sqlite3_vfs*, const char* name, int sync_folder) {
  if (mounted->names.count(name) == 0) return SQLITE_IOERR_DELETE_NOENT;
  mounted->apply({Op::unlink, 0, 0, name});
  if (sync_folder) mounted->apply({Op::sync_folder, 0, 0, {}});
  return SQLITE_OK;
}
int access_file(sqlite3_vfs*, const char* name, int, int* out) {
  *out = mounted->names.count(name) != 0;
  return SQLITE_OK;
}
int full_name(sqlite3_vfs*, const char* name, int n, char* out) {
  sqlite3_snprintf(n, out, "%s", name);
  return SQLITE_OK;
}

}  // namespace

void mount(Disk* disk) {
  static sqlite3_vfs vfs;
  if (vfs.zName == nullptr) {
    vfs = *sqlite3_vfs_find(nullptr);
    vfs.zName = "disk";
    vfs.szOsFile = sizeof(File);
    vfs.xOpen = open_file;
    vfs.xDelete = delete_file;
    vfs.xAccess = access_file;
    vfs.xFullPathname = full_name;
    sqlite3_vfs_register(&vfs, 0);
  }
  mounted = disk;
  shared.clear();
}

}  // namespace power

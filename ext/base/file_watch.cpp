#include "base/file_watch.h"

#include <cerrno>
#include <cstddef>

#ifdef _WIN32
#include "base/on_windows.h"
#else
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/inotify.h>
#include <sys/vfs.h>
#elif defined(__APPLE__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__) || defined(__DragonFly__)
#define WF_KQUEUE
#include <sys/event.h>
#include <sys/types.h>
#endif
#endif

namespace wf {
#ifdef _WIN32
int64_t process_number() { return static_cast<int64_t>(GetCurrentProcessId()); }
#elif defined(__wasi__)
int64_t process_number() { return 1; }  // there are no others
#else
int64_t process_number() { return getpid(); }
#endif

string_view network_file_system([[maybe_unused]] const char* path) {
#ifdef __linux__
  static const struct {
    long magic;
    string_view name;
  } kKnown[] = {
      {0x6969, "nfs"}, {0x517b, "smb"}, {0xff534d42, "cifs"}, {0xfe534d42, "smb2"}, {0x01021997, "9p"},
      {0x65735546, "fuse"}, {0x00c36400, "ceph"}, {0x6a656a63, "virtiofs"},
  };
  struct statfs stat;
  if (path != nullptr && *path != '\0' && statfs(path, &stat) == 0) {
    for (const auto& known : kKnown) {
      if (static_cast<unsigned long>(stat.f_type) == static_cast<unsigned long>(known.magic)) return known.name;
    }
  }
#endif
  return {};
}

#if defined(__linux__)

namespace {

// A write, or that the file is no longer the one of its name.
constexpr uint32_t kFileEvents = IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF | IN_ONESHOT;

}  // namespace

bool FileWatch::open() {
  if (queue_ >= 0 && owner_ != process_number()) close();
  if (queue_ >= 0) return true;
  owner_ = process_number();
  queue_ = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  return queue_ >= 0;
}

bool FileWatch::arm(const char* path) {
  error_ = 0;
  Text wal;
  wal.add(path).add("-wal").add('\0');
  // Every journal ends in the database, except for the WAL; without one there is none, and it is made by a write to the database.
  // What has been told says nothing more; it is read only now, for many may be woken at once by one write, and get out of its way first.
  alignas(inotify_event) char events[1024];
  const bool opened = wal.ok() && open();
  while (opened && ::read(queue_, events, sizeof events) == sizeof events) {}
  const int database = opened ? inotify_add_watch(queue_, path, kFileEvents) : -1;
  const bool armed = database >= 0 && (inotify_add_watch(queue_, wal.data(), kFileEvents) >= 0 || errno == ENOENT);
  if (!armed) error_ = errno;
  poked_ = database;
  return armed_ = armed;
}

Woke FileWatch::sleep(int64_t nanoseconds) {
  pollfd file = {queue_, POLLIN, 0};
  const timespec time = as_timespec(nanoseconds);
  const int ready = ppoll(&file, 1, &time, nullptr);
  if (ready == 0) return Woke::time;
  if (ready < 0) return errno == EINTR ? Woke::signal : Woke::change;
  armed_ = false;
  return Woke::change;
}

// That a watch goes is an event, too.
void FileWatch::poke() {
  if (const int watch = poked_; watch >= 0) inotify_rm_watch(queue_, watch);
}

void FileWatch::close() {
  if (queue_ >= 0) ::close(queue_);
  queue_ = -1;
  armed_ = false;
  poked_ = -1;
}

#elif defined(WF_KQUEUE)

namespace {

#ifdef O_EVTONLY
constexpr int kHow = O_EVTONLY | O_CLOEXEC;
#else
constexpr int kHow = O_RDONLY | O_CLOEXEC;
#endif
constexpr uintptr_t kPoke = 1;

}  // namespace

bool FileWatch::open() {
  // (A child does not inherit it.)
  if (queue_ >= 0 && owner_ != process_number()) queue_ = -1, close();
  if (queue_ >= 0) return true;
  owner_ = process_number();
  queue_ = kqueue();
  if (queue_ < 0) return false;
  fcntl(queue_, F_SETFD, FD_CLOEXEC);
  struct kevent poke;
  EV_SET(&poke, kPoke, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, nullptr);
  if (kevent(queue_, &poke, 1, nullptr, 0, nullptr) == 0) return true;
  close();
  return false;
}

// The WAL, the journal, and the folder, in which they come and go: to open the database itself would be wrong.
bool FileWatch::arm(const char* path) {
  error_ = 0;
  bool armed = open();
  for (int i = 0; i < kFiles && armed; ++i) {
    Text name;
    name.add(path);
    if (i == 0) {
      size_t slash = name.size();
      while (slash > 0 && path[slash - 1] != '/') --slash;
      name.clear();
      name.add(slash > 0 ? string_view(path, slash) : string_view("."));
    } else {
      name.add(i == 1 ? "-wal" : "-journal");
    }
    name.add('\0');
    // By name each time: it may have been made anew.
    const int file = name.ok() ? ::open(name.data(), kHow) : -1;
    if (files_[i] >= 0) ::close(files_[i]);
    files_[i] = file;
    if (file < 0) {
      armed = i != 0 && errno == ENOENT;
      continue;
    }
    struct kevent event;
    EV_SET(&event, static_cast<uintptr_t>(file), EVFILT_VNODE, EV_ADD | EV_ONESHOT, NOTE_WRITE | NOTE_EXTEND | NOTE_DELETE | NOTE_RENAME, 0, nullptr);
    armed = kevent(queue_, &event, 1, nullptr, 0, nullptr) == 0;
  }
  if (!armed) error_ = errno;
  poked_ = queue_;
  return armed_ = armed;
}

Woke FileWatch::sleep(int64_t nanoseconds) {
  struct kevent events[kFiles + 1];
  const timespec time = as_timespec(nanoseconds);
  const int count = kevent(queue_, nullptr, 0, events, kFiles + 1, &time);
  if (count == 0) return Woke::time;
  if (count < 0 && errno == EINTR) return Woke::signal;
  armed_ = false;
  return Woke::change;
}

void FileWatch::poke() {
  struct kevent event;
  EV_SET(&event, kPoke, EVFILT_USER, 0, NOTE_TRIGGER, 0, nullptr);
  if (const int queue = poked_; queue >= 0) kevent(queue, &event, 1, nullptr, 0, nullptr);
}

void FileWatch::close() {
  for (int& file : files_) {
    if (file >= 0) ::close(file);
    file = -1;
  }
  if (queue_ >= 0) ::close(queue_);
  queue_ = -1;
  armed_ = false;
  poked_ = -1;
}

#else

// Windows says that a file was written when its buffers are flushed, or the file is closed: too late to go by it.
bool FileWatch::open() { return false; }
bool FileWatch::arm(const char*) {
  error_ = ENOSYS;
  return false;
}
Woke FileWatch::sleep(int64_t nanoseconds) { return sleep_for(nanoseconds) ? Woke::signal : Woke::time; }
void FileWatch::poke() {}
void FileWatch::close() {}

#endif

}  // namespace wf

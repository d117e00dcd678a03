// Facts for wf_doctor that no query can see: about the host, and about the file behind the connection. They are read through SQLite's own
// handle of the file: to open it once more and close it again would drop this process's locks on it.

#include "tables/tables.h"

#include <cerrno>

#include "base/file_watch.h"
#include "base/json.h"
#include "base/write_lock.h"
#include "engine/restored.h"
#include "engine/settings.h"
#include "engine/wait_for_work.h"
#include "version.h"

namespace wf {
namespace {

constexpr int kLooks = 20, kBetweenLooks = 5;  // milliseconds: a lock that is held longer is worth a word

struct DoctorFacts {
  int moved = -1;         // -1: not known
  int locked = -1;
  int64_t wal_size = -1;  // -1: there is none
};

// Whether this connection may hold the write lock itself.
bool may_write_now(Db& db) {
  if (!db.autocommit()) return true;
  for (sqlite3_stmt* s = sqlite3_next_stmt(db.handle(), nullptr); s != nullptr; s = sqlite3_next_stmt(db.handle(), s)) {
    if (sqlite3_stmt_busy(s) && !sqlite3_stmt_readonly(s)) return true;
  }
  return false;
}

// Whether the file, or a WAL that something is in, has gone from its place, or another one stands there.
int has_moved(Db& db, const char* path, int64_t wal_size) {
  int moved = 0;
  if (sqlite3_file_control(db.handle(), "main", SQLITE_FCNTL_HAS_MOVED, &moved) != SQLITE_OK) return -1;
  sqlite3_vfs* vfs = nullptr;
  if (moved != 0 || wal_size <= 0 || sqlite3_file_control(db.handle(), "main", SQLITE_FCNTL_VFS_POINTER, &vfs) != SQLITE_OK || vfs == nullptr) return moved;
  Text wal;
  wal.add(path).add("-wal").add('\0');
  int exists = 1;
  if (wal.ok() && vfs->xAccess(vfs, wal.data(), SQLITE_ACCESS_EXISTS, &exists) == SQLITE_OK && exists == 0) return 1;
  return 0;
}

Status look_at_file(Db& db, const char* path, DoctorFacts* facts) {
  if (path == nullptr || *path == '\0') return {};
  bool row;
  Query open(db, Sql::doctor_open);  // under way until the end: the WAL is open as long
  WF_TRY(open.next(&row));
  bool wal, alone;
  {
    Query modes(db, Sql::doctor_modes);
    WF_TRY(modes.next(&row));
    wal = row && modes.text(0) == "wal";
    alone = !row || modes.text(1) == "exclusive";
  }
  if (sqlite3_file* file = wal ? file_of(db, SQLITE_FCNTL_JOURNAL_POINTER) : nullptr; file != nullptr) {
    sqlite3_int64 size = 0;
    if (file->pMethods->xFileSize(file, &size) == SQLITE_OK) facts->wal_size = size;
  }
  facts->moved = has_moved(db, path, facts->wal_size);
  sqlite3_file* main = file_of(db, SQLITE_FCNTL_FILE_POINTER);
  if (main == nullptr || alone || may_write_now(db)) return {};
  for (int look = 0; look < kLooks; ++look) {
    if (look != 0) sqlite3_sleep(kBetweenLooks);
    facts->locked = is_locked(main, wal);
    if (facts->locked != 1) break;
  }
  return {};
}

void add_known(const char* key, int64_t number, Text& out) {
  out.add(",\"").add(key).add("\":");
  number < 0 ? (void)out.add("null") : (void)out.add_integer(number);
}

// Whether wf_wait is told of writes, or why not; and whether that is a limit that is used up.
void add_watched(Db& db, const char* path, Text& out) {
  string_view why_not = why_not_watched(db);
  FileWatch& watch = db.file_watch();
  if (why_not.empty() && !watch.arm(path)) {
    const bool limit = watch.error() == EMFILE || watch.error() == ENFILE || watch.error() == ENOSPC;
    why_not = limit ? "no more files can be watched, by the limits of the process (open files) or the system (fs.inotify)" : "this system does not tell of writes";
    if (limit) out.add(",\"watch_limit\":1");
  }
  out.add(",\"unwatched\":");
  json::quote(why_not, out);
}

// ,"<key>":{"count","what","at","error"} of what `sql` counts, or nothing where the file has no such table.
Status add_count(Db& db, Sql sql, const char* key, Millis now, Text& out) {
  Query q(db, sql);
  if (!q.prepared()) return {};
  q.bind(":now", now);
  WF_TRY(q.one_row());
  out.add(",\"").add(key).add("\":{\"count\":").add_integer(q.integer(0)).add(",\"what\":");
  json::quote(q.text(1), out);
  out.add(",\"at\":\"").add(TimeText(q.integer(2), TimeForm::sql).view()).add("\",\"error\":");
  json::quote(q.columns() > 3 ? q.text(3) : string_view(), out);
  out.add('}');
  return {};
}

}  // namespace

Status add_host_json(Db& db, const Now& given, Text& out) {
  const char* path = sqlite3_db_filename(db.handle(), "main");
  out.add("{\"version\":\"").add(kVersion).add("\",\"sqlite\":\"").add(sqlite3_libversion()).add("\",\"file\":");
  json::quote(path != nullptr ? path : "", out);
  out.add(",\"network\":");
  json::quote(network_file_system(path), out);
  out.add(",\"format\":").add_integer(kSchemaVersion).add(",\"schema\":");
  {
    // Read directly: the table is there to tell about a file that is too new.
    Query version(db, Sql::schema_version);
    bool row = false;
    // (Keys behind that of the version come first: a clock of the file's.)
    do {
      if (version.prepared()) WF_TRY(version.next(&row));
    } while (row && version.value(1).integer == 0);
    // What is no number, a hand edit that is, is shown as 0.
    row ? (void)out.add_integer(version.value(0).integer) : (void)out.add("null");
  }
#ifdef __APPLE__
  out.add(",\"macos\":1");
#endif
  DoctorFacts facts;
  WF_TRY(look_at_file(db, path, &facts));
  add_watched(db, path, out);
  add_known("moved", facts.moved, out);
  add_known("locked", facts.locked, out);
  add_known("wal", facts.wal_size, out);
  Restored restored;
  WF_TRY(find_restored(db, &restored));
  add_known("restored", static_cast<int64_t>(restored), out);
  Millis now;
  WF_TRY(time_to_show(db, given, &now));
  WF_TRY(add_count(db, Sql::doctor_rates, "rates", now, out));
  WF_TRY(add_count(db, Sql::doctor_troubles, "troubles", now, out));
  out.add(",\"threadsafe\":").add_integer(sqlite3_threadsafe()).add(",\"fair\":").add_integer(db.waiting().for_all());
  Millis for_tests;
  WF_TRY(test_clock(db, &for_tests));
  if (for_tests != kNoTime) out.add(",\"test_clock\":\"").add(TimeText(for_tests, TimeForm::sql).view()).add('"');
  out.add(",\"clock\":\"").add(TimeText(now, TimeForm::sql).view()).add("\"}");
  return {};
}

}  // namespace wf

#include "tables/fleet.h"

#ifndef _WIN32
#include <unistd.h>

#include <climits>
#include <cstdlib>
#endif
#include <optional>

#include "base/no_rows.h"
#include "base/write_lock.h"
#include "engine/next_due.h"
#include "engine/recover.h"
#include "functions/invoke.h"

namespace wf {
namespace {

constexpr size_t kLongestPattern = 4096;
// A file system dates by a clock that stands still for some milliseconds: what was written so shortly before a look may be written again without a trace.
constexpr int64_t kFresh = 100, kNanos = 1000000;
constexpr int kWait = 20, kWaitForIndex = 5000;  // milliseconds, for locks
constexpr int kStepsBetweenLooks = 20000;                    // of SQLite between two looks at whether who asks was interrupted: less than a millisecond

int stop_with_parent(void* parent) { return static_cast<Db*>(parent)->stop().after(Stop::kStride) ? 1 : 0; }

// A connection that no application sees. It is used under the mutex of the one that asks, so it needs none.
class Own {
 public:
  explicit Own(Db& parent) : parent_(parent) {}
  Own(const Own&) = delete;
  Own& operator=(const Own&) = delete;
  ~Own() {
    if (db_ != nullptr) Db::release(db_);
    sqlite3_close(handle_);
  }

  Status open(const char* name, int flags, int wait) {
    sqlite3_vfs* vfs = nullptr;
    sqlite3_file_control(parent_.handle(), "main", SQLITE_FCNTL_VFS_POINTER, &vfs);
    int rc = sqlite3_open_v2(name, &handle_, flags | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOMUTEX, vfs != nullptr ? vfs->zName : nullptr);
    if (rc == SQLITE_OK) {
      sqlite3_busy_timeout(handle_, wait);
      sqlite3_progress_handler(handle_, kStepsBetweenLooks, stop_with_parent, &parent_);
      db_ = Db::create(handle_, parent_.above());
      if (db_ == nullptr) return Status::no_memory();
      db_->is_our_own();
      if (parent_.clock_is_fixed()) db_->fix_clock(parent_.clock());
      rc = register_tables_without_rows(handle_, db_);
      if (rc == SQLITE_OK) rc = register_functions(handle_, db_, false);
    }
    return rc == SQLITE_OK ? Status() : handle_ != nullptr ? Status::sqlite(rc, handle_) : Status::no_memory();
  }
  Db& db() { return *db_; }

 private:
  Db& parent_;
  sqlite3* handle_ = nullptr;
  Db* db_ = nullptr;
};

bool ends_with(string_view text, string_view end) { return text.size() >= end.size() && part(text, text.size() - end.size()) == end; }

FileState beside(const char* path, const char* suffix, bool* ok) {
  Text name;
  name.add(path).add(suffix).add('\0');
  *ok = *ok && name.ok();
  return *ok ? state_of(name.data()) : FileState();
}

// file:<path>?immutable=1: SQLite takes no lock, and looks for no journal.
void add_uri(const char* path, Text& out) {
  out.add("file:");
  for (; *path != '\0'; ++path) {
    if (*path == '%' || *path == '?' || *path == '#') out.add('%').add_hex(path, 1);
    else out.add(*path);
  }
  out.add("?immutable=1").add('\0');
}

}  // namespace

void Fleet::fail(Row* row, const Status& status) {
  for (int64_t& number : row->numbers) number = kNoTime;
  row->error = static_cast<int64_t>(errors_.size());
  errors_.add(status.message() != nullptr ? status.message() : sqlite3_errstr(status.rc())).add('\0');
}

// `alone`: nobody is at the file, as far as can be seen.
Status Fleet::look_into(Db& parent, const char* path, bool alone, Row* row) {
  Text name;
  if (alone) add_uri(path, name);
  else name.add(has_prefix(path, "file:") ? "./" : "").add(path).add('\0');
  if (!name.ok()) return Status::no_memory();
  Own own(parent);
  WF_TRY(own.open(name.data(), SQLITE_OPEN_READONLY | (alone ? SQLITE_OPEN_URI : 0), kWait));
  Db& db = own.db();
  Db::Depth depth(db);
  bool exists;
  WF_TRY(db.schema_exists(&exists));
  if (!exists) return Status::error(Code::not_found, "there are no workflows in this file, nor tables for them");
  // A commit is written first, which dates the file, then brought to the disk, and seen only then, however long that takes. What is read from here on has
  // all that was written before, if nobody is in between now.
  if (file_of(db, SQLITE_FCNTL_JOURNAL_POINTER) != nullptr) row->is_held = is_locked(file_of(db, SQLITE_FCNTL_FILE_POINTER), true) == 1;
  Millis now;
  WF_TRY(time_to_show(db, {}, &now));
  Query counts(db, Sql::fleet_counts);  // under way until the end: all is of one state of the file
  counts.bind(":now", now);
  WF_TRY(counts.next(&exists));
  row->at(FleetColumn::failed) = counts.integer(0);
  row->at(FleetColumn::running) = counts.integer(1);
  row->at(FleetColumn::waiting) = counts.integer(2);
  row->at(FleetColumn::epoch) = counts.integer(3);
  row->at(FleetColumn::in_doubt) = counts.integer(4);
  WF_TRY(next_due(db, now, &row->at(FleetColumn::next_due)));
  row->at(FleetColumn::ready) = 0;
  return row->at(FleetColumn::next_due) != kNoTime && row->at(FleetColumn::next_due) <= now ? count_ready(db, {}, now, &row->at(FleetColumn::ready)) : Status();
}

// `known`: on a row of the index for this file, or nullptr.
Status Fleet::look_at(Db& db, size_t path, Query* known) {
  Row row{static_cast<int64_t>(path), -1, {}, {}, false, false, false};
  const char* name = paths_[path];
  const char* own_name = name;  // SQLite follows a link, and has the -wal and the journal beside the file itself
#ifndef _WIN32
  char room[PATH_MAX];
  if (readlink(name, room, 1) > 0 && realpath(name, room) != nullptr) own_name = room;
#endif
  const int64_t now = db.wall_clock();
  bool ok = true;
  // (Not when the -wal was `changed`: SQLite gives it the file's owner whenever it opens it, where it may.)
  const auto state = [&](FileState* file) {
    *file = state_of(name);
    FileState wal = beside(own_name, "-wal", &ok);
    if (wal.size == 0) wal = {};
    row.at(FleetColumn::size) = file->size + wal.size;
    return State{{file->inode, file->size, file->written, file->changed, wal.inode, wal.size, wal.written}};
  };
  FileState file;
  row.state = state(&file);
  if (!file.exists || !ok) return ok ? Status() : Status::no_memory();
  if (known != nullptr && row.state.is(known->value(1).bytes) && (known->is_null(3) || known->integer(3) > db.clock())) {
    for (size_t i = 0; i + 1 < kNumbers; ++i) row.numbers[i] = known->integer_or(static_cast<int>(i) + 3, kNoTime);
    if (!known->is_null(2)) {
      row.error = static_cast<int64_t>(errors_.size());
      errors_.add(known->text(2)).add('\0');
    }
    rows_.add(row);
    return {};
  }
  row.is_new = true;
  const int64_t bytes = row.at(FleetColumn::size);
#ifdef _WIN32
  bool alone = false;
#else
  bool alone = row.state.facts[5] == 0 && !beside(own_name, "-journal", &ok).exists;
#endif
  Status looked;
  for (;; alone = false) {
    looked = look_into(db, name, alone, &row);
    if (looked.rc() == SQLITE_NOMEM || looked.rc() == SQLITE_INTERRUPT) return looked;
    const State after = state(&file);
    row.is_kept = !row.is_held && after.is(row.state.bytes()) && !(alone && beside(own_name, "-journal", &ok).exists);
    if (!alone || (row.is_kept && looked.ok())) break;
    row.state = after;
  }
  if (!ok) return Status::no_memory();
  const int rc = looked.rc() & 0xff;
  if (!looked.ok()) fail(&row, looked);
  row.at(FleetColumn::size) = bytes;
  for (const size_t time : {size_t{2}, size_t{3}, size_t{6}}) row.is_kept = row.is_kept && row.state.facts[time] / kNanos < now - kFresh;
  row.is_kept = row.is_kept && (rc == SQLITE_OK || rc == SQLITE_ERROR || rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB);
  rows_.add(row);
  return {};
}

Status Fleet::keep(Db& index) const {
  bool any = gone_.size() != 0;
  for (size_t i = 0; i < rows_.size() && !any; ++i) any = rows_[i].is_new;
  if (!any) return {};
  {
    Query begin(index, Sql::fleet_index_begin);
    WF_TRY(begin.run());
  }
  for (size_t i = 0; i < gone_.size(); ++i) {
    Query drop(index, Sql::fleet_index_drop);
    drop.bind(":file", string_view(gone_[i]));
    WF_TRY(drop.run());
  }
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (!rows_[i].is_new) continue;
    Query put(index, Sql::fleet_index_put);
    put.bind(":file", string_view(file(i)));
    if (error(i) != nullptr) put.bind(":error", string_view(error(i)));
    if (rows_[i].is_kept) put.bind(":state", Value::blob(rows_[i].state.bytes()));
    put.bind_time(":next_due", number(i, FleetColumn::next_due)).bind_time(":ready", number(i, FleetColumn::ready)).bind_time(":running", number(i, FleetColumn::running));
    put.bind_time(":waiting", number(i, FleetColumn::waiting)).bind_time(":failed", number(i, FleetColumn::failed)).bind_time(":in_doubt", number(i, FleetColumn::in_doubt)).bind_time(":epoch", number(i, FleetColumn::epoch));
    WF_TRY(put.run());
  }
  Query commit(index, Sql::commit);
  return commit.run();
}

Status Fleet::look(Db& db, string_view pattern, string_view index) {
  if (pattern.empty() || pattern.size() > kLongestPattern || pattern.find('\0') != string_view::npos || index.find('\0') != string_view::npos) {
    return Status::error(Code::invalid, "wf_fleet() wants a pattern of files, of 1 to %d bytes, like 'agents/*.db', got '%.*s'", static_cast<int>(kLongestPattern), WF_SV(excerpt(shown(pattern))));
  }
  WF_TRY(find_paths(pattern, &paths_));
  Own kept(db);
  Text index_name;
  index_name.add(index).add('\0');
  if (!index_name.ok()) return Status::no_memory();
  if (!index.empty()) {
    WF_TRY(kept.open(index_name.data(), SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, kWaitForIndex));
    for (const Sql sql : {Sql::fleet_index_quick, Sql::fleet_index_make}) WF_TRY(kept.db().script(sql));
  }
  {
    // Both are in order.
    std::optional<Query> known;
    bool row = false;
    const auto next = [&] { return known ? known->next(&row) : Status(); };
    if (!index.empty()) known.emplace(kept.db(), Sql::fleet_index_all);
    WF_TRY(next());
    for (size_t i = 0; i <= paths_.size(); ++i) {
      const bool over = i == paths_.size();
      const string_view path(over ? "" : paths_[i]);
      while (row && (over || known->text(0) < path)) {
        gone_.add(known->text(0), {});
        WF_TRY(next());
      }
      if (over) break;
      if (db.stop().after(Stop::kStride)) return Status::sqlite(SQLITE_INTERRUPT);
      const bool is_known = row && known->text(0) == path;
      const bool is_a_part = ends_with(path, "-wal") || ends_with(path, "-shm") || ends_with(path, "-journal");
      if (path != index && !is_a_part) WF_TRY(look_at(db, i, is_known ? &*known : nullptr));
      if (is_known) WF_TRY(next());
    }
  }
  if (!rows_.ok() || !errors_.ok() || !gone_.ok()) return Status::no_memory();
  return index.empty() ? Status() : keep(kept.db());
}

}  // namespace wf

#include "base/db.h"

#include <new>

#include "base/library.h"

namespace wf {
namespace {

bool is_plain(Sql sql) { return sql == Sql::step_record || sql == Sql::step_record_by_id || sql == Sql::complete_plain; }

}  // namespace

Db* Db::create(sqlite3* handle, const Above& above) {
  void* memory = sqlite3_malloc64(sizeof(Db));
  if (memory == nullptr) return nullptr;
  hold_library();
  return new (memory) Db(handle, above);
}

void Db::release(void* pointer) {
  Db* db = static_cast<Db*>(pointer);
  if (--db->references_ != 0) return;
  db->finalize_all();
  db->waiting_.leave(db->handle_);
  db->~Db();
  sqlite3_free(db);
  drop_library();  // nothing of this connection calls SQLite any more
}

Status Db::connect_close_hook() {
  // Preparing it connects the table.
  const SqlText text(Sql::close_hook);
  if (!text.ok()) return Status::no_memory();
  sqlite3_stmt* statement = nullptr;
  const int rc = sqlite3_prepare_v2(handle_, text.c_str(), -1, &statement, nullptr);
  const bool is_empty = sqlite3_column_count(statement) == 0;  // then it has not looked at the table
  sqlite3_finalize(statement);
  if (rc == SQLITE_OK && is_empty) return Status::ignored("SELECT of", "_wf_close_hook");
  return rc == SQLITE_OK ? Status() : Status::sqlite(rc, handle_);
}

Status Db::prepare(string_view text, sqlite3_stmt** out) {
  if (!hooked_) {
    // Must come before the first cached statement: see close_hook.h.
    WF_TRY(connect_close_hook());
    hooked_ = true;
  }
  const int rc = sqlite3_prepare_v3(handle_, text.data(), static_cast<int>(text.size()), SQLITE_PREPARE_PERSISTENT, out, nullptr);
  return rc == SQLITE_OK ? Status() : Status::sqlite(rc, handle_);
}

Status Db::prepare(Sql sql, sqlite3_stmt** out) {
  const SqlText text(sql);
  if (!text.ok()) return Status::no_memory();
  if (sql < Sql::lock) {
    if (sql == Sql::look) look_compiled_ = -1;
    return prepare(text.view(), out);
  }
  WF_TRY(notice_change());
  WF_TRY(is_plain(sql) ? prepare_plain(text.view(), out) : prepare(text.view(), out));
  Status checked = rights_.check(text.view(), *out);
  if (!checked.ok()) {
    sqlite3_finalize(*out);
    *out = nullptr;
  }
  return checked;
}

// An authorizer that is set expires all statements, as a change of the schema does.
Status Db::notice_change() {
  sqlite3_stmt* statement;
  Slot* slot;
  WF_TRY(borrow(Sql::look, &statement, &slot));
  const int rc = sqlite3_step(statement);
  const int compiled = slot != nullptr ? sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_REPREPARE, 0) : -1;
  give_back(statement, slot);
  if ((rc & 0xff) != SQLITE_ROW && rc != SQLITE_DONE) return Status::sqlite(rc, handle_);
  if (compiled == look_compiled_ && compiled >= 0) return {};
  look_compiled_ = compiled;
  rights_.forget();
  ++rights_now_;
  return {};
}

Status Db::look_at(sqlite3_stmt* statement, int compiled, Slot* slot) {
  Status checked = notice_change();
  if (checked.ok()) checked = rights_.check(sqlite3_sql(statement), statement);
  if (slot == nullptr) return checked;
  slot->compiled = compiled;
  if (checked.ok()) return {};
  *slot = {};  // who uses it finalizes it: the authorizer may go, and what it was compiled to would stay
  --cached_;
  return checked;
}

// By the old interface: it is not compiled anew in silence when the schema has changed, so that what was found out about its triggers holds.
Status Db::prepare_plain(string_view text, sqlite3_stmt** out) {
  // (It stands in the cache as any other: the close hook is needed first.)
  sqlite3_stmt* statement = nullptr;
  if (!hooked_) {
    WF_TRY(prepare(Sql::plain_triggers, &statement));
    sqlite3_finalize(statement);
  }
  if (const int rc = sqlite3_prepare(handle_, text.data(), static_cast<int>(text.size()), &statement, nullptr); rc != SQLITE_OK) return Status::sqlite(rc, handle_);
  // Looked at afterwards, so that one that comes in between is seen.
  Status looked = find_plain_triggers();
  if (looked.ok()) *out = statement;
  else sqlite3_finalize(statement);
  return looked;
}

// A TEMP database that nobody has opened has no triggers; to ask it would open it, which costs 90 KB.
Status Db::find_plain_triggers() {
  {
    Query triggers(*this, Sql::plain_triggers);
    WF_TRY(triggers.next(&plain_fires_triggers_));
  }
  if (plain_fires_triggers_ || sqlite3_db_readonly(handle_, "temp") < 0) return {};
  Query triggers(*this, Sql::plain_triggers_temp);
  return triggers.next(&plain_fires_triggers_);
}

void Db::forget_plain() {
  for (const Sql sql : {Sql::step_record, Sql::step_record_by_id, Sql::complete_plain}) {
    Slot& slot = cache_[static_cast<size_t>(sql)];
    if (slot.statement == nullptr || slot.in_use) continue;
    drop(slot);
    --cached_;
  }
}

Status Db::borrow(Sql sql, sqlite3_stmt** out, Slot** slot) {
  Slot& cached = cache_[static_cast<size_t>(sql)];
  *slot = nullptr;
  if (cached.in_use) return prepare(sql, out);
  if (cached.statement != nullptr && cached.rights != rights_now_ && sql > Sql::lock) {
    drop(cached);
    --cached_;
  }
  if (cached.statement == nullptr) {
    WF_TRY(prepare(sql, &cached.statement));
    cached.rights = rights_now_;
    ++cached_;
    cached.in_use = true;
    if (cached_ > kMostCached) make_room();
  }
  cached.in_use = true;
  cached.used = ++uses_;
  *slot = &cached;
  *out = cached.statement;
  return {};
}

Status Db::borrow(string_view text, sqlite3_stmt** out, Slot** slot) {
  *slot = nullptr;
  Cached* oldest = nullptr;
  for (Cached& cached : texts_) {
    const bool same = cached.statement != nullptr && cached.text == text;
    if (cached.in_use) {
      if (same) return prepare(text, out);
      continue;
    }
    if (same) {
      cached.used = ++uses_;
      cached.in_use = true;
      *slot = &cached;
      *out = cached.statement;
      return {};
    }
    if (oldest == nullptr || cached.used < oldest->used) oldest = &cached;
  }
  WF_TRY(prepare(text, out));
  char* copy = oldest != nullptr ? sqlite3_mprintf("%.*s", WF_SV(text)) : nullptr;
  if (copy == nullptr) return {};
  sqlite3_finalize(oldest->statement);
  sqlite3_free(oldest->text);
  oldest->statement = *out;
  oldest->in_use = true;
  oldest->text = copy;
  oldest->used = ++uses_;
  *slot = oldest;
  return {};
}

// Finalizes the statement that was used the longest ago, but none of those on which the way back from a failure depends.
void Db::make_room() {
  Slot* oldest = nullptr;
  for (size_t i = static_cast<size_t>(Sql::lock) + 1; i < std::size(cache_); ++i) {
    Slot& slot = cache_[i];
    if (slot.statement != nullptr && !slot.in_use && (oldest == nullptr || slot.used < oldest->used)) oldest = &slot;
  }
  if (oldest == nullptr) return;
  if (is_listed(oldest->statement)) sqlite3_finalize(oldest->statement);
  *oldest = {};
  --cached_;
}

void Db::forget_rolled_back() {
  if (!tables_made_) return;
  tables_made_ = false;
  for (size_t i = 0; i <= static_cast<size_t>(Sql::lock); ++i) {
    if (cache_[i].statement == nullptr || cache_[i].in_use) continue;
    drop(cache_[i]);
    --cached_;
  }
}

Status Db::keep_ready(Sql sql) {
  if (cache_[static_cast<size_t>(sql)].statement != nullptr) return {};
  sqlite3_stmt* statement;
  Slot* slot;
  WF_TRY(borrow(sql, &statement, &slot));
  give_back(statement, slot);
  return {};
}

void Db::give_back(sqlite3_stmt* statement, Slot* slot, bool is_reset, bool is_bound) {
  if (statement == nullptr) return;
  if (slot == nullptr || slot->statement != statement) {
    sqlite3_finalize(statement);
    return;
  }
  if (!is_reset) sqlite3_reset(statement);
  if (is_bound) sqlite3_clear_bindings(statement);
  slot->in_use = false;
}

Status Db::script(Sql sql) {
  const SqlText text(sql);
  if (!text.ok()) return Status::no_memory();
  const int rc = sqlite3_exec(handle_, text.c_str(), nullptr, nullptr, nullptr);
  return rc == SQLITE_OK ? Status() : Status::sqlite(rc, handle_);
}

Status Db::schema_exists(bool* exists) {
  int64_t version;
  return schema_version(exists, &version);
}

// The row is written last: without it there are no tables yet.
Status Db::read_version(bool* exists, int64_t* version, bool* system_clock) {
  Query q(*this, Sql::schema_version);
  for (bool first = true;; first = false) {
    WF_TRY(q.next(exists));
    if (system_clock != nullptr) *system_clock = first && *exists;
    if (!*exists) return {};
    if (q.integer(1) != 0) break;
  }
  const Value stored = q.value(0);
  if (stored.type != Value::Type::integer || stored.integer < 1) {
    Text number;
    if (stored.type == Value::Type::integer || stored.type == Value::Type::real) add_json(stored, number);
    const string_view what = stored.type == Value::Type::text ? shown(stored.bytes) : number.view();
    return Status::error(Code::schema, "the schema version of the file is %s %.*s, which is none: the row of _wf_meta is damaged", stored.type_name(), WF_SV(what));
  }
  *version = stored.integer;
  return {};
}

Status Db::schema_version(bool* exists, int64_t* version, bool* system_clock) {
  *version = 0;
  Status read = read_version(exists, version, system_clock);
  if (!read.ok() && !read.is(Code::schema) && (read.rc() & 0xff) == SQLITE_ERROR) {
    {
      Query tables(*this, Sql::schema_exists);
      WF_TRY(tables.next(exists));
    }
    if (!*exists) return {};
    read = read_version(exists, version, system_clock);  // another process has made them meanwhile
  }
  WF_TRY(static_cast<Status&&>(read));
  if (*version > kSchemaVersion) {
    return Status::error(Code::schema, "the file has schema version %lld, this extension knows up to %lld: load a newer one",
                         static_cast<long long>(*version), static_cast<long long>(kSchemaVersion));
  }
  format_checked_ = true;
  return {};
}

Status Db::check_format() {
  unsigned state = 0;
  sqlite3_file_control(handle_, "main", SQLITE_FCNTL_DATA_VERSION, &state);
  if (format_checked_ && state == format_of_) return {};
  bool exists;
  WF_TRY(schema_exists(&exists));
  format_of_ = state;
  return {};
}

// The flag of sqlite3_interrupt() is read by every statement that begins, and stays as long as the statement runs that has called us.
bool Stop::look() {
  done_ = 0;
  if (stopped_) return true;
  sqlite3_stmt* statement;
  Db::Slot* slot;
  const Status borrowed = db_.borrow(Sql::look, &statement, &slot);
  int rc = borrowed.rc();
  if (borrowed.ok()) {
    rc = sqlite3_step(statement);
    Db::give_back(statement, slot, false, false);
  }
  return stopped_ = (rc & 0xff) == SQLITE_INTERRUPT;
}

Millis Db::clock() const { return clock_fixed_ ? clock_ : within(wall_clock(), kTimeMin, kTimeMax); }

Millis Db::wall_clock() const {
  // Julian day in milliseconds, from the VFS: test harnesses replace it there.
  sqlite3_vfs* vfs = nullptr;
  sqlite3_file_control(handle_, "main", SQLITE_FCNTL_VFS_POINTER, &vfs);
  if (vfs == nullptr) vfs = sqlite3_vfs_find(nullptr);
  constexpr Millis kUnixEpoch = 210866760000000;
  sqlite3_int64 now = 0;
  if (vfs->iVersion >= 2 && vfs->xCurrentTimeInt64 != nullptr) {
    vfs->xCurrentTimeInt64(vfs, &now);
  } else {
    double days = 0;
    vfs->xCurrentTime(vfs, &days);
    now = static_cast<sqlite3_int64>(days * 86400000.0);
  }
  return now - kUnixEpoch;
}

bool Db::is_listed(sqlite3_stmt* statement) const {
  for (sqlite3_stmt* s = nullptr; (s = sqlite3_next_stmt(handle_, s)) != nullptr;) {
    if (s == statement) return true;
  }
  return false;
}

void Db::drop(Slot& slot) {
  if (slot.statement != nullptr && !slot.in_use && is_listed(slot.statement)) sqlite3_finalize(slot.statement);
  slot = {};
}

void Db::finalize(sqlite3_stmt* statement) const {
  if (statement != nullptr && is_listed(statement)) sqlite3_finalize(statement);
}

void Db::finalize_all() {
  if (kept_.object != nullptr && !running_) {
    kept_.drop(kept_.object);
    kept_ = {};
  }
  for (Slot& slot : cache_) drop(slot);
  cached_ = 0;
  for (Cached& cached : texts_) {
    drop(cached);
    sqlite3_free(cached.text);
    cached.text = nullptr;
  }
  hooked_ = false;
  file_watch_.close();
}

Query& Query::bound(int rc) {
  is_bound_ = true;
  if (rc != SQLITE_OK && status_.ok()) status_ = Status::sqlite(rc, db_.handle());
  return *this;
}

Query& Query::bind(SqlParameter name, int64_t number) {
  if (statement_ == nullptr) return *this;
  const int at = index(name);
  return at == 0 ? *this : bound(sqlite3_bind_int64(statement_, at, number));
}

Query& Query::bind(SqlParameter name, string_view text) {
  if (statement_ == nullptr) return *this;
  const int at = index(name);
  return at == 0 ? *this : bind_at(at, Value::text(text));
}

Query& Query::bind(SqlParameter name, const Value& value) {
  if (statement_ == nullptr) return *this;
  const int at = index(name);
  return at == 0 ? *this : bind_at(at, value);
}

Query& Query::bind_copy(SqlParameter name, const Value& value) {
  if (value.type != Value::Type::text && value.type != Value::Type::blob) return bind(name, value);
  if (statement_ == nullptr) return *this;
  const int at = index(name);
  if (at == 0) return *this;
  const char* bytes = value.bytes.empty() ? "" : value.bytes.data();
  return bound(value.type == Value::Type::text
                   ? sqlite3_bind_text64(statement_, at, bytes, value.bytes.size(), SQLITE_TRANSIENT, SQLITE_UTF8)
                   : sqlite3_bind_blob64(statement_, at, bytes, value.bytes.size(), SQLITE_TRANSIENT));
}

Query& Query::bind_held(SqlParameter name, const Value& value, Text& held) {
  if ((value.type != Value::Type::text && value.type != Value::Type::blob) || value.bytes.empty()) return bind_copy(name, value);
  const int at = statement_ == nullptr ? 0 : index(name);
  if (at == 0) return *this;
  const size_t size = value.bytes.size();
  char* bytes = held.release();
  return bound(value.type == Value::Type::text ? sqlite3_bind_text64(statement_, at, bytes, size, sqlite3_free, SQLITE_UTF8)
                                               : sqlite3_bind_blob64(statement_, at, bytes, size, sqlite3_free));
}

Query& Query::bind_null(SqlParameter name) { return bind(name, Value{}); }

Query& Query::bind_at(int at, const Value& value) {
  if (statement_ == nullptr) return *this;
  switch (value.type) {
    case Value::Type::null: return bound(sqlite3_bind_null(statement_, at));
    case Value::Type::integer: return bound(sqlite3_bind_int64(statement_, at, value.integer));
    case Value::Type::real: return bound(sqlite3_bind_double(statement_, at, value.real));
    // Empty bytes need a pointer, or they would be NULL.
    case Value::Type::text:
      return bound(sqlite3_bind_text64(statement_, at, value.bytes.empty() ? "" : value.bytes.data(), value.bytes.size(), SQLITE_STATIC, SQLITE_UTF8));
    case Value::Type::blob:
      return bound(sqlite3_bind_blob64(statement_, at, value.bytes.empty() ? "" : value.bytes.data(), value.bytes.size(), SQLITE_STATIC));
  }
  return *this;
}

Status Query::next(bool* row) {
  *row = false;
  if (!status_.ok()) return take_status();
  // What has stopped the call stops all of it but the way back.
  if (db_.stop().stopped() && sql_ > Sql::lock) return Status::sqlite(SQLITE_INTERRUPT);
  const int rc = sqlite3_step(statement_);
  is_reset_ = rc != SQLITE_ROW;  // it is below
  if (begins_ && (rc == SQLITE_ROW || rc == SQLITE_DONE) && sql_ != Sql::count_) {
    begins_ = false;
    if (Status looked = db_.compiled_anew(statement_, slot_); !looked.ok()) {
      sqlite3_reset(statement_);
      return looked;
    }
  }
  if (rc == SQLITE_ROW) {
    *row = true;
    return {};
  }
  if (rc == SQLITE_DONE) {
    sqlite3_reset(statement_);
    return {};
  }
  // Says only now what is wrong, and this to nobody else.
  if (is_plain(sql_) && sqlite3_reset(statement_) == SQLITE_SCHEMA) return Status::sqlite(SQLITE_SCHEMA);
  Status failed = Status::sqlite(sqlite3_extended_errcode(db_.handle()), db_.handle());
  sqlite3_reset(statement_);
  return failed.ok() ? Status::sqlite(rc) : static_cast<Status&&>(failed);
}

Status Query::run() {
  // PRAGMA count_changes makes a row of what was changed.
  for (bool row = true; row;) {
    if (Status failed = next(&row); !failed.ok()) {
      db_.leaves_work((failed.rc() & 0xff) == SQLITE_CONSTRAINT && changes() != 0);
      return (failed.rc() & 0xff) == SQLITE_CONSTRAINT ? used_up(static_cast<Status&&>(failed)) : static_cast<Status&&>(failed);
    }
  }
  return changes() == 0 && sql_ != Sql::count_ && must_change(sql_) ? not_written() : Status();
}

// The next row of a workflow has a number that is taken: see fragment_next_step. The next workflow has one that none may have.
Status Query::used_up(Status failed) {
  const string_view message(failed.message() != nullptr ? failed.message() : "");
  if (message == "CHECK constraint failed: _wf_last_seq") {
    return Status::error(Code::state, "a file has at most 34359738367 workflows, in the order of their numbers, and the last one is given away: wf_check says whether by a hand edit");
  }
  for (const char* table : {"_wf_step", "_wf_failure", "_wf_signal"}) {
    Text taken;
    taken.add("UNIQUE constraint failed: ").add(table).add(".n");
    if (message != taken.view()) continue;
    return Status::error(Code::state, "a workflow has at most 268435455 rows of %s, and this one has used them up: wf_continue begins anew", table);
  }
  // The engine has looked before: what it did not find is no row as it writes them.
  if (has_prefix(message, "UNIQUE constraint failed: _wf_") || has_prefix(message, "NOT NULL constraint failed: _wf_")) {
    return Status::error(Code::state, "a row that the call needs is damaged, wf_check names it (%.*s)", WF_SV(message));
  }
  return failed;
}

Status Query::not_written() const {
  string_view table(sqlite3_sql(statement_));
  table = part(table, table.find("_wf_"), table.size());
  table = part(table, 0, table.find_first_of(" (\n"));
  return Status::error(Code::state, "a row of %.*s was not written: a trigger on it has ignored it, or an authorizer", WF_SV(table));
}

void Query::reset() {
  if (statement_ != nullptr) sqlite3_reset(statement_);
  begins_ = true;
  is_reset_ = true;
}

string_view Query::text(int column) const {
  sqlite3_value* value = raw(column);
  const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(value));
  return {text != nullptr ? text : "", static_cast<size_t>(sqlite3_value_bytes(value))};
}

Value Query::value(int column) const { return Value::from(sqlite3_column_value(statement_, column)); }

}  // namespace wf

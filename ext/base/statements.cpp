// The statement cache of a connection.
#include "base/db.h"

#include "base/no_rows.h"
#include "base/unscoped.h"

namespace wf {
namespace {

// What the statements hold that nobody uses is bounded, and looked at when one is compiled. The lower bound is for those that one call has used, as a call
// does that is made now and then: a loop, whose statements are used again, keeps its own beside them, up to the upper one. (A worker that starts,
// claims, records, waits, signals and completes needs 310,000 bytes, one that also spawns, joins, sleeps, appends and sets 558,000.) Those down to
// Sql::lock, in sql/base/base.sql, stay in any case.
constexpr int64_t kMostOnce = 256 * 1024;
constexpr int64_t kMostHeld = 552 * 1024;

}  // namespace

Status Db::prepare(string_view text, sqlite3_stmt** out) {
  if (!hooked_) {
    // Must come before the first cached statement: see no_rows.h.
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
  Status prepared = is_plain(sql) ? prepare_plain(text.view(), out) : prepare(text.view(), out);
  if ((prepared.rc() & 0xff) == SQLITE_ERROR) {  // ON CONFLICT DO UPDATE does not compile there
    bool made = false;
    WF_TRY(make_table_of(*this, text.view(), &made));
    if (made) prepared = prepare(text.view(), out);
  }
  WF_TRY(static_cast<Status&&>(prepared));
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
  may_have_statistics_ = true;
  return {};
}

Status Db::look_at(sqlite3_stmt* statement, int compiled, Slot* slot) {
  Status checked = notice_change();
  if (checked.ok()) checked = rights_.check(sqlite3_sql(statement), statement);
  if (slot == nullptr) return checked;
  slot->compiled = compiled;
  if (checked.ok()) return {};
  held_ -= slot->memory;
  *slot = {};  // who uses it finalizes it: the authorizer may go, and what it was compiled to would stay
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
  for (const Sql sql : kPlain) {
    Slot& slot = cache_[static_cast<size_t>(sql)];
    if (!slot.in_use) drop(slot);
  }
}

Status Db::borrow(Sql sql, sqlite3_stmt** out, Slot** slot) {
  Slot& cached = cache_[static_cast<size_t>(sql)];
  *slot = nullptr;
  if (cached.in_use) return prepare(sql, out);
  if (cached.statement != nullptr && cached.rights != rights_now_ && sql > Sql::lock) drop(cached);
  if (cached.statement == nullptr) {
    sqlite3_stmt* statement;
    WF_TRY(prepare(sql, &statement));
    cached.rights = rights_now_;
    hold(cached, statement);
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
  drop(*oldest);
  sqlite3_free(oldest->text);
  oldest->text = copy;
  hold(*oldest, *out);
  oldest->in_use = true;
  oldest->used = ++uses_;
  *slot = oldest;
  return {};
}

// The slot has compiled `statement` and is about to use it. What is kept beyond the bounds goes, the slot's own not.
void Db::hold(Slot& slot, sqlite3_stmt* statement) {
  slot.statement = statement;
  slot.memory = sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_MEMUSED, 0);
  if (!slot.came_back) slot.first = uses_ + 1, has_compiled_ = true;
  slot.in_use = true;
  held_ += slot.memory;
  while (held_ > kMostOnce && give_up_one()) {}
}

// A call begins: what the one before has compiled was used by it alone, however often.
void Db::settle() {
  const auto look = [&](Slot& slot) {
    if (slot.first > settled_) slot.first = slot.used;
  };
  for (Slot& slot : cache_) look(slot);
  for (Cached& cached : texts_) look(cached);
  settled_ = uses_;
  has_compiled_ = false;
}

// Gives up the idle statement that was used the longest ago, one that only one call has used before any other.
bool Db::give_up_one() {
  Slot* once = nullptr;
  Slot* again = nullptr;
  const auto look = [&](Slot& slot) {
    if (slot.statement == nullptr || slot.in_use) return;
    Slot*& oldest = slot.is_used_again() && slot.first <= settled_ ? again : once;
    if (oldest == nullptr || slot.used < oldest->used) oldest = &slot;
  };
  for (size_t i = static_cast<size_t>(Sql::lock) + 1; i < std::size(cache_); ++i) look(cache_[i]);
  for (Cached& cached : texts_) look(cached);
  Slot* oldest = once != nullptr ? once : held_ > kMostHeld ? again : nullptr;
  if (oldest == nullptr) return false;
  drop(*oldest);
  oldest->came_back = true;
  return true;
}

void Db::forget_rolled_back() {
  if (!tables_made_) return;
  tables_made_ = false;
  forget_way_back();
}

void Db::forget_way_back() {
  for (size_t i = 0; i <= static_cast<size_t>(Sql::lock); ++i) {
    if (!cache_[i].in_use) drop(cache_[i]);
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

bool Db::is_listed(sqlite3_stmt* statement) const {
  for (sqlite3_stmt* s = nullptr; (s = sqlite3_next_stmt(handle_, s)) != nullptr;) {
    if (s == statement) return true;
  }
  return false;
}

void Db::drop(Slot& slot) {
  if (slot.statement != nullptr && !slot.in_use && is_listed(slot.statement)) sqlite3_finalize(slot.statement);
  held_ -= slot.memory;
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
  for (Cached& cached : texts_) {
    drop(cached);
    sqlite3_free(cached.text);
    cached.text = nullptr;
  }
  hooked_ = false;
  file_watch_.close();
}

}  // namespace wf

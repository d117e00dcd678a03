#include "engine/wait_for_work.h"

#include "engine/may_act.h"
#include "engine/stream.h"
#include "engine/tick.h"

namespace wf {
namespace {

// So late an interrupt is seen, and a commit of which the system has said nothing.
constexpr int64_t kRest = 450 * kMillisecond;
// Where nothing is told, the pause between two looks grows from the shorter to the longer.
constexpr int64_t kShorter = kMillisecond, kLonger = 10 * kMillisecond;
// What is told of is a write: its commit shows some time after, soon or late.
constexpr int64_t kSoon = kMillisecond / 30;
// A commit that was under way when the watch was armed is told of no more: it is looked for after 1, 5 and 25 ms.
constexpr int64_t kLate = kMillisecond, kLater = 5, kLatest = 30 * kMillisecond;
// How far ahead a look asks what time will bring.
constexpr Millis kAhead = 5000;
// Where many wait, who was woken for nothing looks later the next time, by up to twice as much for each time in a row: they get out of each other's
// way, and out of the writer's.
constexpr int64_t kStagger = kMillisecond / 16;
// A file whose commits are not told of at all, so often in a row.
constexpr int kBlind = 3;

bool is_told_of(Db& db) { return why_not_watched(db).empty(); }

class Vigil {
 public:
  Vigil(Db& db, const WaitFor& things, Millis timeout) : db_(db), things_(things), file_(db.file_watch()), path_(sqlite3_db_filename(db.handle(), "main")) {
    const int64_t now = monotonic_clock();
    if (timeout != kNoTime && timeout < (INT64_MAX - now) / kMillisecond) until_ = now + timeout * kMillisecond;
  }

  void listen(Bells::Listener& listener) { listener_ = &listener; }

  Status keep(bool* came) {
    if (file_.found() != 0) file_.got(true);  // or whoever this one waits for: it has not asked for it itself
    WF_TRY(look(came));
    if (*came || left() <= 0) return {};
    watches_ = is_told_of(db_);
    armed_ = watches_ && file_.is_quiet();
    pause_ = armed_ ? kRest : watches_ ? kLate : kShorter;
    for (;;) {
      if (watches_ && !armed_) arm();
      WF_TRY(look_again(came));
      if (*came || left() <= 0) return {};
      if (sleep() == Woke::signal) return {};
    }
  }

 private:
  bool is_in_memory() const { return path_ == nullptr || *path_ == '\0'; }
  int64_t left() const { return until_ - monotonic_clock(); }

  void arm() {
    watches_ = armed_ = file_.arm(path_);
    if (!watches_) pause_ = kShorter;
  }

  Woke sleep() {
    int64_t time = pause_;
    if (const int64_t rest = left(); rest < time) time = rest > 0 ? rest : 0;
    const Millis due = quiet_until_ - db_.clock();
    if (quiet_until_ != kTimeMax && due * kMillisecond < time) time = due > 0 ? due * kMillisecond : 0;
    if (!watches_) {
      pause_ = pause_ < kLonger ? pause_ + kShorter : kLonger;
      return sleep_for(time) ? Woke::signal : Woke::time;
    }
    const Woke woke = file_.sleep(time);
    if (woke == Woke::change) {
      armed_ = false;
      told_ = true;
      file_.missed = 0;
      pause_ = stagger();
      return sleep_for(pause_) ? Woke::signal : woke;
    }
    if (time == pause_) grow();
    return woke;
  }

  // Ever less often.
  void grow() {
    rested_ = pause_ == kRest && !told_;
    if (told_) pause_ += pause_ / 2;
    else if ((pause_ *= kLater) > kLatest) pause_ = kRest;
    if (pause_ > kRest) pause_ = kRest;
  }

  // (Nothing that is stored depends on it.)
  int64_t stagger() const {
    if (file_.useless == 0) return kSoon;
    const int64_t most = kStagger << file_.useless;
    return most / 4 + static_cast<int64_t>(static_cast<uint64_t>(monotonic_clock()) * 0x9e3779b97f4a7c15u >> 33) % most;
  }

  // A file that is locked is being written: its commit is to come.
  Status look_again(bool* came) {
    Status looked = look(came);
    if (const int rc = looked.rc() & 0xff; rc != SQLITE_BUSY && rc != SQLITE_LOCKED) return looked;
    *came = false;
    if (!told_) pause_ = watches_ ? kSoon : kShorter;
    told_ = true;
    return {};
  }

  // Looks, if anything was written since the last time, or what time brings is due.
  Status look(bool* came) {
    *came = false;
    bool exists;
    WF_TRY(db_.schema_exists(&exists));  // reads, so that the version below is that of now
    const unsigned version = db_.data_version();
    const bool heard = listener_ != nullptr && listener_->heard();
    const bool changed = is_first_ || version != seen_ || is_in_memory();
    Millis now, stands = kNoTime;
    if (db_.clock_is_fixed()) stands = db_.clock();
    else if (exists) WF_TRY(test_clock(db_, &stands));
    now = stands == kNoTime ? db_.clock() : stands;
    if (!changed && !heard && (stands != kNoTime || now < quiet_until_)) return {};
    if (changed) notice();
    seen_ = version;
    file_.found(0);
    if (stands != kNoTime) {
      quiet_until_ = kTimeMax;
      WF_TRY(ask(now, came));
    } else {
      WF_TRY(look_ahead(now, came));
    }
    if (!changed || is_first_ || !watches_) file_.found(0);
    else if (!*came) file_.was_useless();
    else if (file_.found() == 0) file_.useless /= 2;
    is_first_ = false;
    return {};
  }

  // There is a commit that was not seen before.
  void notice() {
    if (is_first_ || !watches_) return;
    if (rested_ && armed_ && file_.is_quiet() && ++file_.missed >= kBlind) watches_ = armed_ = false;
    rested_ = told_ = false;
    pause_ = watches_ ? kLate : kShorter;
  }

  Status ask(Millis time, bool* came) { return things_.look(db_, things_.what, time, came); }

  // Whether something has come; else when it may come by itself, as the file is now.
  Status look_ahead(Millis now, bool* came) {
    if (quiet_until_ > now) {
      WF_TRY(ask(quiet_until_ - 1, came));
      if (!*came) return {};
    }
    WF_TRY(ask(now, came));
    if (*came) return {};
    Millis nothing = now;
    quiet_until_ = later(now, kAhead);
    bool then;
    WF_TRY(ask(quiet_until_, &then));
    while (then && quiet_until_ - nothing > 1) {
      const Millis middle = nothing + (quiet_until_ - nothing) / 2;
      bool by_then;
      WF_TRY(ask(middle, &by_then));
      (by_then ? quiet_until_ : nothing) = middle;
    }
    return {};
  }

  Db& db_;
  const WaitFor& things_;
  FileWatch& file_;
  const char* path_;
  Bells::Listener* listener_ = nullptr;
  int64_t until_ = INT64_MAX;
  bool watches_ = false;
  bool armed_ = false;
  bool told_ = false;         // of a write whose commit was not seen yet
  bool rested_ = false;       // the last pause was a long one, and nothing was told meanwhile
  int64_t pause_ = kShorter;
  bool is_first_ = true;
  unsigned seen_ = 0;         // the state of the file as of the last look
  Millis quiet_until_ = 0;    // before that time nothing comes, as that state is
};

}  // namespace

string_view why_not_watched(Db& db) {
  const char* path = sqlite3_db_filename(db.handle(), "main");
  if (path == nullptr || *path == '\0') return "in memory";
  if (db.file_watch().missed >= kBlind) return "its file system does not tell of writes";
  if (const string_view network = network_file_system(path); !network.empty()) return network;
  sqlite3_vfs* vfs = nullptr;
  sqlite3_file_control(db.handle(), "main", SQLITE_FCNTL_VFS_POINTER, &vfs);
  if (vfs == nullptr || part(vfs->zName, 0, 4) != "unix") return "another VFS";
  return {};
}

Status check_may_wait(Db& db, const char* function) {
  bool is_explicit;
  WF_TRY(file_is_explicit(db, &is_explicit));
  bool may = true;
  if (is_explicit) WF_TRY(only_reads(db, &may));
  if (may) return {};
  return Status::error(Code::context, "%s() would hold up every machine of the cluster: wf_config('clock') is 'explicit' in this file. Wait on a connection that only reads", function);
}

Status wait_for(Db& db, const WaitFor& things, Millis timeout, bool* came) {
  Vigil vigil(db, things, timeout);
  if (!things.by_bells) return vigil.keep(came);
  Bells::Listener listener(db.file_watch());
  vigil.listen(listener);
  return vigil.keep(came);
}

Status has_work(Db& db, const Claim& args, Millis now, bool* came) {
  *came = false;
  bool exists;
  WF_TRY(db.schema_exists(&exists));
  if (!exists) return {};
  WF_TRY(is_something_due(db, now, came));
  if (*came) return {};
  WF_TRY(is_claimable(db, args, now, came));
  db.file_watch().found(*came ? work_of(args) : 0);
  return {};
}

Status has_ended(Db& db, string_view id, const Reading* reading, bool* came) {
  *came = false;
  bool exists;
  WF_TRY(db.schema_exists(&exists));
  if (!exists) return Status::error(Code::not_found, "no workflow '%.*s': this file has none yet", WF_SV(id));
  Handle handle;
  handle.id = id;
  Workflow w;
  WF_TRY(load(db, handle, &w));
  *came = is_terminal(w.state);
  return *came || reading == nullptr ? Status() : stream_is_ready(db, w.seq, reading->stream, reading->offset, came);
}

Status has_been_lost(Db& db, const Handle& token, Millis now, Status* why) {
  bool exists;
  WF_TRY(db.schema_exists(&exists));
  Workflow w;
  *why = exists ? load(db, token, &w) : Status::error(Code::not_found, "no workflow: this file has none yet");
  if (why->ok()) *why = may_act(db, token, w, now, Act::write);
  return why->ok() || why->is_ours() ? Status() : static_cast<Status&&>(*why);
}

}  // namespace wf

#include "engine/sync.h"

#include <cstring>

#include "base/json.h"
#include "base/local_http.h"
#include "base/sleep.h"
#include "engine/wait_for_work.h"

namespace wf {
namespace {

// A file that has just been made is known to Litestream half a second later, where it watches a folder.
constexpr int64_t kUntilKnown = 2000 * kMillisecond, kBetweenTries = 20 * kMillisecond;
// Between two questions where the replica lags behind: the first pause, doubled each time up to the last.
constexpr int64_t kFirstPause = kMillisecond, kLastPause = 64 * kMillisecond;
// Older ones have made replicas that could not be restored, behind syncs that had said success.
constexpr int64_t kOldestLitestream[] = {0, 5, 18};

using SyncEnd = LocalHttp::End;

string_view sync_words(SyncEnd end) {
  switch (end) {
    case SyncEnd::cut: return "the connection ended before the answer did: has Litestream stopped?";
    case SyncEnd::late: return "the time is over";
    case SyncEnd::signal: return "a signal came in between";
    default: return "something else than Litestream answers there";
  }
}

// A call of wf_sync, as far as it has come.
class Barrier {
 public:
  Barrier(Db& db, const Sync& args, string_view socket, string_view path)
      : args_(args), socket_(socket), path_(path), began_(monotonic_clock()), server_(socket, began_ + args.timeout * kMillisecond, db.stop()) {}

  Status pass(Synced* out) {
    WF_TRY(check_version());
    int64_t pause = kFirstPause;
    for (;;) {
      bool known;
      int64_t txid, replicated;
      WF_TRY(sync(&known, &txid, &replicated));
      if (known && target_ == 0) target_ = txid;
      if (known && replicated >= target_) {
        *out = {target_, replicated, monotonic_clock() - began_, calls_};
        return {};
      }
      SyncEnd end = SyncEnd::answered;
      WF_TRY(server_.pause(known ? pause : kBetweenTries, &end));
      if (end != SyncEnd::answered) return not_sure(end);
      if (known && pause < kLastPause) pause *= 2;
    }
  }

 private:
  // WF_STATE: that it is not known to be on the replica, and why.
  Status not_sure(string_view why) const {
    Text so_far;
    if (target_ != 0) so_far.add("; txid ").add_integer(target_).add(" is wanted there, and has been seen up to ").add_integer(replicated_);
    return Status::error(Code::state, "wf_sync(): it is not known whether all of this is on the replica: %.*s (socket '%.*s', after %.3f s%.*s)", WF_SV(why), WF_SV(socket_),
                         static_cast<double>(monotonic_clock() - began_) / 1e9, WF_SV(so_far.view()));
  }
  Status not_sure(SyncEnd end) const { return not_sure(sync_words(end)); }

  Status ask(string_view what, string_view body) {
    WF_TRY(server_.ask(what, body, &answer_));
    if (answer_.end == SyncEnd::answered) return {};
    if (answer_.end != SyncEnd::unreachable) return not_sure(answer_.end);
    return Status::error(Code::state, "wf_sync(): there is no Litestream to ask at the socket '%.*s': %s. Its configuration needs socket: enabled: true, path: ...", WF_SV(socket_),
                         std::strerror(answer_.error));
  }

  Status check_version() {
    WF_TRY(ask("GET /info", {}));
    Text version;
    for (json::Members m(json::check(answer_.body.view(), nullptr)); m.next();) {
      if (m.key_is("version") && version.size() == 0) json::unquote(m.value(), version);
    }
    if (!version.ok()) return Status::no_memory();
    if (answer_.status != 200 || version.size() == 0) return not_sure(SyncEnd::foreign);
    string_view rest = version.view();
    if (has_prefix(rest, "v")) rest = part(rest, 1);
    for (const int64_t least : kOldestLitestream) {
      int64_t number = 0;
      size_t digits = 0;
      while (digits < rest.size() && digits < 9 && rest[digits] >= '0' && rest[digits] <= '9') number = number * 10 + (rest[digits++] - '0');
      if (digits == 0 || number < least) {
        return Status::error(Code::state, "wf_sync(): Litestream 0.5.18 or later is needed, and at the socket '%.*s' is version '%.*s': those before could make a replica that cannot be restored",
                             WF_SV(socket_), WF_SV(excerpt(version.view())));
      }
      if (number > least) break;
      rest = part(rest, digits + 1);
    }
    return {};
  }

  // Litestream copies what has been committed, and says up to which transaction of its own that is, and which one the replica has. The former is read
  // last: it may cover what others have committed since.
  Status sync(bool* known, int64_t* txid, int64_t* replicated) {
    // In whole seconds, of which 0 would be 30; a little less than we wait, so that it is Litestream who says what is wrong.
    const int64_t seconds = (server_.left() - 200 * kMillisecond) / (1000 * kMillisecond);
    Text question;
    json::quote(path_, question.add("{\"path\":"));
    question.add(",\"wait\":true,\"timeout\":").add_integer(seconds < 1 ? 1 : seconds).add('}');
    if (!question.ok()) return Status::no_memory();
    WF_TRY(ask("POST /sync", question.view()));
    ++calls_;
    Text error, path;
    *txid = *replicated = 0;
    const json::Checked answer = json::check(answer_.body.view(), nullptr);
    for (json::Members m(answer); m.next();) {
      if (m.key_is("txid")) json::to_integer(m.value(), txid);
      else if (m.key_is("replicated_txid")) json::to_integer(m.value(), replicated);
      else if (m.key_is("path")) path.clear(), json::unquote(m.value(), path);
      else if (m.key_is("error")) error.clear(), json::unquote_shown(m.value(), error);
    }
    if (!error.ok() || !path.ok()) return Status::no_memory();
    *known = answer_.status == 200;
    if (*known) {
      if (*txid <= 0 || *replicated < 0 || path.view() != path_) return not_sure("the answer is not that of a sync of this file");
      replicated_ = *replicated;
      return {};
    }
    if (error.size() == 0) return not_sure(SyncEnd::foreign);
    // 404: there is no such database, 409: it is not open.
    if (answer_.status != 404 && answer_.status != 409) {
      return Status::error(Code::state, "wf_sync(): Litestream cannot bring it to the replica: %.*s", WF_SV(excerpt(error.view(), 300)));
    }
    if (monotonic_clock() - began_ < kUntilKnown) return {};
    return Status::error(Code::state, "wf_sync(): Litestream does not replicate '%.*s', or under another name, a symbolic link (option \"path\"): %.*s", WF_SV(path_),
                         WF_SV(excerpt(error.view(), 300)));
  }

  const Sync& args_;
  const string_view socket_, path_;
  const int64_t began_;
  LocalHttp server_;
  LocalHttp::Answer answer_;
  int64_t target_ = 0, replicated_ = 0, calls_ = 0;
};

Status check_synchronous(Db& db) {
  Query q(db, Sql::sync_mode);
  bool row;
  WF_TRY(q.next(&row));
  if (q.integer(0) >= 2) return {};
  return Status::error(Code::state, "wf_sync(): with this connection's PRAGMA synchronous below FULL a power cut may take from the file what the replica has, and Litestream would then publish the older "
                                    "file: PRAGMA synchronous = FULL, or the option \"allow_normal\"");
}

}  // namespace

Status check_absolute(const char* what, string_view path) {
  return has_prefix(path, "/") ? Status() : Status::error(Code::invalid, "%s must be an absolute path, got '%.*s'", what, WF_SV(excerpt(path)));
}

Status sync_replica(Db& db, const Sync& args, Synced* out) {
  if (!db.autocommit()) return Status::error(Code::context, "wf_sync() is for what was committed, and a transaction is open: COMMIT first");
  WF_TRY(check_may_wait(db, "wf_sync"));
  if (!LocalHttp::kExists) return Status::error(Code::state, "wf_sync() asks Litestream by a socket in the file system, which this extension cannot on this system");
  SettingValue socket, path;
  WF_TRY(read_setting(db, Setting::sync_socket, &socket));
  WF_TRY(read_setting(db, Setting::sync_path, &path));
  string_view where = args.socket, what = args.path;
  if (where.empty()) where = socket.value.is_null() ? kSyncSocket : socket.value.bytes;
  if (what.empty() && !path.value.is_null()) what = path.value.bytes;
  if (what.empty()) {
    const char* own = sqlite3_db_filename(db.handle(), "main");
    if (own != nullptr) what = own;
  }
  if (what.empty()) return Status::error(Code::state, "wf_sync(): a database in memory has no replica");
  WF_TRY(check_absolute("the option \"socket\" of wf_sync()", where));
  WF_TRY(check_absolute("the option \"path\" of wf_sync()", what));
  if (!args.allow_normal) WF_TRY(check_synchronous(db));
  return Barrier(db, args, where, what).pass(out);
}

}  // namespace wf

#include "engine/sync.h"

#ifndef _WIN32
#include <climits>
#include <cstdlib>
#endif

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
// 0.5.18, in thousands of thousands. Older ones have made replicas that could not be restored, behind syncs that had said success.
constexpr int64_t kOldestLitestream = 5018;
constexpr char kHowToListen[] =
    ". Litestream listens only where its configuration has socket: {enabled: true, path: ...}; which path it is, wf_config('sync_socket', ...) says. See docs/replication.md";

// A call of wf_sync, as far as it has come.
class Barrier {
 public:
  Barrier(Db& db, Millis timeout, string_view socket, string_view path)
      : path_(path), began_(monotonic_clock()), server_(socket, began_ + timeout * kMillisecond, db.stop(), words_, kHowToListen) {}

  Status pass(Synced* out) {
    WF_TRY(check_version());
    for (int64_t pause = kFirstPause;;) {
      bool known = false;
      WF_TRY(sync(&known, out));
      if (known && out->replicated >= out->txid) {
        out->time = monotonic_clock() - began_;
        return {};
      }
      WF_TRY(server_.pause(known ? pause : kBetweenTries));
      if (known && pause < kLastPause) pause *= 2;
    }
  }

 private:
  Status ask(string_view what, string_view body) {
    WF_TRY(server_.ask(what, body));
    for (json::Members m(json::check(server_.body(), nullptr)); m.next();) {
      if (m.key_is("txid")) txid_ = number(m.value());
      else if (m.key_is("replicated_txid")) replicated_ = number(m.value());
      else if (m.key_is("path")) text(m.value(), answered_);
      else if (m.key_is("error") || m.key_is("version")) text(m.value(), said_);
    }
    return said_.ok() && answered_.ok() ? Status() : Status::no_memory();
  }
  static int64_t number(json::Checked value) {
    int64_t found;
    return json::to_integer(value, &found) ? found : 0;
  }
  static void text(json::Checked value, Text& out) {
    out.clear();
    json::unquote_shown(value, out);
  }

  Status check_version() {
    WF_TRY(ask("GET /info", {}));
    if (server_.status() != 200 || said_.size() == 0) return server_.fail_foreign();
    int64_t version = 0, digits = 0;
    int parts = 1;
    for (const char c : part(said_.view(), has_prefix(said_.view(), "v"))) {
      if (c >= '0' && c <= '9' && digits < 1000) {
        digits = digits * 10 + (c - '0');
      } else if (c == '.' && parts < 3) {
        version = (version + digits) * 1000;
        digits = 0;
        ++parts;
      } else {
        break;
      }
    }
    if (parts == 3 && version + digits >= kOldestLitestream) return {};
    return Status::error(Code::state, "wf_sync(): Litestream must be 0.5.18 or later, and not '%.*s': those before could make a replica that cannot be restored",
                         WF_SV(excerpt(said_.view())));
  }

  // Litestream copies what has been committed, and says up to which transaction of its own that is, and which one the replica has. The former is read
  // last, and may cover what others have committed since: the first one counts.
  Status sync(bool* known, Synced* out) {
    // In whole seconds, of which 0 would be 30; a little less than we wait, so that it is Litestream who says what is wrong.
    const int64_t seconds = (server_.left() - 200 * kMillisecond) / (1000 * kMillisecond);
    Text question;
    json::quote(path_, question.add("{\"path\":"));
    question.add(",\"wait\":true,\"timeout\":").add_integer(seconds < 1 ? 1 : seconds).add('}');
    if (!question.ok()) return Status::no_memory();
    said_.clear();
    answered_.clear();
    txid_ = replicated_ = 0;
    WF_TRY(ask("POST /sync", question.view()));
    ++out->calls;
    const int status = server_.status();
    *known = status == 200;
    if (*known) {
      if (txid_ <= 0 || replicated_ < 0 || answered_.view() != path_) return server_.fail("the answer is not that of a sync of this file");
      if (out->txid == 0) out->txid = txid_;
      out->replicated = replicated_;
      sqlite3_snprintf(sizeof words_, words_, "wf_sync(): it is not known whether txid %lld is on the replica, which had %lld", out->txid, replicated_);
      return {};
    }
    if (said_.size() == 0) return server_.fail_foreign();
    // 404: there is no such database, 409: it is not open.
    const bool is_unknown = status == 404 || status == 409;
    if (is_unknown && monotonic_clock() - began_ < kUntilKnown) return {};
    return Status::error(Code::state, "wf_sync(): Litestream %s '%.*s': %.*s", is_unknown ? "does not replicate, or not under this name," : "cannot bring to the replica", WF_SV(path_),
                         WF_SV(excerpt(said_.view(), 300)));
  }

  char words_[128] = "wf_sync(): it is not known whether all of this is on the replica";
  const string_view path_;
  const int64_t began_;
  LocalHttp server_;
  // What the last answer says.
  int64_t txid_ = 0, replicated_ = 0;
  Text said_, answered_;
};

Status check_synchronous(Db& db) {
  Query q(db, Sql::sync_mode);
  WF_TRY(q.one_row());
  if (q.integer(0) >= 2) return {};
  return Status::error(Code::state, "wf_sync(): with PRAGMA synchronous below FULL a power cut may take from the file what the replica has, and Litestream would then publish the older file; "
                                    "or say \"allow_normal\"");
}

// What was given, else what the file says; WF_INVALID if it does not begin at the root.
Status find_path(Db& db, Setting setting, string_view given, string_view otherwise, SettingValue* held, string_view* out) {
  WF_TRY(read_setting(db, setting, held));
  *out = !given.empty() ? given : !held->value.is_null() ? held->value.bytes : otherwise;
  return check_absolute(kSettings[static_cast<int>(setting)].name.data(), *out);
}

// WF_STATE if the path, which was given or is kept by the file, is another file's: a copy has the setting too, and an answer for that one would be a success.
// Litestream may know this one by a name that does not exist here.
Status check_own([[maybe_unused]] string_view path, [[maybe_unused]] const char* own) {
#ifndef _WIN32
  char there[PATH_MAX], here[PATH_MAX];
  if (own == nullptr || *own == '\0' || path.size() >= sizeof there) return {};
  Text name;
  name.add(path).add('\0');
  if (!name.ok()) return Status::no_memory();
  if (realpath(name.data(), there) != nullptr && realpath(own, here) != nullptr && string_view(there) != here) {
    return Status::error(Code::state, "wf_sync(): '%.*s', of \"path\" or wf_config('sync_path'), is another file than this one, '%s'", WF_SV(path), own);
  }
#endif
  return {};
}

}  // namespace

Status check_absolute(const char* what, string_view path) {
  bool is_absolute = has_prefix(path, "/");
#ifdef _WIN32
  is_absolute = is_absolute || part(path, 1, 1) == ":";
#endif
  return is_absolute ? Status() : Status::error(Code::invalid, "%s must be an absolute path, got '%.*s'", what, WF_SV(excerpt(path)));
}

Status sync_replica(Db& db, const Sync& args, Synced* out) {
  if (!db.autocommit()) return Status::error(Code::context, "wf_sync() is for what was committed, and a transaction is open: COMMIT first");
  WF_TRY(check_may_wait(db, "wf_sync"));
  const char* own = sqlite3_db_filename(db.handle(), "main");
  SettingValue held[2];
  string_view socket, path;
  WF_TRY(find_path(db, Setting::sync_socket, args.socket, kSyncSocket, &held[0], &socket));
  WF_TRY(find_path(db, Setting::sync_path, args.path, own != nullptr ? own : "", &held[1], &path));
  WF_TRY(check_own(path, own));
  if (!args.allow_normal) WF_TRY(check_synchronous(db));
  return Barrier(db, args.timeout, socket, path).pass(out);
}

}  // namespace wf

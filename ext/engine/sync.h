// The replication barrier: what was committed before it is on Litestream's replica behind it.
#pragma once

#include "engine/settings.h"

namespace wf {

// Where Litestream listens unless it is told otherwise, and how long wf_sync waits.
constexpr string_view kSyncSocket = "/var/run/litestream.sock";
constexpr Millis kSyncTimeout = 30000;

struct Sync {
  string_view socket, path;   // empty: those of wf_config, else kSyncSocket and the path of main
  bool allow_normal = false;  // also where a power cut may take from the file what is on the replica
  Millis timeout = kSyncTimeout;  // up to ten years
};
struct Synced {
  int64_t txid = 0;        // of Litestream: all that was committed before the call is in it, or in one before
  int64_t replicated = 0;  // on the replica; not less than that
  int64_t time = 0;        // nanoseconds
  int64_t calls = 0;       // how often it was asked for
};

// wf_sync. Holds no lock, and needs none of our tables. WF_CONTEXT in a transaction, and where machines repeat each other's calls; WF_STATE for whatever keeps it
// from being sure: there is no success without a txid that the replica has reached.
Status sync_replica(Db& db, const Sync& args, Synced* out);

// What may be kept for it: WF_INVALID if `path` does not begin at the root. `what` is named.
Status check_absolute(const char* what, string_view path);

}  // namespace wf

// What holds for the whole file: its defaults, its clock, its epoch. And the retry policy that follows from them.
#pragma once

#include "engine/workflow.h"

namespace wf {

constexpr Millis kDefaultLease = 30000;
constexpr int64_t kDefaultMaxAttempts = 10;
constexpr int64_t kDefaultMaxFailures = 1000;  // in all
constexpr int64_t kMaxAttemptsLimit = 1000000;
constexpr int64_t kMostShares = INT32_MAX;  // that a limit for calls gives in its period, and so that one waits for

// The option "now" of a call.
struct Now {
  bool given = false;
  Millis time = 0;
};

// The time that holds for a call: its "now", else that of the connection's clock where wf_clock has stopped it, else of the file's, which tests have
// (wf_config('test_clock')), else the system's. WF_INVALID if the file wants every call to say it.
Status call_time(Db& db, const Now& now, Millis* out);
// The same for what only looks. In explicit mode the clock may be looked at where nobody repeats the call: on a connection that cannot write. WF_INVALID
// on another that has no "now" (one that wf_clock() has stopped there is no time either: it is of this connection, and gone when the machine restarts).
Status time_to_show(Db& db, const Now& now, Millis* out);
// Whether the connection cannot write: the file was opened so, or PRAGMA query_only says so, as on the readers of rqlite and hiqlite.
Status only_reads(Db& db, bool* out);
// The time of the file's clock for tests; kNoTime: it has none.
Status test_clock(Db& db, Millis* out);
// Whether wf_config('clock') is 'explicit': nothing may be read from the clock or drawn at random, so that every machine
// that repeats the call does the same.
Status clock_is_explicit(Db& db, bool* out);
// The same outside of a scope, also of a file that has no tables yet.
Status file_is_explicit(Db& db, bool* out);
// The same, for a call that has its time from call_time(): if that was not said, the mode is known.
inline Status clock_is_explicit(Db& db, bool time_was_said, bool* out) {
  *out = false;
  return time_was_said ? clock_is_explicit(db, out) : Status();
}

// Wait before the next try: min(max, initial * factor^(n-1)) after failure n, minus a part of up to `jitter` of it.
struct Backoff {
  Millis initial = 1000;
  double factor = 2;
  Millis max = 300000;
  double jitter = 0;

  Millis after(int64_t failures, string_view workflow_id) const;
};

struct Policy {
  int64_t max_attempts = kDefaultMaxAttempts;
  Backoff backoff;
  int64_t max_failures = kDefaultMaxFailures;
};
// The workflow's own policy, else its queue's, else the file's, else the defaults.
Status policy_of(Db& db, const Workflow& workflow, Policy* out);

constexpr double kFactorMax = 1000;
// Backoff to and from its stored form, JSON with durations in milliseconds.
void add_backoff(const Backoff& backoff, Text& out);
// The stored form of anything else than wf_start takes is brought into its bounds; then it is not `*sound`.
Backoff stored_backoff(string_view json, bool* sound = nullptr);
// What users see: durations in seconds.
void show_backoff(const Backoff& backoff, Text& out);
Value seconds(Millis millis);

// The settings of wf_config.
enum class Setting : char { lease, max_attempts, max_failures, backoff, clock, test_clock, sync_socket, sync_path, require_recover, schema_version, epoch };
struct SettingName {
  string_view name;
  bool writable;
};
// In the order of Setting.
extern const SettingName kSettings[11];

// The value in force, as users see it: durations in seconds, the backoff as JSON.
struct SettingValue {
  Value value;
  Text text;  // holds it where it is text
};
Status read_setting(Db& db, Setting setting, SettingValue* out);
// Stores `value` in its stored form; NULL goes back to the default. WF_STATE: the file's own clock, which all connections go by, is for files of
// tests. It is switched on and off while there is no workflow (until then it may be moved, either way), and not in explicit mode, nor that with it.
Status write_setting(Db& db, Setting setting, const Value& value);

// Opens a new epoch: larger than any before, also than one given to another copy of the file since. Of two copies it is another, too, where `id`, of the recovery, is.
Status next_epoch(Db& db, Millis now, string_view id, int64_t* out);
// Appends what is stored under a key of _wf_meta, as text, if anything is.
Status add_meta(Db& db, string_view key, Text& out);

}  // namespace wf

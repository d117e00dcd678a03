// A wait as its row in _wf_step holds it, as the files that decide waits share it.
//
// There is one form: a wait is for one thing or for several, of which the first is enough, or all are needed. What it waits for stands in column
// topics: of several things an object, {"mode":"any" or "all","timeout":time,"waits":[...]}, of one thing, whose kind is that of the step, the
// array of the names alone.
#pragma once

#include "base/callback.h"
#include "base/json.h"
#include "base/list.h"
#include "engine/fingerprint.h"
#include "engine/settings.h"

namespace wf {

enum class WaitKind : char { sleep, signal, event, join, share };  // a share is never one of several
// Column kind of a wait for one thing: "sleep", "await", "await_event", "join", "acquire"; and of one for several.
string_view wait_kind_name(WaitKind kind);
// Whether it is what a wait of that kind may wait for: a non-empty array of names; of a join of ids, and there may be none; of a share its limit,
// and a key or none.
bool is_names(json::Checked array, WaitKind kind);
inline constexpr string_view kWaitAny = "wait_any";

// One thing that a wait waits for.
struct Awaited {
  WaitKind kind = WaitKind::sleep;
  string_view names;         // JSON array: signals, events or workflow ids; of a join that is not open yet nothing: the children spawned so far;
                             // of a share its limit, and its key if it has one
  Millis length = kNoTime;   // of a sleep that is not open yet
  Millis due = kNoTime;      // of a sleep: its end
  bool any = false;          // of a join: the earliest is enough
  bool outputs = true;       // of a join: with outputs and errors
  string_view as;            // a JSON string, or nothing
  int64_t amount = 1;        // of a share
  bool keep = false;         // of a share: its wait keeps the claim
};
// As it is stored, an object; false: it cannot be one. Then `out` is as far as it was understood.
bool read_awaited(json::Checked object, Awaited* out);

// What has come of it.
struct Came {
  bool yes = false;
  Millis at = kNoTime;
  int64_t n = -1;            // of a signal and an event its row; of a join for any the place among its ids
};

// What comes after the timeout of a wait did not come, whenever anyone looks: whoever looks for something looks for it `until` then.
inline bool in_time(Millis at, Millis until) { return until == kNoTime || at <= until; }

// The row of a wait: columns of _wf_step, and what they mean. Views of the texts that it is read from.
struct WaitRow {
  int64_t n = 0;
  string_view step, kind, topics, how;
  Millis due = kNoTime;      // when it is looked at at the latest
  Millis call = kNoTime;     // of a share that is in line: when its time comes
  List<Awaited> things;
  Millis timeout = kNoTime;
  bool all = false;
  bool several = false;      // shown as what wf_wait_any returns
  Fingerprint print;         // of one that is not open yet

  // From kind, topics, due and how; `*sound`: it can be a wait.
  Status read(Stop* stop, bool* sound);
  // The same; `*sound`: and what it waits for can come. The rule for rows that no call has written: of a document, of a file that is checked.
  Status check(Stop* stop, bool* sound);
  // Of several: column topics for the things as they are.
  void add_topics(Text& out) const;
  // When it is to be looked at: at its timeout, or before that at the end of its first sleep; of its last one, and if that is still to come, where
  // all things are needed, for a time that has passed would have it looked at for ever.
  Millis next_time(Millis now) const;
  // When its workflow is to be looked at.
  Millis next_look() const { return call == kNoTime || (due != kNoTime && due < call) ? due : call; }
  bool is_share() const { return !several && things[0].kind == WaitKind::share; }
  // By what key _wf_waiter knows who waits for the thing `i`.
  void add_key(size_t i, Text& out) const;
};

// Lists who waits for the names, and looks with `unlisted` whether it is listed for all of them: nobody would wake it for what a trigger has ignored.
// `bind` binds the other parameters of both.
Status list_names(Db& db, Sql list, Sql unlisted, string_view names, const Binds& bind);

// Adds what came first, the row `n` of what `sql` shows, without braces: "<what>":name,"payload":...,"received_at":...
Status show_arrival(Db& db, const char* what, Sql sql, int64_t n, Text& out);

// Writes it by Sql::wait_open or Sql::wait_done.
Status write_row(Db& db, Sql sql, int64_t seq, const WaitRow& row, Millis now, string_view output);

// Wakes one waiting workflow.
Status wake(Db& db, int64_t seq, int64_t lane, Wake why, Millis now);

}  // namespace wf

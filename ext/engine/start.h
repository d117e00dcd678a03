// Starting a workflow.
#pragma once

#include "base/json.h"
#include "engine/settings.h"

namespace wf {

constexpr int64_t kPriorityMin = -100, kPriorityMax = 100;

// What a start does where the workflow is there: that of the id, else a live one of the dedup key.
enum class IfExists : char { same, take, fail, replace, restart };
// What it has done.
enum class Started : char { created, existing, replaced, restarted };

struct Start {
  string_view name;
  Value input;
  string_view id;                    // empty: a new UUIDv7
  string_view queue = "default";
  bool has_queue = false;            // it was asked for
  int64_t priority = 0;
  bool has_priority = false;         // likewise
  Millis delay = 0;                  // before the start; ignored if `at` is given
  Millis at = kNoTime;
  Millis timeout = kNoTime;          // from the first due moment
  int64_t max_attempts = 0;          // 0: of the queue, else of the file
  int64_t max_failures = 0;          // 0: of the file
  bool has_backoff = false;
  Backoff backoff;
  string_view version, partition, dedup;
  string_view headers;               // a JSON object, or empty
  json::Checked tags;                // an object of texts (tag.h), or none
  bool manual = false;
  bool cleanup = false;
  int64_t parent = 0;                // of a child: the parent, the step that spawns it, and that step's redo number
  string_view parent_step;
  int64_t parent_redo = 0;
  bool detached = false;             // it does not end with its parent
  bool parent_cleanup = false;       // of a child: its parent ends in two phases from now on
  Millis scheduled_at = kNoTime;     // nominal time, if a schedule starts it
  IfExists if_exists = IfExists::same;
};

// A start, as the kind of its workflow wants it (Kind::prepare).
struct Prepared {
  explicit Prepared(const Start& args) : start(args) {}
  Prepared(const Prepared&) = delete;
  Prepared& operator=(const Prepared&) = delete;

  Start start;
  Name queue, version;      // hold what `start` points to, where it is not the caller's
  bool other_kind = false;  // not one for workers
};

// Starts it, once: an id that exists with the same name and input is a success that changes nothing, with another name or input
// WF_CONFLICT; a non-terminal workflow of the same queue and dedup key is taken instead of a new one. `*id` is the workflow's id.
// A child is found again only by the parent, step and redo number that it was started with; WF_CONFLICT names whose child it is.
// IfExists::fail refuses what is there, but for a child that is this very one; IfExists::take asks for the name alone, by a dedup key not even for that;
// so do IfExists::replace and restart, of which start_again.h does the rest. `*outcome` (may be nullptr): what came of it.
Status start(Db& db, const Start& args, const Now& now, Name* id, Started* outcome = nullptr);

// The id of a new workflow: the one asked for, or a new UUIDv7. WF_INVALID where every call has to say it.
Status new_id(Db& db, string_view wanted, bool time_was_said, Millis now, Name* id);
// The number that the next workflow gets.
Status next_seq(Db& db, int64_t* seq);

// Whether two inputs are the same value: JSON compared as values, a number like its JSON, a BLOB by its bytes.
Status same_value(const Value& a, const Value& b, Stop* stop, bool* same);

// Values over this many bytes live in _wf_large.
constexpr size_t kInlineBytes = 1024;
inline bool is_large(const Value& value) { return value.bytes.size() > kInlineBytes; }
enum class Large : char { input = 0, output = 1, error = 2 };
Status put_large(Db& db, int64_t seq, Large what, const Value& value);

}  // namespace wf

// A workflow as the rules see it, and the handle by which a caller names it.
#pragma once

#include "base/db.h"

namespace wf {

enum class State : char { pending, running, waiting, paused, completed, failed, cancelled };

// "pending" and so on, as stored and shown.
const char* state_name(State state);
State state_of(string_view name);
inline bool is_terminal(State state) { return state >= State::completed; }

// Columns place of _wf_workflow: where the claim looks for it.
// The order of places in a claim: to_resume and leased (its lease has run out), which were begun; in_line; leased_again and released, which
// stand behind what is new, or they would be claimed and lost, or given back, for ever.
enum class Place : char { in_line = 0, leased = 1, not_offered = 2, to_resume = 3, leased_again = 4, released = 5 };

// Column wake of _wf_workflow: why it is in line, or was claimed.
enum class Wake : char { start, retry, timer, signal, event, join, lost, recover, release, resume, cleanup };
Wake wake_of(int64_t stored);
const char* wake_name(Wake wake);

enum Flag : int { kManual = 1, kCleanup = 2, kDetached = 4, kKeepsSlot = 8, kOtherKind = 16,  // see above.h
                 kKept = 32,      // it has opened waits that keep the claim, and some may be open still: wait.h
                 kPurged = 64 };  // some of its descendants were purged, and it goes next: remove.h

// How a caller names a workflow: by its id, or by the token of a claim.
struct Handle {
  bool is_token = false;
  string_view id;     // of a bare id
  int64_t seq = 0;    // of a token
  int64_t nonce = 0;  // of a token, never 0
};

// Whether `text` is meant as a token, be it one or not.
bool looks_like_token(string_view text);
// WF_INVALID if `text` starts like a token and is none. Ids have been checked before.
Status parse_handle(string_view text, Handle* out);
// Attempt and worker of a claim, as the rows of its steps have them.
void add_claim(int64_t attempt, string_view worker, Text& out);
void add_token(int64_t seq, int64_t nonce, Text& out);

struct Workflow {
  int64_t seq = 0;
  Name id;
  int64_t lane = 0;
  Name queue;
  bool partitioned = false;
  bool exact_lane = false;             // its lane is to be kept exact: see lane.h
  bool limited = false;                // holds a slot of a queue with limits
  State state = State::pending;
  State under_pause = State::pending;  // the state that comes back at resume; equals `state` if not paused
  Millis due_at = kNoTime;
  int64_t nonce = 0;                   // 0: no current claim
  int64_t attempt = 0, resumed = 0, again = 0, failures = 0, lost = 0, mark = 0, failed = 0;
  int64_t lease = 0;
  Millis deadline_at = kNoTime;
  Millis started_at = kNoTime;         // the first claim
  int64_t closed_nonce = -1;           // of the last closing call; 0: by bare id; -1: there was none
  Name closed;                         // what it returned
  Name worker;
  Name claim_key;
  Name ending;                         // the coming status, in the second phase
  int64_t flags = 0;
  int64_t redo = 0;
  int64_t period = 1;                  // raised by wf_continue
  int64_t parent = 0;
  Wake wake = Wake::start;

  // Claimed, and the claim is the current one, be its lease live or not.
  bool is_claimed() const { return nonce != 0 && under_pause == State::running; }
  bool lease_is_live(Millis now) const { return is_claimed() && due_at > now; }
  // Where it stands when it is due at some time: `starts_attempt` or goes on with one.
  Place line(bool starts_attempt) const {
    return flags & kManual ? Place::not_offered : starts_attempt ? Place::in_line : Place::to_resume;
  }
};

// The workflow that `handle` names; WF_NOT_FOUND, and WF_LEASE_LOST for a token of a period that is over.
Status load(Db& db, const Handle& handle, Workflow* out);
// The same in two steps, for the call that ends a period.
Status load_any_period(Db& db, const Handle& handle, Workflow* out);
Status check_period(const Handle& handle, const Workflow& workflow);
// The nonce of a token says in its low bits to which period it belongs, so that a token of an earlier one reads nothing of the present.
constexpr uint64_t kPeriodBits = 0xffff;
// The same without an error: `*found`.
Status find(Db& db, const Handle& handle, bool* found, Workflow* out);
Status find_seq(Db& db, int64_t seq, bool* found, Workflow* out);
// From the columns of fragment_workflow, so many, which stand first in the row.
constexpr int kWorkflowColumns = 31;
void read_workflow(const Query& row, Workflow* out);

// run_all() for a statement whose one parameter is the workflow, `:seq`.
Status run_for(Db& db, Sql sql, int64_t seq);
inline Status run_for(Db& db, Sql sql, const Workflow& w) { return run_for(db, sql, w.seq); }

// Whether the handle made the last closing call, so that a repetition of it is answered as before.
inline bool closed_by(const Handle& handle, const Workflow& workflow) {
  return workflow.closed_nonce == (handle.is_token ? handle.nonce : 0);
}

// WF_NONDETERMINISM: the step is of the kind `is`, not `wanted`.
Status wrong_kind(const Workflow& workflow, string_view step, string_view is, string_view wanted);

// Checks of names: non-empty UTF-8 of at most 255 bytes without control characters; `what` is the argument's name in the message.
Status check_name(string_view what, string_view name);
// An id is a name that starts neither with "run_" nor with "[".
Status check_id(string_view what, string_view id);

}  // namespace wf

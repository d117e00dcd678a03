#include "functions/registry.h"

#include "base/taker.h"
#include "functions/option_lists.h"

namespace wf {
namespace {

// An entry as it is written here.
struct Entry {
  const char *name, *arguments;
  int min_args, max_args;
  const char* summary;
  unsigned flags;
  const char* repeats;
  std::span<const Option> options;
  Status (*run)(Call& call);
};

constexpr Entry kRegistry[] = {
    {"wf_start", "name [, input]", 1, 3,
     "Starts a workflow and returns its id; the same id, name and input again changes nothing.", kWrites,
     "with id or dedup", kStartOptions, wf_start},
    {"wf_claim", "[queue [, worker]]", 0, 3,
     "Leases the next runnable workflow of the queue (a name, or a JSON array of names) and returns it as a JSON object; NULL: nothing is runnable.",
     kWrites | kNotInWritingStatement, "with key", kClaimOptions, wf_claim},
    {"wf_step", "handle, step [, output]", 2, 4,
     "With two arguments the recorded output, or NULL: not done yet. With an output: records it, once, and returns the one that stands. WF_STEP_FAILED where an error stands.", kWrites,
     "yes", kStepOptions, wf_step},
    {"wf_complete", "handle [, output]", 1, 3, "Completes the workflow and returns its status, with the option next {status, claim}; the first output stands.", kWrites, "yes",
     kCompleteOptions, wf_complete},
    {"wf_fail", "handle, error", 2, 3,
     "Reports a failure; returns 'pending' (it will be tried again, or cleaned up) or 'failed'.", kWrites, "yes; by bare id while the backoff runs, so not with delay 0", kFailOptions, wf_fail},
    {"wf_heartbeat", "token [, duration]", 1, 3,
     "Extends the lease of a claim to at least this long from now (default: its own length) and returns its end; a JSON array of tokens is one call, whose result has for each its end or why not, as {code}. Without it, what records something renews the lease to its length once less than half is left: wf_step with an output, wf_begin, wf_spawn, wf_set, wf_append, and a wait that is satisfied at once.",
     kWrites, "yes", kNowOnly, wf_heartbeat},
    {"wf_continue", "handle [, input]", 1, 3,
     "Ends the present period of a workflow: it begins anew under its own id, with an empty history and a new input (NULL: the old one); returns 'pending'.",
     kWrites | kNotInWritingStatement, "yes", kContinueOptions, wf_continue},
    {"wf_release", "handle", 1, 2, "Gives the claim back without using an attempt; returns 1.", kWrites, "yes", kReleaseOptions, wf_release},
    {"wf_sleep", "handle, step, duration_or_time", 3, 4,
     "NULL until the time, which the first call fixes; then that time. The workflow is suspended meanwhile.", kWrites, "yes", kKeepOptions, wf_sleep},
    {"wf_signal", "id, signal [, payload]", 2, 4, "Sends a message to one workflow, which is kept until an await takes it; returns 1.", kWrites,
     "with key", kSignalOptions, wf_signal},
    {"wf_await", "handle, step, signal [, timeout]", 3, 5,
     "Takes the earliest signal of the name (or of a JSON array of names): {signal, payload, received_at}, or after the timeout {signal: null, timeout: true}. NULL: suspended until then.",
     kWrites, "yes", kKeepOptions, wf_await},
    {"wf_emit", "event [, payload]", 1, 3, "States a fact for everyone, once; returns the payload that stands, which is the first.", kWrites, "yes",
     kNowOnly, wf_emit},
    {"wf_await_event", "handle, step, event [, timeout]", 3, 5,
     "Waits for an event (or for any of a JSON array): {event, payload, received_at}, or after the timeout {event: null, timeout: true}. NULL: suspended until then.",
     kWrites, "yes", kKeepOptions, wf_await_event},
    {"wf_spawn", "handle, step, name [, input]", 3, 5, "Starts a child workflow, once, and returns its id, '<id>/<step>' by default.", kWrites, "yes",
     kSpawnOptions, wf_spawn},
    {"wf_join", "handle, step [, ids]", 2, 4,
     "Waits until the workflows have ended (NULL: all children spawned so far): a JSON array of {id, status, output or error}. NULL: suspended until then.",
     kWrites, "yes", kJoinOptions, wf_join},
    {"wf_wait_any", "handle, step, waits [, timeout]", 3, 5,
     "Waits for several things at once, an array of {signal}, {event}, {join, mode}, {sleep}, each with an optional as: {index, as, ...} of the first, with what its own function gives, or {index: null, timeout: true}. NULL: suspended until then.",
     kWrites, "yes", kWaitAnyOptions, wf_wait_any},
    {"wf_acquire", "handle, step, rate [, amount]", 3, 5,
     "Waits in line for a share (or amount of them) of a rate of wf_rate, which is spent from then on: {rate, key, amount, acquired_at}. NULL: suspended until then.",
     kWrites, "yes", kAcquireOptions, wf_acquire},
    {"wf_begin", "handle, step", 2, 3,
     "Says that the step's outside effect is about to be tried: {go: true, key} do it now, {output} or {error} it is done already, NULL: stop.", kWrites, "yes",
     kBeginOptions, wf_begin},
    {"wf_resolve", "id, step, verdict [, value]", 3, 5,
     "Settles a step in doubt: 'done' with its output, 'retry', or 'failed' with an error, which fails the workflow; returns 1.", kWrites, "no: it is settled then", kNowOnly,
     wf_resolve},
    {"wf_set", "handle, key, value", 3, 4, "Sets a named value that others can read; returns 1.", kWrites, "yes", kNowOnly, wf_set},
    {"wf_get", "id, key", 2, 2, "A value set by wf_set, NULL if there is none.", 0, "yes", {}, wf_get},
    {"wf_tag", "handle, key, value", 3, 4, "Gives the workflow a tag, by which it is found, or with NULL takes it away; returns 1.", kWrites, "yes", kNowOnly, wf_tag},
    {"wf_append", "handle, stream, value", 3, 4, "Appends an item to a stream of the workflow, or several, or closes it; returns the offset of the first, from 0.", kWrites, "with offset or step, or to close",
     kAppendOptions, wf_append},
    {"wf_trim", "id, stream, offset", 3, 4, "Removes what stands before this offset of a stream, such as what has been read, and returns how many items; offsets go on.", kWrites, "yes",
     kTrimOptions, wf_trim},
    {"wf_cancel", "ids [, reason]", 1, 3, "Cancels one workflow or a JSON array of them, with their children that are not detached; returns how many changed.",
     kWrites | kBulk, "yes", kCancelOptions, wf_cancel},
    {"wf_pause", "ids", 1, 2, "Pauses workflows: nobody claims or advances them; returns how many changed.", kWrites | kBulk, "yes", kControlOptions, wf_pause},
    {"wf_resume", "ids", 1, 2, "Ends a pause; returns how many changed.", kWrites | kBulk, "yes", kControlOptions, wf_resume},
    {"wf_retry", "ids", 1, 2, "Makes failed and cancelled workflows pending again, their recorded steps kept; returns how many changed.", kWrites | kBulk, "yes",
     kRetryOptions, wf_retry},
    {"wf_reschedule", "ids [, time]", 1, 3,
     "Makes workflows that wait for a time (their start, their next try, the end of a wf_sleep) due now, or at this time; returns how many changed.",
     kWrites | kBulk, "yes", kControlOptions, wf_reschedule},
    {"wf_delete", "ids", 1, 2, "Deletes workflows that have ended, their children that are not detached, and all that is stored of them; returns how many of the ids there were.", kWrites | kBulk | kDirectOnly, "yes",
     kDeleteOptions, wf_delete},
    {"wf_fork", "id", 1, 2, "Starts a new workflow with a copy of the finished steps of this one, and returns its id.", kWrites | kNotInWritingStatement, "with id: WF_CONFLICT then",
     kForkOptions, wf_fork},
    {"wf_purge", "", 0, 1, "Deletes workflows that ended long ago, with their descendants; returns how many, 0 once nothing is left to do.", kWrites | kDirectOnly | kNotInWritingStatement, "yes", kPurgeOptions, wf_purge},
    {"wf_queue", "name", 1, 2, "The settings of a queue; options are merged into them, null takes one away.", kWrites | kDirectOnly | kNotInWritingStatement, "yes",
     kQueueOptions, wf_queue},
    {"wf_rate", "name", 1, 2, "A rate for calls, of which wf_acquire takes shares; options are merged into it, NULL takes it away. NULL: there is none of this name.",
     kWrites | kDirectOnly | kNotInWritingStatement, "yes", kRateOptions, wf_rate},
    {"wf_schedule", "name, cron, workflow [, input]", 3, 5,
     "Makes or changes a schedule, which starts the workflow '<name>@<time>' at every time of the cron expression, once; returns its next time, NULL if it has none.",
     kWrites | kDirectOnly, "yes", kScheduleOptions, wf_schedule},
    {"wf_unschedule", "name", 1, 2, "Ends a schedule, not what it has started; returns 1, or 0 if there is none.", kWrites | kDirectOnly, "yes", kNowOnly, wf_unschedule},
    {"wf_trigger", "name [, time]", 1, 3,
     "Fires a schedule by hand, now or for this time, once, and returns the id '<name>@<time>'; for a span of times {ids, started, next}.",
     kWrites | kDirectOnly, "with time or from", kTriggerOptions, wf_trigger},
    {"wf_tick", "", 0, 1, "Does what time has made due: timeouts, schedules, workflows that lost too many leases, rows that a huge deleted workflow has left; returns how many.",
     kWrites | kNotInWritingStatement, "yes", kTickOptions, wf_tick},
    {"wf_wait", "[timeout]", 0, 2,
     "Blocks until a claim with the same options would find something or something is due (1), or the timeout passes (0). Not inside a transaction.",
     kDirectOnly | kNotInWritingStatement, "yes", kWaitOptions, wf_wait},
    {"wf_wake", "name", 1, 1,
     "Wakes what waits for this name by wf_wait, on the same file and in this process; writes nothing, and returns 1. Each connection that is open hears it once, now or when it next waits for it.",
     kDirectOnly | kFileless, "yes", {}, wf_wake},
    {"wf_sync", "[timeout]", 0, 2,
     "Waits until all that was committed before is on Litestream's replica: {txid, replicated_txid, ms, calls}; an error, WF_STATE, whenever that is not known. Default 30s. Not inside a transaction.",
     kDirectOnly | kNotInWritingStatement, "yes", kSyncOptions, wf_sync},
    {"wf_status", "id", 1, 1, "The workflow's status, NULL if there is none.", 0, "yes", {}, wf_status},
    {"wf_result", "id", 1, 1, "The output of a completed workflow, else NULL.", 0, "yes", {}, wf_result},
    {"wf_error", "id", 1, 1, "The error of a failed workflow, the reason of a cancelled one that was given one, else NULL.", 0, "yes", {}, wf_error},
    {"wf_key", "handle, step", 2, 2, "An idempotency key for outside systems, the same for every attempt of the step.", 0, "yes", {}, wf_key},
    {"wf_pending", "[queue]", 0, 1, "How many workflows are not terminal.", 0, "yes", {}, wf_pending},
    {"wf_ready", "[queue]", 0, 2, "How many workflows a worker could claim now.", 0, "yes", kNowOnly, wf_ready},
    {"wf_next_due", "", 0, 1,
     "The next time at which this file wants a claim, wf_run or wf_tick, the present one if it does now; NULL: never, unless somebody writes.", 0, "yes", kNowOnly, wf_next_due},
    {"wf_recover", "", 0, 1,
     "After a crash or a restore: voids all leases, so that no token given out before is accepted, and returns {epoch, leases_voided, in_doubt}.",
     kWrites | kNotInWritingStatement, "yes", kRecoverOptions, wf_recover},
    {"wf_define", "name, definition", 2, 3, "Stores the definition of workflows scripted in SQL, a JSON document, and returns its version.",
     kWrites | kDirectOnly | kNotInWritingStatement, "yes", kNowOnly, wf_define},
    {"wf_undefine", "name", 1, 2, "Takes a definition away, not the workflows that are under way; returns 1, or 0 if there is none.",
     kWrites | kDirectOnly | kNotInWritingStatement, "yes", kNowOnly, wf_undefine},
    {"wf_explain", "what", 1, 2, "The plan of a definition: its name or the document itself; for the id of a workflow with the state of every step.",
     kDirectOnly, "yes", kExplainOptions, wf_explain},
    {"wf_run", "", 0, 1, "Advances workflows scripted in SQL as far as they can go now, and returns how many steps were executed.",
     kWrites | kDirectOnly | kNotInWritingStatement, "yes", kRunOptions, wf_run},
    {"wf_export", "[ids]", 0, 2,
     "All that is stored of a workflow, as a JSON document for wf_import in another file (NULL: there is none); of a JSON array of ids an array; without ids of everything, what the file holds beside its workflows first.",
     0, "yes", kNowOnly, wf_export},
    {"wf_import", "json", 1, 2, "Makes the workflow of a document of wf_export, paused, and returns its id; of an array each, in one transaction.", kWrites | kDirectOnly | kNotInWritingStatement,
     "yes, as long as it is as it arrived; then WF_CONFLICT", kNowOnly, wf_import},
    {"wf_check", "", 0, 1, "Looks whether the file is sound, and the tables as the engine leaves them: NULL, or a JSON array of {problem, where}.", kFileless, "yes",
     kCheckOptions, wf_check},
    {"wf_digest", "[id]", 0, 1, "A hash of all that the file has of the engine, or of one workflow, by which nodes of a cluster, or copies, are compared; NULL: there is nothing.", 0, "yes",
     {}, wf_digest},
    {"wf_init", "", 0, 0, "Creates the tables if the file has none and returns their version; any first write does it too.",
     kWrites | kNotInWritingStatement, "yes", {}, wf_init},
    {"wf_config", "key [, value]", 1, 2,
     "A setting of the file, set to value if there is one (NULL: its default): lease, max_attempts, max_failures, backoff, clock, test_clock, sync_socket, sync_path, require_recover; read-only schema_version, epoch.",
     kWrites, "yes", {}, wf_config},
    {"wf_clock", "[time]", 0, 1, "This connection's clock; with a time it stands still there until the next call, NULL: real again, or that of the file, where it has one for tests.",
     kDirectOnly | kFileless, "yes", {}, wf_clock},
    {"wf_busy_timeout", "duration", 1, 1,
     "Lets every statement of this connection wait for locks, yours too, in the fair way of this extension, for so long; 0 or NULL: not at all. PRAGMA busy_timeout puts SQLite's own way back. Returns the duration in seconds.",
     kDirectOnly | kFileless, "yes", {}, wf_busy_timeout},
    {"wf_version", "", 0, 0, "The version of the extension.", kInnocuous | kFileless, "yes", {}, wf_version},

    // Those that the engine's own statements call, and nobody else.
    {"_wf_in_vain", "", 3, 3, "", kDirectOnly, "", {}, wf_in_vain},
    {"_wf_take", "", RowTaker::kColumns, RowTaker::kColumns, "", kDirectOnly | kFileless, "", {}, wf_take},
};
constexpr size_t kOwn = 2;

}  // namespace

// What is left of it in the library.
struct PackedRegistry {
  static constexpr size_t kTextSize = [] {
    size_t size = 0;
    for (const Entry& entry : kRegistry) {
      for (const string_view text : {entry.name, entry.arguments, entry.summary, entry.repeats}) size += text.size() + 1;
    }
    return size;
  }();
  static_assert(kTextSize <= 0xffff);

  char texts[kTextSize] = {};
  Function functions[std::size(kRegistry)] = {};

  consteval PackedRegistry() {
    unsigned short at = 0;
    const auto add = [&](const char* text) {
      const unsigned short place = at;
      for (; *text != '\0'; ++text) texts[at++] = *text;
      ++at;
      return place;
    };
    for (size_t i = 0; i < std::size(kRegistry); ++i) {
      const Entry& entry = kRegistry[i];
      Function& function = functions[i];
      function.options = entry.options;
      function.run = entry.run;
      function.flags = static_cast<unsigned char>(entry.flags);
      function.min_args = static_cast<signed char>(entry.min_args);
      function.max_args = static_cast<signed char>(entry.max_args);
      function.name_ = add(entry.name);
      function.arguments_ = add(entry.arguments);
      function.summary_ = add(entry.summary);
      function.repeats_ = add(entry.repeats);
    }
  }
};

namespace {
constexpr PackedRegistry kPacked;
}

const char* Function::text(unsigned short place) { return kPacked.texts + place; }

std::span<const Function> functions() { return std::span(kPacked.functions).first<std::size(kRegistry) - kOwn>(); }
std::span<const Function> own_functions() { return std::span(kPacked.functions).last<kOwn>(); }

}  // namespace wf

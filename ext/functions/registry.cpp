#include "functions/registry.h"

#include "engine/start.h"

namespace wf {
namespace {

constexpr Option kNowOption = {"now", OptionType::time, "the clock of this call, instead of the connection's"};

#define WF_START_OPTIONS \
    {"id", OptionType::id, "the workflow's id; default a new UUIDv7"}, \
    {"queue", OptionType::name, "default 'default'"}, \
    {"priority", OptionType::integer, "higher first; default 0", kPriorityMin, kPriorityMax}, \
    {"delay", OptionType::duration, "start after this long", 0, kDurationMax}, \
    {"at", OptionType::time, "start at this time"}, \
    {"timeout", OptionType::duration, "fail it if it has not ended this long after its first due moment", 0, kDurationMax}, \
    {"max_attempts", OptionType::integer, "failures in a row since the last recorded step, or leases lost in a row, until it fails; default 10", 1, kMaxAttemptsLimit}, \
    {"max_failures", OptionType::integer, "failures in all, those of its steps too, until it fails; default 1000", 1, kMaxAttemptsLimit}, \
    {"backoff", OptionType::backoff, "wait between failures; default 1s, doubled each time, at most 5m, no jitter"}, \
    {"version", OptionType::name, "version of the code that may run it; see the option versions of wf_claim"}, \
    {"partition", OptionType::name, "what the limits of a queue may count by"}, \
    {"dedup", OptionType::name, "at most one non-terminal workflow per queue and key: the id of the existing one is returned"}, \
    {"headers", OptionType::object, "anything for the worker beside the input"}, \
    {"manual", OptionType::boolean, "only claimable by its id"}, \
    {"cleanup", OptionType::boolean, "a failure, timeout or cancel lets the worker clean up first (ending in two phases)"}, \
    {"tags", OptionType::object, "short texts under names, by which it is found: column tag of wf_workflows"}, \
    {"report", OptionType::boolean, "returns {id, created, outcome} instead of the id"}, \
    kNowOption,

#define WF_FINGERPRINT_OPTIONS \
    {"input", OptionType::value, "what the step is called with: a fingerprint of it is kept, and another one on replay is WF_NONDETERMINISM"}, \
    {"hash", OptionType::name, "the same, by a text of your own that stands for it"},

constexpr Option kCleanupOption = {"cleanup", OptionType::boolean,
    "from now on a failure, timeout or cancel of this workflow lets its worker clean up first (ending in two phases)"};

constexpr Option kStartOptions[] = {
    WF_START_OPTIONS
    {"if_exists", OptionType::choice,
     "where the id, or a live one of the dedup key, is there: same (default), return it whatever its input, fail, replace one that was never claimed, restart one that has ended",
     0, 0, "same return fail replace restart"},
};

constexpr Option kSpawnOptions[] = {
    WF_FINGERPRINT_OPTIONS
    WF_START_OPTIONS
    {"if_exists", OptionType::choice, "where the child's id, or a live one of the dedup key, is there: same (default), return it whosever it is, fail", 0, 0,
     "same return fail"},
    {"detached", OptionType::boolean, "it goes on when its parent is cancelled or fails"},
    {"parent_cleanup", OptionType::boolean, "from now on the parent ends in two phases, as by the option cleanup of wf_step (cleanup itself is that of the child)"},
};

constexpr Option kClaimOptions[] = {
    {"lease", OptionType::duration, "length of the lease; default 30s", 1, kTenYears},
    {"limit", OptionType::integer, "claim up to this many: the result is an array, NULL if empty", 1, 1000},
    {"names", OptionType::names, "only workflows of these names"},
    {"versions", OptionType::names, "only workflows of these versions, and those without one"},
    {"id", OptionType::id, "only this workflow"},
    {"key", OptionType::name, "while the claim under this key is current, it is returned again, its lease renewed"},
    {"steps", OptionType::boolean, "with its steps, as key steps: an array of {seq, name, kind, status, output or error}"},
    {"steps_limit", OptionType::integer, "at most the first so many of them", 0, INT64_MAX},
    kNowOption,
};

constexpr Option kStepOptions[] = {
    {"once", OptionType::boolean, "WF_CONFLICT if the step is recorded already: for application rows in the same transaction"},
    {"error", OptionType::boolean, "what is recorded is an error: this is how the step came out, and calls of it raise WF_STEP_FAILED"},
    WF_FINGERPRINT_OPTIONS
    {"values", OptionType::boolean, "where such an error stands, return {error} instead of raising; with NULL for the output nothing is recorded"},
    kCleanupOption,
    kNowOption,
};

constexpr Option kSignalOptions[] = {
    {"key", OptionType::name, "a signal of this name and key is sent once: 0 for a repeat"},
    kNowOption,
};

constexpr Option kKeepOption = {"keep", OptionType::boolean, "the wait is open and its times are fixed, but the claim goes on: NULL, or satisfied, when asked again"};

constexpr Option kKeepOptions[] = {WF_FINGERPRINT_OPTIONS kKeepOption, kCleanupOption, kNowOption};

constexpr Option kJoinOptions[] = {
    WF_FINGERPRINT_OPTIONS
    kKeepOption,
    kCleanupOption,
    {"mode", OptionType::choice, "any: the one that ends first; default all", 0, 0, "all any"},
    {"timeout", OptionType::duration, "give up after this long: the result shows how far they are", 0, kDurationMax},
    {"outputs", OptionType::boolean, "false: without outputs and errors"},
    kNowOption,
};

constexpr Option kWaitAnyOptions[] = {
    WF_FINGERPRINT_OPTIONS
    kKeepOption,
    kCleanupOption,
    {"mode", OptionType::choice, "all: all of them are needed, and the result is an array; default any: the first", 0, 0, "any all"},
    kNowOption,
};

constexpr Option kBeginOptions[] = {
    WF_FINGERPRINT_OPTIONS
    {"in_doubt", OptionType::choice, "what to do if it was begun before and never finished: retry (default), hold until wf_resolve, fail", 0, 0, "retry hold fail"},
    kCleanupOption,
    kNowOption,
};

constexpr Option kAppendOptions[] = {
    {"offset", OptionType::integer, "append at this offset, once: repeating it changes nothing", 0, INT64_MAX},
    {"each", OptionType::boolean, "the value is an array, of which each element is an item: all of them or none"},
    {"close", OptionType::boolean, "the stream ends here: the value is NULL and is not appended"},
    kNowOption,
};

constexpr Option kTrimOptions[] = {
    {"limit", OptionType::integer, "remove at most this many, and tell by less than this that there are no more", 1, INT64_MAX},
    kNowOption,
};

constexpr Option kSkipOption = {"skip", OptionType::boolean, "leave out of an array what cannot be done, an unknown id too, instead of raising and changing nothing"};

constexpr Option kControlOptions[] = {kSkipOption, kNowOption};

constexpr Option kCancelOptions[] = {
    {"force", OptionType::boolean, "end it at once, also where its worker should clean up first"},
    kSkipOption,
    kNowOption,
};

constexpr Option kRetryOptions[] = {
    {"from", OptionType::name, "do this step and all recorded after it again"},
    {"children", OptionType::choice, "failed: the failed and cancelled children too", 0, 0, "failed"},
    {"errors", OptionType::choice, "steps whose outcome is an error: drop, to be done again under a new key (default without from), or keep (default with it)", 0, 0, "drop keep"},
    {"max_attempts", OptionType::integer, "of the workflow, from now on; default as before", 1, kMaxAttemptsLimit},
    kSkipOption,
    kNowOption,
};

constexpr Option kDeleteOptions[] = {
    {"force", OptionType::boolean, "also if it has not ended, or one of its descendants"},
    kSkipOption,
    kNowOption,
};

constexpr Option kForkOptions[] = {
    {"id", OptionType::id, "the new workflow's id; default a new UUIDv7"},
    {"from", OptionType::name, "copy the steps before this one; default all that are done"},
    {"input", OptionType::value, "the new workflow's input; default the same"},
    kNowOption,
};

constexpr Option kPurgeOptions[] = {
    {"older_than", OptionType::duration, "required without keep: how long ago they have ended, and all of their descendants", 0, kDurationMax},
    {"keep", OptionType::integer, "of those that all this is true of, the newest so many stay", 0, INT64_MAX},
    {"status", OptionType::names, "completed, failed, cancelled; default all three"},
    {"name", OptionType::name, "only workflows of this name"},
    {"queue", OptionType::name, "only workflows of this queue"},
    {"events", OptionType::boolean, "events that are as old, too"},
    {"limit", OptionType::integer, "at most so many rows in this call, of workflows and all that belongs to them; default 1000 workflows and 10,000 rows", 1, 1000000},
    kNowOption,
};

constexpr Option kQueueOptions[] = {
    {"concurrency", OptionType::integer, "live leases at once", 0, INT32_MAX},
    {"worker_concurrency", OptionType::integer, "live leases at once of one worker", 0, INT32_MAX},
    {"partition_concurrency", OptionType::integer, "live leases at once of one partition; work without partition is not limited", 0, INT32_MAX},
    {"hold", OptionType::choice, "how long a slot is held: as long as the lease (default), or once started to the workflow's end", 0, 0, "lease started"},
    {"rate", OptionType::object, "{limit, per}: claims that start an attempt, in any period of this length"},
    {"paused", OptionType::boolean, "nothing is claimed"},
    {"lease", OptionType::duration, "default for claims", 1, kTenYears},
    {"max_attempts", OptionType::integer, "default for its workflows", 1, kMaxAttemptsLimit},
    {"backoff", OptionType::backoff, "default for its workflows"},
    kNowOption,
};

constexpr Option kRateOptions[] = {
    {"limit", OptionType::integer, "shares in any period of this length, under each key; null takes the rate away", 1, INT32_MAX},
    {"per", OptionType::duration, "the length of the period", 1, kTenYears},
    kNowOption,
};

constexpr Option kAcquireOptions[] = {
    WF_FINGERPRINT_OPTIONS
    {"key", OptionType::name, "the limit counts for each key by itself"},
    {"timeout", OptionType::duration, "give up after this long: {rate: null, timeout: true}", 0, kDurationMax},
    kKeepOption,
    kCleanupOption,
    kNowOption,
};

constexpr Option kScheduleOptions[] = {
    {"timezone", OptionType::name, "a zone of the IANA database such as Europe/Berlin, or an offset such as +05:30; default UTC"},
    {"catch_up", OptionType::choice, "of several times that have come due: start the last one (default), all, or skip them if the last is older than grace", 0, 0,
     "last all skip"},
    {"grace", OptionType::duration, "how late a firing may be with catch_up skip; default 60s", 0, kDurationMax},
    {"overlap", OptionType::choice, "while the workflow of the last firing goes on: skip the next (default), allow it (default with catch_up all, of which skip would start only the first), or queue it until then",
     0, 0, "skip allow queue"},
    {"paused", OptionType::boolean, "it does not fire; times that come meanwhile are left out"},
    {"start", OptionType::object, "options of wf_start for its workflows; not id, at, dedup, if_exists, report, now"},
    kNowOption,
};

constexpr Option kTriggerOptions[] = {
    {"from", OptionType::time, "fire every time of its calendar from this one on, instead; not inside a statement that writes"},
    {"to", OptionType::time, "up to this one, which is not later than now; default now"},
    {"limit", OptionType::integer, "at most so many in this call: next in its result is where the next one begins; default 1000", 1, 100000},
    kNowOption,
};

constexpr Option kWaitOptions[] = {
    {"queue", OptionType::names, "as the queue of wf_claim; default 'default'"},
    {"worker", OptionType::name, "as the worker of wf_claim"},
    {"names", OptionType::names, "as of wf_claim"},
    {"versions", OptionType::names, "as of wf_claim"},
    {"id", OptionType::id, "until this workflow has ended, instead"},
    {"streams", OptionType::value, "until there is something to read in a stream, or it is closed, or its workflow has ended: {id, stream, offset}, or an array of them"},
    {"tokens", OptionType::names, "until one of these claims is cancelled, paused or lost"},
    {"wake", OptionType::names, "until wf_wake() of one of these names"},
    {"any", OptionType::value, "until one of several things comes, each an object of the options above; the result is an array of what came, NULL: nothing"},
};

constexpr Option kFailOptions[] = {
    {"retry", OptionType::boolean, "false: final, whatever is left of the budget"},
    {"delay", OptionType::duration, "try again after this long, instead of the backoff", 0, kDurationMax},
    {"at", OptionType::time, "try again at this time, instead of the backoff"},
    {"step", OptionType::name, "the step that failed: its own failures are counted"},
    {"max_attempts", OptionType::integer, "of that step, instead of the workflow's", 1, kMaxAttemptsLimit},
    {"keep", OptionType::boolean, "the claim goes on: counts a failure of the step, and returns {failures, pause}; WF_STATE where there is no next try"},
    kNowOption,
};

constexpr Option kContinueOptions[] = {
    {"period", OptionType::integer, "the number of the period that is to end; required with an id, so that a repeated call ends no other", 1, INT64_MAX},
    {"delay", OptionType::duration, "claimable again after this long", 0, kDurationMax},
    {"timeout", OptionType::duration, "of the next period, from its first due moment; default as it was", 0, kDurationMax},
    {"version", OptionType::name, "default as it was"},
    {"priority", OptionType::integer, "default as it was", kPriorityMin, kPriorityMax},
    {"headers", OptionType::object, "default as they were"},
    {"streams", OptionType::boolean, "whether the items of its streams stay; default true"},
    kNowOption,
};

constexpr Option kReleaseOptions[] = {
    {"delay", OptionType::duration, "claimable again after this long", 0, kDurationMax},
    {"at", OptionType::time, "claimable again at this time"},
    kNowOption,
};

constexpr Option kTickOptions[] = {
    {"limit", OptionType::integer, "do at most this many; default: all", 1, INT64_MAX},
    kNowOption,
};

constexpr Option kRecoverOptions[] = {
    {"pause", OptionType::boolean, "everything stays paused until it has been looked at, schedules too"},
    {"worker", OptionType::name, "only the leases of this worker, and no new epoch"},
    {"lost", OptionType::boolean, "the leases count as lost, as if they had run out: where a crash is the reason, which they may have caused"},
    kNowOption,
};

constexpr Option kCompleteOptions[] = {
    {"step", OptionType::name, "records the output as that of this step, too, in the same commit; if the step is recorded already, its output is the workflow's"},
    {"next", OptionType::object,
     "claims the next one in the same commit: queue, worker, and options of wf_claim, of which key is needed; a claim that fails leaves the completion and is null"},
    kNowOption,
};
constexpr Option kNowOnly[] = {kNowOption};

constexpr Option kCheckOptions[] = {
    {"integrity", OptionType::choice, "SQLite's own check of the whole file: full (default), quick (without comparing tables with their indexes), none", 0, 0, "full quick none"}};
constexpr Option kExplainOptions[] = {{"format", OptionType::choice, "text (default), or a flowchart in Mermaid's language", 0, 0, "text mermaid"}};

constexpr Option kRunOptions[] = {
    {"limit", OptionType::integer, "at most so many steps", 1, INT32_MAX},
    {"budget", OptionType::duration, "no further step is begun after this much real time", 1, kDurationMax},
    {"id", OptionType::id, "only this workflow"},
    {"queue", OptionType::names, "only workflows of these queues; default all"},
    kNowOption,
};

constexpr Function kRegistry[] = {
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
    {"wf_append", "handle, stream, value", 3, 4, "Appends an item to a stream of the workflow, or several, or closes it; returns the offset of the first, from 0.", kWrites, "with offset, or to close",
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
    {"wf_status", "id", 1, 1, "The workflow's status, NULL if there is none.", 0, "yes", {}, wf_status},
    {"wf_result", "id", 1, 1, "The output of a completed workflow, else NULL.", 0, "yes", {}, wf_result},
    {"wf_error", "id", 1, 1, "The error of a failed workflow, the reason of a cancelled one that was given one, else NULL.", 0, "yes", {}, wf_error},
    {"wf_key", "handle, step", 2, 2, "An idempotency key for outside systems, the same for every attempt of the step.", 0, "yes", {}, wf_key},
    {"wf_pending", "[queue]", 0, 1, "How many workflows are not terminal.", 0, "yes", {}, wf_pending},
    {"wf_ready", "[queue]", 0, 1, "How many workflows a worker could claim now.", 0, "yes", {}, wf_ready},
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
    {"wf_export", "id", 1, 1, "All that is stored of a workflow, as a JSON document for wf_import in another file; NULL: there is none.", 0, "yes", {}, wf_export},
    {"wf_import", "json", 1, 2, "Makes the workflow of a document of wf_export, paused, and returns its id.", kWrites | kDirectOnly | kNotInWritingStatement,
     "yes, as long as it is as it arrived; then WF_CONFLICT", kNowOnly, wf_import},
    {"wf_check", "", 0, 1, "Looks whether the file is sound, and the tables as the engine leaves them: NULL, or a JSON array of {problem, where}.", kFileless, "yes",
     kCheckOptions, wf_check},
    {"wf_init", "", 0, 0, "Creates the tables if the file has none and returns their version; any first write does it too.",
     kWrites | kNotInWritingStatement, "yes", {}, wf_init},
    {"wf_config", "key [, value]", 1, 2,
     "A setting of the file, set to value if there is one (NULL: its default): lease, max_attempts, max_failures, backoff, clock, test_clock; read-only schema_version, epoch.",
     kWrites, "yes", {}, wf_config},
    {"wf_clock", "[time]", 0, 1, "This connection's clock; with a time it stands still there until the next call, NULL: real again, or that of the file, where it has one for tests.",
     kDirectOnly | kFileless, "yes", {}, wf_clock},
    {"wf_busy_timeout", "duration", 1, 1,
     "Lets every statement of this connection wait for locks, yours too, in the fair way of this extension, for so long; 0 or NULL: not at all. PRAGMA busy_timeout puts SQLite's own way back. Returns the duration in seconds.",
     kDirectOnly | kFileless, "yes", {}, wf_busy_timeout},
    {"wf_version", "", 0, 0, "The version of the extension.", kInnocuous | kFileless, "yes", {}, wf_version},
};

}  // namespace

std::span<const Function> functions() { return kRegistry; }

const Function& own_function() {
  static constexpr Function kOwn = {"_wf_in_vain", "", 3, 3, "", kDirectOnly, "", {}, wf_in_vain};
  return kOwn;
}

}  // namespace wf

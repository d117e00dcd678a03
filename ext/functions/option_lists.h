// The options of each function, in the order of the registry, which includes this and nobody else does.
#pragma once

#include "engine/start.h"
#include "functions/option.h"

namespace wf {

inline constexpr Option kNowOption = {"now", OptionType::time, "the clock of this call, instead of the connection's"};

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

inline constexpr Option kCleanupOption = {"cleanup", OptionType::boolean,
    "from now on a failure, timeout or cancel of this workflow lets its worker clean up first (ending in two phases)"};

inline constexpr Option kStartOptions[] = {
    WF_START_OPTIONS
    {"if_exists", OptionType::choice,
     "where the id, or a live one of the dedup key, is there: same (default), return it whatever its input, fail, replace one that was never claimed, restart one that has ended",
     0, 0, "same return fail replace restart"},
};

inline constexpr Option kSpawnOptions[] = {
    WF_FINGERPRINT_OPTIONS
    WF_START_OPTIONS
    {"if_exists", OptionType::choice, "where the child's id, or a live one of the dedup key, is there: same (default), return it whosever it is, fail", 0, 0,
     "same return fail"},
    {"detached", OptionType::boolean, "it goes on when its parent is cancelled or fails"},
    {"parent_cleanup", OptionType::boolean, "from now on the parent ends in two phases, as by the option cleanup of wf_step (cleanup itself is that of the child)"},
};

inline constexpr Option kClaimOptions[] = {
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

inline constexpr Option kStepOptions[] = {
    {"once", OptionType::boolean, "WF_CONFLICT if the step is recorded already: for application rows in the same transaction"},
    {"error", OptionType::boolean, "what is recorded is an error: this is how the step came out, and calls of it raise WF_STEP_FAILED"},
    WF_FINGERPRINT_OPTIONS
    {"values", OptionType::boolean, "where such an error stands, return {error} instead of raising; with NULL for the output nothing is recorded"},
    kCleanupOption,
    kNowOption,
};

inline constexpr Option kSignalOptions[] = {
    {"key", OptionType::name, "a signal of this name and key is sent once: 0 for a repeat"},
    kNowOption,
};

inline constexpr Option kKeepOption = {"keep", OptionType::boolean, "the wait is open and its times are fixed, but the claim goes on: NULL, or satisfied, when asked again"};

inline constexpr Option kKeepOptions[] = {WF_FINGERPRINT_OPTIONS kKeepOption, kCleanupOption, kNowOption};

inline constexpr Option kJoinOptions[] = {
    WF_FINGERPRINT_OPTIONS
    kKeepOption,
    kCleanupOption,
    {"mode", OptionType::choice, "any: the one that ends first; default all", 0, 0, "all any"},
    {"timeout", OptionType::duration, "give up after this long: the result shows how far they are", 0, kDurationMax},
    {"outputs", OptionType::boolean, "false: without outputs and errors"},
    kNowOption,
};

inline constexpr Option kWaitAnyOptions[] = {
    WF_FINGERPRINT_OPTIONS
    kKeepOption,
    kCleanupOption,
    {"mode", OptionType::choice, "all: all of them are needed, and the result is an array; default any: the first", 0, 0, "any all"},
    kNowOption,
};

inline constexpr Option kBeginOptions[] = {
    WF_FINGERPRINT_OPTIONS
    {"in_doubt", OptionType::choice, "what to do if it was begun before and never finished: retry (default), hold until wf_resolve, fail", 0, 0, "retry hold fail"},
    kCleanupOption,
    kNowOption,
};

inline constexpr Option kAppendOptions[] = {
    {"offset", OptionType::integer, "append at this offset, once: repeating it changes nothing", 0, INT64_MAX},
    {"each", OptionType::boolean, "the value is an array, of which each element is an item: all of them or none"},
    {"close", OptionType::boolean, "the stream ends here: the value is NULL and is not appended"},
    {"step", OptionType::name, "the offset is recorded as this step, once: repeating it appends nothing and returns the same"},
    kCleanupOption,
    kNowOption,
};

inline constexpr Option kTrimOptions[] = {
    {"limit", OptionType::integer, "remove at most this many, and tell by less than this that there are no more", 1, INT64_MAX},
    kNowOption,
};

inline constexpr Option kSkipOption = {"skip", OptionType::boolean, "leave out of an array what cannot be done, an unknown id too, instead of raising and changing nothing"};

inline constexpr Option kControlOptions[] = {kSkipOption, kNowOption};

inline constexpr Option kCancelOptions[] = {
    {"force", OptionType::boolean, "end it at once, also where its worker should clean up first"},
    kSkipOption,
    kNowOption,
};

inline constexpr Option kRetryOptions[] = {
    {"from", OptionType::name, "do this step and all recorded after it again"},
    {"children", OptionType::choice, "failed: the failed and cancelled children too", 0, 0, "failed"},
    {"errors", OptionType::choice, "steps whose outcome is an error: drop, to be done again under a new key (default without from), or keep (default with it)", 0, 0, "drop keep"},
    {"max_attempts", OptionType::integer, "of the workflow, from now on; default as before", 1, kMaxAttemptsLimit},
    kSkipOption,
    kNowOption,
};

inline constexpr Option kDeleteOptions[] = {
    {"force", OptionType::boolean, "also if it has not ended, or one of its descendants"},
    kSkipOption,
    kNowOption,
};

inline constexpr Option kForkOptions[] = {
    {"id", OptionType::id, "the new workflow's id; default a new UUIDv7"},
    {"from", OptionType::name, "copy the steps before this one; default all that are done"},
    {"input", OptionType::value, "the new workflow's input; default the same"},
    kNowOption,
};

inline constexpr Option kPurgeOptions[] = {
    {"older_than", OptionType::duration, "required without keep: how long ago they have ended, and all of their descendants", 0, kDurationMax},
    {"keep", OptionType::integer, "of those that all this is true of, the newest so many stay", 0, INT64_MAX},
    {"status", OptionType::names, "completed, failed, cancelled; default all three"},
    {"name", OptionType::name, "only workflows of this name"},
    {"queue", OptionType::name, "only workflows of this queue"},
    {"events", OptionType::boolean, "events that are as old, too"},
    {"limit", OptionType::integer, "at most so many rows in this call, of workflows and all that belongs to them; default 1000 workflows and 10,000 rows", 1, 1000000},
    kNowOption,
};

inline constexpr Option kQueueOptions[] = {
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

inline constexpr Option kRateOptions[] = {
    {"limit", OptionType::integer, "shares in any period of this length, under each key; null takes the rate away", 1, kMostShares},
    {"per", OptionType::duration, "the length of the period", 1, kTenYears},
    kNowOption,
};

inline constexpr Option kAcquireOptions[] = {
    WF_FINGERPRINT_OPTIONS
    {"key", OptionType::name, "the limit counts for each key by itself"},
    {"timeout", OptionType::duration, "give up after this long: {rate: null, timeout: true}", 0, kDurationMax},
    kKeepOption,
    kCleanupOption,
    kNowOption,
};

inline constexpr Option kScheduleOptions[] = {
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

inline constexpr Option kTriggerOptions[] = {
    {"from", OptionType::time, "fire every time of its calendar from this one on, instead; not inside a statement that writes"},
    {"to", OptionType::time, "up to this one, which is not later than now; default now"},
    {"limit", OptionType::integer, "at most so many in this call: next in its result is where the next one begins; default 1000", 1, 100000},
    kNowOption,
};

inline constexpr Option kWaitOptions[] = {
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

inline constexpr Option kSyncOptions[] = {
    {"socket", OptionType::name, "where Litestream listens; default wf_config('sync_socket'), else /var/run/litestream.sock"},
    {"path", OptionType::name, "of this file, as Litestream's configuration has it; default wf_config('sync_path'), else its absolute path"},
    {"allow_normal", OptionType::boolean, "also where synchronous is below FULL: a power cut may then take what is on the replica from the file, and so from both"},
};

inline constexpr Option kFailOptions[] = {
    {"retry", OptionType::boolean, "false: final, whatever is left of the budget"},
    {"delay", OptionType::duration, "try again after this long, instead of the backoff", 0, kDurationMax},
    {"at", OptionType::time, "try again at this time, instead of the backoff"},
    {"step", OptionType::name, "the step that failed: its own failures are counted"},
    {"max_attempts", OptionType::integer, "of that step, instead of the workflow's", 1, kMaxAttemptsLimit},
    {"keep", OptionType::boolean, "the claim goes on: counts a failure of the step, and returns {failures, pause}; WF_STATE where there is no next try"},
    kNowOption,
};

inline constexpr Option kContinueOptions[] = {
    {"period", OptionType::integer, "the number of the period that is to end; required with an id, so that a repeated call ends no other", 1, INT64_MAX},
    {"delay", OptionType::duration, "claimable again after this long", 0, kDurationMax},
    {"timeout", OptionType::duration, "of the next period, from its first due moment; default as it was", 0, kDurationMax},
    {"version", OptionType::name, "default as it was"},
    {"priority", OptionType::integer, "default as it was", kPriorityMin, kPriorityMax},
    {"headers", OptionType::object, "default as they were"},
    {"streams", OptionType::boolean, "whether the items of its streams stay; default true"},
    kNowOption,
};

inline constexpr Option kReleaseOptions[] = {
    {"delay", OptionType::duration, "claimable again after this long", 0, kDurationMax},
    {"at", OptionType::time, "claimable again at this time"},
    kNowOption,
};

inline constexpr Option kTickOptions[] = {
    {"limit", OptionType::integer, "do at most this many; default: all", 1, INT64_MAX},
    kNowOption,
};

inline constexpr Option kRecoverOptions[] = {
    {"pause", OptionType::boolean, "everything stays paused until it has been looked at, schedules too"},
    {"id", OptionType::name, "a name of this recovery, as a new UUID: tokens and epochs of two copies of a file differ by it, and repeated it does nothing more; required in explicit mode"},
    {"worker", OptionType::name, "only the leases of this worker, and no new epoch"},
    {"lost", OptionType::boolean, "the leases count as lost, as if they had run out: where a crash is the reason, which they may have caused"},
    kNowOption,
};

inline constexpr Option kCompleteOptions[] = {
    {"step", OptionType::name, "records the output as that of this step, too, in the same commit; if the step is recorded already, its output is the workflow's"},
    {"next", OptionType::object,
     "claims the next one in the same commit: queue, worker, and options of wf_claim, of which key is needed; a claim that fails leaves the completion and is null"},
    kNowOption,
};
inline constexpr Option kNowOnly[] = {kNowOption};

inline constexpr Option kCheckOptions[] = {
    {"integrity", OptionType::choice, "SQLite's own check of the whole file: full (default), quick (without comparing tables with their indexes), none", 0, 0, "full quick none"}};
inline constexpr Option kExplainOptions[] = {{"format", OptionType::choice, "text (default), or a flowchart in Mermaid's language", 0, 0, "text mermaid"}};

inline constexpr Option kRunOptions[] = {
    {"limit", OptionType::integer, "at most so many steps", 1, INT32_MAX},
    {"budget", OptionType::duration, "no further step is begun after this much real time", 1, kDurationMax},
    {"id", OptionType::id, "only this workflow"},
    {"queue", OptionType::names, "only workflows of these queues; default all"},
    kNowOption,
};

}  // namespace wf

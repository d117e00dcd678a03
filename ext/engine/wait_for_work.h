// Waiting for work, or for a workflow's end, without holding anything.
#pragma once

#include "engine/claim.h"

namespace wf {

// With an id: until there is something to read in a stream of that workflow, too.
struct Reading {
  string_view stream;  // empty: none
  int64_t offset = 0;  // of the first item that is to be read
};

// wf_wait: returns as soon as a claim with these arguments would find something, or housekeeping is due, or, with `args.id`, as soon as that
// workflow has ended or `reading` says so, which a stream that is closed does; `*happened` is false if `timeout` (kNoTime: none) passes first. It looks every few milliseconds, so it
// sees what other processes commit, and what time makes due. WF_NOT_FOUND, SQLITE_INTERRUPT.
// WF_CONTEXT where the clock is explicit and the connection can write: machines that repeat each other's calls would all stand still in it.
Status check_may_wait(Db& db);

Status watch(Db& db, const Claim& args, const Reading& reading, Millis timeout, bool* happened);

}  // namespace wf

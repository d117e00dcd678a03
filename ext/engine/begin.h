// Intent: a step that is begun before its effect outside of the file, so that after a crash one knows that it may have happened.
//
// A step that was begun under another claim, or by bare id, and never finished is in doubt. What then happens is up to the caller of
// wf_begin: do it again with the same key, stop until someone has found out (wf_resolve), or fail.
#pragma once

#include "engine/fingerprint.h"
#include "engine/settings.h"

namespace wf {

enum class InDoubt : char { retry, hold, fail };

struct Begun {
  bool go = false;      // do it now, with `key`
  bool done = false;    // it is done: `output`; neither: stop here
  Name key;
  bool failed = false;  // its outcome is an error: `output`
  Text output;          // JSON
};

// wf_begin. `cleanup`: the workflow ends in two phases from now on. WF_NONDETERMINISM, and all that may_act() raises.
Status begin_step(Db& db, const Handle& handle, string_view step, InDoubt in_doubt, bool cleanup, const Fingerprint& print, const Now& now, Begun* out);

enum class Verdict : char { done, retry, failed };

// wf_resolve: what became of a step that is in doubt, or would be. WF_NOT_FOUND if it was never begun, WF_STATE if it is recorded,
// WF_LEASED if the claim that began it is live. `value`: the output, or the error.
Status resolve_step(Db& db, string_view id, string_view step, Verdict verdict, const Value& value, const Now& now);

}  // namespace wf

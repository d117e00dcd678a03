// wf_acquire: a share of a limit for calls (wf_rate), in turn. It is a wait for one thing (wait.h); where a share is free, which is the common case,
// it costs two statements.
#pragma once

#include "engine/fingerprint.h"
#include "engine/settings.h"

namespace wf {

struct Acquire {
  string_view step, rate, key;  // no key: empty
  int64_t amount = 1;
  Millis timeout = kNoTime;     // from now
  bool keep = false;            // keeps the claim
  bool cleanup = false;         // the workflow ends in two phases from now on
  Fingerprint print;
};

// As wait(). WF_NOT_FOUND: there is no such limit; WF_INVALID: it is less than what is asked for.
Status acquire(Db& db, const Handle& handle, const Acquire& args, const Now& now, bool* ready, Text& output);

}  // namespace wf

// The calls by which a worker gives a claim back: complete, fail, release.
#pragma once

#include "engine/settings.h"

namespace wf {

struct Failure {
  Value error;                    // JSON text, a number or a BLOB
  bool retry = true;
  Millis delay = kNoTime;         // instead of the backoff
  Millis at = kNoTime;            // likewise
  string_view step;               // empty: the workflow itself failed
  int64_t max_attempts = 0;       // of the step; 0: the workflow's
};

// wf_complete: `*result` is the status it has now.
Status complete(Db& db, const Handle& handle, const Value& output, const Now& now, State* result);
// What a failure came to after which the claim goes on: the failures of the step so far, and how long to wait before its next try.
struct Kept {
  int64_t failures = 0;
  Millis pause = 0;
};
// wf_fail with the option keep. WF_STATE if there is no next try.
Status fail_keeping(Db& db, const Handle& handle, const Failure& failure, const Now& now, Kept* out);

// wf_fail: pending (there will be another try, or a cleanup) or the final status.
Status fail(Db& db, const Handle& handle, const Failure& failure, const Now& now, State* result);
// wf_release: back in line, at once or later, no attempt used.
Status release(Db& db, const Handle& handle, Millis delay, Millis at, const Now& now);

}  // namespace wf

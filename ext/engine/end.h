// The end of a workflow, at once or in two phases, and its failures on the way there.
#pragma once

#include "engine/settings.h"

namespace wf {

// Who closed it, remembered so that a repetition of the call is answered the same.
struct Closing {
  int64_t nonce = -1;      // of the token; 0: by bare id; -1: by no call of a handle
  string_view call;        // "complete", "fail" ...
};
inline Closing closing_of(const Handle& handle, string_view call) { return {handle.is_token ? handle.nonce : 0, call}; }

struct Outcome {
  State state = State::completed;
  Value output;   // of completed
  Value error;    // of failed: JSON text
};

// Ends the workflow with this outcome. With `cleanup`, and not in its second phase yet, a failure, timeout or cancel makes it
// pending instead, with `ending` set and new budgets. In the second phase any outcome ends it with the status of `ending` and
// the first error. `*became` is its state now. The workflow's own row is written last.
// A failure or cancel ends the live descendants that are not detached, too. `force` leaves the second phase out.
Status finish(Db& db, const Workflow& workflow, const Outcome& outcome, const Closing& closing, Millis now, State* became, bool force = false);

// Cancels the live descendants of a workflow that ends, or has ended, but for detached ones and theirs. One that cannot be cancelled holds nobody up:
// it is put off (trouble.h), nobody's to claim, and ended by whoever does what time has made due.
Status end_children(Db& db, const Workflow& parent, Millis now, bool force);
// The same for one that belongs to what is dropped: what is below it ends with it.
Status end_along(Db& db, int64_t seq, Millis now);

// Ends those that are put off so. Whether there are any that are due.
Status end_left_behind(Db& db, Millis now);
Status is_one_left_behind(Db& db, Millis now, bool* out);
// The same for this one, if it is to be ended, and raises what keeps it.
Status end_if_left_behind(Db& db, int64_t seq, Millis now, bool* was);

// It was cancelled while a claim was live, which may still record what it has done. Once nothing is left that it has begun, or it gives the workflow back,
// the second phase is due.
bool waits_for_record(const Workflow& workflow);
Status end_wait_for_record(Db& db, const Workflow& workflow, bool given_back, Millis now);

// What a closing call returns, by what the workflow became: "fail:pending" and so on.
string_view closed_result(const Workflow& workflow, string_view call);

// Fires the timeout of a workflow whose deadline has passed.
Status time_out(Db& db, const Workflow& workflow, Millis now);
// Fails a workflow that has lost `lost` leases in a row.
Status poison(Db& db, const Workflow& workflow, int64_t lost, Millis now);

}  // namespace wf

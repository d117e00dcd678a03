// wf_complete that does more than that in one commit.
#pragma once

#include "engine/claim.h"

namespace wf {

struct CompleteWith {
  string_view step;             // the output is that of this step, which is recorded first; empty: of none
  const Claim* next = nullptr;  // then this is claimed, with a key
};

// complete(), with this. An output of the step that stands already is the workflow's, too. `claim` gets what was claimed; it stays empty where there is nothing, and
// where claiming fails for a reason that is not the connection's: the next wf_claim tells it, and the completion stands.
Status complete_with(Db& db, const Handle& handle, const Value& output, const CompleteWith& with, const Now& now, State* result, Text& claim);

}  // namespace wf

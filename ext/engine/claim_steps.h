// The steps that wf_claim answers with: all that a replay needs to begin.
#pragma once

#include "base/numbers.h"
#include "engine/claim_order.h"

namespace wf {

// The claims of one answer: their workflows, and where each object ends in it.
struct Shown {
  Numbers workflows, ends;
};

// Puts the steps of each claim into its object, the first `limit` of each as far as there is room. It is called after the commit: what cannot be
// read, or has no room, is null, and no reason why the claim should be lost.
void add_steps(Db& db, const Shown& shown, int64_t limit, Text& claims);

}  // namespace wf

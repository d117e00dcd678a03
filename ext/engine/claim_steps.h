// The steps that wf_claim answers with: all that a replay needs to begin.
#pragma once

#include "base/numbers.h"
#include "engine/claim_order.h"

namespace wf {

// The claims of one answer: their workflows, and where each object ends in it.
struct Shown {
  Numbers workflows, ends;
};

// How a claim ends whose steps have not been read. Every claim that is to have some is written with it: so there is room for it, and nothing more
// is needed where they cannot be read.
inline constexpr string_view kNotRead = ",\"steps\":null,\"steps_more\":true}";

// Puts the steps of each claim into its object, the first `limit` of each as far as there is room, of which one takes at most half where others
// come after it. It is called after the commit: what cannot be read, or has no room, stays null, and is no reason why the claim should be lost. An error only where the caller's transaction has ended with
// it, and the claims are undone.
Status add_steps(Db& db, const Shown& shown, int64_t limit, Text& claims);

}  // namespace wf

// What wf_claim answers.
#pragma once

#include "engine/claim_order.h"

namespace wf {

// Appends the JSON object of the claim that workflow `seq` is under. SQLITE_TOOBIG if with it `out` cannot be a result.
Status show_claim(Db& db, const Claim& args, int64_t seq, Text& out);

}  // namespace wf

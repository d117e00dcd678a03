// Claiming work.
#pragma once

#include "engine/claim_order.h"

namespace wf {

// Claims up to `limit` of the workflows that are due: highest priority first, then the earliest due time, then start order. Before,
// it does what time has made due. Appends one JSON object per claim to `out`, separated by commas; `*count` says how many.
Status claim(Db& db, const Claim& args, const Now& now, Text& out, int64_t* count);

}  // namespace wf

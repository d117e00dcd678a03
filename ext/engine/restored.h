// Whether the file is where it was made, or last recovered: else it was restored, or copied, and the machine it comes from may still be at work.
#pragma once

#include "base/db.h"

namespace wf {

enum class Restored : signed char { unknown = -1, no, yes };

Status find_restored(Db& db, Restored* out);

// WF_STATE where it was, and wf_config('require_recover') wants wf_recover() to have run before anything is claimed. Where the file is in its place, as
// nearly all are, the connection looks once; else whenever it is asked, so that what another says of it holds at once. Inside of a scope.
Status may_claim_here(Db& db);

}  // namespace wf

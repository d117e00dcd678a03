// Workflows that are scripted in SQL, as the engine sees them: what its own calls (wf_start, wf_signal, wf_retry, wf_fork ...) do with one.
#pragma once

#include "engine/above.h"

namespace wf {

extern const Kind kScripts;

}  // namespace wf

// The things that one waits for, as users write them: the array of wf_wait_any, and of a step of a definition.
#pragma once

#include "engine/wait_row.h"

namespace wf {

// Reads an array of objects; `held` keeps the names that stand alone, the rest is a view of the array. WF_INVALID, which says where: `place` and the
// number of the object.
Status read_wait_list(const char* place, json::Checked array, Text& held, List<Awaited>* out);

}  // namespace wf

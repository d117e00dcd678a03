// wf_define, wf_undefine: what is stored of definitions.
#pragma once

#include "engine/above.h"
#include "engine/settings.h"

namespace wf {

// wf_define: stores the document under the next version, unless it is the newest one, as a value. `*version` is the one that is current now.
Status define(Db& db, string_view name, string_view document, const Now& now, int64_t* version);
// wf_undefine: no workflow starts as one of this definition any more; `*existed`.
Status undefine(Db& db, string_view name, const Now& now, bool* existed);

// A version of a definition; `version` 0: the current one, whose number is stored there.
Status read_definition(Db& db, string_view name, int64_t* version, bool* found, Text& document);

// wf_check: definitions that are none.
Status check_definitions(Db& db, const Findings& findings);

}  // namespace wf

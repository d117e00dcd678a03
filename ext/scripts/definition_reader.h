// Reads the document of a definition: its keys, its steps and what they come after.
#pragma once

#include "scripts/definition.h"

namespace wf {

// Reads `document`, of which `out` keeps a copy. What is wrong goes to `mistakes`; then `out` is not to be used.
Status parse_definition(Db& db, string_view document, Definition& out, Mistakes& mistakes);

}  // namespace wf

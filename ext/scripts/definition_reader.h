// Reads the document of a definition: its keys, its steps and what they come after.
#pragma once

#include "scripts/definition.h"

namespace wf {

// On behalf of Definition::parse().
Status read_document(string_view document, Definition& out, Mistakes& mistakes);

}  // namespace wf

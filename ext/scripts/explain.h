// wf_explain: a plan that people like to read.
#pragma once

#include "base/db.h"

namespace wf {

// Draws the plan of a definition (JSON), of a workflow that is scripted (its id, with the state of every step), or of a definition by its name; the first that
// fits. `mermaid`: as a flowchart in Mermaid's language. WF_NOT_FOUND, WF_INVALID for a document that is wrong. Writes nothing.
Status explain(Db& db, string_view what, bool mermaid, Text& out);

}  // namespace wf

// What a file holds beside its workflows, as a JSON document: queues, rates, events, definitions and schedules. docs/file-format.md describes it.
#pragma once

#include "base/json.h"
#include "engine/settings.h"

namespace wf {

// wf_export() and the first row of wf_exports.
Status export_file(Db& db, Text& out);

// Whether it is such a document, and not that of a workflow.
bool is_file_document(json::Checked document);

// wf_import of it: brings all of it, or nothing; schedules arrive paused. What stands already as it is brought stays; WF_CONFLICT where another of its name
// stands there, WF_INVALID names the place that cannot be. `out`: how many of each, a JSON object.
Status import_file(Db& db, json::Checked document, const Now& now, Text& out);

}  // namespace wf

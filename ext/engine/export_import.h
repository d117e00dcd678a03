// A workflow moves to another file: as a JSON document, docs/file-format.md describes it.
#pragma once

#include "base/json.h"
#include "engine/settings.h"

namespace wf {

// wf_export: everything that is stored of the workflow `id`, as a claim that was voided would leave it. Not `*found`: nothing.
Status export_workflow(Db& db, string_view id, Millis now, bool* found, Text& out);

// wf_import: makes the workflow of the document, paused. WF_INVALID names the place that cannot be; WF_CONFLICT if its id is taken
// or its dedup key held, unless the workflow is there exactly as the document brings it.
Status import_workflow(Db& db, json::Checked document, const Now& now, Name* id);

}  // namespace wf

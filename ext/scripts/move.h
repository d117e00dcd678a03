// Scripted workflows that move to another file: wf_export, wf_import.
#pragma once

#include "base/db.h"
#include "base/json.h"

namespace wf {

// What engine/above.h says of each.
Status show_definition(Db& db, string_view name, string_view version, Text& out);
Status take_definition(Db& db, string_view name, string_view version, json::Checked document, Millis now, Name* here);
Status check_imported(Db& db, int64_t seq, Millis now);

}  // namespace wf

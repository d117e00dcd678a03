// The check of a definition's SQL against the schema as it is.
#pragma once

#include "scripts/definition.h"

namespace wf {

// Prepares one statement of a definition. Not fit to run in a workflow, or not on this connection: `*out` is nullptr and `why` says why. Refused are
// several statements, all but SELECT, VALUES, WITH, INSERT, UPDATE, DELETE and REPLACE, and what could roll the whole transaction back (OR ROLLBACK,
// also of a table, and RAISE(ROLLBACK) of a trigger). A `query` reads only and has columns. In explicit mode also what may differ from machine to machine: the
// functions that SQLite does not know to be deterministic, unless the definition names them, and times without a time. The caller finalizes it.
Status prepare_statement(Db& db, const Definition& definition, string_view sql, bool query, sqlite3_stmt** out, Text& why);

// Checks every statement of the definition and its parameters.
Status check_statements(Db& db, const Definition& definition, Mistakes& mistakes);

// WF_INVALID with all mistakes, if there are any.
Status mistakes_error(string_view name, const Mistakes& mistakes);

}  // namespace wf

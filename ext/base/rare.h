// Rare tables: those that most files never need, each made, with its indexes, when its first row is inserted.
//
// Until then its name stands for a virtual table without rows, which SQLite takes where a file has no table of a name ("eponymous"). So each statement compiles
// and finds nothing, or changes nothing; an INSERT fails, whereupon Query::run() makes the table and runs it again: SQLite compiles it anew, as it does all
// statements after a change of the schema, and now the name is that of the table. That is undone with the transaction, and the name is the virtual table's again.
#pragma once

#include "base/db.h"

namespace wf {

// Registers the virtual tables.
int register_rare_tables(sqlite3* handle, Db* db);

// Where `insert`, which has failed, is one into a rare table that the file does not have: makes that. WF_STATE if it had it once.
Status make_table_of(Db& db, string_view insert, bool* made);

}  // namespace wf

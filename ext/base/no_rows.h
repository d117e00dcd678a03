// Virtual tables that never have a row, and are there without being created ("eponymous"): the close hook, and the rare tables that a file does not have yet.
//
// The close hook frees the cached statements before SQLite looks whether any statement is left. sqlite3_close() disconnects the connection's virtual tables first
// and counts its statements afterwards. So a table whose xDisconnect finalizes the statements lets sqlite3_close() return SQLITE_OK and keeps sqlite3_close_v2()
// from leaving a zombie. A function's destructor would come too late. It is connected (by Db) with the first cached statement, not at load: a file that is
// locked, or whose key is still to be given, could not be read then.
//
// Rare tables are those that most files never need, each made, with its indexes, when its first row is inserted. Until then its name stands for a virtual table,
// which SQLite takes where a file has no table of a name. So each statement compiles and finds nothing, or changes nothing; an INSERT fails, whereupon Query::run()
// makes the table and runs it again: SQLite compiles it anew, as it does all statements after a change of the schema, and now the name is that of the table.
// That is undone with the transaction, and the name is the virtual table's again.
#pragma once

#include "base/db.h"

namespace wf {

// Registers all of them.
int register_tables_without_rows(sqlite3* handle, Db* db);

// Where `insert`, which has failed, is one into a rare table that the file does not have: makes that. WF_STATE if it had it once.
Status make_table_of(Db& db, string_view insert, bool* made);

}  // namespace wf

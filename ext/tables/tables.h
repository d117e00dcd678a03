// The read-only virtual tables. Each is a named query of sql/tables/tables.sql and a list of its columns; table.cpp serves them all.
#pragma once

#include <span>

#include "engine/settings.h"

namespace wf {

enum class ColumnType : char {
  text,       // straight from a TEXT column of a base table
  integer,    // straight from an INTEGER column
  time,       // milliseconds in the query, shown as 2026-11-23 10:00:00.000
  any,        // what the query computes, or a stored value
  key,        // of a step: the query gives the number of its workflow, a blank and its name; of a workflow that is damaged NULL
  parent,     // the id of a workflow, by which its children are found
  document,   // of wf_export: the query gives the time, a blank, and the id of the workflow, or nothing for what the file holds beside them
  tag,        // hidden: of a workflow, of which one has many; compared by = or IN, never read
  now,        // hidden: the time at which the rows are looked at, given by =
};

struct Column {
  char name[23];  // in place: a pointer would cost more, for it has to be relocated
  ColumnType type;
};

constexpr size_t kMostColumns = 31;  // a bit for each travels from the plan of a query to its run

// In which order rows come where no other is asked for.
enum class Order : char {
  any,
  by_number,    // of the row
  by_start,     // any; they are workflows, and column seq is their number
  by_workflow,  // likewise; they are numbered inside their workflow, and column seq says how
};

struct Table {
  char name[15];                    // in place, as that of a column
  Sql query;                        // its first column is the row's number, then come `columns` in order
  std::span<const Column> columns;
  Order order = Order::any;
  Sql lean = Sql::count_;           // the query where only the first columns are asked for, so many
  unsigned lean_columns = 0;
};

std::span<const Table> tables();

// Registers every table on the connection.
int register_tables(sqlite3* handle, Db* db);

// The aggregate functions that the queries behind them call: tally.cpp.
int register_tallies(sqlite3* handle);

// The table-valued function wf_fleet: fleet.h. It opens files, so that no view and no trigger may.
int register_fleet(sqlite3* handle, Db* db);

// Facts that no query can see, as a JSON object for wf_doctor.
// `given`: the time to look at it by.
Status add_host_json(Db& db, const Now& given, Text& out);

}  // namespace wf

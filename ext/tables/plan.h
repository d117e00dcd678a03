// The plan of one query of a virtual table, which travels from xBestIndex to xFilter: one letter per value, a line end, and the query
// (idxStr), and a bit for each column in use (idxNum).
//
//   v  the value as it is              E G g L l  a time: = >= > <= <, bound as milliseconds
//   m  the value as it is, and then a whole number not above it; M: not below it; for what is no number one that takes nothing away
//   i  all values of an IN at once, as a JSON array; a few are put into the query one by one instead, which is faster
//
// Times are compared as the text that they are shown as. Times in that form have the order of their milliseconds, so every
// comparison with a text is a comparison with the first millisecond whose text is not before, or is after, that text.
#pragma once

#include "tables/tables.h"

namespace wf {

// Writes the plan: the columns in use, the conditions and the order that SQLite offers, LIMIT and OFFSET where everything else is dealt
// with, around the table's named query. A result code of xBestIndex.
int make_plan(const Table& table, sqlite3_index_info& info);

// The values of an IN, as the plan has them: a JSON array in one parameter.
void add_values_of(int parameter, Text& out);

// The query of the plan.
inline string_view query_of(const char* plan) { return string_view(std::strchr(plan, '\n') + 1); }
// Whether the query depends on how many values there are.
inline bool has_lists(const char* plan) { return std::memchr(plan, 'i', static_cast<size_t>(std::strchr(plan, '\n') - plan)) != nullptr; }
// The query, with a parameter for each value of a short IN.
Status query_with_lists(const char* plan, int argc, sqlite3_value** argv, Text& out);
// Binds the values that SQLite gives for the plan's letters.
Status bind_values(const char* plan, int argc, sqlite3_value** argv, Stop& stop, Query& query);

}  // namespace wf

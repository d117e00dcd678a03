// The plan of one query of a virtual table, which travels from xBestIndex to xFilter: one letter per value, a line end, and the query
// (idxStr), and a bit for each column in use (idxNum). Before the letters stands the mode.
//
//   v  the value as it is              E G g L l  a time: = >= > <= <, bound as milliseconds
//   m  the value as it is, and then a whole number not above it; M: not below it; for what is no number one that takes nothing away
//   i  all values of an IN at once, as a JSON array; a few are put into the query one by one instead, which is faster
//
//   s  a status, q a queue, n a name, of workflows: the value as it is, and what it says of how they are found: plan_some.cpp
//   1 to 5  E G g L l of the time of creation: it bounds the numbers, too
//   t  the time at which the rows are looked at, which the query has as :now
//   k  what texts that are LIKE the value begin with, b GLOB: the least of them, and one above all
//
// Workflows by the time of their creation are two queries (engine/created.h): those in the order of their numbers, with their bounds, and behind kSecondQuery
// those that are late. The mode says how the rows of the two come together.
//
// Times are compared as the text that they are shown as. Times in that form have the order of their milliseconds, so every
// comparison with a text is a comparison with the first millisecond whose text is not before, or is after, that text.
#pragma once

#include "tables/tables.h"

namespace wf {

// Writes the plan: the columns in use, the conditions and the order that SQLite offers, LIMIT and OFFSET where everything else is dealt
// with, around the table's named query. A result code of xBestIndex.
int make_plan(const Table& table, sqlite3_index_info& info);

// The values of an IN, as the plan has them: a JSON array in one parameter, which stands between these.
constexpr const char* kValuesBegin = "(SELECT value FROM _wf.json_each(";
constexpr const char* kValuesEnd = "))";

enum class Mode : char {
  one = '-',           // there is one query
  one_by_one = '+',    // the rows of the first, then those of the second
  created_up = 'c', created_down = 'C', number_up = 'n', number_down = 'N',
};
constexpr const char* kSecondQuery = "\x1e";
// Where a query leaves room for the workflows that it is about, if they are few.
constexpr const char* kSomePlace = "\x1d";

// And how it goes on where the time of creation bounds their numbers.
constexpr const char* kBounds = " AND _n BETWEEN :from_number AND :to_number";

inline Mode mode_of(const char* plan) { return static_cast<Mode>(*plan); }
inline const char* letters_of(const char* plan) { return plan + 1; }

// The query of the plan, or its second one.
string_view query_of(const char* plan, bool second);
// Whether the text of the query depends on the values.
bool has_values_in_text(const char* plan);
// The query, with a parameter for each value of a short IN, and what the values say of it.
Status query_with_values(Db& db, const char* plan, bool second, int argc, sqlite3_value** argv, Text& out);

// Between which times of creation rows are.
struct CreatedSpan {
  Millis from = kTimeMin, to = kTimeMax;
};
// Binds the values that SQLite gives for the plan's letters.
Status bind_values(Db& db, const char* plan, int argc, sqlite3_value** argv, Query& query, CreatedSpan* created);

// What is known of the values of a plan: which workflows they are about. Adds the condition, or nothing where they are many.
Status add_some(Db& db, const char* letters, int argc, sqlite3_value** argv, Text& out);
// The status as text of the query, so that SQLite sees what index it has; false: it is none.
bool add_status(string_view status, Text& out);
// Of a pattern of LIKE or GLOB: the least of the texts that it may match, and one above all of them.
Status bounds_of_pattern(Db& db, bool like, const Value& pattern, Text& low, Text& high, bool* bounded);

}  // namespace wf

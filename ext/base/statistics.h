// What ANALYZE has left of our tables, in sqlite_stat1.
//
// The statements in sql/ are written for the plans that SQLite makes without it. By figures from when a file was nearly empty SQLite walks through tables in which
// it would look a row up, even by its number, and no wording of a statement keeps it from that. So the figures go, those of our tables alone.
#pragma once

#include "base/fair_wait.h"

namespace wf {

// Deletes them, where there are any, in a transaction of its own, and lets the connection forget them. To be called where none is open, nor a statement that writes under way. A failure that is not the
// call's (an authorizer, a file that cannot be written) is none: the plans are what they were.
[[gnu::cold]] Status drop_statistics(Db& db, FairWait& wait);

}  // namespace wf

// wf_check: whether the tables are as the engine leaves them.
#pragma once

#include "base/db.h"

namespace wf {

// Appends a JSON array of {"problem", "where"} to `out`, or nothing if all is well. Reads every table whole. After `kMostProblems` it stops
// with the problem "and more".
Status check(Db& db, Text& out);

constexpr int kMostProblems = 1000;

}  // namespace wf

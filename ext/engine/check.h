// wf_check: whether the tables are as the engine leaves them.
#pragma once

#include "base/db.h"

namespace wf {

// Whether SQLite's own check of the file is a part of it, and which: the quick one does not compare tables with their indexes.
enum class FileCheck : char { full, quick, none };

// Appends a JSON array of {"problem", "where"} to `out`, or nothing if all is well. Reads every table whole, and with `file` everything else in
// the file. After `kMostProblems` it stops with the problem "and more".
Status check(Db& db, FileCheck file, Text& out);

constexpr int kMostProblems = 1000;

}  // namespace wf

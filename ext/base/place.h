// Where the file of the database is: what a copy of it, or one that was restored from a backup, cannot have.
//
// That is its number in its file system and the moment at which it was made there, which nothing can set. Moving it inside of the file system keeps both, so do a new mount, a
// restart and another name. Neither its device (numbered anew by a restart of a machine or container) nor the id of the boot is of use: both change without a restore.
#pragma once

#include "base/db.h"

namespace wf {

// Adds it as text; nothing where it cannot be known (in memory, on Windows, on file systems that keep no such moment).
void add_place(Db& db, Text& out);

// Notes it in the file, under the key 'place' of _wf_meta.
Status write_place(Db& db);

}  // namespace wf

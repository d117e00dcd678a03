// wf_digest: one number for all that is stored, by which machines that should be alike are compared.
#pragma once

#include "base/db.h"

namespace wf {

// The sum of a hash of each row of the _wf_ tables, of what is in them and in which: the order of the rows, free pages, indexes, the encoding of the file and where it
// is do not matter. With an id of the rows of this workflow, without its children. Reads all of it, of one state of the file. `*found`: there are such rows.
Status digest(Db& db, string_view id, bool* found, uint64_t* out);

}  // namespace wf

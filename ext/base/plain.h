// Plain statements: one statement that does all that a call has to do where nothing is special about it. It runs outside of any savepoint, and where it
// has changed nothing, or there are no tables, the call finds out why, in a WriteScope. (Db::plain_fires_triggers(): where it might fire triggers, it is not run.)
#pragma once

#include "base/callback.h"
#include "base/db.h"

namespace wf {

// Runs `attempt`, which runs the plain statement `sql`, until it has waited for locks and the schema stays the same in the middle of it.
Status run_plain(Db& db, Sql sql, const Doing& attempt);

}  // namespace wf

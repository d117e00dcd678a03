// The index of the steps of a workflow by their names, which does not have the first ones: _wf_step_name in sql/base/schema.sql.
#pragma once

#include "base/db.h"

namespace wf {

// To be called before a row is added to _wf_step, in a scope. Where it would come behind the first places, the rows there go into the index: there are more of them
// than a look at each is worth. `seq`: the workflow.
Status name_first_steps(Db& db, int64_t seq);

}  // namespace wf

// What a workflow shows to the outside while it runs: named values, and streams that only grow.
#pragma once

#include "engine/settings.h"

namespace wf {

// wf_set: the value that the key has from now on.
Status set_value(Db& db, const Handle& handle, string_view key, const Value& value, const Now& now);

// wf_get: `q` is a Query of Sql::value_get; column 0 if `*found`.
Status get_value(Db& db, const Handle& handle, string_view key, Query& q, bool* found);

// wf_append: adds an item at the end and returns its offset, from 0. With `wanted` (or -1) it is appended there, once: the same value again
// changes nothing, another value is WF_CONFLICT, a gap WF_INVALID.
Status append(Db& db, const Handle& handle, string_view stream, const Value& value, int64_t wanted, const Now& now, int64_t* offset);

}  // namespace wf

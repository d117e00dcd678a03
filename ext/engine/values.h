// What a workflow shows to the outside while it runs: named values. (Streams: stream.h.)
#pragma once

#include "engine/settings.h"

namespace wf {

// wf_set: the value that the key has from now on.
Status set_value(Db& db, const Handle& handle, string_view key, const Value& value, const Now& now);

// wf_get: `q` is a Query of Sql::value_get; column 0 if `*found`.
Status get_value(Db& db, const Handle& handle, string_view key, Query& q, bool* found);

}  // namespace wf

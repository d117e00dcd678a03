// Streams: what a workflow says while it runs, item by item, each under an offset from 0. They only grow at their end, until they are closed;
// what was read may be trimmed at their beginning.
#pragma once

#include "base/json.h"
#include "engine/settings.h"
#include "engine/workflow.h"

namespace wf {

struct Append {
  string_view stream;
  Value value;
  json::Checked items;   // with `each`: an array, of which each element is an item
  bool each = false;
  bool close = false;    // nothing is appended, now or later
  int64_t offset = -1;   // where the first of them is to be; -1: at the end
  string_view step;      // under which that is recorded; empty: it is not
  bool cleanup = false;  // with a step: as that of wf_step
};

// wf_append: adds items at the end, all or none, and returns the offset of the first, or of the next where there is none. With `offset` each is appended
// there, once: the same value again changes nothing, as does one that was trimmed; another value is WF_CONFLICT, a gap WF_INVALID. WF_STATE for what is
// new where the stream is closed. With `step` the offset is the record of that step: where it stands already, the item has its place.
Status append(Db& db, const Handle& handle, const Append& args, const Now& now, int64_t* offset);

// wf_trim: removes what stands before `offset`, at most `limit` items; `*count`: how many.
Status trim(Db& db, string_view id, string_view stream, int64_t offset, int64_t limit, const Now& now, int64_t* count);

// Whether a reader from `offset` on has something to read, or the stream is closed.
Status stream_is_ready(Db& db, int64_t seq, string_view stream, int64_t offset, bool* ready);

}  // namespace wf

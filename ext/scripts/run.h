// wf_run: advances workflows scripted in SQL.
#pragma once

#include "base/json.h"
#include "engine/settings.h"

namespace wf {

struct Run {
  string_view id;             // only this workflow; empty: any
  json::Checked queues;       // an array of names; none: all
  int64_t limit = INT64_MAX;  // steps
  Millis budget = kNoTime;    // of real time, after which no step is begun
};

// Executes steps until none can be executed now, and counts them, failed ones included. In autocommit each step is committed by itself. WF_CONTEXT inside
// a statement that writes, and inside a step; WF_NOT_FOUND and WF_STATE for an id of none, or of a workflow that is not scripted.
Status run(Db& db, const Run& args, const Now& now, int64_t* count);

}  // namespace wf

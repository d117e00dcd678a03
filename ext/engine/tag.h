// Tags: short texts under names, by which workflows are found (column tag of wf_workflows). They mean nothing to the engine.
#pragma once

#include "base/json.h"
#include "engine/settings.h"
#include "engine/workflow.h"

namespace wf {

// WF_INVALID unless `json` is an object of texts, each under a key without "=". Keys and values are as all names are.
Status check_tags(json::Checked json);
Status check_tag(string_view key, string_view value);

// Gives a workflow that is new the tags of an object that was checked.
Status put_tags(Db& db, int64_t seq, json::Checked tags);
Status drop_tags(Db& db, int64_t seq);

// wf_tag: the value of the key from now on; none: it has none. By a token as long as the claim is the current one, by an id in any status.
Status set_tag(Db& db, const Handle& handle, string_view key, const string_view* value, const Now& now);

}  // namespace wf

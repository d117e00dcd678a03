// Fingerprints: eight bytes that stand for what a step was called with, so that a replay that calls it with something else is noticed.
#pragma once

#include "base/json.h"
#include "engine/workflow.h"

namespace wf {

struct Fingerprint {
  bool given = false;
  int64_t hash = 0;

  // Binds it to :hash.
  void bind(Query& q) const { given ? (void)q.bind(":hash", hash) : (void)q.bind_null(":hash"); }
};

// Of a value: of values that json::same() calls the same it is the same, on every machine. Of a text of the caller's own: of its bytes.
Status fingerprint_of(json::Checked value, Fingerprint* out);
Fingerprint fingerprint_of(string_view text);

// WF_NONDETERMINISM if column `column` of the row that is there for the step has another one.
Status check_fingerprint(const Fingerprint& given, string_view step, const Query& row, int column);

}  // namespace wf

// The raw reference: what a careful author would write by hand instead of calling the extension.
//
// One prepared INSERT into a table with `id TEXT PRIMARY KEY` and the columns of _wf_step, in the same file.
// The values are those of a row that wf_step has just written, so that both write the same bytes.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "db.h"

namespace bench {

class RawTable {
 public:
  // The file must hold at least one step. The table is made if it is not there yet.
  explicit RawTable(Db& db);
  RawTable(const RawTable&) = delete;
  RawTable& operator=(const RawTable&) = delete;
  ~RawTable();

  // Binds one row: `id` is new, the rest is the sample row. Both texts must outlive the step.
  Stmt& row(const std::string& id, const std::string& step);

 private:
  std::vector<std::pair<std::string, sqlite3_value*>> sample_;
  Stmt insert_;
};

// The token in the JSON object that wf_claim returned.
std::string token_of(const std::string& claim);

}  // namespace bench

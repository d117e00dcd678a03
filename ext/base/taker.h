// RowTaker: who is shown the one row that a statement is about to change, and says what becomes of one of its columns. (RETURNING came with SQLite 3.35.)
//
// The statement calls _wf_take(...) with what is to be seen of the row; the function asks the connection who wants it: Db::row_taker().
#pragma once

#include "base/status.h"
#include "base/value.h"

namespace wf {

struct RowTaker {
  static constexpr int kColumns = 13;
  // `*out`: what the call of _wf_take is. An error fails the statement.
  virtual Status take(const Value* row, int64_t* out) = 0;

 protected:
  ~RowTaker() = default;
};

}  // namespace wf

// Statements that run outside of any savepoint: see Db::prepare_plain().
#pragma once

#include "base/sql.h"

namespace wf {

constexpr Sql kPlain[] = {Sql::start_plain, Sql::step_record, Sql::step_record_by_id, Sql::complete_plain};

constexpr bool is_plain(Sql sql) {
  for (const Sql plain : kPlain) {
    if (sql == plain) return true;
  }
  return false;
}

}  // namespace wf

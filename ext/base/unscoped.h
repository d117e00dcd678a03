// Statements that run outside of any savepoint: see Db::prepare_plain().
#pragma once

#include "base/sql.h"

namespace wf {

inline bool is_plain(Sql sql) { return sql == Sql::step_record || sql == Sql::step_record_by_id || sql == Sql::complete_plain; }

}  // namespace wf

#include "base/sql.h"

namespace wf {

void add_sql(Sql statement, Text& out) {
  const string_view packed = packed_sql(statement);
  for (size_t from = 0, at = 0; at <= packed.size(); ++at) {
    const string_view word = at < packed.size() ? sql_word(packed[at]) : string_view();
    if (at < packed.size() && word.empty()) continue;
    out.add(part(packed, from, at - from)).add(word);
    from = at + 1;
  }
}

}  // namespace wf

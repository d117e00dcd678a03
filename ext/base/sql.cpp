#include "base/sql.h"

namespace wf {
namespace {

void add_packed(string_view packed, Text& out) {
  size_t from = 0;
  for (size_t at = 0; at < packed.size(); ++at) {
    const bool fragment = is_fragment(packed[at]);
    const string_view word = fragment ? string_view() : sql_word(packed[at]);
    if (!fragment && word.empty()) continue;
    out.add(part(packed, from, at - from)).add(word);
    if (fragment) add_packed(packed_fragment(packed[at], packed[at + 1]), out), ++at;
    from = at + 1;
  }
  out.add(part(packed, from, packed.size() - from));
}

}  // namespace

void add_sql(Sql statement, Text& out) { add_packed(packed_sql(statement), out); }

}  // namespace wf

#include "base/sql.h"

namespace wf {
namespace {

void add_packed(string_view packed, Text& out) {
  size_t from = 0;
  for (size_t at = 0; at < packed.size(); ++at) {
    const bool fragment = is_fragment(packed[at]);
    if (!fragment && !is_packed_word(packed[at])) continue;
    out.add(part(packed, from, at - from));
    add_packed(fragment ? packed_fragment(packed[at], packed[at + 1]) : packed_word(packed[at]), out);
    if (fragment) ++at;
    from = at + 1;
  }
  out.add(part(packed, from, packed.size() - from));
}

}  // namespace

void add_sql(Sql statement, Text& out) { add_packed(packed_sql(statement), out); }

}  // namespace wf

// The named statements of sql/. In the module the words that they are full of take one byte each (cmake/EmbedSql.cmake): a sixth of it was
// the text of statements.
#pragma once

#include "base/text.h"
#include "sql_statements.h"

namespace wf {

// Appends the text of the statement.
void add_sql(Sql statement, Text& out);

// The same by itself, ending in NUL.
class SqlText {
 public:
  explicit SqlText(Sql statement) {
    add_sql(statement, text_);
    text_.add('\0');
  }
  bool ok() const { return text_.ok(); }
  const char* c_str() const { return text_.view().data(); }
  string_view view() const { return part(text_.view(), 0, text_.size() - 1); }

 private:
  Text text_;
};

}  // namespace wf

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

// The name of a parameter, with the colon. A literal is looked up when this is compiled, which fails where no statement has it.
class SqlParameter {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): stands for the literal
  consteval SqlParameter(const char* name) : name_(name), number_(number_of(name)) {}
  static SqlParameter by_name(const char* name) { return {name, -1}; }

  // Its place in the statement, `sql` if that is a named one; 0: it has none of this name.
  int in(Sql sql, sqlite3_stmt* statement) const {
    return sql == Sql::count_ || number_ < 0 ? sqlite3_bind_parameter_index(statement, name_) : parameter_of(sql, static_cast<unsigned char>(number_));
  }

 private:
  constexpr SqlParameter(const char* name, int number) : name_(name), number_(number) {}
  static consteval int number_of(string_view name) {
    int number = 0;
    while (kParameters[number] != name) ++number;  // past the end: no statement has this parameter
    return number;
  }

  const char* name_;
  int number_;
};

}  // namespace wf

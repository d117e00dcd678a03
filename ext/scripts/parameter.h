// The parameters of a definition's statements, and what their names stand for.
#pragma once

#include "scripts/definition.h"

namespace wf {

// The built-in ones are in the order of kBuiltIn.
enum class Source : char { field, step, input, id, attempt, now, item, iteration, error };

struct Parameter {
  Source source = Source::id;
  size_t index = 0;           // of the field or step
  string_view member;         // of :name::member, else empty
};

// Goes through the parameters of a statement of a step:
//   for (Parameters p(statement, definition, step, role); p.next();) ...
// One without a name is the last: ?9 is nine of them.
class Parameters {
 public:
  Parameters(sqlite3_stmt* statement, const Definition& definition, size_t step, Role role)
      : statement_(statement), d_(definition), step_(step), role_(role) {}

  bool next();
  int number() const { return number_; }
  // As it stands in the SQL, with its first character.
  const char* name() const { return name_ != nullptr ? name_ : "?"; }
  // Why it means nothing in this place; nullptr: it is parameter(), or mistakes in the order of the steps leave that open.
  const char* why_not() const { return why_not_; }
  const Parameter& parameter() const { return parameter_; }

 private:
  const char* resolve(string_view name);

  sqlite3_stmt* statement_;
  const Definition& d_;
  size_t step_;
  Role role_;
  int number_ = 0;
  const char* name_ = "";
  const char* why_not_ = nullptr;
  Parameter parameter_;
};

}  // namespace wf

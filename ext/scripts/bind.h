// The parameters of a definition's statements, and rows as JSON.
#pragma once

#include "scripts/definition.h"

namespace wf {

// What is stored of a workflow and its steps, read when it is asked for.
class Facts {
 public:
  Facts(Db& db, int64_t seq) : db_(db), seq_(seq) {}

  Status load();
  // Reads anew what is asked for from now on.
  void forget();
  string_view id() const { return id_.view(); }   // after load()
  int64_t redo() const { return redo_; }
  // Valid as long as this object.
  Status input(Value* out);
  Status error(Value* out);
  // The result of a step, JSON; nothing is added if it has none.
  Status output(string_view row, Text& out);
  // The number that JSON text is.
  Status real(string_view number, double* out);
  // The value of an item, JSON.
  Status item(string_view row, Text& out);
  Stop* stop() const { return &db_.stop(); }

 private:
  Status text_of(Sql sql, string_view row, Text& out);

  Db& db_;
  int64_t seq_;
  bool loaded_ = false;
  Name id_;
  int64_t redo_ = 0;
  Value input_, error_;
  Text input_text_, error_text_;
};

// Where a statement stands.
struct Binding {
  const Definition& definition;
  size_t step;
  Role role;
  string_view row;   // the name of the row, that of the step or item itself also in an undo
  int64_t attempt, iteration;
  Millis now;
};

// Binds every parameter. WF_STATE for one that the definition does not have: its check is older than the statement.
Status bind_parameters(sqlite3_stmt* statement, const Binding& binding, Facts& facts);

// Appends a column's value as JSON: text as a JSON string.
void add_value(sqlite3_value* value, Stop* stop, Text& out);
// Appends the statement's row as a JSON object.
void add_row(sqlite3_stmt* statement, int columns, Stop* stop, Text& out);

}  // namespace wf

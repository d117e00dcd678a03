// The document of wf_export, row by row and cell by cell: docs/file-format.md.
#pragma once

#include "base/db.h"
#include "base/json.h"

namespace wf {

// A part of the document: the statements that read and write its rows, and their columns. A column is a letter that says what it takes, large
// where it must be given, and its name:
//   i an id, n a name, t a time, c an integer, h any integer of 64 bits, v a value, x JSON, j a JSON object, b a backoff, a what a wait waits for
struct Part {
  const char* name;
  Sql show, add;
  const char* columns;
};

// The present row of `q`, as an object; what is NULL is left out.
void add_row(const Query& q, const Part& part, Stop* stop, Text& out);

// All of them, and the end of their array.
Status add_rows(Query& q, const Part& part, Stop* stop, Text& out);

// The beginning of a document; whether it is of a format that is known.
void begin_document(Text& out);
Status check_format(json::Checked format, json::Checked made_by);
Status wrong_member(const json::Members& member, bool twice);

// Binds the members of a row, which stands at the place `where`, to the parameters of their names.
Status bind_row(Query& q, const Part& part, json::Checked row, string_view where);

// WF_INVALID: what stands at this place is not what is wanted.
Status wrong(string_view place, const char* wanted, json::Checked got);

}  // namespace wf

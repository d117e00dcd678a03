#include "base/json_scan.h"

namespace wf::json {
namespace {

// The length of the value that valid text starts with.
size_t value_length(string_view text) {
  size_t at = 0;
  int depth = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      for (++at; text[at] != '"'; ++at) {
        if (text[at] == '\\') ++at;
      }
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (depth == 0) return at;
      if (--depth == 0) return at + 1;
    } else if (depth == 0 && (c == ',' || c == ':' || is_blank(c))) {
      return at;
    }
    ++at;
    if (depth == 0 && c == '"') return at;
  }
  return at;
}

// What is between the brackets of a container; nothing if it is another kind of value.
string_view inside(Checked container, Kind kind) {
  const string_view text = container.text();
  return container.is(kind) ? trim(part(text, 1, text.size() - 2)) : string_view();
}

// Takes the value at the front of `rest`, and the blanks behind it.
string_view take_value(string_view& rest) {
  const size_t length = value_length(rest);
  const string_view value = part(rest, 0, length);
  rest = trim(part(rest, length));
  return value;
}

void drop_separator(string_view& rest) {
  if (!rest.empty()) rest = trim(part(rest, 1));
}

}  // namespace

Kind Checked::kind() const {
  if (text_.empty()) return Kind::none;
  switch (text_[0]) {
    case '{': return Kind::object;
    case '[': return Kind::array;
    case '"': return Kind::string;
    case 't':
    case 'f': return Kind::boolean;
    case 'n': return Kind::null;
    default: return Kind::number;
  }
}

Members::Members(Checked object) : rest_(inside(object, Kind::object)) {}

bool Members::next() {
  if (rest_.empty()) return false;
  key_ = take_value(rest_);
  drop_separator(rest_);  // the colon
  value_ = take_value(rest_);
  drop_separator(rest_);  // the comma, if there is one
  return true;
}

bool Members::key_is(string_view name) const {
  Characters characters(key_);
  size_t at = 0;
  for (string_view next; characters.next(&next); at += next.size()) {
    if (part(name, at, next.size()) != next) return false;
  }
  return at == name.size();
}

Elements::Elements(Checked array) : rest_(inside(array, Kind::array)) {}

bool Elements::next() {
  if (rest_.empty()) return false;
  value_ = take_value(rest_);
  drop_separator(rest_);
  return true;
}

}  // namespace wf::json

#include "base/json_scan.h"

namespace wf::json {
namespace {

// Measures the value that valid text starts with. Where the call is stopped it is all of the text.
class Ruler : Place {
 public:
  Ruler(string_view text, Stop* stop) : Place(text, stop) {}

  size_t length() {
    int depth = 0;
    while (more()) {
      const char c = text_[at_];
      if (c == '"') {
        pass_string();
        if (depth == 0) break;
        continue;
      }
      if (c == '{' || c == '[') {
        ++depth;
      } else if (c == '}' || c == ']') {
        if (depth == 0) break;
        --depth;
      } else if (depth == 0 && (c == ',' || c == ':' || is_blank(c))) {
        break;
      }
      ++at_;
      if (depth == 0 && (c == '}' || c == ']')) break;
    }
    return is_stopped() ? text_.size() : at_;
  }

 private:
  void pass_string() {
    for (++at_; more() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\') ++at_;
    }
    ++at_;
  }
};

// What is between the brackets of a container; nothing if it is another kind of value.
string_view inside(Checked container, Kind kind) {
  const string_view text = container.text();
  return container.is(kind) ? trim(part(text, 1, text.size() - 2)) : string_view();
}

// Takes the value at the front of `rest`, and the blanks behind it.
string_view take_value(string_view& rest, Stop* stop) {
  const size_t length = Ruler(rest, stop).length();
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

Members::Members(Checked object) : rest_(inside(object, Kind::object)), stop_(object.stop()) {}

Members::Members(Checked object, size_t place) : rest_(trim(part(object.text(), place, object.text().size() - 1 - place))), stop_(object.stop()) {}

bool Members::next_key() {
  if (rest_.empty()) return false;
  key_ = take_value(rest_, stop_);
  return !stops(stop_, 0);
}

bool Members::next() {
  if (!next_key()) return false;
  drop_separator(rest_);  // the colon
  value_ = take_value(rest_, stop_);
  drop_separator(rest_);  // the comma, if there is one
  return !stops(stop_, 0);
}

bool Members::key_is(string_view name) const {
  Characters characters(key_);
  size_t at = 0;
  for (string_view next; characters.next(&next); at += next.size()) {
    if (part(name, at, next.size()) != next) return false;
  }
  return at == name.size();
}

Elements::Elements(Checked array) : rest_(inside(array, Kind::array)), stop_(array.stop()) {}

bool Elements::next() {
  if (rest_.empty()) return false;
  value_ = take_value(rest_, stop_);
  drop_separator(rest_);
  return !stops(stop_, 0);
}

Status Portions::next(bool* more) {
  constexpr size_t kPortion = 64 << 10;
  first_ += count_;
  count_ = 0;
  text_.clear();
  while (text_.size() < kPortion && elements_.next()) {
    text_.add(count_++ == 0 ? '[' : ',').add(elements_.value().text());
  }
  text_.add(']');
  *more = count_ != 0;
  return text_.ok() ? Status() : Status::no_memory();
}

}  // namespace wf::json

// JSON (RFC 8259, at most 1,000 levels deep, as deep as every SQLite can read it): check, walk, compare, write.
//
//   if (!json::valid(text)) ...;
//   for (json::Members m(text); m.next();) use(m.key(), m.value());      // an object's members
//   for (json::Elements e(text); e.next();) use(e.value());              // an array's elements
//
// The walkers, kind() and the conversions want valid text: check it once at the door. Nothing here copies but
// unquote(); views point into the text given.
#pragma once

#include "base/text.h"

namespace wf::json {

constexpr int kMaxDepth = 1000;

enum class Kind : char { null, boolean, number, string, array, object };

// Whether `text` is one JSON value, white space around it allowed, in valid UTF-8.
bool valid(string_view text);

// The kind of the valid JSON `text`.
Kind kind(string_view text);

// Whether two valid JSON texts are the same value: white space, the order of an object's members, the notation of numbers
// (1 = 1.0 = 1e0) and of strings (escapes) do not matter. False on a failed allocation, with `*failed` set.
bool same(string_view a, string_view b, bool* failed);

// Appends the text of the JSON string `text` (with its quotes) to `out`.
void unquote(string_view text, Text& out);
// Appends `text` as a JSON string; a byte that is not UTF-8 becomes U+FFFD.
void quote(string_view text, Text& out);

// An exact decimal number: sign * digits * 10^exponent. Zero has no digits.
struct Decimal {
  bool negative = false;
  string_view digits;   // first and last are not '0'; may hold one '.', which does not count
  int64_t exponent = 0; // of the last digit
};
Decimal decimal(string_view number);
bool same_number(const Decimal& a, const Decimal& b);
// The number as an integer, if it is one and fits: 3, 3.0, 0.3e1.
bool to_integer(string_view number, int64_t* out);
// The number times 1,000, rounded half up; false if it does not fit into 63 bits.
bool to_thousandths(string_view number, int64_t* out);
// The nearest double, within a few units in the last place.
double to_real(string_view number);

// Walks the members of a valid object, in order.
class Members {
 public:
  explicit Members(string_view object);
  bool next();
  string_view key() const { return key_; }      // with its quotes
  string_view value() const { return value_; }
  bool key_is(string_view name) const;          // compares after unescaping

 private:
  string_view rest_, key_, value_;
};

// Walks the elements of a valid array, in order.
class Elements {
 public:
  explicit Elements(string_view array);
  bool next();
  string_view value() const { return value_; }

 private:
  string_view rest_, value_;
};

}  // namespace wf::json

// What the files of JSON share: its characters, of text that was checked. For them alone; others include base/json.h.
#pragma once

#include "base/json.h"

namespace wf::json {

inline bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

inline string_view trim(string_view text) {
  size_t from = 0, to = text.size();
  while (from < to && is_blank(text[from])) ++from;
  while (to > from && is_blank(text[to - 1])) --to;
  return part(text, from, to - from);
}

// Reads the characters of a valid JSON string, with its quotes, one after the other, escapes resolved (half of a surrogate pair becomes the three bytes that it would be in UTF-8, which is none).
class Characters {
 public:
  explicit Characters(string_view quoted) : text_(part(quoted, 1, quoted.size() - 2)) {}
  // The next character as bytes of UTF-8 in `*out`, which stay until the next call; false at the end.
  bool next(string_view* out);

 private:
  string_view text_;
  size_t at_ = 0;
  char buffer_[4];
};

// An exact decimal number: sign * digits * 10^exponent. Zero has no digits.
struct Decimal {
  bool negative = false;
  string_view digits;   // first and last are not '0'; may hold one '.', which does not count
  int64_t exponent = 0; // of the last digit
};
Decimal decimal(string_view number);
bool same_number(const Decimal& a, const Decimal& b);

}  // namespace wf::json

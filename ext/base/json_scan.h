// What the files of JSON share: its characters. For them alone; others include base/json.h.
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

// Reads a JSON string's characters one after the other, escapes resolved (an unpaired surrogate becomes U+FFFD).
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

}  // namespace wf::json

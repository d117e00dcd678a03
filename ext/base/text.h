// Text: a growing buffer of bytes in SQLite's memory. Name: a short text held in place.
//
// A failed allocation makes a Text "failed": later appends do nothing, and ok() says so once at the end.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/api.h"

namespace wf {

using std::string_view;

class Stop;

class Text {
 public:
  Text() = default;
  Text(const Text&) = delete;
  Text& operator=(const Text&) = delete;
  ~Text() { sqlite3_free(data_); }

  Text& add(string_view bytes);
  Text& add(char byte) { return add(string_view(&byte, 1)); }
  Text& add_integer(int64_t number);
  // With the fewest digits, at least 15, that read back as the same double: 0.1 is written as people write it.
  Text& add_real(double number);
  Text& add_hex(const void* bytes, size_t size);
  // Takes the memory for `more` bytes at once, and no more than that.
  void make_room(size_t more);
  void clear() { size_ = 0; }
  void truncate(size_t size) { size_ = size < size_ ? size : size_; }

  // Makes it failed, as a part of it has.
  void fail() { failed_ = true; }
  bool ok() const { return !failed_; }
  size_t size() const { return size_; }
  char* data() { return data_; }
  string_view view() const { return {data_ != nullptr ? data_ : "", size_}; }
  void swap(Text& other);
  // Gives the buffer away, to be freed with sqlite3_free; nullptr if empty or failed.
  char* release();

 private:
  bool reserve(size_t more);
  bool grow(size_t capacity);
  char* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
  bool failed_ = false;
};

// The double nearest to a number in decimal.
double nearest_double(const char* digits);

// A name as the contract allows it: up to 255 bytes. Longer text does not fit and is cut (callers have checked).
class Name {
 public:
  Name() = default;
  explicit Name(string_view text) { *this = text; }
  Name& operator=(string_view text) {
    size_ = static_cast<uint8_t>(text.size() < sizeof bytes_ ? text.size() : sizeof bytes_);
    if (size_ != 0) std::memcpy(bytes_, text.data(), size_);
    return *this;
  }
  string_view view() const { return {bytes_, size_}; }
  bool empty() const { return size_ == 0; }

 private:
  uint8_t size_ = 0;
  char bytes_[255] = {};
};

// The part of `text` from `from` on, at most `count` bytes; empty if `from` is beyond the end.
inline string_view part(string_view text, size_t from, size_t count = SIZE_MAX) {
  if (from >= text.size()) return {};
  const size_t rest = text.size() - from;
  return {text.data() + from, count < rest ? count : rest};
}
inline bool has_prefix(string_view text, string_view prefix) { return part(text, 0, prefix.size()) == prefix; }
inline bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
// Without the blanks at its ends.
inline string_view trim(string_view text) {
  size_t from = 0, to = text.size();
  while (from < to && is_blank(text[from])) ++from;
  while (to > from && is_blank(text[to - 1])) --to;
  return part(text, from, to - from);
}
// Whether the text begins so, but for blanks before it: a JSON array or object as it comes from a file.
inline bool opens_with(string_view text, char first) {
  size_t at = 0;
  while (at < text.size() && is_blank(text[at])) ++at;
  return at < text.size() && text[at] == first;
}

// The place of `word` among `words`, or -1.
template <size_t n>
int64_t index_of(const string_view (&words)[n], string_view word) {
  for (size_t i = 0; i < n; ++i) {
    if (words[i] == word) return static_cast<int64_t>(i);
  }
  return -1;
}

// Whether the texts differ at most in upper and lower case, of ASCII.
bool same_letters(string_view a, string_view b);

// The number of bytes of the UTF-8 character at the start of `text`, 0 if there is no valid one.
size_t utf8_length(string_view text);
// False where the call is stopped meanwhile.
bool is_utf8(string_view text, Stop* stop = nullptr);
// Appends `text`, and for each byte that is not UTF-8 U+FFFD.
void add_readable(string_view text, Text& out);
// The start of valid UTF-8 `text`, at most `max` bytes, for messages: no character is cut in two.
string_view excerpt(string_view text, size_t max = 60);
// The start of any text, for messages: "(not UTF-8)" if it is none.
string_view shown(string_view text);

}  // namespace wf

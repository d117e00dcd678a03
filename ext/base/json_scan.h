// What the files of JSON share: its characters, of text that was checked. For them alone; others include base/json.h.
#pragma once

#include "base/json.h"

namespace wf::json {

// `bytes` more have been looked at: whether to give up.
inline bool stops(Stop* stop, size_t bytes) { return stop != nullptr && stop->after(bytes); }

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// A place in a text, which is let in piece by piece, with a look at the Stop between: where the call is stopped, the text ends too early.
class Place {
 protected:
  Place(string_view text, Stop* stop) : text_(text), stop_(stop) { (void)go_on(); }
  bool more() { return at_ < end_ || go_on(); }
  // Tells the Stop of what was looked at since it was asked last.
  bool is_stopped() {
    const size_t begin = begin_;
    begin_ = at_;
    return stops(stop_, at_ > begin ? at_ - begin : 0);
  }

  const string_view text_;
  size_t at_ = 0, end_ = 0;   // `end_` of the piece

 private:
  bool go_on() {
    if (end_ != 0 && is_stopped()) return false;
    end_ = at_ < text_.size() && text_.size() - at_ > Stop::kStride ? at_ + Stop::kStride : text_.size();
    return at_ < end_;
  }

  Stop* stop_;
  size_t begin_ = 0;   // of the piece
};

// Reads the characters of a valid JSON string, with its quotes, one after the other, escapes resolved (half of a surrogate pair becomes the three bytes that it would be in UTF-8, which is none).
class Characters {
 public:
  explicit Characters(string_view quoted) : text_(part(quoted, 1, quoted.size() - 2)) {}
  // Those of the inside of one, from `at` on.
  Characters(string_view inside, size_t at) : text_(inside), at_(at) {}
  // The next character as bytes of UTF-8 in `*out`, which stay until the next call; false at the end.
  bool next(string_view* out);
  // The place behind it.
  size_t at() const { return at_; }

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
Decimal decimal(string_view digits);
Decimal decimal(Checked number);
bool same_number(const Decimal& a, const Decimal& b);

}  // namespace wf::json

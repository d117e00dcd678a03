#include "base/json_scan.h"

namespace wf::json {
namespace {

// Checks text from front to back; `at` is the place, the functions say whether what they name stands there and pass it.
class Checker : Place {
 public:
  Checker(string_view text, Stop* stop) : Place(text, stop) {}

  bool document(int max_depth) {
    // What is open, a bit a level: 1 an object, 0 an array.
    unsigned char open[kMaxDepth / 8 + 1] = {};
    int depth = 0;
    for (;;) {
      blanks();
      const char c = peek();
      if (c == '{' || c == '[') {
        if (depth == max_depth) return false;
        const bool object = c == '{';
        ++at_;
        blanks();
        if (peek() == (object ? '}' : ']')) {
          ++at_;
        } else {
          unsigned char& bits = open[depth / 8];
          const auto mask = static_cast<unsigned char>(1u << (depth % 8));
          bits = static_cast<unsigned char>(object ? bits | mask : bits & ~mask);
          ++depth;
          if (object && !key()) return false;
          continue;
        }
      } else if (!scalar()) {
        return false;
      }
      // A value has ended: close what ends here, or go on to the next member or element.
      for (;;) {
        blanks();
        if (depth == 0) return at_ == text_.size();
        const bool object = open[(depth - 1) / 8] >> ((depth - 1) % 8) & 1;
        const char after = peek();
        if (after == ',') {
          ++at_;
          blanks();
          if (object && !key()) return false;
          break;
        }
        if (after != (object ? '}' : ']')) return false;
        ++at_;
        --depth;
      }
    }
  }

 private:
  char peek() { return more() ? text_[at_] : '\0'; }
  void blanks() {
    while (more() && is_blank(text_[at_])) ++at_;
  }
  bool word(string_view expected) {
    if (part(text_, at_, expected.size()) != expected) return false;
    at_ += expected.size();
    return true;
  }
  bool key() {
    if (!string()) return false;
    blanks();
    if (peek() != ':') return false;
    ++at_;
    return true;
  }
  bool scalar() {
    switch (peek()) {
      case '"': return string();
      case 't': return word("true");
      case 'f': return word("false");
      case 'n': return word("null");
      default: return number();
    }
  }
  bool digits() {
    if (!is_digit(peek())) return false;
    while (is_digit(peek())) ++at_;
    return true;
  }
  bool number() {
    if (peek() == '-') ++at_;
    if (peek() == '0') ++at_;
    else if (!digits()) return false;
    if (peek() == '.') {
      ++at_;
      if (!digits()) return false;
    }
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      if (!digits()) return false;
    }
    return true;
  }
  // Whether eight bytes are ASCII and stand for themselves within quotes.
  static bool plain(const char* bytes) {
    constexpr uint64_t kEach = 0x0101010101010101, kHigh = kEach * 0x80;
    uint64_t eight;
    std::memcpy(&eight, bytes, sizeof eight);
    const uint64_t quote = eight ^ kEach * '"', slash = eight ^ kEach * '\\';
    // The high bit of a byte is set where it was, or where it is below what is taken away (or one such is below it: then it is looked at more closely).
    return ((eight | (eight - kEach * 0x20) | (quote - kEach) | (slash - kEach)) & kHigh) == 0;
  }
  bool string() {
    if (peek() != '"') return false;
    ++at_;
    while (more()) {
      if (end_ - at_ >= 8 && plain(text_.data() + at_)) {
        at_ += 8;
        continue;
      }
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c == '"') {
        ++at_;
        return true;
      }
      if (c < 0x20) return false;
      if (c == '\\') {
        ++at_;
        const char escaped = peek();
        if (escaped == 'u') {
          for (int i = 1; i <= 4; ++i) {
            if (at_ + static_cast<size_t>(i) >= text_.size() || hex_digit(text_[at_ + static_cast<size_t>(i)]) < 0) return false;
          }
          at_ += 5;
        } else if (escaped != '\0' && std::strchr("\"\\/bfnrt", escaped) != nullptr) {
          ++at_;
        } else {
          return false;
        }
      } else if (c < 0x80) {
        ++at_;
      } else {
        const size_t length = utf8_length(part(text_, at_));
        if (length == 0) return false;
        at_ += length;
      }
    }
    return false;
  }
};

}  // namespace

const char* hint(string_view no_json) {
  return opens_with(no_json, '{') || opens_with(no_json, '[') ? " (JSON has its texts and names in double quotes, and true, false, null)" : "";
}

Checked check(string_view text, Stop* stop, int depth) {
  return Checker(text, stop).document(depth < kMaxDepth ? depth : kMaxDepth) ? Checked(trim(text), stop) : Checked();
}

}  // namespace wf::json

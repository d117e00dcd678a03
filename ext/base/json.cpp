#include "base/json.h"

#include <algorithm>

namespace wf::json {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

string_view trim(string_view text) {
  size_t from = 0, to = text.size();
  while (from < to && is_blank(text[from])) ++from;
  while (to > from && is_blank(text[to - 1])) --to;
  return part(text, from, to - from);
}

// Checks text from front to back; `at` is the place, the functions say whether what they name stands there and pass it.
class Checker {
 public:
  explicit Checker(string_view text) : text_(text) {}

  bool document() {
    // What is open, a bit a level: 1 an object, 0 an array.
    unsigned char open[kMaxDepth / 8 + 1] = {};
    int depth = 0;
    for (;;) {
      blanks();
      const char c = peek();
      if (c == '{' || c == '[') {
        if (depth == kMaxDepth) return false;
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
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void blanks() {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
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
  bool string() {
    if (peek() != '"') return false;
    ++at_;
    while (at_ < text_.size()) {
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

  string_view text_;
  size_t at_ = 0;
};

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

string_view inside(string_view container) {
  const string_view text = trim(container);
  return trim(part(text, 1, text.size() - 2));
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

// The UTF-8 of a character, in `bytes`.
string_view utf8(unsigned point, char (&bytes)[4]) {
  size_t size;
  if (point < 0x80) {
    bytes[0] = static_cast<char>(point);
    size = 1;
  } else if (point < 0x800) {
    bytes[0] = static_cast<char>(0xc0 | point >> 6);
    bytes[1] = static_cast<char>(0x80 | (point & 0x3f));
    size = 2;
  } else if (point < 0x10000) {
    bytes[0] = static_cast<char>(0xe0 | point >> 12);
    bytes[1] = static_cast<char>(0x80 | (point >> 6 & 0x3f));
    bytes[2] = static_cast<char>(0x80 | (point & 0x3f));
    size = 3;
  } else {
    bytes[0] = static_cast<char>(0xf0 | point >> 18);
    bytes[1] = static_cast<char>(0x80 | (point >> 12 & 0x3f));
    bytes[2] = static_cast<char>(0x80 | (point >> 6 & 0x3f));
    bytes[3] = static_cast<char>(0x80 | (point & 0x3f));
    size = 4;
  }
  return {bytes, size};
}

unsigned unit_at(string_view text, size_t at) {
  unsigned unit = 0;
  for (size_t i = 0; i < 4; ++i) unit = unit << 4 | static_cast<unsigned>(hex_digit(text[at + i]));
  return unit;
}

// Reads a JSON string's characters one after the other, escapes resolved (an unpaired surrogate becomes U+FFFD).
class Characters {
 public:
  explicit Characters(string_view quoted) : text_(part(quoted, 1, quoted.size() - 2)) {}
  // The next character as bytes of UTF-8 in `*out`, which stay until the next call; false at the end.
  bool next(string_view* out) {
    if (at_ >= text_.size()) return false;
    if (text_[at_] != '\\') {
      const size_t from = at_++;
      while (at_ < text_.size() && text_[at_] != '\\' && (text_[at_] & 0xc0) == 0x80) ++at_;
      *out = part(text_, from, at_ - from);
      return true;
    }
    const char escaped = text_[at_ + 1];
    at_ += 2;
    unsigned point;
    switch (escaped) {
      case 'b': point = '\b'; break;
      case 'f': point = '\f'; break;
      case 'n': point = '\n'; break;
      case 'r': point = '\r'; break;
      case 't': point = '\t'; break;
      case 'u':
        point = unit_at(text_, at_);
        at_ += 4;
        if (point >= 0xd800 && point < 0xdc00 && part(text_, at_, 2) == "\\u") {
          const unsigned low = unit_at(text_, at_ + 2);
          if (low >= 0xdc00 && low < 0xe000) {
            point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
            at_ += 6;
          }
        }
        if (point >= 0xd800 && point < 0xe000) point = 0xfffd;
        break;
      default: point = static_cast<unsigned char>(escaped);
    }
    *out = utf8(point, buffer_);
    return true;
  }

 private:
  string_view text_;
  size_t at_ = 0;
  char buffer_[4];
};

int compare_strings(string_view a, string_view b) {
  if (a == b) return 0;
  if (std::memchr(a.data(), '\\', a.size()) == nullptr && std::memchr(b.data(), '\\', b.size()) == nullptr) {
    return part(a, 1, a.size() - 2).compare(part(b, 1, b.size() - 2));
  }
  Characters in_a(a), in_b(b);
  for (;;) {
    string_view next_a, next_b;
    const bool more_a = in_a.next(&next_a), more_b = in_b.next(&next_b);
    if (!more_a || !more_b) return more_a ? 1 : more_b ? -1 : 0;
    if (const int order = next_a.compare(next_b); order != 0) return order;
  }
}

struct Member {
  string_view key, value;
  size_t position;
};

// An object's members in the order of their keys.
class Sorted {
 public:
  explicit Sorted(string_view object) {
    for (Members m(object); m.next();) ++size_;
    members_ = static_cast<Member*>(sqlite3_malloc64(sizeof(Member) * (size_ + 1)));
    if (members_ == nullptr) return;
    size_t i = 0;
    for (Members m(object); m.next(); ++i) members_[i] = {m.key(), m.value(), i};
    std::sort(members_, members_ + size_, [](const Member& a, const Member& b) {
      const int order = compare_strings(a.key, b.key);
      return order != 0 ? order < 0 : a.position < b.position;
    });
  }
  Sorted(const Sorted&) = delete;
  Sorted& operator=(const Sorted&) = delete;
  ~Sorted() { sqlite3_free(members_); }
  bool ok() const { return members_ != nullptr; }
  size_t size() const { return size_; }
  const Member& operator[](size_t i) const { return members_[i]; }

 private:
  Member* members_ = nullptr;
  size_t size_ = 0;
};

bool same_objects(string_view a, string_view b, bool* failed) {
  const Sorted in_a(a), in_b(b);
  if (!in_a.ok() || !in_b.ok()) *failed = true;
  if (*failed || in_a.size() != in_b.size()) return false;
  for (size_t i = 0; i < in_a.size(); ++i) {
    if (compare_strings(in_a[i].key, in_b[i].key) != 0 || !same(in_a[i].value, in_b[i].value, failed)) return false;
  }
  return true;
}

bool same_arrays(string_view a, string_view b, bool* failed) {
  Elements in_a(a), in_b(b);
  for (;;) {
    const bool more_a = in_a.next(), more_b = in_b.next();
    if (more_a != more_b) return false;
    if (!more_a) return true;
    if (!same(in_a.value(), in_b.value(), failed)) return false;
  }
}

size_t count_digits(string_view digits) {
  return digits.size() - static_cast<size_t>(std::count(digits.begin(), digits.end(), '.'));
}

constexpr int64_t kHuge = int64_t{1} << 60;

}  // namespace

bool valid(string_view text) { return Checker(text).document(); }

Kind kind(string_view text) {
  switch (trim(text)[0]) {
    case '{': return Kind::object;
    case '[': return Kind::array;
    case '"': return Kind::string;
    case 't':
    case 'f': return Kind::boolean;
    case 'n': return Kind::null;
    default: return Kind::number;
  }
}

bool same(string_view a, string_view b, bool* failed) {
  a = trim(a);
  b = trim(b);
  if (a == b) return true;
  const Kind kind_a = kind(a);
  if (kind_a != kind(b)) return false;
  switch (kind_a) {
    case Kind::object: return same_objects(a, b, failed);
    case Kind::array: return same_arrays(a, b, failed);
    case Kind::string: return compare_strings(a, b) == 0;
    case Kind::number: return same_number(decimal(a), decimal(b));
    default: return false;
  }
}

void unquote(string_view text, Text& out) {
  Characters characters(trim(text));
  for (string_view next; characters.next(&next);) out.add(next);
}

void quote(string_view text, Text& out) {
  out.add('"');
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_length(part(text, i));
    const auto c = static_cast<unsigned char>(text[i]);
    if (length == 0) {
      out.add("\xef\xbf\xbd");
      ++i;
      continue;
    }
    if (c == '"' || c == '\\') {
      out.add('\\').add(static_cast<char>(c));
    } else if (c == '\n') {
      out.add("\\n");
    } else if (c == '\r') {
      out.add("\\r");
    } else if (c == '\t') {
      out.add("\\t");
    } else if (c < 0x20) {
      out.add("\\u00").add_hex(&c, 1);
    } else {
      out.add(part(text, i, length));
    }
    i += length;
  }
  out.add('"');
}

Decimal decimal(string_view number) {
  Decimal result;
  size_t at = 0;
  if (at < number.size() && number[at] == '-') {
    result.negative = true;
    ++at;
  }
  const size_t from = at;
  bool fraction = false;
  while (at < number.size() && (is_digit(number[at]) || number[at] == '.')) {
    if (number[at] == '.') fraction = true;
    else if (fraction) --result.exponent;
    ++at;
  }
  string_view digits = part(number, from, at - from);
  if (at < number.size()) {  // e or E
    ++at;
    const bool negative = number[at] == '-';
    if (number[at] == '-' || number[at] == '+') ++at;
    int64_t exponent = 0;
    for (; at < number.size(); ++at) {
      if (exponent < kHuge / 10) exponent = exponent * 10 + (number[at] - '0');
    }
    result.exponent += negative ? -exponent : exponent;
  }
  while (!digits.empty() && (digits[0] == '0' || digits[0] == '.')) digits = part(digits, 1);
  while (!digits.empty() && (digits.back() == '0' || digits.back() == '.')) {
    if (digits.back() == '0') ++result.exponent;
    digits = part(digits, 0, digits.size() - 1);
  }
  result.digits = digits;
  if (digits.empty()) {
    result.negative = false;
    result.exponent = 0;
  }
  return result;
}

bool same_number(const Decimal& a, const Decimal& b) {
  if (a.negative != b.negative || a.exponent != b.exponent || count_digits(a.digits) != count_digits(b.digits)) return false;
  size_t i = 0, j = 0;
  while (i < a.digits.size() && j < b.digits.size()) {
    if (a.digits[i] == '.') ++i;
    else if (b.digits[j] == '.') ++j;
    else if (a.digits[i++] != b.digits[j++]) return false;
  }
  return true;
}

namespace {

// digits * 10^exponent as an integer, rounded half up where `round`.
bool scaled(const Decimal& number, int64_t exponent, bool round, int64_t* out) {
  int64_t drop = exponent < 0 ? -exponent : 0;  // digits behind the point
  const auto count = static_cast<int64_t>(count_digits(number.digits));
  if (!round && drop > 0) return false;
  int64_t value = 0, seen = 0;
  bool up = false;
  for (const char c : number.digits) {
    if (c == '.') continue;
    if (seen++ >= count - drop) {
      up = count - drop >= 0 && seen - 1 == count - drop && c >= '5';
      break;
    }
    if (value > (INT64_MAX - (c - '0')) / 10) return false;
    value = value * 10 + (c - '0');
  }
  for (; exponent > 0 && value != 0; --exponent) {
    if (value > INT64_MAX / 10) return false;
    value *= 10;
  }
  value += up;
  *out = number.negative ? -value : value;
  return true;
}

}  // namespace

bool to_integer(string_view number, int64_t* out) {
  const Decimal value = decimal(number);
  return scaled(value, value.exponent, false, out);
}

bool to_thousandths(string_view number, int64_t* out) {
  const Decimal value = decimal(number);
  return scaled(value, value.exponent + 3, true, out);
}

double to_real(string_view number) {
  const Decimal value = decimal(number);
  double result = 0;
  for (const char c : value.digits) {
    if (c != '.') result = result * 10 + (c - '0');
  }
  int64_t exponent = value.exponent < -400 ? -400 : value.exponent > 400 ? 400 : value.exponent;
  for (; exponent > 0; --exponent) result *= 10;
  double divisor = 1;
  for (; exponent < 0 && divisor < 1e300; ++exponent) divisor *= 10;
  return value.negative ? -result / divisor : result / divisor;
}

Members::Members(string_view object) : rest_(inside(object)) {}

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

Elements::Elements(string_view array) : rest_(inside(array)) {}

bool Elements::next() {
  if (rest_.empty()) return false;
  value_ = take_value(rest_);
  drop_separator(rest_);
  return true;
}

}  // namespace wf::json

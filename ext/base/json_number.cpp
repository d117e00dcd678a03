#include <algorithm>

#include "base/json_scan.h"

namespace wf::json {
namespace {

size_t count_digits(string_view digits) {
  return digits.size() - static_cast<size_t>(std::count(digits.begin(), digits.end(), '.'));
}

constexpr int64_t kHuge = int64_t{1} << 60;

// Reads a number's parts; nothing where the call is stopped.
class DecimalReader : Place {
 public:
  DecimalReader(string_view number, Stop* stop) : Place(number, stop) {}

  Decimal read() {
    Decimal result;
    if (more() && text_[at_] == '-') {
      result.negative = true;
      ++at_;
    }
    const size_t from = at_;
    bool fraction = false;
    for (; more() && (is_digit(text_[at_]) || text_[at_] == '.'); ++at_) {
      if (text_[at_] == '.') fraction = true;
      else if (fraction) --result.exponent;
    }
    string_view digits = part(text_, from, at_ - from);
    if (more()) result.exponent += exponent();
    if (is_stopped()) return {};
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

 private:
  // What follows e or E.
  int64_t exponent() {
    ++at_;
    const bool negative = more() && text_[at_] == '-';
    if (more() && !is_digit(text_[at_])) ++at_;
    int64_t exponent = 0;
    for (; more(); ++at_) {
      if (exponent < kHuge / 10) exponent = exponent * 10 + (text_[at_] - '0');
    }
    return negative ? -exponent : exponent;
  }
};

}  // namespace

Decimal decimal(string_view digits) { return DecimalReader(digits, nullptr).read(); }
Decimal decimal(Checked number) { return DecimalReader(number.text(), number.stop()).read(); }

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
  const uint64_t most = static_cast<uint64_t>(INT64_MAX) + number.negative;
  uint64_t value = 0;
  int64_t seen = 0;
  const auto append = [&](unsigned digit) {
    if (value > (most - digit) / 10) return false;
    value = value * 10 + digit;
    return true;
  };
  bool up = false;
  for (const char c : number.digits) {
    if (c == '.') continue;
    if (seen++ >= count - drop) {
      up = count - drop >= 0 && seen - 1 == count - drop && c >= '5';
      break;
    }
    if (!append(static_cast<unsigned>(c - '0'))) return false;
  }
  for (; exponent > 0 && value != 0; --exponent) {
    if (!append(0)) return false;
  }
  if (up && value++ == most) return false;
  *out = static_cast<int64_t>(number.negative ? 0 - value : value);
  return true;
}

bool thousandths(const Decimal& value, int64_t* out) { return scaled(value, value.exponent + 3, true, out); }

}  // namespace

bool to_integer(Checked number, int64_t* out) {
  if (!number.is(Kind::number)) return false;
  const Decimal value = decimal(number);
  return scaled(value, value.exponent, false, out);
}

bool to_thousandths(Checked number, int64_t* out) { return number.is(Kind::number) && thousandths(decimal(number), out); }

bool to_thousandths(string_view digits, int64_t* out) { return thousandths(decimal(digits), out); }

double to_real(Checked number) {
  if (!number.is(Kind::number)) return 0;
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

}  // namespace wf::json

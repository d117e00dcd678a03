#include "base/text.h"

#include <locale.h>
#include <stdlib.h>
#if defined(_WIN32)
#include <atomic>
#elif defined(__APPLE__) || defined(__FreeBSD__)
#include <xlocale.h>
#endif

#include <charconv>

#include "base/stop.h"

namespace wf {
namespace {
constexpr size_t kLarge = 1 << 20;
}  // namespace

bool Text::reserve(size_t more) {
  if (failed_) return false;
  if (more <= capacity_ - size_) return true;
  // What is large grows by a quarter: twice as much would be most of what a call takes.
  size_t capacity = capacity_ < 64 ? 64 : capacity_ < kLarge ? capacity_ * 2 : capacity_ + capacity_ / 4;
  if (capacity < size_ + more) capacity = size_ + more;
  return grow(capacity);
}

bool Text::grow(size_t capacity) {
  char* data = static_cast<char*>(sqlite3_realloc64(data_, capacity));
  if (data == nullptr) {
    failed_ = true;
    return false;
  }
  data_ = data;
  capacity_ = capacity;
  return true;
}

void Text::make_room(size_t more) {
  if (!failed_ && more > capacity_ - size_) (void)grow(size_ + more);
}

Text& Text::add(string_view bytes) {
  if (!bytes.empty() && reserve(bytes.size())) {
    std::memcpy(data_ + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  return *this;
}

Text& Text::add_integer(int64_t number) {
  char digits[24];
  const auto result = std::to_chars(digits, digits + sizeof digits, number);
  return add({digits, static_cast<size_t>(result.ptr - digits)});
}

Text& Text::add_real(double number) {
  char digits[64];
  for (int precision = 15; precision <= 17; ++precision) {
    sqlite3_snprintf(sizeof digits, digits, "%!.*g", precision, number);
    if (nearest_double(digits) == number) break;
  }
  string_view text(digits);
  if (text == "Inf") text = "9e999";
  if (text == "-Inf") text = "-9e999";
  return add(text);
}

Text& Text::add_hex(const void* bytes, size_t size) {
  static const char kDigits[] = "0123456789abcdef";
  if (!reserve(size * 2)) return *this;
  for (size_t i = 0; i < size; ++i) {
    const unsigned byte = static_cast<const unsigned char*>(bytes)[i];
    data_[size_++] = kDigits[byte >> 4];
    data_[size_++] = kDigits[byte & 15];
  }
  return *this;
}

// Reads in the locale that writes numbers as JSON does, whatever the application has set.
#if defined(_WIN32)
static std::atomic<_locale_t> g_numbers{nullptr};

// It is allocated there, and so once, and kept as long as the process lives.
double nearest_double(const char* digits) {
  _locale_t numbers = g_numbers.load(std::memory_order_acquire);
  if (numbers == nullptr) {
    _locale_t first = nullptr;
    numbers = _create_locale(LC_ALL, "C");
    if (!g_numbers.compare_exchange_strong(first, numbers, std::memory_order_acq_rel)) {
      _free_locale(numbers);
      numbers = first;
    }
  }
  return _strtod_l(digits, nullptr, numbers);
}
#elif defined(__APPLE__) || defined(__FreeBSD__)
double nearest_double(const char* digits) { return strtod_l(digits, nullptr, nullptr); }  // newlocale() would allocate
#else
double nearest_double(const char* digits) { return strtod_l(digits, nullptr, newlocale(LC_ALL_MASK, "C", nullptr)); }  // the C library's own object
#endif

void Text::swap(Text& other) {
  const auto swap_one = [](auto& a, auto& b) {
    const auto held = a;
    a = b;
    b = held;
  };
  swap_one(data_, other.data_);
  swap_one(size_, other.size_);
  swap_one(capacity_, other.capacity_);
  swap_one(failed_, other.failed_);
}

char* Text::release() {
  if (failed_) return nullptr;
  char* data = data_;
  data_ = nullptr;
  size_ = capacity_ = 0;
  return data;
}

bool same_letters(string_view a, string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

size_t utf8_length(string_view text) {
  if (text.empty()) return 0;
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const unsigned second = byte(1);
  if (first == 0xe0 && second < 0xa0) return 0;  // overlong
  if (first == 0xed && second > 0x9f) return 0;  // surrogates
  if (first == 0xf0 && second < 0x90) return 0;  // overlong
  if (first == 0xf4 && second > 0x8f) return 0;  // beyond U+10FFFF
  return length;
}

bool is_utf8(string_view text, Stop* stop) {
  constexpr size_t kEight = sizeof(uint64_t);
  const auto is_ascii = [&](size_t from) {
    uint64_t eight;
    std::memcpy(&eight, text.data() + from, kEight);
    return (eight & 0x8080808080808080) == 0;
  };
  for (size_t i = 0, looked = 0; i < text.size();) {
    // Eight bytes of ASCII at once, the last ones with some before them. (A call for each of the others takes as long as the row that it is in.)
    const size_t left = text.size() - i;
    size_t length = left >= kEight ? (is_ascii(i) ? kEight : 0) : text.size() >= kEight && is_ascii(text.size() - kEight) ? left : 0;
    if (length == 0) length = static_cast<unsigned char>(text[i]) < 0x80 ? 1 : utf8_length(part(text, i));
    if (length == 0) return false;
    i += length;
    if (stop == nullptr || i - looked < Stop::kStride) continue;
    if (stop->after(i - looked)) return false;
    looked = i;
  }
  return true;
}

void add_readable(string_view text, Text& out) {
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_length(part(text, i));
    out.add(length != 0 ? part(text, i, length) : string_view("\xef\xbf\xbd"));
    i += length != 0 ? length : 1;
  }
}

string_view excerpt(string_view text, size_t max) {
  if (text.size() <= max) return text;
  while (max > 0 && (text[max] & 0xc0) == 0x80) --max;
  return part(text, 0, max);
}

string_view shown(string_view text) {
  const string_view start = excerpt(text);
  return is_utf8(start) ? start : "(not UTF-8)";
}

}  // namespace wf

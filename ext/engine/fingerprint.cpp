#include "engine/fingerprint.h"

#include "base/hash.h"

namespace wf {
namespace {

enum Seed : uint64_t { kWord, kInteger, kReal, kString, kArray, kObject, kText };

uint64_t mix(uint64_t a, uint64_t b, Seed seed) {
  char bytes[16];
  for (int i = 0; i < 8; ++i) {
    bytes[i] = static_cast<char>(a >> (8 * i));
    bytes[8 + i] = static_cast<char>(b >> (8 * i));
  }
  return hash64({bytes, sizeof bytes}, seed);
}

uint64_t of_number(json::Checked number) {
  int64_t integer;
  if (json::to_integer(number, &integer)) return mix(static_cast<uint64_t>(integer), 0, kInteger);
  const double real = json::to_real(number);
  uint64_t bits;
  std::memcpy(&bits, &real, sizeof bits);
  return mix(bits, 0, kReal);
}

uint64_t of_string(json::Checked string, bool* failed) {
  Text text;
  json::unquote(string, text);
  *failed = *failed || !text.ok();
  return hash64(text.view(), kString);
}

uint64_t of_value(json::Checked value, bool* failed) {
  uint64_t all = 0;
  switch (value.kind()) {
    case json::Kind::number: return of_number(value);
    case json::Kind::string: return of_string(value, failed);
    case json::Kind::array:
      for (json::Elements e(value); e.next();) all = mix(all, of_value(e.value(), failed), kArray);
      return mix(all, 0, kArray);
    case json::Kind::object:
      // The order of the members does not matter: a sum.
      for (json::Members m(value); m.next();) all += mix(of_string(m.key(), failed), of_value(m.value(), failed), kObject);
      return mix(all, 1, kObject);
    default: return hash64(value.text(), kWord);
  }
}

}  // namespace

Status fingerprint_of(json::Checked value, Fingerprint* out) {
  bool failed = false;
  *out = {true, static_cast<int64_t>(of_value(value, &failed) & INT64_MAX)};
  return failed ? Status::no_memory() : Status();
}

Fingerprint fingerprint_of(string_view text) { return {true, static_cast<int64_t>(hash64(text, kText) & INT64_MAX)}; }

Status check_fingerprint(const Fingerprint& given, string_view step, const Query& row, int column) {
  if (!given.given || row.is_null(column) || row.integer(column) == given.hash) return {};
  char is[20], wanted[20];
  sqlite3_snprintf(sizeof is, is, "%016llx", static_cast<unsigned long long>(row.integer(column)));
  sqlite3_snprintf(sizeof wanted, wanted, "%016llx", static_cast<unsigned long long>(given.hash));
  return Status::error(Code::nondeterminism, "step '%.*s' was called with something else before: its fingerprint is %s, not %s", WF_SV(step), is, wanted);
}

}  // namespace wf

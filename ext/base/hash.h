// Hashes: SHA-1 for UUIDv5 (wf_key), and a fast 64-bit mix for jitter and deterministic tokens. Neither keeps a secret.
#pragma once

#include "base/text.h"

namespace wf {

// A UUID in its text form.
struct Uuid {
  char text[36];
  string_view view() const { return {text, sizeof text}; }
};

// UUID version 5 (RFC 9562) of `name` in the namespace of wfext, 3a1f8a52-6d0c-5e0b-9c53-77666578742e.
Uuid uuid5(string_view name);
// UUID version 7 (RFC 9562): `time` and ten random bytes.
Uuid uuid7(int64_t time_ms, const unsigned char random[10]);

// A well mixed hash of `text`, the same on every machine.
uint64_t hash64(string_view text, uint64_t seed = 0);

}  // namespace wf

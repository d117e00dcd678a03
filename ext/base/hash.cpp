#include "base/hash.h"

#include <bit>

namespace wf {
namespace {

// SHA-1 (FIPS 180-4), fed in pieces.
class Sha1 {
 public:
  void feed(const void* bytes, size_t size) {
    const auto* from = static_cast<const unsigned char*>(bytes);
    for (size_t i = 0; i < size; ++i) {
      block_[filled_++] = from[i];
      if (filled_ == sizeof block_) {
        digest_block();
        filled_ = 0;
      }
    }
    length_ += size;
  }
  void finish(unsigned char out[20]) {
    const uint64_t bits = length_ * 8;
    const unsigned char one = 0x80, zero = 0;
    feed(&one, 1);
    while (filled_ != 56) feed(&zero, 1);
    unsigned char tail[8];
    for (int i = 0; i < 8; ++i) tail[i] = static_cast<unsigned char>(bits >> (56 - 8 * i));
    feed(tail, sizeof tail);
    for (int i = 0; i < 20; ++i) out[i] = static_cast<unsigned char>(state_[i / 4] >> (24 - 8 * (i % 4)));
  }

 private:
  void digest_block() {
    uint32_t w[80];
    for (int i = 0; i < 16; ++i) {
      w[i] = static_cast<uint32_t>(block_[i * 4]) << 24 | static_cast<uint32_t>(block_[i * 4 + 1]) << 16 |
             static_cast<uint32_t>(block_[i * 4 + 2]) << 8 | block_[i * 4 + 3];
    }
    for (int i = 16; i < 80; ++i) w[i] = std::rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    uint32_t a = state_[0], b = state_[1], c = state_[2], d = state_[3], e = state_[4];
    for (int i = 0; i < 80; ++i) {
      uint32_t f, k;
      if (i < 20) f = (b & c) | (~b & d), k = 0x5a827999;
      else if (i < 40) f = b ^ c ^ d, k = 0x6ed9eba1;
      else if (i < 60) f = (b & c) | (b & d) | (c & d), k = 0x8f1bbcdc;
      else f = b ^ c ^ d, k = 0xca62c1d6;
      const uint32_t next = std::rotl(a, 5) + f + e + k + w[i];
      e = d;
      d = c;
      c = std::rotl(b, 30);
      b = a;
      a = next;
    }
    state_[0] += a;
    state_[1] += b;
    state_[2] += c;
    state_[3] += d;
    state_[4] += e;
  }

  uint32_t state_[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  unsigned char block_[64] = {};
  size_t filled_ = 0;
  uint64_t length_ = 0;
};

Uuid uuid_text(unsigned char bytes[16], unsigned version) {
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | version << 4);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);
  static const char kDigits[] = "0123456789abcdef";
  Uuid uuid;
  char* out = uuid.text;
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *out++ = '-';
    *out++ = kDigits[bytes[i] >> 4];
    *out++ = kDigits[bytes[i] & 15];
  }
  return uuid;
}

}  // namespace

Uuid uuid5(string_view name) {
  static const unsigned char kNamespace[16] = {0x3a, 0x1f, 0x8a, 0x52, 0x6d, 0x0c, 0x5e, 0x0b,
                                               0x9c, 0x53, 0x77, 0x66, 0x65, 0x78, 0x74, 0x2e};
  Sha1 sha1;
  sha1.feed(kNamespace, sizeof kNamespace);
  sha1.feed(name.data(), name.size());
  unsigned char digest[20];
  sha1.finish(digest);
  return uuid_text(digest, 5);
}

Uuid uuid7(int64_t time_ms, const unsigned char random[10]) {
  unsigned char bytes[16];
  for (int i = 0; i < 6; ++i) bytes[i] = static_cast<unsigned char>(time_ms >> (40 - 8 * i));
  std::memcpy(bytes + 6, random, 10);
  return uuid_text(bytes, 7);
}

uint64_t hash64(string_view text, uint64_t seed) {
  uint64_t hash = seed + 0x9e3779b97f4a7c15u;
  const auto mix = [&hash] {  // the finaliser of splitmix64
    hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9u;
    hash = (hash ^ hash >> 27) * 0x94d049bb133111ebu;
    hash ^= hash >> 31;
  };
  for (const char c : text) {
    hash += static_cast<unsigned char>(c) + uint64_t{1};
    mix();
  }
  mix();
  return hash;
}

}  // namespace wf

// Hashing: the only place that knows OpenSSL and xxHash.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace cchain {

// A SHA-256.
struct Digest {
  std::array<uint8_t, 32> b{};
  bool operator==(const Digest& o) const { return b == o.b; }
  bool operator!=(const Digest& o) const { return b != o.b; }
  bool operator<(const Digest& o) const { return b < o.b; }
  std::string hex() const;
};

class Sha256 {
 public:
  Sha256();
  void update(const void* data, size_t size);
  void update(std::string_view s) { update(s.data(), s.size()); }
  Digest finish();

 private:
  alignas(8) unsigned char ctx_[128];
};
Digest sha256(std::string_view data);
// What compilers write; it protects nothing.
std::array<uint8_t, 16> md5(std::string_view data);

// Fields of a key: each is label, length and bytes, so that no two sequences of fields make the same stream.
class KeyHasher {
 public:
  explicit KeyHasher(std::string_view what) { field("schema", what); }
  void field(std::string_view label, std::string_view value);
  void field(std::string_view label, uint64_t value);
  void field(std::string_view label, const Digest& d) {
    field(label, std::string_view(reinterpret_cast<const char*>(d.b.data()), d.b.size()));
  }
  Digest finish();

 private:
  Sha256 h_;
  std::string buf_;
};

struct Xxh128 {
  uint64_t lo = 0, hi = 0;
  bool operator==(const Xxh128& o) const { return lo == o.lo && hi == o.hi; }
};
uint64_t xxh64(const void* data, size_t size, uint64_t seed = 0);
inline uint64_t xxh64(std::string_view s, uint64_t seed = 0) { return xxh64(s.data(), s.size(), seed); }
Xxh128 xxh128(const void* data, size_t size);

bool digest_from_hex(std::string_view hex, Digest* out);

}  // namespace cchain

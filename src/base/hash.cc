// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <atomic>

#include <openssl/md5.h>
#include <openssl/sha.h>
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

namespace cchain {

namespace {
constexpr char kHexDigits[] = "0123456789abcdef";
int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}
}  // namespace

std::string Digest::hex() const {
  std::string s(64, '0');
  for (size_t i = 0; i < 32; i++) s[2 * i] = kHexDigits[b[i] >> 4], s[2 * i + 1] = kHexDigits[b[i] & 15];
  return s;
}

bool digest_from_hex(std::string_view hex, Digest* out) {
  if (hex.size() != 64) return false;
  for (size_t i = 0; i < 32; i++) {
    int hi = hex_value(hex[2 * i]), lo = hex_value(hex[2 * i + 1]);
    if (hi < 0 || lo < 0) return false;
    out->b[i] = static_cast<uint8_t>(hi << 4 | lo);
  }
  return true;
}

// The low-level calls on purpose: the EVP ones pull OpenSSL's provider machinery into a static link (measured: 0.9 ms and 5 MB more a process).
static_assert(sizeof(SHA256_CTX) <= 128);

// libcrypto asks the processor what it can do (SHA extensions: ten times as fast) when a program begins: 70 us in a virtual machine, where each question goes to the
// host, and a hit may hash less than what that buys. So the command begins without (static/hit.ld), and asks when it has this much to hash, all in all. To ask again
// does nothing.
extern "C" [[gnu::weak]] void OPENSSL_cpuid_setup(void);
static void ask_processor(size_t size) {
  constexpr size_t kWorthAsking = 16 << 10;
  static std::atomic<size_t> hashed{0};
  if (hashed.load(std::memory_order_relaxed) >= kWorthAsking) return;
  if (hashed.fetch_add(size, std::memory_order_relaxed) + size >= kWorthAsking && OPENSSL_cpuid_setup) OPENSSL_cpuid_setup();
}
Sha256::Sha256() { SHA256_Init(reinterpret_cast<SHA256_CTX*>(ctx_)); }
void Sha256::update(const void* data, size_t size) {
  ask_processor(size);
  SHA256_Update(reinterpret_cast<SHA256_CTX*>(ctx_), data, size);
}
Digest Sha256::finish() {
  Digest d;
  SHA256_Final(d.b.data(), reinterpret_cast<SHA256_CTX*>(ctx_));
  return d;
}
Digest sha256(std::string_view data) {
  Sha256 h;
  h.update(data);
  return h.finish();
}

std::array<uint8_t, 16> md5(std::string_view data) {
  std::array<uint8_t, 16> sum;
  MD5(reinterpret_cast<const unsigned char*>(data.data()), data.size(), sum.data());
  return sum;
}

void KeyHasher::field(std::string_view label, std::string_view value) {
  uint64_t sizes[2] = {label.size(), value.size()};
  buf_.append(reinterpret_cast<const char*>(sizes), sizeof sizes);
  buf_.append(label);
  if (buf_.size() + value.size() > 4096) {
    h_.update(buf_);
    buf_.clear();
    h_.update(value);
  } else {
    buf_.append(value);
  }
}
void KeyHasher::field(std::string_view label, uint64_t value) {
  field(label, std::string_view(reinterpret_cast<const char*>(&value), sizeof value));
}
Digest KeyHasher::finish() {
  h_.update(buf_);
  return h_.finish();
}

uint64_t xxh64(const void* data, size_t size, uint64_t seed) { return XXH3_64bits_withSeed(data, size, seed); }
Xxh128 xxh128(const void* data, size_t size) {
  XXH128_hash_t h = XXH3_128bits(data, size);
  return {h.low64, h.high64};
}

}  // namespace cchain

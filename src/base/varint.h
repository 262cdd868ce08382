// Variable-length integers and strings in byte strings (LEB128), for formats read from files that anybody may have written.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace cchain {

inline void put_varint(std::string* out, uint64_t v) {
  while (v >= 128) {
    *out += static_cast<char>(v | 128);
    v >>= 7;
  }
  *out += static_cast<char>(v);
}
inline void put_string(std::string* out, std::string_view s) {
  put_varint(out, s.size());
  out->append(s);
}

// After the first read that does not fit, ok() is false and everything reads as zero or empty.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : p_(bytes.data()), end_(bytes.data() + bytes.size()) {}
  bool ok() const { return ok_; }
  bool at_end() const { return p_ == end_; }
  size_t left() const { return static_cast<size_t>(end_ - p_); }
  uint8_t byte() {
    if (p_ == end_) return fail();
    return static_cast<uint8_t>(*p_++);
  }
  uint64_t varint() {
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (p_ == end_) return fail();
      uint8_t b = static_cast<uint8_t>(*p_++);
      v |= static_cast<uint64_t>(b & 127) << shift;
      if (b < 128) return v;
    }
    return fail();
  }
  std::string_view string() { return bytes(varint()); }
  std::string_view bytes(uint64_t n) {
    if (n > left()) {
      fail();
      return {};
    }
    std::string_view s(p_, n);
    p_ += n;
    return s;
  }

 private:
  uint8_t fail() {
    ok_ = false;
    p_ = end_;
    return 0;
  }
  const char* p_;
  const char* end_;
  bool ok_ = true;
};

}  // namespace cchain

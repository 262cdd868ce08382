// SPDX-License-Identifier: Apache-2.0
#include "base/compress.h"

#include <zstd.h>

namespace cchain {

bool zstd_compress(std::string_view in, int level, std::string* out) {
  out->resize(ZSTD_compressBound(in.size()));
  size_t n = ZSTD_compress(out->data(), out->size(), in.data(), in.size(), level);
  if (ZSTD_isError(n)) return false;
  out->resize(n);
  return true;
}

bool zstd_decompress(std::string_view in, char* out, size_t size) {
  size_t n = ZSTD_decompress(out, size, in.data(), in.size());
  return !ZSTD_isError(n) && n == size;
}

}  // namespace cchain

// Compression: the only place that knows zstd.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace cchain {
// False if it did not work; `out` is replaced.
bool zstd_compress(std::string_view in, int level, std::string* out);
// Exactly `size` bytes must come out. Memory is bounded by `size`, which the caller has bounded. Writes to `out`.
bool zstd_decompress(std::string_view in, char* out, size_t size);
}  // namespace cchain

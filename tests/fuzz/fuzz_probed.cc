// What is remembered of a compiler in the private folder. First byte: bit 0, the checksum is put right.
// SPDX-License-Identifier: Apache-2.0
#include "fuzz.h"
#include "model/compiler.h"

using namespace cchain;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  CompilerInfo info, again;
  if (!decode_compiler(data[0] & 1 ? fuzz::with_xxh64(bytes) : std::string(bytes), &info)) return 0;
  const std::string kept = encode_compiler(info);
  REQUIRE(decode_compiler(kept, &again) && encode_compiler(again) == kept);
  return 0;
}

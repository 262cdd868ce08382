// A dependency file, which a compiler wrote, or whoever else can write where it stands.
// SPDX-License-Identifier: Apache-2.0
#include "fuzz.h"
#include "model/closure.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<std::string> words;
  if (!cchain::parse_depfile({reinterpret_cast<const char*>(data), size}, &words)) return 0;
  size_t total = 0;
  for (auto& w : words) {
    REQUIRE(!w.empty());
    total += w.size() + 1;
  }
  REQUIRE(total <= size + 1);
  return 0;
}

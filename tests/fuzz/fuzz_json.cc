// The remembered form of a configuration, and JSON itself. First byte: bit 0, a text to be parsed, else the bytes of the remembered form.
// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"
#include "fuzz.h"

using namespace cchain;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  Json value, again;
  JsonError error;
  if (data[0] & 1 ? !json_parse(bytes, &value, &error) : !json_decode(bytes, &value)) return 0;
  const std::string kept = json_encode(value);
  REQUIRE(json_decode(kept, &again) && json_encode(again) == kept);
  return 0;
}

// An entry, from any layer. First byte: bit 0, the checksum is put right.
// SPDX-License-Identifier: Apache-2.0
#include "fuzz.h"
#include "model/entry.h"

using namespace cchain;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  constexpr uint64_t kLimit = 1 << 20;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string text = data[0] & 1 ? fuzz::with_xxh128(bytes) : std::string(bytes);
  const Digest key;
  Entry e;
  std::string decoded;
  if (decode_entry(text, key, kLimit, &e, &decoded) != EntryState::kWhole) return 0;
  uint64_t total = e.stdout_data.size() + e.stderr_data.size();
  for (auto& o : e.outputs) total += o.data.size();
  REQUIRE(decoded.size() <= kLimit && total <= text.size() + decoded.size());
  // What was understood says the same once more.
  const std::string again = encode_entry(e, key, CompressionPolicy{1, data[0] & 2 ? 64u : UINT64_MAX}, "{}");
  std::string more;
  Entry f;
  REQUIRE(decode_entry(again, key, kLimit, &f, &more) == EntryState::kWhole);
  REQUIRE(f.merged == e.merged && f.exit_status == e.exit_status && f.duration_ms == e.duration_ms && f.stream_class == e.stream_class);
  REQUIRE(f.stdout_data == e.stdout_data && f.stderr_data == e.stderr_data && f.outputs.size() == e.outputs.size() && f.meta == "{}");
  for (size_t i = 0; i < e.outputs.size(); i++) REQUIRE(f.outputs[i].role == e.outputs[i].role && f.outputs[i].mode == e.outputs[i].mode && f.outputs[i].data == e.outputs[i].data);
  return 0;
}

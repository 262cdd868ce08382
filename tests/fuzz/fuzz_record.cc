// An inputs record, from any layer. First byte: bit 0, the checksum is put right.
// SPDX-License-Identifier: Apache-2.0
#include "fuzz.h"
#include "model/entry.h"

using namespace cchain;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string text = data[0] & 1 ? fuzz::with_xxh128(bytes) : std::string(bytes);
  const Digest key;
  InputsRecord r, again;
  if (decode_record(text, key, &r) != EntryState::kWhole) return 0;
  REQUIRE(r.sets.size() <= InputsRecord::kMaxSets);
  REQUIRE(decode_record(encode_record(r, key), key, &again) == EntryState::kWhole && again.sets.size() == r.sets.size());
  for (size_t i = 0; i < r.sets.size(); i++) REQUIRE(again.sets[i].streams == r.sets[i].streams && again.sets[i].places == r.sets[i].places);
  return 0;
}

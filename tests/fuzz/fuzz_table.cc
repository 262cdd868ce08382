// A private table of digests and the log that belongs to it, damaged: what is found is what somebody put, and what is put is found.
// First byte: bit 0, checksums of the slots are put right; bit 1, of the log. Then the length of the table, two bytes; table; log.
// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "base/table.h"
#include "fuzz_files.h"

using namespace cchain;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  constexpr uint32_t kMagic = 0x43434a31;
  std::string all(reinterpret_cast<const char*>(data) + 3, size - 3);
  const size_t cut = std::min<size_t>(data[1] | data[2] << 8, all.size());
  std::string table = all.substr(0, cut), log = all.substr(cut);
  if (data[0] & 1)
    for (size_t at = 0; at + 64 <= table.size(); at += 64) {
      uint64_t check = xxh64(table.data() + at, 56, kMagic);
      memcpy(table.data() + at + 56, &check, 8);
    }
  if (data[0] & 2) log = fuzz::with_xxh64(log);
  fuzz::Memory& folder = fuzz::Memory::get();
  folder.clear();
  folder.put("t", table);
  folder.put("t.data", log);
  const std::string path = folder.path() + "/t";
  // Keys that the first slots would have.
  for (size_t slot = 0; slot < 2; slot++) {
    Digest key;
    if (table.size() >= slot * 64 + 16) memcpy(key.b.data(), table.data() + slot * 64, 16);
    Table::Value value{}, got{};
    {
      Table t(path, kMagic, 2);
      if (t.get(key, &value) && slot == 0) REQUIRE(table.size() >= 64);
    }
    BlobLog b(path, kMagic, 2);
    std::string found, again;
    BlobLog::At at;
    if (b.get(key, &found, &at)) REQUIRE(b.read(at, &again) && again == found && (slot || found.size() <= log.size()));
    REQUIRE(b.put(key, "what is remembered", &at) && b.get(key, &found) && found == "what is remembered");
    Table t(path, kMagic, 2);
    value.fill(static_cast<uint8_t>(slot + 7));
    t.put(key, value);
    REQUIRE(t.get(key, &got) && got == value);
  }
  return 0;
}

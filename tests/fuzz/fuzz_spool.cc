// A file of the spool. First byte: bit 0, magic and checksum are put right.
// SPDX-License-Identifier: Apache-2.0
#include "core/spool.h"
#include "fuzz_files.h"

using namespace cchain;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  fuzz::Memory& folder = fuzz::Memory::get();
  folder.clear();
  folder.put("1-1-1", data[0] & 1 ? fuzz::with_xxh128("CCS1" + std::string(bytes)) : std::string(bytes));
  Spool spool(folder.path());
  Spool::Item item;
  Fd lock;
  if (spool.take("1-1-1", &item, &lock)) {
    REQUIRE(lock && item.space <= 3 && item.hex.size() == 64);
    REQUIRE(item.tenant.size() + item.blob.size() + item.bytes.size() <= size);
    spool.remove("1-1-1");
  }
  REQUIRE(spool.list().empty());  // damaged: gone
  return 0;
}

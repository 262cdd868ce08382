// The statistics' files: a journal, totals. First byte: bit 0, it is the totals.
// SPDX-License-Identifier: Apache-2.0
#include "core/stats.h"
#include "fuzz_files.h"

using namespace cchain;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  fuzz::Memory& folder = fuzz::Memory::get();
  folder.clear();
  const bool totals = data[0] & 1;
  folder.put("journal", totals ? std::string_view{} : bytes);
  folder.put("totals", totals ? bytes : std::string_view{});
  std::map<std::string, uint64_t> before, after;
  REQUIRE(stats_read(folder.path(), &before) == 0);
  REQUIRE(stats_append(folder.path(), "", {{"hits", 1}}) == 0);
  REQUIRE(stats_fold(folder.path()) == 0);
  REQUIRE(stats_read(folder.path(), &after) == 0);
  // A generation at the end of all numbers has none behind it.
  REQUIRE(totals ? after["hits"] >= before["hits"] : after["hits"] == before["hits"] + (before["hits"] != UINT64_MAX));
  return 0;
}

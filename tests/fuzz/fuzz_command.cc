// The words of a command, each ended by a NUL; a response file among them holds them all once more. First byte: bit 0, clang.
// SPDX-License-Identifier: Apache-2.0
#include "fuzz_commands.h"

using namespace cchain;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::vector<std::string> argv;
  for (size_t from = 0; from <= text.size();) {
    size_t end = std::min(text.find('\0', from), text.size());
    argv.push_back(text.substr(from, end - from));
    from = end + 1;
  }
  fuzz::command(data[0] & 1 ? Family::kClang : Family::kGcc, argv, text);
  return 0;
}

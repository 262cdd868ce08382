// What a shell reads: a line. First byte: bit 0, clang.
// SPDX-License-Identifier: Apache-2.0
#include "fuzz_commands.h"

using namespace cchain;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string line(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::vector<std::pair<std::string, std::string>> env;
  std::vector<std::string> argv;
  std::string cd, why;
  bool ok = parse_shell_line(line, &env, &cd, &argv, &why);
  REQUIRE(ok ? !argv.empty() : argv.empty() && env.empty() && cd.empty() && !why.empty());
  if (ok) fuzz::command(data[0] & 1 ? Family::kClang : Family::kGcc, argv, line);
  return 0;
}

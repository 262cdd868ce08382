// Feeds each file of the folders named on the command line to the fuzz target, and prefixes of it.
// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdio>

#include "base/fs.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

int main(int argc, char** argv) {
  int files = 0;
  for (int i = 1; i < argc; i++) {
    std::vector<std::string> names;
    cchain::list_dir(argv[i], &names);
    for (auto& name : names) {
      std::string bytes;
      if (cchain::read_file(cchain::path_join(argv[i], name).c_str(), &bytes, 1 << 24) != 0) continue;
      files++;
      for (size_t n : {bytes.size(), bytes.size() / 2, bytes.size() / 3, bytes.size() > 0 ? bytes.size() - 1 : 0})
        LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), n);
    }
  }
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(""), 0);
  printf("%d passed, 0 failed\n", files + 1);
  return 0;
}

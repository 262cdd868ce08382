// base/dynamic.h for the static command: what needs a library is for its twin (cli/twin.h).
// SPDX-License-Identifier: Apache-2.0
#include "base/dynamic.h"

namespace cchain {

const bool kLoadsLibraries = false;

void* load_library(const char*, int, std::string* error) {
  if (error) *error = "this program is static";
  return nullptr;
}

void* library_symbol(void*, const char*) { return nullptr; }

}  // namespace cchain

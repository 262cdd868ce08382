// SPDX-License-Identifier: Apache-2.0
#include "base/dynamic.h"

#include <dlfcn.h>

namespace cchain {

const bool kLoadsLibraries = true;

void* load_library(const char* name, int flags, std::string* error) {
  void* handle = dlopen(name, flags);
  if (!handle && error) {
    const char* e = dlerror();
    *error = e ? e : "dlopen failed";
  }
  return handle;
}

void* library_symbol(void* library, const char* name) { return dlsym(library, name); }

}  // namespace cchain

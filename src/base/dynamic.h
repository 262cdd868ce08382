// Loading libraries at run time: the only place that knows dlopen. A static program has none (src/static/dynamic.cc): there every load fails.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

namespace cchain {
extern const bool kLoadsLibraries;
// dlopen and dlsym; nullptr and the reason in *error, if given.
void* load_library(const char* name, int flags, std::string* error = nullptr);
void* library_symbol(void* library, const char* name);
}  // namespace cchain

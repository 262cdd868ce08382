// Loads cchain-remote.so from beside this library, once for a process.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "cchain_plugin.h"

namespace cchain {
// The absolute path of the plug-in, "" if there is none where it could be. Asked early: a path of this library's may be relative.
std::string find_plugin();
// nullptr, with the reason in *error.
const cc_plugin* load_plugin(const std::string& path, std::string* error);
}

// A compile command in front of which cchain stands.
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace cli {

// Runs the command (or what the cache has of it) and ends as it ends. `argv` is NULL-terminated; argv[0] names the
// compiler or a launcher.
[[noreturn]] void compile(int argc, char** argv);

}  // namespace cli

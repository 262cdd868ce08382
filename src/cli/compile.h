// A compile command in front of which cchain stands.
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace cli {

// Runs the command (or what the cache has of it) and ends as it ends. `argv` is NULL-terminated; argv[0] names the
// compiler or a launcher.
[[noreturn]] void compile(int argc, char** argv);

// The same for a shell line, if it is one compile that can be cached and nothing else; returns if it is for the shell, in the directory it was
// called in. Then nothing has been run but questions to the compiler.
void compile_line(const char* line);

}  // namespace cli

// The subcommands: `cchain stats` and its like.
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace cli {

// True if the word is a subcommand or an option of ours, and no compiler.
bool is_subcommand(const char* word);
// False for those that need none: links, version, help.
bool opens_cache(const char* subcommand);
// argv[0] is the subcommand. Returns the exit status.
int subcommand(int argc, char** argv);
// `cchain` alone.
int usage();

}  // namespace cli

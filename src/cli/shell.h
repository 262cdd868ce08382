// cchain-sh: the shell of a make that nobody wants to edit.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

namespace cli {

// Called as make calls a shell: `cchain-sh FLAGS -c LINE`. A line that is one compile is served from the cache, or run and stored;
// everything else is the real shell's, in our place, with the same arguments: CCHAIN_SHELL, else /bin/sh.
[[noreturn]] void shell(int argc, char** argv);

// What make takes out of a recipe under .ONESHELL before it gives it to a shell that it knows by its name, and it does not know ours:
// blanks and the marks @ - + at the head of each line.
std::string without_marks(const char* recipe);

}  // namespace cli

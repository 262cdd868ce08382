// The command is static, which saves an eighth of a hit, and so can load no library. The same program linked dynamically, cchain-dynamic, stands beside it or in
// ../lib/cchain; it takes over where JSON has to be read that was not read before, where a remote layer has to be asked, and for the subcommands.
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace cli {

// main's own, so that the twin is called by the same name.
void remember_arguments(int argc, char** argv);
// Takes over in our place, in this process. Returns if there is no twin, or if we are it.
void become_twin();
// Whether we are what needs one and has none.
bool lacks_twin();

}  // namespace cli

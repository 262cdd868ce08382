// The `cchain` command: it stands before a compile command, is called by a compiler's name or as a shell, or is asked about itself.
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include <unistd.h>

#include <new>

#include "cli/commands.h"
#include "cli/compile.h"
#include "cli/io.h"
#include "cli/shell.h"
#include "cli/twin.h"

namespace {

bool is_called(const char* word, const char* name) {
  const char* slash = strrchr(word, '/');
  return strcmp(slash ? slash + 1 : word, name) == 0;
}
bool is_cchain(const char* word) { return is_called(word, "cchain"); }

}  // namespace

int main(int argc, char** argv) {
  if (argc < 1) return cli::usage();
  cli::remember_arguments(argc, argv);
  if (is_called(argv[0], "cchain-sh")) cli::shell(argc, argv);
  if (!is_cchain(argv[0])) cli::compile(argc, argv);
  // CC="cchain gcc" and CMAKE_C_COMPILER_LAUNCHER=cchain meet: once is enough.
  while (argc > 1 && is_cchain(argv[1])) argc--, argv++;
  if (argc < 2) return cli::usage();
  if (strcmp(argv[1], "--") == 0) {
    if (argc < 3) return cli::usage();
    cli::compile(argc - 2, argv + 2);
  }
  if (argv[1][0] != '-' && !cli::is_subcommand(argv[1])) cli::compile(argc - 1, argv + 1);
  if (cli::opens_cache(argv[1])) cli::become_twin();
  try {
    return cli::subcommand(argc - 1, argv + 1);
  } catch (const std::bad_alloc&) {
    cli::complain("out of memory");
    return 1;
  }
}

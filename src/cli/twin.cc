// SPDX-License-Identifier: Apache-2.0
#include "cli/twin.h"

#include <unistd.h>

#include <climits>
#include <string>
#include <vector>

#include "cli/process.h"
#include "cli/program.h"

namespace cli {

namespace {
std::vector<char*> g_argv;
}

void remember_arguments(int argc, char** argv) {
  g_argv.assign(argv, argv + argc);
  g_argv.push_back(nullptr);
  take_stand_in();
}

void become_twin() {
#ifdef CCHAIN_STATIC_COMMAND
  if (stands_in()) return;  // a copy of the static command under the twin's name
  char self[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", self, sizeof self);
  if (n <= 0 || n == sizeof self || g_argv.empty()) return;
  std::string dir(self, static_cast<size_t>(n));
  dir.erase(dir.rfind('/') + 1);
  std::string ours = stand_in_for(own_file());
  std::vector<const char*> env = environment_with({ours.c_str()});
  for (const char* where : {"", "../lib/cchain/"}) execve((dir + where + "cchain-dynamic").c_str(), g_argv.data(), const_cast<char* const*>(env.data()));
#endif
}

bool lacks_twin() {
#ifdef CCHAIN_STATIC_COMMAND
  return true;  // whoever asks has tried to become it
#else
  return false;
#endif
}

}  // namespace cli

// SPDX-License-Identifier: Apache-2.0
#include "cli/shell.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <new>
#include <string_view>

#include "cli/compile.h"
#include "cli/io.h"
#include "cli/program.h"

extern char** environ;

namespace cli {

namespace {

std::string_view base(const char* path) {
  const char* slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

// Those that make knows: what it does for them it does not do for us.
bool is_bourne(const char* path) {
  for (std::string_view name : {"sh", "bash", "dash", "ksh", "rksh", "zsh", "ash"})
    if (base(path) == name) return true;
  return false;
}

// The line behind flags that change nothing about one simple command; NULL for every other call.
char** find_line(int argc, char** argv) {
  bool takes_line = false;
  for (int i = 1; i < argc; i++) {
    if (takes_line) return i + 1 == argc ? &argv[i] : nullptr;
    if (strcmp(argv[i], "-o") == 0 && i + 1 < argc) {
      std::string_view option = argv[++i];
      if (option != "pipefail" && option != "errexit" && option != "nounset") return nullptr;
      continue;
    }
    if (argv[i][0] != '-' || !argv[i][1] || argv[i][1 + strspn(argv[i] + 1, "ceu")]) return nullptr;
    takes_line = strchr(argv[i], 'c') != nullptr;
  }
  return nullptr;
}

// bash takes both from the environment before it looks at the line.
bool shell_is_prepared() {
  for (char** e = environ; e && *e; e++)
    if (strncmp(*e, "BASH_ENV=", 9) == 0 || strncmp(*e, "BASH_FUNC_", 10) == 0) return true;
  return false;
}

// A line break that no backslash hides: in a recipe, only .ONESHELL leaves one.
bool has_lines(const char* line) {
  bool escaped = false;
  for (; *line; line++) {
    if (*line == '\n' && !escaped) return true;
    escaped = *line == '\\' && !escaped;
  }
  return false;
}

// make raises MAKELEVEL for what it runs in a recipe; for $(shell …) it is as make itself has got it.
bool in_recipe() {
  const char* ours = getenv("MAKELEVEL");
  if (!ours) return false;
  const std::string path = "/proc/" + std::to_string(getppid()) + "/environ";
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return true;
  std::string text(1, '\0');
  char buffer[8192];
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<size_t>(n));
  close(fd);
  constexpr std::string_view kName("\0MAKELEVEL=", 11);
  size_t at = text.find(kName);
  return at == std::string::npos || strcmp(text.c_str() + at + kName.size(), ours) != 0;
}

}  // namespace

std::string without_marks(const char* recipe) {
  std::string out;
  while (*recipe) {
    recipe += strspn(recipe, " \t@-+");
    for (bool escaped = false; *recipe;) {
      char c = *recipe++;
      out += c;
      if (c == '\n' && !escaped) break;
      escaped = c == '\\' && !escaped;
    }
  }
  return out;
}

void shell(int argc, char** argv) {
  const char* real = getenv("CCHAIN_SHELL");
  std::string stripped;
  try {
    // One that is ourselves would call us for ever.
    if (!real || !*real || find_program(real, getenv("PATH"), own_file(), Guard(nullptr, 0, 0)).other) real = "/bin/sh";
    char** line = find_line(argc, argv);
    if (line && is_bourne(real)) {
      if (has_lines(*line)) {
        if (in_recipe()) {
          stripped = without_marks(*line);
          *line = stripped.data();
        }
      } else if (strstr(*line, "-c") && !shell_is_prepared()) {
        compile_line(*line);
      }
    }
  } catch (const std::bad_alloc&) {
    // What memory is left goes to the shell.
  }
  argv[0] = const_cast<char*>(real);
  execvp(real, argv);
  const int error = errno;
  complain(real, ": ", strerror(error));
  _exit(error == ENOENT ? 127 : 126);
}

}  // namespace cli

// Which program a compiler's name means, when cchain itself may stand on PATH under that name.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdint.h>

#include <string>
#include <string_view>

namespace cli {

// A file behind all links.
struct FileKey {
  uint64_t dev = 0, ino = 0;
  bool operator==(const FileKey& o) const { return dev == o.dev && ino == o.ino; }
};

// The programs that cchain has already started on the way to this process, handed down in CCHAIN_ACTIVE.
//
// Another launcher may look for its compiler on PATH and find our link there, we find the launcher's, and so on for
// ever: a program that we have started before is therefore passed over. But a build under `cchain make`, or a linker
// script that calls gcc again by its name, must find the same compiler as ever. So it is passed over only
// - inside a compile ("c"), where nothing but launchers calls a compiler again, and where nothing is cached anew, or
// - where the program that we became by exec ("x<pid>") is this very process or its parent, or
// - the third time.
// The value is "c" or "x<pid>", then ",<dev>.<ino>" in hexadecimal for each program.
class Guard {
 public:
  static constexpr const char* kVariable = "CCHAIN_ACTIVE";
  enum Mode { kExec, kCompile };

  // `value` as found in the environment or NULL; a value of no such form is taken as none.
  explicit Guard(const char* value, int64_t pid, int64_t parent);

  bool in_compile() const { return in_compile_; }
  int count(FileKey file) const;
  bool passes_over(FileKey file) const;
  // "CCHAIN_ACTIVE=…" for a program about to be started by `self`.
  std::string extended(Mode mode, int64_t pid, FileKey self, FileKey program) const;

 private:
  std::string_view list_;  // ",<dev>.<ino>" each
  bool in_compile_ = false;
  bool direct_ = false;
};

struct Program {
  std::string path;  // what to exec; empty if there is none
  FileKey key;
  bool other = false;  // not the first of this name on PATH: argv[0] must say so, or gcc and clang would look up the
                       // first for themselves
  int error = 0;       // why there is none
};

// This program's own file: links to it are ourselves. Costs one stat. Of one that stands in for another (twin.h), that one's.
FileKey own_file();
// "CCHAIN_TWIN_OF=…" for the program that takes over in this process.
std::string stand_in_for(FileKey self);
// What that program does first.
void take_stand_in();
// Whether it is one.
bool stands_in();

// As execvp would find it, but never ourselves and nothing that the guard passes over while there is another. A name
// with a slash is taken as it is, unless it leads to ourselves: then its last part is looked for on PATH.
Program find_program(const char* name, const char* path_variable, FileKey self, const Guard& guard);

}  // namespace cli

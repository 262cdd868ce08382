// What is known of precompiled headers in this account, by their bytes: what each was made of.
//
// gcc never makes the same one twice, and who uses one reads more than its bytes: both compilers look at some of the texts again, and clang refuses one whose texts
// have other times than when it was made. Only a header that was made or delivered through the cache is known. See DESIGN.md, "Precompiled headers".
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/looker.h"
#include "model/relocate.h"

namespace cchain {

struct Precompiled {
  struct File {
    std::string dir, name;  // as the compiler spelled it
    Digest digest;
    uint64_t size = 0;
    int64_t mtime_s = 0;
  };
  Digest made_of;      // the command and the texts, without their times
  bool timed = false;  // who uses it finds it broken if a text has another time
  std::string cwd;     // where it was made
  std::vector<File> files;

  // A file of it, or its folder, as one spells it who works in `cwd`.
  std::string folder_in(std::string_view cwd, const File& f) const;
};

// From the set of places that it was made of, as it is in this epoch: those that a compile which ended just now read, or that a hit was found by.
// `base`: the key of the command. `bytes`: SHA-256 of the precompiled header. `relocation`: of a relocated compile.
void remember_precompiled(Looker* looker, Table* memo, const Digest& bytes, const Digest& base, std::string_view set_bytes, std::string_view cwd, uint64_t epoch, const Relocation* relocation);
bool find_precompiled(Looker* looker, const Digest& bytes, Precompiled* what);
// Of one that is timed: the first of its texts whose time or size is another now, or "".
std::string moved_text(Looker* looker, const Precompiled& p, uint64_t epoch);

}  // namespace cchain

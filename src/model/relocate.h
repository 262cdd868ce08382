// Checkouts in different folders that share results ("base_dirs").
//
// A path under a base folder is *folded*: written without saying where that folder is. Folded paths are in keys, sets of places and stored dependency files and
// diagnostics, so that all checkouts have the same ones; they are unfolded for the checkout at hand. The compile itself is told, by prefix maps, to write a
// fixed name in place of each base. Whatever no map reaches keeps a command, a file or a result apart: DESIGN.md, "Relocatable results".
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/table.h"
#include "model/command.h"
#include "model/looker.h"

namespace cchain {

// The base folders of one checkout, in an order that all checkouts have.
class Bases {
 public:
  static constexpr size_t kMost = 8;

  // Adds an absolute path without a slash at its end. "" or why it can be none: then nothing was added.
  std::string add(std::string dir);
  bool empty() const { return dirs_.empty(); }
  const std::vector<std::string>& dirs() const { return dirs_; }
  // What stands for base `i` in debug information and __FILE__.
  static std::string name(size_t i) { return "/cchain-base-" + std::to_string(i); }

  // A prefix map compares letters: to it a path beside a base, such as /a/bc beside /a/b, lies in it.
  enum class Where { kElsewhere, kUnder, kBeside };
  Where where(std::string_view path) const;
  // NUL, the base's digit and the rest of a path under a base; any other path as it is.
  std::string fold(std::string_view path) const;
  std::string unfold(std::string_view path) const;

  // Whether the path of a base stands anywhere in it.
  bool in(std::string_view text) const;
  // The same for bytes among which longer paths and other words are expected: only what could be the beginning of a path.
  bool begins_path_in(std::string_view bytes) const;
  // Of text that was made of paths (a dependency file, diagnostics). False if it is not certain that each place is the beginning of a path.
  bool fold_text(std::string_view text, std::string* out) const;
  std::string unfold_text(std::string_view text) const;

  // The paths themselves, for a key that is to be of this checkout only.
  void add_to(KeyHasher* h) const;

 private:
  std::vector<std::string> dirs_;
};

// gcc must not exchange names of system headers for shorter ones.
inline constexpr const char* kAsSpelled = "-fno-canonical-system-headers";

// How one compile is relocated.
struct Relocation {
  const Bases* bases;
  Family family;
  bool checksums = false;   // the object may tell of the bytes of files (clang's debug information): of folded ones it must not
  bool as_spelled = false;  // gcc must not exchange names of system headers for shorter ones: which is the shorter depends on the folder
  std::vector<std::string> maps;  // the words that the compile gets
};

// Whether anything of the command, or of where it runs, lies under a base.
bool is_under_base(const Command& c, const Bases& bases, std::string_view cwd, std::string_view pwd);
// Why results of the command can't be shared between checkouts: a word that carries a base where no map reaches it, or an option that hides what it carries.
// "" if they can; then *r is complete.
std::string relocate(const Command& c, const Bases& bases, std::string_view cwd, std::string_view pwd, const std::vector<std::string>& key_env, Relocation* r);
// `c.key_args` with folded paths, and `c.dep_target`.
std::vector<std::string> folded_args(const Command& c, const Bases& bases);
std::string folded_target(const Command& c, const Bases& bases);

// The text of a source with its base paths folded where they are the operands of #include, #line and line markers.
enum class Folding { kNone, kFolded, kApart };  // there are none; *out is the text; one stands elsewhere
Folding fold_source(std::string_view text, const Bases& bases, std::string* out);
// What stands for a file in the result key: its digest where no base is in it, that of the folded text, or one that holds the bases. 0 or errno.
int relocated_digest(Table* memo, Looker::Node* n, const Digest& plain, const Relocation& r, Digest* out, Folding* folding);

// A dependency file for the store, and back, its lines broken where the compiler would break them.
bool fold_depfile(std::string_view text, Family family, const Bases& bases, std::string* out);
std::string unfold_depfile(std::string_view stored, const Bases& bases);

}  // namespace cchain

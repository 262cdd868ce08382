// A set of places: where one compile (or probe) looked, what was there and what was not.
//
// It says where to look, never what is to be found: the key that evaluate() gives is computed from what stands there now. So a set
// from anywhere, however forged, can only cause a miss. Paths are as the compiler spelled them; relative ones belong to a working directory.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/table.h"
#include "model/looker.h"
#include "model/relocate.h"

namespace cchain {

enum class PlaceKind : uint8_t {
  kInput = 0,    // a regular file, its digest is in the key
  kExists = 1,   // a regular file; that it is there is in the key
  kNames = 2,    // a directory, the digest of its sorted names is in the key
  kWhich = 3,    // a directory or file, its device and inode are in the key (private sets only)
  kSame = 4,     // another name of the last kInput before it, and must be
  kPrecompiled = 5,  // a precompiled header; what it was made of is in the key
};

struct PlaceSet {
  static constexpr uint32_t kGch = 1;    // for each name, found or not, NAME.gch is not there either
  static constexpr uint32_t kTimes = 2;  // sizes and times of files (in seconds) are in the key too: clang writes them into precompiled headers
  uint32_t flags = 0;
  struct File {
    uint32_t dir;
    PlaceKind kind;
    bool plain;  // no .gch is looked for beside it (the source, a program)
    std::string_view name;
  };
  struct Range {  // `name` is absent in the directories [first, last)
    uint32_t name, first, last;
  };
  std::vector<std::string_view> dirs;
  std::vector<File> files;
  std::vector<std::string_view> names;
  std::vector<Range> ranges;

  // False if the bytes are no set. The views point into `bytes`.
  bool decode(std::string_view bytes);
};

// Collects places and encodes them canonically (the same places in the same order give the same bytes).
class PlaceSetBuilder {
 public:
  uint32_t flags = 0;
  const Bases* bases = nullptr;  // directories under one are folded
  // The search chain first: its directories get the numbers 0… in this order.
  uint32_t dir(std::string_view path);
  void file(std::string_view dir_path, std::string_view name, PlaceKind kind, bool plain);
  // Another name of the file that was just given.
  void same(std::string_view dir_path, std::string_view name);
  void absent(uint32_t first_dir, uint32_t last_dir, std::string_view name);
  std::string encode() const;

 private:
  struct File {
    uint32_t dir;
    PlaceKind kind;
    bool plain;
    std::string name;
    auto operator<=>(const File&) const = default;
  };
  std::vector<std::string> dirs_;
  std::map<std::string, uint32_t, std::less<>> dir_index_;
  std::vector<File> files_;
  std::map<std::pair<uint32_t, std::string>, size_t> file_index_;
  std::vector<std::string> names_;
  std::map<std::string, uint32_t, std::less<>> name_index_;
  std::vector<PlaceSet::Range> ranges_;
};

// A file that was looked at, and which of its versions.
struct Seen {
  Looker::Node* node;
  uint32_t version;
};

struct Evaluation {
  bool matched = false;  // everything that should be there is, nothing that should not
  Digest key;
  bool folded = false;   // of a relocated compile: a file is in the key by another digest than that of its bytes
  std::string apart;     // such a file that keeps it apart from other checkouts, if that was found out now
  std::string why;       // if not matched: the first place that differs
};

// `base` is what the key builds upon (an invocation key, a probe key). `memo` remembers keys by the identities of all places: see DESIGN.md. `used`, if given,
// receives every file that was looked at. `relocation`: of a relocated compile.
Evaluation evaluate(Looker& looker, Table& memo, const Digest& base, std::string_view set_bytes, std::string_view cwd, uint64_t epoch,
                    std::vector<Seen>* used = nullptr, const Relocation* relocation = nullptr);

// The files of the set that are in its key by their folded texts. 0 or errno.
int folded_files(Looker& looker, Table& memo, std::string_view set_bytes, std::string_view cwd, uint64_t epoch, const Relocation& relocation, std::vector<std::string>* paths);

}  // namespace cchain

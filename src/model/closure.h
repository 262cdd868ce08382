// What a compile could read, found before it begins: the source, and every file that an include directive in any of them, live or dead, leads to
// on the compiler's search path, with the names that are looked for in vain.
//
// The state of all of it is known before the compile begins; afterwards finish() looks again, takes what the compile's dependency file says was
// read (all, without one), and gives the set of places that the result depends on. See DESIGN.md, "Inputs".
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/watch.h"
#include "model/command.h"
#include "model/compiler.h"
#include "model/looker.h"
#include "model/places.h"

namespace cchain {

// The prerequisites of the first rule of a dependency file, unescaped. False if it is none.
bool parse_depfile(std::string_view text, std::vector<std::string>* prerequisites);

class Closure {
 public:
  Closure(Looker* looker, Table* memo, BlobLog* precompiled) : looker_(looker), memo_(memo), precompiled_texts_(precompiled) {}

  // Before the compile. False: refused() says why its inputs can't be known. `described`: of a compiler that the configuration describes, who may define macros
  // that no text shows.
  bool explore(const Command& command, const CompilerInfo& compiler, const std::string& cwd, uint64_t epoch, bool described = false);
  const std::string& refused() const { return refused_; }
  // An inline assembler template that can't be judged by its text: the assembler's own dependency file is needed.
  bool asm_doubt() const { return asm_doubt_; }
  // Whether any text of it spells .include or .incbin, or may.
  bool assembler_may_read() const;

  struct Evidence {
    const std::vector<std::string>* read = nullptr;  // prerequisites; nullptr: not known, then everything counts as read
    bool read_is_complete = false;                   // false: -MMD, system headers are missing from it
    bool assembler_read_nothing = false;             // the assembler's dependency file says so
    bool source_date_epoch = false;                  // the variable is set (and in the key)
    bool system_dirs_by_variable = false;            // C_INCLUDE_PATH or the like is set
    bool as_spelled = false;                         // the compile had gcc exchange no names of headers
    const Bases* bases = nullptr;                    // of a relocated compile: paths of the set are folded
  };
  // After the compile. False: not to be stored, refused() says why.
  bool finish(const Evidence& evidence, uint64_t epoch, std::string* set_bytes);
  // Refused for a reason that holds in every mode: a precompiled header, an input that is no regular file (and must not be opened).
  bool fatal() const { return fatal_; }
  // Whether no directory or link on the way to any of it has changed since explore(): what came and went meanwhile shows there only. `outputs`: absolute; the
  // compile itself changes their folders.
  bool ways_unchanged(const std::vector<std::string>& outputs);
  // Just before the compile: folders that are likely to change under it, other than those of `outputs`, are watched for the names that come and go.
  void watch(const std::vector<std::string>& outputs);
  // Whether its texts may look for a file by what __FILE__ stands for, which prefix maps change. In doubt they may.
  bool looks_by_file_name() const;
  // Whether gcc takes a precompiled header for the first -include, if it fits.
  bool takes_precompiled() const { return !precompiled_.empty(); }
  // Whether gcc may name by where links lead what stands in a user's folder: what is included beside a header that calls itself one of the system.
  bool has_system_pragma() const;
  // What the command was that the closure was explored for, of a file that it holds: its identity then. False if it does not hold it.
  bool known(const FileId& now) const;
  // Text that can't be judged, for the mode that does not look at it otherwise: dates in the files or the command.
  bool has_date(const std::vector<std::string>& paths, bool source_date_epoch, uint64_t epoch);

 private:
  struct File {
    std::string dir, name;  // as spelled
    Looker::Node* node;
    Looker::Look look;
    int64_t looked_ns;
    Digest digest;
    std::shared_ptr<const ScanResult> scan;
    std::vector<size_t> lookups;
    std::vector<std::string> listed_as;
    std::vector<const File*> twins;  // the same file by other names
    std::vector<std::pair<std::string, bool>> macros;  // of #include NAME; true: #include_next
    std::vector<std::string> guards;                   // of each #include that can't be told: macros without any of which its branch is dead
    std::string macro_doubt;                           // why such a one can't be told
    bool plain = false, own = false, read = false;
  };
  struct Way {
    FileId id;
    bool watched, link, tested = false;  // tested: by an existence test, which no dependency file of gcc shows
  };
  struct Absent {
    std::string dir;
    Looker::Node* node;
    std::string name;
  };
  struct Exists {
    std::string dir, name;
    FileId id;
  };
  struct Lookup {
    bool test = false;
    std::vector<uint32_t> chain_absent;  // positions in the chain where the name itself is absent
    std::string chain_name;
    std::vector<Absent> absent;          // elsewhere
    std::vector<Exists> exists;          // what an existence test found
    std::vector<size_t> files;           // what an include found
  };

  bool refuse(std::string why) {
    refused_ = std::move(why);
    return false;
  }
  std::string absolute(std::string_view path) const { return path.empty() ? cwd_ : path_join(cwd_, path); }
  int add_file(const std::string& dir, const std::string& name, bool plain, bool own);
  bool resolve(const ScanOperand& op, const std::string& includer_dir, size_t* lookup);
  // Whether gcc takes a precompiled header for the name in that folder; refuses if it can't be told, or may not be there.
  bool precompiled(Looker::Node* dir, const std::string& dir_path, const std::string& name);
  // -1: refused; 0: absent (recorded); 1: a regular file.
  int candidate(const std::string& dir, int chain, const std::string& name, Lookup* l);
  bool scan_file(size_t i);
  // Under gcc's -fmodule-mapper: that no #include is taken for the import of a header unit.
  bool check_module_map();
  bool check_flags(const File& f, const Evidence& e, bool early);
  bool check_flags(uint32_t flags, const std::string& where, bool own, const Evidence& e, bool early);
  bool explore_files(const Command& command, const CompilerInfo& compiler, const std::string& cwd, uint64_t epoch);
  // What any file or the command defines the macros of #include NAME to, as further look-ups of the files that include them.
  bool resolve_macros();
  // Whether the file defines the macro; remembered by content. `text`: of the file, or empty until it is needed. False: refused.
  bool defines(const File& f, const std::string& name, bool* yes, std::string* text, bool first = false);
  bool check_guards();
  // Whether gcc may name the file by where links lead, as it does system headers.
  bool may_be_renamed(const File& f, bool system_pragma) const;
  // Where links on the way to a file lead, if it is by another name. `real_dirs`: of the folders that were noted.
  void note_real_name(File* f, std::map<std::string, std::string>* real_dirs);
  bool text_of(const File& f, std::string* text);
  bool check_aliases();
  bool check_precompiled(uint64_t epoch);
  bool check_twins();
  bool check_pieces(const Evidence& e);
  using Pieces = std::map<std::string, std::vector<const ScanPiece*>>;  // of a word
  static void note(Pieces* pieces, const std::vector<ScanPiece>& more);
  bool find_pasted(const Pieces& pieces, const std::vector<const char*>& names, const char** found);
  bool has_no_system_headers() const;
  bool find_macros(std::map<std::string, bool>* names);
  bool pragma_doubt() const;
  bool exists_still(const Exists& x);
  bool explained(const std::string& dir, const FileId& before, const FileId& now, const std::vector<std::string>& outputs);
  // Whether all that came and went in a watched folder has a name that was never looked for.
  bool others_only(const std::string& dir);
  void note_way(const std::string& path, bool watched);
  void note_ways();

  Looker* looker_;
  Table* memo_;
  BlobLog* precompiled_texts_;
  const Command* command_ = nullptr;
  std::string cwd_;
  uint64_t epoch_ = 0;
  std::string refused_;
  bool asm_doubt_ = false, gch_ = false, fatal_ = false, takes_precompiled_ = false;
  ScanResult defines_;  // of the command's -D options
  bool unseen_defines_ = false;  // a specs file or the like may define macros
  std::string defines_text_;
  struct Macro {
    std::vector<ScanOperand> operands;
    std::vector<std::string> others;
    std::string doubt;
    size_t files_seen = 0;
    bool command_seen = false;
  };
  std::map<std::string, Macro> macros_;
  std::map<std::string, Way> ways_;
  Watch watch_;
  std::vector<std::string> chain_;
  std::vector<bool> chain_own_, chain_system_;  // of the compiler's own; those for system headers
  size_t quote_count_ = 0;
  std::vector<Looker::Node*> chain_nodes_;
  std::vector<File> files_;
  std::map<std::string, size_t> file_index_;
  std::vector<Lookup> lookups_;
  std::map<std::string, size_t> lookup_index_;
  bool may_be_precompiled_ = false;  // while the first -include is looked for
  std::string precompiled_;          // as spelled: what gcc takes for it
  size_t precompiled_header_ = 0;
  Looker::Node* precompiled_node_ = nullptr;
  FileId precompiled_id_;
  std::vector<size_t> forced_;  // look-ups that belong to the command itself
};

}  // namespace cchain

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
#include "model/precompiled.h"

namespace cchain {

// The prerequisites of the first rule of a dependency file, unescaped. False if it is none.
bool parse_depfile(std::string_view text, std::vector<std::string>* prerequisites);

class Closure {
 public:
  Closure(Looker* looker, Table* memo) : looker_(looker), memo_(memo) {}

  // Before the compile. False: refused() says why its inputs can't be known. `described`: of a compiler that the configuration describes, who may define macros
  // that no text shows.
  bool explore(const Command& command, const CompilerInfo& compiler, const std::string& cwd, uint64_t epoch, bool described = false);
  const std::string& refused() const { return refused_; }
  // An inline assembler template that can't be judged by its text: the assembler's own dependency file is needed.
  bool asm_doubt() const { return asm_doubt_; }
  // Whether any text of it spells .include or .incbin, or may.
  bool assembler_may_read() const;
  bool assembler_is_silent() const;

  struct Evidence {
    const std::vector<std::string>* read = nullptr;  // prerequisites; nullptr: not known, then everything counts as read
    bool read_is_complete = false;                   // false: -MMD, system headers are missing from it
    bool assembler_read_nothing = false;             // the assembler's dependency file says so
    bool source_date_epoch = false;                  // the variable is set (and in the key)
    bool system_dirs_by_variable = false;            // C_INCLUDE_PATH or the like is set
    bool as_spelled = false;                         // the compile had gcc exchange no names of headers
    bool shows_lines = false;                        // it said something: gcc reads the files that #line names for it
    const std::vector<std::string>* outputs = nullptr;  // ways_unchanged() said so of these
    const Bases* bases = nullptr;                    // of a relocated compile: paths of the set are folded
  };
  // After the compile. False: not to be stored, refused() says why.
  bool finish(const Evidence& evidence, uint64_t epoch, std::string* set_bytes);
  // Refused for a reason that holds in every mode: a precompiled header, an input that is no regular file (and must not be opened).
  bool fatal() const { return fatal_; }
  // Whether no directory or link on the way to any of it has changed since explore(): what came and went meanwhile shows there only. `outputs`: absolute; the
  // compile itself changes their folders. `shows_lines`: as in Evidence.
  bool ways_unchanged(const std::vector<std::string>& outputs, bool shows_lines);
  // Just before the compile: folders that are likely to change under it, other than those of `outputs`, are watched for the names that come and go.
  void watch(const std::vector<std::string>& outputs);
  // Whether its texts may look for a file by what __FILE__ stands for, which prefix maps change. In doubt they may.
  bool looks_by_file_name() const;
  // Whether the compiler takes a precompiled header, if it fits: what is read of that is in no preprocessed source.
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
    std::vector<const ScanOperand*> guarded;           // each #include of what macros make (kGuarded)
    std::string macro_doubt;                           // why such a one can't be told
    std::vector<size_t> shown;                         // what its #lines name
    bool plain = false, own = false, read = false;
  };
  struct Way {
    FileId id;
    bool watched, link, tested = false;  // tested: by an existence test, which no dependency file of gcc shows
  };
  using Ways = std::map<std::string, Way>;
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

  // A file that #line names. gcc shows its lines in diagnostics, looked for from the working directory; it is in no dependency file, and not scanned.
  struct Shown {
    std::string name;
    Looker::Node* node = nullptr;  // nullptr: it is absent
    Looker::Look look;
    int64_t looked_ns = 0;
    Digest digest;
    Lookup absent;
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
  bool descend(Looker::Node** node, std::string* watched, std::string* rest);
  bool beside_precompiled(const Looker::Node* n) const;
  // -1: refused; 0: absent (recorded); 1: a regular file.
  int candidate(const std::string& dir, int chain, const std::string& name, Lookup* l);
  bool scan_file(size_t i);
  ScanAs scan_as(bool source) const;
  // Under gcc's -fmodule-mapper: that no #include is taken for the import of a header unit.
  bool check_module_map();
  bool check_flags(const File& f, const Evidence& e, bool early);
  bool check_flags(uint32_t flags, const std::string& where, bool own, const Evidence& e, bool early);
  bool explore_files(const Command& command, const CompilerInfo& compiler, const std::string& cwd, uint64_t epoch);
  // What any file or the command defines the macros of #include NAME to, as further look-ups of the files that include them.
  bool resolve_macros();
  // Whether the file defines the macro; remembered by content. `text`: of the file, or empty until it is needed. False: refused.
  bool defines(const File& f, const std::string& name, bool* yes, std::string* text, bool first = false);
  // Which #includes of what macros make are alive; refuses those that cover_computed() can't cover.
  bool check_guards();
  // Look-ups of the names by which live #includes of what macros make could have led to what was read.
  bool cover_computed(const Evidence& e, uint64_t epoch);
  bool cover_computed(const std::string& includer_dir, const std::string& listed, const FileId& id);
  // Whether gcc may name the file by where links lead, as it does system headers.
  bool may_be_renamed(const File& f, bool system_pragma) const;
  // Where links on the way to a file lead, if it is by another name. `real_dirs`: of the folders that were noted.
  void note_real_name(File* f, std::map<std::string, std::string>* real_dirs);
  bool text_of(const File& f, std::string* text);
  // That it is as it was before the compile: `looked_ns` tells when that was looked at.
  bool unchanged(const Looker::Node* node, const Looker::Look& before, int64_t looked_ns, const Digest& digest, uint64_t epoch);
  void note_shown();
  bool add_shown(PlaceSetBuilder* set, uint64_t epoch);
  bool check_aliases();
  // What the precompiled header was made of, as files of the closure.
  bool add_precompiled();
  bool check_precompiled(uint64_t epoch);
  // Which one clang takes: by -include-pch, or beside the first -include.
  bool find_precompiled_of_clang();
  bool check_twins();
  bool check_pieces(const Evidence& e);
  using Pieces = std::map<std::string, std::vector<const ScanPiece*>>;  // of a word
  static void note(Pieces* pieces, const std::vector<ScanPiece>& more);
  bool find_pasted(const Pieces& pieces, const std::vector<const char*>& names, const char** found);
  bool has_no_system_headers() const;
  bool find_macros(std::map<std::string, bool>* names);
  bool pragma_doubt() const;
  bool once_by_macros(bool* yes);
  bool exists_still(const Exists& x);
  bool explained(const std::string& dir, const FileId& before, const FileId& now, const std::vector<std::string>& outputs);
  // Whether all that came and went in a watched folder has a name that was never looked for.
  bool others_only(const std::string& dir);
  void note_way(Ways* ways, const std::string& path, bool watched);
  bool ways_unchanged(const Ways& ways, const std::vector<std::string>& outputs);
  void note_ways();
  void note_computed_ways();
  // Whether it is one whose change ways_unchanged() sees.
  bool is_watched(const std::string& dir) const;

  Looker* looker_;
  Table* memo_;
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
  Ways ways_, shown_ways_;  // those of shown_ apart: they matter only if something is shown
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
  std::string precompiled_;          // as spelled: what the compiler takes for it
  Looker::Node* precompiled_node_ = nullptr;
  FileId precompiled_id_;
  Precompiled made_;
  std::vector<size_t> made_of_;  // its texts among the files
  std::vector<size_t> computed_;         // files with a live #include of what macros make
  std::set<size_t> computed_lookups_;
  std::vector<size_t> forced_;  // look-ups that belong to the command itself
  std::vector<Shown> shown_;
};

}  // namespace cchain

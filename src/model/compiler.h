// Which compiler a command means, what it is, and what only it can tell (search path, programs, what -march=native means).
//
// A compiler is known by a probe: the host runs it with -v once for each set of flags that steer it, then each of its programs under the
// dynamic linker's trace for the libraries that they map. The answer is kept in the private folder with every place it depends on, and is
// good as long as those places are as they were.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/table.h"
#include "model/command.h"
#include "model/looker.h"
#include "model/places.h"

namespace cchain {

struct CompilerInfo {
  Family family = Family::kGcc;
  Digest identity;                        // the same on each machine that has the same compiler
  std::string version, target;
  std::vector<std::string> quote_dirs;    // searched for "x" only
  std::vector<std::string> bracket_dirs;  // searched for both; all as the compiler spells them, in its order
  std::vector<std::string> given_files;   // files that the driver hands to its compiler by itself; clang lists them as dependencies
  std::string notes;                      // warnings that every compile with these flags begins with
  bool own_maps = false;                  // the driver gives its compiler prefix maps that no word of the command asks for
  std::string places;                     // what all this depends on (private: holds inode numbers)
  Digest expected;                        // what evaluating them gives as long as it is true
};

// One environment, as the command will see it.
class Environment {
 public:
  explicit Environment(std::vector<std::string> words) : words_(std::move(words)) {}
  // nullptr if it is not set. The last one set by set() wins, else the first, as getenv does.
  const char* get(std::string_view name) const;
  void set(const std::string& name, const std::string& value);
  const std::vector<std::string>& words() const { return words_; }

 private:
  std::vector<std::string> words_;
};

// Finds `name` as execvp would: "" if there is none. Relative results are joined to cwd.
std::string find_program(const std::string& name, const Environment& env, const std::string& cwd, const FileId* not_this = nullptr);
// By the name of the program, or by the name of what its links lead to.
Family guess_family(const std::string& path, std::string_view called);

enum class ProgramKind { kElfDynamic, kElfStatic, kScript, kOther, kMissing };
ProgramKind program_kind(const std::string& path);

// What is asked of a compiler; equal questions have equal answers as long as its places stand.
struct ProbeQuestion {
  std::string path;       // of the driver, absolute
  std::string called;     // argv[0]
  Family family = Family::kGcc;
  std::string language;   // operand of -x: "c", "c++"
  std::vector<std::string> args;  // probe_args and the search directories
  std::string cwd;
  std::string stated_identity;              // configuration: instead of contents
  std::vector<std::string> extra_files;     // configuration: files of the compiler that nobody else knows of
  std::vector<std::string> extra_env;
  bool allow_script = false;
  bool objcopy = false;                     // the driver runs it (-gsplit-dwarf, which itself would leave a file)
};
Digest probe_key(const ProbeQuestion& q, const Environment& env);

// One probe under way.
class Probe {
 public:
  Probe(ProbeQuestion q, const Environment& env, Looker* looker, Table* memo);
  // The next command to run; false if there is none: finished or refused.
  bool next(std::vector<std::string>* argv, std::vector<std::string>* env);
  // What it printed. False if the answer can't be used: then refused() says why.
  bool done(int exit_status, std::string_view out, std::string_view err);
  const std::string& refused() const { return refused_; }
  std::shared_ptr<CompilerInfo> info() const { return info_; }  // when next() is false and refused() empty
  bool keep() const { return keep_; }                           // nothing it depends on is too young to be kept on disk
  const Digest& key() const { return key_; }

 private:
  bool read_verbose(std::string_view text);
  bool read_trace(std::string_view text);
  bool finish();
  void refuse(std::string why) { refused_ = std::move(why); }

  ProbeQuestion q_;
  Environment env_;
  Looker* looker_;
  Table* memo_;
  Digest key_;
  std::string refused_;
  std::shared_ptr<CompilerInfo> info_, pending_;
  bool keep_ = true, started_ = false;
  int64_t start_ns_ = 0;
  std::vector<std::string> programs_;     // paths, the driver first
  size_t traced_ = 0;
  bool waiting_ = false;
  std::vector<std::string> libraries_;
  std::vector<std::string> files_;        // other inputs: specs, configuration files
  std::vector<std::pair<std::string, std::string>> absent_;  // directory, name
  std::vector<std::string> names_;        // directories whose list of names matters
  std::vector<std::string> which_;        // directories whose inode matters
  std::string defaults_;                  // the words that the driver gave its compiler proper
  std::string install_dir_, proper_;    // where the compiler proper (cc1plus, clang -cc1) is, and itself
};

// Remembers answers, in memory and in the private folder.
class CompilerStore {
 public:
  CompilerStore(std::string state_dir, Looker* looker, Table* memo) : dir_(std::move(state_dir)), looker_(looker), memo_(memo) {}
  // nullptr: not known, or no longer true; then `why`, if given, says what has changed. `used` is as for evaluate().
  std::shared_ptr<const CompilerInfo> get(const Digest& key, const std::string& cwd, uint64_t epoch, std::string* why = nullptr, std::vector<Seen>* used = nullptr);
  void put(const Digest& key, std::shared_ptr<const CompilerInfo> info, bool on_disk);

 private:
  struct Known {
    std::shared_ptr<const CompilerInfo> info;
    uint64_t epoch = 0;
  };
  std::string file(const Digest& key) const { return dir_ + "/probes/" + key.hex(); }
  std::string dir_;
  Looker* looker_;
  Table* memo_;
  std::mutex mutex_;
  std::map<Digest, Known> known_;
};

std::string encode_compiler(const CompilerInfo& info);
bool decode_compiler(std::string_view bytes, CompilerInfo* info);

}  // namespace cchain

// An invocation: one parsed command with what lookups have learnt about it.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/fs.h"
#include "cchain.h"
#include "core/config.h"
#include "core/explain.h"
#include "model/closure.h"
#include "model/command.h"
#include "model/compiler.h"
#include "model/entry.h"
#include "model/relocate.h"

namespace cchain {

// The bytes of a command's outputs, from its host or the files; `why` says what is wrong with them.
struct TakenOutputs {
  std::vector<EntryOutput> outputs;
  std::deque<std::string> hold;  // what the views of outputs that were read lead to
  std::string why;
};

// A hit that is compiled again: the parts of the result as they would have been delivered, in words and by their checksums, and the entry itself.
struct Recheck {
  std::vector<std::pair<std::string, Xxh128>> parts;
  std::string bytes;
  Digest key;
  uint32_t layer = 0;
};

struct Invocation {
  // What was asked.
  uint64_t cache_serial = 0;
  uint32_t flags = 0, columns = 0, stdout_columns = 0;
  std::vector<std::string> argv;
  Launchers launchers;
  std::string cwd;
  Environment env{{}};
  std::vector<std::pair<std::string, std::string>> line_env;  // what a shell line sets in front of its command, PWD by its `cd` too
  bool from_key = false;
  bool only_known = false;  // a prefetcher's copy: no probe is begun for it
  bool announced = false;   // by cc_prefetch: its compiler may be asked about before it is looked up
  Digest host_key;
  std::vector<CommandOutput> declared;
  std::vector<uint32_t> declared_flags;

  // What was understood.
  Command command;
  std::string uncacheable;
  std::vector<std::vector<std::string>> parts;      // of a command with several sources: the words of one for each
  std::vector<std::vector<const char*>> parts_c;    // the same, for the ABI
  std::string compiler_path;
  ProbeQuestion question;
  Digest probe;
  std::string stream_class;
  std::vector<std::pair<std::string, Digest>> response_files;  // as they were when the command was parsed
  std::string pwd;                   // how the compiler calls the working directory: $PWD where that leads there, else by its real path
  std::vector<std::string> key_env;  // NAME=value of all variables that are in the key
  std::optional<Relocation> relocation;  // results are shared between checkouts
  std::string not_relocated;             // why they are not, of a command that has to do with a base folder

  // What lookups learnt.
  std::string tenant;
  std::shared_ptr<const CompilerInfo> compiler;
  std::unique_ptr<Probe> probe_run;
  std::string compiler_changed;    // why what was known of the compiler is no longer true
  Digest base_key, invocation_key, source_digest;
  bool keys_known = false;
  std::unique_ptr<Closure> closure;
  std::string direct_refused;      // why the direct mode can't answer for it
  std::string direct_missed;       // why it had no hit
  bool missed = false;             // a lookup has missed: it may be stored
  bool maps_asked = false;         // of a relocated one: the host was given the compile with the prefix maps
  bool maps_withheld = false;      // or without them, for they might change what it reads: a result of this checkout only
  bool as_spelled = false;         // and it was told to exchange no names of headers
  std::string miss_reason;         // as it was counted; empty: it was not
  int64_t missed_ns = 0;
  bool explained = false;          // that it can't be cached is on record
  bool recheck = false;            // a hit of this lookup is to be compiled again
  std::unique_ptr<Recheck> to_recheck;
  std::string undelivered;         // why a hit was none after all: there is nothing to store
  uint32_t next_task = CC_TASK_NONE;
  // Preprocess mode.
  bool preprocessed = false;
  Digest preprocessed_key, preprocessed_streams_key;
  int64_t preprocess_start_ns = 0;
  struct Seen {
    std::string path;
    FileId id;
    bool system;
  };
  std::vector<Seen> preprocess_files;
  std::string preprocess_refused;

  // What was handed out.
  std::vector<std::string> task_argv, task_env;
  std::vector<const char*> task_argv_c, task_env_c;
  std::string task_cwd;
  Fd deps_fd, asm_deps_fd;  // what the compile task is to write besides, in memory
  std::vector<cc_output> outputs_c;
  std::unique_ptr<TakenOutputs> taken;  // by a store that is still to come

  // clang's dependency files name what was tested for or left out, of which its preprocessed text shows nothing.
  bool shows_more_than_text() const { return command.family == Family::kClang && command.deps != Command::kNone; }
  const Relocation* relocated() const { return relocation ? &*relocation : nullptr; }
  const Bases* bases() const { return relocation ? relocation->bases : nullptr; }
  void close_temporaries() { deps_fd.reset(), asm_deps_fd.reset(); }
};

// Where names of compilers led to within one epoch of a session. Any thread.
class FoundPrograms {
 public:
  // As find_program; in an epoch other than 0 each name is looked for once.
  std::string find(const std::string& name, const Environment& env, const std::string& cwd, uint64_t epoch);
  void forget();

 private:
  std::mutex mutex_;
  uint64_t epoch_ = 0, turn_ = 0;
  std::map<std::string, std::string> found_;  // in epoch_ and since the last forget(), the turn_
};

// Fills an invocation from words. Never fails: what is not understood is `uncacheable`.
void parse_invocation(const Config& config, std::vector<std::string> argv, Invocation* inv, FoundPrograms* programs, uint64_t epoch);
// The fields that are in the key of every mode; the source's digest is not among them.
Digest base_key(const Invocation& inv, const std::string& tenant);
// The same for people, and what else they want to know of the compiler; empty before the compiler is known. Values of variables that might be secrets are digests.
std::vector<ExplainField> labelled_fields(const Invocation& inv, const std::string& tenant);
// Leaves the invocation relocated only if all that lookups learnt of the compiler allows it.
void check_relocation(Invocation* inv);
// `argv` of the command with `extra` words right behind the compiler.
std::vector<std::string> command_with(const Invocation& inv, const std::vector<std::string>& extra);
// The words that print the preprocessed source.
std::vector<std::string> preprocess_command(const Invocation& inv);

}  // namespace cchain

// A compile command, understood: what of it is in the key, what it reads and what it writes.
//
// Nothing falls out of the key: a word is either classified by the option tables, or the command is refused with the word as reason.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cchain {

enum class Family { kGcc, kClang };
enum class Language { kC, kCxx, kObjC, kObjCxx, kAsm, kAsmCpp, kCPreprocessed, kCxxPreprocessed };

struct SearchDir {
  enum Kind { kQuote, kBracket, kSystem, kAfter };  // -iquote, -I, -isystem, -idirafter
  Kind kind;
  std::string path;  // as spelled; `=` and $SYSROOT prefixes are refused by the tables
};

struct CommandOutput {
  std::string role;  // "object", "depfile", …
  std::string path;  // as spelled or as the compiler derives it
  bool optional = false;  // the compiler may leave none
};

// What the words in front of the compiler are.
struct Launchers {
  size_t compiler_index = 0;                               // argv index of the compiler
  std::vector<std::pair<std::string, std::string>> env;    // NAME=value set by `env` (or a shell) in front
  std::vector<std::string> words;                          // the launchers skipped (ccache, sccache, distcc, …)
  std::string refused;                                     // non-empty: not understood, why
};

struct Command {
  std::string uncacheable;  // empty: fine. Else the reason, which names the word: "unknown option -fooled"

  Family family = Family::kGcc;
  Language language = Language::kC;
  bool language_explicit = false;   // by -x
  std::string source;               // as spelled
  std::string output;               // -o, or the derived default, as spelled
  std::vector<CommandOutput> outputs;  // object (or assembly) first, then depfile if one was asked for, then what options leave beside it

  // Words that are in the key, in their order, with joined and separate forms kept as spelled. Not among them: the compiler,
  // the source, -o and its operand, the names of the dependency file and whatever steers the dependency file only (below).
  std::vector<std::string> key_args;
  // Words that steer the probe: all of key_args that can change the search path, the programs that run or what they are
  // told by default (-m*, --sysroot, -B, -std, -stdlib, -nostdinc, -f…, -O…, -g…, -pthread, -specs, -target, -x). Not: -D -U -I -iquote
  // -isystem -idirafter -include -imacros -W*.
  std::vector<std::string> probe_args;

  std::vector<SearchDir> search_dirs;     // in their order
  std::vector<std::string> includes;      // -include, in order
  std::vector<std::string> imacros;       // -imacros, in order
  std::vector<std::string> input_files;   // other files whose contents are inputs (-fsanitize-ignorelist=f, …), as spelled
  bool makes_precompiled = false;         // a precompiled header
  bool untimed = false;                   // of clang: one without the times of its texts
  std::string precompiled;                // of clang: -include-pch
  std::vector<std::string> cc1_includes;  // of clang: -Xclang -include, beside which no precompiled header is looked for
  std::string module_mapper;              // of gcc: the file that says where modules are (among input_files too)
  bool nostdinc = false;                  // -nostdinc or -nostdinc++ (in probe_args too)

  // Dependencies.
  enum Deps { kNone, kMD, kMMD } deps = kNone;
  std::string dep_file;                   // where it goes, as spelled or derived
  std::string dep_target;                 // the exact text of the target side that steers the file's bytes: -MT/-MQ words or the derived default, with -MP
                                          // (a canonical string for the key; empty if kNone)
  bool dep_phony = false;                 // -MP

  // Whether its source is preprocessed already, as its name or -x says.
  bool is_assembler() const { return language == Language::kAsm || language == Language::kAsmCpp; }
  bool is_preprocessed() const { return language == Language::kCPreprocessed || language == Language::kCxxPreprocessed; }
  // Whether it is preprocessed with a search path.
  bool reads_headers() const { return !is_preprocessed() && language != Language::kAsm; }
  // Whether directives and macros in it mean something: clang takes no notice of a source's being preprocessed, but has no search path then.
  bool has_directives() const { return reads_headers() || (family == Family::kClang && is_preprocessed()); }

  bool runs_objcopy = false;              // gcc takes the object apart by it
  bool output_matters = false;            // the output's name reaches the object or what stands beside it (coverage, split DWARF)
  bool cwd_matters = false;               // some option lets the working directory reach the object (-g…, --coverage, …)
  bool native = false;                    // -march=native and the like (the probe tells what they mean)
  bool debug_macros = false;              // -g3 or -ggdb3
  bool columns_matter = false;            // the column of a word reaches the object (-g, -fsanitize=, -flto, …)
  bool sarif = false;                     // diagnostics are a SARIF report
  bool warnings = false;                  // some -W is on (or -pedantic), so comments may steer diagnostics
  bool color_given = false;               // -fdiagnostics-color… / -fcolor-diagnostics given: do not add ours
  bool trigraphs = false;                 // -trigraphs or -std=c…/-ansi: trigraphs are alive
  bool date_time_warning = false;         // -Wdate-time
  bool date_time_silenced = false;        // -w, -Wno-date-time or the like: a -Wdate-time in front of these words would print nothing
  bool probe_cwd = false;                 // --sysroot, -B or the like has a relative operand: the probe depends on the working directory
  bool records_command_line = false;      // -frecord-gcc-switches, -grecord-command-line: nothing may be added
  bool stdout_possible = false;           // an option lets it write to stdout
};

// Finds the compiler behind launchers: ccache, sccache, buildcache, distcc, icecc, `env [-i refused] A=B…`, `cmake -E env A=B… --`,
// nice without options. `is_launcher_self` is asked for each word's base name ("cchain"). For argv without a launcher: index 0.
Launchers find_compiler(const std::vector<std::string>& argv);

// Words after response files (@file, nested, read by `read_file`, GNU quoting) have been put in their place. `args` excludes the compiler.
// read_file returns false if the file can't be read: then gcc takes the word as it is, which is refused here.
bool expand_response_files(std::vector<std::string>* args,
                           const std::function<bool(const std::string&, std::string*)>& read_file,
                           std::string* why);

// Parses the words after the compiler. `compiler_base` is the name the compiler is called by without directories ("g++-12"): it gives the default
// language mode (g++ compiles .c as C++). Never throws for bad input: the answer is `uncacheable`.
Command parse_command(Family family, std::string_view compiler_base, const std::vector<std::string>& args);

// Of a command with several sources: the words of one for each that together do the same, one after the other. Empty if that is not sure.
std::vector<std::vector<std::string>> divide_command(Family family, std::string_view compiler_base, const std::vector<std::string>& args,
                                                     const std::function<bool(const std::string&)>& exists);

// A shell line read strictly (POSIX sh quoting). False with `why` for anything a shell would expand, redirect, glob, or run as a
// second command. Understood: words, '…', "…" (no $ ` \-specials beyond \" \\ \$ \` \newline), backslash, NAME=value in front, and
// a leading `cd DIR &&` (once; then *cd is DIR).
bool parse_shell_line(std::string_view line, std::vector<std::pair<std::string, std::string>>* env,
                      std::string* cd, std::vector<std::string>* argv, std::string* why);

}  // namespace cchain

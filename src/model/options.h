// The option tables: what each word of a compile command means for a cache. A word that no table knows refuses the command.
//
// Two kinds of table. Word lists hold the -f, -m and -g options that only steer code generation or the look of diagnostics: each was
// checked to read and to write no file. Rows hold everything that needs more than that, with the reason where it is refused.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "model/command.h"

namespace cchain {

enum class Form : uint8_t {
  kFlag,      // -x
  kJoined,    // -xVALUE
  kOptional,  // -x or -xVALUE
  kSeparate,  // -x VALUE
  kEither,    // -xVALUE or -x VALUE
};

enum class Act : uint8_t {
  kUnknown,
  // Accepted, nothing but text.
  kKey,      // into the key
  kProbe,    // into the key, and steers the probe
  kCwd,      // the same, and lets the working directory reach the object or the diagnostics
  kIgnore,   // no effect on any output (-pipe)
  // Accepted, with a meaning.
  kCompile, kAssembly, kOutput, kLanguage, kStd, kAnsi, kTrigraphs,
  kQuote, kBracket, kSystem, kAfter, kInclude, kImacros, kNostdinc,
  kRoot,       // a folder that the probe follows (--sysroot, -B, …)
  kFile,       // VALUE names a file whose content is an input
  kDebug, kWarning, kPedantic, kNoWarnings, kOptimize, kMachine, kParam, kTarget,
  kColor, kDiagnosticsFormat, kCharset, kBlockSections, kVerboseAsm,
  kMD, kMMD, kMF, kMT, kMQ, kMP,
  kArcs, kNotes, kCoverage,  // -fprofile-arcs, -ftest-coverage, --coverage: counters in the object, a .gcno beside it
  kStackUsage, kCallGraph, kRecord, kDwo, kTimeTrace,
  kModules, kModuleMapper, kDepsFormat,  // of gcc: what CMake adds to every source that might use modules
  kToAssembler,     // -Wa,
  kToPreprocessor,  // -Wp,
  kOneToAssembler, kOneToPreprocessor,  // -Xassembler, -Xpreprocessor
  kToClang,         // -Xclang
  kIncludePch,      // of clang
  kToLlvm,          // -mllvm
  // Refused. The phrases are in refusal_phrase().
  kRefuseInfo, kRefuseMoreFiles, kRefuseReads, kRefuseWrites, kRefusePlugin, kRefuseProfile, kRefuseModules, kRefusePch,
  kRefuseMeasures, kRefusePreprocess, kRefusePassOn, kRefuseRecords, kRefuseNoObject, kRefuseDwo, kRefuseOffload,
  kRefuseSearch, kRefuseStops, kRefuseDriver, kRefuseObjC, kRefuseText, kRefuseDepStyle, kRefuseIr,
};

struct OptionRow {
  char name[32];  // an array and no pointer: the tables need no relocation when the library is loaded
  Form form;
  Act act;
};

// A sorted list of words in one string literal, separated by single spaces.
struct WordList {
  const char* text = nullptr;
  const uint16_t* starts = nullptr;  // n + 1 of them; the last is the length of the text
  size_t n = 0;

  constexpr std::string_view at(size_t i) const { return {text + starts[i], static_cast<size_t>(starts[i + 1] - starts[i] - 1)}; }
  bool contains(std::string_view word) const {
    size_t low = 0, high = n;
    while (low < high) {
      size_t mid = (low + high) / 2;
      int c = at(mid).compare(word);
      if (c == 0) return true;
      if (c < 0) low = mid + 1; else high = mid;
    }
    return false;
  }
};

template <size_t Size>
consteval size_t count_words(const char (&text)[Size]) {
  return static_cast<size_t>(std::count(text, text + Size - 1, ' '));
}

// Each word, the last one too, is followed by one space.
template <size_t N, size_t Size>
consteval std::array<uint16_t, N + 1> index_words(const char (&text)[Size]) {
  static_assert(Size < 65536);
  std::array<uint16_t, N + 1> starts{};
  size_t k = 0;
  for (size_t i = 0; i + 1 < Size; i++) {
    if (text[i] == ' ') starts[++k] = static_cast<uint16_t>(i + 1);
  }
  return starts;
}

consteval bool words_sorted(const WordList& list) {
  for (size_t i = 0; i < list.n; i++) {
    if (list.at(i).empty() || (i > 0 && !(list.at(i - 1) < list.at(i)))) return false;
  }
  return true;
}

template <size_t N>
consteval bool rows_sorted(const OptionRow (&rows)[N]) {
  for (size_t i = 1; i < N; i++) {
    if (!(std::string_view(rows[i - 1].name) < std::string_view(rows[i].name))) return false;
  }
  return true;
}

struct OptionTable {
  WordList f_words;  // without "-f"; those that end in '=' take a value, the others may be negated by "no-"
  WordList f_quiet;  // the same, for those that cannot steer what the probe finds (diagnostics, path maps)
  WordList m_words;  // without "-m"
  WordList g_words;  // without "-g"
  const OptionRow* rows;  // the family's own, sorted
  size_t n_rows;
};

const OptionTable& gcc_options();
const OptionTable& clang_options();

// What one word is. `name` is the part of the word that is the option's name.
struct OptionMatch {
  Act act = Act::kUnknown;
  Form form = Form::kFlag;
  size_t name = 0;
};
OptionMatch match_option(const OptionTable& table, std::string_view word);

// "option <word> " is put in front of it.
const char* refusal_phrase(Act act);

}  // namespace cchain

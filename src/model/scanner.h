// The include scanner: which names a source or header file could ask the file system for, whatever its macros say.
//
// It judges no conditionals: directives in dead branches and comments are reported too (more is safe, less is a wrong hit).
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cchain {

struct ScanOperand {
  enum Kind : uint8_t {
    kInclude = 0,      // #include, #import
    kIncludeNext = 1,
    kHas = 2,          // __has_include, or IDENT(<x>) / IDENT("x") in #if/#elif (an alias of it may be behind IDENT)
    kHasNext = 3,      // __has_include_next
    kMacro = 4,        // #include NAME, #import NAME: `name` is that of the macro
    kMacroNext = 5,    // #include_next NAME
    kGuarded = 6,      // one whose operand is neither; `name`: macros, with blanks between, each of which must be defined for its branch to be alive; `quoted`: it is a plain #include
  };
  Kind kind;
  bool quoted;       // "x" or <x>
  std::string name;
  bool operator==(const ScanOperand&) const = default;
};

// ScanResult.flags
enum ScanFlags : uint32_t {
  kScanComputedInclude = 1u << 0,  // an #include_next or #import of that kind outside of branches, or a pragma that exchanges names
  kScanComputedHas = 1u << 1,      // __has_include(MACRO)
  kScanDate = 1u << 2,             // __DATE__ or __TIME__, or a piece of them beside ##; in the string of a _Pragma too
  kScanTimestamp = 1u << 3,        // __TIMESTAMP__, the same
  kScanEmbed = 1u << 4,            // #embed, __has_embed
  kScanDependency = 1u << 5,       // #pragma GCC dependency (also in _Pragma)
  kScanAsmFile = 1u << 6,          // an asm template (or assembler text) that spells .incbin or .include
  kScanAsmDoubt = 1u << 7,         // an asm template with words that are no string literals before its first ':' or ')'
  kScanOnce = 1u << 8,             // #pragma once
  kScanModule = 1u << 9,           // import/module/export module declarations, #pragma clang module
  kScanSystemHeader = 1u << 10,    // the word system_header, or a linemarker with flag 3
  kScanPch = 1u << 11,             // #pragma GCC pch_preprocess, hdrstop
  kScanSpells = 1u << 12,          // a string literal with ".inc" or "incbin" in it that a macro could bring into an asm template
  kScanImport = 1u << 13,          // #import
  kScanPragmaDoubt = 1u << 14,     // _Pragma whose operand is no literal
  kScanPragmaText = 1u << 15,      // what such a _Pragma could make a date or a dependency of: a string, a macro's body
  kScanTooMuch = 1u << 16,         // given up: it takes many times its size to read, and what was found is not all
  kScanLineDoubt = 1u << 17,       // a #line whose file can't be told: made by macros, with escapes other than of \\ and ", a raw string
  kScanPaste = 1u << 18,           // ScanAs::kMadeAssembler: ##
};

// A word that one of the names looked for could be pasted from.
struct ScanPiece {
  std::string word;
  std::string callers;  // names with a blank behind each: the word is lost to ## unless one of them is a macro. Empty: may be reached anyway
  std::string beside;   // the same, of a single letter: it is lost unless all of them are macros, which may stand for nothing
  auto operator<=>(const ScanPiece&) const = default;
};

struct ScanResult {
  uint32_t flags = 0;
  std::vector<ScanOperand> operands;      // without duplicates, in order of first appearance
  std::vector<std::string> has_aliases;   // macros whose body names __has_include (or _next): #define HI __has_include
  std::vector<ScanPiece> pieces;          // of __DATE__, __TIME__, __TIMESTAMP__ and the names of pragmas; sorted
  std::vector<std::string> lines;         // files that #line and line markers name, without duplicates
  bool operator==(const ScanResult&) const = default;
};

// What a text is: C; assembler (.s, .S), every line of it a template of inline assembler; or what the preprocessor makes assembler of, with no assembler to
// say what it has read: the words themselves of what would let it read another file are looked for, wherever they stand, for a macro may put the dot before one.
enum class ScanAs : uint8_t { kC = 0, kAssembler = 1, kMadeAssembler = 2 };
ScanResult scan(std::string_view text, ScanAs as = ScanAs::kC);

// Whether `alias` (from has_aliases of any file) is used in `text` in a way that the operands do not cover: with an operand that is no
// literal, or in the body of another macro.
bool alias_escapes(std::string_view text, std::string_view alias);

// What the text defines the macro `name` to, for an #include of it: header names go to `operands` (kInclude), names of other macros to `macros`. False: to
// something else, or with parameters.
bool read_include_macro(std::string_view text, std::string_view name, std::vector<ScanOperand>* operands, std::vector<std::string>* macros);
// Whether the text defines the macro `name` at all.
bool defines_macro(std::string_view text, std::string_view name);
// Whether it could be the first to define it: a definition in a branch that is dead while `name` is undefined can't.
bool defines_macro_first(std::string_view text, std::string_view name);

// Whether `pieces` can be put together to `name`, from at least two of them.
bool can_be_pasted(const std::vector<std::string>& pieces, std::string_view name);

// A compact form for the table that remembers results by the digest of the file.
std::string encode_scan(const ScanResult& r);
bool decode_scan(std::string_view bytes, ScanResult* r);

}  // namespace cchain

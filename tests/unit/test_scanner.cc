// The include scanner: every form of a directive, the flags, the aliases of __has_include, the stored form; and that nothing is missed that
// the compilers of this machine say they read.
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

extern "C" {
#include <cmocka.h>
}

#include "base/fs.h"
#include "model/scanner.h"

using namespace cchain;
using namespace std::string_literals;

namespace {

// `text` begins where the table's row is told by its number and text in the failure message.
#define ROW_FAIL(i, text, ...)                                      \
  do {                                                              \
    fprintf(stderr, "row %zu: <<<%s>>>: ", i, std::string(text).c_str()); \
    fprintf(stderr, __VA_ARGS__);                                   \
    fputc('\n', stderr);                                            \
    bad++;                                                          \
  } while (0)

// Whoever calls.
bool can_be_pasted(const std::vector<ScanPiece>& pieces, std::string_view name) {
  std::vector<std::string> words;
  for (auto& p : pieces) words.push_back(p.word);
  return cchain::can_be_pasted(words, name);
}

// `i"a.h"`, `i<a.h>`, `n` include_next, `h` has, `H` has_next, `m` and `M` of macros, `g` guarded.
std::string show(const ScanOperand& o) {
  return std::string(1, "inhHmMg"[o.kind]) + (o.quoted ? '"' : '<') + o.name + (o.quoted ? '"' : '>');
}
std::string show(const ScanResult& r) {
  std::string s;
  for (auto& o : r.operands) s += (s.empty() ? "" : " ") + show(o);
  return s;
}
bool finds(const ScanResult& r, ScanOperand::Kind k, bool quoted, std::string_view name) {
  return std::find(r.operands.begin(), r.operands.end(), ScanOperand{k, quoted, std::string(name)}) != r.operands.end();
}

struct OperandRow {
  std::string text, operands;
};

void check_operands(const std::vector<OperandRow>& rows) {
  int bad = 0;
  for (size_t i = 0; i < rows.size(); i++) {
    std::string got = show(scan(rows[i].text));
    if (got != rows[i].operands) ROW_FAIL(i, rows[i].text, "got %s, want %s", got.c_str(), rows[i].operands.c_str());
  }
  assert_int_equal(bad, 0);
}

// ---- directives ---------------------------------------------------------------------------------------------------------

void test_directive_forms(void**) {
  check_operands({
      {"", ""},
      {"#", ""},
      {"#include", ""},
      {"#include ", ""},
      {"#include <", "g\"\""},
      {"#include <a.h", "g\"\""},
      {"#include \"a.h", "g\"\""},
      {"#include <>\n#include \"\"\n", ""},
      {"#include <a.h>\n", "i<a.h>"},
      {"#include \"a.h\"\n", "i\"a.h\""},
      {"#include <a.h>", "i<a.h>"},
      {"#include<a.h>", "i<a.h>"},
      {"#include\"a.h\"", "i\"a.h\""},
      {"  #include <a.h>", "i<a.h>"},
      {"\t#\tinclude\t<a.h>\t\n", "i<a.h>"},
      {"\f#\vinclude\f<a.h>\n", "i<a.h>"},
      {"#\0include\0<a.h>\n"s, "i<a.h>"},
      {"/**/#include <a.h>", "i<a.h>"},
      {"/* x */ /* y */ # /* z */ include /* w */ <a.h> /* v */", "i<a.h>"},
      {"#/*\n*/include/*\n\n*/<a.h>", "i<a.h>"},
      {"/* block\n   ends */ #include <a.h>\n", "i<a.h>"},
      {"int x; /* block\n*/#include <a.h>\n", "i<a.h>"},
      {"#include <a.h> // x\n#include <b.h> /* y */\n", "i<a.h> i<b.h>"},
      {"#include <a.h>\r\n#include \"b.h\"\r\n", "i<a.h> i\"b.h\""},
      {"#include <a.h>\r#include \"b.h\"\r", "i<a.h> i\"b.h\""},
      {"\xef\xbb\xbf#include <a.h>\n", "i<a.h>"},
      {"%:include <a.h>\n", "i<a.h>"},
      {" %: include \"a.h\"\n", "i\"a.h\""},
      {"?\?=include <a.h>\n", "i<a.h>"},
      {" ?\?= include \"a.h\"\n", "i\"a.h\""},
      {"#include <a.h>\n#include <a.h>\n#include \"a.h\"\n", "i<a.h> i\"a.h\""},
      {"#include_next <a.h>\n#include_next \"a.h\"\n", "n<a.h> n\"a.h\""},
      {"#import <a.h>\n#import \"b.h\"\n", "i<a.h> i\"b.h\""},
      {"#__include_macros <a.h>\n", "i<a.h>"},
      {"#include <sys/types.h>\n#include \"../x/y.h\"\n#include </abs/z.h>\n", "i<sys/types.h> i\"../x/y.h\" i</abs/z.h>"},
      {"#include <a b.h>\n#include \"c'd.h\"\n", "i<a b.h> i\"c'd.h\""},
      {"#include <a//b.h>\n#include <c/*d.h>\n#include <e.h>\n", "i<a//b.h> i<c/*d.h> i<e.h>"},
      {"#include \"a\\b.h\"\n#include \"c\\\"\n", "i\"a\\b.h\" i\"c\\\""},
      {"#include <\xc3\xa9.h>\n", "i<\xc3\xa9.h>"},
      {"#if 0\n#include <a.h>\n#endif\n", "i<a.h>"},
      {"/*\n#include <a.h>\n*/\n", "i<a.h>"},
      {"const char* s = R\"(\n#include <a.h>\n)\";\n#include <b.h>\n", "i<a.h> i<b.h>"},
      {"const char* s = \"/*\";\n#include <b.h>\n", "i<b.h>"},
      {"#includes <a.h>\n#xinclude <b.h>\n#include1 <c.h>\n", ""},
      {"include <a.h>\n", ""},
      {"# 1 \"a.c\"\n#line 3 \"b.c\"\n", ""},
  });
}

// A splice at every position of a directive, with each end of line, with white space behind the backslash, and as a trigraph.
void test_splices_everywhere(void**) {
  int bad = 0;
  size_t n = 0;
  for (std::string base : {"#include <dir/a.h>\n", " # include_next \"a.h\"\n", "%:import <a.h>\n", "#if __has_include(<a.h>) && __has_include_next(\"b.h\")\n", "#elif HI(<a.h>)\n"}) {
    std::string want = show(scan(base));
    if (want.empty()) ROW_FAIL(n, base, "nothing");
    for (size_t at = 0; at < base.size(); at++)
      for (std::string splice : {"\\\n", "\\\r\n", "\\ \t\n", "?\?/\n", "?\?/\r\n", "\\\n\\\n"}) {
        std::string s = base;
        s.insert(at, splice);
        // The reading without trigraphs may add something.
        ScanResult got = scan(s);
        for (auto& o : scan(base).operands)
          if (!finds(got, o.kind, o.quoted, o.name)) ROW_FAIL(n, s, "want %s, got %s", want.c_str(), show(got).c_str());
        if (splice[0] == '\\' && show(got) != want) ROW_FAIL(n, s, "want %s, got %s", want.c_str(), show(got).c_str());
        n++;
      }
  }
  assert_true(n > 500);
  assert_int_equal(bad, 0);
}

// White space and comments wherever gcc and clang take them.
void test_space_everywhere(void**) {
  int bad = 0;
  size_t n = 0;
  const std::vector<std::vector<std::string>> bases = {
      {"", "#", "include", "<a.h>", ""}, {"", "#", "include_next", "\"a.h\"", ""}, {"", "%:", "include", "\"a.h\"", ""}, {"", "?\?=", "import", "<a.h>", ""},
      {"", "#", "if ", "__has_include", "(", "<a.h>", ")"}, {"", "#", "elif ", "!", "HI", "(", "\"a.h\"", ")"}, {"", "#", "if", "(", "__has_include_next", "(", "<a.h>", "))"}};
  for (auto& words : bases)
    for (std::string space : {" ", "\t", "\f", "\v", "/**/", "/* * / \" ' // */", "/*\n*/", "/*\r\n x */ ", "/***/ /* */", "/*/ */"})
      for (size_t at = 0; at + 1 < words.size(); at++) {
        std::string s = "int x;\n";
        for (size_t k = 0; k < words.size(); k++) s += words[k] + (k == at ? space : "");
        for (std::string end : {"", "\n", "\r\n", " // x\n"}) {
          ScanResult r = scan(s + end);
          bool has_a = false;
          for (auto& o : r.operands) has_a = has_a || o.name == "a.h";
          if (!has_a) ROW_FAIL(n, s + end, "not found");
          n++;
        }
      }
  assert_int_equal(bad, 0);
}

void test_has_include(void**) {
  check_operands({
      {"#if __has_include(<a.h>)\n#endif", "h<a.h>"},
      {"#if __has_include(\"a.h\")\n#endif", "h\"a.h\""},
      {"#if __has_include ( <a.h> )\n#endif", "h<a.h>"},
      {"#if(__has_include(<a.h>))\n#endif", "h<a.h>"},
      {"#if 0\n#elif __has_include(<a.h>)\n#endif", "h<a.h>"},
      {"#if __has_include__(<a.h>)\n#endif", "h<a.h>"},
      {"#if __has_include_next(<a.h>)\n#endif", "H<a.h>"},
      {"#if __has_include_next__(\"a.h\")\n#endif", "H\"a.h\""},
      {"#if defined(__has_include) && __has_include(<a.h>)\n", "h<a.h>"},
      {"#if defined __has_include && __has_include(<a.h>)\n", "h<a.h>"},
      {"#if !__has_include(<a.h>) || (__has_include(<b.h>) && __has_include(\"c.h\"))\n", "h<a.h> h<b.h> h\"c.h\""},
      {"#if 1 < 2 && __has_include(<a.h>)\n", "h<a.h>"},
      {"#if '\"' && __has_include(\"a.h\") // \"\n", "h\"a.h\""},
      {"#if '\\'' && __has_include(<a.h>)\n", "h<a.h>"},
      {"#if L'x' == '\"' && __has_include(<a.h>) && '\"'\n", "h<a.h>"},
      {"#if 1'000 /*\n*/ && __has_include(<a.h>)\n", "h<a.h>"},
      {"#if 1'0 > 2'0 && __has_include(\"a.h\")\n", "h\"a.h\""},
      {"#if __has_include(<a.h>) /*\n*/ && __has_include(<b.h>)\n", "h<a.h> h<b.h>"},
      {"#if __has_include(<a.h>) // __has_include(<b.h>)\n", "h<a.h>"},
      {"%:if __has_include(<a.h>)\n?\?=elif __has_include(<b.h>)\n", "h<a.h> h<b.h>"},
      {"#if HI(<a.h>)\n", "h<a.h> H<a.h>"},
      {"#if HI (\"a.h\")\n", "h\"a.h\" H\"a.h\""},
      {"#if CAT(__has_,include)(<a.h>)\n", "h<a.h> H<a.h>"},
      {"#define HI __has_include(<a.h>)\n", "h<a.h>"},
      {"#ifdef __has_include\n#  if __has_include(<a.h>)\n#  endif\n#endif\n", "h<a.h>"},
      {"#if defined(X)\n#if X > 3\n#if X(1)\n", ""},
  });
}

struct FlagRow {
  std::string text;
  uint32_t want;
};
std::string flag_names(uint32_t f) {
  static const char* names[] = {"ComputedInclude", "ComputedHas", "Date", "Timestamp", "Embed", "Dependency", "AsmFile", "AsmDoubt", "Once", "Module", "SystemHeader", "Pch", "Spells", "Import", "PragmaDoubt", "PragmaText"};
  std::string s;
  for (int i = 0; i < 16; i++)
    if (f >> i & 1) s += (s.empty() ? "" : "|") + std::string(names[i]);
  return s.empty() ? "none" : s;
}
// kScanSpells, kScanPragmaDoubt and kScanPragmaText accompany many rows and have their own tests.
void check_flags(const std::vector<FlagRow>& rows, uint32_t mask = ~(kScanSpells | kScanPragmaDoubt | kScanPragmaText), ScanAs as = ScanAs::kC) {
  int bad = 0;
  for (size_t i = 0; i < rows.size(); i++) {
    const ScanResult r = scan(rows[i].text, as);
    uint32_t got = r.flags & mask;
    // A plain #include of that kind is an operand.
    if (finds(r, ScanOperand::kGuarded, true, "")) got |= kScanComputedInclude & mask;
    if (got != rows[i].want) ROW_FAIL(i, rows[i].text, "got %s, want %s", flag_names(got).c_str(), flag_names(rows[i].want).c_str());
  }
  assert_int_equal(bad, 0);
}

void test_spells(void**) {
  check_flags({{"char *s = \".incbin \\\"f\\\"\";\n", 0},  // it goes nowhere
               {"f(\".incbin 'f'\");\n", kScanSpells},
               {"f(x, g(1), { \"incbin 'f'\" });\n", kScanSpells},
               {"f(R\"(\n.include 'f')\");\n", kScanSpells},
               {"f(x); // \".incbin\"\n", 0},
               {"f(x /* \".incbin\" */); const char* s[] = {\".include\"};\n", 0},
               {"#define OPEN f(\nOPEN \".incbin 'f'\")\n", kScanSpells},
               {"x = \".incbin 'f'\" CLOSE f(x))\n", kScanSpells},
               {"#define X \"\\t.include \"\n", kScanSpells},
               {"#include \"defs.inc\"\n", 0},
               {"int x = a.inc;\n", 0}},
              kScanSpells);
}

void test_pieces(void**) {
  auto pasted = [](const char* text, const char* name) { return can_be_pasted(scan(text).pieces, name); };
  assert_true(pasted("CAT(__, CAT(DATE, __))", "__DATE__"));
  assert_true(pasted("P6(__, T, I, M, E, __)", "__TIME__"));
  assert_true(pasted("#define A __DA\nCAT(A, TE__)", "__DATE__"));
  assert_false(pasted("template <class T, class E> void f(T, E, A, D);", "__DATE__"));
  assert_false(pasted("f(_, _); // D A T E\n", "__DATE__"));
  assert_true(pasted("P(__, D, A, T, E, __)", "__DATE__"));
  assert_true(pasted("P(__D /* the first */, ATE__)", "__DATE__"));
  assert_true(pasted("CAT(int a; char b[] = __DA,TE__;)", "__DATE__"));
  assert_true(pasted("#define A __TIM\n#define B\\\n E__\nCAT2(A, B)", "__TIME__"));
  // As real headers have them: parameters of templates, glue of macros that no letters are beside.
  assert_false(pasted("#define R(n) __##n\ntemplate <typename D, typename A, class T, class E> E f(T t, D* d) { return g(T(), A::x, (E)d); }\n", "__DATE__"));
  assert_false(pasted("__DATE__", "__DATE__"));  // the whole is a flag of its own
  // The name that is defined, parameters, characters.
  assert_false(pasted("#define _D 4\n#define F(A, T,E ...) A ## T ## E\n # /* x */ define __(x) x\nx = '_';\n", "__DATE__"));
  assert_false(pasted("CAT('__', DATE, '__')\n#define C 'D', 'A', 'T', 'E'", "__DATE__"));
  for (const char* text : {"#define A __D\n#define B ATE__\n", "#define ATE__ __D\n#define B ATE__\n", "#define F(A) __D ## A\n#define B(A, ATE) ATE__ ATE\n", "#define F (ATE__)\n#define D __D\n",
                           "#define F(x y, ATE__) ATE__ __D\n", "#define F(x /* ) */ define ATE__ __D", "x #define ATE__ ATE__\n#define F() __D\n", "%:define ATE__ 1\n#define F() __D\n",
                           "/*\n*/ #define ATE__\n#define F() __D\n", "x\r#define ATE__ 1\n#define F() __D\n", "#define F(x) define ATE__\n#define D __D", "#define A don't'__D'\n#define B ATE__\n"})
    if (!pasted(text, "__DATE__")) fail_msg("not pasted: %s", text);
  // Who calls.
  auto callers = [](const std::string& text) {
    std::string all;
    for (auto& p : scan(text).pieces) all += p.word + "<" + p.callers + ">";
    return all;
  };
  assert_string_equal(callers("f(DATE)").c_str(), "DATE<f >");
  assert_string_equal(callers("f(g(1), h (\n{ (x), DATE }, 2))").c_str(), "DATE<f h >");
  assert_string_equal(callers("#define G(x) __##x##__\n").c_str(), "__<>");
  assert_string_equal(callers("(f)(DATE)").c_str(), "DATE<>");  // what the first parentheses bring may be a macro
  assert_string_equal(callers("f /* x */ (DATE)").c_str(), "DATE<>");
  assert_string_equal(callers("#define OPEN f(\nOPEN DATE)").c_str(), "DATE<>");
  assert_string_equal(callers("OPEN 1, DATE)").c_str(), "DATE<>");
  assert_string_equal(callers("enum { A, DATE, B }; int f(int); x = (1, DATE);").c_str(), "");
  assert_string_equal(callers("M(\n#if X\nf(1\n#else\ng(2\n#endif\n), DATE)").c_str(), "DATE<M >");
  assert_string_equal(callers("M(f(\n#if X\n1)\n#elif B\n2)\n#else\n3)\n#endif\n, DATE)").c_str(), "DATE<M f >");  // if there is no branch
  assert_string_equal(callers("M(\")\", ')', /* ) */ DATE) // f(\n").c_str(), "DATE<M >");
  assert_string_equal(callers("#if (1)\n#define Q (a)\n#endif\ng(DATE)").c_str(), "DATE<g >");
}

// Comments and literals where what they are depends on the language: in doubt it is code.
void test_readings(void**) {
  const uint32_t d = kScanDate;
  check_flags({
      {"if (n < 20'000'000) f(\"__DATE__\"); // __TIME__\n", 0},
      {"int x = 1'000; f(\"__DATE__\");\n// __DATE__\n", d},  // nothing is a string behind an apostrophe
      {"int x = 1'000'000; f(\"__DATE__\");\n", 0},
      {"auto s = R\"(x)\"; // it's __DATE__\nf(\"__DATE__\"); /* __DATE__ */\n", 0},
      {"auto s = R\"(\nconst char* t = __DATE__;\n)\"; // __DATE__\n", d},  // code where there are no raw strings
      {"auto s = R\"(\n/* )\"; __DATE__ // */\n", d},
      {"auto s = R\"x(\n)\" /* )x\" __DATE__ */\n", d},
      {"auto s = R\"(\n)\\\n\" /* )\" __DATE__ // */\n", d},  // no line is joined in it
      {"auto s = FOOR\"(/*)\"; __DATE__ /* */\n", d},
      {"auto s = FOOR\"(\"; /* __DATE__ )\" */\n", 0},
      {"auto s = 1R\"(\"; /* __DATE__ )\" */\n", 0},
      {"#include \"a\\\" /* x\n// */ __DATE__\n", d},
      {"#define A \"a\\\"\" /* x\n// __DATE__ */\n", 0},
      {"for (; i < n/* __DATE__ */; i++) {} // __DATE__\n", 0},
      {"#include <a//b.h> /* x\n// */ __DATE__\n", d},
      {"#if __has_include(<a/*b.h>) // x\n__DATE__ /* */\n", d},
      {"#if defined(__has_include) && __has_include(<a.h>) /* __DATE__ */\n", 0},
      {"f(\"a\\\\\", __DATE__); // \"\n", d},
      {"// x\\\n__DATE__\n", 0},
      {"// x\r f(__DATE__); // \"\n", d},
      {"/* x\r */ f(\"__DATE__\"); /*\r*/ // __DATE__\r\n", 0},
  }, d);
}

void test_macro_operands(void**) {
  for (const char* text : {"#include MACRO\n", "  # import MACRO // x", "%:include /* x */ MACRO /* y */", "#incl\\\nude MACRO", "/* x\n*/#include MAC\\\nRO"}) {
    ScanResult r = scan(text);
    assert_int_equal(r.flags & ~kScanImport, 0);
    assert_true(finds(r, ScanOperand::kMacro, false, "MACRO"));
  }
  assert_true(finds(scan("#include_next M\n"), ScanOperand::kMacroNext, false, "M"));
  assert_true(scan("// #include M\n/* #include M\n */ x #include M").operands.empty());

  std::vector<ScanOperand> ops;
  std::vector<std::string> macros;
  auto read = [&](const char* text) {
    ops.clear(), macros.clear();
    return read_include_macro(text, "M", &ops, &macros);
  };
  assert_true(read("int M;\n#define N <x.h>\n#ifdef M\n#undef M\n"));
  assert_true(ops.empty() && macros.empty());
  assert_true(read("#if 0\n#define M <a/x.h>\n#else\n # define /**/ M\t\"y.h\" // z\n#define M N\n#endif"));
  assert_int_equal(ops.size(), 2);
  assert_true(ops[0] == (ScanOperand{ScanOperand::kInclude, false, "a/x.h"}) && ops[1] == (ScanOperand{ScanOperand::kInclude, true, "y.h"}));
  assert_true(macros == std::vector<std::string>{"N"});
  assert_true(read("#def\\\nine \\\nM <a.h>") && ops.size() == 1);
  for (const char* text : {"#define M\n", "#define M(x) <x.h>", "#define M <x.h> y", "#define M < x.h>", "#define M L\"x.h\"", "#define M \"a\" \"b\"", "#define M x.h", "#define M F(x)",
                           "#define M \"a\\\\b.h\"", "#define M <x.h", "#define M <a/*b*/>"})
    assert_false(read(text));
  assert_true(defines_macro("#define MM 1\n#define M", "M"));
  assert_false(defines_macro("#define MM 1\n// #define M\n#undef M", "M"));
}

// An #include of what a macro makes, in branches that are dead while a macro is undefined.
void test_guards(void**) {
  const char* inc = "#include M(x)\n";
  auto with = [&](const char* before, const char* after) { return before + std::string(inc) + after; };
  check_operands({
      {with("#ifdef A_B\n", "#endif\n"), "g\"A_B\""},
      {with("  # ifdef /* x */ A_B // y\n", "#endif\n"), "g\"A_B\""},
      {with("#if defined(A_B)\n", "#endif\n"), "g\"A_B\""},
      {with("#if defined A_B\n", "#else\n#endif\n"), "g\"A_B\""},
      {with("#if defined ( A_B )\n#define X 1\n#if X\n", "#endif\n#endif\n"), "g\"A_B\""},
      {with("#ifdef A_B\n#ifdef C_D\n", "#endif\n#endif\n"), "g\"C_D A_B\""},
      {with("#ifdef A_B\n#if Z\n#else\n", "#endif\n#endif\n"), "g\"A_B\""},
      {with("#ifdef C_D\n#endif\n#ifdef A_B\n#if 0\n#elif 1\n#endif\n", "#elif 1\n#endif\n"), "g\"A_B\""},
      {with("#ifdef A\\\n_B\n", "#endif\n"), "g\"A_B\""},
      {with("/* #endif */ char *s = \"#if\"; // #else\n#ifdef A_B\n/*\n#else\n*/\n", "#endif\n"), "g\"A_B\""},
  });
  const char* none[][2] = {
      {"", ""},
      {"#ifndef A_B\n", "#endif\n"},
      {"#ifdef A_B\n#else\n", "#endif\n"},
      {"#ifdef A_B\n#elif 1\n", "#endif\n"},
      {"#ifdef A_B\n#elifdef C_D\n", "#endif\n"},
      {"#ifdef A_B\n#endif\n", ""},
      {"#if A_B\n", "#endif\n"},
      {"#if !defined(A_B)\n", "#endif\n"},
      {"#if defined(A_B) || 1\n", "#endif\n"},
      {"#if defined(A_B\n", "#endif\n"},
      {"#if definedA_B\n", "#endif\n"},
      {"#if defined A_B C\n", "#endif\n"},
      {"#ifdef A_B x\n", "#endif\n"},
      {"#ifdef A/**/_B\n", "#endif\n"},
      // Conditionals that one reading has and another has not.
      {"#ifdef A_B\n", ""},
      {"#endif\n#ifdef A_B\n", "#endif\n"},
      {"#ifdef A_B\n%:else\n", "#endif\n"},
      {"#ifdef A_B\n?\?=else\n", "#endif\n"},
      {"#ifdef A_B\n/* x */ #else\n", "#endif\n"},
      {"#ifdef A_B\nchar *s = R\"(\n#else\n)\";\n", "#endif\n"},
      {"#ifdef A_B\n// ?\?/\n#else\n", "#endif\n"},
      {"#ifdef A_B\r#else\r", "#endif\n"},
  };
  int bad = 0;
  for (size_t i = 0; i < std::size(none); i++) {
    const std::string text = with(none[i][0], none[i][1]);
    if (!finds(scan(text), ScanOperand::kGuarded, true, "")) ROW_FAIL(i, text, "guarded by %s", show(scan(text)).c_str());
  }
  assert_int_equal(bad, 0);
  assert_true(scan("#ifdef A_B\n#import M(x)\n#endif\n").flags & kScanComputedInclude);

  assert_true(defines_macro_first("#define A_B\n", "A_B"));
  assert_true(defines_macro_first("#ifndef A_B\n#define A_B\n#endif\n", "A_B"));
  assert_true(defines_macro_first("#ifdef A_B\n#else\n#define A_B\n#endif\n", "A_B"));
  assert_true(defines_macro_first("#ifdef A_B\n#endif\n#define A_B\n", "A_B"));
  assert_true(defines_macro_first("#ifdef C_D\n#define A_B\n#endif\n", "A_B"));
  assert_true(defines_macro_first("#ifdef A_B\n#define A_B\n#endif\n#def\\\nine A_\\\nB", "A_B"));
  assert_false(defines_macro_first("#ifdef A_B\n#undef A_B\n#if 1\n#define A_B\n#endif\n#endif\n", "A_B"));
  assert_false(defines_macro_first("#define A_BC\n#undef A_B\n", "A_B"));
}

void test_computed(void**) {
  const uint32_t i = kScanComputedInclude, h = kScanComputedHas;
  check_flags({
      {"#include MACRO(x)\n", i},
      {"#include MACRO (x)", i},
      {"  #  include_next MACRO + 1\n", i},
      {"#import MACRO \"x\"\n", i},
      {"%:include MACRO(x)\n", i},
      {"?\?=include MACRO(x)\n", i},
      {"\xef\xbb\xbf#include MACRO(x)\n", i},
      {"\xef\xbb\xbf #include MACRO(x)\n", i},
      {"/* x\n*/#include MACRO(x)\n", i},
      {"#incl\\\nude MACRO MACRO\n", i},
      {"#include <a.h GT\n", i},  // gcc and clang glue the name from what macros bring
      {"#include <a.h>\n", 0},
      {"// #include MACRO(x)\n", 0},
      {"/* #include MACRO(x) */\n", 0},
      {"/*\n#include MACRO(x)\n*/\n", 0},
      {"x #include MACRO(x)\n", 0},
      {"#include\n", 0},
      {"int a; // one ?\?/\n#include MACRO(x)\n", i},  // where trigraphs are off
      {"int a; ?\?/\n#include MACRO(x)\n", i},
      {"/* ?\?/\n*/\n#include MACRO(x)\n", i},
      {"#include MACRO\n", 0},  // an operand: the closure looks for its definitions
      {"#if __has_include(MACRO)\n", h},
      {"#elif !__has_include_next(MACRO)\n", h},
      {"#if __has_include(<a.h)\n", h},
      {"#if CAT(__has_, include)(X)\n", h},
      {"#if __has_include(<a.h>) && __has_include(M(x))\n", h},
      {"#if defined(__has_include)\n", 0},
      {"#if defined __has_include\n", 0},
      {"#ifdef __has_include\n", 0},
      {"#if __has_feature(x) && __has_attribute(y)\n", 0},
      {"// #if __has_include(MACRO)\n", 0},
      {"/*\n#if __has_include(MACRO)\n*/\n", 0},
      {"// don't\n#if __has_include(MACRO)\n", h},
      {"#if 0\ndon't /* x\n#endif\n#if __has_include(MACRO)\n#endif\n", h},       // the apostrophe hides the comment's begin
      {"case u'a': case '/*':\n#if __has_include(MACRO)\n#endif\n/**/", h},
      {"int x = 1'000; /*\n#if __has_include(MACRO)\n*/\n", h},                    // a separator only in newer languages
      {"int x = 1'000'000;\n/*\n#if __has_include(MACRO)\n*/\n", 0},
      {"#include <a/*b.h>\n#if __has_include(MACRO)\n#endif\n/**/", h},            // no comment begins there
      {"// x\r /*\n#if __has_include(MACRO)\n#endif\n/**/", h},                      // for gcc the line has not ended
      {"const char* s = \"/*\";\n#if __has_include(MACRO)\n#endif\n/**/", h},
      {"const char* s = \"\\\"/*\";\n#if __has_include(MACRO)\n#endif\n/**/", h},
      {"char c = '\"'; \n#if __has_include(MACRO) // \"\n#endif\n", h},
      {"#error it's /* unclosed\n#if __has_include(MACRO)\n#endif\n/**/", h},
      {"auto s = R\"(/*)\";\n#if __has_include(MACRO)\n#endif\n/**/", h},
  });
}

uint32_t dates_of(const ScanResult& r) {
  uint32_t flags = r.flags & (kScanDate | kScanTimestamp);
  if (can_be_pasted(r.pieces, "__DATE__") || can_be_pasted(r.pieces, "__TIME__")) flags |= kScanDate;
  if (can_be_pasted(r.pieces, "__TIMESTAMP__")) flags |= kScanTimestamp;
  return flags;
}

void test_dates(void**) {
  const uint32_t d = kScanDate, t = kScanTimestamp;
  const std::vector<FlagRow> rows = {
      {"const char* s = __DATE__;", d},
      {"const char* s = __TIME__;", d},
      {"const char* s = __TIMESTAMP__;", t},
      {"__DATE__ __TIMESTAMP__", d | t},
      {"__DA\\\nTE__", d},
      {"__TI?\?/\nME__", d},
      {"\"a\"__DATE__\"b\"", d},
      {"#define D __DATE__\n", d},
      {"#if 0\n__DATE__\n#endif\n", d},
      {"// __DATE__\n", 0},
      {"/* __TIME__\n __TIMESTAMP__ */", 0},
      {"f(\"__DATE__ __TIME__\");", 0},
      {"f(\"\\\"__DATE__\");", 0},
      {"/* a */ __DATE__ /* b */", d},
      {"f(\"//\", __DATE__);", d},
      {"f('\"', __DATE__, '\"');", d},
      {"f(L'\"', __DATE__, '\"');", d},
      {"f(L'a', '\"', __DATE__, '\"');", d},
      {"int i = 1'000; f(__DATE__);", d},
      {"R\"(\")\" __DATE__ R\"(\")\"", d},
      {"x__DATE__ __DATE__x __DATE_ DATE __DATES__ __TIMEOUT__", 0},
      {"enum { DATE, TIMESTAMP };", 0},
      {"enum { A, DATE, B };", 0},
      {"typedef enum { HEAD = 'x', TIME, OS } mode; // (\nint f(int);", 0},
      {"M(enum { A, DATE, B };)", d},
      {"_Pragma(\"message(__TIME__)\")", d},
      {"_Pragma(\"message(__TIMESTAMP__)\")", t},
      {"// _Pragma(\"message(__TIME__)\")", 0},
      {"M({ f(')'); enum { A, DATE, B }; })", d},
      {"M(\")\", /* ) */ DATE, // )\n b)", d},
      {"\xef\xbb\xbf__DATE__", d},
      {"CAT(__DA,TE__)", d},
      {"CAT(__TI, ME__)", d},
      {"CAT(__TIMES, TAMP__)", t},
      {"CAT3(__,DATE,__)", d},
      {"CAT3(__,TIME,__)", d},
      {"CAT3(__,TIMESTAMP,__)", t},
      {"CAT3(__ , /* x */ DATE /* y */ , __)", d},
      {"CAT3(__,\n  DATE,\n  __)", d},
      {"CAT3(__, // x\n DATE // y\n, __)", d},
      {"CAT(_,_DATE__)", d},
      {"CAT(__DATE,__)", d},
      {"CAT(__DATE_,_)", d},
      {"CAT(__D,ATE__)", d},
      {"#define D __DA##TE__\n", d},
      {"#define D __DA ## TE__\n", d},
      {"#define D __DA%:%:TE__\n", d},
      {"#define D __DA?\?=?\?=TE__\n", d},
      {"#define D __DA \\\n ## \\\n TE__\n", d},
      {"#define W(x) __##x##__\nconst char* s = W(DATE);", d},
      {"#define W(x) __##x##__\nconst char* s = W( TIMESTAMP );", t},
      {"#define TE_(x) __DA##x\n", d},
      {"// CAT(__DA,TE__)\n", 0},
      {"f(\"(__DA,TE__)\")", 0},
  };
  int bad = 0;
  for (size_t i = 0; i < rows.size(); i++) {
    // What a macro of another file may put around it.
    uint32_t got = dates_of(scan(rows[i].text + "\n#define GLUE(x) __##x##__\n"));
    if (got != rows[i].want) ROW_FAIL(i, rows[i].text, "got %s, want %s", flag_names(got).c_str(), flag_names(rows[i].want).c_str());
  }
  assert_int_equal(bad, 0);
}

void test_pragmas(void**) {
  check_flags({
      {"#pragma once\n", kScanOnce},
      {"#pragma once", kScanOnce},
      {" # pragma /**/ once // x\r\n", kScanOnce},
      {"%:pragma once\n", kScanOnce},
      {"?\?=pragma once\n", kScanOnce},
      {"#pra\\\ngma on\\\nce\n", kScanOnce},
      {"\xef\xbb\xbf#pragma once\n", kScanOnce},
      {"#import <a.h>\n", kScanImport},
      {"// #pragma once\n", 0},
      {"/*\n#pragma once\n*/", 0},
      {"#pragma oncetwo\n", 0},
      {"_Pragma(\"once\")\n", kScanOnce},
      {"_Pragma ( \"once\" )\n", kScanOnce},
      {"_Pragma(\n\"once\")\n", kScanOnce},
      {"_Pragma /* x */\n(\n/* y\n */ L\"once\")\n", kScanOnce},
      {"__pragma(once)\n", kScanOnce},
      {"// _Pragma(\"once\")\n", 0},
      {"#pragma GCC system_header\n", kScanSystemHeader},
      {"#pragma clang system_header\n", kScanSystemHeader},
      {"_Pragma(\"GCC system_header\")", kScanSystemHeader},
      {"#define S system_header\n", kScanSystemHeader},
      {"// #pragma GCC system_header\n", 0},
      {"# 1 \"a.h\" 3 4\n", kScanSystemHeader},
      {"# 3 \"a.h\" 2\n#line 3 \"b.h\"\n", 0},
      {"#pragma GCC dependency \"a.h\"\n", kScanDependency},
      {"#pragma clang dependency <a.h>\n", kScanDependency},
      {"#pragma GCC /**/ dependency <a.h> x\n", kScanDependency},
      {"_Pragma(\"GCC dependency \\\"a.h\\\"\")", kScanDependency},
      {"_Pragma(\n  \"GCC   dependency <a.h>\")", kScanDependency},
      {"#define P(x) _Pragma(#x)\nP(GCC dependency \"a.h\")\n", kScanDependency},
      {"P(GCC  dependency <a.h>)\n", kScanDependency},
      {"P(GCC /* x */\n dependency <a.h>)\n", kScanDependency},
      {"P(clang dependency <a.h>)\n", kScanDependency},
      {"// a GCC dependency\n", 0},
      {"// #pragma GCC dependency \"a.h\"\n", 0},
      {"f(\"#pragma GCC dependency\");\n", 0},
      {"int dependency; f(dependency);", 0},
      {"#pragma GCC diagnostic push\n#pragma omp parallel\n#pragma STDC FP_CONTRACT ON\n", 0},
      {"#pragma GCC pch_preprocess \"a.gch\"\n", kScanPch},
      {"#pragma hdrstop\n", kScanPch},
      {"#line 1\n#line 2 \"x\"\n#  line  3  \"a\\\\b\\\"\" // y\n# 4 \"x\" 2 3\n", kScanSystemHeader},
      {"#line X\n", kScanLineDoubt},
      {"#line 2 X\n", kScanLineDoubt},
      {"#line 2u \"x\"\n", kScanLineDoubt},
      {"#line X \"x\"\n", kScanLineDoubt},
      {"#line 2 \"\\x41\"\n", kScanLineDoubt},
      {"#line 2 \"a?\?=b\"\n", kScanLineDoubt},
      {"#line 2 R\"(x)\"\n", kScanLineDoubt},
      {"%:line X\n", kScanLineDoubt},
      {"/*\n#line X\n*/\nint line, X; // #line X\n", 0},
      {"#pragma clang module import a\n", kScanModule},
      {"#pragma include_alias(\"a.h\", \"b.h\")\n", kScanComputedInclude},
      {"#embed <a.bin>\n", kScanEmbed},
      {"  # embed \"a.bin\" limit(3)\n", kScanEmbed},
      {"#embed MACRO\n", kScanEmbed},
      {"%:embed <a.bin>\n", kScanEmbed},
      {"#if __has_embed(<a.bin>)\n", kScanEmbed},
      {"// #embed <a.bin>\n", 0},
      {"/*\n#embed <a.bin>\n*/", 0},
      {"#embedded <a.bin>\nint embed;\n", 0},
  });
  check_flags({
      {"#define P(x) _Pragma(#x)\n", kScanPragmaDoubt},
      {"#define P _Pragma\n", kScanPragmaDoubt},
      {"_Pragma(X)\n", kScanPragmaDoubt},
      {"_Pragma(\"x\")\n", 0},
      {"_Pragma ( L\"x\" )\n", 0},
      {"// _Pragma(x)\n", 0},
  }, kScanPragmaDoubt);
  check_flags({
      {"P(\"GCC dependency 'a.h'\")\n", kScanPragmaText},
      {"#define DEP dependency\n", kScanPragmaText},
      {"const char* s = \"__TIME__\";", kScanPragmaText},
      {"// \"GCC dependency\" __TIME__\n", 0},
      {"int dependency; f(\"a dependency\");", 0},
  }, kScanPragmaText);
  const ScanResult r = scan("#define A depend\n#define B(x) x##ency\n");
  assert_true(can_be_pasted(r.pieces, "dependency"));
}

void test_inline_assembler(void**) {
  const uint32_t f = kScanAsmFile, d = kScanAsmDoubt;
  check_flags({
      {"asm(\"nop\");", 0},
      {"asm volatile (\"nop\");", 0},
      {"__asm__ __volatile__ (\"nop\" : : : \"memory\");", 0},
      {"__asm volatile goto (\"jmp %l0\" : : : : out);", 0},
      {"asm inline (\"nop\");", 0},
      {"asm /* x */ volatile // y\n (\"nop\");", 0},
      {"asm(\"nop\\n\\t\" /* x */ \"nop\" // y\n \"nop\");", 0},
      {"asm(\"mov %0, %1\" : \"=r\"(x) : \"r\"(MACRO(y)));", 0},
      {"int x asm(\"eax\");", 0},
      {"int casm; void asmx(int); int x_asm = asmx(Y);", 0},
      {"// asm(MACRO)\n/* asm(MACRO) */ f(\"asm(MACRO)\");", 0},
      {"asm(\".incbin \\\"a.bin\\\"\");", f},
      {"asm(\".include \\\"a.s\\\"\");", f},
      {"asm(\".INCBIN \\\"a.bin\\\"\");", f},
      {"asm(\".IncLude \\\"a.s\\\"\");", f},
      {"asm(\".inc\" \"bin 'a'\");", f},
      {"asm(\".in\"\n\"clude 'a'\");", f},
      {"asm(\".\\151ncbin 'a'\");", f},
      {"asm(\".\\x69ncbin 'a'\");", f},
      {"asm(\".\\u0069ncbin 'a'\");", f},
      {"asm(\"\\56incbin 'a'\");", f},
      {"asm(\".inc\\\nbin 'a'\");", f},
      {"asm(\".in?\?/\nclude 'a'\");", f | d},  // in the reading without trigraphs the string does not end
      {"asm(\"nop; .incbin 'a'\" : : );", f},
      {"__asm__(\n  \"nop\\n\"\n  \".include 'a'\\n\"\n);", f},
      {"asm(R\"(.incbin \"a\")\");", f | d},
      {"asm(R\"x(.include \"a\")x\" : : );", f | d},
      {"asm(MACRO);", d},
      {"asm(\"nop\" MACRO);", d},
      {"asm(MACRO \"nop\" : : );", d},
      {"asm(\".inc\" STR(bin) \" 'a'\");", f | d},
      {"asm((\"nop\"));", d},
      {"asm(u8\"nop\");", d},
      {"asm VOLATILE (\"nop\");", d},
      {"asm VOLATILE (\".include 'a'\");", f | d},
      {"asm { nop }", d},
      {"#define ASM asm\n", d},
      {"#define ASM __asm__ volatile\n", d},
      {"?\?=define ASM asm\n", d},
      {"#define A(x) asm(x)\n", d},
      {"#define A(x) __asm__ x\n", d},
      {"#define asm __asm__\n", d},
      {"#define INC(f) \".incbin \\\"\" f \"\\\"\"\n", f},
      {"const char* s = \"incbin\";", 0},
      {"#define S \"incbin\"\n", f},
      {"// incbin\n/* .incbin */", 0},
      {"asm(\".macro x\\n.endm\");", d},
      {"asm(\".irp x,a,b\\n.endr\");", d},
      {"asm(\".irpc x,ab\\n.endr\");", d},
      {"asm(\".altmacro\");", d},
      {"asm(\".mri 1\\ninclude 'a'\");", d},
      {"asm(\"unterminated", 0},
      {"asm(", 0},
      {"asm", 0},
      {"asm(\"a\\", 0},
      {"asm(R\"", d},
      {"asm(R\"x(", d},
  });
}

void test_assembler_text(void**) {
  const uint32_t f = kScanAsmFile, d = kScanAsmDoubt;
  check_flags({
      {"\tnop\n", 0},
      {"\t.incbin \"a\"\n", f},
      {"\t.include \"a\"\n", f},
      {"\t.INCLUDE \"a\"\n", f},
      {"#include \"a.h\"\n\tret\n", 0},
      {"#define I incbin\n.I \"a\"\n", f},
      {"\t.macro x\n\t.endm\n", d},
      {"\t.irp x,1,2\n\t.endr\n", d},
      {"\t.irep x,1,2\n\t.endr\n", d},
      {"\t.altmacro\n", d},
      {"\t.mri 1\n include a\n", d},
      {"\t.rept 3\n\tnop\n\t.endr\n", 0},
  }, f | d, ScanAs::kAssembler);
  assert_string_equal(show(scan("#include \"a.h\"\n# include <b.h>\n# a comment, don't mind\n#include <c.h>\n", ScanAs::kAssembler)).c_str(), "i\"a.h\" i<b.h> i<c.h>");
  // No assembler to ask: the words, wherever they stand, and what could make one of pieces.
  const uint32_t p = kScanPaste;
  check_flags({
      {"#include \"a.h\"\n# include <include/a.inc>\n\tret /* include */ // macro\n", 0},
      {"\t.incbin \"a\"\n", f},
      {"\t.INCBIN \"a\"\n", f},
      {"#define I incbin\n.I \"a\"\n", f},
      {"#define D .\nD/**/include \"a\"\n", f},
      {"D include/**/\"a\"\n", f},
      {"X(include)\n", f},
      {".in\\\ncbin \"a\"\n", f},
      {"%:include \"a.h\"\n", f},
      {"x # include \"a.h\"\n", f},
      {".macro x\n", d},
      {"#define M Macro\n.M x\n", d},
      {".irpc x,ab\n", d},
      {".irepc x,ab\n", d},
      {".secure_log_unique \"x\"\n", d},
      {"macros: includes: my_macro: .rept 3\n", 0},
      {"#define CAT(a, b) a ## b\n", p},
      {"#define CAT(a, b) a %:%: b\n", p},
      {"#define CAT(a, b) a ?\?=?\?= b\n", p},
      {"#define CAT(a, b) a /*\n*/ ## b\n", p},
      {"#define CAT(a, b) a \\\n## b\n", p},
      {"#define CAT(a, b) a \\ \t\n## b\n", p},
      {"#define CAT(a, b) a \\\r\n## b\n", p},
      {"#define CAT(a, b) a /* */ /*\n*/ /**/\\\n\t## b\n", p},
      {"## a comment\n\t## another\n/* ## */ // ##\n", 0},
  }, f | d | p, ScanAs::kMadeAssembler);
  // Assembler text is none of that in a C file.
  assert_int_equal(scan(".include \"a\"\n").flags & f, 0);
}

void test_modules(void**) {
  const uint32_t m = kScanModule;
  check_flags({
      {"import foo;\n", m},
      {"import foo.bar;", m},
      {"import :part;", m},
      {"import <vector>;", m},
      {"import \"a.h\";", m},
      {"import<vector>;", m},
      {"export import foo;", m},
      {"export\timport <vector>;", m},
      {"module;\n", m},
      {"module foo;", m},
      {"module foo:part;", m},
      {"module :private;", m},
      {"export module foo;", m},
      {"export module foo.bar [[attr]];", m},
      {"\xef\xbb\xbfimport foo;\n", m},
      {"int x; import foo;", m},
      {"namespace n {} import foo;", m},
      {"/* x */ import foo;", m},
      {"import /* x */ foo /* y */;", m},
      {"import foo // x; y\n;", m},
      {"import\n  foo\n  ;", m},
      {"im\\\nport foo;", m},
      {"import HEADER(x);", m},
      {"@import Foundation;", m},
      {"__import <vector>;", m},
      {"#if X\nimport foo;\n#endif\n", m},
      {"// import foo;\n", 0},
      {"/*\nimport foo;\n*/", 0},
      {"f(\"\\\nimport foo;\");", 0},
      {"int import;", 0},
      {"import = 3;", 0},
      {"import(x);", 0},
      {"import += y;", 0},
      {"import.x = y;", 0},
      {"x.import(y); x->import = z; import->y();", 0},
      {"module->x = 3;", 0},
      {"module.x();", 0},
      {"module(x);", 0},
      {"module* m;", 0},
      {"module x = y;", 0},
      {"module::f();\n", 0},
      {"typedef struct { int x; } module;", 0},
      {"void f(module m);", 0},
      {"return import;", 0},
      {"imports foo;\nmodules;\nmy_module x;\n", 0},
      {"import foo", 0},
  }, m);
}

// ---- aliases of __has_include ------------------------------------------------------------------------------------------------

void test_aliases(void**) {
  struct Row {
    std::string text;
    std::vector<std::string> want;
  };
  const std::vector<Row> rows = {
      {"#define HI __has_include\n", {"HI"}},
      {"#define HN __has_include_next\n", {"HN"}},
      {"#define HI(x) __has_include(x)\n", {"HI"}},
      {" # define /* x */ HI(x) /* y */ __has_include(x)\n", {"HI"}},
      {"%:define HI(x) __has_include(x)\n", {"HI"}},
      {"?\?=define HI(x) __has_include(x)\n", {"HI"}},
      {"#define HI(x) \\\n  __has_include(x)\n", {"HI"}},
      {"#define HI(x) __has_inc\\\nlude(x)\r\n", {"HI"}},
      {"#ifdef __has_include\n#  define FMT_HAS_INCLUDE(x) __has_include(x)\n#else\n#  define FMT_HAS_INCLUDE(x) 0\n#endif\n", {"FMT_HAS_INCLUDE"}},
      {"#if defined(__has_include)\n#define GTEST_INTERNAL_HAS_INCLUDE(...) __has_include(__VA_ARGS__)\n#endif\n", {"GTEST_INTERNAL_HAS_INCLUDE"}},
      {"#define HAS(x) __has_include(<x>)\n", {"HAS"}},                // the operand is made of the parameter
      {"#define HAS(x) __has_include(#x)\n", {"HAS"}},
      {"#define HAS __has_include(\"a.h\")\n", {"HAS"}},               // which one it is depends on the file that uses HAS
      {"#define HAS __has_include(<a.h>)\n", {}},
      {"#define HAS (defined(__has_include) && __has_include(<a.h>))\n", {}},
      {"#define HAS(k) __has_##k\n", {"HAS"}},
      {"#define HAS(k, x) __has_ ## k(x)\n", {"HAS"}},
      {"#define A __has_include\n#define B __has_include\n#define A __has_include\n", {"A", "B"}},
      {"#define X __has_attribute\n", {}},
      {"#define X(x) __has_builtin(x)\n", {}},
      {"#define X defined(__has_include)\n", {}},
      {"// #define HI __has_include\n", {}},
      {"/*\n#define HI __has_include\n*/", {}},
      {"#define X 1 // __has_include\n", {}},
      {"#define X \"__has_include\"\n", {}},
      {"#undef __has_include\n#ifdef __has_include\n#endif\n", {}},
  };
  int bad = 0;
  for (size_t i = 0; i < rows.size(); i++) {
    ScanResult r = scan(rows[i].text);
    std::string got;
    for (auto& a : r.has_aliases) got += a + " ";
    if (r.has_aliases != rows[i].want) ROW_FAIL(i, rows[i].text, "got %s", got.c_str());
  }
  assert_int_equal(bad, 0);
}

void test_alias_escapes(void**) {
  const std::vector<std::pair<std::string, bool>> rows = {
      {"", false},
      {"int x;", false},
      {"#define HI __has_include\n", false},
      {"#define HI(x) __has_include(x)\n", false},
      {"#if HI(<a.h>)\n", false},
      {"#if HI(\"a.h\")\n#elif HI ( <b.h> )\n", false},
      {"#if HI/* x */(/* y */<a.h>/* z */)\n", false},
      {"#if defined(HI) && HI(<a.h>)\n", false},
      {"#if defined HI\n#ifdef HI\n#ifndef HI\n#undef HI\n", false},
      {"#if HI(<a.h>) && HI(<b.h>)\n", false},
      {"#if XHI(M) || HIX(M) || X_HI(M)\n", false},
      {"// #if HI(M)\n", false},
      {"/*\n#if HI(M)\n*/", false},
      {"int y = HI;", false},
      {"#if 0 // HI(M)\n", false},
      {"#if HI(M)\n", true},
      {"#elif HI(M)\n", true},
      {" # if HI(M)\n", true},
      {"%:if HI(M)\n", true},
      {"?\?=if HI(M)\n", true},
      {"#if H\\\nI(M)\n", true},
      {"#if HI(<a.h>) && HI(M)\n", true},
      {"#if HI(M) && HI(<a.h>)\n", true},
      {"#if HI(<a.h)\n", true},
      {"#if HI(<a.h>, <b.h>)\n", true},
      {"#if HI(<a.h> M)\n", true},
      {"#if HI\n", true},
      {"#if not_defined(HI)\n", true},
      {"#if X(HI)\n", true},
      {"#define B HI\n", true},
      {"#define B(x) HI(x)\n", true},
      {"#define B HI(<a.h>)\n", true},
      {"#define B(x) \\\n  HI(x)\n", true},
      {"#include HI(x)\n", true},
      {"#if 0\n#elif X || HI(M)\r\n", true},
      {"/* x\n*/#if HI(M)\n", true},
      {"int x; ?\?/\n#if HI(M)\n", true},
  };
  int bad = 0;
  for (size_t i = 0; i < rows.size(); i++)
    if (alias_escapes(rows[i].first, "HI") != rows[i].second) ROW_FAIL(i, rows[i].first, "want %d", rows[i].second);
  assert_int_equal(bad, 0);
}

// What real libraries write.
void test_alias_idioms(void**) {
  std::string fmt =
      "#ifdef __has_include\n#  define FMT_HAS_INCLUDE(x) __has_include(x)\n#else\n#  define FMT_HAS_INCLUDE(x) 0\n#endif\n"
      "#if FMT_HAS_INCLUDE(<string_view>) && \\\n  (__cplusplus > 201402L || defined(_LIBCPP_VERSION))\n#  include <string_view>\n"
      "#elif FMT_HAS_INCLUDE(\"experimental/string_view\") && __cplusplus >= 201402L\n#endif\n";
  ScanResult r = scan(fmt);
  assert_int_equal(r.has_aliases.size(), 1);
  assert_true(finds(r, ScanOperand::kHas, false, "string_view"));
  assert_true(finds(r, ScanOperand::kHas, true, "experimental/string_view"));
  assert_true(finds(r, ScanOperand::kInclude, false, "string_view"));
  assert_int_equal(r.flags, 0);
  assert_false(alias_escapes(fmt, "FMT_HAS_INCLUDE"));
  std::string gtest =
      "#ifdef __has_include\n#define GTEST_INTERNAL_HAS_INCLUDE __has_include\n#else\n#define GTEST_INTERNAL_HAS_INCLUDE(...) 0\n#endif\n"
      "#if GTEST_INTERNAL_HAS_INCLUDE(<any>)\n#include <any>\n#endif\n";
  r = scan(gtest);
  assert_int_equal(r.has_aliases.size(), 1);
  assert_true(finds(r, ScanOperand::kHas, false, "any"));
  assert_false(alias_escapes(gtest, "GTEST_INTERNAL_HAS_INCLUDE"));
}

// ---- the stored form ---------------------------------------------------------------------------------------------------------

const char* const kSample =
    "#pragma once\n#include <a.h>\n#include \"b.h\"\n#include_next <c.h>\n#if __has_include(<d.h>) && __has_include_next(\"e.h\")\n#endif\n"
    "#define HI __has_include\n#define HJ(x) __has_include(x)\n#include M\nconst char* s = __DATE__ __TIMESTAMP__;\nasm(M);\nimport x;\n#line 1 \"y\"\n# 2 \"z\"\n";

void test_lines(void**) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> cases = {
      {"#line 1 \"a.y\"\n# line 2 \"b.y\"\n#line 3 \"a.y\"\n# 4 \"c.y\" 1 3\n", {"a.y", "b.y", "c.y"}},
      {"#line 1\n# 2\n#line 1 \"\"\n# 1 \"/work//\"\n", {}},
      {"  /* x */ # /* y */ line /* z */ 1 /* \"no\" */ \"a /* b */.y\" // \"no\"\n", {"a /* b */.y"}},
      {"#line 1 \"a\\\\b\\\"c\"\n#li\\\nne 2 \"d\\\n.y\"\n", {"a\\b\"c", "d.y"}},
      {"%:line 1 \"a.y\"\n?\?=line 1 \"b.y\"\n#line 1\"c.y\"\n", {"c.y", "a.y", "b.y"}},
      {"/*\n#line 1 \"a.y\"\n*/\nconst char* s = R\"(\n#line 1 \"b.y\"\n)\"; x #line 1 \"c.y\"\n", {"b.y"}},  // to C no raw string
  };
  for (auto& [text, lines] : cases) {
    std::vector<std::string> found = scan(text).lines, wanted = lines;
    std::sort(found.begin(), found.end()), std::sort(wanted.begin(), wanted.end());
    if (found != wanted) fail_msg("%s", text.c_str());
  }
}

void test_encode(void**) {
  for (auto text : {""s, "int x;"s, std::string(kSample), "#include <" + std::string(300, 'x') + ">\n#include \"\xff\xfe\"\n#include <a\0b>\n"s}) {
    ScanResult r = scan(text), back;
    back.flags = 99, back.operands.push_back({ScanOperand::kHas, true, "old"}), back.has_aliases.push_back("old");
    std::string bytes = encode_scan(r);
    assert_true(decode_scan(bytes, &back));
    assert_true(back == r);
    assert_true(encode_scan(back) == bytes);
    // Nothing shorter, nothing longer is taken.
    for (size_t n = 0; n < bytes.size(); n++) {
      std::string cut(bytes, 0, n);  // its own allocation: the address sanitizer sees a read behind it
      assert_false(decode_scan(std::string(cut), &back));
    }
    assert_false(decode_scan(bytes + '\0', &back));
  }
  // Any byte changed is either refused or decoded, never read beyond.
  std::string bytes = encode_scan(scan(kSample));
  for (size_t i = 0; i < bytes.size(); i++)
    for (int v = 0; v < 256; v++) {
      std::string s = bytes;
      s[i] = static_cast<char>(v);
      ScanResult r;
      if (decode_scan(s, &r)) {
        ScanResult again;
        assert_true(decode_scan(encode_scan(r), &again) && again == r);
      }
    }
  // Counts that promise more than there is.
  ScanResult r;
  assert_false(decode_scan("\x02\x00\xff\xff\xff\xff\xff\xff\xff\xff\x7f", &r));
  assert_false(decode_scan("\x02\x00\x00\xff\xff\xff\xff\x0f"s, &r));
  assert_false(decode_scan("\x01\x00\x00\x00"s, &r));  // an older form
  assert_false(decode_scan("\x02\x00\x01\x08\x00\x00"s, &r));  // no such kind
}

// Every prefix and every suffix of texts with everything in them.
void test_truncated(void**) {
  std::string all = kSample;
  all += "asm volatile (\".inc\" R\"x(bin)x\" \"\\u0069\\x6e\\143\" : \"=r\"(x));\n_Pragma(\"GCC dependency \\\"a\\\"\")\nCAT3(__, /* x */ DATE, __)\n"
         "%:include <x>\n?\?=include \"y\"\n#if 1'000 && '\\'' && HI(\"z\")\nexport module a.b [[c]];\nf(\"\\\"\", 'x', L'y') ?\?/\n // end\n"
         "#define P(x) __has_##x\n#if P(include)(<a.h>)\n/* * / */ #include <w>\r\n#embed <v>";
  for (size_t n = 0; n <= all.size(); n++)
    for (ScanAs as : {ScanAs::kC, ScanAs::kAssembler, ScanAs::kMadeAssembler}) {
      std::vector<char> head(all.begin(), all.begin() + static_cast<ptrdiff_t>(n)), tail(all.begin() + static_cast<ptrdiff_t>(n), all.end());
      for (auto& v : {head, tail}) {
        std::string_view text(v.data(), v.size());
        ScanResult r = scan(text, as), back;
        assert_true(decode_scan(encode_scan(r), &back) && back == r);
        for (auto& a : r.has_aliases) alias_escapes(text, a);
        alias_escapes(text, "HI");
        if (as == ScanAs::kC && &v == &head && n == all.size()) assert_true(finds(r, ScanOperand::kInclude, false, "w"));
      }
    }
  // What a longer file has before a point is found at that point already.
  for (size_t n = 0; n < all.size(); n++)
    if (all[n] == '\n') {
      ScanResult part = scan(std::string_view(all).substr(0, n + 1)), whole = scan(all);
      for (auto& o : part.operands) assert_true(finds(whole, o.kind, o.quoted, o.name));
    }
}

// Texts in which each place leads over all the others: none keeps us busy for longer than the time a test has, and what is not read to its end says so. Those at the
// end are long lines as generators write them, and are read.
void test_texts_made_to_be_slow(void**) {
  constexpr size_t kSize = 400000;
  auto of = [](std::string_view piece, std::string_view front = "", std::string_view back = "") {
    std::string s(front);
    while (s.size() < kSize) s += piece;
    return s.append(back);
  };
  std::string nested;
  for (int i = 0; nested.size() < kSize; i++) nested += "f" + std::to_string(i) + "(T ";
  const std::string texts[] = {
      of("#/*"), of("#if/*\n", "", "*/ x"), of("#if <"), of("# 1 "), of("#pragma \""), of("#define __has_x "), of("f(T "), of("T ", "f(", ")"), of("T() ", "f(", ")"),
      of("\".inc\" "), of("dependency*/"),
      of("import a\n"), of("_Pragma("), of("asm(\"x\" "),
  };
  int bad = 0;
  for (size_t i = 0; i < std::size(texts); i++) {
    const ScanResult r = scan(texts[i]);
    if (!(r.flags & kScanTooMuch)) ROW_FAIL(i, texts[i].substr(0, 20), "is read to its end");
    if (encode_scan(r).size() > 100 * kSize) ROW_FAIL(i, texts[i].substr(0, 20), "its result is large");
    for (ScanAs as : {ScanAs::kAssembler, ScanAs::kMadeAssembler}) scan(texts[i], as);
    // In doubt.
    if (i == 1 && !alias_escapes(texts[i], "x")) ROW_FAIL(i, texts[i].substr(0, 20), "no alias escapes");
  }
  assert_true(alias_escapes(of("#if H(<", "", "H"), "H"));
  assert_true(defines_macro(of("#define/*", "", "X"), "X"));
  std::vector<ScanOperand> operands;
  std::vector<std::string> macros;
  assert_false(read_include_macro(of("#define X/*", "#define X <a.h>\n"), "X", &operands, &macros));
  const std::string guarded = of("#define X\n", "#ifdef X\n", "#endif\n");
  assert_false(defines_macro_first(guarded, "X"));
  assert_true(defines_macro_first(guarded + "#define X\n", "X"));

  const std::string lines[] = {of("T,", "int a[] = {", "};"), of("T,", "f(", ")"), of("/**/"), of("a'", "#define X "), of("\"\\\"\","), of("1'000,"), of("?\?/"), of("#define H __has_include\n"), of("(", "T"), of("__D/*"), nested};
  for (size_t i = 0; i < std::size(lines); i++)
    if (scan(lines[i]).flags & kScanTooMuch) ROW_FAIL(i, lines[i].substr(0, 20), "is given up");
  assert_int_equal(bad, 0);
}

// Nothing is quadratic that a file could hold by accident.
void test_time(void**) {
  clock_t start = clock();  // processor time: others share the machine
  for (std::string unit : {"#include <a.h>\n", "# /* x */ define X(y) y\n", "\"'\n", "asm(\"nop\");\n", "f(DATE)\n", "import x;\n", "\\\n", "__DATE__ // x\n", "#pragma GCC x\n", "1'0 "}) {
    std::string s;
    while (s.size() < (1u << 20)) s += unit;
    scan(s);
    alias_escapes(s, "X");
  }
  double sec = static_cast<double>(clock() - start) / CLOCKS_PER_SEC;
  assert_true(sec < 30);
}

// ---- against the compilers ------------------------------------------------------------------------------------------------

// Standard output and error together; false if it can't be run or fails.
bool run(const std::string& command, std::string* out) {
  out->clear();
  FILE* p = popen((command + " 2>&1").c_str(), "r");
  if (!p) return false;
  char buffer[4096];
  for (size_t n; (n = fread(buffer, 1, sizeof buffer, p)) > 0;) out->append(buffer, n);
  return pclose(p) == 0;
}

std::vector<std::string> search_path(const std::string& compiler, const char* language) {
  std::string out;
  std::vector<std::string> dirs;
  if (!run("LC_ALL=C " + compiler + " -v -E -x " + language + " /dev/null -o /dev/null", &out)) return dirs;
  size_t at = out.find("#include <...> search starts here:\n"), end = out.find("End of search list.");
  if (at == std::string::npos || end == std::string::npos) return dirs;
  for (at = out.find('\n', at) + 1; at < end;) {
    size_t e = out.find('\n', at);
    dirs.push_back(out.substr(at + 1, e - at - 1));
    at = e + 1;
  }
  return dirs;
}

bool is_file(const std::string& path) {
  FileId id;
  return stat_file(path.c_str(), &id) == 0 && id.is_regular();
}
std::string real(const std::string& path) {
  char* p = realpath(path.c_str(), nullptr);
  std::string s = p ? p : path;
  free(p);
  return s;
}

// All files that the operands of `source`, and of what they lead to, could mean. Real paths.
struct Walk {
  std::vector<std::string> dirs;
  std::map<std::string, ScanResult> scans;  // by path, kept between sources
  std::map<std::string, bool> files;

  bool file(const std::string& p) {
    auto [it, fresh] = files.try_emplace(p, false);
    if (fresh) it->second = is_file(p);
    return it->second;
  }
  std::set<std::string> closure(const std::string& source) {
    std::set<std::string> seen = {source}, result;
    std::deque<std::string> queue = {source};
    auto reach = [&](const std::string& p) {
      if (file(p) && seen.insert(p).second) queue.push_back(p);
    };
    for (auto& d : dirs) reach(d + "/stdc-predef.h");
    while (!queue.empty()) {
      std::string path = queue.front();
      queue.pop_front();
      result.insert(real(path));
      auto [it, fresh] = scans.try_emplace(path);
      if (fresh) {
        std::string text;
        if (read_file(path.c_str(), &text, 1u << 26) == 0) it->second = scan(text);
      }
      for (auto& o : it->second.operands) {
        if (o.kind == ScanOperand::kHas || o.kind == ScanOperand::kHasNext) continue;
        bool next = o.kind == ScanOperand::kIncludeNext;
        if (o.name[0] == '/') {
          reach(o.name);
          continue;
        }
        if (o.quoted) reach(path_join(path_dir(path), o.name));
        for (auto& d : dirs) {
          std::string p = path_join(d, o.name);
          if (!file(p)) continue;
          reach(p);
          if (!next) break;
        }
      }
    }
    return result;
  }
};

std::vector<std::string> dependencies(const std::string& rule) {
  std::vector<std::string> out;
  std::string word;
  size_t at = rule.find(':');
  if (at == std::string::npos) return out;
  for (at++; at <= rule.size(); at++) {
    char c = at < rule.size() ? rule[at] : ' ';
    if (c == '\\' && at + 1 < rule.size() && rule[at + 1] == '\n') {
      at++;
    } else if (c == '\\' && at + 1 < rule.size()) {
      word += rule[++at];
      continue;
    } else if (c != ' ' && c != '\n') {
      word += c;
      continue;
    }
    if (!word.empty()) out.push_back(word);
    word.clear();
  }
  return out;
}

const std::vector<std::pair<const char*, const char*>> kPrograms = {
    {"c", "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"},
    {"c", "#include <math.h>\n#include <complex.h>\n#include <tgmath.h>\n#include <fenv.h>\n"},
    {"c", "#include <sys/types.h>\n#include <sys/stat.h>\n#include <sys/socket.h>\n#include <netinet/in.h>\n#include <netdb.h>\n#include <arpa/inet.h>\n"},
    {"c", "#include <pthread.h>\n#include <semaphore.h>\n#include <signal.h>\n#include <time.h>\n#include <threads.h>\n#include <stdatomic.h>\n"},
    {"c", "#define _GNU_SOURCE 1\n#include <unistd.h>\n#include <fcntl.h>\n#include <dlfcn.h>\n#include <sched.h>\n#include <sys/mman.h>\n#include <sys/epoll.h>\n#include <ucontext.h>\n"},
    {"c", "%:include <limits.h>\n# /* x */ include <stdint.h>\n#incl\\\nude <inttypes.h>\n#include <float.h> // x\n/*\n*/#include <wchar.h>\n#include <locale.h>\n"},
    {"c", "#include <immintrin.h>\n#include <stdarg.h>\n#include <stdalign.h>\n#include <iso646.h>\n#include <cpuid.h>\n"},
    {"c", "#include <linux/perf_event.h>\n#include <linux/fs.h>\n#include <asm/unistd.h>\n#include <sys/ioctl.h>\n#include <termios.h>\n#include <regex.h>\n"},
    {"c++", "#include <iostream>\n#include <string>\n#include <vector>\n"},
    {"c++", "#include <map>\n#include <unordered_map>\n#include <set>\n#include <deque>\n#include <list>\n#include <algorithm>\n#include <numeric>\n"},
    {"c++", "#include <thread>\n#include <mutex>\n#include <future>\n#include <condition_variable>\n#include <atomic>\n#include <shared_mutex>\n"},
    {"c++", "#include <filesystem>\n#include <fstream>\n#include <sstream>\n#include <iomanip>\n#include <codecvt>\n#include <charconv>\n"},
    {"c++", "#include <ranges>\n#include <concepts>\n#include <span>\n#include <bit>\n#include <compare>\n#include <optional>\n#include <variant>\n#include <any>\n"},
    {"c++", "#include <regex>\n#include <random>\n#include <chrono>\n#include <valarray>\n#include <complex>\n#include <memory_resource>\n"},
    {"c++", "#include <cmath>\n#include <cstdlib>\n#include <cstdio>\n#include <cstdint>\n#include <cwchar>\n#include <cfenv>\n#include <tr1/unordered_map>\n#include <ext/rope>\n"},
    {"c++", "#if __has_include(<bits/stdc++.h>)\n#include <bits/stdc++.h>\n#else\n#include <vector>\n#endif\n"},
};

void against(const char* c, const char* cxx) {
  char dir_template[] = "/tmp/test_scanner.XXXXXX";
  const char* dir = mkdtemp(dir_template);
  assert_non_null(dir);
  std::string where = real(dir);
  int bad = 0, programs = 0;
  size_t headers = 0;
  for (const char* language : {"c", "c++"}) {
    std::string compiler = language == "c"s ? c : cxx;
    Walk walk;
    walk.dirs = search_path(compiler, language);
    if (walk.dirs.empty()) {
      print_message("  %s: it can't be run here: skipped\n", compiler.c_str());
      continue;
    }
    for (size_t i = 0; i < kPrograms.size(); i++) {
      if (language != std::string(kPrograms[i].first)) continue;
      std::string source = where + "/p" + std::to_string(i) + (language == "c"s ? ".c" : ".cc"), out;
      assert_int_equal(publish_file(source, kPrograms[i].second, {.replace = true}), 0);
      if (!run("LC_ALL=C " + compiler + (language == "c"s ? "" : " -std=gnu++20") + " -M " + source + " -MF " + source + ".d", &out)) {
        print_message("  %s: program %zu does not preprocess here (%.80s): skipped\n", compiler.c_str(), i, out.c_str());
        continue;
      }
      std::string rule;
      assert_int_equal(read_file((source + ".d").c_str(), &rule, 1u << 26), 0);
      std::set<std::string> closure = walk.closure(source);
      programs++;
      for (auto& d : dependencies(rule)) {
        headers++;
        if (!closure.count(real(d))) ROW_FAIL(i, kPrograms[i].second, "%s reads %s", compiler.c_str(), d.c_str());
      }
      unlink(source.c_str());
      unlink((source + ".d").c_str());
    }
  }
  rmdir(dir);
  if (programs == 0) {
    print_message("  neither %s nor %s can be run here: skipped\n", c, cxx);
    skip();
  }
  print_message("  %s, %s: %d programs, %zu headers\n", c, cxx, programs, headers);
  assert_int_equal(bad, 0);
}
void test_against_gcc(void**) { against("gcc", "g++"); }
void test_against_clang(void**) { against("clang", "clang++"); }

// What the compilers do with the odd forms, and not only what this file says: each text names the header it includes, or must compile to
// `yes` only because of what the flags or aliases say.
void test_odd_forms_against_compilers(void**) {
  struct Row {
    const char* text;
    uint32_t flags;     // those of which one must be set where "yes" comes out (0: an operand must name stddef.h)
    const char* alias;  // or this alias escapes
  };
  const std::vector<Row> rows = {
      {"#define HAS(x) __has_include(<x>)\n#if HAS(stddef.h)\nyes\n#endif\n", 0, "HAS"},
      {"#define K(k) __has_##k\n#if K(include)(<stddef.h>)\nyes\n#endif\n", 0, nullptr},
      {"#define CAT(a, b) a##b\n#if CAT(__has_, include)(<stddef.h>)\nyes\n#endif\n", 0, nullptr},
      {"#define H <stddef.h>\n#if __has_include(H)\nyes\n#endif\n", kScanComputedHas, nullptr},
      {"#define H <stddef.h>\n#define HI __has_include\n#if HI(H)\nyes\n#endif\n", 0, "HI"},
      {"#define TWO(a, b) (__has_include(a) && __has_include(b))\n#if TWO(<stdarg.h>, <stddef.h>)\nyes\n#endif\n", 0, "TWO"},
      {"#if '\"' && __has_include(<stddef.h>) // \"\nyes\n#endif\n", 0, nullptr},
      {"#if '\\'' && __has_include(<stddef.h>)\nyes\n#endif\n", 0, nullptr},
      {"#define P(x) P2(__##x##__)\n#define P2(x) x\n#if 0\n#else\nconst char *yes = P(\n  DATE\n);\n#endif\n", kScanDate, nullptr},
      {"#define CAT(a, b) a##b\nconst char *yes = CAT(__TIMES /* x */, TAMP__);\n", kScanTimestamp, nullptr},
      {"#define D __DA%:%:TE__\nconst char *yes = D;\n", kScanDate, nullptr},
      {"#if 0\ndon't /* x\n#endif\n#define H <stddef.h>\n#if __has_include(H)\nyes\n#endif\n/**/\n", kScanComputedHas, nullptr},
      {"// one ?\?/\n#define H <stddef.h>\n// two ?\?/\n#if __has_include(H)\nyes\n#endif\n", kScanComputedHas, nullptr},
  };
  int bad = 0, ran = 0;
  char dir_template[] = "/tmp/test_scanner.XXXXXX";
  const char* dir = mkdtemp(dir_template);
  assert_non_null(dir);
  for (const char* compiler : {"gcc", "clang"}) {
    std::string out, source = std::string(dir) + "/a.c";
    if (!run("LC_ALL=C "s + compiler + " --version", &out)) {
      print_message("  %s: it can't be run here: skipped\n", compiler);
      continue;
    }
    for (size_t i = 0; i < rows.size(); i++) {
      const Row& row = rows[i];
      assert_int_equal(publish_file(source, row.text, {.replace = true}), 0);
      bool acts = run("LC_ALL=C "s + compiler + " -w -E -P " + source, &out) && out.find("yes") != std::string::npos;
      if (!acts) continue;  // this compiler takes no notice: nothing to miss
      ran++;
      ScanResult r = scan(row.text);
      bool seen = ((r.flags | dates_of(r)) & row.flags) != 0;
      if (row.alias) seen = std::count(r.has_aliases.begin(), r.has_aliases.end(), row.alias) && alias_escapes(row.text, row.alias);
      if (!row.flags && !row.alias)
        for (auto& o : r.operands) seen = seen || o.name == "stddef.h";
      if (!seen) ROW_FAIL(i, row.text, "%s acts on it", compiler);
    }
    unlink(source.c_str());
  }
  rmdir(dir);
  print_message("  %d forms that a compiler acts on\n", ran);
  assert_int_equal(bad, 0);
}

// ---- no false alarm in the headers that every compile reads ---------------------------------------------------------------

constexpr uint32_t kAlarms = kScanDate | kScanTimestamp | kScanEmbed | kScanModule | kScanComputedHas;

void tree(const std::string& dir, std::vector<std::string>* out) {
  std::vector<std::string> names;
  if (list_dir(dir, &names)) return;
  std::sort(names.begin(), names.end());
  for (auto& n : names) {
    std::string p = path_join(dir, n);
    FileId id;
    if (lstat_file(p.c_str(), &id)) continue;
    if (id.is_dir()) tree(p, out);
    if (id.is_regular()) out->push_back(p);
  }
}

void test_system_headers(void**) {
  std::vector<std::string> files;
  for (const char* d : {"/usr/include/c++/12", "/usr/include/x86_64-linux-gnu/c++/12", "/usr/include/x86_64-linux-gnu/bits", "/usr/include/x86_64-linux-gnu/sys",
                        "/usr/include/x86_64-linux-gnu/gnu", "/usr/include/arpa", "/usr/include/net", "/usr/include/netinet", "/usr/lib/gcc/x86_64-linux-gnu/12/include"})
    tree(d, &files);
  for (const char* n : {"aio.h",    "alloca.h",   "argp.h",    "assert.h",   "byteswap.h", "complex.h", "cpio.h",   "ctype.h",  "dirent.h",    "dlfcn.h",   "elf.h",     "endian.h",
                        "errno.h",  "error.h",    "execinfo.h", "fcntl.h",   "features.h", "fenv.h",    "fnmatch.h", "ftw.h",   "getopt.h",    "glob.h",    "grp.h",     "iconv.h",
                        "inttypes.h", "langinfo.h", "libgen.h", "libintl.h", "limits.h",   "link.h",    "locale.h", "malloc.h", "math.h",      "memory.h",  "mqueue.h",  "netdb.h",
                        "nl_types.h", "poll.h",   "pthread.h", "pty.h",      "pwd.h",      "regex.h",   "resolv.h", "sched.h",  "search.h",    "semaphore.h", "setjmp.h", "signal.h",
                        "spawn.h",  "stdc-predef.h", "stdint.h", "stdio.h",  "stdlib.h",   "string.h",  "strings.h", "syslog.h", "tar.h",      "termios.h", "tgmath.h",  "threads.h",
                        "time.h",   "uchar.h",    "ucontext.h", "unistd.h",  "utime.h",    "wait.h",    "wchar.h",  "wctype.h", "wordexp.h"}) {
    std::string p = "/usr/include/"s + n;
    if (is_file(p)) files.push_back(p);
  }
  if (files.empty()) {
    print_message("  no system headers here: skipped\n");
    skip();
  }
  int bad = 0;
  size_t bytes = 0;
  double sec = 0;
  for (size_t i = 0; i < files.size(); i++) {
    std::string text;
    if (read_file(files[i].c_str(), &text, 1u << 26)) continue;
    clock_t start = clock();  // processor time: others share the machine
    ScanResult r = scan(text);
    sec += static_cast<double>(clock() - start) / CLOCKS_PER_SEC;
    bytes += text.size();
    if (r.flags & kAlarms) ROW_FAIL(i, files[i], "%s", flag_names(r.flags & kAlarms).c_str());
    for (auto& a : r.has_aliases) ROW_FAIL(i, files[i], "alias %s", a.c_str());
    ScanResult back;
    assert_true(decode_scan(encode_scan(r), &back) && back == r);
  }
  print_message("  %zu headers, %zu bytes, %.3f GB/s\n", files.size(), bytes, static_cast<double>(bytes) / sec / 1e9);
  assert_int_equal(bad, 0);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(test_directive_forms),
      cmocka_unit_test(test_splices_everywhere),
      cmocka_unit_test(test_space_everywhere),
      cmocka_unit_test(test_has_include),
      cmocka_unit_test(test_spells), cmocka_unit_test(test_pieces),
      cmocka_unit_test(test_readings), cmocka_unit_test(test_macro_operands), cmocka_unit_test(test_guards), cmocka_unit_test(test_computed),
      cmocka_unit_test(test_dates),
      cmocka_unit_test(test_pragmas),
      cmocka_unit_test(test_inline_assembler),
      cmocka_unit_test(test_assembler_text),
      cmocka_unit_test(test_modules),
      cmocka_unit_test(test_aliases),
      cmocka_unit_test(test_alias_escapes),
      cmocka_unit_test(test_alias_idioms),
      cmocka_unit_test(test_lines),
      cmocka_unit_test(test_encode),
      cmocka_unit_test(test_truncated),
      cmocka_unit_test(test_time),
      cmocka_unit_test(test_texts_made_to_be_slow),
      cmocka_unit_test(test_against_gcc),
      cmocka_unit_test(test_against_clang),
      cmocka_unit_test(test_odd_forms_against_compilers),
      cmocka_unit_test(test_system_headers),
  };
  return cmocka_run_group_tests_name("scanner", tests, nullptr, nullptr);
}

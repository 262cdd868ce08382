// The option tables and the parser of compile commands.
// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
extern "C" {
#include <cmocka.h>
}

#include "model/command.h"
#include "model/options.h"

using namespace cchain;

namespace {

// Words separated by single spaces; ␣ is not needed, operands with blanks are tested on their own.
std::vector<std::string> words(std::string_view line) {
  std::vector<std::string> out;
  while (!line.empty()) {
    size_t n = std::min(line.find(' '), line.size());
    if (n > 0) out.emplace_back(line.substr(0, n));
    line.remove_prefix(std::min(n + 1, line.size()));
  }
  return out;
}
Command gcc(std::string_view line, std::string_view base = "gcc") { return parse_command(Family::kGcc, base, words(line)); }
Command clang(std::string_view line, std::string_view base = "clang") { return parse_command(Family::kClang, base, words(line)); }

std::string joined(const std::vector<std::string>& list) {
  std::string out;
  for (const std::string& w : list) out += (out.empty() ? "" : " ") + w;
  return out;
}

void fine(const Command& c, const char* file, int line) {
  if (!c.uncacheable.empty()) {
    print_error("%s:%d: refused: %s\n", file, line, c.uncacheable.c_str());
    fail();
  }
}
#define assert_fine(c) fine(c, __FILE__, __LINE__)
#define assert_text(a, b) assert_string_equal(std::string(a).c_str(), b)

struct Refusal {
  const char* line;
  const char* why;
};

void refused_in(Family family, const char* base, const Refusal* table, size_t n) {
  for (size_t i = 0; i < n; i++) {
    Command c = parse_command(family, base, words(table[i].line));
    if (c.uncacheable != table[i].why) {
      print_error("%s: \"%s\" and not \"%s\"\n", table[i].line, c.uncacheable.c_str(), table[i].why);
      fail();
    }
  }
}

void plain(void**) {
  Command c = gcc("-O2 -Wall -DX=1 -D Y -I inc -Isrc -iquote q -isystem /s -idirafter a -include f.h -imacros m.h -c dir/a.c -o out/a.o");
  assert_fine(c);
  assert_int_equal(c.language, Language::kC);
  assert_text(c.source, "dir/a.c");
  assert_text(c.output, "out/a.o");
  assert_int_equal(c.outputs.size(), 1);
  assert_text(c.outputs[0].role, "object");
  assert_text(joined(c.key_args), "-O2 -Wall -DX=1 -D Y -I inc -Isrc -iquote q -isystem /s -idirafter a -include f.h -imacros m.h");
  assert_text(joined(c.probe_args), "-O2");
  assert_int_equal(c.search_dirs.size(), 5);
  assert_int_equal(c.search_dirs[0].kind, SearchDir::kBracket);
  assert_text(c.search_dirs[1].path, "src");
  assert_int_equal(c.search_dirs[2].kind, SearchDir::kQuote);
  assert_int_equal(c.search_dirs[3].kind, SearchDir::kSystem);
  assert_int_equal(c.search_dirs[4].kind, SearchDir::kAfter);
  assert_text(joined(c.includes), "f.h");
  assert_text(joined(c.imacros), "m.h");
  assert_true(c.warnings);
  assert_false(c.cwd_matters);
  assert_false(c.trigraphs);
  assert_int_equal(c.deps, Command::kNone);
  assert_text(c.dep_target, "");
}

void order_is_kept(void**) {
  assert_text(joined(gcc("-DA -UA -DA=2 -c a.c").key_args), "-DA -UA -DA=2");
  assert_text(joined(gcc("-Ib -Ia -c a.c").key_args), "-Ib -Ia");
  // An operand that looks like an option is an operand.
  Command c = parse_command(Family::kGcc, "gcc", {"-D", "-c", "-c", "a.c"});
  assert_fine(c);
  assert_text(joined(c.key_args), "-D -c");
  assert_text(gcc("-o -c a.c").uncacheable, "output -c is no file name");
  assert_text(gcc("-D -c a.c").uncacheable, "no -c: it links");
}

void languages(void**) {
  struct {
    const char* line;
    const char* base;
    Language language;
  } table[] = {
      {"-c a.c", "gcc", Language::kC},
      {"-c a.c", "g++", Language::kCxx},
      {"-c a.c", "x86_64-linux-gnu-g++-12", Language::kCxx},
      {"-c a.c", "clang++-14", Language::kCxx},
      {"-c a.c", "c++", Language::kCxx},
      {"-c a.c", "cc", Language::kC},
      {"-c a.c", "arm-none-eabi-gcc-12.2.1", Language::kC},
      {"-c a.c", "g++.exe", Language::kCxx},
      {"-c a.i", "g++", Language::kCxxPreprocessed},
      {"-c a.i", "gcc", Language::kCPreprocessed},
      {"-c a.ii", "gcc", Language::kCxxPreprocessed},
      {"-c a.cc", "gcc", Language::kCxx},
      {"-c a.C", "gcc", Language::kCxx},
      {"-c a.CPP", "gcc", Language::kCxx},
      {"-c a.c++", "gcc", Language::kCxx},
      {"-c a.cp", "gcc", Language::kCxx},
      {"-x c++ -c a.c", "gcc", Language::kCxx},
      {"-xc -c a.cc", "g++", Language::kC},
      {"-x c -x none -c a.cc", "gcc", Language::kCxx},
      {"-x c -c a", "gcc", Language::kC},
      {"-x cpp-output -c a.c", "gcc", Language::kCPreprocessed},
  };
  for (auto& t : table) {
    Command c = parse_command(Family::kGcc, t.base, words(t.line));
    assert_fine(c);
    assert_int_equal(c.language, t.language);
  }
  assert_true(gcc("-x c -c a").language_explicit);
  assert_false(gcc("-x c -x none -c a.c").language_explicit);
  assert_text(joined(gcc("-x c++ -c a.c").probe_args), "-x c++");
  Command s = gcc("-c a.S -o a.o");
  assert_fine(s);
  assert_fine(gcc("-c a.c -Wa,-mtune=generic32"));  // as the kernel has it
  assert_fine(clang("-c a.S -o a.o"));
  assert_text(clang("-S a.S -o a.s").uncacheable, "option -S of an assembler source");
  assert_text(gcc("-S a.S -o a.s").uncacheable, "option -S of an assembler source");
  assert_int_equal(s.language, Language::kAsmCpp);
  assert_text(s.output, "a.o");
}

void outputs(void**) {
  assert_text(gcc("-c d/a.b.c").output, "a.b.o");
  assert_text(gcc("-c -x c d/noext").output, "noext.o");
  assert_text(gcc("-c a.c -ofoo").output, "foo");
  assert_fine(gcc("-MD -c /dev/shm/a.c -o /dev/shm/a.o"));  // a file system like any other
  Command s = gcc("-S d/a.c");
  assert_text(s.output, "a.s");
  assert_text(s.outputs[0].role, "assembly");
  assert_text(gcc("-c -S a.c").outputs[0].role, "assembly");
  assert_text(gcc("-S -c a.c").outputs[0].role, "assembly");
}

// Every expectation here was seen with gcc 12.2 and clang 14.
void dependency_files(void**) {
  using namespace std::literals;
  struct {
    const char* line;
    const char* file;
    std::string_view gcc_target, clang_target;
  } table[] = {
      {"-c a.c -MD", "a.d", "MD\0Da.o"sv, "MD\0Da.o"sv},
      {"-c a.c -MMD -o d/x.o", "d/x.d", "MMD\0Dd/x.o"sv, "MMD\0Dd/x.o"sv},
      {"-c a.c -MD -o d/x", "d/x.d", "MD\0Dd/x"sv, "MD\0Dd/x"sv},
      {"-c a.c -MD -o d/e.f/x", "d/e.f/x.d", "MD\0Dd/e.f/x"sv, "MD\0Dd/e.f/x"sv},
      {"-c a.c -MD -o d/x.y.z", "d/x.y.d", "MD\0Dd/x.y.z"sv, "MD\0Dd/x.y.z"sv},
      {"-c a.c -MD -o d/.hid", "d/.d", "MD\0Dd/.hid"sv, "MD\0Dd/.hid"sv},
      {"-S d/b.q.c -MD", "b.q.d", "MD\0Db.q.o"sv, "MD\0Db.q.o"sv},
      {"-c a.c -MD -MFq -MF r -o x.o", "r", "MD\0Dx.o"sv, "MD\0Dx.o"sv},
      {"-c a.c -MD -MP -MT t -MQu -MTv", "a.d", "MD\0P\0Tt\0Qu\0Tv"sv, "MD\0P\0Tt\0Qu\0Tv"sv},
      {"-c d/b.q.c -Wp,-MMD,d/q -o d/x.o", "d/q", "MMD\0Db.q.o"sv, "MMD\0Dd/x.o"sv},
      {"-c d/b.c -Wp,-MD,d/q -MT foo -MP", "d/q", "MD\0P\0Tfoo"sv, "MD\0P\0Tfoo"sv},
  };
  for (auto& t : table) {
    for (Family family : {Family::kGcc, Family::kClang}) {
      Command c = parse_command(family, "gcc", words(t.line));
      assert_fine(c);
      assert_text(c.dep_file, t.file);
      assert_int_equal(c.outputs.size(), 2);
      assert_text(c.outputs[1].role, "depfile");
      assert_text(c.outputs[1].path, t.file);
      std::string_view want = family == Family::kGcc ? t.gcc_target : t.clang_target;
      assert_true(c.dep_target == want);
      assert_true(c.key_args.empty());
      assert_int_equal(c.deps, want.starts_with("MMD") ? Command::kMMD : Command::kMD);
    }
  }
  // gcc: -MMD wins in either order.
  assert_int_equal(gcc("-c a.c -MD -MMD").deps, Command::kMMD);
  assert_int_equal(gcc("-c a.c -MMD -MD").deps, Command::kMMD);
  assert_text(clang("-c a.c -MMD -MD").uncacheable, "both -MD and -MMD");
  assert_true(gcc("-c a.c -MD -MP").dep_phony);
}

void refused_by_both(void**) {
  static const Refusal table[] = {
      {"", "no -c: it links"},
      {"a.c -o a", "no -c: it links"},
      {"a.o b.o -lm -o prog", "no -c: it links"},
      {"-c", "no source file"},
      {"-c a.c b.c", "several sources"},
      {"-c a.c a.c", "several sources"},
      {"-c a.o", "no source file: a.o"},
      {"-c -", "source is standard input"},
      {"-x c -c -", "source is standard input"},
      {"-c a.h", "precompiled header from a.h"},
      {"-x f77 -c a.f", "option -x f77 is not supported"},
      {"-c a.c -x c++", "option -x after the source"},
      {"-c a.m", "Objective-C source a.m"},
      
      {"-c a.c -o -", "output is not a regular file: -"},
      {"-c a.c -o /dev/null", "output is not a regular file: /dev/null"},
      {"-c /dev/stdin -x c", "source is not a regular file: /dev/stdin"},
      {"-c a.c -o d/", "output d/ is no file name"},
      {"-c a.c -o a.o -o b.o", "two -o"},
      {"-c a.c -o a.c", "output is the source"},
      {"-c -xc a.o", "output is the source"},
      {"-c a.c -o", "option -o lacks its operand"},
      {"-c a.c -I", "option -I lacks its operand"},
      {"-c a.c -D", "option -D lacks its operand"},
      {"-c a.c -include", "option -include lacks its operand"},
      {"-c a.c -fooled", "unknown option -fooled"},
      {"-c a.c -fno-fooled", "unknown option -fno-fooled"},
      {"-c a.c -mfooled", "unknown option -mfooled"},
      {"-c a.c -gfooled", "unknown option -gfooled"},
      {"-c a.c -Ofoo", "unknown option -Ofoo"},
      {"-c a.c --fooled", "unknown option --fooled"},
      {"-c a.c -fpicx", "unknown option -fpicx"},
      {"-c a.c -fpic=1", "unknown option -fpic=1"},
      {"-c a.c @r", "response file @r was not read"},
      {"-c a.c -I @r", "response file @r was not read"},
      {"-E a.c", "option -E stops after preprocessing"},
      {"-c -E a.c", "option -E stops after preprocessing"},
      {"-M a.c", "option -M stops after preprocessing"},
      {"-MM a.c", "option -MM stops after preprocessing"},
      {"--version", "option --version only prints information"},
      {"-v -c a.c", "option -v only prints information"},
      {"-### -c a.c", "option -### only prints information"},
      {"-print-search-dirs", "option -print-search-dirs only prints information"},
      {"-dumpversion", "option -dumpversion only prints information"},
      {"-c a.c -fplugin=x.so", "option -fplugin=x.so loads a plug-in"},
      {"-c a.c -fplugin-arg-x-y=z", "option -fplugin-arg-x-y=z loads a plug-in"},
      {"-c a.c -save-temps", "option -save-temps leaves more files"},
      {"-c a.c -save-temps=obj", "option -save-temps=obj leaves more files"},
      {"-c a.c --save-temps", "option --save-temps leaves more files"},
      {"-c a.c -fdump-tree-all", "option -fdump-tree-all leaves more files"},
      {"-c a.c -da", "option -da leaves more files"},
      {"-c a.c -dD", "option -dD leaves more files"},
      {"-c a.c -ftime-trace=x", "option -ftime-trace=x leaves more files"},
      {"-c a.c -fopt-info-vec=f", "option -fopt-info-vec=f leaves more files"},
      {"-c a.c -gsplit-dwarf=single", "option -gsplit-dwarf=single leaves a .dwo"},
      {"-c a.c -fprofile-use", "option -fprofile-use profiles, or reads a profile"},
      {"-c a.c -fprofile-use=f", "option -fprofile-use=f profiles, or reads a profile"},
      {"-c a.c -fprofile-generate", "option -fprofile-generate profiles, or reads a profile"},
      {"-c a.c -fauto-profile=f", "option -fauto-profile=f profiles, or reads a profile"},
      {"-c a.c -fbranch-probabilities", "option -fbranch-probabilities profiles, or reads a profile"},
      {"-c a.c -fmodules", "option -fmodules uses modules"},
      {"-c a.c -fmodules-ts", "option -fmodules-ts uses modules"},
      {"-c a.cc -fmodules-ts", "option -fmodules-ts uses modules"},
      {"-c a.cppm", "module a.cppm"},
      {"-c a.ixx", "module a.ixx"},
      {"-x c++-module -c a.cc", "module by -x c++-module"},
      {"-x c++-user-header -c a.h", "module by -x c++-user-header"},
      {"-c a.c -fdiagnostics-format=sarif-html", "option -fdiagnostics-format=sarif-html may write files"},
      {"-c a.c -fdiagnostics-format=json-file", "option -fdiagnostics-format=json-file may write files"},
      {"-c a.c -specs=x", "option -specs=x reads a file"},
      {"-c a.c --specs=nano.specs", "option --specs=nano.specs reads a file"},
      {"-c a.c -aux-info f", "option -aux-info writes a file"},
      {"-c a.c -MJ f", "option -MJ writes a file"},
      {"-c a.c -wrapper x,y", "option -wrapper passes words on unseen"},
      {"-c a.c -Xpreprocessor -include", "option -Xpreprocessor -include is not known to be harmless"},
      {"-c a.c -Xpreprocessor -D -Xpreprocessor X", "option -Xpreprocessor -D is not known to be harmless"},
      {"-c a.c -Xassembler -a", "option -Xassembler -a is not known to be harmless"},
      {"-c a.c -Xassembler --64,-a", "option -Xassembler --64,-a is not known to be harmless"},
      {"-c a.c -Wp,-MD", "option -Wp,-MD is not understood"},
      {"-c a.c -Wp,-MD,", "option -Wp,-MD, is not understood"},
      {"-c a.c -Wp,-MD,a,b", "option -Wp,-MD,a,b is not understood"},
      {"-c a.c -Wp,-include,x", "option -Wp,-include,x is not understood"},
      {"-c a.c -Wp,-DX,-include", "option -Wp,-DX,-include is not understood"},
      {"-c a.c -Wp,-D", "option -Wp,-D is not understood"},
      {"-c a.c -Wp,-MD,d -MD", "both -Wp,-MD and -MD or -MF"},
      {"-c a.c -Wp,-MD,d -MF e", "both -Wp,-MD and -MD or -MF"},
      {"-c a.c -Wp,-MD,d -Wp,-MD,e", "two -Wp,-MD"},
      {"-c a.c -Wa,-a=f", "option -Wa,-a=f is not known to be harmless"},
      {"-c a.c -Wa,-mtune=native", "option -Wa,-mtune=native is not known to be harmless"},
      {"-c a.c -Wa,--64,-adhln", "option -Wa,--64,-adhln is not known to be harmless"},
      {"-c a.c -Wa,--MD,f", "option -Wa,--MD,f is not known to be harmless"},
      {"-c a.c -Wa,-I,dir", "option -Wa,-I,dir is not known to be harmless"},
      {"-c a.c -Wa,", "option -Wa, is not known to be harmless"},
      {"-c a.c -MF d", "options for a dependency file without -MD or -MMD"},
      {"-c a.c -MP", "options for a dependency file without -MD or -MMD"},
      {"-c a.c -MT d", "options for a dependency file without -MD or -MMD"},
      {"-c a.c -MD -MF -", "dependency file is not a regular file: -"},
      {"-c a.c -MD -MF /dev/null", "dependency file is not a regular file: /dev/null"},
      {"-c a.c -MD -MF a.o", "dependency file is the output or the source"},
      {"-c a.c -MD -o x.d", "dependency file is the output or the source"},
      {"-c a.c -MD -MG", "option -MG writes a dependency file that is not understood"},
      {"-c a.c -MD -MV", "option -MV writes a dependency file that is not understood"},
      {"-c a.c -I-", "option -I- changes the search path in a way that is not understood"},
      {"-c a.c -I - -Ib", "option -I - changes the search path in a way that is not understood"},
      {"-c a.c -I=usr", "option -I=usr changes the search path in a way that is not understood"},
      {"-c a.c -isystem =usr", "option -isystem =usr changes the search path in a way that is not understood"},
      {"-c a.c -I$SYSROOT/x", "option -I$SYSROOT/x changes the search path in a way that is not understood"},
      {"-c a.c -I x.hmap", "option -I x.hmap changes the search path in a way that is not understood"},
      {"-c a.c -iprefix x", "option -iprefix changes the search path in a way that is not understood"},
      {"-c a.c -iwithprefixbefore x", "option -iwithprefixbefore changes the search path in a way that is not understood"},
      {"-c a.c -imultilib x", "option -imultilib changes the search path in a way that is not understood"},
      {"-c a.c -remap", "option -remap changes the search path in a way that is not understood"},
      {"-c a.c -include-pchx", "option -include-pchx uses a precompiled header"},
      {"-c a.c -frecord-gcc-switches", "option -frecord-gcc-switches records the command line in the object"},
      {"-S a.c -fverbose-asm", "option -fverbose-asm with -S records the command line"},
      {"-c a.c -fembed-bitcode=all", "option -fembed-bitcode=all records the command line in the object"},
      {"-c a.c -finput-charset=EBCDIC-US", "option -finput-charset=EBCDIC-US names a charset that is not supported"},
      {"-c a.c -fexec-charset=IBM1047", "option -fexec-charset=IBM1047 names a charset that is not supported"},
      {"-c a.c -fpreprocessed", "option -fpreprocessed changes how the source is read"},
      {"-c a.c -fsyntax-only", "option -fsyntax-only makes no object"},
      {"-c a.c -fopenacc", "option -fopenacc compiles for an accelerator"},
      {"-c a.c -foffload=nvptx-none", "option -foffload=nvptx-none compiles for an accelerator"},
      {"-c a.c -ftime-report", "option -ftime-report prints measurements"},
      {"-c a.c -mcpu=help", "option -mcpu=help only prints information"},
      {"-c a.c --param x", "option --param has an operand that is not understood"},
      {"-c .c", "default name of the output of .c"},
      {"-c dir/", "no source file: dir/"},
  };
  refused_in(Family::kGcc, "gcc", table, std::size(table));
  refused_in(Family::kClang, "clang", table, std::size(table));
}

// What options leave beside the object, by the names that gcc 12 and clang 14 were seen to make.
void beside(void**) {
  struct Row {
    const char *line, *role, *gcc, *clang;  // nullptr: refused
  };
  static const Row rows[] = {
      {"--coverage -c d/a.b.c -o o/x.y.o", "gcno", "o/x.y.gcno", "o/x.y.gcno"},
      {"-ftest-coverage -c d/a.b.c", "gcno", "a.b.gcno", "a.b.gcno"},
      {"--coverage -S a.c -o o/q.s", "gcno", "o/q.gcno", "o/q.gcno"},
      {"-coverage -c a.c -o noext", "gcno", "noext.gcno", "noext.gcno"},
      {"-fstack-usage -c a.c -o a.c.o", "su", "a.c.su", "a.c.su"},
      {"-fcallgraph-info=su,da -c a.c", "ci", "a.ci", nullptr},
      {"-fcallgraph-info -c a.c -o x.o", "ci", "x.ci", nullptr},
      {"-fsave-optimization-record -c d/a.b.c -o x.y.o", "optrecord", "x.y.c.opt-record.json.gz", "x.y.opt.yaml"},
      {"-fsave-optimization-record -c d/a.b.c", "optrecord", "a.b.c.opt-record.json.gz", nullptr},
      {"-fdiagnostics-format=sarif-file -c d/a.b.c -o o/x.y.o", "sarif", "x.y.c.sarif", nullptr},
      {"-fdiagnostics-format=sarif-file -c d/a.b.c", "sarif", "a.b.c.sarif", nullptr},
      {"-gsplit-dwarf -g -c a.c -o x.y.o", "dwo", "x.y.dwo", "x.y.dwo"},
      {"-gsplit-dwarf -c a.b.c", "dwo", "a.b.dwo", "a.b.dwo"},
      {"-ftime-trace -c d/a.b.c", "timetrace", nullptr, "a.b.json"},
      {"-ftime-trace -ftime-trace-granularity=0 -c a.c -o o/x.y.o", "timetrace", nullptr, "o/x.y.json"},
      {"-fstack-usage -flto -c a.c", "su", nullptr, nullptr},
      {"-fstack-usage -c a.c -o .o", "su", nullptr, nullptr},
      {"-fstack-usage -MD -MF a.su -c a.c", "su", nullptr, nullptr},
      {"--coverage -frandom-seed=1 -c a.c", "gcno", nullptr, "a.gcno"},
  };
  for (const Row& r : rows)
    for (Family f : {Family::kGcc, Family::kClang}) {
      const char* want = f == Family::kGcc ? r.gcc : r.clang;
      Command c = parse_command(f, f == Family::kGcc ? "gcc" : "clang", words(r.line));
      if (c.uncacheable.empty() != (want != nullptr)) fail_msg("%s: %s", r.line, c.uncacheable.c_str());
      if (!want) continue;
      assert_int_equal(c.outputs.size(), 2);
      assert_text(c.outputs[1].role, r.role);
      assert_text(c.outputs[1].path, want);
      // The probe must leave none.
      for (auto& w : c.probe_args)
        for (const char* part : {"coverage", "usage", "callgraph", "record", "split", "trace"}) assert_true(w.find(part) == w.npos);
    }
  Command arcs = gcc("-fprofile-arcs -c a.c");
  assert_fine(arcs);
  assert_int_equal(arcs.outputs.size(), 1);
  assert_true(arcs.cwd_matters && arcs.output_matters);
  assert_int_equal(gcc("-fstack-usage -fstack-usage -MD -c a.c").outputs.size(), 3);
}

void precompiled(void**) {
  for (Family family : {Family::kGcc, Family::kClang})
    for (const char* line : {"-x c-header a.h -o a.pch", "-xc++-header -c a.h -o a.pch -MD"}) {
      Command c = parse_command(family, "gcc", words(line));
      assert_fine(c);
      assert_true(c.makes_precompiled && c.cwd_matters && c.output_matters == (family == Family::kClang));
      assert_text(c.outputs[0].role, "pch");
    }
  // As CMake has it.
  Command made = clang("-Winvalid-pch -fpch-instantiate-templates -Xclang -emit-pch -Xclang -include -Xclang d/p.hxx -x c++-header -MD -MT p.pch -MF p.d -o p.pch -c d/p.hxx.cxx");
  assert_fine(made);
  assert_true(made.makes_precompiled && !made.untimed && made.includes.empty());
  assert_text(made.cc1_includes.at(0), "d/p.hxx");
  Command use = clang("-Xclang -include-pch -Xclang p.pch -Xclang -include -Xclang d/p.hxx -Xclang -fno-pch-timestamp -c a.c");
  assert_fine(use);
  assert_true(!use.makes_precompiled && use.untimed);
  assert_text(use.precompiled, "p.pch");
  assert_text(use.cc1_includes.at(0), "d/p.hxx");
  assert_text(clang("-include-pch p.pch -c a.c").precompiled, "p.pch");
}

void refused_by_one(void**) {
  static const Refusal gcc_table[] = {
      {"-c -- a.c", "unknown option --"},
      {"-x c-header -c a.h", "precompiled header by other options than -c and -o"},
      {"-x c++-header -S a.h -o a.gch", "precompiled header by other options than -c and -o"},
      {"-x c-header -c a.h -o a.gch --coverage", "precompiled header by other options than -c and -o"},
      {"-c a.c -include-pch x", "option -include-pch uses a precompiled header"},
      {"-c a.c -fvtable-verify=std", "option -fvtable-verify=std profiles, or reads a profile"},
      {"-c a.c -mllvm -x", "unknown option -mllvm"},
      {"-c a.c -fcompare-debug", "option -fcompare-debug is for debugging the compiler"},
      {"-c a.c -mmcu=atmega328p", "unknown option -mmcu=atmega328p"},
  };
  refused_in(Family::kGcc, "gcc", gcc_table, std::size(gcc_table));
  static const Refusal clang_table[] = {
      {"-c a.c -- -o", "several sources"},
      {"-x c-header -c a.h", "precompiled header by other options than -c and -o"},
      {"-x objective-c-header -c a.h -o a.pch", "precompiled header by -x objective-c-header"},
      {"-x c-header -c a.h -o a.pch -include-pch b.pch", "precompiled header that is made of another one"},
      {"-c a.c -Xclang -emit-pch", "precompiled header without -x c-header or c++-header"},
      {"-c a.c -include-pch b.pch -Xclang -include-pch -Xclang b.pch", "two precompiled headers"},
      {"-c a.c -include-pch", "option -include-pch lacks its operand"},
      {"-c a.c -Xclang -include-pch", "option -Xclang -include-pch is not understood"},
      {"-c a.c -Xclang -include b.h", "option -Xclang -include is not understood"},
      {"-c a.c -Xclang -include -Xclang -load", "option -Xclang -include is not understood"},
      {"-c a.i -include-pch b.pch", "-include of a source that is not preprocessed"},
      {"-c a.i -Xclang -include -Xclang b.h", "-include of a source that is not preprocessed"},
      {"-c a.c -Xclang -fno-validate-pch", "option -Xclang -fno-validate-pch is not known to be harmless"},
      {"-c a.c -Xclang -load -Xclang x.so", "option -Xclang -load is not known to be harmless"},
      {"-c a.c -Xclang -target-feature", "option -Xclang -target-feature is not understood"},
      {"-c a.c -mllvm -debug", "option -mllvm -debug is not known to be harmless"},
      {"-c a.c -grecord-command-line", "option -grecord-command-line records the command line in the object"},
      {"-c a.c -grecord-gcc-switches", "option -grecord-gcc-switches records the command line in the object"},
      {"-c a.c --config x.cfg", "option --config changes how the driver works"},
      {"-c a.c --driver-mode=cl", "option --driver-mode=cl changes how the driver works"},
      {"-c a.c -ivfsoverlay f", "option -ivfsoverlay reads a file"},
      {"-c a.c --target=x86_64-pc-windows-msvc", "option --target=x86_64-pc-windows-msvc is a target that is not supported"},
      {"-c a.c -emit-llvm", "option -emit-llvm makes no plain object"},
      {"-c a.c -fthinlto-index=f", "option -fthinlto-index=f reads a file"},
      {"-c a.c -fbasic-block-sections=list=f", "option -fbasic-block-sections=list=f reads a file"},
      {"-c a.c -arch arm64", "option -arch changes how the driver works"},
      {"-c a.c -ObjC", "option -ObjC is for Objective-C"},
      {"-c a.c -gen-cdb-fragment-path d", "option -gen-cdb-fragment-path writes a file"},
      {"-c a.c -module-dependency-dir d", "option -module-dependency-dir writes a file"},
      {"-c a.c -serialize-diagnostics f", "option -serialize-diagnostics writes a file"},
  };
  refused_in(Family::kClang, "clang", clang_table, std::size(clang_table));
  assert_text(gcc("-c a.c", "clang-cl").uncacheable, "compiler clang-cl takes other options");
  assert_text(gcc("-c a.c", "x-foo").uncacheable, "compiler name x-foo does not tell the language of a.c");
  assert_fine(gcc("-c a.cc", "x-foo"));
  assert_text(parse_command(Family::kGcc, "gcc", {"-c", "a.c", ""}).uncacheable, "an empty word");
  assert_text(parse_command(Family::kGcc, "gcc", {"-c", "a.c", "-I", ""}).uncacheable, "option -I has an empty operand");
  assert_text(parse_command(Family::kGcc, "gcc", {"-c", std::string("a\0b.c", 5)}).uncacheable, "a word with a NUL byte");
}

void working_directory(void**) {
  for (const char* line : {"-c a.c", "-g0 -c a.c", "-gno-column-info -gz=zlib -c a.c", "-O2 -fPIC -fno-plt -march=x86-64 -c a.c -DX -Wall -w",
                           "-ffile-prefix-map=/a=/b -frandom-seed=a.c -fno-lto -c a.c", "-B/x --sysroot=/y -c a.c"}) {
    Command c = gcc(line);
    assert_fine(c);
    if (c.cwd_matters) fail_msg("%s", line);
  }
  for (const char* line : {"-g -c a.c", "-g1 -c a.c", "-ggdb -c a.c", "-gdwarf-4 -c a.c", "-g -g0 -c a.c", "-flto -c a.c", "-flto=auto -c a.c",
                           "-fworking-directory -c a.c", "-Bx -c a.c", "--sysroot=y -c a.c", "--sysroot y -c a.c"}) {
    Command c = gcc(line);
    assert_fine(c);
    if (!c.cwd_matters) fail_msg("%s", line);
  }
  for (const char* line : {"-gline-tables-only -c a.c", "-fcoverage-mapping -fprofile-instr-generate -c a.c", "-fdebug-compilation-dir=. -c a.c",
                           "-fdiagnostics-absolute-paths -c a.c", "-resource-dir x -c a.c"}) {
    Command c = clang(line);
    assert_fine(c);
    if (!c.cwd_matters) fail_msg("%s", line);
  }
  assert_true(gcc("-Bx -c a.c").probe_cwd);
  assert_false(gcc("-B/x -g -c a.c").probe_cwd);
}

void flags(void**) {
  assert_true(gcc("-march=native -c a.c").native);
  assert_true(gcc("-mtune=native -c a.c").native);
  assert_text(joined(gcc("-mcpu=native -c a.c").probe_args), "-mcpu=native");
  assert_true(gcc("-mcpu=native+crypto -c a.c").native);
  assert_false(gcc("-march=skylake -c a.c").native);
  assert_true(gcc("-g3 -c a.c").debug_macros);
  assert_true(gcc("-ggdb3 -c a.c").debug_macros);
  assert_false(gcc("-g2 -c a.c").debug_macros);
  for (const char* on : {"-Wall", "-W", "-Wextra", "-pedantic", "-Werror"}) assert_true(gcc(std::string(on) + " -c a.c").warnings);
  for (const char* off : {"-Wno-unused", "-w", "-Wa,--noexecstack", "-Wl,-z,now", "-Wp,-DX"}) assert_false(gcc(std::string(off) + " -c a.c").warnings);
  assert_true(gcc("-Wdate-time -c a.c").date_time_warning);
  assert_true(gcc("-Werror=date-time -c a.c").date_time_warning);
  assert_false(gcc("-Wdate-time -Wno-date-time -c a.c").date_time_warning);
  assert_true(gcc("-Wdate-time -Wno-date-time -c a.c").date_time_silenced);
  assert_false(gcc("-Wno-date-time -Wdate-time -c a.c").date_time_silenced);
  assert_true(gcc("-w -Wdate-time -c a.c").date_time_silenced);
  for (const char* on : {"-fdiagnostics-color", "-fdiagnostics-color=always", "-fno-diagnostics-color", "-fdiagnostics-plain-output"}) {
    assert_true(gcc(std::string(on) + " -c a.c").color_given);
  }
  assert_true(clang("-fcolor-diagnostics -c a.c").color_given);
  for (const char* on : {"-ansi", "-std=c99", "-std=c++17", "-trigraphs", "--std=c11"}) assert_true(gcc(std::string(on) + " -c a.c").trigraphs);
  assert_true(clang("-ftrigraphs -c a.c").trigraphs);
  assert_false(gcc("-std=gnu17 -c a.c").trigraphs);
  assert_true(gcc("-nostdinc -c a.c").nostdinc);
  assert_true(gcc("-nostdinc++ -c a.cc").nostdinc);
  assert_true(clang("-nostdlibinc -c a.c").nostdinc);
  assert_text(joined(gcc("-pipe -c a.c").key_args), "");
  assert_false(gcc("-O2 -c a.c").stdout_possible);
}

void accepted(void**) {
  // Command lines of well-known projects.
  for (const char* line : {
           "-std=gnu11 -g -O2 -fstack-protector-strong -Wformat -Werror=format-security -Wdate-time -D_FORTIFY_SOURCE=2 -MT x.o -MD -MP -MF .deps/x.Tpo -c -o x.o x.c",
           "-Wp,-MMD,arch/.x.o.d -nostdinc -Iinclude -I./arch/x86/include -include ./include/linux/kconfig.h -D__KERNEL__ -Wall -Wundef -fno-strict-aliasing "
           "-fno-common -fshort-wchar -fno-PIE -std=gnu11 -mno-sse -mno-mmx -mno-sse2 -mno-3dnow -mno-avx -fcf-protection=none -m64 -falign-jumps=1 "
           "-falign-loops=1 -mno-80387 -mno-fp-ret-in-387 -mpreferred-stack-boundary=3 -mskip-rax-setup -mtune=generic -mno-red-zone -mcmodel=kernel "
           "-Wno-sign-compare -fno-asynchronous-unwind-tables -mindirect-branch=thunk-extern -mindirect-branch-register -mfunction-return=thunk-extern "
           "-fno-jump-tables -fno-delete-null-pointer-checks -O2 -fno-allow-store-data-races -fstack-protector-strong -fno-stack-clash-protection -pg "
           "-mrecord-mcount -mfentry -DCC_USING_FENTRY -fno-inline-functions-called-once -fno-stack-check -fconserve-stack -fmacro-prefix-map=./= "
           "--param=allow-store-data-races=0 -DKBUILD_MODFILE=\"x\" -c -o arch/x.o arch/x.c",
           "-DNDEBUG -isystem /usr/include/foo -O3 -DNDEBUG -fPIC -fvisibility=hidden -fvisibility-inlines-hidden -pthread -MD -MT x.o -MF x.o.d -o x.o -c /s/x.cc",
           "-fno-exceptions -fno-rtti -fdata-sections -ffunction-sections -flto=auto -ffat-lto-objects -Wp,-D_FORTIFY_SOURCE=3 -Wp,-D_GLIBCXX_ASSERTIONS "
           "-fasynchronous-unwind-tables -fstack-clash-protection -Wa,--noexecstack,-march=x86-64 -c x.cc",
           "-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -fno-builtin-malloc --param max-inline-insns-single=500 -c x.cc",
           "-c x.c -lm -L/x -Wl,-z,now -s -shared -rdynamic -Xlinker --foo -u sym -static-libgcc",
       }) {
    assert_fine(gcc(line));
  }
  for (const char* line : {
           "--target=aarch64-linux-gnu -fintegrated-as -Qunused-arguments -mbranch-protection=standard -fno-integrated-as -c x.c",
           "-target x86_64-linux-gnu -stdlib=libc++ -fcolor-diagnostics -Xclang -disable-O0-optnone -mllvm -inline-threshold=225 -fcomplete-member-pointers "
           "-ftrivial-auto-var-init=pattern -fno-semantic-interposition -ffp-contract=off -Wno-everything -no-canonical-prefixes -c x.cc",
           "-c -- x.c",
           "-Xclang -target-feature -Xclang +avx2 -c x.c",
       }) {
    assert_fine(clang(line));
  }
  Command c = clang("-fsanitize=address -fsanitize-ignorelist=list.txt -c a.c");
  assert_fine(c);
  assert_text(joined(c.input_files), "list.txt");
  assert_text(joined(c.key_args), "-fsanitize=address -fsanitize-ignorelist=list.txt");
}

void tables(void**) {
  for (const OptionTable* table : {&gcc_options(), &clang_options()}) {
    for (const WordList* list : {&table->f_words, &table->f_quiet, &table->m_words, &table->g_words}) {
      assert_true(list->n > 20);
      for (size_t i = 0; i < list->n; i++) assert_true(list->contains(list->at(i)));
      assert_false(list->contains(""));
      assert_false(list->contains("zzzz"));
    }
    for (size_t i = 0; i < table->n_rows; i++) {
      OptionMatch m = match_option(*table, std::string(table->rows[i].name) + (table->rows[i].form == Form::kJoined ? "x" : ""));
      assert_int_equal(m.act, table->rows[i].act);
    }
    // Options that write or load something are in no list of harmless ones, with or without a value.
    for (const char* bad : {"plugin=", "plugin", "dump-tree-all", "profile-use", "profile-use=", "profile-arcs", "test-coverage", "stack-usage",
                            "callgraph-info", "save-optimization-record", "time-trace", "opt-info", "modules", "module-mapper=", "self-test=",
                            "auto-profile", "branch-probabilities", "record-gcc-switches", "pass-plugin=", "embed-bitcode", "thinlto-index=",
                            "preprocessed", "directives-only", "pch-preprocess", "syntax-only", "compare-debug"}) {
      assert_false(table->f_words.contains(bad));
      assert_false(table->f_quiet.contains(bad));
    }
  }
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(plain),           cmocka_unit_test(order_is_kept),  cmocka_unit_test(languages), cmocka_unit_test(outputs), cmocka_unit_test(beside),
      cmocka_unit_test(dependency_files), cmocka_unit_test(refused_by_both), cmocka_unit_test(precompiled), cmocka_unit_test(refused_by_one),
      cmocka_unit_test(working_directory), cmocka_unit_test(flags),         cmocka_unit_test(accepted),  cmocka_unit_test(tables),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}

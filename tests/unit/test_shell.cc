// Shell lines, launchers and response files.
// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <map>
extern "C" {
#include <cmocka.h>
}

#include "model/command.h"

using namespace cchain;

namespace {

std::string bracketed(const std::vector<std::string>& list) {
  std::string out;
  for (const std::string& w : list) out += "[" + w + "]";
  return out;
}

struct Line {
  bool ok;
  std::vector<std::pair<std::string, std::string>> env;
  std::string cd, why;
  std::vector<std::string> argv;
};
Line read_line(std::string_view text) {
  Line l;
  l.ok = parse_shell_line(text, &l.env, &l.cd, &l.argv, &l.why);
  return l;
}

void words(void**) {
  static const struct {
    const char* line;
    const char* argv;
  } table[] = {
      {"gcc -c a.c", "[gcc][-c][a.c]"},
      {"  gcc\t-c  a.c  ", "[gcc][-c][a.c]"},
      {"gcc 'a b' \"c d\" e\\ f", "[gcc][a b][c d][e f]"},
      {"gcc ''", "[gcc][]"},
      {"gcc \"\"''", "[gcc][]"},
      {"gcc -DX='\"a b\"'", "[gcc][-DX=\"a b\"]"},
      {"gcc -DX=\\\"a\\\"", "[gcc][-DX=\"a\"]"},
      {"gcc \"-DX=\\\"a\\\"\"", "[gcc][-DX=\"a\"]"},
      {"gcc \"a\\nb\"", "[gcc][a\\nb]"},
      {"gcc 'a\\nb'", "[gcc][a\\nb]"},
      {"gcc \"\\$x \\` \\\\\"", "[gcc][$x ` \\]"},
      {"gcc '$x `y` ; & | > < ( ) * ? [ { } # ~ !'", "[gcc][$x `y` ; & | > < ( ) * ? [ { } # ~ !]"},
      {"gcc \"; & | > < ( ) * ? [ { } # ~ !\"", "[gcc][; & | > < ( ) * ? [ { } # ~ !]"},
      {"gcc \\$x \\; \\* \\# \\~ \\'", "[gcc][$x][;][*][#][~][']"},
      {"gcc a#b a~b ]", "[gcc][a#b][a~b][]]"},
      {"gcc -DA=1 B=2", "[gcc][-DA=1][B=2]"},
      {"gcc a\\\nb", "[gcc][ab]"},
      {"gcc a \\\n  b", "[gcc][a][b]"},
      {"gcc \"a\\\nb\"", "[gcc][ab]"},
      {"gcc 'a\nb'", "[gcc][a\nb]"},
      {"\\gcc x", "[gcc][x]"},
      {"gcc \xc3\xa9.c", "[gcc][\xc3\xa9.c]"},
      {"'A'=b gcc", "[A=b][gcc]"},
      {"\"A=b\" gcc", "[A=b][gcc]"},
  };
  for (auto& t : table) {
    Line l = read_line(t.line);
    if (!l.ok) fail_msg("%s: %s", t.line, l.why.c_str());
    assert_string_equal(bracketed(l.argv).c_str(), t.argv);
    assert_true(l.env.empty());
    assert_true(l.cd.empty());
  }
}

// The words of the table above, as the system's shell reads them.
void as_the_shell(void**) {
  static const char* const lines[] = {
      "x 'a b' \"c d\" e\\ f", "x ''", "x \"\"''", "x \"a\\b\\$\\\\\"", "x 'a\\b'", "x a\\\nb", "x \"a\\\nb\" c", "x \\'\\\"", "x a'b'\"c\"d\\e", "x a\\\n#b",
      "x \\\n \\\n y", "x =a ~b'c'~",
  };
  for (const char* line : lines) {
    Line l = read_line(line);
    if (strchr(line, '~') && !l.ok) continue;
    assert_true(l.ok);
    std::string command = "set -- " + std::string(line) + "; for w do printf '[%s]' \"$w\"; done";
    FILE* pipe = popen(command.c_str(), "r");
    assert_non_null(pipe);
    char buffer[4096];
    size_t n = fread(buffer, 1, sizeof buffer - 1, pipe);
    buffer[n] = 0;
    pclose(pipe);
    assert_string_equal(bracketed(l.argv).c_str(), buffer);
  }
}

void refused_lines(void**) {
  static const char* const lines[] = {
      "", "   ", "gcc 'a", "gcc \"a", "gcc a\\", "gcc \"a\\", "gcc $x", "gcc \"$x\"", "gcc ${x}", "gcc $(x)", "gcc `x`", "gcc \"`x`\"",
      "gcc a; b", "gcc a;", "gcc a & b", "gcc a &", "gcc a && b", "gcc a || b", "gcc a | b", "gcc > x", "gcc 2>x", "gcc <x", "gcc <<E",
      "gcc (a)", "(gcc a)", "gcc a)", "gcc *.c", "gcc a?.c", "gcc [a]", "gcc a{b,c}", "gcc {1..2}", "gcc {}", "{ gcc; }", "# gcc", "gcc # a",
      "gcc \\\n# a", "~/gcc", "gcc ~", "gcc -I=~", "gcc a:~/b", "gcc A=~", "! gcc", "if gcc", "while x", "for a in b", "case x in", "exec gcc", "eval gcc",
      ". gcc", "source gcc", "export A=b", "set -e", "time gcc", "command gcc", "cd /x", "cd /x &&", "cd && gcc", "cd /x /y && gcc",
      "cd $X && gcc", "cd `x` && gcc", "cd x && gcc", "cd .. && gcc", "cd /a/../b && gcc", "cd /a/.. && gcc", "cd - && gcc", "cd -P /x && gcc",
      "cd ~ && gcc", "cd '' && gcc", "cd /x && cd /y && gcc", "cd /x && gcc && gcc", "cd /x; gcc", "cd /x & gcc", "cd /x || gcc", "cd /x &&& gcc",
      "cd /x && && gcc", "A=b cd /x && gcc", "A=b", "A=$x gcc", "A+=b gcc", "A=b export x", "gcc a\nb", "gcc a\n", "gcc\n-c", "gcc\r", "gcc a\x01",
      "'' a", "A=b '' a", "%1", "function x", "[ a ]", "[[ a", "gcc a\x7f", "cd /x && A=b", "coproc gcc", "alias a", "\"cd\" x", "\\. x",
  };
  for (const char* line : lines) {
    Line l = read_line(line);
    if (l.ok) fail_msg("accepted: %s", line);
    assert_false(l.why.empty());
    assert_true(l.argv.empty() && l.env.empty() && l.cd.empty());
  }
  assert_false(read_line(std::string_view("gcc a\0b", 7)).ok);
}

void folders_and_variables(void**) {
  Line l = read_line("cd '/a b' && A=1 B='x y' C= gcc -c a.c");
  assert_true(l.ok);
  assert_string_equal(l.cd.c_str(), "/a b");
  assert_int_equal(l.env.size(), 3);
  assert_string_equal(l.env[1].first.c_str(), "B");
  assert_string_equal(l.env[1].second.c_str(), "x y");
  assert_string_equal(l.env[2].second.c_str(), "");
  assert_string_equal(bracketed(l.argv).c_str(), "[gcc][-c][a.c]");
  l = read_line("cd /x&&gcc");
  assert_true(l.ok);
  assert_string_equal(l.cd.c_str(), "/x");
  l = read_line("cd \"/x&&y\" && gcc");
  assert_true(l.ok);
  assert_string_equal(l.cd.c_str(), "/x&&y");
  assert_true(read_line("cd ./sub && gcc").ok);
  assert_true(read_line("cd . && gcc").ok);
  assert_true(read_line("cd /a/..b && gcc").ok);
  l = read_line("A=b=c gcc");
  assert_true(l.ok);
  assert_string_equal(l.env[0].second.c_str(), "b=c");
  // "1C" is no name, so that word would be run.
  assert_string_equal(bracketed(read_line("1C=d gcc").argv).c_str(), "[1C=d][gcc]");
}

void launchers(void**) {
  static const struct {
    std::vector<std::string> argv;
    size_t index;  // 99: refused
    const char* why;
  } table[] = {
      {{"gcc", "-c"}, 0, ""},
      {{"/usr/bin/gcc"}, 0, ""},
      {{"ccache", "gcc", "-c"}, 1, ""},
      {{"/usr/bin/ccache", "distcc", "gcc", "-c"}, 2, ""},
      {{"sccache", "clang"}, 1, ""},
      {{"buildcache", "clang"}, 1, ""},
      {{"icecc", "clang"}, 1, ""},
      {{"ccache.exe", "clang"}, 1, ""},
      {{"cchain", "ccache", "gcc"}, 2, ""},
      {{"nice", "gcc"}, 1, ""},
      {{"env", "gcc"}, 1, ""},
      {{"/usr/bin/env", "A=b", "C=d", "gcc"}, 3, ""},
      {{"env", "A=b", "ccache", "env", "C=d", "gcc"}, 5, ""},
      {{"cmake", "-E", "env", "A=b", "gcc"}, 4, ""},
      {{"/opt/bin/cmake", "-E", "env", "A=b", "--", "gcc"}, 5, ""},
      {{"cmake", "-E", "env", "--", "ccache", "gcc"}, 5, ""},
      {{}, 99, "no command"},
      {{"ccache"}, 99, "no compiler after ccache"},
      {{"env", "A=b"}, 99, "no compiler after A=b"},
      {{"ccache", "-s"}, 99, "option -s of ccache is not understood"},
      {{"ccache", "A=b", "gcc"}, 99, "the compiler's name has a '=': A=b"},
      {{"A=b", "gcc"}, 99, "the compiler's name has a '=': A=b"},
      {{"nice", "-n", "5", "gcc"}, 99, "option -n of nice is not understood"},
      {{"env", "-i", "gcc"}, 99, "option -i of env is not understood"},
      {{"env", "-u", "A", "gcc"}, 99, "option -u of env is not understood"},
      {{"env", "--", "gcc"}, 99, "option -- of env is not understood"},
      {{"env", "-", "gcc"}, 99, "option - of env is not understood"},
      {{"env", "a-b=c", "gcc"}, 99, "the compiler's name has a '=': a-b=c"},
      {{"env", "=c", "gcc"}, 99, "the compiler's name has a '=': =c"},
      {{"cmake", "-E", "env", "--unset=A", "gcc"}, 99, "option --unset=A of env is not understood"},
      {{"cmake", "-E", "env", "--modify", "A=set:b", "gcc"}, 99, "option --modify of env is not understood"},
      {{"cmake", "-E", "env", "--", "A=b", "gcc"}, 99, "the compiler's name has a '=': A=b"},
      {{"cmake", "-E", "env"}, 99, "no compiler after env"},
      {{"cmake", "-E", "__run_co_compile", "--source=a.c", "--", "gcc"}, 99, "cmake -E __run_co_compile runs more than the compiler"},
      {{"cmake", "-E", "copy", "a", "b"}, 99, "cmake -E copy is not understood"},
      {{"cmake", "--build", "x"}, 99, "cmake is no compiler"},
      {{"-c", "a.c"}, 99, "no compiler: -c"},
      {{"", "a.c"}, 99, "an empty word"},
  };
  for (auto& t : table) {
    Launchers l = find_compiler(t.argv);
    if (l.refused != t.why) fail_msg("%s: \"%s\" and not \"%s\"", bracketed(t.argv).c_str(), l.refused.c_str(), t.why);
    if (t.index != 99) assert_int_equal(l.compiler_index, t.index);
  }
  Launchers l = find_compiler({"env", "A=b", "ccache", "cmake", "-E", "env", "A=c", "D=", "gcc"});
  assert_int_equal(l.env.size(), 3);
  assert_string_equal(l.env[1].second.c_str(), "c");
  assert_string_equal(l.env[2].first.c_str(), "D");
  assert_string_equal(bracketed(l.words).c_str(), "[env][ccache][cmake][-E][env]");
}

std::map<std::string, std::string> files;
bool read_one(const std::string& path, std::string* text) {
  auto it = files.find(path);
  if (it == files.end()) return false;
  *text = it->second;
  return true;
}

void response_files(void**) {
  files = {
      {"a", "-DX -DY=\"a b\"\n'c d'\te\\ f \"q\\\"r\\\\\" x\"y\"z # k\r\n"},
      {"nested", "-DA @a @empty -DB"},
      {"empty", ""},
      {"blank", " \n\t "},
      {"loop", "@loop"},
      {"double", "@double @double"},
      {"missing", "@nothing"},
  };
  std::string why;
  std::vector<std::string> args = {"-c", "@a", "x.c"};
  assert_true(expand_response_files(&args, read_one, &why));
  assert_string_equal(bracketed(args).c_str(), "[-c][-DX][-DY=a b][c d][e f][q\"r\\][xyz][#][k][x.c]");
  args = {"@nested", "@blank"};
  assert_true(expand_response_files(&args, read_one, &why));
  assert_string_equal(bracketed(args).c_str(), "[-DA][-DX][-DY=a b][c d][e f][q\"r\\][xyz][#][k][-DB]");
  args = {"-c", "", "x@y"};
  assert_true(expand_response_files(&args, read_one, &why));
  assert_string_equal(bracketed(args).c_str(), "[-c][][x@y]");
  for (const char* name : {"@", "@nothing", "@loop", "@double", "@missing"}) {
    args = {name, "-c"};
    why.clear();
    assert_false(expand_response_files(&args, read_one, &why));
    assert_false(why.empty());
    assert_string_equal(bracketed(args).c_str(), (std::string("[") + name + "][-c]").c_str());
  }
  for (const char* bad : {"'a", "\"a", "a\\", "'a\\b'", "\"a\\nb\"", "a\\\nb", "''", "a \"\" b", "a\vb", "\f", "\xef\xbb\xbf-c", "\xff\xfe-"}) {
    files["bad"] = bad;
    args = {"@bad"};
    if (expand_response_files(&args, read_one, &why)) fail_msg("accepted: %s", bad);
  }
  files["bad"] = std::string("a\0b", 3);
  args = {"@bad"};
  assert_false(expand_response_files(&args, read_one, &why));
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(words),     cmocka_unit_test(as_the_shell), cmocka_unit_test(refused_lines), cmocka_unit_test(folders_and_variables),
      cmocka_unit_test(launchers), cmocka_unit_test(response_files),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}

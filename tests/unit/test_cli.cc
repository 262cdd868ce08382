// The parts of the command that need no compiler: the JSON reader, sizes and ages, and which program a name means.
// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>

#include "cli/json.h"
// The command's objects are no part of the library that the unit tests link.
#include "../../src/cli/io.cc"
#include "../../src/cli/program.cc"
#include "../../src/cli/progress.cc"
#include "../../src/cli/text.cc"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
extern "C" {
#include <cmocka.h>
}

using namespace cli;

static void test_json(void**) {
  Json v;
  assert_true(JsonReader::read(
      R"( {"a": [1, -2.5e1, true, null], "b": {"c": "x\"\\\/\n\u00e9\ud83d\ude00"}, "n": 18446744073709551615} )", &v));
  assert_int_equal(v["a"].items.size(), 4);
  assert_int_equal(v["a"].items[0].value.whole, 1);
  assert_true(v["a"].items[1].value.number == -25);
  assert_int_equal(v["a"].items[1].value.whole, 0);
  assert_true(v["a"].items[2].value.truth);
  assert_string_equal(v["b"]["c"].text.c_str(), "x\"\\/\n\xc3\xa9\xf0\x9f\x98\x80");
  assert_int_equal(v["none"]["of"]["it"].type, Json::kNull);
  for (const char* wrong :
       {"",    "{",  "[1,]", "{\"a\":}", "{\"a\" 1}", "{a:1}",     "[1 2]",       "01",          "1.",
        "-",   "1e", "tru",  "\"",       "\"\\x\"",   "\"\\u12\"", "\"\\ud800\"", "\"\\udc00\"", "\"\n\"",
        "1 1", "[}", "nul",  "'a'",      "+1",        ".5",        "{\"a\":1,}"}) {
    Json w;
    if (JsonReader::read(wrong, &w)) fail_msg("taken: %s", wrong);
  }
  Json deep;
  assert_false(JsonReader::read(std::string(100000, '['), &deep));
}

static void test_numbers(void**) {
  uint64_t n;
  const struct {
    const char* text;
    uint64_t value;
  } sizes[] = {{"0", 0},       {"4096", 4096},         {"4096B", 4096},     {"10G", 10ull << 30},
               {"1.5k", 1536}, {"500M", 500ull << 20}, {"2TiB", 2ull << 40}},
    ages[] = {{"30d", 30 * 86400}, {"12h", 43200},     {"90m", 5400}, {"3600s", 3600},
              {"60", 60},          {"2w", 14 * 86400}, {"0.5h", 1800}};
  for (const auto& s : sizes) {
    assert_true(read_size(s.text, &n));
    assert_int_equal(n, s.value);
  }
  for (const auto& a : ages) {
    assert_true(read_age(a.text, &n));
    assert_int_equal(n, a.value);
  }
  for (const char* wrong :
       {"", "G", "10Q", "1.G", "-1", " 1", "10 G", "99999999999999999999", "18000000000G", "10Gx", "1.2.3"})
    assert_false(read_size(wrong, &n));
  for (const char* wrong : {"", "d", "3x", "3 d", "-3d"}) assert_false(read_age(wrong, &n));
  assert_string_equal(show_size(0).c_str(), "0 B");
  assert_string_equal(show_size(1024).c_str(), "1.0 KiB");
  assert_string_equal(show_size((1ull << 20) - 1).c_str(), "1.0 MiB");
  assert_string_equal(show_size(10ull << 30).c_str(), "10.0 GiB");
  assert_string_equal(show_size(UINT64_MAX).c_str(), "16.0 EiB");
  assert_string_equal(show_count(0).c_str(), "0");
  assert_string_equal(show_count(999).c_str(), "999");
  assert_string_equal(show_count(1234567).c_str(), "1,234,567");
  assert_string_equal(show_time(850).c_str(), "0.8 s");
  assert_string_equal(show_time(192000).c_str(), "3 min 12 s");
  assert_string_equal(show_time(7500000).c_str(), "2 h 05 min");
  assert_string_equal(show_text("a\033[2Jb").c_str(), "a?[2Jb");
}

// Folders a, b and c, each with a program "cc" of its own.
struct Folders {
  std::string root, path;
  FileKey self, a, b;
  Folders() {
    char name[] = "/tmp/cchain-test-XXXXXX";
    root = mkdtemp(name);
    for (const char* dir : {"a", "b", "c"}) {
      std::string folder = root + "/" + dir, file = folder + "/cc";
      mkdir(folder.c_str(), 0755);
      std::ofstream(file) << dir;
      chmod(file.c_str(), 0755);
      path += (path.empty() ? "" : ":") + folder;
    }
    self = key("c");
    a = key("a");
    b = key("b");
  }
  ~Folders() { assert_int_equal(system(("rm -rf " + root).c_str()), 0); }
  FileKey key(const char* dir) const {
    struct stat st;
    assert_int_equal(stat((root + "/" + dir + "/cc").c_str(), &st), 0);
    return {st.st_dev, st.st_ino};
  }
  // Which folder's it finds; the error's number else.
  std::string find(const char* name, const Guard& guard, FileKey us) const {
    Program p = find_program(name, path.c_str(), us, guard);
    if (p.error) return std::to_string(p.error);
    return p.path.substr(root.size() + 1, p.path.size() - root.size() - 4) + (p.other ? "!" : "");
  }
};

static void test_find_program(void**) {
  Folders f;
  Guard none(nullptr, 10, 9);
  assert_string_equal(f.find("cc", none, f.self).c_str(), "a");
  assert_string_equal(f.find("cc", none, f.a).c_str(), "b!");
  assert_string_equal(f.find("gcc", none, f.self).c_str(), std::to_string(ENOENT).c_str());
  assert_string_equal(f.find("", none, f.self).c_str(), std::to_string(ENOENT).c_str());
  assert_string_equal(f.find((f.root + "/b/cc").c_str(), none, f.self).c_str(), "b");
  assert_string_equal(f.find((f.root + "/c/cc").c_str(), none, f.self).c_str(), "a!");
  // A link to ourselves is ourselves, a folder and a file without the x bit are no programs.
  unlink((f.root + "/a/cc").c_str());
  assert_int_equal(symlink("../c/cc", (f.root + "/a/cc").c_str()), 0);
  assert_string_equal(f.find("cc", none, f.self).c_str(), "b!");
  chmod((f.root + "/b/cc").c_str(), 0644);
  assert_string_equal(f.find("cc", none, f.self).c_str(), std::to_string(EACCES).c_str());
  // The empty entry of PATH is the current directory, and then the name must keep a slash.
  char cwd[4096];
  assert_non_null(getcwd(cwd, sizeof cwd));
  assert_int_equal(chdir((f.root + "/c").c_str()), 0);
  assert_string_equal(find_program("cc", ":/nonexistent", f.b, none).path.c_str(), "./cc");
  assert_int_equal(chdir(cwd), 0);
}

static void test_guard(void**) {
  Folders f;
  const FileKey self = f.self;
  auto value = [](const std::string& variable) { return variable.substr(variable.find('=') + 1); };
  Guard none(nullptr, 10, 9);
  assert_false(none.in_compile());

  // We became a/cc by exec; it calls us again, from this process or its child: it is passed over.
  std::string once = value(none.extended(Guard::kExec, 10, self, f.a));
  assert_string_equal(f.find("cc", Guard(once.c_str(), 10, 9), self).c_str(), "b!");
  assert_string_equal(f.find("cc", Guard(once.c_str(), 11, 10), self).c_str(), "b!");
  // Something that it started in its turn may mean it again, but not for ever.
  assert_string_equal(f.find("cc", Guard(once.c_str(), 12, 11), self).c_str(), "a");
  std::string v = once;
  int rounds = 0;
  for (; rounds < 20; rounds++) {
    Guard g(v.c_str(), 100 + 2 * rounds, 99 + 2 * rounds);
    if (f.find("cc", g, self) != "a") break;
    v = value(g.extended(Guard::kExec, 100 + 2 * rounds, self, f.a));
  }
  assert_int_equal(rounds, 2);
  assert_string_equal(f.find("cc", Guard(v.c_str(), 200, 199), self).c_str(), "b!");
  // Where there is no other, the same one is taken, a few times.
  unlink((f.root + "/b/cc").c_str());
  for (rounds = 0; rounds < 20; rounds++) {
    Guard g(v.c_str(), 10, 9);
    if (f.find("cc", g, self) != "a!") break;
    v = value(g.extended(Guard::kExec, 10, self, f.a));
  }
  assert_in_range(rounds, 1, 10);
  assert_string_equal(f.find("cc", Guard(v.c_str(), 10, 9), self).c_str(), std::to_string(ELOOP).c_str());

  // Below a compile: at any depth, and it stays so.
  std::string compile = value(none.extended(Guard::kCompile, 10, self, f.a));
  Guard below(compile.c_str(), 30, 29);
  assert_true(below.in_compile());
  assert_true(below.passes_over(f.a));
  assert_true(Guard(value(below.extended(Guard::kExec, 30, self, f.b)).c_str(), 40, 39).in_compile());

  for (const char* wrong : {"", "1", "c", "x", "c1,2", "yes,1.2", "c,1.2;3", "y10,1.2"}) {
    Guard g(wrong, 10, 9);
    assert_false(g.in_compile());
    assert_int_equal(g.count({1, 2}), 0);
  }
  assert_int_equal(Guard("c,1.2,1.22,11.2,1.2", 10, 9).count({1, 2}), 2);
}

// Everything written to a descriptor while `work` runs.
template <class Work>
static std::string written(Work work) {
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  work(ends[1]);
  close(ends[1]);
  std::string all(1000, 0);
  ssize_t n = read(ends[0], all.data(), all.size());
  close(ends[0]);
  return all.substr(0, n > 0 ? static_cast<size_t>(n) : 0);
}

static void test_progress(void**) {
  assert_string_equal(Progress::line("trim", "entries", 1000, 2000).c_str(), "trim: 1,000 of 2,000 entries");
  assert_string_equal(Progress::line("trim", "entries", 1000, 0).c_str(), "trim: 1,000 entries");
  assert_string_equal(Progress::line("trim", "entries", 3, 2).c_str(), "trim: 3 of 3 entries");
  assert_string_equal(Progress::bar("trim", "entries", 500, 2000, 2000, 79).c_str(), "trim [#######                       ] 25 %  500 of 2,000 entries, 6.0 s left");
  assert_string_equal(Progress::bar("trim", "entries", 9, 0, 2000, 79).c_str(), "trim 9 entries");
  for (size_t width = 0; width < 200; width++)
    for (uint64_t done : {0ull, 1ull, 7ull, 10ull, 11ull, ~0ull}) assert_true(Progress::bar("trim", "entries", done, 10, 60000, width).size() <= width);
  // Where there is no terminal: nothing at first, then a line now and then, and none for each step.
  std::string lines = written([](int fd) {
    Progress p("verify", "entries", fd);
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    int64_t now = static_cast<int64_t>(t.tv_sec) * 1000 + t.tv_nsec / 1000000;
    for (uint64_t i = 0; i < 30; i++) p.at(i, 30, now + static_cast<int64_t>(i) * 1000);
  });
  assert_string_equal(lines.c_str(), "cchain: verify: 5 of 30 entries\ncchain: verify: 15 of 30 entries\ncchain: verify: 25 of 30 entries\n");
  assert_false(wants_colour(1000));
}

int main() {
  const CMUnitTest tests[] = {cmocka_unit_test(test_json), cmocka_unit_test(test_numbers),
                              cmocka_unit_test(test_find_program), cmocka_unit_test(test_guard),
                              cmocka_unit_test(test_progress)};
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}

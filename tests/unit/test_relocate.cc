// Paths of base folders: folded and unfolded, in words, texts and sources.
// SPDX-License-Identifier: Apache-2.0
#include "model/relocate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

extern "C" {
#include <cmocka.h>
}

#include "core/config.h"
#include "model/places.h"

using namespace cchain;
using std::string;

#define EQ(a, b) assert_string_equal(string(a).c_str(), b)

static Bases bases_of(std::vector<string> dirs) {
  Bases b;
  for (auto& d : dirs) EQ(b.add(d), "");
  return b;
}
static string shown(string s) {  // NUL as %
  for (char& c : s)
    if (!c) c = '%';
  return s;
}

static void paths(void**) {
  Bases b = bases_of({"/w/src", "/w/out"});
  EQ(shown(b.fold("/w/src")), "%0");
  EQ(shown(b.fold("/w/src/a/../b.c")), "%0/a/../b.c");
  EQ(shown(b.fold("/w/out/x")), "%1/x");
  EQ(shown(b.fold("/w/src2/x")), "/w/src2/x");
  EQ(shown(b.fold("src/x")), "src/x");
  assert_true(b.where("/w/src2/x") == Bases::Where::kBeside);
  assert_true(b.where("/w/src/") == Bases::Where::kUnder);
  assert_true(b.where("/x/w/src") == Bases::Where::kElsewhere);
  Bases other = bases_of({"/elsewhere/s"});
  EQ(other.unfold(b.fold("/w/src/x")), "/elsewhere/s/x");
  EQ(shown(other.unfold(b.fold("/w/out/x"))), "%1/x");  // one that this checkout has not
}

static void wrong_ones(void**) {
  Bases b = bases_of({"/w/src"});
  for (const char* d : {"", "rel", "/", "/a//b", "/a/./b", "/a/..", "/a b", "/a=b", "/a:b", "/a#b", "/a\\b", "/a$b", "/a\nb", "/w/src", "/w/src/in", "/w", "/w/src2"})
    assert_true(!b.add(d).empty());
  for (int i = 1; i < 8; i++) EQ(b.add("/d" + std::to_string(i)), "");
  assert_true(b.add("/e").find("8") != string::npos);
  assert_int_equal(b.dirs().size(), 8);
}

static void texts(void**) {
  Bases b = bases_of({"/w/src"}), other = bases_of({"/other/long/place"});
  string out;
  assert_true(b.fold_text("In file included from /w/src/a.h:1:\n'/w/src/b', (/w/src)\n", &out));
  EQ(other.unfold_text(out), "In file included from /other/long/place/a.h:1:\n'/other/long/place/b', (/other/long/place)\n");
  for (const char* t : {"x/w/src/a", "/x/w/src/a", "/w/src2", "/w/src.c", "/w/src-x/a"}) assert_false(b.fold_text(t, &out));
  assert_false(b.fold_text(string("a\0b", 3), &out));
  assert_true(b.begins_path_in(string("\0/w/src/a", 9)));
  assert_true(b.begins_path_in("(/w/src"));
  assert_false(b.begins_path_in("usr/x/w/src"));
  EQ(shown(b.unfold_text(string("\0", 1) + "9x" + string("\0", 1))), "%9x%");  // hostile
}

static void sources(void**) {
  Bases b = bases_of({"/w/src", "/w/out"});
  string out;
  auto is = [&](Folding f, string text) {
    Folding got = fold_source(text, b, &out);
    if (got != f) fail_msg("%d for %s", static_cast<int>(got), text.c_str());
  };
  is(Folding::kNone, "int i; /* /w/sr */\n");
  is(Folding::kFolded, "a\n#include \"/w/src/a.h\"\n  #  line 3 \"/w/out/y.y\"\n# 1 \"/w/src/x.c\" 1 3\r\n#include </w/out/z>\n#import \"/w/src\"");
  EQ(shown(out), "a\n#include \"%0/a.h\"\n  #  line 3 \"%1/y.y\"\n# 1 \"%0/x.c\" 1 3\r\n#include <%1/z>\n#import \"%0\"");
  for (const char* t : {"\"/w/src\"", "// /w/src", "#define X \"/w/src/a\"", "#include \"/w/src2/a.h\"", "#include \"x/w/src/a.h\"", "#include \"/w/src/a.h\" // /w/src",
                        "#include \"/w/src/a.h\" X", "#include \"/w/src/a.h", "#include \"/w/src/a\\b\"", "#include </w/src/a\"", "#line \"/w/src/a\"", "#linex 1 \"/w/src/a\"",
                        "x \\\n#include \"/w/src/a.h\"", "x \\ \t\n#include \"/w/src/a.h\"", "x ?\?/\n#include \"/w/src/a.h\"", "R\"(\n#include \"/w/src/a.h\"\n)\"",
                        "#pragma x \"/w/src/a\"", "#include \"/w/src/w/src/../w/out\"\n#error /w/out", "%: include \"/w/src/a.h\""})
    is(Folding::kApart, t);
  is(Folding::kFolded, "\n\\\n\n#include \"/w/src/a.h\"\n");  // the line before is an empty one
}

static void depfiles(void**) {
  Bases b = bases_of({"/w/src"}), other = bases_of({"/a/much/longer/path/to/another/checkout"});
  string stored;
  const string gcc = "x.o: /w/src/a.c /w/src/include/one.h /w/src/include/two.h \\\n /w/src/include/three.h ../b\\ c.h\n/w/src/include/one.h:\n";
  assert_true(fold_depfile(gcc, Family::kGcc, b, &stored));
  assert_int_equal(stored[0], 'g');
  EQ(unfold_depfile(stored, b), gcc.c_str());
  const string p = "/a/much/longer/path/to/another/checkout";
  EQ(unfold_depfile(stored, other), ("x.o: " + p + "/a.c \\\n " + p + "/include/one.h \\\n " + p + "/include/two.h \\\n " + p + "/include/three.h ../b\\ c.h\n" + p +
                                     "/include/one.h:\n").c_str());
  const string odd = "x.o:   /w/src/a.c\n";  // as neither of them does it
  assert_true(fold_depfile(odd, Family::kGcc, b, &stored));
  EQ(unfold_depfile(stored, b), odd.c_str());
  // clang breaks lines by the length of names before it escapes them.
  const string odd_name = "/h\\ \\ x$$\\#xxxxxxxxxxxxxxxxxx.h", q = "/wwwwwwwwww/src";
  const string clang = "a.o: /w/src/a.c /w/src" + odd_name + " /w/src/z.h /w/src/y\\ y.h\n";
  assert_true(fold_depfile(clang, Family::kClang, b, &stored));
  assert_int_equal(stored[0], 'c');
  EQ(unfold_depfile(stored, bases_of({q})), ("a.o: " + q + "/a.c " + q + odd_name + " \\\n  " + q + "/z.h " + q + "/y\\ y.h\n").c_str());
  assert_false(fold_depfile("x.o: /w/src2/a\n", Family::kClang, b, &stored));
  EQ(unfold_depfile("", b), "");
}

static void hostile_sets(void**) {
  Looker looker("");
  Table memo("", 0, 64);
  Bases b = bases_of({"/w/src"});
  Relocation r{&b, Family::kGcc, false, false, {}};
  for (string dir : {string("\0", 1), string("\0", 1) + "9", string("\0", 1) + "0tail", string("\0", 1) + "0/../../../../etc"}) {
    PlaceSetBuilder set;
    set.file(dir, "passwd-", PlaceKind::kInput, true);
    set.file(dir, "no such name", PlaceKind::kInput, true);
    assert_false(evaluate(looker, memo, Digest(), set.encode(), "/tmp", looker.new_epoch(), nullptr, &r).matched);
  }
}

static void configuration(void**) {
  auto load = [](const char* text, std::vector<const char*> env = {}) {
    env.push_back(nullptr);
    ConfigSource s;
    s.text = text, s.has_text = true, s.env = env.data();
    return load_config(s);
  };
  Config c = load("{\"base_dirs\": [\"/w/src/\", \"/w/out\"]}");
  assert_int_equal(c.bases.dirs().size(), 2);
  EQ(c.bases.dirs()[0], "/w/src");
  bool told = false;
  for (auto& v : c.values) told = told || (v.key == "debugger[1]" && v.value == "set substitute-path /cchain-base-1 /w/out" && v.origin == "config_text:1");
  assert_true(told);
  c = load("{\"base_dirs\": [\"/w/src\"]}", {"HOME=/proc/none", "CCHAIN_BASE_DIRS=/x::/y"});
  assert_int_equal(c.bases.dirs().size(), 2);
  EQ(c.bases.dirs()[1], "/y");
  struct Wrong {
    const char *text, *where, *what;
  };
  for (auto& w : {Wrong{"{\n \"base_dirs\": [\"/w\",\n  \"/\"]}", "config_text:3", "everything lies under it"}, Wrong{"{\"base_dirs\": \"/w\"}", "config_text:1", "no array"},
                  Wrong{"{\"base_dirs\": [\"w\"]}", "config_text:1", "no absolute path"}, Wrong{"{\"base_dirs\": [7]}", "config_text:1", "no absolute path"},
                  Wrong{"{\"base_dirs\": [\"/w\", \"/w/build\"]}", "config_text:1", "one begins as the other"}, Wrong{"{\"base_dirs\": [\"/w/../x\"]}", "config_text:1", "\"..\""},
                  Wrong{"{\"base_dirs\": [\"/w\"], \"mode\": \"preprocess\"}", "config_text:1", "needs the mode"}}) {
    c = load(w.text, {"HOME=/proc/none"});
    assert_true(c.bases.empty());
    assert_true(c.unusable.empty());
    told = false;
    for (auto& p : c.problems) told = told || (p.where == w.where && p.text.find(w.what) != string::npos && !p.fatal);
    if (!told) fail_msg("%s", w.text);
  }
  // A link, also one above a folder that is not there yet.
  char folder[] = "/tmp/relocate-XXXXXX";
  assert_non_null(mkdtemp(folder));
  std::filesystem::create_directory(string(folder) + "/real");
  std::filesystem::create_symlink(string(folder) + "/real", string(folder) + "/link");
  Bases b;
  const string real = std::filesystem::canonical(folder).string();
  EQ(b.add(real + "/real/build"), "");
  for (const char* end : {"/link", "/link/build"}) assert_true(Bases().add(real + end).find("\"" + real + "/real") != string::npos);
  std::filesystem::remove_all(folder);
}

int main() {
  const struct CMUnitTest tests[] = {cmocka_unit_test(paths), cmocka_unit_test(wrong_ones), cmocka_unit_test(texts), cmocka_unit_test(sources),
                                     cmocka_unit_test(depfiles), cmocka_unit_test(hostile_sets), cmocka_unit_test(configuration)};
  return cmocka_run_group_tests_name("relocate", tests, nullptr, nullptr);
}

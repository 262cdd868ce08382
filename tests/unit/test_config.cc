// The configuration: defaults, file, environment; nothing wrong with any of them may throw, or choose another cache silently.
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

extern "C" {
#include <cmocka.h>
}

#include "base/json.h"
#include "core/config.h"

using namespace cchain;

namespace {

std::string g_dir;

struct Env {
  std::vector<std::string> strings;
  std::vector<const char*> pointers;
  explicit Env(std::vector<std::string> s) : strings(std::move(s)) {
    for (auto& x : strings) pointers.push_back(x.c_str());
    pointers.push_back(nullptr);
  }
};

// No file is read unless CCHAIN_CONFIG names one: XDG_CONFIG_HOME comes first in the array, and the first one counts.
Config from_env(std::vector<std::string> strings) {
  strings.insert(strings.begin(), "XDG_CONFIG_HOME=" + g_dir + "/absent");
  Env e(std::move(strings));
  ConfigSource s;
  s.env = e.pointers.data();
  return load_config(s);
}

Config from_text(const std::string& text, std::vector<std::string> env = {}) {
  Env e(std::move(env));
  ConfigSource s;
  if (e.pointers.size() > 1) s.env = e.pointers.data();
  s.text = text;
  s.has_text = true;
  return load_config(s);
}

bool has_problem(const Config& c, const char* where, const char* text, bool fatal = false) {
  for (auto& p : c.problems)
    if (p.where == where && p.text.find(text) != std::string::npos && p.fatal == fatal) return true;
  for (auto& p : c.problems) print_message("  problem: %s: %s%s\n", p.where.c_str(), p.text.c_str(), p.fatal ? " (fatal)" : "");
  return false;
}

std::string origin(const Config& c, const char* key) {
  for (auto& v : c.values)
    if (v.key == key) return v.value + " <- " + v.origin;
  return "(none)";
}

std::string write_file(const char* name, const std::string& text) {
  std::string path = g_dir + "/" + name;
  FILE* f = fopen(path.c_str(), "w");
  assert_non_null(f);
  assert_int_equal(fwrite(text.data(), 1, text.size(), f), text.size());
  fclose(f);
  return path;
}

#define EQ(a, b) assert_string_equal(std::string(a).c_str(), std::string(b).c_str())

// ---- JSON --------------------------------------------------------------------------------------------------------------

void json_tree(void**) {
  Json j;
  JsonError e;
  const char* text =
      "\xef\xbb\xbf{\n \"a\" : [1, -2.5e1,\n  true, false, null], \"b\\\"\\n:\": {\"x\"\n:\n\"y: \\\\\"},\n\n\"a\": \"zw\xc3\xb6lf \\u00e9 \\ud83d\\ude00\",\n\"big\": 9007199254740992, \"bigger\": 1e17}\n";
  assert_true(json_parse(text, &j, &e));
  assert_int_equal(j.type, Json::kObject);
  assert_int_equal(j.line, 1);
  assert_int_equal(j.members.size(), 5);
  EQ(j.members[0].key, "a");
  assert_int_equal(j.members[0].line, 2);
  const Json& a = j.members[0].value;
  assert_int_equal(a.items.size(), 5);
  assert_int_equal(a.items[1].line, 2);
  assert_true(a.items[1].number == -25);
  assert_int_equal(a.items[2].line, 3);
  assert_true(a.items[2].boolean);
  assert_int_equal(a.items[4].type, Json::kNull);
  EQ(j.members[1].key, "b\"\n:");
  assert_int_equal(j.members[1].line, 3);
  assert_int_equal(j.members[1].value.members[0].line, 3);
  assert_int_equal(j.members[1].value.members[0].value.line, 5);
  EQ(j.members[1].value.members[0].value.string, "y: \\");
  assert_int_equal(j.members[2].line, 7);
  EQ(j.get("a")->string, "zw\xc3\xb6lf \xc3\xa9 \xf0\x9f\x98\x80");
  int64_t n = 0;
  assert_true(j.get("big")->to_int(&n));
  assert_true(n == 9007199254740992);
  assert_false(j.get("bigger")->to_int(&n));
  assert_null(j.get("absent"));
  assert_false(a.items[2].to_int(&n));
}

void json_refused(void**) {
  Json j;
  JsonError e;
  auto bad = [&](std::string_view text, int line, const char* what) {
    assert_false(json_parse(text, &j, &e));
    if (e.line != line || e.text.find(what) == std::string::npos) print_message("%.*s: line %d, %s\n", static_cast<int>(std::min<size_t>(text.size(), 60)), text.data(), e.line, e.text.c_str());
    assert_int_equal(e.line, line);
    assert_true(e.text.find(what) != std::string::npos);
  };
  bad("", 1, "no JSON");
  bad("{\n\"a\": 1,\n\"b\" 2\n}", 3, "no JSON");
  bad("{\n\"a\": 1,\n}", 3, "no JSON");
  bad("{}\n\nx", 3, "near x");
  bad("{\n\"a\": [1,\n2", 3, "no JSON");
  bad(std::string_view("{}\0{}", 5), 1, "NUL");
  bad("{\n\"path\": \"/a\\u0000b\"}", 2, "u0000");
  bad("{\"a\": \"\\\\u0000\"} x", 1, "near x");  // an escaped backslash, no NUL
  bad("[\"\\ud800\"]", 1, "no JSON");
  bad(std::string(kJsonMaxDepth + 1, '['), 1, "deep");
  bad(std::string(900000, '['), 1, "deep");
  bad(std::string(kJsonMaxSize + 1, ' '), 0, "1 MiB");
  assert_true(json_parse(std::string(kJsonMaxDepth, '[') + std::string(kJsonMaxDepth, ']'), &j, &e));
  assert_true(json_parse("\"\\\\u0000\"", &j, &e));
  EQ(j.string, "\\u0000");
}

void json_written(void**) {
  auto q = [](std::string_view s) {
    std::string out;
    json_quote(&out, s);
    return out;
  };
  EQ(q("a\"b\\c\n\t\r\x01\x7f"), "\"a\\\"b\\\\c\\n\\t\\r\\u0001\x7f\"");
  EQ(q(std::string_view("\0", 1)), "\"\\u0000\"");
  EQ(q("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
  EQ(q("a\xff\xc3"), "\"a\\ufffd\\ufffd\"");
  EQ(q("\xc0\xaf"), "\"\\ufffd\\ufffd\"");              // overlong
  EQ(q("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"");   // a surrogate
  EQ(q("\xf4\x90\x80\x80"), "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");
  JsonWriter w;
  w.begin_object().key("a").begin_array().number(1).number(UINT64_MAX).boolean(true).null().string("x").begin_object().end_object().end_array();
  w.key("b").begin_object().key("c").number(-3).end_object().key("d").raw("[]").end_object();
  EQ(w.text(), "{\"a\":[1,18446744073709551615,true,null,\"x\",{}],\"b\":{\"c\":-3},\"d\":[]}");
  Json j;
  JsonError e;
  assert_true(json_parse(w.text(), &j, &e));
  // What was quoted reads back.
  std::string all;
  for (int c = 1; c < 128; c++) all += static_cast<char>(c);
  assert_true(json_parse(q(all), &j, &e));
  EQ(j.string, all);
}

void json_threads(void**) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++)
    threads.emplace_back([t] {
      for (int i = 0; i < 300; i++) {
        Json j;
        JsonError e;
        bool good = json_parse(t % 2 ? "{\"a\": [1, 2]}" : "{\n\"a\": [1, 2}", &j, &e);
        if (good != (t % 2 == 1) || (!good && e.line != 2)) abort();
      }
    });
  for (auto& t : threads) t.join();
}

// ---- values ------------------------------------------------------------------------------------------------------------

void sizes(void**) {
  uint64_t n = 0;
  auto is = [&](const char* text, uint64_t want) { return parse_size(text, &n) && n == want; };
  assert_true(is("1024", 1024));
  assert_true(is("0", 0));
  assert_true(is("10G", 10ull << 30));
  assert_true(is("500M", 500ull << 20));
  assert_true(is("1k", 1024));
  assert_true(is("2T", 2ull << 40));
  assert_true(is("1.5G", 3ull << 29));
  assert_true(is("10GB", 10ull << 30));
  assert_true(is("10GiB", 10ull << 30));
  assert_true(is("7B", 7));
  assert_true(is("18446744073709551615", UINT64_MAX));
  for (const char* bad : {"", "G", "-1", "+1", " 1", "1 ", "10X", "10GX", "1.5", "1.G", ".5G", "10Gi", "10iB", "18446744073709551616", "99999999999T", "1e3", "0x10", "1,5G"}) {
    if (parse_size(bad, &n)) print_message("taken as a size: %s\n", bad);
    assert_false(parse_size(bad, &n));
  }
}

void tenants(void**) {
  for (const char* good : {"a", "local", "team-1.x_y", "0"}) assert_true(valid_tenant(good));
  assert_true(valid_tenant(std::string(64, 'a')));
  for (const char* bad : {"", ".", "..", ".a", "-a", "_a", "A", "a/b", "a b", "\xc3\xa4", "a\n"}) assert_false(valid_tenant(bad));
  assert_false(valid_tenant(std::string(65, 'a')));
  assert_false(valid_tenant(std::string_view("a\0b", 3)));
}

// ---- defaults and environment ------------------------------------------------------------------------------------------

void defaults(void**) {
  Config c = from_env({"HOME=/home/u"});
  assert_int_equal(c.problems.size(), 0);
  assert_int_equal(c.layers.size(), 1);
  EQ(c.layers[0].type, "disk");
  EQ(c.layers[0].name, "disk0");
  EQ(c.layers[0].path, "/home/u/.cache/cchain");
  assert_true(c.layers[0].max_size == 10ull << 30);
  assert_true(c.layers[0].read && c.layers[0].write && c.layers[0].promote);
  assert_int_equal(c.layers[0].umask, -1);
  EQ(c.state_dir, "/home/u/.cache/cchain/private");
  EQ(c.tenant, "local");
  EQ(c.file, "");
  assert_false(c.disabled || c.recache || c.warn);
  EQ(origin(c, "layers[0].path"), "/home/u/.cache/cchain <- default");

  c = from_env({"HOME=/home/u", "XDG_CACHE_HOME=/x"});
  EQ(c.layers[0].path, "/x/cchain");
  c = from_env({"HOME=/home/u", "XDG_CACHE_HOME=x"});  // relative ones are to be ignored
  EQ(c.layers[0].path, "/home/u/.cache/cchain");
  c = from_env({"HOME=/home/u", "CCHAIN_DIR=/d//"});
  EQ(c.layers[0].path, "/d");
  EQ(origin(c, "layers[0].path"), "/d <- CCHAIN_DIR");
  c = from_env({"CCHAIN_DIR=/d"});
  EQ(c.layers[0].path, "/d");
  assert_int_equal(c.problems.size(), 0);
  c = from_env({"CCHAIN_DIR=", "HOME=/home/u"});
  EQ(c.layers[0].path, "/home/u/.cache/cchain");
}

void no_home(void**) {
  for (const char* home : {"", "HOME=", "HOME=relative", "OTHER=1"}) {
    Config c = from_env({home});
    assert_int_equal(c.layers.size(), 0);
    EQ(c.state_dir, "");
    assert_true(has_problem(c, "environment", "HOME"));
  }
  // A host that forbids everything gets nothing, and that is no trouble.
  ConfigSource s;
  s.no_files = true;
  Config c = load_config(s);
  assert_int_equal(c.layers.size(), 0);
  assert_int_equal(c.problems.size(), 0);
}

void environment(void**) {
  Config c = from_env({"HOME=/h", "CCHAIN_TENANT=team", "CCHAIN_MODE=direct+preprocess", "CCHAIN_DISABLE=yes", "CCHAIN_RECACHE=1", "CCHAIN_WARN=on",
                       "CCHAIN_LOG=build.log", "CCHAIN_STATS_LOG=/s", "CCHAIN_STATE_DIR=~/st", "CCHAIN_MAX_SIZE=2G", "CCHAIN_COMPRESSION=off",
                       "CCHAIN_PREFIX=distcc", "CCHAIN_LIB=x", "CCHAIN_TRACE=1"});
  assert_int_equal(c.problems.size(), 0);
  EQ(c.tenant, "team");
  assert_true(c.mode == Mode::kDirectPreprocess);
  assert_true(c.disabled && c.recache && c.warn);
  EQ(c.log_path, "build.log");
  EQ(c.stats_log, "/s");
  EQ(c.state_dir, "/h/st");
  assert_true(c.layers[0].max_size == 2ull << 30);
  assert_true(c.layers[0].compression == Compression::kOff);
  EQ(origin(c, "tenant"), "team <- CCHAIN_TENANT");
  EQ(origin(c, "layers[0].max_size"), "2147483648 <- CCHAIN_MAX_SIZE");
  EQ(origin(c, "mode"), "direct+preprocess <- CCHAIN_MODE");

  c = from_env({"HOME=/h", "CCHAIN_DISABLE=0", "CCHAIN_RECACHE=", "CCHAIN_WARN=No", "CCHAIN_TENANT="});
  assert_int_equal(c.problems.size(), 0);
  assert_false(c.disabled || c.recache || c.warn);

  c = from_env({"HOME=/h", "CCHAIN_MODE=fast", "CCHAIN_DISABLE=perhaps", "CCHAIN_RECACHE=x", "CCHAIN_NONSENSE=1", "CCHAIN_STATE_DIR=rel"});
  assert_true(has_problem(c, "CCHAIN_MODE", "\"fast\""));
  assert_true(has_problem(c, "CCHAIN_DISABLE", "taken as true"));
  assert_true(has_problem(c, "CCHAIN_RECACHE", "not used"));
  assert_true(has_problem(c, "CCHAIN_NONSENSE", "passed over"));
  assert_true(has_problem(c, "CCHAIN_STATE_DIR", "absolute"));
  assert_int_equal(c.problems.size(), 5);
  assert_true(c.mode == Mode::kDirect && c.disabled && !c.recache);
  EQ(c.state_dir, "/h/.cache/cchain/private");

  // The first of two counts, as for getenv.
  c = from_env({"CCHAIN_DIR=/one", "CCHAIN_DIR=/two", "HOME=/h", "HOME=/i"});
  EQ(c.layers[0].path, "/one");

  // What would put results into another's hands leaves no layer.
  c = from_env({"HOME=/h", "CCHAIN_TENANT=../x"});
  assert_true(has_problem(c, "CCHAIN_TENANT", "no layer is used"));
  assert_false(c.layers[0].disabled.empty());
  assert_false(c.unusable.empty());

  c = from_env({"HOME=/h", "CCHAIN_DIR=relative/dir"});
  assert_true(has_problem(c, "CCHAIN_DIR", "absolute"));
  assert_false(c.layers[0].disabled.empty());
  c = from_env({"HOME=/h", "CCHAIN_MAX_SIZE=lots"});
  assert_false(c.layers[0].disabled.empty());
}

void read_only(void**) {
  const char* layers = "CCHAIN_LAYERS=/a http://x/y";
  Config c = from_env({layers, "CCHAIN_READ_ONLY=remote"});
  assert_true(c.layers[0].write && !c.layers[1].write && c.read_only == ReadOnly::kRemote);
  c = from_env({layers, "CCHAIN_READ_ONLY=all"});
  assert_true(!c.layers[0].write && c.read_only == ReadOnly::kAll);
  EQ(c.state_dir, "/a/private");  // the same as without it
  EQ(origin(c, "layers[0].write"), "false <- CCHAIN_READ_ONLY");
  c = from_env({layers, "CCHAIN_READ_ONLY=1"});
  assert_true(c.read_only == ReadOnly::kAll);
  c = from_env({layers, "CCHAIN_READ_ONLY=0"});
  assert_true(c.read_only == ReadOnly::kNo && c.layers[0].write);
  c = from_env({layers, "CCHAIN_READ_ONLY=remot"});  // somebody wanted something not to be written
  assert_true(c.read_only == ReadOnly::kAll);
  assert_true(has_problem(c, "CCHAIN_READ_ONLY", "\"remot\""));
}

void layer_urls(void**) {
  Config c = from_env({"HOME=/h", "CCHAIN_LAYERS= /fast?max_size=1G&compression=off \t file:///big%20one?read_only&name=big&umask=002\n ~/mine?compression=3"});
  assert_int_equal(c.problems.size(), 0);
  assert_int_equal(c.layers.size(), 3);
  EQ(c.layers[0].path, "/fast");
  assert_true(c.layers[0].max_size == 1ull << 30 && c.layers[0].compression == Compression::kOff);
  EQ(c.layers[1].path, "/big one");
  EQ(c.layers[1].name, "big");
  assert_false(c.layers[1].write);
  assert_int_equal(c.layers[1].umask, 2);
  EQ(c.layers[2].path, "/h/mine");
  EQ(c.layers[2].name, "disk2");
  assert_true(c.layers[2].compression == Compression::kOn && c.layers[2].compression_level == 3);
  EQ(origin(c, "layers[0].max_size"), "1073741824 <- CCHAIN_LAYERS");

  // It lists everything: CCHAIN_DIR yields. A bare path has no escapes.
  c = from_env({"CCHAIN_LAYERS=/a%20b", "CCHAIN_DIR=/d"});
  assert_int_equal(c.layers.size(), 1);
  EQ(c.layers[0].path, "/a%20b");
  c = from_env({"HOME=/h", "CCHAIN_LAYERS=  ", "CCHAIN_DIR=/d"});
  EQ(c.layers[0].path, "/d");

  c = from_env({"HOME=/h", "CCHAIN_LAYERS=rel/ative /a?max_size=x /b?colour=red s3://secret-bucket/p redis://user:password@h gopher://x file://host/p file:///%zz /c?umask=9"});
  assert_int_equal(c.layers.size(), 9);
  for (int i : {0, 1, 5, 6, 7, 8}) assert_false(c.layers[i].disabled.empty());
  for (int i : {2, 3, 4}) EQ(c.layers[i].disabled, "");
  EQ(c.layers[3].type, "s3");
  assert_true(has_problem(c, "CCHAIN_LAYERS", "\"colour\""));
  EQ(c.state_dir, "/b/private");
  std::string json = config_json(c);
  // What is known by name is named at its end; what is set shows no secret before it.
  assert_true(json.substr(0, json.find("\"known\"")).find("\"password\"") == std::string::npos);
}

std::string option(const Config& c, size_t layer, const char* name) {
  for (auto& o : c.layers[layer].options)
    if (o.name == name) return o.value;
  return "-";
}

void remote_urls(void**) {
  Config c = from_env({"HOME=/h", "CCHAIN_LAYERS=/d https://u:p%40ss@h:8443/a/b/?timeout_ms=700&connect_timeout_ms=200&name=web&token=t0p&read_only=1 "
                                  "s3://bucket/pre/fix?region=eu-west-1&endpoint=http://h:9000&path_style=1&upload=spool&refresh_after=20d "
                                  "redis://us:pw@h:6390/3?expire=12h&prefix=x: redis+unix:///run/r.sock?database=2 rediss://[::1]"});
  assert_int_equal(c.problems.size(), 0);
  assert_int_equal(c.layers.size(), 6);
  EQ(c.layers[1].type, "http");
  EQ(c.layers[1].name, "web");
  EQ(option(c, 1, "url"), "https://h:8443/a/b/");
  EQ(option(c, 1, "user"), "u");
  EQ(option(c, 1, "password"), "p@ss");
  assert_true(c.layers[1].timeout_ms == 700 && c.layers[1].connect_timeout_ms == 200 && !c.layers[1].write);
  EQ(option(c, 2, "bucket"), "bucket");
  EQ(option(c, 2, "prefix"), "pre/fix/");
  EQ(option(c, 2, "endpoint"), "http://h:9000");
  EQ(option(c, 2, "path_style"), "true");
  assert_true(c.layers[2].spool && c.layers[2].refresh_after_s == 20 * 86400);
  EQ(option(c, 3, "host"), "h");
  EQ(option(c, 3, "port"), "6390");
  EQ(option(c, 3, "database"), "3");
  EQ(option(c, 3, "expire"), "43200");
  EQ(option(c, 4, "socket"), "/run/r.sock");
  EQ(option(c, 4, "database"), "2");
  EQ(option(c, 5, "host"), "::1");
  EQ(option(c, 5, "tls"), "true");
  std::string json = config_json(c);
  for (const char* secret : {"p@ss", "t0p", "\"pw\""}) assert_true(json.find(secret) == std::string::npos);
  EQ(origin(c, "layers[1].password"), "(not shown) <- CCHAIN_LAYERS");
  // Keys of other types of layer.
  c = from_env({"HOME=/h", "CCHAIN_LAYERS=http://h/?bucket=b&max_size=1&umask=002 /d?timeout_ms=1&url=x s3://b?timeout_ms=0 http://h?upload=later"});
  for (const char* key : {"\"bucket\"", "\"max_size\"", "\"umask\"", "\"timeout_ms\"", "\"url\""}) assert_true(has_problem(c, "CCHAIN_LAYERS", key));
  EQ(c.layers[0].disabled, "");
  assert_false(c.layers[2].disabled.empty());
  assert_false(c.layers[3].disabled.empty());
}

void remote_file(void**) {
  const char* t = R"({"layers": [{"type": "http", "url": "http://h/x", "password": "$CACHE_PASSWORD", "user": "u"}, {"type": "http"}, {"type": "https", "url": "x"}]})";
  Config c = from_text(t, {"HOME=/h", "CACHE_PASSWORD=s3c"});
  EQ(option(c, 0, "password"), "s3c");
  EQ(c.layers[0].disabled, "");
  assert_true(has_problem(c, "config_text:1", "no \"url\""));
  assert_true(has_problem(c, "config_text:1", "\"http\" with an https:// URL"));
  assert_true(config_json(c).find("s3c") == std::string::npos);
  assert_false(from_text(t, {"HOME=/h"}).layers[0].disabled.empty());  // the variable is not set
  // A credential that others can read is told of; one by the name of a variable is none.
  std::string file = "/tmp/cchain-test-config-" + std::to_string(getpid());
  struct {
    const char* password;
    unsigned mode;
    bool told;
  } cases[] = {{"geheim", 0644, true}, {"geheim", 0600, false}, {"$CACHE_PASSWORD", 0644, false}};
  for (auto& k : cases) {
    std::string text = std::string("{\"layers\": [{\"type\": \"redis\", \"host\": \"h\", \"password\": \"") + k.password + "\"}]}";
    FILE* f = fopen(file.c_str(), "w");
    fputs(text.c_str(), f);
    fclose(f);
    chmod(file.c_str(), k.mode);
    c = from_env({"HOME=/h", "CACHE_PASSWORD=s3c", ("CCHAIN_CONFIG=" + file).c_str()});
    assert_int_equal(has_problem(c, file.c_str(), "others may read"), k.told);
    EQ(c.layers[0].disabled, "");
  }
  unlink(file.c_str());
}

// ---- the file ----------------------------------------------------------------------------------------------------------

void text(void**) {
  Config c = from_text(R"({
  "tenant": "team",
  "mode": "preprocess",
  "layers": [
    {"type": "disk", "name": "ram", "path": "/dev/shm/c", "max_size": "1G", "compression": "off", "promote": false},
    {"path": "/srv/c/", "max_size": 4096, "compression": "zstd", "compression_level": 7,
     "umask": "002", "write": false},
    {"type": "host", "name": "mem"}
  ],
  "extra_env": ["FOO"], "extra_files": ["/etc/x"],
  "compilers": [{"compiler": "/opt/cc", "compiler_identity": "v1", "extra_files": ["/f"], "extra_env": ["E"]}],
  "state_dir": "/st", "log": "/l", "flush_timeout_ms": 5, "max_entry_size": "1M"
})");
  assert_int_equal(c.problems.size(), 0);
  EQ(c.tenant, "team");
  assert_true(c.mode == Mode::kPreprocess);
  assert_int_equal(c.layers.size(), 3);
  EQ(c.layers[0].name, "ram");
  assert_true(!c.layers[0].promote && c.layers[0].compression == Compression::kOff);
  EQ(c.layers[1].name, "disk1");
  EQ(c.layers[1].path, "/srv/c");
  assert_true(c.layers[1].max_size == 4096 && c.layers[1].compression == Compression::kOn && c.layers[1].compression_level == 7);
  assert_true(c.layers[1].umask == 2 && !c.layers[1].write && c.layers[1].read);
  EQ(c.layers[2].type, "host");
  EQ(c.extra_env[0], "FOO");
  EQ(c.extra_files[0], "/etc/x");
  EQ(c.compilers[0].path, "/opt/cc");
  EQ(c.compilers[0].identity, "v1");
  EQ(c.compilers[0].files[0], "/f");
  EQ(c.compilers[0].env[0], "E");
  EQ(c.state_dir, "/st");
  EQ(c.log_path, "/l");
  assert_int_equal(c.flush_timeout_ms, 5);
  assert_true(c.max_entry_size == 1 << 20);
  EQ(origin(c, "layers[1].umask"), "002 <- config_text:7");
  EQ(origin(c, "flush_timeout_ms"), "5 <- config_text:12");
  EQ(origin(c, "layers[1].promote"), "true <- default");

  // Environment over file.
  c = from_text("{\"tenant\": \"team\", \"mode\": \"preprocess\", \"layers\": [{\"path\": \"/a\", \"max_size\": \"1G\"}, {\"path\": \"/b\"}]}",
                {"CCHAIN_DIR=/d", "CCHAIN_TENANT=other", "CCHAIN_MODE=direct", "CCHAIN_MAX_SIZE=3G"});
  EQ(c.tenant, "other");
  assert_true(c.mode == Mode::kDirect);
  EQ(c.layers[0].path, "/d");
  EQ(c.layers[1].path, "/b");
  assert_true(c.layers[0].max_size == 3ull << 30);
  EQ(origin(c, "layers[0].path"), "/d <- CCHAIN_DIR");
  c = from_text("{\"layers\": [{\"path\": \"/a\"}]}", {"CCHAIN_LAYERS=/x /y"});
  assert_int_equal(c.layers.size(), 2);
  // A wrong path is healed by the environment's.
  c = from_text("{\"layers\": [{\"path\": \"rel\"}]}", {"CCHAIN_DIR=/d"});
  EQ(c.layers[0].disabled, "");
  EQ(c.layers[0].path, "/d");
  // No layers means none; without the key there is the default one, if the environment may be asked.
  c = from_text("{\"layers\": []}", {"HOME=/h"});
  assert_int_equal(c.layers.size(), 0);
  assert_int_equal(c.problems.size(), 0);
  c = from_text("{}", {"HOME=/h"});
  EQ(c.layers[0].path, "/h/.cache/cchain");
  c = from_text("{}");
  assert_int_equal(c.layers.size(), 0);
  assert_int_equal(c.problems.size(), 0);
}

void variables(void**) {
  const char* t = R"({"layers": [{"path": "~/c"}, {"path": "$HOME/d"}, {"path": "${XDG_CACHE_HOME}/e$$f"}]})";
  Config c = from_text(t, {"HOME=/h", "XDG_CACHE_HOME=/x"});
  assert_int_equal(c.problems.size(), 0);
  EQ(c.layers[0].path, "/h/c");
  EQ(c.layers[1].path, "/h/d");
  EQ(c.layers[2].path, "/x/e$f");
  setenv("HOME", "/of/the/process", 1);  // never asked
  c = from_text(t);
  for (auto& l : c.layers) assert_false(l.disabled.empty());
  assert_int_equal(c.problems.size(), 3);
  c = from_text(R"({"layers": [{"path": "/a$"}, {"path": "/a${HOME"}, {"path": "~user/x"}, {"path": "${}"}, {"path": "/a$UNSET"}]})", {"HOME=/h"});
  for (auto& l : c.layers) assert_false(l.disabled.empty());
}

void wrong_values(void**) {
  Config c = from_text(R"({
  "tenant": null,
  "mode": "warp",
  "flush_timeout_ms": -1,
  "max_entry_size": [],
  "log": "relative.log",
  "future_key": {"layers": [1, 2]},
  "layers": [
    {"path": "relative"},
    {"path": "/a", "max_size": "huge"},
    {"path": "/b",
     "compression": "gzip"},
    {"path": "/c", "umask": 2},
    {"path": "/d", "umask": "0777"},
    {"path": "/e", "read": "maybe"},
    {"type": "http", "url": "https://x", "whatever": [1]},
    {"type": "dsik", "path": "/f"},
    7,
    {"max_size": "1G"},
    {"path": "/g", "name": "a:b"},
    {"path": "/h", "max_size": 0},
    {"path": "/ok", "sparkle": true},
    {"path": "/ok"},
    {"path": "/ok2", "name": "disk12"}
  ]
})");
  assert_true(has_problem(c, "config_text:3", "\"warp\""));
  assert_true(has_problem(c, "config_text:4", "milliseconds"));
  assert_true(has_problem(c, "config_text:5", "size"));
  assert_true(has_problem(c, "config_text:6", "absolute"));
  assert_true(has_problem(c, "config_text:7", "\"future_key\""));
  assert_true(has_problem(c, "config_text:9", "absolute"));
  assert_true(has_problem(c, "config_text:10", "huge"));
  assert_true(has_problem(c, "config_text:12", "gzip"));
  assert_true(has_problem(c, "config_text:13", "umask"));
  assert_true(has_problem(c, "config_text:14", "umask"));
  assert_true(has_problem(c, "config_text:15", "maybe"));
  assert_true(has_problem(c, "config_text:16", "\"whatever\""));
  assert_true(has_problem(c, "config_text:17", "dsik"));
  assert_true(has_problem(c, "config_text:18", "no object"));
  assert_true(has_problem(c, "config_text:19", "without a path"));
  assert_true(has_problem(c, "config_text:20", "a:b"));
  assert_true(has_problem(c, "config_text:21", "size"));
  assert_true(has_problem(c, "config_text:22", "sparkle"));
  assert_true(has_problem(c, "config_text:23", "two layers have the path"));
  assert_true(has_problem(c, "config_text:24", "two layers have the name"));
  assert_int_equal(c.problems.size(), 20);
  assert_int_equal(c.layers.size(), 15);
  for (size_t i = 0; i < c.layers.size(); i++) assert_int_equal(c.layers[i].disabled.empty(), i == 6 || i == 12);
  assert_true(c.layers[1].disabled.find("config_text:10") == 0);
  EQ(c.state_dir, "/ok/private");
  assert_true(c.mode == Mode::kDirect && c.flush_timeout_ms == 10000 && c.max_entry_size == 512ull << 20);
  EQ(c.tenant, "local");
  EQ(c.unusable, "");

  c = from_text("{\"layers\": {}}", {"HOME=/h"});  // not silently the default cache
  assert_int_equal(c.layers.size(), 0);
  assert_true(has_problem(c, "config_text:1", "no array"));
  c = from_text("{\"mode\": \"direct\",\n\"mode\": \"preprocess\"}");
  assert_true(c.mode == Mode::kPreprocess);
  assert_true(has_problem(c, "config_text:2", "twice"));
}

// What a result depends on, or whose it is, can't be left to a default.
void unsafe_values(void**) {
  for (const char* t :
       {R"("tenant": "Team")", R"("tenant": 5.5)", R"("extra_env": "FOO")", R"("extra_env": [1])", R"("extra_env": ["A=b"])", R"("extra_files": [""])",
        R"("extra_files": ["$UNSET/x"])", R"("extra_files": {})", R"("compilers": {})", R"("compilers": [1])", R"("compilers": [{"compiler_identity": "x"}])",
        R"("compilers": [{"compiler": "cc", "extra_files": 1}])", R"("compilers": [{"compiler": 1}])", R"("compilers": [{"compiler": "cc", "compiler_identity": ""}])"}) {
    Config c = from_text(std::string("{") + t + ", \"layers\": [{\"path\": \"/a\"}]}");
    if (c.unusable.empty()) print_message("taken: %s\n", t);
    assert_false(c.unusable.empty());
    assert_false(c.layers[0].disabled.empty());
    assert_false(c.problems.empty() || c.problems[0].fatal);
    EQ(c.state_dir, "");
  }
  Config c = from_text(R"({"compilers": [{"compiler": "cc", "new": 1}], "extra_env": null, "layers": [{"path": "/a"}]})");
  EQ(c.unusable, "");
  EQ(c.layers[0].disabled, "");
  assert_int_equal(c.problems.size(), 1);
}

void no_json(void**) {
  for (const char* t : {"", "{", "layers: []", "[]", "\"x\"", "5", "{\"layers\": [{\"path\": \"/a\"}],}"}) {
    Config c = from_text(t, {"HOME=/h", "CCHAIN_LAYERS=/x", "CCHAIN_DIR=/y", "CCHAIN_LOG=/log"});
    assert_int_equal(c.layers.size(), 0);
    assert_true(!c.problems.empty() && c.problems[0].fatal);
    assert_true(c.problems[0].where.find("config_text") == 0);
    EQ(c.log_path, "/log");  // so that it can be told there
  }
}

void files(void**) {
  std::string good = write_file("good.json", "{\n\"tenant\": \"t\", \"layers\": [{\"path\": \"/a\"}], \"x\": 1}\n");
  Config c = from_env({"HOME=/h", "CCHAIN_CONFIG=" + good});
  EQ(c.tenant, "t");
  EQ(c.file, good);
  assert_true(has_problem(c, (good + ":2").c_str(), "\"x\""));
  EQ(origin(c, "tenant"), "t <- " + good + ":2");
  EQ(origin(c, "config"), good + " <- CCHAIN_CONFIG");

  ConfigSource s;  // a path of the host's, and no environment
  s.path = good;
  assert_string_equal(load_config(s).tenant.c_str(), "t");
  s.no_files = true;
  assert_string_equal(load_config(s).tenant.c_str(), "local");

  // What was named and can't be read must not lead to another cache.
  std::string missing = g_dir + "/missing.json", fifo = g_dir + "/fifo", huge = write_file("huge.json", "{" + std::string(kJsonMaxSize, ' ') + "}");
  assert_int_equal(mkfifo(fifo.c_str(), 0600), 0);
  for (const std::string& path : {missing, fifo, huge, g_dir, write_file("bad.json", "{\n\n]")}) {
    c = from_env({"HOME=/h", "CCHAIN_CONFIG=" + path});
    assert_int_equal(c.layers.size(), 0);
    assert_true(!c.problems.empty() && c.problems[0].fatal);
    assert_true(c.problems[0].where.find(path) == 0);
  }
  assert_string_equal(c.problems[0].where.c_str(), (g_dir + "/bad.json:3").c_str());
  c = from_env({"HOME=/h", "CCHAIN_CONFIG=/dev/null"});
  assert_int_equal(c.layers.size(), 1);
  assert_int_equal(c.problems.size(), 0);

  // The default places.
  assert_int_equal(mkdir((g_dir + "/.config").c_str(), 0700), 0);
  assert_int_equal(mkdir((g_dir + "/.config/cchain").c_str(), 0700), 0);
  write_file(".config/cchain/config.json", "{\"tenant\": \"fromhome\"}");
  Env e({"HOME=" + g_dir});
  ConfigSource d;
  d.env = e.pointers.data();
  c = load_config(d);
  EQ(c.tenant, "fromhome");
  EQ(c.layers[0].path, g_dir + "/.cache/cchain");
  Env x({"HOME=/h", "XDG_CONFIG_HOME=" + g_dir + "/.config"});
  d.env = x.pointers.data();
  EQ(load_config(d).tenant, "fromhome");
  d.no_files = true;
  EQ(load_config(d).tenant, "local");
  d.no_files = false;
  write_file(".config/cchain/config.json", "{");
  c = load_config(d);
  assert_true(c.layers.empty() && c.problems[0].fatal);
  // A file where a directory should be: there is no configuration file.
  Env n({"HOME=" + good});
  d.env = n.pointers.data();
  c = load_config(d);
  assert_int_equal(c.problems.size(), 0);
  assert_int_equal(c.layers.size(), 1);
}

// Somebody else's HOME: whether there is a file can't be known, and the build goes on.
void foreign_home(void**) {
  if (geteuid() != 0) {
    skip();
    return;
  }
  std::string home = g_dir + "/foreign";
  assert_int_equal(mkdir(home.c_str(), 0700), 0);
  assert_int_equal(chmod(g_dir.c_str(), 0755), 0);
  assert_int_equal(seteuid(65534), 0);
  Env e({"HOME=" + home, "CCHAIN_DIR=/d"});
  ConfigSource s;
  s.env = e.pointers.data();
  Config c = load_config(s);
  assert_int_equal(seteuid(0), 0);
  assert_int_equal(c.problems.size(), 1);
  assert_false(c.problems[0].fatal);
  EQ(c.layers[0].path, "/d");
}

void state_dir(void**) {
  // A team's layer, or one that is only read, holds nobody's private files.
  const char* t = R"({"layers": [{"path": "/team", "umask": "002"}, {"path": "/image", "read_only": true}]})";
  EQ(from_text(t, {"HOME=/h"}).state_dir, "/h/.cache/cchain/private");
  EQ(from_text(t).state_dir, "");
  EQ(from_text(R"({"layers": [{"path": "/team", "umask": "002"}, {"path": "/mine"}]})").state_dir, "/mine/private");

  // The root of another user's, and one where another of its users was first.
  if (geteuid() != 0) return;
  char root[] = "/tmp/cchain-config-XXXXXX";
  assert_non_null(mkdtemp(root));
  const std::string text = std::string(R"({"layers": [{"path": ")") + root + "\"}]}", ours = std::string(root) + "/private";
  EQ(from_text(text.c_str(), {"HOME=/h"}).state_dir, ours);
  assert_true(from_text(text.c_str(), {"HOME=/h"}).state_dir_is_private);
  assert_int_equal(chown(root, 65534, 65534), 0);
  EQ(from_text(text.c_str(), {"HOME=/h"}).state_dir, "/h/.cache/cchain/private");
  assert_int_equal(mkdir(ours.c_str(), 0700), 0);
  EQ(from_text(text.c_str(), {"HOME=/h"}).state_dir, ours);
  assert_int_equal(chmod(ours.c_str(), 0755), 0);
  EQ(from_text(text.c_str(), {"HOME=/h"}).state_dir, ours);  // and told of, not used
  assert_false(from_text(text.c_str(), {"HOME=/h"}).state_dir_is_private);
  assert_int_equal(chown(root, 0, 0), 0);
  assert_int_equal(chown(ours.c_str(), 65534, 65534), 0);
  EQ(from_text(text.c_str(), {"HOME=/h"}).state_dir, "/h/.cache/cchain/private");
  rmdir(ours.c_str());
  rmdir(root);
}

void as_json(void**) {
  Config c = from_text("{\"tenant\": \"t\", \"later\": 1, \"layers\": [{\"path\": \"/\xff\\\"\", \"umask\": \"027\"}, {\"type\": \"s3\"}], \"compilers\": [{\"compiler\": \"x\"}]}");
  Json j;
  JsonError e;
  assert_true(json_parse(config_json(c), &j, &e));
  EQ(j.get("layers")->items[0].get("path")->string, "/\xef\xbf\xbd\"");
  EQ(j.get("layers")->items[0].get("umask")->string, "027");
  assert_non_null(j.get("layers")->items[1].get("disabled"));
  assert_int_equal(j.get("problems")->items.size(), 2);
  EQ(j.get("compilers")->items[0].get("compiler")->string, "x");
  bool found = false;
  for (auto& v : j.get("values")->items) found |= v.get("key")->string == "tenant" && v.get("origin")->string == "config_text:1";
  assert_true(found);
}

double microseconds(const ConfigSource& s, int rounds) {
  double best = 1e9;
  for (int i = 0; i < rounds; i++) {
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    Config c = load_config(s);
    clock_gettime(CLOCK_MONOTONIC, &b);
    best = std::min(best, (b.tv_sec - a.tv_sec) * 1e6 + (b.tv_nsec - a.tv_nsec) / 1e3);
  }
  return best;
}

// No bar on the time: the figures are for whoever looks.
void cost(void**) {
  std::vector<std::string> strings = {"HOME=" + g_dir + "/absent"};
  for (int i = 0; i < 60; i++) strings.push_back("CVARIABLE" + std::to_string(i) + "=some value of usual length");
  Env e(strings);
  ConfigSource s;
  s.env = e.pointers.data();
  print_message("no file: %.1f us\n", microseconds(s, 2000));
  std::string path = write_file("usual.json", R"({"tenant": "team", "mode": "direct", "layers": [
    {"type": "disk", "path": "/a", "max_size": "10G"}, {"type": "disk", "path": "/b", "max_size": "100G", "umask": "002"}], "extra_env": ["FOO"]})");
  s.path = path;
  print_message("a file, cJSON loaded: %.1f us\n", microseconds(s, 2000));
}

}  // namespace

int main() {
  char dir[] = "/tmp/cchain-config-XXXXXX";
  if (!mkdtemp(dir)) return 1;
  g_dir = dir;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(json_tree),    cmocka_unit_test(json_refused), cmocka_unit_test(json_written), cmocka_unit_test(json_threads),
      cmocka_unit_test(sizes),        cmocka_unit_test(tenants),      cmocka_unit_test(defaults),     cmocka_unit_test(no_home),
      cmocka_unit_test(environment),  cmocka_unit_test(read_only),    cmocka_unit_test(layer_urls),   cmocka_unit_test(remote_urls), cmocka_unit_test(remote_file), cmocka_unit_test(text),
      cmocka_unit_test(variables),    cmocka_unit_test(wrong_values), cmocka_unit_test(unsafe_values), cmocka_unit_test(no_json),
      cmocka_unit_test(files),        cmocka_unit_test(foreign_home), cmocka_unit_test(state_dir),    cmocka_unit_test(as_json),
      cmocka_unit_test(cost),
  };
  int failed = cmocka_run_group_tests(tests, nullptr, nullptr);
  std::string cleanup = "rm -rf '" + g_dir + "'";
  if (system(cleanup.c_str()) != 0) return 1;
  return failed;
}

// load_config with any text and any environment: never throws, never crashes, and what it hands out keeps its promises.
// The input is the text, a NUL, and variables separated by NUL. As a libFuzzer target (clang -fsanitize=fuzzer), or with -DFUZZ_MAIN a program that
// takes files, or without any makes inputs of its own for as many rounds as FUZZ_ROUNDS says.
// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/json.h"
#include "core/config.h"
#include "fuzz_unwritten.h"

using namespace cchain;

#define CHECK(x) \
  do { \
    if (!(x)) fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x), abort(); \
  } while (0)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string all(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> env;
  size_t n = all.find('\0');
  ConfigSource s;
  s.text = all.substr(0, n);
  s.has_text = true;
  while (n != std::string::npos) {
    size_t next = all.find('\0', n + 1);
    env.push_back(all.substr(n + 1, next == std::string::npos ? next : next - n - 1));
    n = next;
  }
  std::vector<const char*> pointers;
  for (auto& e : env) pointers.push_back(e.c_str());
  pointers.push_back(nullptr);
  if (!env.empty()) s.env = pointers.data();

  Config c = load_config(s);
  bool fatal = false;
  for (auto& p : c.problems) {
    fatal |= p.fatal;
    CHECK(!p.text.empty());
  }
  CHECK(!fatal || c.layers.empty());
  CHECK(valid_tenant(c.tenant));
  CHECK(c.flush_timeout_ms >= 0 && c.max_entry_size > 0);
  CHECK(c.state_dir.empty() || c.state_dir[0] == '/');
  for (size_t i = 0; i < c.layers.size(); i++) {
    const LayerConfig& l = c.layers[i];
    CHECK(!l.name.empty());
    if (!l.disabled.empty()) continue;
    CHECK(c.unusable.empty());
    CHECK(l.type == "disk" || l.type == "host" || l.remote());
    CHECK(l.type != "disk" || (!l.path.empty() && l.path[0] == '/'));
    CHECK(l.max_size > 0 && l.compression_level >= 1 && l.compression_level <= 19 && l.umask >= -1 && l.umask <= 077);
    for (size_t k = 0; k < i; k++) CHECK(!c.layers[k].disabled.empty() || c.layers[k].name != l.name);
  }
  Json j, again;
  JsonError e;
  // What is shown takes longer than all else and is much the same: now and then.
  if (size % 16 == 0) {
    std::string json = config_json(c);
    if (json.size() <= kJsonMaxSize) CHECK(json_parse(json, &j, &e));
  }

  // Every value of a text that is JSON has a line within it, in order.
  if (size % 2 == 0 && json_parse(s.text, &again, &e)) {
    int last = 1, lines = 1;
    for (char ch : s.text) lines += ch == '\n';
    auto walk = [&](auto& self, const Json& v) -> void {
      CHECK(v.line >= last && v.line <= lines);
      last = v.line;
      for (auto& i : v.items) self(self, i);
      for (auto& m : v.members) {
        CHECK(m.line >= last && m.line <= m.value.line);
        last = m.line;
        self(self, m.value);
      }
    };
    walk(walk, again);
  }
  return 0;
}

#ifdef FUZZ_MAIN
namespace {

uint64_t g_state = 88172645463325252ull;
uint32_t rnd(uint32_t n) {
  g_state ^= g_state << 13, g_state ^= g_state >> 7, g_state ^= g_state << 17;
  return static_cast<uint32_t>(g_state >> 20) % n;
}

void run(const std::string& s) { LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(s.data()), s.size()); }

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; i++) {
    FILE* f = fopen(argv[i], "rb");
    if (!f) return 1;
    std::string s;
    for (int c; (c = getc(f)) != EOF;) s += static_cast<char>(c);
    fclose(f);
    run(s);
  }
  if (argc > 1) return 0;
  static const char* const kWords[] = {
      "{", "}", "[", "]", ",", ":", "\n", "\"", "\\", "\\u0000", "\\ud800", "1", "0", "-1", "1e99", "null", "true", "false", "\xff", "\xef\xbb\xbf",
      "\"tenant\": \"x\"", "\"mode\": \"direct\"", "\"layers\": [", "{\"type\": \"disk\", \"path\": \"/a\"}", "{\"path\": \"~/a\", \"max_size\": \"10G\"}",
      "\"umask\": \"002\"", "\"compression\": 3", "\"extra_env\": [\"A\"]", "\"compilers\": [{\"compiler\": \"x\"}]", "\"name\": \"disk1\"", "\"read_only\": true",
      "\"path\": \"$HOME/x\"", "\"path\": \"${X}\"", "\"state_dir\": \"/s\"", "\"type\": \"s3\"", "{\"type\": \"host\"}"};
  static const char* const kEnv[] = {"HOME=/h", "HOME=", "XDG_CACHE_HOME=/x", "CCHAIN_DIR=/d", "CCHAIN_DIR=d", "CCHAIN_LAYERS=/a?max_size=1G /b?read_only",
                                     "CCHAIN_LAYERS=s3://x file:///%41?umask=002 x://", "CCHAIN_READ_ONLY=all", "CCHAIN_READ_ONLY=remote", "CCHAIN_MAX_SIZE=1", "CCHAIN_COMPRESSION=9",
                                     "CCHAIN_TENANT=t", "CCHAIN_TENANT=/", "CCHAIN_X=1", "CCHAIN_", "CCHAIN_MODE", "=", "X=$HOME", "CCHAIN_STATE_DIR=~", "CCHAIN_DISABLE=2"};
  const char* rounds = getenv("FUZZ_ROUNDS");
  long count = rounds ? atol(rounds) : 20000;
  for (long i = 0; i < count; i++) {
    std::string s;
    bool well_formed = rnd(2);  // an object of members, then damaged a little
    if (well_formed) s = "{";
    for (uint32_t k = rnd(12); k > 0; k--) {
      s += kWords[well_formed ? 20 + rnd(16) : rnd(36)];
      if (well_formed) s += rnd(8) ? ",\n" : "";
    }
    if (well_formed) s += "\"log\": \"/l\"}";
    if (rnd(3) == 0 && !s.empty()) s[rnd(static_cast<uint32_t>(s.size()))] = static_cast<char>(1 + rnd(255));
    for (uint32_t k = rnd(5); k > 0; k--) {
      std::string e = kEnv[rnd(20)];
      if (rnd(4) == 0 && !e.empty()) e[rnd(static_cast<uint32_t>(e.size()))] = static_cast<char>(1 + rnd(255));
      s += '\0' + e;
    }
    run(s);
  }
  return 0;
}
#endif

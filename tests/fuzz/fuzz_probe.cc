// What a compiler says when it is asked (-v), and its programs under the loader's trace. First byte: bit 0 clang, bit 1 C++, bit 2 a fixed answer of -v and then traces. Answers are separated by NUL.
// SPDX-License-Identifier: Apache-2.0
#include <linux/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <unordered_map>

#include "fuzz.h"
#include "model/compiler.h"

using namespace cchain;

namespace {
const char kVerbose[] =
    "Using built-in specs.\nCOLLECT_GCC=/bin/true\nTarget: x86_64-linux-gnu\ngcc version 12.2.0 (Debian 12.2.0-14) \n"
    " /bin/true -E -quiet -v x.c -mtune=generic\n#include \"...\" search starts here:\n#include <...> search starts here:\n /usr/include\nEnd of search list.\n";
}

// Files do not change while we run: each is asked after once.
extern "C" __attribute__((visibility("default"))) int statx(int dir, const char* path, int flags, unsigned mask, struct statx* out) noexcept {
  struct Known {
    struct statx x;
    int error;
  };
  static auto* const all = new std::unordered_map<std::string, Known>;
  if (path[0] != '/') return static_cast<int>(syscall(SYS_statx, dir, path, flags, mask, out));
  if (all->size() > 10000) all->clear();
  auto [it, fresh] = all->try_emplace(path + std::to_string(flags));
  if (fresh) it->second.error = syscall(SYS_statx, dir, path, flags, mask, &it->second.x) == 0 ? 0 : errno;
  *out = it->second.x;
  errno = it->second.error;
  return errno ? -1 : 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  static const Environment env({"PATH=/nowhere", "LC_ALL=C"});
  ProbeQuestion q;
  q.path = "/bin/true";
  q.called = "gcc";
  q.family = data[0] & 1 ? Family::kClang : Family::kGcc;
  q.language = data[0] & 2 ? "c++" : "c";
  q.cwd = "/nowhere";
  // Kept for a while: libraries that every answer names are hashed once.
  static std::unique_ptr<Looker> looker;
  static unsigned used;
  if (used++ % 1000 == 0) looker = std::make_unique<Looker>("");
  Table memo("", 1, 8);
  Probe probe(q, env, looker.get(), &memo);
  fuzz::Pieces answers(std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1));
  std::vector<std::string> argv, words;
  bool first = data[0] & 4;
  for (int round = 0; round < 16 && probe.next(&argv, &words); round++) {
    REQUIRE(!argv.empty());
    std::string_view text = answers.next();
    if (first) probe.done(0, "", kVerbose);
    else if (round) probe.done(0, text, "");
    else probe.done(0, "", text);
    first = false;
  }
  // An answer, a reason, or not all asked yet.
  if (probe.info()) REQUIRE(probe.refused().empty() && !probe.info()->places.empty());
  return 0;
}

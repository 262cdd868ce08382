// A server inside the fuzz target: whatever the plug-in connects to answers with the same bytes and closes. `socket` gives one end of a pair, and `connect`
// finds it connected, so that an answer costs no thread and no port.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "fuzz.h"
#include "remote/remote.h"

namespace fuzz {

inline std::string_view g_answer;
inline int g_connections;

struct Transfer {
  cc_transfer t{};
  std::string body;
  bool given = false, ended = false;
  static constexpr size_t kMost = 2048;

  explicit Transfer(uint32_t kind, uint32_t flags = 0) {
    static const char kHex[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    t.kind = kind;
    t.flags = flags;
    t.address = {"local", kHex, "entry", 0, 0};
    t.connect_timeout_ms = t.timeout_ms = 2000;
    if (kind == CC_TRANSFER_PUT) t.data = "bytes", t.size = 5;
    if (kind == CC_TRANSFER_GET) t.write = take, t.sink = this;
    t.status = 99;
  }
  static int take(void* sink, const void* data, size_t size) {
    Transfer* me = static_cast<Transfer*>(sink);
    REQUIRE(!me->ended);
    if (size > kMost - me->body.size()) return 1;
    me->body.append(static_cast<const char*>(data), size);
    return 0;
  }
  void check(size_t most) const {
    if (getenv("FUZZ_SHOW")) fprintf(stderr, "status %d failure %u, %zu bytes: %s\n", t.status, t.failure, body.size(), t.error);
    REQUIRE(ended && t.status != 99);
    REQUIRE(t.status == CC_LAYER_HIT || t.status == CC_LAYER_MISS || t.status == CC_LAYER_EXISTS || t.status == CC_LAYER_ERROR);
    REQUIRE((t.status == CC_LAYER_ERROR) == (t.failure != CC_FAIL_NONE) && t.failure <= CC_FAIL_CANCELLED);
    REQUIRE(t.failure != CC_FAIL_TIMEOUT);  // it has closed: nobody waits
    REQUIRE(body.size() <= std::min(most, kMost));
    REQUIRE(memchr(t.error, '\0', sizeof t.error) != nullptr);
    for (const char* c = t.error; *c; c++) REQUIRE(static_cast<unsigned char>(*c) >= 0x20);
  }
};

// Two transfers, one behind the other, over what connections it takes.
struct Feed {
  Transfer first, second;
  static cc_transfer* next(void* user) {
    Feed* f = static_cast<Feed*>(user);
    for (Transfer* t : {&f->first, &f->second})
      if (!t->given) return t->given = true, &t->t;
    return nullptr;
  }
  static void done(void* user, cc_transfer* t) {
    Feed* f = static_cast<Feed*>(user);
    Transfer* which = t == &f->first.t ? &f->first : &f->second;
    REQUIRE(!which->ended);
    which->ended = true;
  }
  void run(remote::Backend* backend, uint32_t parallel) {
    backend->run({parallel, -1, -1, 0, this, next, done});
    first.check(g_answer.size());
    second.check(g_answer.size());
    REQUIRE(g_connections < 16);
  }
};

inline void answer_with(std::string_view bytes) {
  g_answer = bytes;
  g_connections = 0;
}

}  // namespace fuzz

extern "C" {
__attribute__((visibility("default"))) int socket(int, int type, int) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | (type & (SOCK_CLOEXEC | SOCK_NONBLOCK)), 0, pair) != 0) return -1;
  fuzz::g_connections++;
  // Room for what is asked, which nobody reads: the other end stays open for it, half closed.
  REQUIRE(send(pair[1], fuzz::g_answer.data(), fuzz::g_answer.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(fuzz::g_answer.size()));
  shutdown(pair[1], SHUT_WR);
  // Kept until the next ones come round.
  static int kept[64];
  static unsigned at;
  if (kept[at % 64] > 0) close(kept[at % 64]);
  kept[at++ % 64] = pair[1];
  return pair[0];
}
__attribute__((visibility("default"))) int connect(int, const struct sockaddr*, socklen_t) { return 0; }
}

// A server inside the fuzz target: each connection of the plug-in is answered with given bytes, whatever it asks, and closed. The connections are the target's own (socket, recv and
// their like are defined here), so that an answer costs no system call, no thread and no port.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <string>
#include <string_view>

#include "fuzz.h"
#include "remote/remote.h"

namespace fuzz {

inline std::string_view g_answer, g_later;  // of the first connection, of all others
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

// One transfer or two, one behind the other, over what connections it takes.
struct Feed {
  Transfer first, second;
  bool both = true;
  static cc_transfer* next(void* user) {
    Feed* f = static_cast<Feed*>(user);
    for (Transfer* t : {&f->first, &f->second})
      if (!t->given && (f->both || t == &f->first)) return t->given = true, &t->t;
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
    first.check(std::max(g_answer.size(), g_later.size()));
    if (both) second.check(std::max(g_answer.size(), g_later.size()));
    REQUIRE(g_connections < 16);
  }
};

// A connection, known by a number that is more than the kernel has.
struct Connection {
  static constexpr int kFirst = 1 << 20;
  bool used = false, waited = false;
  std::string_view rest;
};
inline Connection g_table[64];
inline size_t g_piece;  // how much one read gets
inline Connection* connection(int fd) {
  if (fd < Connection::kFirst || fd >= Connection::kFirst + 64) return nullptr;
  REQUIRE(g_table[fd - Connection::kFirst].used);
  return &g_table[fd - Connection::kFirst];
}

// What is answered from now on, in 1, 2, 5 or 16 pieces; if there are `two` answers, a NUL is between them. Connections that are still open have ended.
inline void answer_with(std::string_view bytes, unsigned pieces, bool two) {
  static constexpr size_t kPieces[] = {1, 2, 5, 16};
  g_answer = g_later = bytes;
  if (size_t nul = bytes.find('\0'); two && nul != bytes.npos) g_answer = bytes.substr(0, nul), g_later = bytes.substr(nul + 1);
  g_piece = pieces ? bytes.size() / kPieces[pieces & 3] + 1 : SIZE_MAX;
  g_connections = 0;
  for (Connection& c : g_table) c.rest = {};
}

}  // namespace fuzz

// The C library's, found before it by the linker; what is no connection goes to the kernel.
#pragma GCC visibility push(default)
extern "C" {
int socket(int, int, int) noexcept {
  for (int i = 0; i < 64; i++)
    if (!fuzz::g_table[i].used) return fuzz::g_table[i] = {true, false, fuzz::g_connections++ ? fuzz::g_later : fuzz::g_answer}, fuzz::Connection::kFirst + i;
  errno = EMFILE;
  return -1;
}
int connect(int fd, const struct sockaddr*, socklen_t) {
  REQUIRE(fuzz::connection(fd));
  return 0;
}
ssize_t recv(int fd, void* out, size_t n, int flags) {
  fuzz::Connection* c = fuzz::connection(fd);
  if (!c) return syscall(SYS_recvfrom, fd, out, n, flags, nullptr, nullptr);
  if (!c->rest.empty() && fuzz::g_piece != SIZE_MAX && (c->waited = !c->waited)) return errno = EAGAIN, -1;  // nothing yet
  n = std::min({n, c->rest.size(), fuzz::g_piece});
  if (n) memcpy(out, c->rest.data(), n);
  if (!(flags & MSG_PEEK)) c->rest.remove_prefix(n);
  return static_cast<ssize_t>(n);
}
ssize_t send(int fd, const void* data, size_t n, int flags) {
  return fuzz::connection(fd) ? static_cast<ssize_t>(n) : syscall(SYS_sendto, fd, data, n, flags, nullptr, 0);
}
int poll(struct pollfd* p, nfds_t n, int timeout) {
  asm("" : "+r"(p) : : "memory");  // to glibc's headers poll only writes there, and gcc warns of what is read
  int ready = 0;
  bool ours = false;
  for (nfds_t i = 0; i < n; i++) ours = ours || p[i].fd >= fuzz::Connection::kFirst;
  if (!ours) return static_cast<int>(syscall(SYS_poll, p, n, timeout));
  for (nfds_t i = 0; i < n; i++) {
    p[i].revents = p[i].fd >= fuzz::Connection::kFirst ? static_cast<short>(p[i].events & (POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM)) : short{0};
    ready += p[i].revents != 0;
  }
  return ready;
}
int close(int fd) {
  fuzz::Connection* c = fuzz::connection(fd);
  return c ? c->used = false, 0 : static_cast<int>(syscall(SYS_close, fd));
}
int fcntl(int fd, int what, ...) {
  va_list list;
  va_start(list, what);
  void* more = va_arg(list, void*);
  va_end(list);
  return fuzz::connection(fd) ? what == F_GETFL ? O_RDWR : 0 : static_cast<int>(syscall(SYS_fcntl, fd, what, more));
}
int setsockopt(int fd, int level, int name, const void* value, socklen_t size) noexcept {
  return fuzz::connection(fd) ? 0 : static_cast<int>(syscall(SYS_setsockopt, fd, level, name, value, size));
}
int getsockopt(int fd, int level, int name, void* value, socklen_t* size) noexcept {
  if (!fuzz::connection(fd)) return static_cast<int>(syscall(SYS_getsockopt, fd, level, name, value, size));
  memset(value, 0, *size);
  return 0;
}
int getsockname(int fd, struct sockaddr* address, socklen_t* size) noexcept {
  if (!fuzz::connection(fd)) return static_cast<int>(syscall(SYS_getsockname, fd, address, size));
  sockaddr_in in = {};
  in.sin_family = AF_INET;
  in.sin_port = htons(9);
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  memcpy(address, &in, std::min<size_t>(*size, sizeof in));
  *size = sizeof in;
  return 0;
}
int getpeername(int fd, struct sockaddr* address, socklen_t* size) noexcept {
  return fuzz::connection(fd) ? getsockname(fd, address, size) : static_cast<int>(syscall(SYS_getpeername, fd, address, size));
}
}
#pragma GCC visibility pop

// Redis: a small client of its own over one socket, with deadlines; commands are pipelined.
// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "remote/remote.h"

namespace remote {

namespace {

constexpr size_t kMaxPipelined = 64;             // commands under way on one connection
constexpr size_t kMaxUnsent = 1 << 20;           // bytes that wait to be sent before another command is begun
constexpr size_t kMaxLine = 64 << 10;            // of a reply
constexpr size_t kMaxIdle = 64;

struct Options {
  std::string host, port, socket, user, password, database, prefix, expire, ca_file;
  bool tls = false;
};

// ---- names: getaddrinfo knows no deadline, so it is waited for on a thread that is left behind if it takes too long.

struct Lookup {
  std::string host, port;
  std::vector<std::pair<sockaddr_storage, socklen_t>> found;
  int error = 0;
  int fd = -1;  // readable when done
  std::atomic<int> owners{2};
  void release() {
    if (owners.fetch_sub(1) != 1) return;
    close(fd);
    delete this;
  }
};

void* look_up(void* p) {
  Lookup* l = static_cast<Lookup*>(p);
  addrinfo hints = {}, *list = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  l->error = getaddrinfo(l->host.c_str(), l->port.c_str(), &hints, &list);
  try {
    for (addrinfo* a = list; a; a = a->ai_next) {
      if (a->ai_addrlen > sizeof(sockaddr_storage)) continue;
      l->found.emplace_back();
      memcpy(&l->found.back().first, a->ai_addr, a->ai_addrlen);
      l->found.back().second = a->ai_addrlen;
    }
  } catch (...) {  // no memory
  }
  if (list) freeaddrinfo(list);
  const eventfd_t one = 1;
  (void)!write(l->fd, &one, sizeof one);
  l->release();
  return nullptr;
}

// ---- one connection ------------------------------------------------------------------------------------------------------

struct Problem {
  uint32_t failure;
  std::string text;
};

class Connection {
 public:
  explicit Connection(const Options& o, SSL_CTX* tls) : o_(o), tls_(tls) {}
  ~Connection() {
    if (ssl_) SSL_free(ssl_);
    if (fd_ >= 0) close(fd_);
  }
  Connection(const Connection&) = delete;
  bool used() const { return used_; }
  bool usable() const { return fd_ >= 0 && !broken_ && waiting_.empty() && out_.empty(); }

  // Carries out what the feed has. A transfer that could not be begun for the connection was an old one is left in `again`.
  void run(const cc_transfer_feed& feed, std::vector<cc_transfer*>* again);

 private:
  struct Expected {
    cc_transfer* transfer;
    int64_t until_ms, first_ms;  // whole, first byte
  };
  void open(const cc_transfer& t, int cancel_fd);
  std::vector<std::pair<sockaddr_storage, socklen_t>> addresses(int64_t until, int cancel_fd);
  void wait(short events, int64_t until, int cancel_fd);
  void shake_hands(int64_t until, int cancel_fd);
  void command(std::initializer_list<std::string_view> words);
  void begin(cc_transfer* t);
  bool flush();  // sends what it can; false: nothing could be sent now
  bool fill();   // receives what is there; false: nothing is
  // A whole reply at the front of in_: its kind and text; false if it has not all come.
  bool reply(char* kind, std::string_view* text, bool* null, cc_transfer* t);
  std::string simple(int64_t until, int cancel_fd);
  void finish(const cc_transfer_feed& feed, char kind, std::string_view text, bool null);

  const Options& o_;
  SSL_CTX* tls_;
  int fd_ = -1;
  SSL* ssl_ = nullptr;
  bool broken_ = false, used_ = false, sink_full_ = false;
  short want_ = POLLIN;  // what TLS waits for
  std::string out_, in_;
  std::unique_ptr<char[]> room_;
  size_t out_at_ = 0, in_at_ = 0;
  // A bulk reply that is being handed to its sink as it comes.
  bool in_bulk_ = false;
  uint64_t bulk_left_ = 0;
  std::deque<Expected> waiting_;
};

void Connection::wait(short events, int64_t until, int cancel_fd) {
  for (;;) {
    int64_t rest = until - now_ms();
    if (rest <= 0) throw Problem{CC_FAIL_TIMEOUT, "no connection in time"};
    pollfd p[2] = {{fd_, events, 0}, {cancel_fd, POLLIN, 0}};
    int n = poll(p, cancel_fd >= 0 ? 2 : 1, static_cast<int>(std::min<int64_t>(rest, 1000)));
    if (cancel_fd >= 0 && p[1].revents) throw Problem{CC_FAIL_CANCELLED, "cancelled"};
    if (n > 0 && p[0].revents) return;
  }
}

std::vector<std::pair<sockaddr_storage, socklen_t>> Connection::addresses(int64_t until, int cancel_fd) {
  std::vector<std::pair<sockaddr_storage, socklen_t>> out;
  sockaddr_storage a = {};
  if (!o_.socket.empty()) {
    auto* un = reinterpret_cast<sockaddr_un*>(&a);
    un->sun_family = AF_UNIX;
    if (o_.socket.size() >= sizeof un->sun_path) throw Problem{CC_FAIL_CONNECT, "the path of the socket is too long"};
    memcpy(un->sun_path, o_.socket.c_str(), o_.socket.size() + 1);
    out.emplace_back(a, static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + o_.socket.size() + 1));
    return out;
  }
  const in_port_t port = htons(static_cast<uint16_t>(atoi(o_.port.c_str())));
  auto* v4 = reinterpret_cast<sockaddr_in*>(&a);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&a);
  if (inet_pton(AF_INET, o_.host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = port;
    out.emplace_back(a, sizeof *v4);
    return out;
  }
  a = {};
  if (inet_pton(AF_INET6, o_.host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = port;
    out.emplace_back(a, sizeof *v6);
    return out;
  }
  Lookup* l = new Lookup;
  l->host = o_.host;
  l->port = o_.port;
  l->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  pthread_t thread;
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  int error = l->fd < 0 ? errno : pthread_create(&thread, &attr, look_up, l);
  pthread_attr_destroy(&attr);
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  if (error) {
    l->release();
    l->release();
    throw Problem{CC_FAIL_CONNECT, "no thread for a name"};
  }
  struct Release {
    Lookup* l;
    ~Release() { l->release(); }
  } release{l};
  for (bool done = false; !done;) {
    int64_t rest = until - now_ms();
    if (rest <= 0) throw Problem{CC_FAIL_TIMEOUT, "the name of the server is not found in time"};
    pollfd p[2] = {{l->fd, POLLIN, 0}, {cancel_fd, POLLIN, 0}};
    poll(p, cancel_fd >= 0 ? 2 : 1, static_cast<int>(std::min<int64_t>(rest, 1000)));
    if (cancel_fd >= 0 && p[1].revents) throw Problem{CC_FAIL_CANCELLED, "cancelled"};
    done = p[0].revents;
  }
  if (l->error || l->found.empty()) throw Problem{CC_FAIL_CONNECT, "the name of the server is not known"};
  return l->found;
}

void Connection::open(const cc_transfer& t, int cancel_fd) {
  const int64_t until = now_ms() + std::min(t.connect_timeout_ms, t.timeout_ms);
  int error = ECONNREFUSED;
  for (auto& [address, size] : addresses(until, cancel_fd)) {
    fd_ = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd_ < 0) throw Problem{CC_FAIL_CONNECT, strerror(errno)};
    const int on = 1;
    if (address.ss_family != AF_UNIX) setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    error = connect(fd_, reinterpret_cast<const sockaddr*>(&address), size) == 0 ? 0 : errno;
    // A unix socket whose queue is full says EAGAIN: it is as good as silent.
    if (error == EINPROGRESS) {
      wait(POLLOUT, until, cancel_fd);
      socklen_t n = sizeof error;
      getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &n);
    }
    if (!error) break;
    close(fd_);
    fd_ = -1;
  }
  if (error) throw Problem{CC_FAIL_CONNECT, strerror(error)};
  if (tls_) {
    ssl_ = SSL_new(tls_);
    if (!ssl_ || SSL_set_fd(ssl_, fd_) != 1) throw Problem{CC_FAIL_CONNECT, "no TLS"};
    in6_addr any;
    if (inet_pton(AF_INET, o_.host.c_str(), &any) == 1 || inet_pton(AF_INET6, o_.host.c_str(), &any) == 1) {
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), o_.host.c_str());
    } else {
      SSL_set_tlsext_host_name(ssl_, o_.host.c_str());
      SSL_set1_host(ssl_, o_.host.c_str());
    }
    for (int r; (r = SSL_connect(ssl_)) != 1;) {
      int e = SSL_get_error(ssl_, r);
      if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE) {
        long verified = SSL_get_verify_result(ssl_);
        ERR_clear_error();
        throw Problem{CC_FAIL_CONNECT, verified != X509_V_OK ? X509_verify_cert_error_string(verified) : "TLS can't be agreed upon"};
      }
      wait(e == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, until, cancel_fd);
    }
  }
  shake_hands(until, cancel_fd);
}

void Connection::command(std::initializer_list<std::string_view> words) {
  out_ += '*' + std::to_string(words.size()) + "\r\n";
  for (std::string_view w : words) {
    out_ += '$' + std::to_string(w.size()) + "\r\n";
    out_.append(w).append("\r\n");
  }
}

bool Connection::flush() {
  bool any = false;
  while (out_at_ < out_.size()) {
    ssize_t n;
    if (ssl_) {
      int r = SSL_write(ssl_, out_.data() + out_at_, static_cast<int>(std::min<size_t>(out_.size() - out_at_, 1 << 20)));
      int e = r > 0 ? 0 : SSL_get_error(ssl_, r);
      if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE) return any;
      ERR_clear_error();
      n = r > 0 ? r : -1;
      if (r <= 0) errno = EPIPE;
    } else {
      n = send(fd_, out_.data() + out_at_, out_.size() - out_at_, MSG_NOSIGNAL);
    }
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return any;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw Problem{CC_FAIL_CONNECT, strerror(errno)};
    out_at_ += static_cast<size_t>(n);
    any = true;
  }
  out_.clear();
  out_at_ = 0;
  return any;
}

bool Connection::fill() {
  if (in_at_ > 0 && in_at_ == in_.size()) in_.clear(), in_at_ = 0;
  // Read elsewhere first: making room in a string fills it with zeros.
  constexpr size_t kRoom = 64 << 10;
  if (!room_) room_ = std::make_unique_for_overwrite<char[]>(kRoom);
  ssize_t n;
  if (ssl_) {
    int r = SSL_read(ssl_, room_.get(), static_cast<int>(kRoom));
    int e = r > 0 ? 0 : SSL_get_error(ssl_, r);
    n = r > 0 ? r : e == SSL_ERROR_ZERO_RETURN ? 0 : -1;
    errno = e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
    if (r <= 0) ERR_clear_error();
  } else {
    n = recv(fd_, room_.get(), kRoom, 0);
  }
  int error = errno;
  if (n > 0) in_.append(room_.get(), static_cast<size_t>(n));
  if (n < 0 && (error == EAGAIN || error == EWOULDBLOCK || error == EINTR)) return false;
  if (n == 0) throw Problem{CC_FAIL_CONNECT, "the server has closed the connection"};
  if (n < 0) throw Problem{CC_FAIL_CONNECT, strerror(error)};
  return true;
}

bool Connection::reply(char* kind, std::string_view* text, bool* null, cc_transfer* t) {
  *null = false;
  if (!in_bulk_) {
    size_t end = in_.find("\r\n", in_at_);
    if (end == std::string::npos) {
      if (in_.size() - in_at_ > kMaxLine) throw Problem{CC_FAIL_PROTOCOL, "an answer that is none of Redis"};
      return false;
    }
    *kind = in_[in_at_];
    *text = std::string_view(in_).substr(in_at_ + 1, end - in_at_ - 1);
    if (*kind == '+' || *kind == '-' || *kind == ':' || *kind == '_') {
      *null = *kind == '_';
      in_at_ = end + 2;
      return true;
    }
    if (*kind != '$') throw Problem{CC_FAIL_PROTOCOL, "an answer that is none of Redis"};
    if (*text == "-1") {
      *null = true;
      in_at_ = end + 2;
      return true;
    }
    uint64_t n = 0;
    for (char c : *text) {
      if (c < '0' || c > '9' || n > (1ull << 40)) throw Problem{CC_FAIL_PROTOCOL, "an answer that is none of Redis"};
      n = n * 10 + static_cast<uint64_t>(c - '0');
    }
    in_at_ = end + 2;
    in_bulk_ = true;
    bulk_left_ = n + 2;
    sink_full_ = false;
  }
  *kind = '$';
  *text = {};
  while (bulk_left_ > 0 && in_at_ < in_.size()) {
    size_t n = static_cast<size_t>(std::min<uint64_t>(bulk_left_, in_.size() - in_at_));
    size_t data = bulk_left_ > 2 ? static_cast<size_t>(std::min<uint64_t>(n, bulk_left_ - 2)) : 0;
    if (data && t && t->write && !sink_full_ && t->write(t->sink, in_.data() + in_at_, data) != 0) sink_full_ = true;
    // What is too large is not read to its end: the connection goes.
    if (sink_full_) throw Problem{CC_FAIL_TOO_LARGE, "its answer is too large"};
    in_at_ += n;
    bulk_left_ -= n;
  }
  if (bulk_left_) return false;
  in_bulk_ = false;
  return true;
}

std::string Connection::simple(int64_t until, int cancel_fd) {
  char kind;
  std::string_view text;
  bool null;
  while (!reply(&kind, &text, &null, nullptr)) {
    if (out_at_ < out_.size()) flush();
    if (!fill()) wait(static_cast<short>(POLLIN | (out_at_ < out_.size() ? POLLOUT : 0)), until, cancel_fd);
  }
  std::string s(1, kind);
  return s.append(text);
}

void Connection::shake_hands(int64_t until, int cancel_fd) {
  std::vector<const char*> sent;
  if (!o_.password.empty()) {
    if (o_.user.empty()) command({"AUTH", o_.password});
    else command({"AUTH", o_.user, o_.password});
    sent.push_back("AUTH");
  }
  if (!o_.database.empty() && o_.database != "0") {
    command({"SELECT", o_.database});
    sent.push_back("SELECT");
  }
  flush();
  for (const char* what : sent) {
    std::string r = simple(until, cancel_fd);
    // Of what the server says only its first word: the rest could repeat what it was sent.
    if (r[0] != '+') throw Problem{CC_FAIL_DENIED, std::string(what) + " is refused: " + r.substr(1, std::min<size_t>(r.find(' '), 30) - 1)};
  }
}

void Connection::begin(cc_transfer* t) {
  const std::string key = o_.prefix + path_of(t->address);
  switch (t->kind) {
    case CC_TRANSFER_GET: command({"GET", key}); break;
    case CC_TRANSFER_HEAD: command({"EXISTS", key}); break;
    case CC_TRANSFER_REMOVE: command({"DEL", key}); break;
    default: {
      std::string_view data(static_cast<const char*>(t->data), t->size);
      bool fresh = !(t->flags & CC_PUT_REPLACE);
      if (o_.expire.empty() && fresh) command({"SET", key, data, "NX"});
      else if (o_.expire.empty()) command({"SET", key, data});
      else if (fresh) command({"SET", key, data, "EX", o_.expire, "NX"});
      else command({"SET", key, data, "EX", o_.expire});
    }
  }
  int64_t now = now_ms();
  waiting_.push_back({t, now + t->timeout_ms, now + (t->kind == CC_TRANSFER_PUT ? t->timeout_ms : t->connect_timeout_ms)});
}

void Connection::finish(const cc_transfer_feed& feed, char kind, std::string_view text, bool null) {
  cc_transfer* t = waiting_.front().transfer;
  waiting_.pop_front();
  t->failure = CC_FAIL_NONE;
  t->retry_after_ms = t->age_s = 0;
  t->error[0] = '\0';
  std::string_view word = text.substr(0, std::min<size_t>(text.find(' '), 30));
  if (kind == '-') {
    uint32_t as = word == "NOAUTH" || word == "NOPERM" || word == "WRONGPASS" ? CC_FAIL_DENIED : word == "LOADING" || word == "BUSY" || word == "OOM" || word == "TRYAGAIN" ? CC_FAIL_BUSY
                  : word == "READONLY" || word == "MISCONF" || word == "MASTERDOWN"                                                                                        ? CC_FAIL_SERVER
                                                                                                                                                                        : CC_FAIL_PROTOCOL;
    fail(t, as, "the server says %.*s", static_cast<int>(word.size()), word.data());
  } else if (t->kind == CC_TRANSFER_PUT) {
    t->status = null ? CC_LAYER_EXISTS : CC_LAYER_HIT;
  } else if (t->kind == CC_TRANSFER_GET) {
    if (null) t->status = CC_LAYER_MISS;
    else if (kind == '$') t->status = CC_LAYER_HIT;
    else fail(t, CC_FAIL_PROTOCOL, "an answer that is none of Redis");
  } else {
    t->status = kind == ':' && text == "0" && t->kind == CC_TRANSFER_HEAD ? CC_LAYER_MISS : CC_LAYER_HIT;
  }
  used_ = true;
  feed.done(feed.user, t);
}

void Connection::run(const cc_transfer_feed& feed, std::vector<cc_transfer*>* again) {
  bool old = used_;
  try {
    for (;;) {
      while (waiting_.size() < kMaxPipelined && out_.size() - out_at_ < kMaxUnsent) {
        cc_transfer* t;
        if (!again->empty()) {
          t = again->front();
          again->erase(again->begin());
        } else if (!(t = feed.next(feed.user))) {
          break;
        }
        if (fd_ < 0) {
          // Put down first, so that it is ended if there is no connection.
          waiting_.push_back({t, INT64_MAX, INT64_MAX});
          open(*t, feed.cancel_fd);
          waiting_.pop_back();
        }
        begin(t);
      }
      if (waiting_.empty()) return;
      flush();
      bool moved = false;
      for (;;) {
        char kind;
        std::string_view text;
        bool null, got = false;
        while (!waiting_.empty() && in_at_ < in_.size() && reply(&kind, &text, &null, waiting_.front().transfer)) {
          finish(feed, kind, text, null);
          old = false;
          got = moved = true;
          // The next one's first byte is due from now on.
          if (!waiting_.empty()) waiting_.front().first_ms = std::max(waiting_.front().first_ms, now_ms() + waiting_.front().transfer->connect_timeout_ms);
        }
        if (in_bulk_ && in_at_ == in_.size()) in_.clear(), in_at_ = 0;
        if (waiting_.empty()) break;
        if (fill()) continue;
        if (!got) break;
      }
      if (moved) continue;
      const Expected& first = waiting_.front();
      int64_t until = in_bulk_ || in_at_ < in_.size() ? first.until_ms : std::min(first.first_ms, first.until_ms), rest = until - now_ms();
      if (rest <= 0) throw Problem{CC_FAIL_TIMEOUT, "no answer in time"};
      pollfd p[3] = {{fd_, static_cast<short>(POLLIN | (out_at_ < out_.size() ? POLLOUT : 0)), 0}, {feed.cancel_fd, POLLIN, 0}, {feed.wake_fd, POLLIN, 0}};
      poll(p, 3, static_cast<int>(std::min<int64_t>(rest, 1000)));  // a negative descriptor is passed over
      if (feed.cancel_fd >= 0 && p[1].revents) throw Problem{CC_FAIL_CANCELLED, "cancelled"};
    }
  } catch (const Problem& e) {
    broken_ = true;
    std::vector<cc_transfer*> lost;
    for (auto& w : waiting_) lost.push_back(w.transfer);
    waiting_.clear();
    // A connection that was kept may have been closed by the server meanwhile: what it never answered is asked on a new one.
    if (old && e.failure == CC_FAIL_CONNECT && !in_bulk_) {
      again->insert(again->begin(), lost.begin(), lost.end());
      return;
    }
    for (size_t i = 0; i < lost.size(); i++) {
      fail(lost[i], i && e.failure == CC_FAIL_TOO_LARGE ? static_cast<uint32_t>(CC_FAIL_CONNECT) : e.failure, "%s", e.text.c_str());
      feed.done(feed.user, lost[i]);
    }
  }
}

// ---- the layer -----------------------------------------------------------------------------------------------------------

class Redis final : public Backend {
 public:
  explicit Redis(const Settings& s) {
    o_.host = s.get("host");
    o_.socket = s.get("socket");
    o_.user = s.get("user");
    o_.password = s.get("password");
    o_.database = s.get("database");
    o_.prefix = s.has("prefix") ? s.get("prefix") : "cchain:";
    o_.expire = s.get("expire") == "0" ? "" : s.get("expire");
    o_.ca_file = s.get("ca_file");
    o_.tls = s.flag("tls", false);
    o_.port = s.has("port") ? s.get("port") : "6379";
    if (o_.host.empty() == o_.socket.empty()) throw Refused("a redis layer has a \"host\" or a \"socket\"");
    if (o_.tls && !o_.socket.empty()) throw Refused("\"tls\" is not for a unix socket");
    if (!o_.user.empty() && o_.password.empty()) throw Refused("a \"user\" without a \"password\"");
  }
  ~Redis() override {
    idle_.clear();
    if (tls_) SSL_CTX_free(tls_);
  }

  void run(const cc_transfer_feed& feed) override {
    NoSigpipe guard;
    std::vector<cc_transfer*> again;
    std::unique_ptr<Connection> c;
    bool ended = false;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (!idle_.empty()) c = std::move(idle_.back()), idle_.pop_back();
    }
    while (!ended) {
      if (!c) c = std::make_unique<Connection>(o_, context());
      c->run(feed, &again);
      // After a failure the feed may have more to do: it is asked on a new connection, until it has no more.
      ended = c->usable() && again.empty();
      if (ended) break;
      c.reset();
      if (again.empty()) {
        cc_transfer* t = feed.next(feed.user);
        if (!t) return;
        again.push_back(t);
      }
    }
    std::lock_guard<std::mutex> lock(mutex_);
    if (idle_.size() < kMaxIdle) idle_.push_back(std::move(c));
  }

 private:
  SSL_CTX* context() {
    if (!o_.tls) return nullptr;
    std::lock_guard<std::mutex> lock(mutex_);
    if (tls_) return tls_;
    SSL_CTX* c = SSL_CTX_new(TLS_client_method());
    if (!c) throw std::bad_alloc();
    SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
    SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER, nullptr);
    // A file that can't be read leaves no CA, and nothing is trusted.
    if (o_.ca_file.empty()) SSL_CTX_set_default_verify_paths(c);
    else SSL_CTX_load_verify_locations(c, o_.ca_file.c_str(), nullptr);
    ERR_clear_error();
    return tls_ = c;
  }

  Options o_;
  SSL_CTX* tls_ = nullptr;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace

std::unique_ptr<Backend> make_redis(const Settings& s) { return std::make_unique<Redis>(s); }

}  // namespace remote

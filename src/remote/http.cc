// SPDX-License-Identifier: Apache-2.0
#include "remote/http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace remote {

namespace {

constexpr size_t kMaxIdle = 64;           // drivers: as many as threads may ask at once
constexpr size_t kMaxErrorBody = 4096;    // of an answer that is not 200: what is kept of it
constexpr size_t kMaxDrained = 64 << 10;  // and what is read of it, to keep the connection
constexpr size_t kMaxFetched = 1 << 20;

// libcurl's strings are made and freed by our functions: in a host with an allocator of its own, strdup would take the host's and free ours.
void* curl_strdup_size(const char* s) {
  size_t n = strlen(s) + 1;
  void* p = malloc(n);
  if (p) memcpy(p, s, n);
  return p;
}
char* our_strdup(const char* s) { return static_cast<char*>(curl_strdup_size(s)); }

void start_curl() {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, [] { curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, free, realloc, our_strdup, calloc); });
}

}  // namespace

HttpOptions::HttpOptions(const Settings& s)
    : user(s.get("user")), password(s.get("password")), token(s.get("token")), ca_file(s.get("ca_file")), client_cert(s.get("client_cert")),
      client_key(s.get("client_key")), proxy(s.get("proxy")), no_env(s.no_env) {}

// One multi handle with its connections, and the TLS sessions of its transfers, used by one thread at a time.
class HttpBackend::Driver {
 public:
  explicit Driver(const HttpOptions& options) : options_(options) {
    start_curl();
    multi_ = curl_multi_init();
    if (!multi_) throw std::bad_alloc();
    sessions_ = curl_share_init();
    curl_share_setopt(sessions_, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, 64L);
  }
  ~Driver() {
    for (auto& f : flights_) {
      if (f->transfer) curl_multi_remove_handle(multi_, f->easy);
      curl_easy_cleanup(f->easy);
      curl_slist_free_all(f->headers);
    }
    curl_multi_cleanup(multi_);
    curl_share_cleanup(sessions_);
  }
  Driver(const Driver&) = delete;

  void run(HttpBackend* backend, const cc_transfer_feed& feed);
  bool fetch(const HttpRequest& request, int timeout_ms, int cancel_fd, HttpAnswer* answer, std::string* error);

 private:
  struct Flight {
    CURL* easy = nullptr;
    curl_slist* headers = nullptr;
    HttpRequest request;
    cc_transfer* transfer = nullptr;  // null: free
    HttpAnswer answer;
    size_t drained = 0;
    bool refused_by_sink = false;
    int64_t connected_ms = 0;  // 0: not yet
    bool answered = false;
    bool silent = false;
  };

  static size_t on_body(char* data, size_t, size_t n, void* user) {
    Flight* f = static_cast<Flight*>(user);
    long code = 0;
    curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &code);
    cc_transfer* t = f->transfer;
    if (code == 200 && t->kind == CC_TRANSFER_GET && t->write) {
      if (t->write(t->sink, data, n) != 0) {
        f->refused_by_sink = true;
        return 0;
      }
      return n;
    }
    size_t keep = t->write ? kMaxErrorBody : kMaxFetched;
    try {
      if (f->answer.body.size() < keep) f->answer.body.append(data, std::min(n, keep - f->answer.body.size()));
    } catch (...) {  // no memory: the text is shorter
    }
    f->drained += n;
    return f->drained > std::max(keep, kMaxDrained) ? 0 : n;
  }
  static size_t on_header(char* data, size_t, size_t n, void* user) {
    Flight* f = static_cast<Flight*>(user);
    f->answered = true;
    auto value = [&](std::string_view name) {
      std::string_view v;
      if (n > name.size() && strncasecmp(data, name.data(), name.size()) == 0) v = std::string_view(data + name.size(), n - name.size());
      while (!v.empty() && (v.front() == ' ' || v.front() == '\t')) v.remove_prefix(1);
      while (!v.empty() && (v.back() == '\r' || v.back() == '\n' || v.back() == ' ')) v.remove_suffix(1);
      return v;
    };
    try {
      if (std::string_view v = value("x-amz-bucket-region:"); !v.empty()) f->answer.region = v.substr(0, 64);
      if (std::string_view v = value("date:"); !v.empty() && v.size() < 64) f->answer.date = std::max<int64_t>(0, curl_getdate(std::string(v).c_str(), nullptr));
      if (std::string_view v = value("etag:"); v.size() > 2 && v.size() < sizeof cc_transfer::etag && v.front() == '"' && v.back() == '"') f->answer.etag = v;
    } catch (...) {  // no memory: as if it were not there
    }
    return n;
  }
  static int on_connected(void* user, char*, char*, int, int) {
    static_cast<Flight*>(user)->connected_ms = now_ms();
    return CURL_PREREQFUNC_OK;
  }

  Flight* free_flight();
  void start(Flight* f, cc_transfer* t, bool plain);
  void finish(HttpBackend* backend, Flight* f, CURLcode code);
  template <class Done>
  bool drive(const cc_transfer_feed& feed, Done done);

  const HttpOptions& options_;
  CURLM* multi_;
  CURLSH* sessions_;
  std::vector<std::unique_ptr<Flight>> flights_;
  size_t under_way_ = 0;
};

HttpBackend::Driver::Flight* HttpBackend::Driver::free_flight() {
  for (auto& f : flights_)
    if (!f->transfer) return f.get();
  flights_.push_back(std::make_unique<Flight>());
  return flights_.back().get();
}

void HttpBackend::Driver::start(Flight* f, cc_transfer* t, bool plain) {
  // Never a handle that was used: libcurl before 8.1.1 writes to freed memory if an answer's first header is a folded line and one came before on the same handle.
  // Connections and names are the multi handle's.
  curl_easy_cleanup(f->easy);
  CURL* e = f->easy = curl_easy_init();
  if (!e) throw std::bad_alloc();
  curl_easy_setopt(e, CURLOPT_SHARE, sessions_);
  curl_slist_free_all(f->headers);
  f->headers = nullptr;
  f->answer = HttpAnswer();
  f->drained = 0;
  f->refused_by_sink = f->answered = f->silent = false;
  f->connected_ms = 0;
  const HttpRequest& r = f->request;
  for (const std::string& h : r.headers) f->headers = curl_slist_append(f->headers, h.c_str());
  f->headers = curl_slist_append(f->headers, "Expect:");
  if (!f->headers) throw std::bad_alloc();
  curl_easy_setopt(e, CURLOPT_URL, r.url.c_str());
  curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(e, CURLOPT_HTTPHEADER, f->headers);
  curl_easy_setopt(e, CURLOPT_PRIVATE, f);
  curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);  // a resolver that hangs is left behind, not waited for
  curl_easy_setopt(e, CURLOPT_USERAGENT, "cchain");
  curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(t->connect_timeout_ms));
  curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, static_cast<long>(t->timeout_ms));
  curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 100L << 10);  // below what malloc maps anew for each transfer
  curl_easy_setopt(e, CURLOPT_FILETIME, 1L);
  curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(e, CURLOPT_WRITEDATA, f);
  curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(e, CURLOPT_HEADERDATA, f);
  curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_connected);
  curl_easy_setopt(e, CURLOPT_PREREQDATA, f);
  if (r.method == "HEAD") {
    curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
  } else if (r.method == "PUT" || r.method == "POST") {
    curl_easy_setopt(e, CURLOPT_POSTFIELDS, r.body.data());
    curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(r.body.size()));
    curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, r.method.c_str());
  } else if (r.method != "GET") {
    curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, r.method.c_str());
  }
  if (plain) {
    curl_easy_setopt(e, CURLOPT_PROXY, "");
  } else {
    if (!options_.proxy.empty() || options_.no_env) curl_easy_setopt(e, CURLOPT_PROXY, options_.proxy.c_str());
    if (options_.no_env) curl_easy_setopt(e, CURLOPT_NOPROXY, "");
    curl_easy_setopt(e, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    if (!options_.user.empty()) {
      curl_easy_setopt(e, CURLOPT_USERNAME, options_.user.c_str());
      curl_easy_setopt(e, CURLOPT_PASSWORD, options_.password.c_str());
    }
    if (!options_.client_cert.empty()) {
      curl_easy_setopt(e, CURLOPT_SSLCERT, options_.client_cert.c_str());
      curl_easy_setopt(e, CURLOPT_SSLKEY, options_.client_key.empty() ? options_.client_cert.c_str() : options_.client_key.c_str());
    }
  }
  if (!options_.ca_file.empty()) {
    curl_easy_setopt(e, CURLOPT_CAINFO, options_.ca_file.c_str());
    curl_easy_setopt(e, CURLOPT_CAPATH, nullptr);
  }
  f->transfer = t;
  if (curl_multi_add_handle(multi_, e) != CURLM_OK) {
    f->transfer = nullptr;
    throw std::bad_alloc();
  }
  under_way_++;
}

void HttpBackend::Driver::finish(HttpBackend* backend, Flight* f, CURLcode code) {
  cc_transfer* t = f->transfer;
  long status = 0;
  curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
  f->answer.status = static_cast<int>(status);
  t->failure = CC_FAIL_NONE;
  t->retry_after_ms = t->age_s = 0;
  t->server_time = f->answer.date;
  t->error[0] = '\0';
  if (t->kind == CC_TRANSFER_GET) snprintf(t->etag, sizeof t->etag, "%s", f->answer.etag.c_str());
  if (f->silent) return fail(t, CC_FAIL_TIMEOUT, "no answer in %u ms", t->connect_timeout_ms);
  if (f->refused_by_sink) return fail(t, CC_FAIL_TOO_LARGE, "its answer is too large");
  if (code == CURLE_OPERATION_TIMEDOUT)
    return fail(t, CC_FAIL_TIMEOUT, f->connected_ms ? "not done in %u ms" : "no connection in %u ms", f->connected_ms ? t->timeout_ms : std::min(t->connect_timeout_ms, t->timeout_ms));
  // An error's body that is longer than what is worth reading ends the connection, not the answer.
  bool cut_by_us = code == CURLE_WRITE_ERROR && status != 200;
  if (code != CURLE_OK && !cut_by_us) {
    bool reached = f->connected_ms != 0;
    return fail(t, reached && f->answered ? CC_FAIL_PROTOCOL : CC_FAIL_CONNECT, "%s", curl_easy_strerror(code));
  }
  if (status == 200) {
    t->status = CC_LAYER_HIT;
    curl_off_t when = -1;
    if (t->kind == CC_TRANSFER_GET && curl_easy_getinfo(f->easy, CURLINFO_FILETIME_T, &when) == CURLE_OK && when > 0) {
      curl_off_t age = time(nullptr) - when;
      t->age_s = static_cast<uint32_t>(std::clamp<curl_off_t>(age, 0, UINT32_MAX));
    }
    return;
  }
  curl_off_t wait = 0;
  curl_easy_getinfo(f->easy, CURLINFO_RETRY_AFTER, &wait);
  if (wait > 0) t->retry_after_ms = static_cast<uint32_t>(std::min<curl_off_t>(wait, 3600) * 1000);
  backend->judge(t, f->answer);
}

// Lets the transfers under way go on until one has ended or the feed is to be asked again. False: cancelled.
template <class Done>
bool HttpBackend::Driver::drive(const cc_transfer_feed& feed, Done done) {
  int running = 0;
  curl_multi_perform(multi_, &running);
  bool any = false;
  int left;
  auto end = [&](Flight* f, CURLcode code) {
    curl_multi_remove_handle(multi_, f->easy);
    under_way_--;
    cc_transfer* t = f->transfer;
    done(f, code);
    f->transfer = nullptr;
    any = true;
    return t;
  };
  while (CURLMsg* m = curl_multi_info_read(multi_, &left)) {
    if (m->msg != CURLMSG_DONE) continue;
    Flight* f = nullptr;
    CURLcode code = m->data.result;
    curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &f);
    end(f, code);
  }
  // A server that takes the connection and then is silent.
  int64_t now = now_ms(), wait = 1000;
  for (auto& f : flights_) {
    if (!f->transfer || f->answered || !f->connected_ms || f->transfer->kind == CC_TRANSFER_PUT) continue;
    int64_t rest = f->connected_ms + f->transfer->connect_timeout_ms - now;
    if (rest <= 0) {
      f->silent = true;
      end(f.get(), CURLE_OPERATION_TIMEDOUT);
    } else {
      wait = std::min(wait, rest);
    }
  }
  if (any) return true;
  curl_waitfd more[2] = {};
  unsigned n = 0;
  if (feed.cancel_fd >= 0) more[n++] = {feed.cancel_fd, CURL_WAIT_POLLIN, 0};
  if (feed.wake_fd >= 0) more[n++] = {feed.wake_fd, CURL_WAIT_POLLIN, 0};
  int ready = 0;
  curl_multi_poll(multi_, more, n, static_cast<int>(wait), &ready);
  return !(feed.cancel_fd >= 0 && more[0].revents);
}

void HttpBackend::Driver::run(HttpBackend* backend, const cc_transfer_feed& feed) {
  for (;;) {
    while (under_way_ < std::max(feed.parallel, 1u)) {
      cc_transfer* t = feed.next(feed.user);
      if (!t) break;
      Flight* f = free_flight();
      f->request = HttpRequest();
      try {
        backend->prepare(*t, feed.cancel_fd, &f->request);
      } catch (const Refused& e) {
        fail(t, e.failure, "%s", e.what());
        feed.done(feed.user, t);
        continue;
      }
      start(f, t, false);
    }
    if (!under_way_) return;
    bool on = drive(feed, [&](Flight* f, CURLcode code) {
      cc_transfer* t = f->transfer;
      finish(backend, f, code);
      feed.done(feed.user, t);
    });
    if (on) continue;
    for (auto& f : flights_) {
      if (!f->transfer) continue;
      curl_multi_remove_handle(multi_, f->easy);
      under_way_--;
      cc_transfer* t = f->transfer;
      f->transfer = nullptr;
      fail(t, CC_FAIL_CANCELLED, "cancelled");
      feed.done(feed.user, t);
    }
    return;
  }
}

bool HttpBackend::Driver::fetch(const HttpRequest& request, int timeout_ms, int cancel_fd, HttpAnswer* answer, std::string* error) {
  cc_transfer t = {};
  t.kind = request.method == "GET" ? CC_TRANSFER_GET : CC_TRANSFER_PUT;
  t.connect_timeout_ms = t.timeout_ms = static_cast<uint32_t>(timeout_ms);
  cc_transfer_feed feed = {1, cancel_fd, -1, 0, nullptr, nullptr, nullptr};
  Flight* f = free_flight();
  f->request = request;
  start(f, &t, true);
  bool ok = false, ended = false;
  while (!ended) {
    bool on = drive(feed, [&](Flight*, CURLcode code) {
      ended = true;
      long status = 0;
      curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
      f->answer.status = static_cast<int>(status);
      ok = code == CURLE_OK;
      if (!ok) *error = f->silent ? "no answer" : curl_easy_strerror(code);
      else *answer = std::move(f->answer);
    });
    if (on) continue;
    curl_multi_remove_handle(multi_, f->easy);
    under_way_--;
    f->transfer = nullptr;
    *error = "cancelled";
    return false;
  }
  return ok;
}

HttpBackend::HttpBackend(HttpOptions options) : options_(std::move(options)) {}
HttpBackend::~HttpBackend() {
  NoSigpipe guard;
  idle_.clear();
}

std::unique_ptr<HttpBackend::Driver> HttpBackend::take() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!idle_.empty()) {
      auto d = std::move(idle_.back());
      idle_.pop_back();
      return d;
    }
  }
  return std::make_unique<Driver>(options_);
}

void HttpBackend::run(const cc_transfer_feed& feed) {
  NoSigpipe guard;
  auto driver = take();
  driver->run(this, feed);  // one that throws is not kept
  std::lock_guard<std::mutex> lock(mutex_);
  if (idle_.size() < kMaxIdle) idle_.push_back(std::move(driver));
}

bool HttpBackend::fetch(const HttpRequest& request, int timeout_ms, int cancel_fd, HttpAnswer* answer, std::string* error) {
  return Driver(options_).fetch(request, timeout_ms, cancel_fd, answer, error);
}

void HttpBackend::judge(cc_transfer* t, const HttpAnswer& answer) {
  int s = answer.status;
  bool put = t->kind == CC_TRANSFER_PUT;
  if (put && (s == 201 || s == 204 || s == 202)) t->status = CC_LAYER_HIT;
  else if (t->kind == CC_TRANSFER_REMOVE && (s / 100 == 2 || s == 404 || s == 410)) t->status = CC_LAYER_HIT;
  else if (put && (s == 412 || s == 409) && !(t->flags & CC_PUT_REPLACE)) t->status = CC_LAYER_EXISTS;
  else if (put && (s == 412 || s == 409 || s == 404) && t->etag[0]) t->status = CC_LAYER_EXISTS;  // or it is gone
  else if (!put && (s == 404 || s == 410)) t->status = CC_LAYER_MISS;
  else if (s == 401 || s == 403 || s == 407) fail(t, CC_FAIL_DENIED, "the server answers %d: credentials are wrong or lacking", s);
  else if (s == 429 || s == 503) fail(t, CC_FAIL_BUSY, "the server answers %d", s);
  else if (s == 413) fail(t, CC_FAIL_TOO_LARGE, "the server answers 413: too large for it");
  else if (s >= 500) fail(t, CC_FAIL_SERVER, "the server answers %d", s);
  else if (s / 100 == 3) fail(t, CC_FAIL_PROTOCOL, "the server answers %d, a redirection: not followed", s);
  else fail(t, CC_FAIL_PROTOCOL, "the server answers %d", s);
}

// ---- plain HTTP: any server that takes GET and PUT -----------------------------------------------------------------------

namespace {

class Plain final : public HttpBackend {
 public:
  explicit Plain(const Settings& s) : HttpBackend(HttpOptions(s)), url_(s.get("url")), token_(s.get("token")) {
    if (url_.compare(0, 7, "http://") != 0 && url_.compare(0, 8, "https://") != 0) throw Refused("\"url\" begins neither with http:// nor with https://");
    while (url_.back() == '/') url_.pop_back();
    if (url_.size() < 8 || url_.find_first_of("?#") != std::string::npos) throw Refused("\"url\" has a query, or no host");
  }

 protected:
  void prepare(const cc_transfer& t, int, HttpRequest* r) override {
    static const char* const kMethods[] = {"GET", "PUT", "HEAD", "DELETE"};
    r->method = kMethods[t.kind & 3];
    r->url = url_ + "/" + path_of(t.address);
    if (!token_.empty()) r->headers.push_back("Authorization: Bearer " + token_);
    if (t.kind == CC_TRANSFER_PUT) {
      r->headers.push_back("Content-Type: application/octet-stream");
      if (!(t.flags & CC_PUT_REPLACE)) r->headers.push_back("If-None-Match: *");
      else if (t.etag[0]) r->headers.push_back(std::string("If-Match: ") + t.etag);
      r->body = std::string_view(static_cast<const char*>(t.data), t.size);
    }
  }

 private:
  std::string url_;
  const std::string token_;
};

}  // namespace

std::unique_ptr<Backend> make_http(const Settings& s) { return std::make_unique<Plain>(s); }

}  // namespace remote

// The one entry of cchain-remote.so, and the barrier that no exception passes.
// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "remote/remote.h"

namespace remote {

std::string Settings::env(const char* name) const {
  const char* v = no_env ? nullptr : getenv(name);
  return v ? v : "";
}

std::string path_of(const cc_address& a) {
  static const char* const kSpaces[] = {"compile", "inputs", "source", "manifest"};
  std::string p = kSpaces[a.ns & 3];
  p.reserve(160);
  p += '/';
  p += a.tenant;
  p += '/';
  p.append(a.hex, 2);
  p += '/';
  p += a.hex;
  p += '/';
  p += a.blob;
  return p;
}

void fail(cc_transfer* t, uint32_t failure, const char* format, ...) {
  t->status = CC_LAYER_ERROR;
  t->failure = failure;
  va_list args;
  va_start(args, format);
  vsnprintf(t->error, sizeof t->error, format, args);
  va_end(args);
  // It is shown to people, and some of it may be a server's words.
  for (char* c = t->error; *c; c++)
    if (static_cast<unsigned char>(*c) < 0x20 || *c == 0x7f) *c = '?';
}

NoSigpipe::NoSigpipe() {
  sigemptyset(&pipe_);
  sigaddset(&pipe_, SIGPIPE);
  sigset_t pending;
  sigpending(&pending);
  was_pending_ = sigismember(&pending, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe_, &old_);
}

NoSigpipe::~NoSigpipe() {
  sigset_t pending;
  timespec none = {};
  if (!was_pending_ && sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE)) sigtimedwait(&pipe_, nullptr, &none);
  pthread_sigmask(SIG_SETMASK, &old_, nullptr);
}

int64_t now_ms() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

namespace {

Backend* backend(cc_plugin_layer* l) { return reinterpret_cast<Backend*>(l); }

cc_plugin_layer* open_layer(const cc_plugin_settings* s, char* error, size_t error_size) {
  auto refuse = [&](const char* text) -> cc_plugin_layer* {
    snprintf(error, error_size, "%s", text);
    return nullptr;
  };
  try {
    Settings settings(*s);
    std::unique_ptr<Backend> b = settings.type == "http"    ? make_http(settings)
                                 : settings.type == "s3"    ? make_s3(settings)
                                 : settings.type == "redis" ? make_redis(settings)
                                                            : nullptr;
    if (!b) return refuse("no such type of layer");
    return reinterpret_cast<cc_plugin_layer*>(b.release());
  } catch (const Refused& e) {
    return refuse(e.what());
  } catch (...) {
    return refuse("out of memory");
  }
}

// What was begun when memory ran out is lost for its feed: so it is ended here.
struct Under {
  const cc_transfer_feed& feed;
  std::map<cc_transfer*, bool> open;
  static cc_transfer* next(void* user) {
    Under* u = static_cast<Under*>(user);
    cc_transfer* t = u->feed.next(u->feed.user);
    if (t) u->open[t];
    return t;
  }
  static void done(void* user, cc_transfer* t) {
    Under* u = static_cast<Under*>(user);
    u->open.erase(t);
    u->feed.done(u->feed.user, t);
  }
};

void run(cc_plugin_layer* layer, const cc_transfer_feed* feed) {
  Under under{*feed, {}};
  cc_transfer_feed inner = *feed;
  inner.user = &under;
  inner.next = Under::next;
  inner.done = Under::done;
  try {
    backend(layer)->run(inner);
  } catch (...) {
  }
  while (!under.open.empty()) {
    cc_transfer* t = under.open.begin()->first;
    fail(t, CC_FAIL_PROTOCOL, "out of memory");
    Under::done(&under, t);
  }
}

void close_layer(cc_plugin_layer* layer) { delete backend(layer); }

const cc_plugin kPlugin = {sizeof(cc_plugin), CC_PLUGIN_VERSION, open_layer, run, close_layer};

}  // namespace
}  // namespace remote

extern "C" __attribute__((visibility("default"))) const cc_plugin* cc_plugin_get(uint32_t version) {
  return version == CC_PLUGIN_VERSION ? &remote::kPlugin : nullptr;
}

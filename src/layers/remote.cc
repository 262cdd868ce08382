// SPDX-License-Identifier: Apache-2.0
#include "layers/remote.h"

#include "base/dynamic.h"

#include <time.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

namespace cchain {

namespace {

constexpr size_t kMaxAbsent = 1 << 16;
constexpr int64_t kAbsentMs = 60'000;

int64_t monotonic_ms() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

Digest breaker_key(const RemoteOptions& o) {
  KeyHasher h("cchain breaker 1");
  h.field("type", o.type);
  for (const char* name : {"url", "endpoint", "bucket", "region", "prefix", "host", "port", "socket", "database", "user", "profile", "access_key_id"})
    for (auto& [key, value] : o.options)
      if (key == name) h.field(name, value);
  return h.finish();
}

Breaker::Kind kind_of(uint32_t failure) {
  switch (failure) {
    case CC_FAIL_CONNECT: return Breaker::kGone;
    case CC_FAIL_TIMEOUT: return Breaker::kTimeout;
    case CC_FAIL_BUSY: return Breaker::kBusy;
    default: return Breaker::kOther;
  }
}

}  // namespace

int StringSink::take(void* sink, const void* data, size_t size) {
  StringSink* s = static_cast<StringSink*>(sink);
  if (size > s->limit - s->out->size()) return 1;
  // Called from the plug-in: nothing may be thrown through it.
  try {
    s->out->append(static_cast<const char*>(data), size);
  } catch (...) {
    return 1;
  }
  return 0;
}

RemoteLayer::RemoteLayer(RemoteOptions options, const Log* log)
    : Layer(options.name), o_(std::move(options)), log_(log), breaker_(o_.breakers, breaker_key(o_)) {}

RemoteLayer::~RemoteLayer() {
  if (cc_plugin_layer* h = handle_.load()) plugin_->close(h);
}

uint64_t RemoteLayer::number(const Address& a) {
  std::string s;
  s.reserve(160);
  s += static_cast<char>('0' + static_cast<int>(a.space));
  s.append(a.tenant).append("/").append(a.hex).append("/").append(a.blob);
  return xxh64(s);
}

cc_plugin_layer* RemoteLayer::opened() {
  if (cc_plugin_layer* h = handle_.load(std::memory_order_acquire)) return h;
  std::lock_guard<std::mutex> lock(open_mutex_);
  if (handle_.load() || broken_) return handle_.load();
  std::string error;
  char text[256] = "";
  cc_plugin_layer* h = nullptr;
  if ((plugin_ = load_plugin(o_.plugin, &error))) {
    std::vector<cc_plugin_option> options;
    for (auto& [name, value] : o_.options) options.push_back({name.c_str(), value.c_str()});
    cc_plugin_settings s = {o_.type.c_str(), options.data(), options.size(), o_.flags, 0};
    if (!(h = plugin_->open(&s, text, sizeof text))) error = text;
  }
  if (!h) {
    broken_ = true;
    unusable_ = error;
    counters.errors.fetch_add(1, std::memory_order_relaxed);
    log_->line(kLogError, "layer %s: %s: it is not used", name_.c_str(), error.c_str());
    if (o_.trouble) o_.trouble("layer " + name_ + ": " + error);
  }
  handle_.store(h, std::memory_order_release);
  return h;
}

bool RemoteLayer::allows(Breaker::Way way) {
  // The static command asks what is near, and leaves the rest to its twin.
  if (!kLoadsLibraries && way == Breaker::kRead) return false;
  return !broken_ && breaker_.allows(way);
}

void RemoteLayer::prepare(cc_transfer* t, Words* w, const Address& a, uint32_t kind) const {
  *w = {std::string(a.tenant), std::string(a.hex), std::string(a.blob)};
  *t = {};
  t->kind = kind;
  t->address = {w->tenant.c_str(), w->hex.c_str(), w->blob.c_str(), static_cast<uint32_t>(a.space), 0};
  t->connect_timeout_ms = std::min(o_.connect_timeout_ms, o_.timeout_ms);
  t->timeout_ms = o_.timeout_ms;
}

void RemoteLayer::run(const cc_transfer_feed& feed) {
  if (cc_plugin_layer* h = opened()) return plugin_->run(h, &feed);
  while (cc_transfer* t = feed.next(feed.user)) {
    t->status = CC_LAYER_ERROR;
    t->failure = CC_FAIL_CANCELLED;
    feed.done(feed.user, t);
  }
}

void RemoteLayer::run_one(cc_transfer* t) {
  t->status = CC_LAYER_ERROR;
  t->failure = CC_FAIL_CANCELLED;
  cc_transfer* waiting = t;
  run({1, o_.cancel->fd(), -1, 0, &waiting, [](void* w) { return std::exchange(*static_cast<cc_transfer**>(w), nullptr); }, [](void*, cc_transfer*) {}});
  transfer_done(*t);
}

void RemoteLayer::transfer_done(const cc_transfer& t) {
  const Address a{static_cast<Space>(t.address.ns), t.address.tenant, t.address.hex, t.address.blob};
  const bool put = t.kind == CC_TRANSFER_PUT;
  const Breaker::Way way = put ? Breaker::kWrite : Breaker::kRead;
  if (t.status == CC_LAYER_ERROR) {
    if (t.failure == CC_FAIL_CANCELLED) return;
    counters.errors.fetch_add(1, std::memory_order_relaxed);
    log_->line(kLogWarn, "layer %s: %s %.12s/%s: %s", name_.c_str(), put ? "put" : "get", t.address.hex, t.address.blob, t.error);
    if (t.failure == CC_FAIL_TOO_LARGE) return;
    if (!breaker_.failed(way, kind_of(t.failure), t.retry_after_ms)) return;
    log_->line(kLogError, "layer %s: %s; left alone for a while", name_.c_str(), t.error);
    if (o_.trouble) o_.trouble("layer " + name_ + ": " + t.error);
    return;
  }
  breaker_.ok(way);
  if (put) {
    forget_absent(a);
    if (t.status == CC_LAYER_HIT) counters.bytes_written.fetch_add(t.size, std::memory_order_relaxed);
  } else if (t.status == CC_LAYER_MISS) {
    if (t.error[0] && !warned_.exchange(true)) {
      log_->line(kLogError, "layer %s: %s", name_.c_str(), t.error);
      if (o_.trouble) o_.trouble("layer " + name_ + ": " + t.error);
    }
    std::lock_guard<std::mutex> lock(mutex_);
    remember_absent(number(a));
  }
}

void RemoteLayer::distrust() {
  if (!breaker_.failed(Breaker::kRead, Breaker::kOther)) return;
  log_->line(kLogError, "layer %s: its answers are damaged; left alone for a while", name_.c_str());
  if (o_.trouble) o_.trouble("layer " + name_ + ": its answers are damaged");
}

std::string RemoteLayer::failing() {
  if (broken_) return "its plug-in or its options can't be used";
  const int64_t rest = rest_ms(Breaker::kRead);
  return rest > 0 ? "it has failed and is left alone for another " + std::to_string((rest + 999) / 1000) + " s" : std::string();
}

void RemoteLayer::remember_absent(uint64_t n) {
  if (absent_.size() >= kMaxAbsent) absent_.clear();  // as good as anything: it costs a request each
  absent_[n] = monotonic_ms() + kAbsentMs;
}
bool RemoteLayer::known_absent(const Address& a) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto it = absent_.find(number(a));
  return it != absent_.end() && monotonic_ms() < it->second;
}
void RemoteLayer::forget_absent(const Address& a) {
  std::lock_guard<std::mutex> lock(mutex_);
  absent_.erase(number(a));
}

Answer RemoteLayer::get(const Address& a, std::string* out) {
  uint64_t age;
  return get_aged(a, out, &age);
}

Answer RemoteLayer::get_aged(const Address& a, std::string* out, uint64_t* age_s) {
  out->clear();
  *age_s = 0;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    const uint64_t n = number(a);
    auto it = held_.find(n);
    // cc_cancel may come from a signal handler, which can notify nobody: so it is looked for.
    while (it != held_.end() && it->second.under_way) {
      if (o_.cancel->is_set()) return Answer::kMiss;
      arrived_.wait_for(lock, std::chrono::milliseconds(20));
      it = held_.find(n);
    }
    if (it != held_.end()) {
      *out = std::move(it->second.bytes);
      *age_s = it->second.age_s;
      held_.erase(it);
      held_bytes_.fetch_sub(out->size(), std::memory_order_relaxed);
      lock.unlock();
      if (on_room_) on_room_();
      return Answer::kHit;
    }
    auto gone = absent_.find(n);
    if (gone != absent_.end() && monotonic_ms() < gone->second) return Answer::kMiss;
    held_[n];  // whoever wants the same waits for this one's answer
  }
  Answer answer = ask(a, out, age_s);
  hand_over(a, Answer::kMiss, {});
  return answer;
}

Answer RemoteLayer::ask(const Address& a, std::string* out, uint64_t* age_s) {
  if (!allows(Breaker::kRead)) return Answer::kMiss;
  cc_transfer t;
  Words words;
  prepare(&t, &words, a, CC_TRANSFER_GET);
  StringSink sink{out, o_.max_size};
  t.write = StringSink::take;
  t.sink = &sink;
  run_one(&t);
  if (t.status == CC_LAYER_HIT) {
    counters.bytes_read.fetch_add(out->size(), std::memory_order_relaxed);
    *age_s = t.age_s;
    return Answer::kHit;
  }
  out->clear();
  return t.status == CC_LAYER_MISS ? Answer::kMiss : Answer::kError;
}

std::string RemoteLayer::check(LayerHealth* health) {
  struct Two {
    cc_transfer t;
    Words words;
    const RemoteLayer* layer;
    Address address;
    std::string bytes;
    StringSink sink;
    int64_t start = 0;
    uint64_t us[2] = {0, 0};
    size_t count = 0;
    static int64_t now() {
      timespec t;
      clock_gettime(CLOCK_MONOTONIC, &t);
      return t.tv_sec * 1000000 + t.tv_nsec / 1000;
    }
    static cc_transfer* next(void* user) {
      Two* o = static_cast<Two*>(user);
      if (o->count == 2 || (o->count && o->t.status == CC_LAYER_ERROR)) return nullptr;
      o->layer->prepare(&o->t, &o->words, o->address, CC_TRANSFER_GET);
      o->t.write = StringSink::take;
      o->t.sink = &o->sink;
      o->t.status = CC_LAYER_ERROR;
      o->start = now();
      return &o->t;
    }
    static void done(void* user, cc_transfer*) {
      Two* o = static_cast<Two*>(user);
      o->us[o->count++] = static_cast<uint64_t>(now() - o->start);
    }
  } two;
  // A digest that nothing is known to have.
  const std::string hex(64, '0');
  two.layer = this;
  two.address = {Space::kSource, "local", hex, "data"};
  two.sink = {&two.bytes, o_.max_size};
  two.t = {};
  two.t.status = CC_LAYER_ERROR;
  if (!opened()) {
    std::lock_guard<std::mutex> lock(open_mutex_);
    return unusable_;
  }
  run({1, o_.cancel->fd(), -1, 0, &two, Two::next, Two::done});
  // A miss with a text is one that may be none: keys that may not read.
  if (two.t.error[0]) return two.t.error;
  if (two.t.status == CC_LAYER_ERROR) return "it was not asked";
  breaker_.ok(Breaker::kRead);
  *health = {two.us[0], two.us[1], two.t.server_time};
  return {};
}

int RemoteLayer::put(const Address& a, std::string_view data, bool replace) {
  if (!allows(Breaker::kWrite)) return EAGAIN;
  cc_transfer t;
  Words words;
  prepare(&t, &words, a, CC_TRANSFER_PUT);
  t.data = data.data();
  t.size = data.size();
  t.flags = replace ? CC_PUT_REPLACE : 0;
  run_one(&t);
  return t.status == CC_LAYER_HIT ? 0 : t.status == CC_LAYER_EXISTS ? EEXIST : EIO;
}

void RemoteLayer::remove(const Address& a) {
  if (!o_.removes || !allows(Breaker::kWrite)) return;
  cc_transfer t;
  Words words;
  prepare(&t, &words, a, CC_TRANSFER_REMOVE);
  run_one(&t);
}

bool RemoteLayer::announce(const Address& a) {
  std::lock_guard<std::mutex> lock(mutex_);
  const uint64_t n = number(a);
  auto gone = absent_.find(n);
  if (gone != absent_.end() && monotonic_ms() < gone->second) return false;
  return held_.try_emplace(n).second;
}

void RemoteLayer::hand_over(const Address& a, Answer answer, std::string bytes, uint64_t age_s) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto it = held_.find(number(a));
  if (it == held_.end()) return;
  if (answer == Answer::kHit) {
    counters.bytes_read.fetch_add(bytes.size(), std::memory_order_relaxed);
    held_bytes_.fetch_add(bytes.size(), std::memory_order_relaxed);
    it->second.under_way = false;
    it->second.age_s = age_s;
    it->second.bytes = std::move(bytes);
  } else {
    held_.erase(it);  // whoever waits for it asks for himself, if it is not known to be absent
  }
  arrived_.notify_all();
}

void RemoteLayer::drop_held() {
  std::lock_guard<std::mutex> lock(mutex_);
  for (auto it = held_.begin(); it != held_.end();) {
    if (it->second.under_way) ++it;
    else it = held_.erase(it);
  }
  held_bytes_ = 0;
}

}  // namespace cchain

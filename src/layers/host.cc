// SPDX-License-Identifier: Apache-2.0
#include "layers/host.h"

#include <time.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

namespace cchain {

namespace {

constexpr int kFailuresInARow = 5;
constexpr int64_t kLeftAloneS = 30;

// The table of a host of any age as ours: what it lacks is NULL.
cc_layer_ops take_ops(const cc_layer_ops* from) {
  cc_layer_ops ops{};
  memcpy(&ops, from, from->struct_size < sizeof ops ? from->struct_size : sizeof ops);
  return ops;
}

class HostLayer final : public Layer {
 public:
  HostLayer(const cc_host_layer& h, uint64_t max_size, const Log* log)
      : Layer(h.name), ops_(take_ops(h.ops)), user_(h.user), local_(h.flags & CC_HOST_LAYER_LOCAL), max_size_(max_size), log_(log) {
    readable = ops_.get != nullptr;
    writable = ops_.put != nullptr;
  }
  ~HostLayer() override {
    if (ops_.close) ops_.close(user_);
  }
  const char* type() const override { return "host"; }
  bool local() const override { return local_; }
  std::string exposed(const Address* a) override { return local_ ? "" : Layer::exposed(a); }  // by its host's word

  Answer get(const Address& a, std::string* out) override {
    if (resting()) return Answer::kMiss;
    Strings s(a);
    out->clear();
    Sink sink{out, max_size_, false};
    int r = ops_.get(user_, &s.address, &HostLayer::take, &sink);
    if (r == CC_LAYER_HIT && !sink.too_large) {
      failures_ = 0;
      counters.bytes_read.fetch_add(out->size(), std::memory_order_relaxed);
      return Answer::kHit;
    }
    if (r == CC_LAYER_MISS) {
      failures_ = 0;
      return Answer::kMiss;
    }
    failed("get");
    return Answer::kError;
  }
  int put(const Address& a, std::string_view data, bool replace) override {
    if (!ops_.put) return EROFS;
    if (resting()) return EAGAIN;
    Strings s(a);
    int r = ops_.put(user_, &s.address, data.data(), data.size(), replace ? CC_PUT_REPLACE : 0);
    if (r == CC_LAYER_EXISTS) return EEXIST;
    if (r < 0) {
      failed("put");
      return EIO;
    }
    failures_ = 0;
    counters.bytes_written.fetch_add(data.size(), std::memory_order_relaxed);
    return 0;
  }
  void remove(const Address& a) override {
    Strings s(a);
    if (ops_.remove && local()) ops_.remove(user_, &s.address);
  }

 private:
  struct Strings {
    explicit Strings(const Address& a) : tenant(a.tenant), hex(a.hex), blob(a.blob) {
      address = {tenant.c_str(), hex.c_str(), blob.c_str(), static_cast<uint32_t>(a.space), 0};
    }
    std::string tenant, hex, blob;
    cc_address address;
  };
  struct Sink {
    std::string* out;
    uint64_t limit;
    bool too_large;
  };
  static int take(void* sink, const void* data, size_t size) {
    Sink* s = static_cast<Sink*>(sink);
    if (s->too_large || size > s->limit - s->out->size()) {
      s->too_large = true;
      return 1;
    }
    // The caller is the host's C: nothing may be thrown through it.
    try {
      s->out->append(static_cast<const char*>(data), size);
    } catch (...) {
      s->too_large = true;
    }
    return s->too_large;
  }
  static int64_t now_s() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return t.tv_sec;
  }
  bool resting() const { return failures_.load(std::memory_order_relaxed) >= kFailuresInARow && now_s() < until_.load(std::memory_order_relaxed); }
  void failed(const char* what) {
    counters.errors.fetch_add(1, std::memory_order_relaxed);
    if (failures_.fetch_add(1) + 1 >= kFailuresInARow) {
      until_ = now_s() + kLeftAloneS;
      log_->line(kLogError, "layer %s: %s fails; left alone for %d s", name_.c_str(), what, static_cast<int>(kLeftAloneS));
    }
  }

  const cc_layer_ops ops_;
  void* user_;
  bool local_;
  uint64_t max_size_;
  const Log* log_;
  std::atomic<int> failures_{0};
  std::atomic<int64_t> until_{0};
};

}  // namespace

bool valid_host_layer(const cc_host_layer& h) {
  if (!h.name || !*h.name || strchr(h.name, ':')) return false;  // names of counters have colons between their parts
  return h.ops && h.ops->struct_size >= offsetof(cc_layer_ops, get) + sizeof h.ops->get && h.ops->version == CC_LAYER_VERSION && h.ops->get;
}

std::unique_ptr<Layer> make_host_layer(const cc_host_layer& host, uint64_t max_size, const Log* log) {
  return std::make_unique<HostLayer>(host, max_size, log);
}

}  // namespace cchain

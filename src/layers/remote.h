// A layer behind a network, by the plug-in: when it is asked at all, what is remembered of its answers.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/log.h"
#include "layers/breaker.h"
#include "layers/cancel.h"
#include "layers/layer.h"
#include "layers/plugin.h"

namespace cchain {

struct RemoteOptions {
  std::string name, type, plugin;  // plugin: its path
  std::vector<std::pair<std::string, std::string>> options;
  uint32_t flags = 0;  // CC_PLUGIN_*
  uint32_t connect_timeout_ms = 800, timeout_ms = 5000, connections = 32;
  uint64_t max_size = 0;   // of a blob
  bool removes = false;    // remove() asks the server to
  uint64_t max_held = 64u << 20;  // of what was fetched before it was asked for
  CancelSignal* cancel = nullptr;
  Table* breakers = nullptr;
  std::function<void(const std::string&)> trouble;  // for the statistics
};

class RemoteLayer final : public Layer {
 public:
  RemoteLayer(RemoteOptions options, const Log* log);
  ~RemoteLayer() override;
  const char* type() const override { return o_.type.c_str(); }
  bool local() const override { return false; }
  bool remote() const override { return true; }
  Answer get(const Address& a, std::string* out) override;
  Answer get_aged(const Address& a, std::string* out, uint64_t* age_s) override;
  int put(const Address& a, std::string_view data, bool replace) override;
  void remove(const Address& a) override;
  void distrust() override;
  std::string failing() override;
  std::string check(LayerHealth* health) override;

  // ---- for those who carry out many transfers: the queue of stores, the prefetcher

  const RemoteOptions& options() const { return o_; }
  // False: leave the layer alone now. After true, transfer_done must hear what came of it.
  bool allows(Breaker::Way way);
  // For how long it is to be left alone, as far as is known.
  int64_t rest_ms(Breaker::Way way) { return broken_ ? INT32_MAX : breaker_.rest_ms(way); }
  // Fills in deadlines and the address's words, which live in `strings`.
  struct Words {
    std::string tenant, hex, blob;
  };
  void prepare(cc_transfer* t, Words* words, const Address& a, uint32_t kind) const;
  void run(const cc_transfer_feed& feed);
  // Counts, remembers what is not there, and what it means for the breaker.
  void transfer_done(const cc_transfer& t);
  // Remembered to be not there.
  bool known_absent(const Address& a);
  void forget_absent(const Address& a);

  // A prefetched blob is announced, then handed over; get() waits for one that is under way. False: nothing to fetch.
  bool announce(const Address& a);
  void hand_over(const Address& a, Answer answer, std::string bytes, uint64_t age_s = 0);
  bool room() const { return held_bytes_.load(std::memory_order_relaxed) < o_.max_held; }
  void set_room_callback(std::function<void()> f) { on_room_ = std::move(f); }
  void drop_held();

 private:
  struct Held {
    bool under_way = true;
    uint64_t age_s = 0;
    std::string bytes;
  };
  static uint64_t number(const Address& a);
  cc_plugin_layer* opened();
  Answer ask(const Address& a, std::string* out, uint64_t* age_s);
  // Carries it out by itself and hears what came of it.
  void run_one(cc_transfer* t);
  void remember_absent(uint64_t n);

  const RemoteOptions o_;
  const Log* log_;
  Breaker breaker_;
  std::mutex open_mutex_;
  std::string unusable_;  // why the plug-in or its options can't be used
  const cc_plugin* plugin_ = nullptr;
  std::atomic<cc_plugin_layer*> handle_{nullptr};
  std::atomic<bool> warned_{false};
  std::atomic<bool> broken_{false};  // the plug-in or its options can't be used

  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::unordered_map<uint64_t, int64_t> absent_;  // until when that is believed
  std::unordered_map<uint64_t, Held> held_;
  std::atomic<uint64_t> held_bytes_{0};
  std::function<void()> on_room_;
};

// A sink that appends to a string, up to a limit.
struct StringSink {
  std::string* out;
  uint64_t limit;
  static int take(void* sink, const void* data, size_t size);
};

}  // namespace cchain

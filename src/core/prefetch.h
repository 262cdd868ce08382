// Fetches from remote layers what a host says it will look up: inputs records and, as they arrive, the entries that they lead to, many at
// once. What has come is held by the layer, in bounded memory, until the lookup asks for it. Runs on a thread of its own, started when first needed.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "core/chain.h"
#include "core/invocation.h"

namespace cchain {

class Prefetcher {
 public:
  // What the cache does for it, on its thread.
  struct Services {
    // The invocation's key of inputs records; false if it has none (yet).
    std::function<bool(Invocation*)> keys;
    // The result key, if the set is true of the files as they are.
    std::function<bool(Invocation*, const InputsRecord::Set&, Digest*)> evaluate;
    // The keys under which an entry may stand, the likely one first.
    std::function<std::vector<Digest>(Invocation*, const Digest&, bool streams)> entry_keys;
  };
  Prefetcher(Chain* chain, Services services);
  ~Prefetcher() { stop(); }
  // In the order in which they will be needed. The invocations are copies that nobody else uses.
  void add(std::vector<std::unique_ptr<Invocation>> items);
  // The host has come to this one by itself.
  void passed(const Digest& invocation_key);
  // Drops all that is not there yet. Async-signal-safe.
  void cancel() { abort_.set(); }
  void stop();

 private:
  struct Work {
    std::unique_ptr<Invocation> inv;
    size_t link = 0;      // the layer that is asked
    bool entry = false;   // or the record
    bool announced = false;
    std::string hex;
    std::vector<Digest> keys;  // of the entry, to be tried
    cc_transfer transfer;
    RemoteLayer::Words words;
    std::string bytes;
    StringSink sink{nullptr, 0};
    Address address() const { return {entry ? Space::kCompile : Space::kInputs, inv->tenant, hex, entry ? "entry" : "record"}; }
  };
  void work();
  bool local_has(Invocation* inv);
  cc_transfer* next(size_t link);
  void done(size_t link, cc_transfer* t);
  bool begin(Work* w);
  void later(std::unique_ptr<Work> w);

  Chain* chain_;
  const Services services_;
  std::mutex mutex_;
  std::condition_variable wake_;
  CancelSignal more_, abort_;
  std::deque<std::unique_ptr<Invocation>> items_;
  std::unordered_set<uint64_t> passed_;
  bool started_ = false, stop_ = false, running_ = false;
  std::thread thread_;
  // Of the thread only.
  std::vector<std::deque<std::unique_ptr<Work>>> ready_;  // by link
  std::vector<std::unique_ptr<Work>> under_way_;
};

}  // namespace cchain

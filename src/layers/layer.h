// One store of the chain. A layer knows addresses and bytes, nothing of what they mean; whoever reads verifies.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace cchain {

enum class Space : uint8_t { kCompile = 0, kInputs = 1, kSource = 2, kManifest = 3 };

// `<space>/<tenant>/<hh>/<hex>/<blob>`; the views live during the call.
struct Address {
  Space space;
  std::string_view tenant;  // validated by the facade
  std::string_view hex;     // 64 lower-case hex digits
  std::string_view blob;    // "entry", "record", "data"
};

enum class Answer { kHit, kMiss, kError };

struct LayerCounters {
  std::atomic<uint64_t> hits{0}, misses{0}, stores{0}, errors{0}, bytes_read{0}, bytes_written{0};
};

struct TrimResult {
  uint64_t removed_entries = 0, removed_bytes = 0, kept_entries = 0, kept_bytes = 0;
};

// How a layer answers when it is asked.
struct LayerHealth {
  uint64_t first_us = 0, next_us = 0;  // the first question, and another
  int64_t server_time = 0;             // seconds since 1970; 0: it does not say
};

struct TenantUsage {
  std::string tenant;
  uint64_t bytes = 0, entries = 0, limit = 0;  // limit 0: it shares what is left with others
};

// Told now and then how many entries have been looked at.
using TrimProgress = std::function<void(uint64_t entries)>;

class Layer {
 public:
  virtual ~Layer() = default;
  const std::string& name() const { return name_; }
  virtual const char* type() const = 0;
  bool readable = true, writable = true;
  virtual bool local() const = 0;  // bad entries are removed, stores are synchronous

  // Reached over a network: stores go to it behind the host's back, and what it gave is kept nearer.
  virtual bool remote() const { return false; }

  // Reads a blob whole. A hit marks it as used. Counts bytes and errors; whether it was a hit in the end is counted by the chain.
  virtual Answer get(const Address& a, std::string* out) = 0;
  // The same without the mark, for who only looks.
  virtual Answer peek(const Address& a, std::string* out) { return get(a, out); }
  // 0 stored, EEXIST (without replace) if a blob stands there, else errno; errors are logged by the layer.
  virtual int put(const Address& a, std::string_view data, bool replace) = 0;
  virtual void remove(const Address&) {}
  // The same as get; *age_s is how long ago the blob was put, as far as the layer knows (0 if not).
  virtual Answer get_aged(const Address& a, std::string* out, uint64_t* age_s) { return *age_s = 0, get(a, out); }
  // "" if nobody but this user can have written what stands at `a`, or (without one) can write to where new blobs go; else what is open to others.
  virtual std::string exposed(const Address* /*a*/) { return "others may write there"; }
  // What it gave as a hit was damaged.
  virtual void distrust() {}
  // Whether a blob seems to stand there, for less than it costs to read it.
  virtual bool contains(const Address&) { return false; }
  // Marks kept in memory (uses, sizes) reach the disk.
  virtual void flush() {}
  virtual int trim(uint64_t /*max_size*/, uint64_t /*before_ns: what was last used before it goes, 0: none*/, TrimResult*, const TrimProgress& = nullptr) { return 0; }
  virtual int clear(std::string_view /*tenant, empty: all*/) { return 0; }
  // Why it can't be asked at the moment; empty if it can, as far as is known.
  virtual std::string failing() { return {}; }
  // Asks for what is not there, whatever is remembered of earlier answers; counts nothing. "" or why it can't be asked.
  virtual std::string check(LayerHealth* health) {
    const std::string hex(64, '0');
    std::string bytes;
    for (uint64_t* us : {&health->first_us, &health->next_us}) {
      const auto start = std::chrono::steady_clock::now();
      if (get({Space::kSource, "local", hex, "data"}, &bytes) == Answer::kError) return "it answers with an error; the log says which";
      *us = static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start).count());
    }
    return {};
  }
  // Bytes and entries held as far as is known without a scan.
  virtual bool usage(uint64_t* /*bytes*/, uint64_t* /*entries*/, uint64_t* /*limit*/) { return false; }
  // The same by tenant; reads the whole of an index.
  virtual bool usage_by_tenant(std::vector<TenantUsage>*) { return false; }
  // Calls `f` with the address and the size of each blob that stands there until it returns false; changes nothing. ENOTSUP: it can't be listed.
  virtual int each(const std::function<bool(const Address&, uint64_t)>& /*f*/) { return ENOTSUP; }
  // What stands there and its index does not know rightly, and what only the index knows.
  virtual int check_index(uint64_t* /*unindexed*/, uint64_t* /*absent*/) { return 0; }

  LayerCounters counters;

 protected:
  explicit Layer(std::string name) : name_(std::move(name)) {}
  std::string name_;
};

}  // namespace cchain

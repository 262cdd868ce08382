// One store of the chain. A layer knows addresses and bytes, nothing of what they mean; whoever reads verifies.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

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
  // 0 stored, EEXIST (without replace) if a blob stands there, else errno; errors are logged by the layer.
  virtual int put(const Address& a, std::string_view data, bool replace) = 0;
  virtual void remove(const Address&) {}
  // The same as get; *age_s is how long ago the blob was put, as far as the layer knows (0 if not).
  virtual Answer get_aged(const Address& a, std::string* out, uint64_t* age_s) { return *age_s = 0, get(a, out); }
  // What it gave as a hit was damaged.
  virtual void distrust() {}
  // Whether a blob seems to stand there, for less than it costs to read it.
  virtual bool contains(const Address&) { return false; }
  // Marks kept in memory (uses, sizes) reach the disk.
  virtual void flush() {}
  virtual int trim(uint64_t /*max_size*/, uint64_t /*max_age_s*/, TrimResult*, const TrimProgress& = nullptr) { return 0; }
  virtual int clear(std::string_view /*tenant, empty: all*/) { return 0; }
  // Bytes and entries held as far as is known without a scan.
  virtual bool usage(uint64_t* /*bytes*/, uint64_t* /*entries*/, uint64_t* /*limit*/) { return false; }

  LayerCounters counters;

 protected:
  explicit Layer(std::string name) : name_(std::move(name)) {}
  std::string name_;
};

}  // namespace cchain

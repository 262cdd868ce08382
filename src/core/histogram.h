// How long something took, counted in buckets: four to a doubling, so that a quantile is right to an eighth. Adding is one increment, exact from any thread.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <time.h>

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>

namespace cchain {

class Histogram {
 public:
  static constexpr unsigned kBuckets = 112;  // the last one begins at 235 s

  static unsigned bucket(uint64_t us) {
    if (us < 4) return static_cast<unsigned>(us);
    const unsigned e = static_cast<unsigned>(std::bit_width(us)) - 1, b = (e - 1) * 4 + static_cast<unsigned>(us >> (e - 2) & 3);
    return b < kBuckets ? b : kBuckets - 1;
  }
  // The longest time that belongs to a bucket, in µs; all that is longer belongs to the last one.
  static uint64_t upper(unsigned bucket) { return bucket < 4 ? bucket : ((uint64_t{5} + bucket % 4) << (bucket / 4 - 1)) - 1; }

  static uint64_t now_us() {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<uint64_t>(t.tv_sec) * 1000000 + static_cast<uint64_t>(t.tv_nsec) / 1000;
  }

  void add(uint64_t us) {
    counts_[bucket(us)].fetch_add(1, std::memory_order_relaxed);
    sum_us_.fetch_add(us, std::memory_order_relaxed);
  }
  uint64_t count(unsigned bucket) const { return counts_[bucket].load(std::memory_order_relaxed); }
  uint64_t sum_us() const { return sum_us_.load(std::memory_order_relaxed); }

  // Of counts read elsewhere: the middle of the bucket in which that part of them (0…1) lies; 0 if there are none.
  static uint64_t quantile(const std::array<uint64_t, kBuckets>& counts, double part) {
    uint64_t all = 0, seen = 0;
    for (uint64_t n : counts) all += n;
    if (!all) return 0;
    const uint64_t rank = static_cast<uint64_t>(part * static_cast<double>(all - 1)) + 1;
    for (unsigned b = 0; b < kBuckets; b++)
      if ((seen += counts[b]) >= rank) return b == 0 ? 0 : (upper(b - 1) + 1 + upper(b)) / 2;
    return 0;
  }

 private:
  std::array<std::atomic<uint64_t>, kBuckets> counts_{};
  std::atomic<uint64_t> sum_us_{0};
};

}  // namespace cchain

// A value, all zeros at first, that is written under a lock of its owner's and read without one, so that readers on several cores do not take its cache line from each other.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace cchain {

template <class T>
class Published {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % sizeof(uint64_t) == 0);

 public:
  // Any thread. False if it was being written meanwhile.
  bool read(T* out) const {
    const uint32_t before = sequence_.load(std::memory_order_acquire);
    uint64_t words[kWords];
    // Who sees a word of a write sees below that the sequence has gone on.
    for (size_t i = 0; i < kWords; i++) words[i] = words_[i].load(std::memory_order_acquire);
    if (before & 1 || sequence_.load(std::memory_order_relaxed) != before) return false;
    memcpy(static_cast<void*>(out), words, sizeof words);
    return true;
  }
  // Under the owner's lock.
  T value() const {
    uint64_t words[kWords];
    for (size_t i = 0; i < kWords; i++) words[i] = words_[i].load(std::memory_order_relaxed);
    T out;
    memcpy(static_cast<void*>(&out), words, sizeof words);
    return out;
  }
  void write(const T& value) {
    uint64_t words[kWords];
    memcpy(words, &value, sizeof words);
    const uint32_t before = sequence_.load(std::memory_order_relaxed);
    sequence_.store(before + 1, std::memory_order_relaxed);
    for (size_t i = 0; i < kWords; i++) words_[i].store(words[i], std::memory_order_release);
    sequence_.store(before + 2, std::memory_order_release);
  }

 private:
  static constexpr size_t kWords = sizeof(T) / sizeof(uint64_t);
  std::atomic<uint32_t> sequence_{0};
  std::atomic<uint64_t> words_[kWords] = {};
};

}  // namespace cchain

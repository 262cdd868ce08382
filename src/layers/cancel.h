// One flag that ends waiting, set from anywhere (a signal handler too), seen by whoever polls its descriptor.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>

namespace cchain {

class CancelSignal {
 public:
  ~CancelSignal() {
    if (int fd = fd_.load(); fd >= 0) close(fd);
  }
  // Async-signal-safe.
  void set() {
    flag_.store(true);
    wake();
  }
  void clear() {
    flag_.store(false);
    eventfd_t v;
    if (int fd = fd_.load(); fd >= 0) (void)!read(fd, &v, sizeof v);
  }
  bool is_set() const { return flag_.load(std::memory_order_relaxed); }
  const std::atomic<bool>& flag() const { return flag_; }
  // Readable as long as the flag is set; made when first asked for. -1 if there are no descriptors left.
  int fd() {
    int have = fd_.load();
    if (have >= 0) return have;
    int made = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (made < 0) return -1;
    if (!fd_.compare_exchange_strong(have, made)) {
      close(made);
      return have;
    }
    if (is_set()) wake();  // set() may have come before there was anything to write to
    return made;
  }

 private:
  void wake() {
    const eventfd_t one = 1;
    if (int fd = fd_.load(); fd >= 0) (void)!write(fd, &one, sizeof one);
  }
  std::atomic<bool> flag_{false};
  std::atomic<int> fd_{-1};
};

}  // namespace cchain

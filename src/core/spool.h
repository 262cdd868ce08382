// Stores that wait for another process to send them: one private file each, bounded in number and size.
//
//   <folder>/<time>-<pid>-<n>   "CCS1", flags (1 replace, 2 merge), space, tenant, hex, blob and bytes as strings, 16 bytes XXH3-128 of all before
//
// Who sends one holds its lock; a file that is no such thing is removed.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "base/fs.h"

namespace cchain {

class Spool {
 public:
  static constexpr size_t kMaxFiles = 4096;
  static constexpr uint64_t kMaxBytes = 256u << 20;
  struct Item {
    bool replace = false, merge = false;
    uint8_t space = 0;
    std::string tenant, hex, blob, bytes;
  };
  // `dir` "": there is none.
  explicit Spool(std::string dir) : dir_(std::move(dir)) {}
  bool keep(const Item& item);
  // The files that are there, oldest first.
  std::vector<std::string> list() const;
  // False if another process has it, or it is gone or damaged.
  bool take(const std::string& name, Item* item, Fd* lock) const;
  void remove(const std::string& name) const;

 private:
  const std::string dir_;
  std::atomic<uint64_t> number_{0};
};

}  // namespace cchain

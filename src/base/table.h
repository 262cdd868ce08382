// A table of small records on disk, shared by the processes of one user: a cache of what can be computed again.
//
// Read and written by pread and pwrite, never mapped: the file may be cut or replaced under a running process and nothing worse than a
// miss comes of it. A slot is 64 bytes: 16 of the key's SHA-256, 40 of value, 8 of checksum; 8 slots make a bucket; a bucket that is
// full forgets. Torn slots fail their checksum. The file is private: another owner, or bits for group or others, and it is not used.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <mutex>
#include <string>

#include "base/fs.h"
#include "base/hash.h"

namespace cchain {

class Table {
 public:
  static constexpr size_t kValueSize = 40;
  using Value = std::array<uint8_t, kValueSize>;

  // `buckets`: a power of two. Nothing is opened yet.
  Table(std::string path, uint32_t magic, uint32_t buckets) : path_(std::move(path)), magic_(magic), buckets_(buckets) {}
  bool get(const Digest& key, Value* value);
  void put(const Digest& key, const Value& value);

 private:
  bool open_file();
  std::string path_;
  uint32_t magic_, buckets_;
  std::once_flag once_;
  Fd fd_;
};

// Byte strings by key, appended to one private file: a Table says where. Like it a cache only: what does not check out is not there.
class BlobLog {
 public:
  // Where a blob lies; fits into what a Table's value has left beside a digest.
  struct At {
    uint64_t offset = 0;  // 40 bits
    uint32_t size = 0;    // 24 bits
  };
  BlobLog(std::string path, uint32_t magic, uint32_t buckets) : path_(path.empty() ? path : path + ".data"), index_(path, magic, buckets) {}
  bool get(const Digest& key, std::string* out, At* at = nullptr);
  bool read(const At& at, std::string* out);
  bool put(const Digest& key, std::string_view data, At* at = nullptr);

 private:
  bool open_file();
  std::string path_;
  Table index_;
  std::once_flag once_;
  std::mutex append_;
  Fd fd_;
};

// A descriptor for a private file in a private folder, made if absent; -1 if it can't be trusted or made. Folder: mode 0700, ours, no link.
int open_private(const std::string& path, int flags);

}  // namespace cchain

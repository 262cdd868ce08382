// The formats of an entry and of an inputs record. src/FORMAT.md describes them byte by byte.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "model/seal.h"

namespace cchain {

struct EntryOutput {
  std::string_view role;
  uint32_t mode = 0;
  std::string_view data;  // raw bytes
};

struct Entry {
  bool merged = false;  // stdout_data is both streams as one
  int exit_status = 0;
  uint64_t duration_ms = 0;
  std::string_view stream_class;  // empty if both streams are
  std::string_view stdout_data, stderr_data;
  std::vector<EntryOutput> outputs;
  std::string_view meta;  // set by decode; unchecked bytes
};

struct CompressionPolicy {
  int level = 1;
  uint64_t min_size = 0;  // outputs smaller than this are stored as they are; UINT64_MAX: all of them
};

// `meta`: JSON for people and tools; no part of the checksum and not looked at by decode. The caller puts a seal behind it.
std::string encode_entry(const Entry& e, const Digest& key, const CompressionPolicy& policy, std::string_view meta);

enum class EntryState {
  kWhole,
  kCorrupt,  // the checksum or the structure is wrong: to be dropped
  kForeign,  // another version of the format, or another key: to be left alone
  kUntrusted,  // nobody vouches for it who is trusted: to be left alone, or replaced
};
// Asked about what is whole by its checksum, before anything of it is unpacked.
class SealCheck {
 public:
  // `seal` null: there is none.
  virtual bool good(std::string_view sealed, const Seal* seal) = 0;

 protected:
  ~SealCheck() = default;
};
// Views point into `bytes` or into `*decoded`, which holds what was compressed. Nothing is allocated beyond `limit` bytes.
EntryState decode_entry(std::string_view bytes, const Digest& key, uint64_t limit, Entry* e, std::string* decoded, SealCheck* check = nullptr);

struct InputsRecord {
  struct Set {
    bool streams = false;  // hint: the entry it leads to has diagnostics, so its key is that of a class
    std::string places;
    bool apart = false;    // hint: the entry is of one checkout only (relocate.h), so its key holds the base folders
    bool here = false;     // hint: the entry shows the working directory, which no option told to be of any matter, so its key holds that
    uint64_t flags() const { return (streams ? 1u : 0u) | (apart ? 2u : 0u) | (here ? 4u : 0u); }
    void set_flags(uint64_t flags) { streams = flags & 1, apart = flags & 2, here = flags & 4; }
  };
  static constexpr size_t kMaxSets = 16;
  std::vector<Set> sets;  // newest first
};
std::string encode_record(const InputsRecord& r, const Digest& invocation_key);
EntryState decode_record(std::string_view bytes, const Digest& invocation_key, InputsRecord* r, SealCheck* check = nullptr);

}  // namespace cchain

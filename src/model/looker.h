// What this process knows of paths: identity, digest, names that are not there, and when it last looked.
//
// An `epoch` says how fresh a look must be: within one epoch a path is looked at once. Each lookup outside a build session is an epoch of
// its own; a session is one until the host says that something may have changed.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/fs.h"
#include "base/hash.h"
#include "base/published.h"
#include "base/table.h"
#include "model/scanner.h"

namespace cchain {

// A change within this time before a look can be followed by another one that leaves the same times (coarse clocks).
inline constexpr int64_t kSafeNs = 2'000'000'000;
// A directory that changed within this time is likely to change again (objects are written beside sources).
inline constexpr int64_t kBusyNs = 600'000'000'000;

class Looker {
 public:
  struct Look {
    int32_t error = 0;     // 0 or errno of stat
    uint32_t version = 0;  // how often a look has found it changed
    FileId id;
  };

  // NUL-terminated.
  class Path : public std::string_view {
   public:
    Path(const char* p, size_t n) : std::string_view(p, n) {}
    const char* c_str() const { return data(); }
    operator std::string() const { return std::string(data(), size()); }
    friend std::string operator+(const Path& a, std::string_view b) { return std::string(a).append(b); }
    friend std::string operator+(std::string a, const Path& b) { return a.append(b); }
  };

  class Node {
   public:
    const Path path;  // its bytes stand behind the node

   private:
    friend class Looker;
    // What only a few nodes have: most files of a hit are looked at and no more.
    struct Known {
      bool has_digest = false, digest_safe = false;
      uint64_t digest_epoch = 0;
      FileId digest_id;
      Digest digest;
      // Directories: names found absent while the identity was absent_id.
      FileId absent_id;
      uint64_t absent_epoch = 0;
      bool absent_safe = false;
      std::unordered_set<std::string> absent;
      std::shared_ptr<const ScanResult> scan;
      Digest scan_digest;
      ScanAs scan_as = ScanAs::kC;
      BlobLog::At scan_at;  // where its scan lies, as the table of digests says
      // Directories: sorted hashes of their names while the identity is names_id.
      bool has_names = false, names_safe = false;
      FileId names_id;
      uint64_t names_epoch = 0, asked_epoch = 0;
      uint32_t asked = 0;  // names looked up one by one in asked_epoch
      std::vector<uint32_t> names;
    };
    struct Looked {
      Look look;
      uint64_t epoch = 0;
      int64_t at_ns = 0;  // 0: never
    };
    Node(const char* p, size_t n, uint64_t h) : path(p, n), hash_(h) {}
    Known& known() {
      if (!known_) known_ = std::make_unique<Known>();
      return *known_;
    }
    const uint64_t hash_;
    Node* next_ = nullptr;
    std::atomic<uint64_t> used_in_{0};
    Published<Looked> looked_;
    std::mutex mutex_;  // guards all below, and writes of what is published
    uint64_t link_epoch_ = 0;
    bool link_ = false;  // as it was in link_epoch_
    std::unique_ptr<Known> known_;
  };

  // `state_dir`: private folder for the tables; empty: nothing outlives the process.
  explicit Looker(const std::string& state_dir);
  ~Looker();
  Looker(const Looker&) = delete;

  // The node of an absolute path; lives as long as the looker. Any thread.
  Node* node(std::string_view path);
  Node* node(std::string_view dir, std::string_view name);

  uint64_t new_epoch() { return next_epoch_.fetch_add(1, std::memory_order_relaxed) + 1; }

  // What stat says, looked at in this epoch. `at`, if given, is when that was.
  Look look(Node* n, uint64_t epoch, int64_t* at = nullptr);
  // The same, and whether the name itself is a link: one system call where it is none.
  Look look_at_link(Node* n, uint64_t epoch, bool* link);
  // The same of a directory in which many files are to be looked at: opens it, if it was not looked at yet, so that the way to it is walked once.
  Look look_and_open(Node* dir, uint64_t epoch, int64_t* at, Fd* fd);
  // The same of a file that lies directly in an open directory.
  Look look_in(const Fd& dir, Node* n, uint64_t epoch, int64_t* at);
  // SHA-256 of a regular file's bytes, or of a directory's sorted names. 0 or errno (EINVAL: neither).
  int digest(Node* n, uint64_t epoch, Digest* out);
  // True if `name` (may have slashes) is no file in the directory `dir`: nothing, or a directory. A dangling link is nothing. A name that ends
  // in "/." is strict: a directory counts as something.
  bool absent(Node* dir, std::string_view name, uint64_t epoch);
  // The scan of the file's present bytes. 0 or errno.
  int scan(Node* n, uint64_t epoch, ScanAs as, std::shared_ptr<const ScanResult>* out);
  // How many looks have found a path changed.
  uint64_t changes() const { return changes_.load(); }
  // True for the first who asks with this number.
  static bool first_use(Node* n, uint64_t number) {
    return n->used_in_.load(std::memory_order_relaxed) != number && n->used_in_.exchange(number, std::memory_order_relaxed) != number;
  }
  // Forgets when it was looked at, so that the next look is a real one.
  void forget(Node* n);
  // The same of an absolute path and all folders on the way, in every spelling that leads through no other links.
  void forget_way(std::string_view path);
  // True if times and numbers of files on this file system mean what they should.
  bool trusted(const FileId& id, const Path& path);
  const Digest& boot() const { return boot_; }
  // What is known of precompiled headers, by their contents (model/precompiled).
  BlobLog& precompiled() { return precompiled_; }

 private:
  using Looked = Node::Looked;
  static bool looked_in(const Node* n, uint64_t epoch, Looked* out) { return n->looked_.read(out) && out->epoch == epoch; }
  void set_locked(Node* n, Looked* l, uint64_t epoch, int64_t at_ns, int error, const FileId& id);
  Looked look_locked(Node* n, uint64_t epoch);
  int digest_locked(Node* n, const Looked& l, Digest* out);
  void read_boot();
  // Whether `name`, without slashes, may be in the directory; false is certain.
  bool may_have_locked(Node* dir, const Looked& l, std::string_view name);

  struct Buckets;
  std::atomic<Buckets*> generations_[4] = {};
  std::atomic<uint64_t> count_{0};
  std::mutex insert_mutex_;
  std::vector<Node*> respelled_;     // nodes whose paths may have shorter spellings
  std::vector<std::string> shorter_;  // those, as far as they were asked for
  // Nodes and their paths lie in blocks, one behind the other: a hit looks at hundreds, and each page that is touched first costs as much as half a look.
  void* allocate(size_t size);
  std::vector<std::unique_ptr<char[]>> blocks_;
  char* block_ = nullptr;
  size_t block_left_ = 0;
  std::atomic<uint64_t> next_epoch_{1}, changes_{0};
  Digest boot_;
  std::mutex trust_mutex_;
  std::vector<std::pair<std::pair<uint64_t, uint64_t>, bool>> trust_;
  Table digests_;          // by identity: digest, and where the scan lies
  BlobLog scans_, names_;  // by content; by a directory's identity
  BlobLog precompiled_;
};

}  // namespace cchain

// The index of a disk layer: size and last use of each entry in one file, so that eviction never scans the store.
//
// A linear-hashing table of 4 KiB pages behind one header page (src/FORMAT.md). It grows by one page at a time, in place, is read and
// written with pread and pwrite alone (a mapping would raise SIGBUS when the file is cut), and is a hint throughout: whatever a kill
// leaves torn or stale makes the accounting inexact for a while, on the side of too much wherever there is a choice, and heals.
// Changes are made by one holder at a time (a mutex within the process, an OFD lock between processes) that nobody waits for longer
// than 2 ms: who does not get it appends a record to `index.pending`, which the next holder folds in.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/fs.h"
#include "base/hash.h"

namespace cchain {

struct IndexKey {
  Digest digest;
  uint64_t tenant = 0;  // xxh64 of its name
  uint8_t space = 0;
  uint8_t blob = 0;  // 1 and up: the layer's names of blobs
  bool operator==(const IndexKey& o) const { return digest == o.digest && tenant == o.tenant && space == o.space && blob == o.blob; }
};

struct IndexMark {
  IndexKey key;
  uint64_t use_ns;
};

// Where a scan of the store that a lost index makes necessary goes on: everything before this is known.
struct IndexScan {
  uint64_t tenant = 0;
  uint8_t active = 0, space = 0, hh = 0, part = 0;
};

class Index {
 public:
  // Who removes files on the index's behalf.
  class Files {
   public:
    virtual int drop(const IndexKey& key) = 0;         // 0, ENOENT or errno
    virtual uint64_t stands(const IndexKey& key) = 0;  // what it costs, 0 if there is no such file
    virtual void before_eviction() {}                  // waiting marks are written now, by mark_held

   protected:
    ~Files() = default;
  };
  struct Freed {
    uint64_t entries = 0, bytes = 0;
  };
  enum Patience { kQuick, kPatient };  // 2 ms; 10 s

  // `share`: "" or "@" and the tenant whose entries alone it holds.
  Index(const std::string& root, int umask, Files* files, const std::string& share = "");
  ~Index();

  // The right to change the index, and the header as it stood when it was got.
  class Hold {
   public:
    Hold(Index* index, Patience patience) : index_(index), error_(index->acquire(patience)) {}
    Hold(const Hold&) = delete;
    ~Hold() {
      if (!error_) index_->release();
    }
    explicit operator bool() const { return error_ == 0; }
    int error() const { return error_; }  // EBUSY: somebody else has it

   private:
    Index* index_;
    int error_;
  };

  // ---- for a holder ----
  // Evicts until `need` more bytes fit into `limit`; never the entry `keep`. After `budget_ns` it stops as soon as they fit into 1.04
  // times the limit; EBUSY if they can't be made to.
  int make_room(uint64_t need, uint64_t limit, const IndexKey* keep, int64_t budget_ns, Freed* freed);
  // Inserts or corrects; upwards only, if `never_less`: several may be publishing under one key. `use_ns` only ever rises.
  int set(const IndexKey& key, uint64_t cost, uint64_t use_ns, bool never_less = false);
  // Once more what acquiring does: a record that came since, of somebody who may not have seen our change, is seen by us. True if there was one.
  bool fold_again();
  void drop_slot(const IndexKey& key);
  void mark_held(const std::vector<IndexMark>& marks);
  int reset(bool scan);  // empty; the store is scanned again if `scan`
  uint64_t bytes() const { return h_.bytes; }
  uint64_t entries() const { return h_.entries; }
  uint32_t pages() const { return h_.pages; }
  IndexScan scan() const;
  void set_scan(const IndexScan& scan);
  // How the room was divided when this index was begun: with another division it is begun anew.
  uint64_t division() const { return h_.division; }
  void set_division(uint64_t division) { h_.division = division, dirty_ = true; }
  // A new generation for a full scan: set() stamps slots with it.
  uint16_t new_generation();
  uint16_t generation() const { return h_.generation; }
  // Looks at the slots of `count` pages from `page` on: forgets those of another generation than `generation` (if it still is the current one) that are
  // no recent ones, evicts those last used before `before_ns`, forgets a tenant's if `tenant` is not 0.
  int sweep(uint32_t page, uint32_t count, uint16_t generation, uint64_t before_ns, uint64_t tenant, Freed* freed);
  int recount();

  // ---- for everybody ----
  // Writes last uses; no lock is taken unless an entry has no slot yet. EBUSY: nothing was done.
  int mark(const std::vector<IndexMark>& marks);
  // After a publishing: whether the slot that was made for it still stands and says this cost (who evicts, removes or replaces what stood there
  // before may have changed it meanwhile). `pended`: a record may stand for it.
  enum Standing { kStands, kDiffers, kGone };
  Standing standing(const IndexKey& key, uint64_t cost, bool pended);
  // What a holder would have done, left for the next one.
  int pend(const IndexKey& key, uint64_t cost, bool removed);
  // Totals without holding anything, those that are pending included. ENOENT: there is no index.
  int totals(uint64_t* bytes, uint64_t* entries);
  // Calls `f` with each entry and its cost, as it stands without holding anything. ENOENT: there is no index.
  int each(const std::function<void(const IndexKey&, uint64_t)>& f);
  // Folds what is pending, if anything is and nobody else is at it.
  void fold_if_pending();

  static uint64_t now();  // CLOCK_REALTIME in full resolution: the order of uses

 private:
  struct Header {
    char magic[8];
    uint32_t version, pages;
    uint64_t bytes, entries;            // of all slots
    uint64_t pass_bytes, pass_entries;  // of the slots in pages below the cursor
    uint64_t threshold;                 // what was last used before this goes; 0: to be chosen
    uint64_t scan_tenant;
    uint32_t cursor;
    uint16_t generation;
    uint8_t scan_active, scan_space, scan_hh, scan_part, pad[6];
    uint64_t division;
    uint8_t reserved[32];
    uint64_t check;  // xxh64 of all before
  };
  struct Slot {
    uint8_t digest[32];
    uint64_t tenant;
    uint64_t last_use;  // ns; written alone and without the lock, so not under the check
    uint32_t kib;
    uint16_t generation;
    uint8_t space, blob, state, pad[3];
    uint32_t check;
  };
  static constexpr size_t kPage = 4096, kSlots = 63, kGroup = 16;
  struct Page {
    uint32_t overflow, pad[15];  // entries of this page that stand elsewhere in its group
    Slot slots[kSlots];
  };
  static_assert(sizeof(Header) == 128 && sizeof(Slot) == 64 && sizeof(Page) == kPage);
  struct Where {
    bool found = false, room = false;
    uint32_t home = 0, page = 0, index = 0;
    Slot slot;
  };
  struct Victim {
    uint64_t last_use;
    uint32_t page, index;
  };

  int acquire(Patience patience);
  void release();
  int open_file(bool create);
  int lock_file(int64_t deadline);
  void unlock_file();
  int load(off_t size);
  int write_header();
  void fold(const std::string& path);
  int read_pages(uint32_t first, uint32_t count, Page* out);
  int write_slot(uint32_t page, uint32_t index, const Slot& slot);
  void account(uint32_t page, int64_t bytes, int64_t entries);
  int find(const IndexKey& key, bool room, Where* w);
  void erase(uint32_t page, uint32_t index, const Slot& slot);
  int split();
  bool evict(uint32_t page, uint32_t index, const Slot& slot, Freed* freed);
  int evict_exact(uint64_t need, uint64_t limit, const IndexKey* keep, Freed* freed);
  int evict_sweep(uint64_t need, uint64_t limit, const IndexKey* keep, Freed* freed);
  int choose_threshold(uint64_t want);
  int look_without_lock();
  int mark_locked(const std::vector<IndexMark>& marks, bool held);
  Page* group_buffer();
  static void seal(Slot* slot);
  static bool used(const Slot& slot);
  static IndexKey key_of(const Slot& slot);
  static uint64_t hash_of(const IndexKey& key);
  static uint32_t home_of(uint64_t hash, uint32_t pages);
  bool foreign(const Slot& slot, uint32_t page) const;

  const std::string root_, path_, pending_path_;
  const int umask_;
  Files* const files_;
  std::mutex mu_;  // all below
  Fd fd_;
  dev_t dev_ = 0;
  ino_t ino_ = 0;
  pid_t pid_ = 0;
  Header h_{};
  bool dirty_ = false;
  Page page_;
  std::unique_ptr<Page[]> group_;  // kGroup pages, for what is rare
  std::vector<Victim> victims_;    // of a small index: the least recently used last
  uint32_t victims_pages_ = 0;
  uint32_t dry_pages_ = 0;  // swept since something was last evicted
};

}  // namespace cchain

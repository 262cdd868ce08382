// SPDX-License-Identifier: Apache-2.0
#include "layers/index.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

namespace cchain {

namespace {

constexpr char kMagic[8] = {'c', 'c', 'h', 'a', 'i', 'n', 'i', 'x'};
constexpr uint32_t kVersion = 1;
constexpr uint32_t kFirstPages = 16;
// Slots in use a page, on average, above which one page is split. Those not split yet hold up to twice as many.
constexpr uint32_t kLoad = 27;
constexpr uint32_t kExactPages = 128;  // up to here every eviction is of the very least recently used
constexpr uint32_t kSampleSlots = 2000, kSamplePages = 160;
constexpr uint32_t kStepPages = 4;
constexpr uint32_t kDryPages = 128;
constexpr uint64_t kSecond = 1000000000;
// A slot is made before its file: for so long an absent file means "not published yet".
constexpr uint64_t kYoung = 2 * kSecond;
constexpr uint64_t kFuture = 3600 * kSecond;
constexpr size_t kPendingMost = 4096;  // records
constexpr uint8_t kUsed = 1, kRemoved = 2;

int64_t mono() {
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return ts.tv_sec * int64_t{1000000000} + ts.tv_nsec;
}

void nap(int round) {
  if (round < 4) {
    sched_yield();
    return;
  }
  timespec ts{0, 30000};
  nanosleep(&ts, nullptr);
}

int pread_all(int fd, void* out, size_t size, off_t at, size_t* got) {
  char* p = static_cast<char*>(out);
  *got = 0;
  while (*got < size) {
    ssize_t n = pread(fd, p + *got, size - *got, at + static_cast<off_t>(*got));
    if (n < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    if (n == 0) break;
    *got += static_cast<size_t>(n);
  }
  return 0;
}

off_t page_at(uint32_t page) { return (static_cast<off_t>(page) + 1) * 4096; }

uint32_t kib_of(uint64_t cost) { return static_cast<uint32_t>(std::min<uint64_t>((cost + 1023) / 1024, UINT32_MAX)); }

// A clock that was wrong once must not keep an entry for ever.
uint64_t sane(uint64_t last_use, uint64_t now) { return last_use > now + kFuture ? 0 : last_use; }

}  // namespace

uint64_t Index::now() {
  timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  return static_cast<uint64_t>(ts.tv_sec) * kSecond + static_cast<uint64_t>(ts.tv_nsec);
}

Index::Index(const std::string& root, int umask, Files* files, const std::string& share)
    : root_(root), path_(root + "/index" + share), pending_path_(root + "/index.pending" + share), umask_(umask), files_(files) {}
Index::~Index() = default;

// ---- slots ------------------------------------------------------------------------------------------------------------

void Index::seal(Slot* slot) {
  Slot s = *slot;
  s.last_use = 0;
  s.check = 0;
  slot->check = static_cast<uint32_t>(xxh64(&s, sizeof s));
}
bool Index::used(const Slot& slot) {
  if (slot.state != kUsed) return false;
  Slot s = slot;
  seal(&s);
  return s.check == slot.check;
}
IndexKey Index::key_of(const Slot& slot) {
  IndexKey k;
  memcpy(k.digest.b.data(), slot.digest, 32);
  k.tenant = slot.tenant;
  k.space = slot.space;
  k.blob = slot.blob;
  return k;
}
uint64_t Index::hash_of(const IndexKey& key) {
  uint64_t h;
  memcpy(&h, key.digest.b.data() + 8, 8);
  return h ^ key.tenant ^ (key.space * uint64_t{0x9E3779B97F4A7C15}) ^ (key.blob * uint64_t{0xC2B2AE3D27D4EB4F});
}
uint32_t Index::home_of(uint64_t hash, uint32_t pages) {
  uint64_t level = std::bit_floor(pages);
  uint64_t m = hash & (2 * level - 1);
  return static_cast<uint32_t>(m < pages ? m : m & (level - 1));
}
// A slot that no look-up finds: its twin stands where it belongs (a kill in the middle of a split).
bool Index::foreign(const Slot& slot, uint32_t page) const {
  return home_of(hash_of(key_of(slot)), h_.pages) / kGroup != page / kGroup;
}

Index::Page* Index::group_buffer() {
  if (!group_) group_ = std::make_unique<Page[]>(kGroup);
  return group_.get();
}

int Index::read_pages(uint32_t first, uint32_t count, Page* out) {
  size_t got = 0;
  if (int e = pread_all(fd_.get(), out, count * kPage, page_at(first), &got)) return e;
  if (got < count * kPage) memset(reinterpret_cast<char*>(out) + got, 0, count * kPage - got);  // cut meanwhile
  return 0;
}
int Index::write_slot(uint32_t page, uint32_t index, const Slot& slot) {
  return pwrite_all(fd_.get(), &slot, sizeof slot, page_at(page) + static_cast<off_t>(offsetof(Page, slots) + index * sizeof(Slot)));
}

void Index::account(uint32_t page, int64_t bytes, int64_t entries) {
  auto add = [](uint64_t* total, int64_t d) { *total = d < 0 && *total < static_cast<uint64_t>(-d) ? 0 : *total + static_cast<uint64_t>(d); };
  add(&h_.bytes, bytes);
  add(&h_.entries, entries);
  if (page < h_.cursor) {
    add(&h_.pass_bytes, bytes);
    add(&h_.pass_entries, entries);
  }
  dirty_ = true;
}

// Finds the slot of a key, or (if `room`) a free one for it.
int Index::find(const IndexKey& key, bool room, Where* w) {
  w->found = w->room = false;
  w->home = home_of(hash_of(key), h_.pages);
  if (int e = read_pages(w->home, 1, &page_)) return e;
  auto look = [&](const Page& page, uint32_t number) {
    for (uint32_t i = 0; i < kSlots; i++) {
      const Slot& s = page.slots[i];
      if (s.state == kUsed && memcmp(s.digest, key.digest.b.data(), 32) == 0 && key_of(s) == key && used(s)) {
        w->found = true, w->page = number, w->index = i, w->slot = s;
        return true;
      }
    }
    return false;
  };
  auto look_for_room = [&](const Page& page, uint32_t number) {
    for (uint32_t i = 0; i < kSlots && !w->room; i++)
      if (!used(page.slots[i])) w->room = true, w->page = number, w->index = i;
  };
  if (look(page_, w->home)) return 0;
  if (room) look_for_room(page_, w->home);
  if (page_.overflow == 0 && (w->room || !room)) return 0;
  uint32_t first = w->home / kGroup * kGroup, count = std::min<uint32_t>(kGroup, h_.pages - first);
  Page* group = group_buffer();
  if (int e = read_pages(first, count, group)) return e;
  if (page_.overflow)
    for (uint32_t i = 0; i < count; i++)
      if (first + i != w->home && look(group[i], first + i)) return 0;
  if (room && !w->room)
    for (uint32_t i = 0; i < count && !w->room; i++) look_for_room(group[i], first + i);
  return 0;
}

int Index::set(const IndexKey& key, uint64_t cost, uint64_t use_ns, bool never_less) {
  uint32_t kib = kib_of(cost);
  Where w;
  for (int round = 0;; round++) {
    if (int e = find(key, true, &w)) return e;
    if (w.found || w.room) break;
    if (round == 64) return EBUSY;  // keys made to collide
    if (int e = split()) return e;
  }
  if (w.found) {
    Slot s = w.slot;
    if (never_less) kib = std::max(kib, s.kib);
    if (s.kib == kib && s.generation == h_.generation && s.last_use >= use_ns) return 0;
    account(w.page, (static_cast<int64_t>(kib) - s.kib) * 1024, 0);
    if (kib > s.kib)
      if (int e = write_header()) return e;
    s.kib = kib;
    s.generation = h_.generation;
    s.last_use = std::max(s.last_use, use_ns);
    seal(&s);
    return write_slot(w.page, w.index, s);
  }
  Slot s{};
  memcpy(s.digest, key.digest.b.data(), 32);
  s.tenant = key.tenant;
  s.last_use = use_ns;
  s.kib = kib;
  s.generation = h_.generation;
  s.space = key.space;
  s.blob = key.blob;
  s.state = kUsed;
  seal(&s);
  if (w.page != w.home) {
    uint32_t overflow = page_.overflow + 1;
    if (int e = pwrite_all(fd_.get(), &overflow, sizeof overflow, page_at(w.home))) return e;
  }
  account(w.page, static_cast<int64_t>(kib) * 1024, 1);
  int e = write_header();  // before the slot: a kill between the two counts too much, not too little
  if (!e) e = write_slot(w.page, w.index, s);
  if (e) {
    account(w.page, -static_cast<int64_t>(kib) * 1024, -1);
    return e;
  }
  if (h_.entries > uint64_t{h_.pages} * kLoad) {
    split();
    if (h_.entries > uint64_t{h_.pages} * kLoad) split();
  }
  return 0;
}

void Index::erase(uint32_t page, uint32_t index, const Slot& slot) {
  if (write_slot(page, index, Slot{}) != 0) return;
  account(page, -static_cast<int64_t>(slot.kib) * 1024, -1);
  uint32_t home = home_of(hash_of(key_of(slot)), h_.pages), overflow = 0;
  if (home == page) return;
  size_t got = 0;
  if (pread_all(fd_.get(), &overflow, sizeof overflow, page_at(home), &got) == 0 && got == sizeof overflow && overflow > 0) {
    overflow--;
    pwrite_all(fd_.get(), &overflow, sizeof overflow, page_at(home));
  }
}

void Index::drop_slot(const IndexKey& key) {
  Where w;
  if (find(key, false, &w) == 0 && w.found) erase(w.page, w.index, w.slot);
}

// One more page: the entries of the next page in turn are shared out between it and the new one. The new page is written first, so that a
// kill leaves twins, not gaps.
int Index::split() {
  const uint32_t n = h_.pages, level = std::bit_floor(n), s = n - level, t = n;
  if (n > (1u << 26)) return EFBIG;
  struct Move {
    uint32_t page, index;
    Slot slot;
  };
  auto src = std::make_unique<Page>(), dst = std::make_unique<Page>();
  if (int e = read_pages(s, 1, src.get())) return e;
  std::vector<Move> strays;
  if (src->overflow) {
    uint32_t first = s / kGroup * kGroup, count = std::min<uint32_t>(kGroup, n - first);
    Page* group = group_buffer();
    if (int e = read_pages(first, count, group)) return e;
    for (uint32_t i = 0; i < count; i++)
      for (uint32_t j = 0; j < kSlots && first + i != s; j++) {
        const Slot& x = group[i].slots[j];
        if (used(x) && home_of(hash_of(key_of(x)), n) == s) strays.push_back({first + i, j, x});
      }
  }
  uint32_t filled = 0, left = 0;
  auto move = [&](uint32_t from, uint32_t to, const Slot& x) {
    if (from < h_.cursor && to >= h_.cursor) {
      h_.pass_bytes -= std::min<uint64_t>(h_.pass_bytes, uint64_t{x.kib} * 1024);
      h_.pass_entries -= std::min<uint64_t>(h_.pass_entries, 1);
    } else if (from >= h_.cursor && to < h_.cursor) {
      h_.pass_bytes += uint64_t{x.kib} * 1024;
      h_.pass_entries++;
    }
  };
  for (Slot& x : src->slots) {
    if (!used(x) || home_of(hash_of(key_of(x)), n + 1) != t) continue;
    move(s, t, x);
    dst->slots[filled++] = x;
    x = Slot{};
  }
  uint32_t hole = 0;
  std::vector<Move> cleared;
  for (Move& m : strays) {
    if (home_of(hash_of(key_of(m.slot)), n + 1) == t) {
      if (filled == kSlots) continue;  // found again, on a hit or by a trim
      move(m.page, t, m.slot);
      dst->slots[filled++] = m.slot;
    } else {
      while (hole < kSlots && used(src->slots[hole])) hole++;
      if (hole == kSlots) {
        left++;
        continue;
      }
      move(m.page, s, m.slot);
      src->slots[hole++] = m.slot;
    }
    cleared.push_back(m);
  }
  src->overflow = left;
  victims_.clear();
  dirty_ = true;
  if (int e = pwrite_all(fd_.get(), dst.get(), kPage, page_at(t))) return e;
  h_.pages = n + 1;
  if (int e = write_header()) {
    h_.pages = n;
    return e;
  }
  if (int e = pwrite_all(fd_.get(), src.get(), kPage, page_at(s))) return e;
  for (const Move& m : cleared) write_slot(m.page, m.index, Slot{});
  return 0;
}

// ---- holding ----------------------------------------------------------------------------------------------------------

int Index::open_file(bool create) {
  if (fd_ && pid_ == getpid()) return 0;
  fd_.reset();  // a child's descriptor shares its parent's lock
  for (int round = 0; round < 4; round++) {
    constexpr int kFlags = O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    Fd fd(open(path_.c_str(), kFlags));
    if (!fd && errno == ENOENT) {
      if (!create) return ENOENT;
      fd = Fd(open(path_.c_str(), kFlags | O_CREAT | O_EXCL, 0666));
      if (!fd && errno == EEXIST) continue;
      if (!fd && errno == ENOENT) {
        if (int e = make_dirs(root_, 0777, umask_)) return e;
        continue;
      }
      if (fd && umask_ >= 0 && fchmod(fd.get(), 0666 & ~static_cast<unsigned>(umask_)) != 0) return errno;
    }
    if (!fd) return errno;
    struct stat st;
    if (fstat(fd.get(), &st) != 0) return errno;
    if (!S_ISREG(st.st_mode)) return EINVAL;
    dev_ = st.st_dev, ino_ = st.st_ino, pid_ = getpid();
    fd_ = std::move(fd);
    victims_.clear();
    dry_pages_ = 0;
    return 0;
  }
  return ENOENT;
}

int Index::lock_file(int64_t deadline) {
  for (int round = 0; round < 8; round++) {
    if (int e = open_file(true)) return e;
    for (int i = 0;; i++) {
      struct flock fl {};
      fl.l_type = F_WRLCK;
      fl.l_whence = SEEK_SET;
      if (fcntl(fd_.get(), F_OFD_SETLK, &fl) == 0) break;
      if (errno == EAGAIN || errno == EACCES) {
        if (mono() > deadline) return EBUSY;
        nap(i);
      } else if (errno != EINTR) {
        break;  // a file system without locks: two holders make the accounting inexact, no more
      }
    }
    struct stat st;
    if (lstat(path_.c_str(), &st) == 0 && st.st_dev == dev_ && st.st_ino == ino_) {
      int e = load(st.st_size);
      if (e) unlock_file();
      return e;
    }
    fd_.reset();  // deleted or replaced under us
  }
  return EBUSY;
}

void Index::unlock_file() {
  struct flock fl {};
  fl.l_type = F_UNLCK;
  fl.l_whence = SEEK_SET;
  fcntl(fd_.get(), F_OFD_SETLK, &fl);
}

int Index::acquire(Patience patience) {
  int64_t deadline = mono() + (patience == kPatient ? 10000 : 2) * int64_t{1000000};
  for (int i = 0; !mu_.try_lock(); i++) {
    if (mono() > deadline) return EBUSY;
    nap(i);
  }
  int e = lock_file(deadline);
  if (e) mu_.unlock();
  return e;
}

void Index::release() {
  if (dirty_) write_header();
  unlock_file();
  mu_.unlock();
}

int Index::load(off_t size) {
  size_t got = 0;
  dirty_ = false;
  if (int e = pread_all(fd_.get(), &h_, sizeof h_, 0, &got)) return e;
  off_t whole = page_at(h_.pages);
  if (got != sizeof h_ || memcmp(h_.magic, kMagic, 8) != 0 || h_.version != kVersion || h_.check != xxh64(&h_, offsetof(Header, check)) ||
      h_.pages < kFirstPages || size < whole) {
    if (int e = reset(true)) return e;
  } else if (size > whole && ftruncate(fd_.get(), whole) != 0) {  // a split that was not finished
    return errno;
  }
  if (h_.cursor > h_.pages) h_.cursor = 0, h_.pass_bytes = h_.pass_entries = 0;
  fold_again();
  return 0;
}

bool Index::fold_again() {
  struct stat st;
  if (lstat(pending_path_.c_str(), &st) != 0 || !S_ISREG(st.st_mode)) return false;
  fold(pending_path_);
  return true;
}

int Index::reset(bool scan) {
  victims_.clear();
  h_ = Header{};
  memcpy(h_.magic, kMagic, 8);
  h_.version = kVersion;
  h_.pages = kFirstPages;
  h_.scan_active = scan;
  if (over_file_limit(static_cast<uint64_t>(page_at(kFirstPages)))) return EFBIG;
  if (ftruncate(fd_.get(), 0) != 0 || ftruncate(fd_.get(), page_at(kFirstPages)) != 0) return errno;
  return write_header();
}

int Index::write_header() {
  h_.check = xxh64(&h_, offsetof(Header, check));
  int e = pwrite_all(fd_.get(), &h_, sizeof h_, 0);
  if (!e) dirty_ = false;
  return e;
}

IndexScan Index::scan() const { return {h_.scan_tenant, h_.scan_active, h_.scan_space, h_.scan_hh, h_.scan_part}; }
void Index::set_scan(const IndexScan& scan) {
  h_.scan_tenant = scan.tenant;
  h_.scan_active = scan.active;
  h_.scan_space = scan.space;
  h_.scan_hh = scan.hh;
  h_.scan_part = scan.part;
  dirty_ = true;
}
uint16_t Index::new_generation() {
  dirty_ = true;
  return ++h_.generation;
}

// ---- what others left -------------------------------------------------------------------------------------------------

int Index::pend(const IndexKey& key, uint64_t cost, bool removed) {
  Slot s{};
  memcpy(s.digest, key.digest.b.data(), 32);
  s.tenant = key.tenant;
  s.last_use = now();
  s.kib = kib_of(cost);
  s.space = key.space;
  s.blob = key.blob;
  s.state = removed ? kRemoved : kUsed;
  seal(&s);
  for (int round = 0; round < 8; round++) {
    constexpr int kFlags = O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    Fd fd(open(pending_path_.c_str(), kFlags));
    if (!fd && errno == ENOENT) {
      fd = Fd(open(pending_path_.c_str(), kFlags | O_CREAT | O_EXCL, 0666));
      if (!fd && errno == EEXIST) continue;
      if (fd && umask_ >= 0) fchmod(fd.get(), 0666 & ~static_cast<unsigned>(umask_));
    }
    if (!fd) return errno;
    struct stat mine, there;
    if (fstat(fd.get(), &mine) != 0) return errno;
    if (!S_ISREG(mine.st_mode)) return EINVAL;
    if (mine.st_size >= static_cast<off_t>(kPendingMost * sizeof s)) return EBUSY;
    if (int e = write_all(fd.get(), &s, sizeof s)) return e;
    // Whoever folds reads on after the unlink: if the name still is this file's, the record will be read.
    if (lstat(pending_path_.c_str(), &there) == 0 && there.st_dev == mine.st_dev && there.st_ino == mine.st_ino) return 0;
  }
  return EBUSY;
}

void Index::fold(const std::string& path) {
  Fd fd(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return;
  Slot records[64];
  off_t at = 0;
  for (bool last = false;;) {
    size_t got = 0;
    if (at >= static_cast<off_t>(4 * kPendingMost * sizeof(Slot)) || pread_all(fd.get(), records, sizeof records, at, &got) != 0) got = 0;
    size_t count = got / sizeof(Slot);
    for (size_t i = 0; i < count; i++) {
      Slot s = records[i];
      seal(&s);
      if (s.check != records[i].check) continue;
      if (s.state == kUsed)
        set(key_of(s), uint64_t{s.kib} * 1024, s.last_use);
      else if (s.state == kRemoved)
        drop_slot(key_of(s));
    }
    at += static_cast<off_t>(count * sizeof(Slot));
    if (count) continue;
    if (last) return;
    if (dirty_) write_header();
    unlink(path.c_str());
    last = true;
  }
}

void Index::fold_if_pending() {
  struct stat st;
  if (lstat(pending_path_.c_str(), &st) == 0 && S_ISREG(st.st_mode)) Hold hold(this, kQuick);
}

int Index::totals(uint64_t* bytes, uint64_t* entries) {
  Fd fd(open(path_.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return errno;
  Header h;
  for (int round = 0;; round++) {
    size_t got = 0;
    if (int e = pread_all(fd.get(), &h, sizeof h, 0, &got)) return e;
    if (got == sizeof h && memcmp(h.magic, kMagic, 8) == 0 && h.version == kVersion && h.check == xxh64(&h, offsetof(Header, check))) break;
    if (round == 3) return EBADMSG;
  }
  *bytes = h.bytes;
  *entries = h.entries;
  fd = Fd(open(pending_path_.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return 0;
  Slot records[64];
  off_t at = 0;
  size_t got = 0;
  while (pread_all(fd.get(), records, sizeof records, at, &got) == 0 && got >= sizeof(Slot) && at < static_cast<off_t>(4 * kPendingMost * sizeof(Slot))) {
    size_t count = got / sizeof(Slot);
    for (size_t i = 0; i < count; i++) {
      uint64_t cost = uint64_t{records[i].kib} * 1024;
      if (records[i].state == kUsed)
        *bytes += cost, ++*entries;
      else if (records[i].state == kRemoved && *bytes >= cost && *entries)
        *bytes -= cost, --*entries;
    }
    at += static_cast<off_t>(count * sizeof(Slot));
  }
  return 0;
}

int Index::each(const std::function<void(const IndexKey&, uint64_t)>& f) {
  Fd fd(open(path_.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return errno;
  Header h;
  size_t got = 0;
  if (int e = pread_all(fd.get(), &h, sizeof h, 0, &got)) return e;
  if (got != sizeof h || memcmp(h.magic, kMagic, 8) != 0 || h.version != kVersion || h.pages > (1u << 26)) return EBADMSG;
  auto group = std::make_unique<Page[]>(kGroup);
  for (uint32_t p = 0; p < h.pages; p += kGroup) {
    uint32_t count = std::min<uint32_t>(kGroup, h.pages - p);
    if (int e = pread_all(fd.get(), group.get(), count * kPage, page_at(p), &got)) return e;
    for (uint32_t i = 0; i < got / kPage; i++)
      for (const Slot& s : group[i].slots)
        if (used(s) && home_of(hash_of(key_of(s)), h.pages) / kGroup == (p + i) / kGroup) f(key_of(s), uint64_t{s.kib} * 1024);
  }
  return 0;
}

// ---- marks ------------------------------------------------------------------------------------------------------------

int Index::mark(const std::vector<IndexMark>& marks) {
  if (!mu_.try_lock()) return EBUSY;
  int e = mark_locked(marks, false);
  mu_.unlock();
  return e;
}
void Index::mark_held(const std::vector<IndexMark>& marks) { mark_locked(marks, true); }

// The size of the file says how many pages there are: the header need not be read.
int Index::look_without_lock() {
  struct stat st;
  if (fd_ && (lstat(path_.c_str(), &st) != 0 || st.st_dev != dev_ || st.st_ino != ino_)) fd_.reset();
  if (int e = open_file(false)) return e;
  if (fstat(fd_.get(), &st) != 0) return errno;
  if (st.st_size < page_at(kFirstPages)) return ENOENT;
  h_.pages = static_cast<uint32_t>(std::min<off_t>(st.st_size / static_cast<off_t>(kPage) - 1, 1 << 26));
  return 0;
}

Index::Standing Index::standing(const IndexKey& key, uint64_t cost, bool pended) {
  int64_t deadline = mono() + 2000000;
  for (int i = 0; !mu_.try_lock(); i++) {
    if (mono() > deadline) return kStands;
    nap(i);
  }
  Where w;
  Standing standing = kStands;
  if (look_without_lock() == 0 && find(key, false, &w) == 0) standing = !w.found ? kGone : w.slot.kib == kib_of(cost) ? kStands : kDiffers;
  mu_.unlock();
  struct stat st;
  return pended && lstat(pending_path_.c_str(), &st) == 0 ? kStands : standing;
}

int Index::mark_locked(const std::vector<IndexMark>& marks, bool held) {
  if (!held)
    if (int e = look_without_lock()) return e == ENOENT ? 0 : e;
  bool locked = held, refused = false;
  for (const IndexMark& m : marks) {
    Where w;
    if (find(m.key, false, &w) != 0) continue;
    if (!w.found && !locked) {
      refused = refused || lock_file(mono()) != 0;
      if (refused) continue;
      locked = true;
      if (find(m.key, false, &w) != 0) continue;
    }
    if (w.found && w.slot.last_use < m.use_ns)
      pwrite_all(fd_.get(), &m.use_ns, sizeof m.use_ns,
                 page_at(w.page) + static_cast<off_t>(offsetof(Page, slots) + w.index * sizeof(Slot) + offsetof(Slot, last_use)));
    else if (uint64_t cost = w.found ? 0 : files_->stands(m.key))
      set(m.key, cost, m.use_ns);
  }
  if (locked && !held) {
    if (dirty_) write_header();
    unlock_file();
  }
  return 0;
}

// ---- eviction ---------------------------------------------------------------------------------------------------------

bool Index::evict(uint32_t page, uint32_t index, const Slot& slot, Freed* freed) {
  int e = files_->drop(key_of(slot));
  if (e != 0) {
    uint64_t t = now(), used_at = sane(slot.last_use, t);
    if (e != ENOENT || used_at + kYoung > t) return false;
  }
  erase(page, index, slot);
  if (e == 0 && freed) freed->entries++, freed->bytes += uint64_t{slot.kib} * 1024;
  return true;
}

int Index::make_room(uint64_t need, uint64_t limit, const IndexKey* keep, int64_t budget_ns, Freed* freed) {
  if (h_.bytes + need <= limit) return 0;
  files_->before_eviction();
  const uint64_t hard = limit + limit / 25, start = h_.bytes;
  const int64_t deadline = mono() + budget_ns;
  uint32_t dry = 0;
  while (h_.bytes + need > limit && h_.bytes > 0) {
    if (mono() > deadline) {
      if (h_.bytes + need <= hard) break;
      // The limit was lowered: no build pays for that at once, as long as things get better.
      if (start > hard && start - std::min(start, h_.bytes) >= 2 * need) return 0;
    }
    uint64_t before = h_.bytes;
    bool exact = h_.pages <= kExactPages;
    if (int e = exact ? evict_exact(need, limit, keep, freed) : evict_sweep(need, limit, keep, freed)) return e;
    if (h_.bytes < before)
      dry = 0;
    else if (++dry > (exact ? 2 : 2 * kDryPages / kStepPages + 8))
      break;
  }
  return h_.bytes + need <= hard ? 0 : EBUSY;
}

int Index::evict_exact(uint64_t need, uint64_t limit, const IndexKey* keep, Freed* freed) {
  if (victims_.empty() || victims_pages_ != h_.pages) {
    victims_.clear();
    if (int e = recount()) return e;
    constexpr size_t kMost = 256;
    auto newer = [](const Victim& a, const Victim& b) { return a.last_use > b.last_use; };
    if (victims_.size() > kMost) {
      std::nth_element(victims_.begin(), victims_.end() - kMost, victims_.end(), newer);
      victims_.erase(victims_.begin(), victims_.end() - kMost);
    }
    std::sort(victims_.begin(), victims_.end(), newer);
    victims_pages_ = h_.pages;
  }
  uint64_t t = now();
  while (!victims_.empty() && h_.bytes + need > limit) {
    Victim v = victims_.back();
    victims_.pop_back();
    Slot s;
    size_t got = 0;
    off_t at = page_at(v.page) + static_cast<off_t>(offsetof(Page, slots) + v.index * sizeof(Slot));
    if (int e = pread_all(fd_.get(), &s, sizeof s, at, &got)) return e;
    if (got != sizeof s || !used(s) || sane(s.last_use, t) != v.last_use || (keep && key_of(s) == *keep)) continue;
    evict(v.page, v.index, s, freed);
  }
  return 0;
}

// Counts everything anew; on the way a small index's entries are noted in victims_.
int Index::recount() {
  uint64_t bytes = 0, entries = 0, t = now();
  bool note = h_.pages <= kExactPages;
  victims_.clear();
  Page* buffer = group_buffer();
  for (uint32_t p = 0; p < h_.pages; p += kGroup) {
    uint32_t count = std::min<uint32_t>(kGroup, h_.pages - p);
    if (int e = read_pages(p, count, buffer)) return e;
    for (uint32_t i = 0; i < count; i++)
      for (uint32_t j = 0; j < kSlots; j++) {
        const Slot& s = buffer[i].slots[j];
        if (!used(s)) continue;
        if (foreign(s, p + i)) {
          write_slot(p + i, j, Slot{});
          continue;
        }
        bytes += uint64_t{s.kib} * 1024;
        entries++;
        if (note) victims_.push_back({sane(s.last_use, t), p + i, j});
      }
  }
  victims_pages_ = 0;  // not in order
  h_.bytes = bytes;
  h_.entries = entries;
  h_.pass_bytes = h_.pass_entries = h_.cursor = 0;
  h_.threshold = 0;
  dirty_ = true;
  return 0;
}

// What was last used before the threshold goes. It is estimated from pages taken at random (keys are digests: any page is as good as any
// other), so that no eviction ever reads the whole of a large index.
int Index::choose_threshold(uint64_t want) {
  struct Seen {
    uint64_t last_use, cost;
  };
  std::vector<Seen> seen;
  uint64_t t = now(), random = t | 1, total = 0;
  for (uint32_t i = 0; i < kSamplePages && seen.size() < kSampleSlots; i++) {
    random ^= random << 13, random ^= random >> 7, random ^= random << 17;
    if (int e = read_pages(static_cast<uint32_t>(random % h_.pages), 1, &page_)) return e;
    for (const Slot& s : page_.slots)
      if (used(s)) {
        seen.push_back({sane(s.last_use, t), uint64_t{s.kib} * 1024});
        total += seen.back().cost;
      }
  }
  h_.threshold = t;
  dirty_ = true;
  dry_pages_ = 0;
  if (want >= h_.bytes || seen.empty()) return 0;
  std::sort(seen.begin(), seen.end(), [](const Seen& a, const Seen& b) { return a.last_use < b.last_use; });
  double share = static_cast<double>(want) / static_cast<double>(h_.bytes) * static_cast<double>(total), sum = 0;
  for (const Seen& s : seen) {
    sum += static_cast<double>(s.cost);
    h_.threshold = std::max<uint64_t>(s.last_use, 1);
    if (sum >= share) break;
  }
  return 0;
}

// A few pages from the cursor on. A whole pass of the cursor counts everything, which heals the totals.
int Index::evict_sweep(uint64_t need, uint64_t limit, const IndexKey* keep, Freed* freed) {
  if (h_.threshold == 0 || dry_pages_ >= kDryPages) {
    uint64_t over = h_.bytes + need - std::min(limit, h_.bytes + need);
    if (int e = choose_threshold(std::max(over, limit / 32))) return e;
  }
  uint64_t t = now();
  uint32_t first = h_.cursor, count = std::min(kStepPages, h_.pages - first);
  Page* buffer = group_buffer();
  if (int e = read_pages(first, count, buffer)) return e;
  // erase() and find() must not touch the buffer meanwhile: neither is called with a full home page here.
  for (uint32_t p = first; p < first + count; p++) {
    uint64_t bytes = 0, entries = 0;
    for (uint32_t j = 0; j < kSlots; j++) {
      const Slot& s = buffer[p - first].slots[j];
      if (!used(s)) continue;
      if (foreign(s, p)) {
        write_slot(p, j, Slot{});
        continue;
      }
      if (h_.bytes + need > limit && sane(s.last_use, t) <= h_.threshold && !(keep && key_of(s) == *keep) && evict(p, j, s, freed)) {
        dry_pages_ = 0;
        continue;
      }
      bytes += uint64_t{s.kib} * 1024;
      entries++;
    }
    if (h_.bytes + need <= limit) return 0;
    h_.pass_bytes += bytes;
    h_.pass_entries += entries;
    h_.cursor = p + 1;
    dry_pages_++;
    dirty_ = true;
  }
  if (h_.cursor >= h_.pages) {
    h_.bytes = h_.pass_bytes;
    h_.entries = h_.pass_entries;
    h_.pass_bytes = h_.pass_entries = h_.cursor = 0;
    h_.threshold = 0;
  }
  return 0;
}

int Index::sweep(uint32_t page, uint32_t count, uint16_t generation, uint64_t before_ns, uint64_t tenant, Freed* freed) {
  if (page >= h_.pages) return 0;
  count = std::min<uint32_t>({count, static_cast<uint32_t>(kGroup), h_.pages - page});
  auto buffer = std::make_unique<Page[]>(count);
  if (int e = read_pages(page, count, buffer.get())) return e;
  uint64_t t = now();
  for (uint32_t i = 0; i < count; i++)
    for (uint32_t j = 0; j < kSlots; j++) {
      const Slot& s = buffer[i].slots[j];
      if (!used(s)) continue;
      uint64_t use = sane(s.last_use, t);
      if (foreign(s, page + i))
        write_slot(page + i, j, Slot{});
      else if ((tenant && s.tenant == tenant) || (!tenant && generation == h_.generation && s.generation != generation && use + kYoung < t))
        erase(page + i, j, s);
      else if (use < before_ns)
        evict(page + i, j, s, freed);
    }
  victims_.clear();
  return 0;
}

}  // namespace cchain

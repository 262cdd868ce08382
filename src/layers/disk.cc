// SPDX-License-Identifier: Apache-2.0
#include "layers/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "base/fs.h"
#include "base/hash.h"
#include "layers/index.h"

namespace cchain {

namespace {

constexpr const char* kSpaces[] = {"compile", "inputs", "source", "manifest"};
constexpr const char* kBlobs[] = {"", "entry", "record", "data"};  // an index slot holds the number
constexpr uint64_t kMostBytes = 512ull << 20;
constexpr int64_t kPutBudget = 1500000;   // ns, for eviction and for the scan after a lost index
constexpr int64_t kTrimBudget = 5000000;  // for each hold of the lock
constexpr size_t kMarksMost = 256;
constexpr uint64_t kStray = 3600ull * 1000000000;

int64_t mono() {
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return ts.tv_sec * int64_t{1000000000} + ts.tv_nsec;
}

// What a blob takes on disk: its file in blocks, and the directory it stands in.
uint64_t cost_of(uint64_t size) { return ((size + 4095) & ~uint64_t{4095}) + 4096; }

// The same of what stands at a path; 0 if it is no file.
uint64_t cost_at(const std::string& path) {
  struct stat st;
  return lstat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode) ? cost_of(static_cast<uint64_t>(st.st_size)) : 0;
}

uint8_t blob_number(std::string_view name) {
  for (uint8_t i = 1; i < 4; i++)
    if (name == kBlobs[i]) return i;
  return 0;
}
bool tenant_ok(std::string_view t) {
  return !t.empty() && t.size() <= 255 && t[0] != '.' && t.find('/') == std::string_view::npos && t.find('\0') == std::string_view::npos;
}
int hex_digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }
bool is_stray(const char* name) { return strncmp(name, ".tmp.", 5) == 0; }

Fd open_dir(int at, const char* name) { return Fd(openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)); }

// Calls f(name) for each name but . and ..; no memory, since it is done once for each entry of a store.
template <typename F>
void each_name(int fd, F f) {
  alignas(dirent64) char buffer[4096];
  for (;;) {
    ssize_t n = getdents64(fd, buffer, sizeof buffer);
    if (n <= 0) return;
    for (ssize_t at = 0; at < n;) {
      auto* e = reinterpret_cast<dirent64*>(buffer + at);
      if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) f(static_cast<const char*>(e->d_name));
      at += e->d_reclen;
    }
  }
}
std::vector<std::string> names_in(int fd) {
  std::vector<std::string> names;
  each_name(fd, [&](const char* name) { names.emplace_back(name); });
  return names;
}

class DiskLayer final : public Layer, private Index::Files {
 public:
  DiskLayer(std::string name, DiskOptions options, const Log* log)
      : Layer(std::move(name)), o_(std::move(options)), log_(log), index_(o_.path, o_.umask, this) {
    if (o_.read_only) writable = false;
    if (o_.max_size == 0) o_.max_size = UINT64_MAX / 4;
  }
  ~DiskLayer() override { flush(); }
  const char* type() const override { return "disk"; }
  bool local() const override { return true; }

  Answer get(const Address& a, std::string* out) override;
  int put(const Address& a, std::string_view data, bool replace) override;
  void remove(const Address& a) override;
  bool contains(const Address& a) override { return access(path_of(a).c_str(), R_OK) == 0; }
  void flush() override;
  int trim(uint64_t max_size, uint64_t max_age_s, TrimResult* result, const TrimProgress& progress) override;
  int clear(std::string_view tenant) override;
  bool usage(uint64_t* bytes, uint64_t* entries, uint64_t* limit) override;

 private:
  struct Found {
    IndexKey key;
    uint64_t cost, mtime_ns;
  };
  struct Tenant {
    uint64_t hash;
    std::string name;
  };

  bool parse(const Address& a, IndexKey* key) const;
  std::string path_of(const Address& a) const;
  bool path_of_key(const IndexKey& key, std::string* path);
  int drop(const IndexKey& key) override;
  uint64_t stands(const IndexKey& key) override;
  void before_eviction() override;
  int reserve(const IndexKey& key, uint64_t cost, const std::string& path, bool* pended);
  uint64_t resync_held(const IndexKey& key, const std::string& path);
  void resync(const IndexKey& key, const std::string& path, uint64_t reserved);
  void mark(const IndexKey& key);
  void trouble(const char* what, int error);
  bool tenant_name(uint8_t space, uint64_t hash, std::string* name);
  std::vector<Tenant> tenants_of(uint8_t space) const;
  void scan_some(int64_t deadline);
  Fd open_path(uint8_t space, const std::string& tenant) const;
  template <typename F>
  void walk(std::string_view tenant, bool all_strays, F on_blob);

  DiskOptions o_;
  const Log* const log_;
  Index index_;
  std::mutex marks_mu_;  // marks_
  std::vector<IndexMark> marks_;
  std::map<std::pair<uint8_t, uint64_t>, std::string> tenants_;  // for the index's holder only
  std::atomic<int64_t> next_report_{0};
  std::atomic<bool> pended_{false};
};

// ---- addresses --------------------------------------------------------------------------------------------------------

bool DiskLayer::parse(const Address& a, IndexKey* key) const {
  key->space = static_cast<uint8_t>(a.space);
  key->blob = blob_number(a.blob);
  if (key->space > 3 || !key->blob || !tenant_ok(a.tenant) || a.hex.size() != 64) return false;
  for (size_t i = 0; i < 32; i++) {
    int hi = hex_digit(a.hex[2 * i]), lo = hex_digit(a.hex[2 * i + 1]);
    if (hi < 0 || lo < 0) return false;
    key->digest.b[i] = static_cast<uint8_t>(hi << 4 | lo);
  }
  key->tenant = xxh64(a.tenant);
  return true;
}

std::string DiskLayer::path_of(const Address& a) const {
  std::string p;
  p.reserve(o_.path.size() + a.tenant.size() + 96);
  p.append(o_.path).append(1, '/').append(kSpaces[static_cast<int>(a.space)]).append(1, '/').append(a.tenant).append(1, '/');
  p.append(a.hex.substr(0, 2)).append(1, '/').append(a.hex).append(1, '/').append(a.blob);
  return p;
}

void DiskLayer::trouble(const char* what, int error) {
  counters.errors++;
  if (!log_ || !log_->on(kLogError)) return;
  int64_t t = mono(), next = next_report_.load(std::memory_order_relaxed);
  if (t < next || !next_report_.compare_exchange_strong(next, t + int64_t{60} * 1000000000)) return;
  char text[128];
  log_->line(kLogError, "layer %s: cannot %s in %s: %s", name_.c_str(), what, o_.path.c_str(), strerror_r(error, text, sizeof text));
}

// ---- reading ----------------------------------------------------------------------------------------------------------

Answer DiskLayer::get(const Address& a, std::string* out) {
  IndexKey key;
  if (!parse(a, &key)) return Answer::kMiss;
  auto failed = [&](int e) {
    if (e == ENOENT || e == ENOTDIR || e == ESTALE) return Answer::kMiss;
    trouble("read", e);
    return Answer::kError;
  };
  Fd fd(open(path_of(a).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return failed(errno);
  struct stat st;
  if (fstat(fd.get(), &st) != 0) return failed(errno);
  if (!S_ISREG(st.st_mode)) return failed(EINVAL);
  if (static_cast<uint64_t>(st.st_size) > kMostBytes) return failed(EFBIG);
  size_t size = static_cast<size_t>(st.st_size), done = 0;
  if (out->capacity() < size) {
    out->reserve(size);
    populate(out->data(), size);
  }
  out->resize(size);
  while (done < size) {
    ssize_t n = pread(fd.get(), out->data() + done, size - done, static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      int e = errno;
      out->clear();
      return failed(e);
    }
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  out->resize(done);
  counters.bytes_read += done;
  if (!o_.read_only) mark(key);
  return Answer::kHit;
}

void DiskLayer::mark(const IndexKey& key) {
  uint64_t t = Index::now();
  bool full;
  {
    std::unique_lock<std::mutex> lock(marks_mu_, std::try_to_lock);
    for (int i = 0; !lock.owns_lock() && i < 100; i++) lock.try_lock();
    if (!lock.owns_lock()) return;  // a hint, not worth a wait (nor a deadlock in a forked child)
    if (marks_.empty()) marks_.reserve(16);
    marks_.push_back({key, t});
    full = marks_.size() % kMarksMost == 0;
  }
  if (full) flush();
}

void DiskLayer::flush() {
  if (o_.read_only) return;
  std::vector<IndexMark> marks;
  {
    std::unique_lock<std::mutex> lock(marks_mu_, std::try_to_lock);
    for (int i = 0; !lock.owns_lock() && i < 100; i++) lock.try_lock();
    if (!lock.owns_lock()) return;
    marks.swap(marks_);
  }
  if (!marks.empty() && index_.mark(marks) == EBUSY) {
    std::unique_lock<std::mutex> lock(marks_mu_, std::try_to_lock);
    if (lock.owns_lock() && marks_.size() < 8 * kMarksMost) marks_.insert(marks_.end(), marks.begin(), marks.end());
  }
  if (pended_.exchange(false, std::memory_order_relaxed)) index_.fold_if_pending();
}

void DiskLayer::before_eviction() {
  std::vector<IndexMark> marks;
  {
    std::unique_lock<std::mutex> lock(marks_mu_, std::try_to_lock);
    if (!lock.owns_lock()) return;
    marks.swap(marks_);
  }
  if (!marks.empty()) index_.mark_held(marks);
}

bool DiskLayer::usage(uint64_t* bytes, uint64_t* entries, uint64_t* limit) {
  *limit = o_.max_size;
  *bytes = *entries = 0;
  int e = index_.totals(bytes, entries);
  return e == 0 || e == ENOENT;
}

// ---- storing ----------------------------------------------------------------------------------------------------------

int DiskLayer::put(const Address& a, std::string_view data, bool replace) {
  if (o_.read_only) return EROFS;
  IndexKey key;
  if (!parse(a, &key)) return EINVAL;
  const uint64_t cost = cost_of(data.size());
  if (cost > o_.max_size || data.size() > kMostBytes) return EFBIG;
  const std::string path = path_of(a), dir(path_dir(path));
  struct stat st;
  if (lstat(path.c_str(), &st) == 0) {
    if (!replace) {
      mark(key);
      return EEXIST;
    }
  } else if (errno != ENOENT && errno != ENOTDIR) {
    int e = errno;
    trouble("store", e);
    return e;
  }
  bool pended = false;
  int e = reserve(key, cost, path, &pended);
  if (e) {
    if (e != EBUSY) trouble("store", e);
    return e;
  }
  PublishOptions publish;
  publish.replace = replace;
  publish.umask_override = o_.umask;
  // Whoever evicts may remove the directory between its making and the publishing.
  for (int round = 0; round < 8; round++) {
    e = make_dirs(dir, 0777, o_.umask);
    if (!e) e = publish_file(path, data, publish);
    if (e != ENOENT) break;
  }
  if (!e) {
    // In a small and busy store the slot may go while we publish, with what stood there before.
    Index::Standing standing = index_.standing(key, cost, pended);
    if (standing == Index::kGone && (e = reserve(key, cost, path, &pended)) != 0) unlink(path.c_str());
    if (!e && standing != Index::kStands) resync(key, path, cost);
  }
  if (!e) {
    counters.bytes_written += data.size();
    return 0;
  }
  resync(key, path, cost);
  rmdir(dir.c_str());
  if (e == EEXIST)
    mark(key);
  else if (e != EBUSY)
    trouble("store", e);
  return e;
}

// Makes room and a slot, before there is a file.
int DiskLayer::reserve(const IndexKey& key, uint64_t cost, const std::string& path, bool* pended) {
  *pended = false;
  {
    Index::Hold hold(&index_, Index::kQuick);
    if (hold) {
      if (index_.scan().active) scan_some(mono() + kPutBudget);
      // How much there is, is not known yet: what comes takes the place of something that is known.
      if (index_.scan().active) index_.make_room(cost, std::min(index_.bytes(), o_.max_size), &key, kPutBudget, nullptr);
      if (int e = index_.make_room(cost, o_.max_size, &key, kPutBudget, nullptr)) return e;
      int e = index_.set(key, cost, Index::now(), true);
      if (!e && index_.fold_again()) e = index_.make_room(0, o_.max_size, &key, kPutBudget, nullptr);
      if (e) resync_held(key, path);
      return e;
    }
    if (hold.error() != EBUSY) return hold.error();
  }
  // Reserved first and counted afterwards: of several that do so at once, each sees the others.
  if (int e = index_.pend(key, cost, false)) return e;
  *pended = true;
  pended_.store(true, std::memory_order_relaxed);
  uint64_t bytes = 0, entries = 0;
  int e = index_.totals(&bytes, &entries);
  // The very first writers of a store find an index that its maker has not written yet.
  for (int ms = 1; (e == ENOENT || e == EBADMSG) && ms <= 32; ms *= 2) {
    timespec pause = {0, ms * 1000000L};
    nanosleep(&pause, nullptr);
    e = index_.totals(&bytes, &entries);
  }
  if (e == 0 && bytes <= o_.max_size + o_.max_size / 25) return 0;
  uint64_t stood = cost_at(path);
  index_.pend(key, stood ? stood : cost, stood == 0);
  return EBUSY;
}

// For the index's holder: the slot says again what stands there.
uint64_t DiskLayer::resync_held(const IndexKey& key, const std::string& path) {
  uint64_t cost = cost_at(path);
  if (cost)
    index_.set(key, cost, 0);
  else
    index_.drop_slot(key);
  return cost;
}

// After a publishing that failed, a removal, or two publishings of one key at once. `reserved` is what is counted so far.
void DiskLayer::resync(const IndexKey& key, const std::string& path, uint64_t reserved) {
  Index::Hold hold(&index_, Index::kQuick);
  if (hold) {
    if (resync_held(key, path)) index_.make_room(0, o_.max_size, nullptr, kPutBudget, nullptr);
    return;
  }
  uint64_t cost = cost_at(path);
  index_.pend(key, cost ? cost : reserved, cost == 0);
  pended_.store(true, std::memory_order_relaxed);
}

void DiskLayer::remove(const Address& a) {
  IndexKey key;
  if (o_.read_only || !parse(a, &key)) return;
  std::string path = path_of(a);
  struct stat st;
  if (lstat(path.c_str(), &st) != 0) return;
  if (unlink(path.c_str()) != 0) {
    if (errno != ENOENT) trouble("remove", errno);
    return;
  }
  rmdir(std::string(path_dir(path)).c_str());
  resync(key, path, cost_of(static_cast<uint64_t>(st.st_size)));
}

// ---- eviction ---------------------------------------------------------------------------------------------------------

std::vector<DiskLayer::Tenant> DiskLayer::tenants_of(uint8_t space) const {
  std::vector<Tenant> found;
  Fd fd = open_dir(AT_FDCWD, (o_.path + "/" + kSpaces[space]).c_str());
  if (!fd) return found;
  each_name(fd.get(), [&](const char* name) {
    if (tenant_ok(name)) found.push_back({xxh64(std::string_view(name)), name});
  });
  std::sort(found.begin(), found.end(), [](const Tenant& x, const Tenant& y) { return x.hash < y.hash; });
  return found;
}

bool DiskLayer::tenant_name(uint8_t space, uint64_t hash, std::string* name) {
  auto it = tenants_.find({space, hash});
  if (it == tenants_.end()) {
    for (Tenant& t : tenants_of(space)) tenants_[{space, t.hash}] = std::move(t.name);
    it = tenants_.find({space, hash});
    if (it == tenants_.end()) return false;
  }
  *name = it->second;
  return true;
}

bool DiskLayer::path_of_key(const IndexKey& key, std::string* path) {
  std::string tenant, hex = key.digest.hex();
  if (key.space > 3 || key.blob < 1 || key.blob > 3 || !tenant_name(key.space, key.tenant, &tenant)) return false;
  *path = path_of({static_cast<Space>(key.space), tenant, hex, kBlobs[key.blob]});
  return true;
}

uint64_t DiskLayer::stands(const IndexKey& key) {
  std::string path;
  return path_of_key(key, &path) ? cost_at(path) : 0;
}

int DiskLayer::drop(const IndexKey& key) {
  std::string path;
  if (!path_of_key(key, &path)) return ENOENT;
  int e = unlink(path.c_str()) == 0 ? 0 : errno;
  if (e == 0 || e == ENOENT) {
    path.resize(path_dir(path).size());
    rmdir(path.c_str());
  }
  return e == ENOTDIR ? ENOENT : e;
}

// ---- scans ------------------------------------------------------------------------------------------------------------

Fd DiskLayer::open_path(uint8_t space, const std::string& tenant) const {
  Fd s = open_dir(AT_FDCWD, (o_.path + "/" + kSpaces[space]).c_str());
  return s ? open_dir(s.get(), tenant.c_str()) : Fd();
}

// For the index's holder: goes on with finding what a lost index held, in sixteenths of a `hh` directory.
void DiskLayer::scan_some(int64_t deadline) {
  IndexScan at = index_.scan();
  for (; at.space < 4; at.space++, at.tenant = 0, at.hh = at.part = 0) {
    for (const Tenant& tenant : tenants_of(at.space)) {
      if (tenant.hash < at.tenant) continue;
      if (tenant.hash != at.tenant) at.tenant = tenant.hash, at.hh = at.part = 0;
      Fd root = open_path(at.space, tenant.name);
      if (!root) continue;
      std::vector<std::string> hhs = names_in(root.get());
      std::sort(hhs.begin(), hhs.end());
      for (const std::string& hh : hhs) {
        if (hh.size() != 2 || hex_digit(hh[0]) < 0 || hex_digit(hh[1]) < 0) continue;
        int number = hex_digit(hh[0]) * 16 + hex_digit(hh[1]);
        if (number < at.hh) continue;
        if (number > at.hh) at.hh = static_cast<uint8_t>(number), at.part = 0;
        Fd fd = open_dir(root.get(), hh.c_str());
        if (!fd) continue;
        std::vector<std::string> parts[16];
        each_name(fd.get(), [&](const char* name) {
          int part = strlen(name) == 64 ? hex_digit(name[2]) : -1;
          if (part >= 0) parts[part].emplace_back(name);
        });
        for (; at.part < 16; at.part++) {
          for (const std::string& name : parts[at.part]) {
            IndexKey key;
            if (!digest_from_hex(name, &key.digest) || name.compare(0, 2, hh) != 0) continue;
            key.tenant = tenant.hash;
            key.space = at.space;
            for (key.blob = 1; key.blob < 4; key.blob++) {
              struct stat st;
              if (fstatat(fd.get(), (name + "/" + kBlobs[key.blob]).c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode)) continue;
              uint64_t mtime = static_cast<uint64_t>(st.st_mtim.tv_sec) * 1000000000 + static_cast<uint64_t>(st.st_mtim.tv_nsec);
              index_.set(key, cost_of(static_cast<uint64_t>(st.st_size)), mtime);
              break;
            }
          }
          if (mono() > deadline) {
            at.part++;
            index_.set_scan(at);
            return;
          }
        }
      }
      // The next tenant: hashes are never reached again.
    }
  }
  index_.set_scan(IndexScan{});
}

// Every blob of a tenant (or of all): on_blob(its directory, its name there, what it is), true if it was removed. Temporary files
// older than an hour (or all) are swept on the way, and directories that are empty.
template <typename F>
void DiskLayer::walk(std::string_view only, bool all_strays, F on_blob) {
  uint64_t t = Index::now();
  auto sweep_stray = [&](int at, const char* name) {
    struct stat st;
    if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode)) return;
    if (all_strays || static_cast<uint64_t>(st.st_mtim.tv_sec) * 1000000000 + kStray < t) unlinkat(at, name, 0);
  };
  if (Fd root = open_dir(AT_FDCWD, o_.path.c_str()))
    for (const std::string& name : names_in(root.get()))
      if (is_stray(name.c_str())) sweep_stray(root.get(), name.c_str());
  for (uint8_t space = 0; space < 4; space++) {
    for (const Tenant& tenant : tenants_of(space)) {
      if (!only.empty() && tenant.name != only) continue;
      Fd root = open_path(space, tenant.name);
      if (!root) continue;
      for (const std::string& hh : names_in(root.get())) {
        if (hh.size() != 2 || hex_digit(hh[0]) < 0 || hex_digit(hh[1]) < 0) continue;
        Fd fd = open_dir(root.get(), hh.c_str());
        if (!fd) continue;
        for (const std::string& name : names_in(fd.get())) {
          Found found;
          if (is_stray(name.c_str())) sweep_stray(fd.get(), name.c_str());
          if (!digest_from_hex(name, &found.key.digest) || name.compare(0, 2, hh) != 0) continue;
          Fd entry = open_dir(fd.get(), name.c_str());
          if (!entry) continue;
          found.key.tenant = tenant.hash;
          found.key.space = space;
          bool kept = false;
          each_name(entry.get(), [&](const char* blob) {
            struct stat st;
            if (is_stray(blob)) {
              sweep_stray(entry.get(), blob);
              return;
            }
            found.key.blob = blob_number(blob);
            if (!found.key.blob || fstatat(entry.get(), blob, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode)) return;
            found.cost = cost_of(static_cast<uint64_t>(st.st_size));
            found.mtime_ns = static_cast<uint64_t>(st.st_mtim.tv_sec) * 1000000000 + static_cast<uint64_t>(st.st_mtim.tv_nsec);
            kept |= !on_blob(entry.get(), blob, found);
          });
          if (!kept) unlinkat(fd.get(), name.c_str(), AT_REMOVEDIR);
        }
        unlinkat(root.get(), hh.c_str(), AT_REMOVEDIR);
      }
      if (Fd s = open_dir(AT_FDCWD, (o_.path + "/" + kSpaces[space]).c_str())) unlinkat(s.get(), tenant.name.c_str(), AT_REMOVEDIR);
    }
  }
}

int DiskLayer::trim(uint64_t max_size, uint64_t max_age_s, TrimResult* result, const TrimProgress& progress) {
  *result = TrimResult{};
  if (o_.read_only) return EROFS;
  if (max_size == UINT64_MAX) max_size = o_.max_size;
  struct stat st;
  if (lstat(o_.path.c_str(), &st) != 0) return errno == ENOENT ? 0 : errno;
  flush();
  uint16_t generation;
  {
    Index::Hold hold(&index_, Index::kPatient);
    if (!hold) return hold.error();
    generation = index_.new_generation();
    tenants_.clear();
  }
  std::vector<Found> batch;
  uint64_t seen = 0;
  int error = 0;
  auto note = [&] {
    seen += batch.size();
    if (progress) progress(seen);
    Index::Hold hold(&index_, Index::kPatient);
    if (!hold) error = hold.error();
    for (const Found& f : batch)
      if (!error) error = index_.set(f.key, f.cost, f.mtime_ns);
    batch.clear();
  };
  walk({}, false, [&](int, const char*, const Found& found) {
    batch.push_back(found);
    if (batch.size() >= 256) note();
    return false;
  });
  if (!batch.empty()) note();
  if (error) return error;

  const uint64_t t = Index::now(), before = max_age_s && max_age_s < t / 1000000000 ? t - max_age_s * 1000000000 : 0;
  Index::Freed freed;
  for (uint32_t page = 0, pages = 1; page < pages; page += 16) {
    Index::Hold hold(&index_, Index::kPatient);
    if (!hold) return hold.error();
    if (int e = index_.sweep(page, 16, generation, before, 0, &freed)) return e;
    pages = index_.pages();
  }
  {
    Index::Hold hold(&index_, Index::kPatient);
    if (!hold) return hold.error();
    index_.set_scan(IndexScan{});
    if (int e = index_.recount()) return e;
  }
  for (int idle = 0; idle < 8;) {
    Index::Hold hold(&index_, Index::kPatient);
    if (!hold) return hold.error();
    uint64_t bytes = index_.bytes();
    if (bytes > max_size) index_.make_room(0, max_size, nullptr, kTrimBudget, &freed);
    result->kept_bytes = index_.bytes();
    result->kept_entries = index_.entries();
    if (result->kept_bytes <= max_size) break;
    idle = result->kept_bytes < bytes ? 0 : idle + 1;
  }
  result->removed_entries = freed.entries;
  result->removed_bytes = freed.bytes;
  return 0;
}

int DiskLayer::clear(std::string_view tenant) {
  if (o_.read_only) return EROFS;
  struct stat st;
  if (lstat(o_.path.c_str(), &st) != 0) return errno == ENOENT ? 0 : errno;
  int error = 0;
  walk(tenant, false, [&](int dir, const char* name, const Found&) {
    if (unlinkat(dir, name, 0) == 0 || errno == ENOENT) return true;
    error = errno;
    return false;
  });
  if (tenant.empty()) {
    Index::Hold hold(&index_, Index::kPatient);
    if (!hold) return hold.error();
    tenants_.clear();
    // What others stored meanwhile is found by the scan.
    int e = index_.reset(true);
    return error ? error : e;
  }
  for (uint32_t page = 0, pages = 1; page < pages; page += 16) {
    Index::Hold hold(&index_, Index::kPatient);
    if (!hold) return hold.error();
    tenants_.clear();
    if (int e = index_.sweep(page, 16, 0, 0, xxh64(tenant), nullptr)) return e;
    pages = index_.pages();
  }
  return error;
}

}  // namespace

std::unique_ptr<Layer> make_disk_layer(std::string name, DiskOptions options, const Log* log) {
  return std::make_unique<DiskLayer>(std::move(name), std::move(options), log);
}

}  // namespace cchain

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
#include <tuple>
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

// Calls f(name) for each name but . and ..; no memory, since it is done once for each entry of a store. 0 or errno.
template <typename F>
int each_name(int fd, F f) {
  alignas(dirent64) char buffer[4096];
  for (;;) {
    ssize_t n = getdents64(fd, buffer, sizeof buffer);
    if (n <= 0) return n < 0 ? errno : 0;
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

class DiskLayer final : public Layer {
 public:
  DiskLayer(std::string name, DiskOptions options, const Log* log) : Layer(std::move(name)), o_(std::move(options)), log_(log) {
    if (o_.read_only) writable = false;
    if (o_.max_size == 0) o_.max_size = UINT64_MAX / 4;
    uint64_t left = o_.max_size;
    for (auto& [tenant, size] : o_.tenants) left -= std::min(left, size);
    groups_.push_back(std::make_unique<Group>(this, "", left));
    for (auto& [tenant, size] : o_.tenants) {
      division_ = xxh64(tenant, division_ + 1);
      groups_.push_back(std::make_unique<Group>(this, tenant, size));
    }
  }
  ~DiskLayer() override { flush(); }
  const char* type() const override { return "disk"; }
  bool local() const override { return true; }

  Answer get(const Address& a, std::string* out) override {
    IndexKey key;
    if (!parse(a, &key)) return Answer::kMiss;
    Answer answer = peek(a, out);
    if (answer == Answer::kHit && !o_.read_only) mark(key);
    return answer;
  }
  Answer peek(const Address& a, std::string* out) override;
  int put(const Address& a, std::string_view data, bool replace) override;
  void remove(const Address& a) override;
  std::string exposed(const Address* a) override;
  bool contains(const Address& a) override { return access(path_of(a).c_str(), R_OK) == 0; }
  void flush() override;
  int trim(uint64_t max_size, uint64_t before_ns, TrimResult* result, const TrimProgress& progress) override;
  int clear(std::string_view tenant) override;
  bool usage(uint64_t* bytes, uint64_t* entries, uint64_t* limit) override;
  bool usage_by_tenant(std::vector<TenantUsage>* out) override;
  int each(const std::function<bool(const Address&, uint64_t)>& f) override;
  int check_index(uint64_t* unindexed, uint64_t* absent) override;

 private:
  // Who shares a limit: all tenants, but each that has a share of its own is a group by itself. What one of them stores makes room among its own.
  struct Group final : Index::Files {
    Group(DiskLayer* l, const std::string& t, uint64_t max)
        : layer(l), tenant(t), hash(xxh64(t)), limit(max), index(l->o_.path, l->o_.umask, this, t.empty() ? "" : "@" + t) {}
    DiskLayer* const layer;
    const std::string tenant;  // "": all that have no share of their own
    const uint64_t hash;
    const uint64_t limit;
    Index index;
    std::mutex marks_mu;  // marks
    std::vector<IndexMark> marks;
    std::map<std::pair<uint8_t, uint64_t>, std::string> tenants;  // for the index's holder only

    int drop(const IndexKey& key) override;
    uint64_t stands(const IndexKey& key) override;
    void before_eviction() override;
  };
  Group& group_of(uint64_t tenant) const {
    for (size_t i = 1; i < groups_.size(); i++)
      if (groups_[i]->hash == tenant) return *groups_[i];
    return *groups_[0];
  }
  struct Found {
    IndexKey key;
    uint64_t cost, mtime_ns;
    std::string_view tenant;
  };
  struct Tenant {
    uint64_t hash;
    std::string name;
  };

  bool parse(const Address& a, IndexKey* key) const;
  std::string path_of(const Address& a) const;
  int path_of_key(Group& g, const IndexKey& key, std::string* path);
  int reserve(Group& g, const IndexKey& key, uint64_t cost, const std::string& path, bool* pended);
  uint64_t resync_held(Group& g, const IndexKey& key, const std::string& path);
  void resync(Group& g, const IndexKey& key, const std::string& path, uint64_t reserved);
  void mark(const IndexKey& key);
  void flush(Group& g);
  void trouble(const char* what, int error);
  int tenant_name(Group& g, uint8_t space, uint64_t hash, std::string* name);
  std::vector<Tenant> tenants_of(uint8_t space, int* error = nullptr) const;
  void scan_some(Group& g, int64_t deadline);
  Fd open_path(uint8_t space, const std::string& tenant) const;
  int open_folder(std::string_view path, bool make, Fd* out) const;
  int unlink_blob(const std::string& path) const;
  void remove_folder(std::string_view path) const;
  int trim(Group& g, uint64_t limit, uint64_t before_ns, TrimResult* result, const TrimProgress& progress, uint64_t* seen);
  template <typename F>
  void walk(std::string_view tenant, bool sweep, F on_blob);

  DiskOptions o_;
  const Log* const log_;
  std::vector<std::unique_ptr<Group>> groups_;  // the first is that of all the others
  uint64_t division_ = 0;                       // 0: no shares
  std::atomic<int64_t> next_report_{0};
  std::once_flag way_once_;
  std::string way_exposed_;  // of the root
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

// The folder of a blob. Below the root others may have planted links: what is put or removed must not be somewhere else.
int DiskLayer::open_folder(std::string_view path, bool make, Fd* out) const {
  for (int round = 0; round < 2; round++) {
    Fd root(open(o_.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK));
    if (root) return open_below(root.get(), path_dir(path.substr(o_.path.size() + 1)), make, o_.umask, out);
    if (errno != ENOENT || !make) return errno;
    if (int e = make_dirs(o_.path, 0777, o_.umask)) return e;
  }
  return ENOENT;
}

// 0, or ENOENT also where it is no way into the store.
int DiskLayer::unlink_blob(const std::string& path) const {
  Fd folder;
  int e = open_folder(path, false, &folder);
  if (!e && unlinkat(folder.get(), std::string(path_base(path)).c_str(), 0) != 0) e = errno;
  return e == ENOTDIR || e == ELOOP ? ENOENT : e;
}

// A blob's folder, if nothing is in it and no link leads there.
void DiskLayer::remove_folder(std::string_view path) const {
  Fd above;
  if (open_folder(path, false, &above) == 0) unlinkat(above.get(), std::string(path_base(path)).c_str(), AT_REMOVEDIR);
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

// The address was judged.
Answer DiskLayer::peek(const Address& a, std::string* out) {
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
  return Answer::kHit;
}

std::string DiskLayer::exposed(const Address* a) {
  std::call_once(way_once_, [this] {
    if (!o_.read_only) make_dirs(o_.path, 0777, o_.umask);
    way_exposed_ = exposed_way(o_.path);
  });
  if (!a || !way_exposed_.empty()) return way_exposed_;
  // Each folder below it, and the file: of this user alone, nobody else can have put or changed them.
  std::string path = path_of(*a);
  for (size_t end = path.size(); end > o_.path.size(); end = path.rfind('/')) {
    path.resize(end);
    struct stat st;
    if (lstat(path.c_str(), &st) != 0) return path + ": " + strerror(errno);
    if (st.st_uid != geteuid()) return path + " is another user's";
    if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) return path + " is no file and no folder";
    if (st.st_mode & 022) return path + " can be written by others";
  }
  return {};
}

void DiskLayer::mark(const IndexKey& key) {
  Group& g = group_of(key.tenant);
  uint64_t t = Index::now();
  bool full;
  {
    std::unique_lock<std::mutex> lock(g.marks_mu, std::try_to_lock);
    for (int i = 0; !lock.owns_lock() && i < 100; i++) static_cast<void>(lock.try_lock());
    if (!lock.owns_lock()) return;  // a hint, not worth a wait (nor a deadlock in a forked child)
    if (g.marks.empty()) g.marks.reserve(16);
    g.marks.push_back({key, t});
    full = g.marks.size() % kMarksMost == 0;
  }
  if (full) flush(g);
}

void DiskLayer::flush() {
  if (o_.read_only) return;
  for (auto& g : groups_) flush(*g);
  if (pended_.exchange(false, std::memory_order_relaxed))
    for (auto& g : groups_) g->index.fold_if_pending();
}

void DiskLayer::flush(Group& g) {
  if (o_.read_only) return;
  std::vector<IndexMark> marks;
  {
    std::unique_lock<std::mutex> lock(g.marks_mu, std::try_to_lock);
    for (int i = 0; !lock.owns_lock() && i < 100; i++) static_cast<void>(lock.try_lock());
    if (!lock.owns_lock()) return;
    marks.swap(g.marks);
  }
  if (!marks.empty() && g.index.mark(marks) == EBUSY) {
    std::unique_lock<std::mutex> lock(g.marks_mu, std::try_to_lock);
    if (lock.owns_lock() && g.marks.size() < 8 * kMarksMost) g.marks.insert(g.marks.end(), marks.begin(), marks.end());
  }
}

void DiskLayer::Group::before_eviction() {
  std::vector<IndexMark> waiting;
  {
    std::unique_lock<std::mutex> lock(marks_mu, std::try_to_lock);
    if (!lock.owns_lock()) return;
    waiting.swap(marks);
  }
  if (!waiting.empty()) index.mark_held(waiting);
}

bool DiskLayer::usage(uint64_t* bytes, uint64_t* entries, uint64_t* limit) {
  *limit = o_.max_size;
  *bytes = *entries = 0;
  for (auto& g : groups_) {
    uint64_t b = 0, n = 0;
    if (int e = g->index.totals(&b, &n); e != 0 && e != ENOENT) return false;
    *bytes += b, *entries += n;
  }
  return true;
}

bool DiskLayer::usage_by_tenant(std::vector<TenantUsage>* out) {
  std::map<uint64_t, TenantUsage> all;
  for (auto& g : groups_) {
    if (!g->tenant.empty()) all[g->hash] = {g->tenant, 0, 0, g->limit};
    int e = g->index.each([&](const IndexKey& key, uint64_t cost) {
      if (&group_of(key.tenant) != g.get()) return;
      TenantUsage& u = all[key.tenant];
      u.bytes += cost, u.entries++;
    });
    if (e != 0 && e != ENOENT) return false;
  }
  for (uint8_t space = 0; space < 4; space++)
    for (Tenant& t : tenants_of(space))
      if (auto it = all.find(t.hash); it != all.end()) it->second.tenant = t.name;
  for (auto& [hash, u] : all)
    if (!u.tenant.empty()) out->push_back(std::move(u));
  std::sort(out->begin(), out->end(), [](const TenantUsage& x, const TenantUsage& y) { return x.tenant < y.tenant; });
  return true;
}

// ---- storing ----------------------------------------------------------------------------------------------------------

int DiskLayer::put(const Address& a, std::string_view data, bool replace) {
  if (o_.read_only) return EROFS;
  IndexKey key;
  if (!parse(a, &key)) return EINVAL;
  Group& g = group_of(key.tenant);
  const uint64_t cost = cost_of(data.size());
  if (cost > g.limit || data.size() > kMostBytes) return EFBIG;
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
  int e = reserve(g, key, cost, path, &pended);
  if (e) {
    if (e != EBUSY) trouble("store", e);
    return e;
  }
  PublishOptions publish;
  publish.replace = replace;
  publish.umask_override = o_.umask;
  // Whoever evicts may remove the directory between its making and the publishing.
  for (int round = 0; round < 8; round++) {
    Fd folder;
    if (!(e = open_folder(path, true, &folder))) {
      publish.at = folder.get();
      e = publish_file(std::string(a.blob), data, publish);
    }
    if (e != ENOENT) break;
  }
  if (!e) {
    // In a small and busy store the slot may go while we publish, with what stood there before.
    Index::Standing standing = g.index.standing(key, cost, pended);
    if (standing == Index::kGone && (e = reserve(g, key, cost, path, &pended)) != 0) unlink_blob(path);
    if (!e && standing != Index::kStands) resync(g, key, path, cost);
  }
  if (!e) {
    counters.bytes_written += data.size();
    return 0;
  }
  resync(g, key, path, cost);
  remove_folder(dir);
  if (e == EEXIST)
    mark(key);
  else if (e != EBUSY)
    trouble("store", e);
  return e;
}

// Makes room and a slot, before there is a file.
int DiskLayer::reserve(Group& g, const IndexKey& key, uint64_t cost, const std::string& path, bool* pended) {
  *pended = false;
  {
    Index::Hold hold(&g.index, Index::kQuick);
    if (hold) {
      if (g.index.division() != division_) {
        if (int e = g.index.reset(true)) return e;
        g.index.set_division(division_);
      }
      if (g.index.scan().active) scan_some(g, mono() + kPutBudget);
      // How much there is, is not known yet: what comes takes the place of something that is known.
      if (g.index.scan().active) g.index.make_room(cost, std::min(g.index.bytes(), g.limit), &key, kPutBudget, nullptr);
      if (int e = g.index.make_room(cost, g.limit, &key, kPutBudget, nullptr)) return e;
      int e = g.index.set(key, cost, Index::now(), true);
      if (!e && g.index.fold_again()) e = g.index.make_room(0, g.limit, &key, kPutBudget, nullptr);
      if (e) resync_held(g, key, path);
      return e;
    }
    if (hold.error() != EBUSY) return hold.error();
  }
  // Reserved first and counted afterwards: of several that do so at once, each sees the others.
  if (int e = g.index.pend(key, cost, false)) return e;
  *pended = true;
  pended_.store(true, std::memory_order_relaxed);
  uint64_t bytes = 0, entries = 0;
  int e = g.index.totals(&bytes, &entries);
  // The very first writers of a store find an index that its maker has not written yet.
  for (int ms = 1; (e == ENOENT || e == EBADMSG) && ms <= 32; ms *= 2) {
    timespec pause = {0, ms * 1000000L};
    nanosleep(&pause, nullptr);
    e = g.index.totals(&bytes, &entries);
  }
  if (e == 0 && bytes <= g.limit + g.limit / 25) return 0;
  uint64_t stood = cost_at(path);
  g.index.pend(key, stood ? stood : cost, stood == 0);
  return EBUSY;
}

// For the index's holder: the slot says again what stands there.
uint64_t DiskLayer::resync_held(Group& g, const IndexKey& key, const std::string& path) {
  uint64_t cost = cost_at(path);
  if (cost)
    g.index.set(key, cost, 0);
  else
    g.index.drop_slot(key);
  return cost;
}

// After a publishing that failed, a removal, or two publishings of one key at once. `reserved` is what is counted so far.
void DiskLayer::resync(Group& g, const IndexKey& key, const std::string& path, uint64_t reserved) {
  Index::Hold hold(&g.index, Index::kQuick);
  if (hold) {
    if (resync_held(g, key, path)) g.index.make_room(0, g.limit, nullptr, kPutBudget, nullptr);
    return;
  }
  uint64_t cost = cost_at(path);
  g.index.pend(key, cost ? cost : reserved, cost == 0);
  pended_.store(true, std::memory_order_relaxed);
}

void DiskLayer::remove(const Address& a) {
  IndexKey key;
  if (o_.read_only || !parse(a, &key)) return;
  std::string path = path_of(a);
  struct stat st;
  if (lstat(path.c_str(), &st) != 0) return;
  if (int e = unlink_blob(path)) {
    if (e != ENOENT) trouble("remove", e);
    return;
  }
  remove_folder(path_dir(path));
  resync(group_of(key.tenant), key, path, cost_of(static_cast<uint64_t>(st.st_size)));
}

// ---- eviction ---------------------------------------------------------------------------------------------------------

std::vector<DiskLayer::Tenant> DiskLayer::tenants_of(uint8_t space, int* error) const {
  std::vector<Tenant> found;
  Fd fd = open_dir(AT_FDCWD, (o_.path + "/" + kSpaces[space]).c_str());
  int e = fd ? 0 : errno;
  if (fd)
    e = each_name(fd.get(), [&](const char* name) {
      if (tenant_ok(name)) found.push_back({xxh64(std::string_view(name)), name});
    });
  if (error) *error = e == ENOENT || e == ENOTDIR || e == ELOOP ? 0 : e;
  std::sort(found.begin(), found.end(), [](const Tenant& x, const Tenant& y) { return x.hash < y.hash; });
  return found;
}

// 0, ENOENT (there is no such tenant), or why it can't be told.
int DiskLayer::tenant_name(Group& g, uint8_t space, uint64_t hash, std::string* name) {
  auto it = g.tenants.find({space, hash});
  if (it == g.tenants.end()) {
    int error;
    for (Tenant& t : tenants_of(space, &error)) g.tenants[{space, t.hash}] = std::move(t.name);
    it = g.tenants.find({space, hash});
    if (it == g.tenants.end()) return error ? error : ENOENT;
  }
  *name = it->second;
  return 0;
}

// What is another group's is not there for this one, whatever its index says.
int DiskLayer::path_of_key(Group& g, const IndexKey& key, std::string* path) {
  std::string tenant, hex = key.digest.hex();
  if (key.space > 3 || key.blob < 1 || key.blob > 3 || &group_of(key.tenant) != &g) return ENOENT;
  if (int e = tenant_name(g, key.space, key.tenant, &tenant)) return e;
  *path = path_of({static_cast<Space>(key.space), tenant, hex, kBlobs[key.blob]});
  return 0;
}

uint64_t DiskLayer::Group::stands(const IndexKey& key) {
  std::string path;
  return layer->path_of_key(*this, key, &path) == 0 ? cost_at(path) : 0;
}

int DiskLayer::Group::drop(const IndexKey& key) {
  std::string path;
  if (int e = layer->path_of_key(*this, key, &path)) return e;
  int e = layer->unlink_blob(path);
  if (e == 0 || e == ENOENT) layer->remove_folder(path_dir(path));
  return e;
}

// ---- scans ------------------------------------------------------------------------------------------------------------

Fd DiskLayer::open_path(uint8_t space, const std::string& tenant) const {
  Fd s = open_dir(AT_FDCWD, (o_.path + "/" + kSpaces[space]).c_str());
  return s ? open_dir(s.get(), tenant.c_str()) : Fd();
}

// For the index's holder: goes on with finding what a lost index held, in sixteenths of a `hh` directory.
void DiskLayer::scan_some(Group& g, int64_t deadline) {
  IndexScan at = g.index.scan();
  for (; at.space < 4; at.space++, at.tenant = 0, at.hh = at.part = 0) {
    for (const Tenant& tenant : tenants_of(at.space)) {
      if (tenant.hash < at.tenant || &group_of(tenant.hash) != &g) continue;
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
              g.index.set(key, cost_of(static_cast<uint64_t>(st.st_size)), mtime);
              break;
            }
          }
          if (mono() > deadline) {
            at.part++;
            g.index.set_scan(at);
            return;
          }
        }
      }
      // The next tenant: hashes are never reached again.
    }
  }
  g.index.set_scan(IndexScan{});
}

// Every blob of a tenant (or of all): on_blob(its directory, its name there, what it is), true if it was removed. Temporary files
// older than an hour are swept on the way, if wanted, and directories that are empty.
template <typename F>
void DiskLayer::walk(std::string_view only, bool sweep, F on_blob) {
  uint64_t t = Index::now();
  auto sweep_stray = [&](int at, const char* name) {
    struct stat st;
    if (!sweep || fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode)) return;
    if (static_cast<uint64_t>(st.st_mtim.tv_sec) * 1000000000 + kStray < t) unlinkat(at, name, 0);
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
          found.tenant = tenant.name;
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
          if (!kept && sweep) unlinkat(fd.get(), name.c_str(), AT_REMOVEDIR);
        }
        if (sweep) unlinkat(root.get(), hh.c_str(), AT_REMOVEDIR);
      }
      if (!sweep) continue;
      if (Fd s = open_dir(AT_FDCWD, (o_.path + "/" + kSpaces[space]).c_str())) unlinkat(s.get(), tenant.name.c_str(), AT_REMOVEDIR);
    }
  }
}

int DiskLayer::trim(uint64_t max_size, uint64_t before_ns, TrimResult* result, const TrimProgress& progress) {
  *result = TrimResult{};
  if (o_.read_only) return EROFS;
  struct stat st;
  if (lstat(o_.path.c_str(), &st) != 0) return errno == ENOENT ? 0 : errno;
  flush();
  uint64_t seen = 0;
  for (auto& g : groups_) {
    // Less than there may be is divided as that is.
    uint64_t limit = g->limit;
    if (max_size < o_.max_size) limit = static_cast<uint64_t>(static_cast<unsigned __int128>(limit) * max_size / o_.max_size);
    else if (max_size != UINT64_MAX && groups_.size() == 1) limit = max_size;
    if (int e = trim(*g, limit, before_ns, result, progress, &seen)) return e;
  }
  return 0;
}

int DiskLayer::trim(Group& g, uint64_t limit, uint64_t before_ns, TrimResult* result, const TrimProgress& progress, uint64_t* seen) {
  uint16_t generation;
  {
    Index::Hold hold(&g.index, Index::kPatient);
    if (!hold) return hold.error();
    g.index.set_division(division_);
    generation = g.index.new_generation();
    g.tenants.clear();
  }
  std::vector<Found> batch;
  int error = 0;
  auto note = [&] {
    *seen += batch.size();
    if (progress) progress(*seen);
    Index::Hold hold(&g.index, Index::kPatient);
    if (!hold) error = hold.error();
    for (const Found& f : batch)
      if (!error) error = g.index.set(f.key, f.cost, f.mtime_ns);
    batch.clear();
  };
  walk(g.tenant, true, [&](int, const char*, const Found& found) {
    if (&group_of(found.key.tenant) != &g) return false;
    batch.push_back(found);
    if (batch.size() >= 256) note();
    return false;
  });
  if (!batch.empty()) note();
  if (error) return error;

  Index::Freed freed;
  for (uint32_t page = 0, pages = 1; page < pages; page += 16) {
    Index::Hold hold(&g.index, Index::kPatient);
    if (!hold) return hold.error();
    if (int e = g.index.sweep(page, 16, generation, before_ns, 0, &freed)) return e;
    pages = g.index.pages();
  }
  {
    Index::Hold hold(&g.index, Index::kPatient);
    if (!hold) return hold.error();
    g.index.set_scan(IndexScan{});
    if (int e = g.index.recount()) return e;
  }
  for (int idle = 0; idle < 8;) {
    Index::Hold hold(&g.index, Index::kPatient);
    if (!hold) return hold.error();
    uint64_t bytes = g.index.bytes();
    if (bytes > limit) g.index.make_room(0, limit, nullptr, kTrimBudget, &freed);
    idle = g.index.bytes() < bytes ? 0 : idle + 1;
    if (g.index.bytes() > limit && idle < 8) continue;
    result->kept_bytes += g.index.bytes();
    result->kept_entries += g.index.entries();
    break;
  }
  result->removed_entries += freed.entries;
  result->removed_bytes += freed.bytes;
  return 0;
}

int DiskLayer::clear(std::string_view tenant) {
  if (o_.read_only) return EROFS;
  struct stat st;
  if (lstat(o_.path.c_str(), &st) != 0) return errno == ENOENT ? 0 : errno;
  int error = 0;
  walk(tenant, true, [&](int dir, const char* name, const Found&) {
    if (unlinkat(dir, name, 0) == 0 || errno == ENOENT) return true;
    error = errno;
    return false;
  });
  for (auto& g : groups_) {
    if (!tenant.empty() && &group_of(xxh64(tenant)) != g.get()) continue;
    if (tenant.empty() || !g->tenant.empty()) {
      Index::Hold hold(&g->index, Index::kPatient);
      if (!hold) return hold.error();
      g->tenants.clear();
      // What others stored meanwhile is found by the scan.
      if (int e = g->index.reset(true); e && !error) error = e;
      g->index.set_division(division_);
      continue;
    }
    for (uint32_t page = 0, pages = 1; page < pages; page += 16) {
      Index::Hold hold(&g->index, Index::kPatient);
      if (!hold) return hold.error();
      g->tenants.clear();
      if (int e = g->index.sweep(page, 16, 0, 0, xxh64(tenant), nullptr)) return e;
      pages = g->index.pages();
    }
  }
  return error;
}

// ---- checks -----------------------------------------------------------------------------------------------------------

int DiskLayer::each(const std::function<bool(const Address&, uint64_t)>& f) {
  struct stat st;
  if (lstat(o_.path.c_str(), &st) != 0) return errno == ENOENT ? 0 : errno;
  bool more = true;
  walk({}, false, [&](int, const char* blob, const Found& found) {
    if (!more) return false;
    const std::string hex = found.key.digest.hex();
    more = f({static_cast<Space>(found.key.space), found.tenant, hex, blob}, found.cost);
    return false;
  });
  return 0;
}

int DiskLayer::check_index(uint64_t* unindexed, uint64_t* absent) {
  if (!o_.read_only) flush();
  auto less = [](const IndexKey& a, const IndexKey& b) {
    return std::tie(a.digest, a.tenant, a.space, a.blob) < std::tie(b.digest, b.tenant, b.space, b.blob);
  };
  std::map<IndexKey, uint64_t, decltype(less)> known(less);
  for (auto& g : groups_)
    if (int e = g->index.each([&](const IndexKey& key, uint64_t cost) {
          if (&group_of(key.tenant) == g.get()) known[key] = cost;
        });
        e && e != ENOENT)
      return e;
  walk({}, false, [&](int, const char*, const Found& found) {
    auto it = known.find(found.key);
    *unindexed += it == known.end() || it->second != found.cost;
    if (it != known.end()) known.erase(it);
    return false;
  });
  *absent += known.size();
  return 0;
}

}  // namespace

std::unique_ptr<Layer> make_disk_layer(std::string name, DiskOptions options, const Log* log) {
  return std::make_unique<DiskLayer>(std::move(name), std::move(options), log);
}

}  // namespace cchain

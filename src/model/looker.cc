// SPDX-License-Identifier: Apache-2.0
#include "model/looker.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace cchain {

namespace {
constexpr uint64_t kMaxFile = 1ull << 30;  // a larger source or header is not digested: uncacheable
constexpr size_t kGenerationSize[4] = {1u << 10, 1u << 13, 1u << 16, 1u << 20};

Digest identity_key(const Digest& boot, const FileId& id) {
  uint64_t words[6] = {id.dev, id.ino, id.size, static_cast<uint64_t>(id.mtime_ns), static_cast<uint64_t>(id.ctime_ns), id.mount};
  Sha256 h;
  h.update(boot.b.data(), 16);
  h.update(words, sizeof words);
  return h.finish();
}
// Without . and .. and doubled slashes, links not minded.
std::string plain_path(std::string_view path) {
  std::string out;
  for (size_t i = 0; i < path.size();) {
    size_t end = std::min(path.find('/', i), path.size());
    std::string_view part = path.substr(i, end - i);
    i = end + 1;
    if (part == "..") out.erase(std::min(out.rfind('/'), out.size()));
    else if (!part.empty() && part != ".") (out += '/') += part;
  }
  return out.empty() ? "/" : out;
}
}  // namespace

struct Looker::Buckets {
  explicit Buckets(size_t n) : heads(new std::atomic<Node*>[n]()), mask(n - 1) {}
  ~Buckets() { delete[] heads; }
  std::atomic<Node*>* heads;
  size_t mask;
};

Looker::Looker(const std::string& state_dir)
    : digests_(state_dir.empty() ? "" : state_dir + "/digests", 0x43434431, 1u << 15),
      scans_(state_dir.empty() ? "" : state_dir + "/scans", 0x43435331, 1u << 14),
      names_(state_dir.empty() ? "" : state_dir + "/names", 0x43434e31, 1u << 12),
      precompiled_(state_dir.empty() ? "" : state_dir + "/precompiled", 0x43435031, 1u << 8) {
  read_boot();
}

Looker::~Looker() {
  for (auto& g : generations_) {
    Buckets* b = g.load();
    if (!b) continue;
    for (size_t i = 0; i <= b->mask; i++)
      for (Node* n = b->heads[i].load(); n;) {
        Node* next = n->next_;
        n->~Node();
        n = next;
      }
    delete b;
  }
}

void* Looker::allocate(size_t size) {
  size = (size + alignof(Node) - 1) & ~(alignof(Node) - 1);
  if (size > block_left_) {
    size_t block = std::max<size_t>(size, 64 << 10);
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(block));
    block_ = blocks_.back().get();
    populate(block_, block);
    block_left_ = block;
  }
  char* p = block_;
  block_ += size;
  block_left_ -= size;
  return p;
}

void Looker::read_boot() {
  char id[64] = {};
  Fd fd(open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  if (fd && read(fd.get(), id, sizeof id - 1) > 0) boot_ = sha256(std::string_view(id, 36));
}

Looker::Node* Looker::node(std::string_view path) {
  uint64_t h = xxh64(path);
  auto find = [&](Buckets* b) -> Node* {
    for (Node* n = b->heads[h & b->mask].load(std::memory_order_acquire); n; n = n->next_)
      if (n->hash_ == h && n->path == path) return n;
    return nullptr;
  };
  for (auto& g : generations_)
    if (Buckets* b = g.load(std::memory_order_acquire))
      if (Node* n = find(b)) return n;
  std::lock_guard<std::mutex> lock(insert_mutex_);
  uint64_t count = count_.load(std::memory_order_relaxed);
  size_t gen = 0;
  while (gen < 3 && count >= kGenerationSize[gen]) gen++;
  for (size_t i = 0; i < 4; i++) {
    Buckets* b = generations_[i].load(std::memory_order_relaxed);
    if (b) {
      if (Node* n = find(b)) return n;
    } else if (i == gen) {
      generations_[i].store(new Buckets(kGenerationSize[i]), std::memory_order_release);
    }
  }
  Buckets* b = generations_[gen].load(std::memory_order_relaxed);
  char* place = static_cast<char*>(allocate(sizeof(Node) + path.size() + 1));
  char* text = place + sizeof(Node);
  memcpy(text, path.data(), path.size());
  text[path.size()] = '\0';
  Node* n = new (place) Node(text, path.size(), h);
  n->next_ = b->heads[h & b->mask].load(std::memory_order_relaxed);
  b->heads[h & b->mask].store(n, std::memory_order_release);
  count_.store(count + 1, std::memory_order_relaxed);
  if (path.find("/.") != std::string_view::npos || path.find("//") != std::string_view::npos || path.ends_with('/')) respelled_.push_back(n);
  return n;
}

Looker::Node* Looker::node(std::string_view dir, std::string_view name) {
  char buf[1024];
  if (name.empty()) return node(dir);
  if (name[0] == '/' || dir.empty()) return node(name);
  size_t slash = dir.back() == '/' ? 0 : 1;
  size_t n = dir.size() + slash + name.size();
  if (n > sizeof buf) return node(path_join(dir, name));
  memcpy(buf, dir.data(), dir.size());
  if (slash) buf[dir.size()] = '/';
  memcpy(buf + dir.size() + slash, name.data(), name.size());
  return node(std::string_view(buf, n));
}

void Looker::set_locked(Node* n, Looked* l, uint64_t epoch, int64_t at_ns, int error, const FileId& id) {
  const FileId found = error ? FileId{} : id;
  if (l->at_ns && (l->look.error != error || !(l->look.id == found))) l->look.version++, changes_++;
  l->look.error = error;
  l->look.id = found;
  l->epoch = epoch;
  l->at_ns = at_ns;
  n->looked_.write(*l);
}

Looker::Looked Looker::look_locked(Node* n, uint64_t epoch) {
  Looked l = n->looked_.value();
  if (l.epoch == epoch) return l;
  const int64_t start = now_ns();
  FileId id;
  const int error = stat_file(n->path.c_str(), &id);
  set_locked(n, &l, epoch, start, error, id);
  return l;
}

Looker::Look Looker::look(Node* n, uint64_t epoch, int64_t* at) {
  Looked l;
  if (!looked_in(n, epoch, &l)) {
    std::lock_guard<std::mutex> lock(n->mutex_);
    l = look_locked(n, epoch);
  }
  if (at) *at = l.at_ns;
  return l.look;
}

Looker::Look Looker::look_at_link(Node* n, uint64_t epoch, bool* link) {
  std::lock_guard<std::mutex> lock(n->mutex_);
  if (n->link_epoch_ != epoch) {
    int64_t start = now_ns();
    FileId id;
    int error = lstat_file(n->path.c_str(), &id);
    n->link_ = !error && id.is_link();
    n->link_epoch_ = epoch;
    Looked l = n->looked_.value();
    if (l.epoch != epoch && !n->link_) set_locked(n, &l, epoch, start, error, id);
  }
  *link = n->link_;
  return look_locked(n, epoch).look;
}

Looker::Look Looker::look_and_open(Node* n, uint64_t epoch, int64_t* at, Fd* fd) {
  Looked l;
  if (!looked_in(n, epoch, &l)) {
    std::lock_guard<std::mutex> lock(n->mutex_);
    l = n->looked_.value();
    if (l.epoch != epoch) {
      int64_t start = now_ns();
      FileId id;
      *fd = Fd(open(n->path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
      if (*fd && fstat_file(fd->get(), &id) == 0) {
        set_locked(n, &l, epoch, start, 0, id);
      } else {
        fd->reset();  // nothing, no directory, no descriptor left: what stat says
        l = look_locked(n, epoch);
      }
    }
  }
  *at = l.at_ns;
  return l.look;
}

Looker::Look Looker::look_in(const Fd& dir, Node* n, uint64_t epoch, int64_t* at) {
  Looked l;
  if (!looked_in(n, epoch, &l)) {
    std::lock_guard<std::mutex> lock(n->mutex_);
    l = n->looked_.value();
    if (l.epoch != epoch) {
      const int64_t start = now_ns();
      FileId id;
      const int error = stat_file_at(dir.get(), path_base(n->path).data(), &id);
      set_locked(n, &l, epoch, start, error, id);
    }
  }
  *at = l.at_ns;
  return l.look;
}

void Looker::forget(Node* n) {
  std::lock_guard<std::mutex> lock(n->mutex_);
  Looked l = n->looked_.value();
  l.epoch = n->link_epoch_ = 0;
  n->looked_.write(l);
  // What was read in the epoch is forgotten too: within a tick of the clock another look sees equal times.
  if (n->known_) n->known_->digest_epoch = n->known_->absent_epoch = n->known_->names_epoch = 0;
}

void Looker::forget_way(std::string_view path) {
  const std::string plain = plain_path(path);
  std::vector<Node*> nodes = {node(path)};
  for (std::string_view way = plain;; way = path_dir(way)) {
    nodes.push_back(node(way));
    if (way == "/") break;
  }
  {
    std::lock_guard<std::mutex> lock(insert_mutex_);
    while (shorter_.size() < respelled_.size()) shorter_.push_back(plain_path(respelled_[shorter_.size()]->path));
    for (size_t i = 0; i < shorter_.size(); i++) {
      const std::string& p = shorter_[i];
      if (plain.starts_with(p) && (plain.size() == p.size() || p == "/" || plain[p.size()] == '/')) nodes.push_back(respelled_[i]);
    }
  }
  for (Node* n : nodes) forget(n);
}

bool Looker::trusted(const FileId& id, const Path& path) {
  std::lock_guard<std::mutex> lock(trust_mutex_);
  std::pair<uint64_t, uint64_t> key{id.dev, id.mount};
  for (auto& t : trust_)
    if (t.first == key) return t.second;
  bool ok = trusted_filesystem(path.c_str());
  trust_.emplace_back(key, ok);
  return ok;
}

int Looker::digest_locked(Node* n, const Looked& l, Digest* out) {
  const FileId& id = l.look.id;
  Node::Known& k = n->known();
  if (k.has_digest && k.digest_id == id && (k.digest_safe || k.digest_epoch == l.epoch)) {
    *out = k.digest;
    return 0;
  }
  int64_t start = now_ns();
  bool safe = id.newest_ns() < start - kSafeNs;
  Digest d;
  if (id.is_dir()) {
    std::vector<std::string> names;
    if (int e = list_dir(std::string(n->path), &names)) return e;
    std::sort(names.begin(), names.end());
    Sha256 h;
    for (auto& s : names) h.update(s.c_str(), s.size() + 1);
    d = h.finish();
  } else if (id.is_regular()) {
    bool keep = safe && trusted(id, n->path);
    Digest key;
    Table::Value v;
    if (keep) {
      key = identity_key(boot_, id);
      if (digests_.get(key, &v)) {
        memcpy(d.b.data(), v.data(), 32);
        memcpy(&k.scan_at.offset, v.data() + 32, 5);
        memcpy(&k.scan_at.size, v.data() + 37, 3);
        k.has_digest = k.digest_safe = true;
        k.digest_id = id;
        k.digest_epoch = l.epoch;
        *out = k.digest = d;
        return 0;
      }
    }
    std::string data;
    FileId opened, after;
    if (int e = read_file(n->path.c_str(), &data, kMaxFile, &opened)) return e;
    if (!(opened == id)) return EAGAIN;
    d = sha256(data);
    if (int e = stat_file(n->path.c_str(), &after)) return e;
    if (!(after == id)) return EAGAIN;
    if (keep) {
      v.fill(0);
      memcpy(v.data(), d.b.data(), 32);
      digests_.put(key, v);
    }
  } else {
    return EINVAL;
  }
  k.has_digest = true;
  k.digest_safe = safe;
  k.digest_id = id;
  k.digest_epoch = l.epoch;
  *out = k.digest = d;
  return 0;
}

int Looker::digest(Node* n, uint64_t epoch, Digest* out) {
  std::lock_guard<std::mutex> lock(n->mutex_);
  const Looked l = look_locked(n, epoch);
  return l.look.error ? l.look.error : digest_locked(n, l, out);
}

bool Looker::may_have_locked(Node* dir, const Looked& l, std::string_view name) {
  // A few names are cheaper looked up than a directory read.
  constexpr uint32_t kFewNames = 8;
  const FileId& id = l.look.id;
  if (l.look.error || !id.is_dir() || name.empty() || name == "." || name == "..") return true;
  Node::Known& k = dir->known();
  if (!k.has_names || !(k.names_id == id) || !(k.names_safe || k.names_epoch == l.epoch)) {
    // Only what will be good for a while is kept on disk: a folder that objects are written to would fill it.
    bool kept = id.newest_ns() < l.at_ns - kBusyNs && trusted(id, dir->path);
    Digest key;
    std::string bytes;
    k.has_names = false;
    k.names.clear();
    if (kept) key = identity_key(boot_, id);
    if (kept && names_.get(key, &bytes)) {
      k.names.resize(bytes.size() / 4);
      memcpy(k.names.data(), bytes.data(), k.names.size() * 4);
    } else {
      if (k.asked_epoch != l.epoch) k.asked_epoch = l.epoch, k.asked = 0;
      if (!kept && k.asked++ < kFewNames) return true;
      std::vector<std::string> names;
      FileId after;
      if (list_dir(std::string(dir->path), &names) != 0 || stat_file(dir->path.c_str(), &after) != 0 || !(after == id)) return true;
      for (auto& n : names) k.names.push_back(static_cast<uint32_t>(xxh64(n)));
      std::sort(k.names.begin(), k.names.end());
      if (kept) names_.put(key, std::string_view(reinterpret_cast<const char*>(k.names.data()), k.names.size() * 4));
    }
    k.has_names = true;
    k.names_safe = id.newest_ns() < l.at_ns - kSafeNs;
    k.names_epoch = l.epoch;
    k.names_id = id;
  }
  return std::binary_search(k.names.begin(), k.names.end(), static_cast<uint32_t>(xxh64(name)));
}

bool Looker::absent(Node* dir, std::string_view name, uint64_t epoch) {
  if (name.empty()) return true;  // `#include "sub/"`: the directory itself
  std::lock_guard<std::mutex> lock(dir->mutex_);
  const Looked l = look_locked(dir, epoch);
  if (l.look.error == ENOENT || l.look.error == ENOTDIR) return true;
  if (!may_have_locked(dir, l, name.substr(0, name.find('/')))) return true;
  Node::Known& k = dir->known();
  bool known = k.absent_id == l.look.id && (k.absent_safe || k.absent_epoch == epoch);
  if (!known) {
    k.absent.clear();
    k.absent_id = l.look.id;
    k.absent_epoch = epoch;
    k.absent_safe = l.look.id.newest_ns() < l.at_ns - kSafeNs;
  }
  std::string key(name);
  if (k.absent.count(key)) return true;
  bool strict = name.size() > 2 && name.substr(name.size() - 2) == "/.", link;
  Look there = look_at_link(node(dir->path, strict ? name.substr(0, name.size() - 2) : name), epoch, &link);
  if (there.error != 0 ? there.error != ENOENT && there.error != ENOTDIR : strict || !there.id.is_dir()) return false;
  k.absent.insert(std::move(key));
  return true;
}

int Looker::scan(Node* n, uint64_t epoch, ScanAs as, std::shared_ptr<const ScanResult>* out) {
  Digest d;
  BlobLog::At known_at;
  FileId id;
  bool keep = false;
  {
    std::lock_guard<std::mutex> lock(n->mutex_);
    const Looked l = look_locked(n, epoch);
    if (l.look.error) return l.look.error;
    if (int e = digest_locked(n, l, &d)) return e;
    if (n->known().scan && n->known().scan_digest == d && n->known().scan_as == as) {
      *out = n->known().scan;
      return 0;
    }
    known_at = n->known().scan_at;
    id = l.look.id;
    keep = n->known().digest_safe && trusted(id, n->path);
  }
  KeyHasher kh("scan 9");
  kh.field("content", d);
  kh.field("assembler", static_cast<uint64_t>(as));
  Digest key = kh.finish();
  auto result = std::make_shared<ScanResult>();
  std::string bytes;
  BlobLog::At at = known_at;
  // The blob begins with its key, so that a place from the table can be trusted no more than it deserves.
  bool have = at.size > 16 && scans_.read(at, &bytes) && memcmp(bytes.data(), key.b.data(), 16) == 0 && decode_scan(std::string_view(bytes).substr(16), result.get());
  if (!have) {
    if (scans_.get(key, &bytes, &at) && decode_scan(bytes, result.get())) {
      have = true;
    } else {
      std::string data;
      FileId opened;
      if (int e = read_file(n->path.c_str(), &data, kMaxFile, &opened)) return e;
      if (sha256(data) != d) return EAGAIN;  // changed since it was digested
      *result = cchain::scan(data, as);
      have = scans_.put(key, encode_scan(*result), &at);
    }
    if (have && keep) {
      Table::Value v;
      memcpy(v.data(), d.b.data(), 32);
      memcpy(v.data() + 32, &at.offset, 5);
      memcpy(v.data() + 37, &at.size, 3);
      digests_.put(identity_key(boot_, id), v);
    }
  }
  {
    std::lock_guard<std::mutex> lock(n->mutex_);
    n->known().scan = result;
    n->known().scan_digest = d;
    n->known().scan_as = as;
  }
  *out = std::move(result);
  return 0;
}

}  // namespace cchain

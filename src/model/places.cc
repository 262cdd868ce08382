// SPDX-License-Identifier: Apache-2.0
#include "model/places.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <tuple>

#include "base/varint.h"
#include "model/precompiled.h"

namespace cchain {

namespace {
constexpr uint8_t kVersion = 1;
constexpr uint64_t kMaxCount = 1u << 22;

// Directories that a thread holds open, and all threads of the host together, which must not run out of descriptors.
class OpenDirs {
 public:
  explicit OpenDirs(size_t n) : fds_(n) {}
  ~OpenDirs() { close(); }
  bool room() {
    if (held_ >= kMost) return false;
    held_++;
    if (all_.fetch_add(1, std::memory_order_relaxed) < kMostOfAll) return true;
    give_back(1);
    return false;
  }
  void give_back(int n) {
    held_ -= n;
    all_.fetch_sub(n, std::memory_order_relaxed);
  }
  Fd& operator[](size_t i) { return fds_[i]; }
  void close() {
    fds_.clear();
    give_back(held_);
  }

 private:
  static constexpr int kMost = 24, kMostOfAll = 96;
  static inline std::atomic<int> all_{0};
  int held_ = 0;
  std::vector<Fd> fds_;
};
}  // namespace

bool PlaceSet::decode(std::string_view bytes) {
  Reader r(bytes);
  if (r.byte() != kVersion) return false;
  flags = static_cast<uint32_t>(r.varint());
  uint64_t n_dirs = r.varint(), n_files = r.varint(), n_names = r.varint(), n_ranges = r.varint();
  // Each item takes at least one byte, so that counts can't claim more memory than the bytes have.
  if (!r.ok() || n_dirs > kMaxCount) return false;
  uint64_t room = bytes.size();
  for (uint64_t n : {n_dirs, n_files, n_names, n_ranges}) {
    if (n > room) return false;
    room -= n;
  }
  dirs.clear(), files.clear(), names.clear(), ranges.clear();
  dirs.reserve(n_dirs), files.reserve(n_files), names.reserve(n_names), ranges.reserve(n_ranges);
  for (uint64_t i = 0; i < n_dirs; i++) dirs.push_back(r.string());
  for (uint64_t i = 0; i < n_files; i++) {
    uint64_t word = r.varint();
    std::string_view name = r.string();
    if (!r.ok() || (word >> 4) >= n_dirs || (word & 7) > 5) return false;
    files.push_back({static_cast<uint32_t>(word >> 4), static_cast<PlaceKind>(word & 7), (word & 8) != 0, name});
  }
  for (uint64_t i = 0; i < n_names; i++) {
    names.push_back(r.string());
    if (names.back().substr(0, 1) == "/") return false;  // in the directory: one that led to the directory itself would wait for itself
  }
  uint64_t name = 0, places = 0;
  for (uint64_t i = 0; i < n_ranges; i++) {
    name += r.varint();
    uint64_t first = r.varint(), count = r.varint() + 1, last = first + count;
    // A few bytes could ask for any number of look-ups.
    if (!r.ok() || name >= n_names || first >= n_dirs || count > n_dirs || last > n_dirs || (places += count) > kMaxCount) return false;
    ranges.push_back({static_cast<uint32_t>(name), static_cast<uint32_t>(first), static_cast<uint32_t>(last)});
  }
  return r.ok() && r.at_end();
}

uint32_t PlaceSetBuilder::dir(std::string_view path) {
  std::string folded;
  if (bases) path = folded = bases->fold(path);
  auto it = dir_index_.find(path);
  if (it != dir_index_.end()) return it->second;
  uint32_t n = static_cast<uint32_t>(dirs_.size());
  dirs_.emplace_back(path);
  dir_index_.emplace(std::string(path), n);
  return n;
}

void PlaceSetBuilder::file(std::string_view dir_path, std::string_view name, PlaceKind kind, bool plain) {
  uint32_t d = dir(dir_path);
  auto [it, fresh] = file_index_.try_emplace({d, std::string(name)}, files_.size());
  if (fresh) {
    files_.push_back({d, kind, plain, std::string(name)});
    return;
  }
  File& f = files_[it->second];
  if (kind == PlaceKind::kInput) f.kind = kind;
  f.plain = f.plain && plain;
}

void PlaceSetBuilder::same(std::string_view dir_path, std::string_view name) {
  files_.push_back({dir(dir_path), PlaceKind::kSame, true, std::string(name)});
}

void PlaceSetBuilder::absent(uint32_t first_dir, uint32_t last_dir, std::string_view name) {
  if (first_dir >= last_dir) return;
  auto it = name_index_.find(name);
  uint32_t n;
  if (it != name_index_.end()) {
    n = it->second;
  } else {
    n = static_cast<uint32_t>(names_.size());
    names_.emplace_back(name);
    name_index_.emplace(std::string(name), n);
  }
  ranges_.push_back({n, first_dir, last_dir});
}

std::string PlaceSetBuilder::encode() const {
  std::vector<PlaceSet::Range> ranges = ranges_;
  auto less = [](const PlaceSet::Range& a, const PlaceSet::Range& b) {
    return std::tie(a.name, a.first, a.last) < std::tie(b.name, b.first, b.last);
  };
  std::sort(ranges.begin(), ranges.end(), less);
  std::vector<PlaceSet::Range> merged;
  for (auto& r : ranges) {
    if (!merged.empty() && merged.back().name == r.name && r.first <= merged.back().last)
      merged.back().last = std::max(merged.back().last, r.last);
    else
      merged.push_back(r);
  }
  std::string out;
  out.reserve(16384);
  out += static_cast<char>(kVersion);
  put_varint(&out, flags);
  put_varint(&out, dirs_.size());
  put_varint(&out, files_.size());
  put_varint(&out, names_.size());
  put_varint(&out, merged.size());
  for (auto& d : dirs_) put_string(&out, d);
  for (auto& f : files_) {
    put_varint(&out, uint64_t{f.dir} << 4 | (f.plain ? 8 : 0) | static_cast<uint64_t>(f.kind));
    put_string(&out, f.name);
  }
  for (auto& n : names_) put_string(&out, n);
  uint32_t name = 0;
  for (auto& r : merged) {
    put_varint(&out, r.name - name);
    name = r.name;
    put_varint(&out, r.first);
    put_varint(&out, r.last - r.first - 1);
  }
  return out;
}

Evaluation evaluate(Looker& looker, Table& memo, const Digest& base, std::string_view set_bytes, std::string_view cwd, uint64_t epoch,
                    std::vector<Seen>* used, const Relocation* relocation) {
  Evaluation ev;
  PlaceSet set;
  if (!set.decode(set_bytes)) {
    ev.why = "the inputs record can't be read";
    return ev;
  }
  Digest set_digest = sha256(set_bytes);
  const size_t nd = set.dirs.size(), nf = set.files.size();
  if (used) used->reserve(used->size() + nf);
  std::vector<Looker::Node*> dirs(nd), files(nf);
  std::vector<std::string_view> dir_paths(nd);
  std::vector<uint8_t> dir_state(nd);
  std::vector<uint64_t> busy_ids;
  std::vector<std::string> joined;
  joined.reserve(nd);
  std::vector<uint64_t> ids;
  ids.reserve(6 * (nd + nf));
  bool memoizable = true;
  uint64_t dev = ~0ull, mount = 0;
  auto trust = [&](const FileId& id, const Looker::Path& path) {
    if (id.dev == dev && id.mount == mount) return;
    dev = id.dev, mount = id.mount;
    if (!looker.trusted(id, path)) memoizable = false;
  };
  // Where many files lie directly in one directory, they are looked at from there.
  constexpr uint32_t kManyFiles = 4;
  std::vector<uint32_t> files_in(nd);
  OpenDirs open_dirs(nd);
  for (const auto& f : set.files)
    if (f.name.find('/') == std::string_view::npos) files_in[f.dir]++;
  int64_t now = now_ns();
  // What the memo is asked with: first the identities of all directories that are at least 2 s old; then without those that are busy, whose absent
  // names are looked up instead. A directory younger than that is in neither.
  enum : uint8_t { kQuiet, kBusy, kHot };
  for (size_t i = 0; i < nd; i++) {
    std::string_view p = set.dirs[i];
    if (p.empty() || p[0] != '/') {
      joined.push_back(p.empty() ? std::string(cwd) : path_join(cwd, relocation ? relocation->bases->unfold(p) : p));
      p = joined.back();
    }
    dirs[i] = looker.node(p);
    dir_paths[i] = dirs[i]->path;
    int64_t at = 0;
    const bool many = files_in[i] >= kManyFiles && open_dirs.room();
    Looker::Look l = many ? looker.look_and_open(dirs[i], epoch, &at, &open_dirs[i]) : looker.look(dirs[i], epoch, &at);
    if (many && !open_dirs[i]) open_dirs.give_back(1);
    if (l.error) {
      if (l.error != ENOENT && l.error != ENOTDIR) {
        ev.why = dirs[i]->path + ": " + strerror(l.error);
        return ev;
      }
      ids.insert(ids.end(), {~0ull, 0});
      continue;
    }
    dir_state[i] = l.id.newest_ns() > at - kSafeNs ? kHot : l.id.newest_ns() > now - kBusyNs ? kBusy : kQuiet;
    if (dir_state[i] != kQuiet) ids.insert(ids.end(), {~0ull, 1});
    if (dir_state[i] == kHot) {
      busy_ids.push_back(i);
      continue;
    }
    trust(l.id, dirs[i]->path);
    std::vector<uint64_t>& to = dir_state[i] == kBusy ? busy_ids : ids;
    to.insert(to.end(), {i, l.id.dev, l.id.ino, static_cast<uint64_t>(l.id.mtime_ns), static_cast<uint64_t>(l.id.ctime_ns), l.id.mount});
  }
  for (size_t i = 0; i < nf; i++) {
    const PlaceSet::File& f = set.files[i];
    files[i] = looker.node(dir_paths[f.dir], f.name);
    int64_t at = 0;
    const Fd& dir = open_dirs[f.dir];
    Looker::Look l = dir && f.name.find('/') == std::string_view::npos ? looker.look_in(dir, files[i], epoch, &at) : looker.look(files[i], epoch, &at);
    if (used) used->push_back({files[i], l.version});
    bool fits = !l.error && (f.kind == PlaceKind::kNames ? l.id.is_dir() : f.kind == PlaceKind::kWhich || l.id.is_regular());
    if (!fits) {
      ev.why = files[i]->path + (l.error ? " is gone" : " is of another kind");
      return ev;
    }
    if (f.kind == PlaceKind::kWhich) {
      ids.insert(ids.end(), {l.id.dev, l.id.ino});
      continue;
    }
    if (f.kind == PlaceKind::kSame) {
      size_t k = i;
      while (k > 0 && set.files[k].kind == PlaceKind::kSame) k--;
      if (!looker.look(files[k], epoch).id.same_file(l.id)) {
        ev.why = files[k]->path + " is no longer " + files[i]->path;
        return ev;
      }
      continue;
    }
    if (f.kind == PlaceKind::kExists && !(set.flags & PlaceSet::kTimes)) continue;
    trust(l.id, files[i]->path);
    if (l.id.newest_ns() > at - kSafeNs) memoizable = false;
    ids.insert(ids.end(), {l.id.dev, l.id.ino, l.id.size, static_cast<uint64_t>(l.id.mtime_ns), static_cast<uint64_t>(l.id.ctime_ns), l.id.mount});
  }

  open_dirs.close();

  auto check_names = [&](uint8_t state) {
    const bool gch = set.flags & PlaceSet::kGch;
    std::string with_gch;
    auto check = [&](size_t d, std::string_view name, bool itself) {
      if (dir_state[d] != state) return true;
      bool ok = !itself || looker.absent(dirs[d], name, epoch);
      if (ok && gch) {
        with_gch.assign(name);
        with_gch += ".gch/.";  // strict: a directory of that name is one of precompiled headers
        ok = looker.absent(dirs[d], with_gch, epoch);
      }
      if (!ok) ev.why = dirs[d]->path + "/" + std::string(name) + (!itself ? ".gch has appeared" : gch ? " or its .gch has appeared" : " has appeared");
      return ok;
    };
    for (const auto& r : set.ranges)
      for (uint32_t d = r.first; d < r.last; d++)
        if (!check(d, set.names[r.name], true)) return false;
    if (gch)
      for (const auto& f : set.files)
        if (!f.plain && !check(f.dir, f.name, false)) return false;
    return true;
  };
  auto any = [&](uint8_t state) { return std::find(dir_state.begin(), dir_state.end(), state) != dir_state.end(); };
  auto memo_key = [&](bool with_busy) {
    Xxh128 hashes[2] = {xxh128(ids.data(), ids.size() * sizeof ids[0]), {}};
    if (with_busy) hashes[1] = xxh128(busy_ids.data(), busy_ids.size() * sizeof busy_ids[0]);
    Sha256 h;
    h.update(with_busy ? "memo 2b" : "memo 2q", 7);
    h.update(looker.boot().b.data(), 32);
    h.update(base.b.data(), 32);
    h.update(set_digest.b.data(), 32);
    h.update(hashes, sizeof hashes);
    h.update(cwd);
    if (!relocation) return h.finish();
    KeyHasher kh("memo relocated 2");
    kh.field("of", h.finish());
    relocation->bases->add_to(&kh);
    return kh.finish();
  };
  Table::Value v;
  if (any(kHot) && !check_names(kHot)) return ev;
  const bool two = any(kBusy);
  auto known = [&](bool with_busy) {
    if (!memoizable || !memo.get(memo_key(with_busy), &v)) return false;
    memcpy(ev.key.b.data(), v.data(), 32);
    ev.folded = v[32];
    ev.matched = true;
    return true;
  };
  if (known(two)) return ev;
  if (two) {
    if (!check_names(kBusy)) return ev;
    if (known(false)) {
      memo.put(memo_key(true), v);
      return ev;
    }
  }
  if (!check_names(kQuiet)) return ev;
  std::string digests;
  digests.reserve(33 * nf);
  for (size_t i = 0; i < nf; i++) {
    PlaceKind kind = set.files[i].kind;
    digests += static_cast<char>(kind);
    if (kind == PlaceKind::kInput || kind == PlaceKind::kNames) {
      Digest d;
      if (int e = looker.digest(files[i], epoch, &d)) {
        ev.why = files[i]->path + ": " + strerror(e);
        return ev;
      }
      if (relocation && kind == PlaceKind::kInput) {
        Folding folding;
        if (int e = relocated_digest(&memo, files[i], d, *relocation, &d, &folding)) {
          ev.why = files[i]->path + ": " + strerror(e);
          return ev;
        }
        ev.folded = ev.folded || folding != Folding::kNone;
        if (folding == Folding::kApart && ev.apart.empty()) ev.apart = files[i]->path;
      }
      digests.append(reinterpret_cast<const char*>(d.b.data()), 32);
    } else if (kind == PlaceKind::kPrecompiled) {
      Digest d;
      Precompiled made;
      if (int e = looker.digest(files[i], epoch, &d)) {
        ev.why = files[i]->path + ": " + strerror(e);
        return ev;
      }
      if (!find_precompiled(&looker, d, &made)) {
        ev.why = files[i]->path + " was not made through the cache";
        return ev;
      }
      if (std::string moved = made.timed ? moved_text(&looker, made, epoch) : ""; !moved.empty()) {
        ev.why = moved + " has another time than when " + std::string(files[i]->path) + " was made";
        return ev;
      }
      digests.append(reinterpret_cast<const char*>(made.made_of.b.data()), 32);
    } else if (kind == PlaceKind::kWhich) {
      FileId id = looker.look(files[i], epoch).id;
      digests.append(reinterpret_cast<const char*>(&id.dev), 8);
      digests.append(reinterpret_cast<const char*>(&id.ino), 8);
    }
  }
  for (size_t i = 0; set.flags & PlaceSet::kTimes && i < nf; i++) {
    const FileId id = looker.look(files[i], epoch).id;
    const int64_t times[2] = {static_cast<int64_t>(id.size), id.mtime_ns / 1'000'000'000};
    digests.append(reinterpret_cast<const char*>(times), sizeof times);
  }
  KeyHasher kh("cchain result 2");
  kh.field("base", base);
  kh.field("places", set_digest);
  kh.field("found", digests);
  ev.key = kh.finish();
  ev.matched = true;
  if (memoizable) {
    v.fill(0);
    memcpy(v.data(), ev.key.b.data(), 32);
    v[32] = ev.folded;
    memo.put(memo_key(false), v);
    if (two) memo.put(memo_key(true), v);
  }
  return ev;
}

int folded_files(Looker& looker, Table& memo, std::string_view set_bytes, std::string_view cwd, uint64_t epoch, const Relocation& relocation, std::vector<std::string>* paths) {
  PlaceSet set;
  if (!set.decode(set_bytes)) return EINVAL;
  for (auto& f : set.files) {
    if (f.kind != PlaceKind::kInput) continue;
    Looker::Node* n = looker.node(path_join(path_join(cwd, relocation.bases->unfold(set.dirs[f.dir])), f.name));
    Digest d;
    Folding folding;
    if (int e = looker.digest(n, epoch, &d)) return e;
    if (int e = relocated_digest(&memo, n, d, relocation, &d, &folding)) return e;
    if (folding == Folding::kFolded) paths->push_back(n->path);
  }
  return 0;
}

}  // namespace cchain

// SPDX-License-Identifier: Apache-2.0
#include "model/precompiled.h"

#include <cstring>

#include "base/varint.h"
#include "model/places.h"

namespace cchain {

namespace {

Digest key_of(const Digest& bytes) {
  KeyHasher kh("precompiled header 2");
  kh.field("bytes", bytes);
  return kh.finish();
}

int64_t seconds(const FileId& id) { return id.mtime_ns / 1'000'000'000; }

}  // namespace

std::string Precompiled::folder_in(std::string_view other, const File& f) const { return other == cwd ? f.dir : path_join(cwd, f.dir); }

void remember_precompiled(Looker* looker, Table* memo, const Digest& bytes, const Digest& base, std::string_view set_bytes, std::string_view cwd, uint64_t epoch,
                          const Relocation* relocation) {
  PlaceSet set;
  if (!set.decode(set_bytes)) return;
  std::string out(32, '\0'), texts;
  out += static_cast<char>(set.flags & PlaceSet::kTimes ? 1 : 0);
  put_string(&out, cwd);
  for (auto& f : set.files) {
    if (f.kind != PlaceKind::kInput) continue;
    const std::string dir = relocation ? relocation->bases->unfold(set.dirs[f.dir]) : std::string(set.dirs[f.dir]);
    Looker::Node* n = looker->node(path_join(cwd, path_join(dir, f.name)));
    const Looker::Look look = looker->look(n, epoch);
    Digest d, folded;
    Folding folding;
    if (look.error || looker->digest(n, epoch, &d) != 0) return;
    folded = d;
    if (relocation && relocated_digest(memo, n, d, *relocation, &folded, &folding) != 0) return;
    put_string(&out, dir);
    put_string(&out, f.name);
    out.append(reinterpret_cast<const char*>(d.b.data()), 32);
    texts.append(reinterpret_cast<const char*>(folded.b.data()), 32);
    put_varint(&out, look.id.size);
    put_varint(&out, static_cast<uint64_t>(seconds(look.id)));
  }
  KeyHasher kh("precompiled of 1");
  kh.field("base", base);
  kh.field("places", sha256(set_bytes));
  kh.field("texts", texts);
  const Digest made_of = kh.finish(), key = key_of(bytes);
  memcpy(out.data(), made_of.b.data(), 32);
  std::string known;
  if (!looker->precompiled().get(key, &known) || known != out) looker->precompiled().put(key, out);
}

bool find_precompiled(Looker* looker, const Digest& bytes, Precompiled* what) {
  std::string known;
  if (!looker->precompiled().get(key_of(bytes), &known)) return false;
  Reader r(known);
  auto digest = [&](Digest* d) {
    std::string_view b = r.bytes(32);
    if (b.size() == 32) memcpy(d->b.data(), b.data(), 32);
  };
  digest(&what->made_of);
  what->timed = r.byte() != 0;
  what->cwd = r.string();
  what->files.clear();
  while (r.ok() && !r.at_end()) {
    Precompiled::File& f = what->files.emplace_back();
    f.dir = r.string();
    f.name = r.string();
    digest(&f.digest);
    f.size = r.varint();
    f.mtime_s = static_cast<int64_t>(r.varint());
  }
  return r.ok();
}

std::string moved_text(Looker* looker, const Precompiled& p, uint64_t epoch) {
  for (auto& f : p.files) {
    Looker::Node* n = looker->node(path_join(p.cwd, path_join(f.dir, f.name)));
    const Looker::Look look = looker->look(n, epoch);
    if (look.error || look.id.size != f.size || seconds(look.id) != f.mtime_s) return std::string(n->path);
  }
  return {};
}

}  // namespace cchain

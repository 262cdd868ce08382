// SPDX-License-Identifier: Apache-2.0
#include "core/chain.h"

#include <cerrno>
#include <cstring>
#include <map>

namespace cchain {

namespace {
// Decoding costs about 1 µs for each KiB of output, a page of disk saved a fifth of nothing for small objects: measured in tests/bench, said in README.
constexpr uint64_t kAutoMinSize = 256u << 10;

CompressionPolicy policy_of(const LayerConfig& c) {
  CompressionPolicy p;
  p.level = c.compression_level;
  p.min_size = c.compression == Compression::kOff ? UINT64_MAX : c.compression == Compression::kOn ? 0 : kAutoMinSize;
  return p;
}
bool writable(const Chain::Link& l) { return l.layer->writable && l.config.write; }
bool readable(const Chain::Link& l) { return l.layer->readable && l.config.read; }
}  // namespace

void Chain::bad_blob(Layer* layer, const Address& a, EntryState state) {
  layer->counters.errors.fetch_add(1, std::memory_order_relaxed);
  if (state != EntryState::kCorrupt) return;
  log_->line(kLogError, "layer %s: %.*s/%.*s is damaged", layer->name().c_str(), static_cast<int>(a.hex.size()), a.hex.data(), static_cast<int>(a.blob.size()),
             a.blob.data());
  if (layer->local() && layer->writable) layer->remove(a);
}

bool Chain::get_entry(std::string_view tenant, const Digest& key, std::string_view stream_class, uint64_t limit, const std::atomic<bool>& cancelled, Found* found) {
  std::string hex = key.hex();
  Address a{Space::kCompile, tenant, hex, "entry"};
  for (size_t i = 0; i < links_.size(); i++) {
    if (!readable(links_[i]) || cancelled.load(std::memory_order_relaxed)) continue;
    Layer* layer = links_[i].layer.get();
    if (layer->get(a, &found->bytes) != Answer::kHit) continue;
    EntryState state = decode_entry(found->bytes, key, limit, &found->e, &found->decoded);
    if (state != EntryState::kWhole) {
      bad_blob(layer, a, state);
      continue;
    }
    const Entry& e = found->e;
    if (!(e.stdout_data.empty() && e.stderr_data.empty()) && e.stream_class != stream_class) continue;
    found->layer = static_cast<uint32_t>(i);
    for (size_t j = 0; j < i; j++)
      if (writable(links_[j]) && links_[j].config.promote) links_[j].layer->put(a, found->bytes, false);
    return true;
  }
  return false;
}

int Chain::put_entry(std::string_view tenant, const Digest& key, const Entry& e, std::string_view meta, bool replace) {
  std::string hex = key.hex();
  Address a{Space::kCompile, tenant, hex, "entry"};
  int result = 0;
  std::map<std::pair<int, uint64_t>, std::string> encoded;
  for (auto& l : links_) {
    if (!writable(l)) continue;
    CompressionPolicy p = policy_of(l.config);
    std::string& bytes = encoded[{p.level, p.min_size}];
    if (bytes.empty()) bytes = encode_entry(e, key, p, meta);
    int err = l.layer->put(a, bytes, replace);
    if (err == EEXIST) continue;
    if (err && !result && l.layer->local()) result = err;
    if (!err) l.layer->counters.stores.fetch_add(1, std::memory_order_relaxed);
  }
  return result;
}

bool Chain::get_record(size_t i, std::string_view tenant, const Digest& key, InputsRecord* r) {
  if (!readable(links_[i])) return false;
  std::string hex = key.hex(), bytes;
  Address a{Space::kInputs, tenant, hex, "record"};
  Layer* layer = links_[i].layer.get();
  if (layer->get(a, &bytes) != Answer::kHit) return false;
  EntryState state = decode_record(bytes, key, r);
  if (state != EntryState::kWhole) bad_blob(layer, a, state);
  return state == EntryState::kWhole;
}

void Chain::put_set_in(size_t i, std::string_view tenant, const Digest& key, const InputsRecord::Set& set) {
  InputsRecord r;
  bool there = get_record(i, tenant, key, &r);
  for (size_t k = 0; k < r.sets.size(); k++) {
    if (r.sets[k].places != set.places) continue;
    if (r.sets[k].streams == set.streams) return;
    r.sets.erase(r.sets.begin() + static_cast<ptrdiff_t>(k));
    break;
  }
  r.sets.insert(r.sets.begin(), set);
  if (r.sets.size() > InputsRecord::kMaxSets) r.sets.resize(InputsRecord::kMaxSets);
  std::string hex = key.hex();
  links_[i].layer->put({Space::kInputs, tenant, hex, "record"}, encode_record(r, key), there);
}

void Chain::put_set(std::string_view tenant, const Digest& key, const InputsRecord::Set& set) {
  for (size_t i = 0; i < links_.size(); i++)
    if (writable(links_[i])) put_set_in(i, tenant, key, set);
}

void Chain::promote_set(size_t from, std::string_view tenant, const Digest& key, const InputsRecord::Set& set) {
  for (size_t i = 0; i < from; i++)
    if (writable(links_[i]) && links_[i].config.promote) put_set_in(i, tenant, key, set);
}

bool Chain::get_blob(Space space, std::string_view tenant, const Digest& digest, std::string* out) {
  std::string hex = digest.hex();
  Address a{space, tenant, hex, "data"};
  for (size_t i = 0; i < links_.size(); i++) {
    if (!readable(links_[i])) continue;
    Layer* layer = links_[i].layer.get();
    if (layer->get(a, out) != Answer::kHit) {
      layer->counters.misses.fetch_add(1, std::memory_order_relaxed);
      continue;
    }
    if (sha256(*out) != digest) {
      bad_blob(layer, a, EntryState::kCorrupt);
      continue;
    }
    layer->counters.hits.fetch_add(1, std::memory_order_relaxed);
    for (size_t j = 0; j < i; j++)
      if (writable(links_[j]) && links_[j].config.promote) links_[j].layer->put(a, *out, false);
    return true;
  }
  return false;
}

int Chain::put_blob(Space space, std::string_view tenant, const Digest& digest, std::string_view data) {
  std::string hex = digest.hex();
  int result = 0;
  for (auto& l : links_) {
    if (!writable(l)) continue;
    int err = l.layer->put({space, tenant, hex, "data"}, data, false);
    if (err == EEXIST) continue;
    if (err && !result && l.layer->local()) result = err;
    if (!err) l.layer->counters.stores.fetch_add(1, std::memory_order_relaxed);
  }
  return result;
}

}  // namespace cchain

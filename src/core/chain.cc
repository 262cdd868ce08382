// SPDX-License-Identifier: Apache-2.0
#include "core/chain.h"

#include <cerrno>
#include <cstring>
#include <map>

namespace cchain {

namespace {
// Decoding costs about 1 µs for each KiB of output, a page of disk saved a fifth of nothing for small objects: measured in tests/bench, said in README.
constexpr uint64_t kAutoMinSize = 256u << 10;
constexpr uint64_t kAutoMinSizeRemote = 2u << 10;

CompressionPolicy policy_of(const LayerConfig& c) {
  CompressionPolicy p;
  p.level = c.compression_level;
  // Over a network a byte costs more than its decoding.
  p.min_size = c.compression == Compression::kOff ? UINT64_MAX : c.compression == Compression::kOn ? 0 : c.remote() ? kAutoMinSizeRemote : kAutoMinSize;
  return p;
}
bool writable(const Chain::Link& l) { return l.layer->writable && l.config.write; }
}  // namespace

void Chain::bad_blob(Layer* layer, const Address& a, EntryState state) {
  layer->counters.errors.fetch_add(1, std::memory_order_relaxed);
  if (state != EntryState::kCorrupt) return;
  layer->distrust();
  log_->line(kLogError, "layer %s: %.*s/%.*s is damaged", layer->name().c_str(), static_cast<int>(a.hex.size()), a.hex.data(), static_cast<int>(a.blob.size()),
             a.blob.data());
  if (layer->local() && layer->writable) layer->remove(a);
}

bool Chain::get_entry(std::string_view tenant, const Digest& key, std::string_view stream_class, uint64_t limit, const std::atomic<bool>& cancelled, Found* found) {
  std::string hex = key.hex();
  Address a{Space::kCompile, tenant, hex, "entry"};
  for (size_t i = 0; i < links_.size(); i++) {
    if (!readable(i) || cancelled.load(std::memory_order_relaxed)) continue;
    Layer* layer = links_[i].layer.get();
    uint64_t age_s = 0;
    if ((links_[i].remote ? layer->get_aged(a, &found->bytes, &age_s) : layer->get(a, &found->bytes)) != Answer::kHit) continue;
    EntryState state = decode_entry(found->bytes, key, limit, &found->e, &found->decoded);
    if (state != EntryState::kWhole) {
      bad_blob(layer, a, state);
      continue;
    }
    const Entry& e = found->e;
    if (!(e.stdout_data.empty() && e.stderr_data.empty()) && e.stream_class != stream_class) continue;
    found->layer = static_cast<uint32_t>(i);
    for (size_t j = 0; j < i; j++) {
      if (!writable(links_[j]) || !links_[j].config.promote) continue;
      if (!is_behind(i, j)) links_[j].layer->put(a, found->bytes, false);
      else behind_->put(j, a, std::make_shared<std::string>(encode_entry(e, key, policy_of(links_[j].config), e.meta)), false);
    }
    refresh(i, a, found->bytes, age_s);
    return true;
  }
  return false;
}

// Where a bucket's rule removes what is old, what is still used must not look old.
void Chain::refresh(size_t i, const Address& a, const std::string& bytes, uint64_t age_s) {
  const LayerConfig& c = links_[i].config;
  if (links_[i].remote && c.refresh_after_s && age_s > c.refresh_after_s && writable(links_[i])) behind_->put(i, a, std::make_shared<std::string>(bytes), true);
}

int Chain::put_entry(std::string_view tenant, const Digest& key, const Entry& e, std::string_view meta, bool replace) {
  std::string hex = key.hex();
  Address a{Space::kCompile, tenant, hex, "entry"};
  int result = 0;
  std::map<std::pair<int, uint64_t>, std::string> encoded;
  for (size_t i = 0; i < links_.size(); i++) {
    Link& l = links_[i];
    if (!writable(l)) continue;
    CompressionPolicy p = policy_of(l.config);
    if (l.remote) {
      if (behind_->wants(i)) behind_->put(i, a, std::make_shared<std::string>(encode_entry(e, key, p, meta)), replace);
      continue;
    }
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
  if (!readable(i)) return false;
  std::string hex = key.hex(), bytes;
  Address a{Space::kInputs, tenant, hex, "record"};
  Layer* layer = links_[i].layer.get();
  uint64_t age_s = 0;
  if ((links_[i].remote ? layer->get_aged(a, &bytes, &age_s) : layer->get(a, &bytes)) != Answer::kHit) return false;
  EntryState state = decode_record(bytes, key, r);
  if (state != EntryState::kWhole) bad_blob(layer, a, state);
  else if (age_s) refresh(i, a, bytes, age_s);
  return state == EntryState::kWhole;
}

void Chain::put_set_in(size_t i, std::string_view tenant, const Digest& key, const InputsRecord::Set& set) {
  InputsRecord r;
  bool there = get_record(i, tenant, key, &r);
  if (!merge_set(&r, set)) return;
  std::string hex = key.hex();
  links_[i].layer->put({Space::kInputs, tenant, hex, "record"}, encode_record(r, key), there);
}

void Chain::put_set(std::string_view tenant, const Digest& key, const InputsRecord::Set& set) {
  for (size_t i = 0; i < links_.size(); i++) {
    if (!writable(links_[i])) continue;
    if (!links_[i].remote) put_set_in(i, tenant, key, set);
    else if (behind_->wants(i)) behind_->merge(i, tenant, key, set);
  }
}

void Chain::promote_set(size_t from, std::string_view tenant, const Digest& key, const InputsRecord::Set& set) {
  for (size_t i = 0; i < from; i++) {
    if (!writable(links_[i]) || !links_[i].config.promote) continue;
    if (is_behind(from, i)) behind_->merge(i, tenant, key, set);
    else put_set_in(i, tenant, key, set);
  }
}

bool Chain::get_blob(Space space, std::string_view tenant, const Digest& digest, std::string* out) {
  std::string hex = digest.hex();
  Address a{space, tenant, hex, "data"};
  for (size_t i = 0; i < links_.size(); i++) {
    if (!readable(i)) continue;
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
    for (size_t j = 0; j < i; j++) {
      if (!writable(links_[j]) || !links_[j].config.promote) continue;
      if (is_behind(i, j)) behind_->put(j, a, std::make_shared<std::string>(*out), false);
      else links_[j].layer->put(a, *out, false);
    }
    return true;
  }
  return false;
}

int Chain::put_blob(Space space, std::string_view tenant, const Digest& digest, std::string_view data) {
  std::string hex = digest.hex();
  int result = 0;
  for (size_t i = 0; i < links_.size(); i++) {
    Link& l = links_[i];
    if (!writable(l)) continue;
    if (l.remote) {
      behind_->put(i, {space, tenant, hex, "data"}, std::make_shared<std::string>(data), false);
      continue;
    }
    int err = l.layer->put({space, tenant, hex, "data"}, data, false);
    if (err == EEXIST) continue;
    if (err && !result && l.layer->local()) result = err;
    if (!err) l.layer->counters.stores.fetch_add(1, std::memory_order_relaxed);
  }
  return result;
}

}  // namespace cchain

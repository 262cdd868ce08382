// SPDX-License-Identifier: Apache-2.0
#include "core/chain.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

namespace cchain {

namespace {
// Decoding costs about 1 µs for each KiB of output, a page of disk saved a fifth of nothing for small objects: measured in tests/bench, said in README.
constexpr uint64_t kAutoMinSize = 256u << 10;
constexpr uint64_t kAutoMinSizeRemote = 2u << 10;
constexpr size_t kMostDoubted = 1 << 16;

CompressionPolicy policy_of(const LayerConfig& c) {
  CompressionPolicy p;
  p.level = c.compression_level;
  // Over a network a byte costs more than its decoding.
  p.min_size = c.compression == Compression::kOff ? UINT64_MAX : c.compression == Compression::kOn ? 0 : c.remote() ? kAutoMinSizeRemote : kAutoMinSize;
  return p;
}
bool writable(const Chain::Link& l) { return l.layer->writable && l.config.write; }
std::string whole_name(const Address& a) {
  return std::string(1, static_cast<char>('0' + static_cast<int>(a.space))).append(a.tenant).append("/").append(a.hex);
}
// What comes from one of the layers and nobody has vouched for goes on without its seal, whatever that says.
std::string unsealed(std::string_view bytes) {
  Seal seal;
  take_seal(&bytes, &seal);
  return std::string(bytes);
}
}  // namespace

void Chain::set_keys(const std::vector<LayerConfig>& configured, const std::string& token, Table* verified) {
  std::vector<SealKeyPtr> all;
  for (auto& c : configured) {
    if (c.sign_key) all.push_back(c.sign_key);
    for (auto& k : c.verify_keys)
      if (k) all.push_back(k);
  }
  for (auto& l : links_) {
    if (l.config.keyed) {
      std::vector<SealKeyPtr> keys = l.config.verify_keys;
      if (l.config.sign_key) keys.push_back(l.config.sign_key);
      l.trust = std::make_unique<Trust>(l.layer.get(), l.config.sign_key, std::move(keys), verified);
    } else if (l.layer->local()) {
      l.trust = std::make_unique<Trust>(l.layer.get(), all, token, verified);
    }
  }
}

void Chain::flush() {
  for (auto& l : links_) {
    l.layer->flush();
    if (l.trust) l.trust->flush();
  }
}

bool Chain::wants_library() const {
  for (auto& l : links_)
    if (l.trust && (l.trust->wants_library() || (l.config.sign_key && l.config.sign_key->kind == SealKind::kEd25519 && writable(l)))) return true;
  return false;
}

bool Chain::puts(const Link& l) const { return writable(l) && (!l.trust || l.trust->can_seal()); }

bool Chain::takes() const {
  return std::any_of(links_.begin(), links_.end(), [this](const Link& l) { return puts(l); });
}

bool Chain::was_doubted(size_t layer, const Address& a) {
  std::lock_guard<std::mutex> lock(doubted_mutex_);
  return !doubted_.empty() && doubted_.erase({layer, whole_name(a)}) > 0;
}

void Chain::bad_blob(size_t i, const Address& a, EntryState state, const std::string& why) {
  Layer* layer = links_[i].layer.get();
  layer->counters.errors.fetch_add(1, std::memory_order_relaxed);
  if (state == EntryState::kUntrusted || (state == EntryState::kCorrupt && !layer->local())) {
    std::lock_guard<std::mutex> lock(doubted_mutex_);
    if (doubted_.size() < kMostDoubted) doubted_.insert({i, whole_name(a)});
  }
  if (state == EntryState::kUntrusted)
    log_->line(kLogInfo, "%.12s/%.*s: %s", std::string(a.hex).c_str(), static_cast<int>(a.blob.size()), a.blob.data(), why.c_str());
  if (state != EntryState::kCorrupt) return;
  layer->distrust();
  log_->line(kLogError, "layer %s: %.*s/%.*s is damaged", layer->name().c_str(), static_cast<int>(a.hex.size()), a.hex.data(), static_cast<int>(a.blob.size()),
             a.blob.data());
  if (layer->local() ? layer->writable : writable(links_[i])) layer->remove(a);
}

bool Chain::get_entry(std::string_view tenant, const Digest& key, std::string_view stream_class, uint64_t limit, const std::atomic<bool>& cancelled, Found* found) {
  std::string hex = key.hex();
  Address a{Space::kCompile, tenant, hex, "entry"};
  for (size_t i = 0; i < links_.size(); i++) {
    if (!readable(i) || cancelled.load(std::memory_order_relaxed)) continue;
    Layer* layer = links_[i].layer.get();
    uint64_t age_s = 0;
    if ((links_[i].remote ? layer->get_aged(a, &found->bytes, &age_s) : layer->get(a, &found->bytes)) != Answer::kHit) continue;
    Trust::Check check(links_[i].trust.get(), a);
    EntryState state = decode_entry(found->bytes, key, limit, &found->e, &found->decoded, links_[i].trust ? &check : nullptr);
    if (state != EntryState::kWhole) {
      if (state == EntryState::kUntrusted && found->untrusted.empty()) found->untrusted = check.why;
      bad_blob(i, a, state, check.why);
      continue;
    }
    const Entry& e = found->e;
    if (!(e.stdout_data.empty() && e.stderr_data.empty()) && e.stream_class != stream_class) continue;
    found->layer = static_cast<uint32_t>(i);
    found->key = key;
    for (size_t j = 0; j < i; j++)
      if (writable(links_[j]) && links_[j].config.promote) promote_entry(i, j, a, found, check.voucher);
    refresh(i, a, found->bytes, age_s);
    return true;
  }
  return false;
}

void Chain::promote_entry(size_t from, size_t to, const Address& a, Found* found, Trust::Voucher voucher) {
  const Link& l = links_[to];
  const bool behind = is_behind(from, to);
  std::string bytes;
  if (!l.trust && !behind) {
    std::string_view rest = found->bytes;
    Seal seal;
    // Copied as it is, unless it claims what is not for us to pass on.
    if (!take_seal(&rest, &seal) || seal.kind == SealKind::kNone) return void(l.layer->put(a, found->bytes, false));
  }
  bytes = behind ? encode_entry(found->e, found->key, policy_of(l.config), found->e.meta) : unsealed(found->bytes);
  if (!l.trust) {
    put_seal(&bytes, {});
  } else if (!l.trust->seal(a, voucher, &bytes)) {
    // We can't vouch for it, but who has signed it may be trusted there too.
    std::string_view rest = found->bytes;
    Seal seal;
    if (!voucher || !take_seal(&rest, &seal) || !l.trust->takes(seal)) return;
    bytes = found->bytes;
  }
  const bool replace = was_doubted(to, a);
  if (behind) behind_->put(to, a, std::make_shared<std::string>(std::move(bytes)), replace);
  else l.layer->put(a, bytes, replace);
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
    if (!puts(l)) continue;
    if (l.remote && !behind_->wants(i)) continue;
    CompressionPolicy p = policy_of(l.config);
    std::string& bytes = encoded[{p.level, p.min_size}];
    if (bytes.empty()) bytes = encode_entry(e, key, p, meta);
    // Each layer's seal is its own.
    const size_t plain = bytes.size();
    if (!l.trust) put_seal(&bytes, {});
    else if (!l.trust->seal(a, 0, &bytes)) continue;
    const bool over = replace || was_doubted(i, a);
    int err = 0;
    if (l.remote) behind_->put(i, a, std::make_shared<std::string>(bytes), over);
    else err = l.layer->put(a, bytes, over);
    bytes.resize(plain);
    if (l.remote) continue;
    if (err == EEXIST) continue;
    if (err && !result && l.layer->local()) result = err;
    if (!err) l.layer->counters.stores.fetch_add(1, std::memory_order_relaxed);
  }
  return result;
}

void Chain::drop_entry(std::string_view tenant, const Digest& key) {
  std::string hex = key.hex();
  for (auto& l : links_)
    if (l.layer->local() && writable(l)) l.layer->remove({Space::kCompile, tenant, hex, "entry"});
}

bool Chain::get_record(size_t i, std::string_view tenant, const Digest& key, InputsRecord* r, std::string* untrusted) {
  if (!readable(i)) return false;
  std::string hex = key.hex(), bytes;
  Address a{Space::kInputs, tenant, hex, "record"};
  Layer* layer = links_[i].layer.get();
  uint64_t age_s = 0;
  if ((links_[i].remote ? layer->get_aged(a, &bytes, &age_s) : layer->get(a, &bytes)) != Answer::kHit) return false;
  std::string why;
  EntryState state = open_record(i, tenant, key, bytes, r, &why);
  if (state != EntryState::kWhole) bad_blob(i, a, state, why);
  else if (age_s) refresh(i, a, bytes, age_s);
  if (untrusted && untrusted->empty()) *untrusted = std::move(why);
  return state == EntryState::kWhole;
}

EntryState Chain::open_record(size_t i, std::string_view tenant, const Digest& key, std::string_view bytes, InputsRecord* r, std::string* untrusted) const {
  const Trust* trust = links_[i].trust.get();
  if (!trust) return decode_record(bytes, key, r);
  std::string hex = key.hex();
  EntryState state = trust->open_record({Space::kInputs, tenant, hex, "record"}, bytes, key, r, untrusted);
  if (state != EntryState::kWhole) r->sets.clear();
  return state;
}

void Chain::put_set_in(size_t i, std::string_view tenant, const Digest& key, const InputsRecord::Set& set) {
  const Link& l = links_[i];
  InputsRecord r;
  bool there = get_record(i, tenant, key, &r);
  if (!merge_set(&r, set)) return;
  std::string hex = key.hex(), bytes;
  Address a{Space::kInputs, tenant, hex, "record"};
  if (!l.trust) bytes = encode_record(r, key);
  else if (!l.trust->make_record(a, r, key, &bytes)) return;
  l.layer->put(a, bytes, there || was_doubted(i, a));
}

void Chain::put_set(std::string_view tenant, const Digest& key, const InputsRecord::Set& set) {
  for (size_t i = 0; i < links_.size(); i++) {
    if (!puts(links_[i])) continue;
    if (!links_[i].remote) put_set_in(i, tenant, key, set);
    else if (behind_->wants(i)) behind_->merge(i, tenant, key, set);
  }
}

// With keys, a set goes on to a layer that wants them from one that wanted them too.
void Chain::promote_set(size_t from, std::string_view tenant, const Digest& key, const InputsRecord::Set& set) {
  for (size_t i = 0; i < from; i++) {
    if (!puts(links_[i]) || !links_[i].config.promote || (links_[i].trust && !links_[from].trust)) continue;
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
      bad_blob(i, a, EntryState::kCorrupt);
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

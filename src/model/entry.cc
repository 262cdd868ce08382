// SPDX-License-Identifier: Apache-2.0
#include "model/entry.h"

#include <cstring>

#include "base/compress.h"
#include "base/varint.h"

namespace cchain {

namespace {
constexpr char kEntryMagic[4] = {'C', 'C', 'E', '1'};
constexpr char kRecordMagic[4] = {'C', 'C', 'R', '1'};
constexpr size_t kMaxOutputs = 64;
constexpr size_t kMaxRecord = 64u << 20;
enum Codec : uint8_t { kRaw = 0, kZstd = 1 };

std::string_view view(const Digest& d) { return {reinterpret_cast<const char*>(d.b.data()), d.b.size()}; }
void put_hash(std::string* out) {
  Xxh128 h = xxh128(out->data(), out->size());
  out->append(reinterpret_cast<const char*>(&h.lo), 8);
  out->append(reinterpret_cast<const char*>(&h.hi), 8);
}
bool hash_is(std::string_view body, std::string_view stored) {
  Xxh128 h = xxh128(body.data(), body.size());
  return stored.size() == 16 && memcmp(&h.lo, stored.data(), 8) == 0 && memcmp(&h.hi, stored.data() + 8, 8) == 0;
}
}  // namespace

std::string encode_entry(const Entry& e, const Digest& key, const CompressionPolicy& policy, std::string_view meta) {
  struct Stored {
    Codec codec = kRaw;
    std::string packed;
    std::string_view bytes;
  };
  std::vector<Stored> stored(e.outputs.size());
  size_t total = 0;
  for (size_t i = 0; i < e.outputs.size(); i++) {
    std::string_view raw = e.outputs[i].data;
    stored[i].bytes = raw;
    // Less than an eighth saved is not worth decoding on each hit.
    if (raw.size() >= policy.min_size && zstd_compress(raw, policy.level, &stored[i].packed) && stored[i].packed.size() < raw.size() - raw.size() / 8) {
      stored[i].codec = kZstd;
      stored[i].bytes = stored[i].packed;
    }
    total += stored[i].bytes.size();
  }
  std::string header;
  header.append(view(key));
  put_varint(&header, e.merged ? 1 : 0);
  put_varint(&header, static_cast<uint64_t>(e.exit_status));
  put_varint(&header, e.duration_ms);
  put_string(&header, e.stream_class);
  put_varint(&header, e.stdout_data.size());
  put_varint(&header, e.stderr_data.size());
  put_varint(&header, e.outputs.size());
  for (size_t i = 0; i < e.outputs.size(); i++) {
    put_string(&header, e.outputs[i].role);
    put_varint(&header, e.outputs[i].mode);
    header += static_cast<char>(stored[i].codec);
    put_varint(&header, e.outputs[i].data.size());
    put_varint(&header, stored[i].bytes.size());
  }
  std::string out;
  out.reserve(64 + header.size() + total + e.stdout_data.size() + e.stderr_data.size() + meta.size());
  out.append(kEntryMagic, 4);
  put_string(&out, header);
  out.append(e.stdout_data);
  out.append(e.stderr_data);
  for (auto& s : stored) out.append(s.bytes);
  put_hash(&out);
  out.append(meta);
  return out;
}

EntryState decode_entry(std::string_view bytes, const Digest& key, uint64_t limit, Entry* e, std::string* decoded, SealCheck* check) {
  Seal seal;
  const bool sealed = take_seal(&bytes, &seal);
  if (bytes.size() < 4) return EntryState::kCorrupt;
  if (memcmp(bytes.data(), kEntryMagic, 4) != 0) return memcmp(bytes.data(), kEntryMagic, 3) == 0 ? EntryState::kForeign : EntryState::kCorrupt;
  Reader body(bytes.substr(4));
  Reader r(body.string());
  if (!body.ok()) return EntryState::kCorrupt;
  std::string_view of_key = r.bytes(32);
  bool ours = of_key == view(key);
  e->merged = r.varint() & 1;
  uint64_t exit_status = r.varint();
  e->exit_status = static_cast<int>(exit_status);
  e->duration_ms = r.varint();
  e->stream_class = r.string();
  uint64_t out_size = r.varint(), err_size = r.varint(), n = r.varint();
  if (!r.ok() || n > kMaxOutputs || exit_status > 255) return EntryState::kCorrupt;
  struct Part {
    uint8_t codec;
    uint64_t raw, stored;
  };
  std::vector<Part> parts(n);
  e->outputs.assign(n, {});
  uint64_t left = bytes.size(), raw_total = 0, to_decode = 0;
  for (uint64_t i = 0; i < n; i++) {
    e->outputs[i].role = r.string();
    uint64_t mode = r.varint();
    parts[i] = {r.byte(), r.varint(), r.varint()};
    if (!r.ok() || mode > 07777 || parts[i].codec > kZstd || parts[i].stored > left || (parts[i].codec == kRaw && parts[i].raw != parts[i].stored))
      return EntryState::kCorrupt;
    e->outputs[i].mode = static_cast<uint32_t>(mode);
    left -= parts[i].stored;
    if (parts[i].raw > limit || (raw_total += parts[i].raw) > limit) return EntryState::kForeign;
    if (parts[i].codec == kZstd) to_decode += parts[i].raw;
  }
  if (!r.at_end()) return EntryState::kCorrupt;
  e->stdout_data = body.bytes(out_size);
  e->stderr_data = body.bytes(err_size);
  std::vector<std::string_view> stored(n);
  for (uint64_t i = 0; i < n; i++) stored[i] = body.bytes(parts[i].stored);
  size_t hashed = bytes.size() - body.left();
  std::string_view sum = body.bytes(16);
  if (!body.ok() || !hash_is(bytes.substr(0, hashed), sum)) return EntryState::kCorrupt;
  if (!ours) return EntryState::kForeign;
  e->meta = body.bytes(body.left());
  if (check && !check->good(bytes, sealed ? &seal : nullptr)) return EntryState::kUntrusted;
  if (to_decode) decoded->resize(to_decode);
  size_t at = 0;
  for (uint64_t i = 0; i < n; i++) {
    if (parts[i].codec == kRaw) {
      e->outputs[i].data = stored[i];
      continue;
    }
    if (!zstd_decompress(stored[i], decoded->data() + at, parts[i].raw)) return EntryState::kCorrupt;
    e->outputs[i].data = std::string_view(decoded->data() + at, parts[i].raw);
    at += parts[i].raw;
  }
  return EntryState::kWhole;
}

std::string encode_record(const InputsRecord& r, const Digest& invocation_key) {
  std::string out(kRecordMagic, 4);
  out.append(view(invocation_key));
  put_varint(&out, r.sets.size());
  for (auto& s : r.sets) {
    put_varint(&out, s.flags());
    put_string(&out, s.places);
  }
  put_hash(&out);
  return out;
}

EntryState decode_record(std::string_view bytes, const Digest& invocation_key, InputsRecord* r, SealCheck* check) {
  r->sets.clear();
  if (bytes.size() < 4 + 32 + 16 || bytes.size() > kMaxRecord) return EntryState::kCorrupt;
  if (memcmp(bytes.data(), kRecordMagic, 4) != 0) return memcmp(bytes.data(), kRecordMagic, 3) == 0 ? EntryState::kForeign : EntryState::kCorrupt;
  auto whole = [&] { return bytes.size() >= 4 + 32 + 16 && hash_is(bytes.substr(0, bytes.size() - 16), bytes.substr(bytes.size() - 16)); };
  Seal seal;
  bool sealed = false;
  if (!whole() && !((sealed = take_seal(&bytes, &seal)) && whole())) return EntryState::kCorrupt;
  Reader in(bytes.substr(4, bytes.size() - 20));
  if (in.bytes(32) != view(invocation_key)) return EntryState::kForeign;
  if (check && !check->good(bytes, sealed ? &seal : nullptr)) return EntryState::kUntrusted;
  uint64_t n = in.varint();
  if (n > InputsRecord::kMaxSets) return EntryState::kForeign;
  for (uint64_t i = 0; i < n; i++) {
    InputsRecord::Set s;
    s.set_flags(in.varint());
    s.places = in.string();
    r->sets.push_back(std::move(s));
  }
  if (in.ok() && in.at_end()) return EntryState::kWhole;
  r->sets.clear();
  return EntryState::kCorrupt;
}

}  // namespace cchain

// Everything that is read from files of the cache: entries, records, sets of places, answers of probes, dependency files, records of misses. The first byte picks.
// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <cstdlib>
#include <string>

#include "model/closure.h"
#include "model/compiler.h"
#include "base/compress.h"
#include "base/json.h"
#include "base/varint.h"
#include "core/explain.h"
#include "model/entry.h"
#include "model/places.h"

using namespace cchain;

namespace {
void require(bool ok) {
  if (!ok) abort();
}
// A checksum that a fuzzer can't guess is put right for it.
std::string with_hash(std::string s) {
  Xxh128 h = xxh128(s.data(), s.size());
  s.append(reinterpret_cast<const char*>(&h.lo), 8);
  s.append(reinterpret_cast<const char*>(&h.hi), 8);
  return s;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  Digest key;
  if (data[0] == 0xff) {
    Json value, again;
    if (json_decode(bytes, &value)) require(json_decode(json_encode(value), &again) && json_encode(again) == json_encode(value));
    return 0;
  }
  if (data[0] == 0xfe) {
    // A log as it lies there, and the packed part of a record.
    ExplainLog::Item item;
    ExplainRecord record, again;
    for (size_t at = 0; next_explain(bytes, &at, &item);) ExplainLog::read_body(item, &record);
    std::string packed, head = std::string("\1\0\0\0\0", 5);
    if (!zstd_compress(bytes, 1, &packed)) return 0;
    put_varint(&head, bytes.size());
    item.body = head + packed;
    if (!ExplainLog::read_body(item, &record)) return 0;
    record.kind = ExplainRecord::kMiss;
    const std::string text = encode_explain(record);
    size_t at = 0;
    if (text.empty()) return 0;
    require(next_explain(text, &at, &item) && at == text.size() && ExplainLog::read_body(item, &again));
    require(again.fields == record.fields && again.argv == record.argv && (again.files.size() == record.files.size() || record.files.size() > 20000));
    compare(record, again);
    return 0;
  }
  switch (data[0] % 7) {
    case 0:
    case 1: {
      std::string text = data[0] % 7 == 1 ? with_hash(std::string(bytes)) : std::string(bytes);
      Entry e;
      std::string decoded;
      EntryState s = decode_entry(text, key, 1 << 20, &e, &decoded);
      if (s == EntryState::kWhole) {
        uint64_t total = e.stdout_data.size() + e.stderr_data.size();
        for (auto& o : e.outputs) total += o.data.size();
        require(total <= text.size() + decoded.size());
        std::string again = encode_entry(e, key, CompressionPolicy{1, 64}, "{}"), more;
        Entry f;
        require(decode_entry(again, key, 1 << 20, &f, &more) == EntryState::kWhole && f.outputs.size() == e.outputs.size());
      }
      break;
    }
    case 2:
    case 3: {
      InputsRecord r;
      std::string text = data[0] % 7 == 3 ? with_hash(std::string(bytes)) : std::string(bytes);
      if (decode_record(text, key, &r) == EntryState::kWhole) {
        InputsRecord again;
        require(decode_record(encode_record(r, key), key, &again) == EntryState::kWhole && again.sets.size() == r.sets.size());
      }
      break;
    }
    case 4: {
      PlaceSet set;
      if (set.decode(bytes)) {
        for (auto& f : set.files) require(f.dir < set.dirs.size());
        for (auto& r : set.ranges) require(r.last <= set.dirs.size() && r.first < r.last && r.name < set.names.size());
      }
      break;
    }
    case 5: {
      CompilerInfo info;
      std::string text(bytes);
      uint64_t check = xxh64(text);
      text.append(reinterpret_cast<const char*>(&check), 8);
      decode_compiler(text, &info);
      decode_compiler(bytes, &info);
      break;
    }
    default: {
      std::vector<std::string> words;
      parse_depfile(bytes, &words);
    }
  }
  return 0;
}

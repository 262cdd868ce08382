// SPDX-License-Identifier: Apache-2.0
#include "model/precompiled.h"

#include <cstring>
#include <set>
#include <string>

namespace cchain {

static Digest key_of(const Digest& bytes, const char* what = "precompiled header 1") {
  KeyHasher kh(what);
  kh.field("bytes", bytes);
  return kh.finish();
}

void remember_precompiled(Table* memo, const Digest& bytes, const Precompiled& what) {
  Table::Value v;
  memcpy(v.data(), what.made_of.b.data(), 32);
  memcpy(v.data() + 32, &what.since_ns, 8);
  memo->put(key_of(bytes), v);
}

bool find_precompiled(Table& memo, const Digest& bytes, Precompiled* what) {
  Table::Value v;
  if (!memo.get(key_of(bytes), &v)) return false;
  memcpy(what->made_of.b.data(), v.data(), 32);
  memcpy(&what->since_ns, v.data() + 32, 8);
  return true;
}

static constexpr const char* kTexts = "texts of a precompiled header 1";
static constexpr size_t kPart = 16;  // of a digest, enough to tell texts apart

void remember_texts(BlobLog* log, const Digest& bytes, const std::vector<Digest>& texts) {
  std::string list;
  for (auto& d : texts) list.append(reinterpret_cast<const char*>(d.b.data()), kPart);
  log->put(key_of(bytes, kTexts), list);
}

bool made_of_these(BlobLog* log, const Digest& bytes, const std::vector<Digest>& texts) {
  std::string list;
  if (!log->get(key_of(bytes, kTexts), &list)) return false;
  std::set<std::string_view> known;
  for (auto& d : texts) known.emplace(reinterpret_cast<const char*>(d.b.data()), kPart);
  for (size_t at = 0; at < list.size(); at += kPart)
    if (!known.count(std::string_view(list).substr(at, kPart))) return false;
  return true;
}

}  // namespace cchain

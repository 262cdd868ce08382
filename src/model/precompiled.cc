// SPDX-License-Identifier: Apache-2.0
#include "model/precompiled.h"

#include <cstring>

namespace cchain {

static Digest key_of(const Digest& bytes) {
  KeyHasher kh("precompiled header 1");
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

}  // namespace cchain

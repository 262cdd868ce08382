// A set of places, as a record from any layer brings it. First byte: bit 0, it is evaluated too, in an empty folder.
// SPDX-License-Identifier: Apache-2.0
#include "fuzz.h"
#include "model/places.h"

using namespace cchain;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  PlaceSet set;
  if (!set.decode(bytes)) return 0;
  for (auto& f : set.files) REQUIRE(f.dir < set.dirs.size());
  for (auto& r : set.ranges) REQUIRE(r.last <= set.dirs.size() && r.first < r.last && r.name < set.names.size());
  if (!(data[0] & 1)) return 0;
  // Not into folders that others fill while we run.
  for (auto& d : set.dirs)
    if (d.find("..") != d.npos || (!d.empty() && d[0] == '/')) return 0;
  for (auto& f : set.files)
    if (f.name.find("..") != f.name.npos || (!f.name.empty() && f.name[0] == '/')) return 0;
  for (auto& n : set.names)
    if (n.find("..") != n.npos || (!n.empty() && n[0] == '/')) return 0;
  static fuzz::Folder folder;
  folder.put("a.h", "a");
  Looker looker("");
  Table memo("", 1, 8);
  Digest base;
  Evaluation first = evaluate(looker, memo, base, bytes, folder.path(), looker.new_epoch());
  Evaluation second = evaluate(looker, memo, base, bytes, folder.path(), looker.new_epoch());
  REQUIRE(first.matched == second.matched && first.matched == first.why.empty());
  REQUIRE(!first.matched || first.key == second.key);
  return 0;
}

// What anybody with write access to a root may have left for an index: header, pages and pending records.
// Input: 1 byte, bits 0 to 2: checksums of header, slots and records are put right, bit 3: a large index, bit 4: no room, bits 5 to 7: sweeps and a count; a header (128 bytes); then slots (64 bytes each, two bytes before each say where);
// behind a byte 0xff in place of the first of these two, pending records.
// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "fuzz_files.h"
#include "layers/index.h"

using namespace cchain;

namespace {

constexpr size_t kHeader = 128, kSlot = 64, kPage = 4096;

class NoFiles : public Index::Files {
 public:
  int drop(const IndexKey& key) override { return key.digest.b[0] & 1 ? ENOENT : key.digest.b[0] & 2 ? EACCES : 0; }
  uint64_t stands(const IndexKey& key) override { return key.digest.b[0] & 4 ? 8192 : 0; }
};

void seal_slot(char* slot) {
  char s[kSlot];
  memcpy(s, slot, kSlot);
  memset(s + 40, 0, 8);  // last use
  memset(s + 60, 0, 4);
  uint32_t check = static_cast<uint32_t>(xxh64(s, kSlot));
  memcpy(slot + 60, &check, 4);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1 + kHeader) return 0;
  const uint8_t how = data[0];
  const uint32_t pages = how & 8 ? 40 : 17;
  std::string header(reinterpret_cast<const char*>(data) + 1, kHeader), pending;
  if (how & 1) {
    memcpy(header.data(), "cchainix", 8);
    const uint32_t version = 1;
    memcpy(header.data() + 8, &version, 4);
    memcpy(header.data() + 12, &pages, 4);
    uint64_t check = xxh64(header.data(), kHeader - 8);
    memcpy(header.data() + kHeader - 8, &check, 8);
  }
  fuzz::Memory& folder = fuzz::Memory::get();
  folder.clear();
  folder.put("index", header, static_cast<off_t>((pages + 1) * kPage));
  fuzz::File* file = folder.find("index").get();
  IndexKey keys[3];
  size_t known = 0;
  const char *p = reinterpret_cast<const char*>(data) + 1 + kHeader, *end = reinterpret_cast<const char*>(data) + size;
  bool tail = false;
  for (; end - p >= 2; p += kSlot) {
    const uint8_t page = static_cast<uint8_t>(p[0]), at = static_cast<uint8_t>(p[1]);
    tail = tail || page == 0xff;
    p += 2;
    char slot[kSlot] = {};
    memcpy(slot, p, std::min<size_t>(kSlot, static_cast<size_t>(end - p)));
    if (how & (tail ? 4 : 2)) seal_slot(slot);
    if (tail) pending.append(slot, kSlot);
    else REQUIRE(file->write(slot, kSlot, static_cast<off_t>((page % pages + 1) * kPage + at % 64 * kSlot)) == static_cast<ssize_t>(kSlot));
    if (known < 3) {
      IndexKey& k = keys[known++];
      memcpy(k.digest.b.data(), slot, 32);
      memcpy(&k.tenant, slot + 32, 8);
      k.space = static_cast<uint8_t>(slot[54]);
      k.blob = static_cast<uint8_t>(slot[55]);
    }
    if (end - p < static_cast<ptrdiff_t>(kSlot)) break;
  }
  if (!pending.empty()) folder.put("index.pending", pending);

  NoFiles files;
  Index index(folder.path(), -1, &files);
  uint64_t bytes, entries;
  index.totals(&bytes, &entries);
  std::vector<IndexMark> marks;
  for (const IndexKey& k : keys) marks.push_back({k, Index::now()});
  index.mark(marks);
  index.standing(keys[0], 8192, false);
  Index::Freed freed;
  {
    Index::Hold hold(&index, Index::kQuick);
    REQUIRE(hold);
    REQUIRE(index.pages() >= 16);
    index.make_room(4096, how & 16 ? 0 : 65536, &keys[0], 200000, &freed);
    index.set(keys[1], 8192, Index::now());
    index.drop_slot(keys[2]);
    if (how & 32) index.sweep(0, 16, index.generation(), how & 16 ? UINT64_MAX : 0, 0, &freed);
    if (how & 64) index.sweep(0, 16, index.new_generation(), 0, keys[0].tenant, &freed);
    if (how & 64) index.sweep(16, 16, index.generation(), 0, keys[0].tenant, &freed);
    if (how & 128) REQUIRE(index.recount() == 0);
    if (how & 128) REQUIRE(index.entries() <= uint64_t{index.pages()} * 63);
  }
  IndexKey own;
  own.digest.b[9] = 77;
  own.blob = 1;
  {
    Index::Hold hold(&index, Index::kQuick);
    REQUIRE(hold && index.set(own, 4096, Index::now()) == 0);
  }
  REQUIRE(index.standing(own, 4096, false) == Index::kStands);
  return 0;
}

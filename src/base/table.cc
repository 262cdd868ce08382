// SPDX-License-Identifier: Apache-2.0
#include "base/table.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace cchain {

namespace {
constexpr size_t kSlot = 64, kWays = 8, kBucket = kSlot * kWays;
struct Slot {
  uint8_t tag[16];
  uint8_t value[Table::kValueSize];
  uint64_t check;
};
static_assert(sizeof(Slot) == kSlot);
}  // namespace

int open_private(const std::string& path, int flags) {
  int fd = open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
  if (fd < 0 && errno == ENOENT && (flags & O_CREAT)) {
    std::string dir(path_dir(path));
    if (make_dirs(dir, 0700) != 0) return -1;
    fd = open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
  }
  if (fd < 0) return -1;
  struct stat st;
  if (fstat(fd, &st) != 0 || st.st_uid != geteuid() || !S_ISREG(st.st_mode) || (st.st_mode & 077) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

bool Table::open_file() {
  std::call_once(once_, [this] {
    if (!path_.empty()) fd_ = Fd(open_private(path_, O_RDWR | O_CREAT));
  });
  return static_cast<bool>(fd_);
}

bool Table::get(const Digest& key, Value* value) {
  if (!open_file()) return false;
  uint64_t where;
  memcpy(&where, key.b.data() + 24, 8);
  Slot slots[kWays];
  ssize_t n = pread(fd_.get(), slots, kBucket, static_cast<off_t>((where & (buckets_ - 1)) * kBucket));
  for (size_t i = 0; n > 0 && i < static_cast<size_t>(n) / kSlot; i++) {
    if (memcmp(slots[i].tag, key.b.data(), 16) == 0 && slots[i].check == xxh64(&slots[i], kSlot - 8, magic_)) {
      memcpy(value->data(), slots[i].value, kValueSize);
      return true;
    }
  }
  return false;
}

void Table::put(const Digest& key, const Value& value) {
  if (!open_file()) return;
  uint64_t where;
  memcpy(&where, key.b.data() + 24, 8);
  off_t at = static_cast<off_t>((where & (buckets_ - 1)) * kBucket);
  Slot slots[kWays];
  memset(slots, 0, sizeof slots);
  if (pread(fd_.get(), slots, kBucket, at) < 0) return;
  size_t way = kWays;
  for (size_t i = 0; i < kWays && way == kWays; i++)
    if (memcmp(slots[i].tag, key.b.data(), 16) == 0) way = i;
  for (size_t i = 0; i < kWays && way == kWays; i++)
    if (slots[i].check == 0) way = i;
  if (way == kWays) way = key.b[20] & (kWays - 1);  // as good as random
  Slot s;
  memcpy(s.tag, key.b.data(), 16);
  memcpy(s.value, value.data(), kValueSize);
  s.check = xxh64(&s, kSlot - 8, magic_);
  if (pwrite(fd_.get(), &s, kSlot, at + static_cast<off_t>(way * kSlot)) < 0) return;  // a full disk: not remembered
}

}  // namespace cchain

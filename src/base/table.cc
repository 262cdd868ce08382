// SPDX-License-Identifier: Apache-2.0
#include "base/table.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
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
  pwrite_all(fd_.get(), &s, kSlot, static_cast<uint64_t>(at) + way * kSlot);  // a full disk: not remembered
}

namespace {
constexpr uint64_t kMaxLog = 256u << 20;  // a log that has grown beyond this begins anew
constexpr uint32_t kMaxBlob = 1u << 23;
}

bool BlobLog::open_file() {
  std::call_once(once_, [this] {
    if (path_.empty()) return;
    fd_ = Fd(open_private(path_, O_RDWR | O_CREAT | O_APPEND));
    FileId id;
    if (fd_ && fstat_file(fd_.get(), &id) == 0 && id.size > kMaxLog) {
      unlink(path_.c_str());
      fd_ = Fd(open_private(path_, O_RDWR | O_CREAT | O_APPEND));
    }
  });
  return static_cast<bool>(fd_);
}

bool BlobLog::read(const At& at, std::string* out) {
  if (at.size < 8 || at.size > kMaxBlob + 24 || !open_file()) return false;
  // A damaged size gets no more memory than the log has bytes, but for the first piece.
  constexpr uint32_t kPiece = 64 << 10;
  for (uint32_t done = 0; done < at.size;) {
    const uint32_t n = std::min(at.size - done, done ? at.size : kPiece);
    out->resize(done + n);
    if (pread(fd_.get(), out->data() + done, n, static_cast<off_t>(at.offset + done)) != static_cast<ssize_t>(n)) return false;
    done += n;
  }
  uint64_t check;
  memcpy(&check, out->data() + at.size - 8, 8);
  out->resize(at.size - 8);
  return check == xxh64(*out, at.size);
}

bool BlobLog::get(const Digest& key, std::string* out, At* at) {
  Table::Value v;
  if (!index_.get(key, &v)) return false;
  At where;
  memcpy(&where.offset, v.data(), 8);
  memcpy(&where.size, v.data() + 8, 4);
  if (at) *at = where;
  // The key again in front of the bytes: the log may have begun anew since the index was written.
  if (!read(where, out) || out->size() < 16 || memcmp(out->data(), key.b.data(), 16) != 0) return false;
  out->erase(0, 16);
  return true;
}

bool BlobLog::put(const Digest& key, std::string_view data, At* at) {
  if (data.size() > kMaxBlob || !open_file()) return false;
  std::string bytes(reinterpret_cast<const char*>(key.b.data()), 16);
  bytes.append(data);
  uint64_t check = xxh64(bytes, bytes.size() + 8);
  bytes.append(reinterpret_cast<const char*>(&check), 8);
  At where;
  {
    // After an appending write the position is where that write ended: the descriptor is this process's own.
    std::lock_guard<std::mutex> lock(append_);
    if (write_all(fd_.get(), bytes.data(), bytes.size()) != 0) return false;
    where.offset = static_cast<uint64_t>(lseek(fd_.get(), 0, SEEK_CUR)) - bytes.size();
  }
  where.size = static_cast<uint32_t>(bytes.size());
  Table::Value v;
  v.fill(0);
  memcpy(v.data(), &where.offset, 8);
  memcpy(v.data() + 8, &where.size, 4);
  index_.put(key, v);
  if (at) *at = where;
  return true;
}

}  // namespace cchain

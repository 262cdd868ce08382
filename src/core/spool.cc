// SPDX-License-Identifier: Apache-2.0
#include "core/spool.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/hash.h"
#include "base/table.h"
#include "base/varint.h"

namespace cchain {

namespace {
constexpr char kMagic[] = "CCS1";
}

bool Spool::keep(const Item& item) {
  if (dir_.empty()) return false;
  uint64_t total = item.bytes.size();
  std::vector<std::string> there = list();
  for (auto& name : there) {
    FileId id;
    if (lstat_file((dir_ + "/" + name).c_str(), &id) == 0) total += id.size;
  }
  if (there.size() >= kMaxFiles || total > kMaxBytes) return false;
  std::string text(kMagic, 4);
  text += static_cast<char>((item.replace ? 1 : 0) | (item.merge ? 2 : 0));
  text += static_cast<char>(item.space);
  for (const std::string* s : {&item.tenant, &item.hex, &item.blob, &item.bytes}) put_string(&text, *s);
  Xxh128 h = xxh128(text.data(), text.size());
  text.append(reinterpret_cast<const char*>(&h.lo), 8).append(reinterpret_cast<const char*>(&h.hi), 8);
  char name[64];
  snprintf(name, sizeof name, "%016llx-%d-%llu", static_cast<unsigned long long>(now_ns()), static_cast<int>(getpid()),
           static_cast<unsigned long long>(number_.fetch_add(1)));
  // Under a name that nobody sends yet.
  std::string temporary = dir_ + "/." + name;
  Fd fd(open_private(temporary, O_WRONLY | O_CREAT | O_EXCL));
  if (!fd) return false;
  if (write_all(fd.get(), text.data(), text.size()) == 0 && rename(temporary.c_str(), (dir_ + "/" + name).c_str()) == 0) return true;
  unlink(temporary.c_str());
  return false;
}

std::vector<std::string> Spool::list() const {
  std::vector<std::string> names;
  struct stat st;
  if (dir_.empty() || lstat(dir_.c_str(), &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022)) return {};
  if (list_dir(dir_, &names) != 0) return {};
  names.erase(std::remove_if(names.begin(), names.end(), [](const std::string& n) { return n[0] == '.'; }), names.end());
  std::sort(names.begin(), names.end());
  return names;
}

bool Spool::take(const std::string& name, Item* item, Fd* lock) const {
  const std::string path = dir_ + "/" + name;
  Fd fd(open_private(path, O_RDWR));
  if (!fd || flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return false;
  std::string text;
  FileId opened, named;
  // The one who had the lock before may have sent and removed it.
  if (fstat_file(fd.get(), &opened) != 0 || lstat_file(path.c_str(), &named) != 0 || !opened.same_file(named)) return false;
  bool good = opened.size <= kMaxBytes + 4096;
  text.resize(good ? opened.size : 0);
  good = good && text.size() >= 4 + 2 + 16 && pread(fd.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
  if (good) {
    Xxh128 h = xxh128(text.data(), text.size() - 16);
    good = memcmp(text.data(), kMagic, 4) == 0 && memcmp(text.data() + text.size() - 16, &h.lo, 8) == 0 && memcmp(text.data() + text.size() - 8, &h.hi, 8) == 0;
  }
  if (good) {
    Reader r(std::string_view(text).substr(6, text.size() - 22));
    item->replace = text[4] & 1;
    item->merge = text[4] & 2;
    item->space = static_cast<uint8_t>(text[5]) & 3;
    item->tenant = r.string();
    item->hex = r.string();
    item->blob = r.string();
    item->bytes = r.string();
    good = r.ok() && r.at_end() && item->hex.size() == 64;
  }
  if (!good) {
    unlink(path.c_str());
    return false;
  }
  *lock = std::move(fd);
  return true;
}

void Spool::remove(const std::string& name) const { unlink((dir_ + "/" + name).c_str()); }

}  // namespace cchain

// What the fuzz targets share. A target's input is as small as its parser allows: checksums, which no fuzzer guesses, are put right where the first byte says so.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"

#define REQUIRE(x) \
  do { \
    if (!(x)) fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x), abort(); \
  } while (0)

namespace fuzz {

inline std::string with_xxh128(std::string_view bytes) {
  std::string s(bytes);
  cchain::Xxh128 h = cchain::xxh128(s.data(), s.size());
  return s.append(reinterpret_cast<const char*>(&h.lo), 8).append(reinterpret_cast<const char*>(&h.hi), 8);
}
inline std::string with_xxh64(std::string_view bytes) {
  std::string s(bytes);
  uint64_t h = cchain::xxh64(s);
  return s.append(reinterpret_cast<const char*>(&h), 8);
}

// A private folder of this process, in memory where the machine has such; removed at its end. fuzz_files.h has a faster one, for parsers that go by a file's name alone.
class Folder {
 public:
  Folder() : path_(access("/dev/shm", W_OK) == 0 ? "/dev/shm/cchain-fuzz.XXXXXX" : "/tmp/cchain-fuzz.XXXXXX") { REQUIRE(mkdtemp(path_.data())); }
  ~Folder() {
    for (const std::string& name : names_) unlink((path_ + "/" + name).c_str());
    rmdir(path_.c_str());
  }
  const std::string& path() const { return path_; }
  // A file that is there afterwards and holds just this.
  void put(const std::string& name, std::string_view bytes) {
    bool known = false;
    for (const std::string& n : names_) known |= n == name;
    if (!known) names_.push_back(name);
    int fd = open((path_ + "/" + name).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0 && write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    close(fd);
  }

 private:
  std::string path_;
  std::vector<std::string> names_;
};

// The pieces of an input between NULs.
class Pieces {
 public:
  explicit Pieces(std::string_view bytes) : rest_(bytes) {}
  std::string_view next() {
    size_t n = rest_.find('\0');
    std::string_view piece = rest_.substr(0, n);
    rest_ = n == rest_.npos ? std::string_view{} : rest_.substr(n + 1);
    return piece;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace fuzz

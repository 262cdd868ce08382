// The log: a callback of the host's or a file; never stderr.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

namespace cchain {

enum LogLevel { kLogError = 0, kLogWarn = 1, kLogInfo = 2, kLogDebug = 3 };

class Log {
 public:
  using Fn = void (*)(void*, int32_t, const char*, size_t);
  void set_callback(Fn fn, void* user, int level) { fn_ = fn, user_ = user, level_ = level; }
  void set_file(const std::string& path, int level) { path_ = path, file_level_ = level; }
  bool on(int level) const { return (fn_ && level <= level_) || (!path_.empty() && level <= file_level_); }
  void line(int level, const char* format, ...) const __attribute__((format(printf, 3, 4)));

 private:
  Fn fn_ = nullptr;
  void* user_ = nullptr;
  std::string path_;  // appended to, one write a line, opened for each
  int level_ = kLogError, file_level_ = kLogError;
};

}  // namespace cchain

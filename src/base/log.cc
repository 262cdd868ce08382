// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cerrno>

#include "base/fs.h"

namespace cchain {

void Log::line(int level, const char* format, ...) const {
  if (!on(level)) return;
  int saved = errno;
  char text[2048];
  va_list ap;
  va_start(ap, format);
  int n = vsnprintf(text, sizeof text, format, ap);
  va_end(ap);
  size_t len = n < 0 ? 0 : static_cast<size_t>(n) < sizeof text ? static_cast<size_t>(n) : sizeof text - 1;
  for (size_t i = 0; i < len; i++)
    if (text[i] == '\n') text[i] = ' ';
  if (fn_ && level <= level_) fn_(user_, level, text, len);
  if (!path_.empty() && level <= file_level_) {
    Fd fd(open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666));
    if (fd) {
      static constexpr const char* kNames[] = {"error", "warn", "info", "debug"};
      timespec ts;
      clock_gettime(CLOCK_REALTIME, &ts);
      tm t;
      gmtime_r(&ts.tv_sec, &t);
      char out[2200];
      int m = snprintf(out, sizeof out, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %d %s %s\n", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour,
                       t.tm_min, t.tm_sec, ts.tv_nsec / 1000000, static_cast<int>(getpid()), kNames[level & 3], text);
      if (m > 0) write_all(fd.get(), out, static_cast<size_t>(m) < sizeof out ? static_cast<size_t>(m) : sizeof out - 1);
    }
  }
  errno = saved;
}

}  // namespace cchain

// SPDX-License-Identifier: Apache-2.0
#include "cli/io.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <initializer_list>
#include <string>

namespace cli {

int write_all(int fd, const void* data, size_t size) {
  const char* p = static_cast<const char*>(data);
  while (size > 0) {
    ssize_t n = write(fd, p, size);
    if (n >= 0) {
      p += n;
      size -= static_cast<size_t>(n);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      pollfd wait = {fd, POLLOUT, 0};
      if (poll(&wait, 1, -1) < 0 && errno != EINTR) return errno;
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

void complain(std::string_view a, std::string_view b, std::string_view c) {
  std::string line = "cchain: ";
  line.append(a).append(b).append(c).push_back('\n');
  write_all(2, line);
}

bool env_flag(const char* name) {
  const char* value = getenv(name);
  if (!value || !*value) return false;
  for (const char* no : {"0", "no", "off", "false"}) {
    if (strcasecmp(value, no) == 0) return false;
  }
  return true;
}

}  // namespace cli

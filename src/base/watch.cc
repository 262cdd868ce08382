// SPDX-License-Identifier: Apache-2.0
#include "base/watch.h"

#include <errno.h>
#include <sys/inotify.h>
#include <unistd.h>

namespace cchain {

Watch::~Watch() {
  if (fd_ >= 0) close(fd_);
}

bool Watch::add(const std::string& folder) {
  if (fd_ < 0) fd_ = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (fd_ < 0) return false;
  const int wd = inotify_add_watch(fd_, folder.c_str(), IN_CREATE | IN_DELETE | IN_MOVE | IN_ONLYDIR | IN_DONT_FOLLOW);
  if (wd < 0) return false;
  folders_[folder] = wd;
  return true;
}

void Watch::read_events() {
  alignas(inotify_event) char buffer[16 << 10];
  for (;;) {
    ssize_t n = read(fd_, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN) lost_ = true;
    if (n <= 0) return;
    for (ssize_t at = 0; at < n;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      if (event->mask & (IN_Q_OVERFLOW | IN_IGNORED | IN_UNMOUNT)) lost_ = true;
      if (event->len) names_[event->wd].insert(event->name);
      at += static_cast<ssize_t>(sizeof *event + event->len);
    }
  }
}

bool Watch::names(const std::string& folder, std::set<std::string>* names) {
  auto it = folders_.find(folder);
  if (it == folders_.end()) return false;
  read_events();
  if (lost_) return false;
  *names = names_[it->second];
  return true;
}

}  // namespace cchain

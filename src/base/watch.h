// Which names came, went or were exchanged in some folders meanwhile: the times of a folder only say that any did.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <set>
#include <string>

namespace cchain {

// Giving it up may take some 20 ms in which nothing is done (the kernel waits for its own readers): for folders that are likely to change only.
class Watch {
 public:
  Watch() = default;
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // False if it can't be watched.
  bool add(const std::string& folder);
  // The names since add(). False if they can't be told.
  bool names(const std::string& folder, std::set<std::string>* names);

 private:
  void read_events();

  int fd_ = -1;
  bool lost_ = false;
  std::map<std::string, int> folders_;
  std::map<int, std::set<std::string>> names_;
};

}  // namespace cchain

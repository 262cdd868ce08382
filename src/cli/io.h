// Bytes to a descriptor without stdio, and one line of trouble.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <string_view>

namespace cli {

// Writes everything: short writes, EINTR and non-blocking descriptors are dealt with. 0 or errno.
int write_all(int fd, const void* data, size_t size);
inline int write_all(int fd, std::string_view text) { return write_all(fd, text.data(), text.size()); }

// One line on stderr, in one write: "cchain: <a><b><c>".
void complain(std::string_view a, std::string_view b = {}, std::string_view c = {});

// CCHAIN_WARN, CCHAIN_DISABLE: as the library reads them, true unless empty, 0, no, off or false.
bool env_flag(const char* name);

}  // namespace cli

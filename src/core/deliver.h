// Writing outputs as the compiler would: see correctness.md's "Outputs that are easy to forget" and DESIGN.md.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace cchain {

// An object: what stands there, a link to a file included, is taken away and a new file put in its place. Anything but a regular file or a link to one (a
// device, a link to nowhere) is the compiler's to deal with: ENXIO. 0 or errno.
int deliver_replacing(const std::string& path, std::string_view data, uint32_t mode);
// A dependency file: written through a link or into the file that stands there; nothing but a regular file is opened.
// `fresh` becomes true if nothing stood there.
int deliver_through(const std::string& path, std::string_view data, bool* fresh);

}  // namespace cchain

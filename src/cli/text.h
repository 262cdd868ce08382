// Numbers as people write and read them.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdint.h>

#include <string>
#include <string_view>

namespace cli {

// "10G", "500M", "1.5G", "4096": K, M, G and T are powers of 1024; "iB" or "B" may follow. False if it is no size.
bool read_size(std::string_view text, uint64_t* bytes);
// "30d", "12h", "90m", "3600s", "2w", "3600": in seconds. False if it is no age.
bool read_age(std::string_view text, uint64_t* seconds);

std::string show_size(uint64_t bytes);    // "512 B", "1.4 MiB"
std::string show_time(uint64_t ms);       // "0.8 s", "3 min 12 s", "2 h 05 min"
std::string show_count(uint64_t n);       // "1,234,567"
// Control characters as "?": what a cache says about itself must not steer a terminal.
std::string show_text(std::string_view text);

}  // namespace cli

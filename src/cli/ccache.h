// What somebody's configuration of ccache says, and what says the same here.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace cli {

struct CcacheSetting {
  std::string key, value, origin;  // origin: "/etc/ccache.conf:3", "CCACHE_MAXSIZE"
  std::string answer;              // "CCHAIN_MAX_SIZE=5G", or "not needed: …", "no equivalent: …"
};

// What `value` of an option of ccache (4.7 to 4.13) is here; "" if ccache has no such option. No credential is repeated.
std::string ccache_answer(std::string_view key, std::string_view value);

// The settings of one file, "key = value" each, a line that begins with a blank continuing the one before. 0 or errno.
int read_ccache_file(const std::string& path, std::vector<CcacheSetting>* out);
// Those of the environment, CCACHE_*.
void read_ccache_environment(const char* const* env, std::vector<CcacheSetting>* out);
// The files that ccache would read, the one of more weight last; they need not exist.
std::vector<std::string> ccache_files();

}  // namespace cli

// `cchain links DIR`: a folder to put first on PATH.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace cli {

// cc, g++-12, x86_64-linux-gnu-gcc, clang++, …: a name that a link to cchain may bear.
bool is_compiler_name(std::string_view name);

// Makes a link to `target` in `dir` for each compiler on PATH, and the folder if it is not there. What stands there under such a name and is no link to
// the same stays, and its name is put into *kept. 0 or errno, then *what names the path.
int make_links(const std::string& dir, const std::string& target, std::vector<std::string>* made, std::vector<std::string>* kept, std::string* what);

}  // namespace cli

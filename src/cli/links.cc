// SPDX-License-Identifier: Apache-2.0
#include "cli/links.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "cli/program.h"

namespace cli {

namespace {

constexpr std::string_view kDigits = "0123456789";

int make_folder(const std::string& dir) {
  for (size_t at = 1; at <= dir.size(); at++) {
    if (at < dir.size() && dir[at] != '/') continue;
    if (mkdir(dir.substr(0, at).c_str(), 0777) != 0 && errno != EEXIST) return errno;
  }
  return 0;
}

FileKey key_of(const std::string& path) {
  struct stat st;
  return stat(path.c_str(), &st) == 0 ? FileKey{st.st_dev, st.st_ino} : FileKey{};
}

bool leads_to(const std::string& link, const std::string& target) {
  char text[PATH_MAX];
  ssize_t n = readlink(link.c_str(), text, sizeof text);
  if (n > 0 && std::string_view(text, static_cast<size_t>(n)) == target) return true;
  const FileKey file = key_of(target);
  return key_of(link) == file && !(file == FileKey{});
}

}  // namespace

bool is_compiler_name(std::string_view name) {
  // A version behind it.
  size_t dash = name.rfind('-');
  if (dash != std::string_view::npos && dash + 1 < name.size() && name.find_first_not_of("0123456789.", dash + 1) == std::string_view::npos &&
      kDigits.find(name[dash + 1]) != std::string_view::npos)
    name = name.substr(0, dash);
  // A target in front of it: three words or four.
  dash = name.rfind('-');
  std::string_view front;
  if (dash != std::string_view::npos) {
    front = name.substr(0, dash);
    name = name.substr(dash + 1);
    size_t dashes = 0;
    for (char c : front) {
      if (c == '-') dashes++;
      else if (!((c >= 'a' && c <= 'z') || c == '_' || c == '.' || kDigits.find(c) != std::string_view::npos)) return false;
    }
    if (dashes < 1 || dashes > 3) return false;
  }
  for (std::string_view known : {"cc", "c++", "gcc", "g++", "clang", "clang++"})
    if (name == known) return true;
  return false;
}

int make_links(const std::string& dir, const std::string& target, std::vector<std::string>* made, std::vector<std::string>* kept, std::string* what) {
  const FileKey self = own_file();
  *what = dir;
  if (dir.empty()) return ENOENT;
  if (int error = make_folder(dir)) return error;
  const FileKey ours = key_of(dir);

  std::set<std::string> names;
  const char* path = getenv("PATH");
  for (const char* at = path ? path : ""; *at;) {
    const char* end = strchrnul(at, ':');
    const std::string folder(at, static_cast<size_t>(end - at));
    at = *end ? end + 1 : end;
    DIR* listing = folder.empty() || key_of(folder) == ours ? nullptr : opendir(folder.c_str());
    if (!listing) continue;
    while (dirent* entry = readdir(listing)) {
      if (!is_compiler_name(entry->d_name)) continue;
      const std::string program = folder + "/" + entry->d_name;
      struct stat st;
      if (stat(program.c_str(), &st) != 0 || !S_ISREG(st.st_mode) || access(program.c_str(), X_OK) != 0) continue;
      if (!(FileKey{st.st_dev, st.st_ino} == self)) names.insert(entry->d_name);
    }
    closedir(listing);
  }
  for (const std::string& name : names) {
    const std::string link = dir + "/" + name;
    struct stat st;
    // A link of an earlier cchain that is gone.
    if (lstat(link.c_str(), &st) == 0 && S_ISLNK(st.st_mode) && stat(link.c_str(), &st) != 0) unlink(link.c_str());
    const int error = symlink(target.c_str(), link.c_str()) == 0 ? 0 : errno;
    if (error && error != EEXIST) {
      *what = link;
      return error;
    }
    (!error || leads_to(link, target) ? made : kept)->push_back(name);
  }
  return 0;
}

}  // namespace cli

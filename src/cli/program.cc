// SPDX-License-Identifier: Apache-2.0
#include "cli/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

namespace cli {

namespace {

constexpr int kRunsUntilPassedOver = 3;
constexpr int kRunsUntilRefused = 8;
constexpr size_t kMaxList = 2048;
constexpr const char* kTwinVariable = "CCHAIN_TWIN_OF";

// 0, or why it can't be run.
int look(const char* path, FileKey* key) {
  struct stat st;
  if (stat(path, &st) != 0) return errno;
  if (!S_ISREG(st.st_mode) || !(st.st_mode & 0111)) return EACCES;
  *key = {st.st_dev, st.st_ino};
  return 0;
}

std::string item_of(FileKey file) {
  char text[40];
  snprintf(text, sizeof text, ",%llx.%llx", static_cast<unsigned long long>(file.dev),
           static_cast<unsigned long long>(file.ino));
  return text;
}

}  // namespace

Guard::Guard(const char* value, int64_t pid, int64_t parent) {
  if (!value) return;
  std::string_view v = value;
  size_t comma = v.find(',');
  if (comma == std::string_view::npos || v.find_first_not_of("0123456789abcdef.,", comma) != std::string_view::npos)
    return;
  if (comma == 1 && v[0] == 'c') {
    in_compile_ = true;
  } else if (v[0] == 'x') {
    int64_t from = strtoll(value + 1, nullptr, 10);
    direct_ = from == pid || from == parent;
  } else {
    return;
  }
  list_ = v.substr(comma);
}

int Guard::count(FileKey file) const {
  if (list_.empty()) return 0;
  const std::string item = item_of(file);
  int n = 0;
  for (size_t at = 0; (at = list_.find(item, at)) != std::string_view::npos;) {
    at += item.size();
    if (at == list_.size() || list_[at] == ',') n++;
  }
  return n;
}

bool Guard::passes_over(FileKey file) const {
  int n = count(file);
  return n > 0 && (in_compile_ || direct_ || n >= kRunsUntilPassedOver);
}

std::string Guard::extended(Mode mode, int64_t pid, FileKey self, FileKey program) const {
  std::string value = kVariable;
  value += '=';
  if (mode == kCompile || in_compile_) {
    value += 'c';
  } else {
    value += 'x';
    value += std::to_string(pid);
  }
  std::string_view list = list_;
  while (list.size() > kMaxList) list.remove_prefix(list.find(',', 1));
  value += list;
  if (count(self) == 0) value += item_of(self);
  value += item_of(program);
  return value;
}

std::string stand_in_for(FileKey self) { return std::string(kTwinVariable) + "=" + std::to_string(getpid()) + item_of(self); }

namespace {
FileKey g_stands_for;
}

void take_stand_in() {
  const char* of = getenv(kTwinVariable);
  if (!of) return;
  char* end;
  if (strtoll(of, &end, 10) == getpid() && *end == ',') {
    g_stands_for.dev = strtoull(end + 1, &end, 16);
    if (*end == '.') g_stands_for.ino = strtoull(end + 1, nullptr, 16);
  }
  unsetenv(kTwinVariable);  // what we start is not meant
}

bool stands_in() { return g_stands_for.ino != 0; }

FileKey own_file() {
  if (stands_in()) return g_stands_for;
  // The path that was given to execve: no look into /proc, which costs several times as much.
  FileKey key;
  const char* path = reinterpret_cast<const char*>(getauxval(AT_EXECFN));
  struct stat st;
  if ((path && stat(path, &st) == 0) || stat("/proc/self/exe", &st) == 0) key = {st.st_dev, st.st_ino};
  return key;
}

Program find_program(const char* name, const char* path_variable, FileKey self, const Guard& guard) {
  Program found;
  if (!*name) {
    found.error = ENOENT;
    return found;
  }
  if (const char* slash = strrchr(name, '/')) {
    found.error = look(name, &found.key);
    if (found.error) return found;
    if (!(found.key == self)) {
      if (guard.count(found.key) >= kRunsUntilRefused) found.error = ELOOP;
      else found.path = name;
      return found;
    }
    name = slash + 1;
    found.other = true;
  }

  Program passed_over;
  int error = ENOENT;
  std::string candidate;
  const char* dir = path_variable ? path_variable : "/bin:/usr/bin";
  for (;;) {
    const char* end = strchrnul(dir, ':');
    candidate.assign(dir, static_cast<size_t>(end - dir));
    if (!candidate.empty()) candidate += '/';
    candidate += name;
    // In the current directory, "gcc" without a slash would mean another search.
    if (candidate.find('/') == std::string::npos) candidate.insert(0, "./");
    FileKey key;
    int e = look(candidate.c_str(), &key);
    if (e == EACCES) error = EACCES;
    if (e == 0 && key == self) {
      found.other = true;
    } else if (e == 0 && guard.passes_over(key)) {
      found.other = true;
      if (guard.count(key) >= kRunsUntilRefused) {
        error = ELOOP;
      } else if (passed_over.path.empty()) {
        passed_over.path = candidate;
        passed_over.key = key;
        passed_over.other = true;
      }
    } else if (e == 0) {
      found.path = std::move(candidate);
      found.key = key;
      found.error = 0;
      return found;
    }
    if (!*end) break;
    dir = end + 1;
  }
  if (!passed_over.path.empty()) return passed_over;
  found.error = error;
  return found;
}

}  // namespace cli

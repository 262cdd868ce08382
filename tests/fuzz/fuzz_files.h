// Files of a fuzz target in its own memory: one flat folder whose files cost no system call. Defines what of the C library the parsers reach files by; whatever is
// not below Memory::path() goes to the kernel. For one source file of a program. Locks are always free, times are constant, nothing is a link.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fuzz.h"

namespace fuzz {

struct File {
  static constexpr size_t kPage = 4096;
  using Page = std::unique_ptr<char[]>;
  std::vector<Page> pages;  // null: zeros
  off_t size = 0;
  mode_t mode = S_IFREG | 0600;
  ino_t number = 0;

  ~File() { resize(0); }
  static std::vector<Page>& spare() {
    static auto* const pages = new std::vector<Page>;  // outlives every file
    return *pages;
  }
  void resize(off_t n) {
    size = std::min(size, n);
    const size_t keep = (static_cast<size_t>(n) + kPage - 1) / kPage;
    for (; pages.size() > keep; pages.pop_back())
      if (pages.back()) spare().push_back(std::move(pages.back()));
    if (size_t within = static_cast<size_t>(n) % kPage; within && pages.size() == keep && pages.back()) memset(pages.back().get() + within, 0, kPage - within);
    size = n;
  }
  // Calls f(page, offset in it, length, offset so far) for each part.
  template <class F>
  static void parts(size_t at, size_t n, F f) {
    for (size_t done = 0; done < n;) {
      const size_t part = std::min(n - done, kPage - (at + done) % kPage);
      f((at + done) / kPage, (at + done) % kPage, part, done);
      done += part;
    }
  }
  ssize_t read(void* out, size_t n, off_t at) const {
    n = at >= size ? 0 : std::min(n, static_cast<size_t>(size - at));
    parts(static_cast<size_t>(at), n, [&](size_t page, size_t from, size_t part, size_t done) {
      if (page < pages.size() && pages[page]) memcpy(static_cast<char*>(out) + done, pages[page].get() + from, part);
      else memset(static_cast<char*>(out) + done, 0, part);
    });
    return static_cast<ssize_t>(n);
  }
  ssize_t write(const void* data, size_t n, off_t at) {
    if (at < 0 || at > 1 << 30) return errno = EFBIG, -1;
    parts(static_cast<size_t>(at), n, [&](size_t page, size_t from, size_t part, size_t done) {
      if (page >= pages.size()) pages.resize(page + 1);
      if (!pages[page]) {
        if (spare().empty()) spare().push_back(std::make_unique<char[]>(kPage));
        pages[page] = std::move(spare().back());
        spare().pop_back();
        memset(pages[page].get(), 0, kPage);
      }
      memcpy(pages[page].get() + from, static_cast<const char*>(data) + done, part);
    });
    size = std::max(size, at + static_cast<off_t>(n));
    return static_cast<ssize_t>(n);
  }
};

class Memory {
 public:
  static constexpr int kFirst = 1 << 20;  // descriptors: more than the kernel has
  struct Open {
    std::shared_ptr<File> file;  // null: the folder
    bool used = false;
    int flags = 0;
    off_t at = 0;
  };
  struct Stream {
    size_t at = 0;
    int fd = -1;
    dirent entry;
  };

  static const std::string& path() {
    static const auto* const p = new std::string("/memory-of-the-fuzz-target");
    return *p;
  }
  static Memory& get() {
    static auto* const m = new Memory;
    return *m;
  }
  // A file that is there afterwards and holds just this.
  void put(std::string_view name, std::string_view bytes, off_t size = -1) {
    File& f = *make(name);
    f.resize(0);
    f.write(bytes.data(), bytes.size(), 0);
    if (size >= 0) f.resize(size);
  }
  void clear() {
    for (auto& o : open_) REQUIRE(!o.used);  // no descriptor is left open
    files_.clear();
    number_ = 1;
  }
  std::shared_ptr<File> find(std::string_view name) {
    for (auto& [n, f] : files_)
      if (n == name) return f;
    return nullptr;
  }
  std::shared_ptr<File> make(std::string_view name) {
    if (auto f = find(name)) return f;
    files_.emplace_back(name, std::make_shared<File>());
    files_.back().second->number = ++number_;
    return files_.back().second;
  }

  // ---- as the kernel would; -1 with errno ----
  // Whether a path is one of ours, and then the name ("" is the folder).
  bool ours(int dir, const char* p, std::string_view* name) {
    std::string_view s(p);
    if (s.substr(0, path().size()) == path() && (s.size() == path().size() || s[path().size()] == '/')) s.remove_prefix(std::min(path().size() + 1, s.size()));
    else if (!is(dir) || (!s.empty() && s[0] == '/')) return false;
    *name = s == "." ? std::string_view{} : s;
    return true;
  }
  bool is(int fd) const { return fd >= kFirst; }
  Open* at(int fd) {
    const size_t i = static_cast<size_t>(fd - kFirst);
    if (i < open_.size() && open_[i].used) return &open_[i];
    errno = EBADF;
    return nullptr;
  }
  int open(std::string_view name, int flags) {
    std::shared_ptr<File> f = name.empty() ? nullptr : find(name);
    if (!name.empty() && !f && !(flags & O_CREAT)) return errno = ENOENT, -1;
    if (f && (flags & O_CREAT) && (flags & O_EXCL)) return errno = EEXIST, -1;
    if (f && (flags & O_DIRECTORY)) return errno = ENOTDIR, -1;
    if (name.empty() && (flags & O_ACCMODE) != O_RDONLY) return errno = EISDIR, -1;
    if (!name.empty() && !f) f = make(name);
    if (f && (flags & O_TRUNC)) f->resize(0);
    size_t i = 0;
    while (i < open_.size() && open_[i].used) i++;
    REQUIRE(i < 256);
    if (i == open_.size()) open_.emplace_back();
    open_[i] = {std::move(f), true, flags, 0};
    return kFirst + static_cast<int>(i);
  }
  int unlink(std::string_view name) {
    for (auto& [n, f] : files_)
      if (n == name) return std::swap(n, files_.back().first), std::swap(f, files_.back().second), files_.pop_back(), 0;
    return errno = name.empty() ? EISDIR : ENOENT, -1;
  }
  int rename(std::string_view from, std::string_view to) {
    auto f = find(from);
    if (!f) return errno = ENOENT, -1;
    unlink(to);
    for (auto& [n, g] : files_)
      if (g == f) n = to;
    return 0;
  }
  int status(const File* f, struct stat* st) const {
    memset(st, 0, sizeof *st);
    st->st_dev = 77;
    st->st_nlink = 1;
    st->st_uid = geteuid();
    st->st_mode = f ? f->mode : S_IFDIR | 0700;
    st->st_ino = f ? f->number : 1;
    st->st_size = f ? f->size : 0;
    st->st_mtime = st->st_ctime = 1000000000;
    return 0;
  }
  int status(std::string_view name, struct stat* st) {
    auto f = find(name);
    if (!f && !name.empty()) return errno = ENOENT, -1;
    return status(f.get(), st);
  }
  // The folder's files, one after the other.
  dirent* next(Stream* s) {
    if (s->at >= files_.size()) return nullptr;
    snprintf(s->entry.d_name, sizeof s->entry.d_name, "%s", files_[s->at++].first.c_str());
    return &s->entry;
  }
  std::vector<std::unique_ptr<Stream>> streams;

 private:
  std::vector<std::pair<std::string, std::shared_ptr<File>>> files_;
  std::vector<Open> open_;
  ino_t number_ = 1;
};

template <class F>
F* beneath(F*, const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}

}  // namespace fuzz

// The C library's, found before it by the linker.
#pragma GCC visibility push(default)
extern "C" {
int openat(int dir, const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const unsigned mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, unsigned) : 0;
  va_end(list);
  std::string_view name;
  if (fuzz::Memory::get().ours(dir, path, &name)) return fuzz::Memory::get().open(name, flags);
  return static_cast<int>(syscall(SYS_openat, dir, path, flags, mode));
}
int open(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const unsigned mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, unsigned) : 0;
  va_end(list);
  return openat(AT_FDCWD, path, flags, mode);
}
int close(int fd) {
  if (!fuzz::Memory::get().is(fd)) return static_cast<int>(syscall(SYS_close, fd));
  auto* o = fuzz::Memory::get().at(fd);
  if (o) *o = {};
  return o ? 0 : -1;
}
ssize_t pread(int fd, void* out, size_t n, off_t at) {
  if (!fuzz::Memory::get().is(fd)) return syscall(SYS_pread64, fd, out, n, at);
  auto* o = fuzz::Memory::get().at(fd);
  if (o && !o->file) return errno = EISDIR, -1;
  if (o && at < 0) return errno = EINVAL, -1;
  return o ? o->file->read(out, n, at) : -1;
}
ssize_t pwrite(int fd, const void* data, size_t n, off_t at) {
  if (!fuzz::Memory::get().is(fd)) return syscall(SYS_pwrite64, fd, data, n, at);
  auto* o = fuzz::Memory::get().at(fd);
  return o ? o->file->write(data, n, o->flags & O_APPEND ? o->file->size : at) : -1;
}
ssize_t read(int fd, void* out, size_t n) {
  if (!fuzz::Memory::get().is(fd)) return syscall(SYS_read, fd, out, n);
  auto* o = fuzz::Memory::get().at(fd);
  if (o && !o->file) return errno = EISDIR, -1;
  const ssize_t done = o ? o->file->read(out, n, o->at) : -1;
  if (done > 0) o->at += done;
  return done;
}
ssize_t write(int fd, const void* data, size_t n) {
  if (!fuzz::Memory::get().is(fd)) return syscall(SYS_write, fd, data, n);
  auto* o = fuzz::Memory::get().at(fd);
  if (!o) return -1;
  if (o->flags & O_APPEND) o->at = o->file->size;
  const ssize_t done = o->file->write(data, n, o->at);
  if (done > 0) o->at += done;
  return done;
}
off_t lseek(int fd, off_t by, int whence) {
  if (!fuzz::Memory::get().is(fd)) return syscall(SYS_lseek, fd, by, whence);
  auto* o = fuzz::Memory::get().at(fd);
  if (!o) return -1;
  return o->at = by + (whence == SEEK_CUR ? o->at : whence == SEEK_END ? o->file->size : 0);
}
int ftruncate(int fd, off_t size) noexcept {
  if (!fuzz::Memory::get().is(fd)) return static_cast<int>(syscall(SYS_ftruncate, fd, size));
  auto* o = fuzz::Memory::get().at(fd);
  if (o) o->file->resize(size);
  return o ? 0 : -1;
}
int fstat(int fd, struct stat* st) noexcept {
  if (!fuzz::Memory::get().is(fd)) return static_cast<int>(syscall(SYS_fstat, fd, st));
  auto* o = fuzz::Memory::get().at(fd);
  return o ? fuzz::Memory::get().status(o->file.get(), st) : -1;
}
int fstatat(int dir, const char* path, struct stat* st, int flags) noexcept {
  std::string_view name;
  if (fuzz::Memory::get().ours(dir, path, &name)) return fuzz::Memory::get().status(name, st);
  return static_cast<int>(syscall(SYS_newfstatat, dir, path, st, flags));
}
int stat(const char* path, struct stat* st) noexcept { return fstatat(AT_FDCWD, path, st, 0); }
int lstat(const char* path, struct stat* st) noexcept { return fstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW); }
int statx(int dir, const char* path, int flags, unsigned mask, struct statx* sx) noexcept {
  std::string_view name;
  if (!fuzz::Memory::get().ours(dir, path, &name)) return static_cast<int>(syscall(SYS_statx, dir, path, flags, mask, sx));
  struct stat st;
  if (name.empty() && fuzz::Memory::get().is(dir) ? fstat(dir, &st) != 0 : fuzz::Memory::get().status(name, &st) != 0) return -1;
  memset(sx, 0, sizeof *sx);
  sx->stx_mask = mask;
  sx->stx_mode = static_cast<uint16_t>(st.st_mode);
  sx->stx_ino = st.st_ino;
  sx->stx_size = static_cast<uint64_t>(st.st_size);
  sx->stx_uid = st.st_uid;
  sx->stx_dev_major = 77;
  sx->stx_mtime.tv_sec = sx->stx_ctime.tv_sec = st.st_mtime;
  return 0;
}
int fcntl(int fd, int what, ...) {
  va_list list;
  va_start(list, what);
  void* more = va_arg(list, void*);
  va_end(list);
  if (!fuzz::Memory::get().is(fd)) return static_cast<int>(syscall(SYS_fcntl, fd, what, more));
  auto* o = fuzz::Memory::get().at(fd);
  return !o ? -1 : what == F_GETFL ? o->flags : 0;
}
int flock(int fd, int what) noexcept { return fuzz::Memory::get().is(fd) ? 0 : static_cast<int>(syscall(SYS_flock, fd, what)); }
int fchmod(int fd, mode_t mode) noexcept {
  if (!fuzz::Memory::get().is(fd)) return static_cast<int>(syscall(SYS_fchmod, fd, mode));
  auto* o = fuzz::Memory::get().at(fd);
  if (o && o->file) o->file->mode = S_IFREG | (mode & 07777);
  return o ? 0 : -1;
}
int unlinkat(int dir, const char* path, int flags) noexcept {
  std::string_view name;
  if (fuzz::Memory::get().ours(dir, path, &name)) return fuzz::Memory::get().unlink(name);
  return static_cast<int>(syscall(SYS_unlinkat, dir, path, flags));
}
int unlink(const char* path) noexcept { return unlinkat(AT_FDCWD, path, 0); }
int renameat(int from_dir, const char* from, int to_dir, const char* to) noexcept {
  std::string_view a, b;
  const bool ours = fuzz::Memory::get().ours(from_dir, from, &a);
  if (ours != fuzz::Memory::get().ours(to_dir, to, &b)) return errno = EXDEV, -1;
  return ours ? fuzz::Memory::get().rename(a, b) : static_cast<int>(syscall(SYS_renameat2, from_dir, from, to_dir, to, 0));
}
int rename(const char* from, const char* to) noexcept { return renameat(AT_FDCWD, from, AT_FDCWD, to); }
int getrlimit(__rlimit_resource_t what, struct rlimit* r) noexcept {
  if (what != RLIMIT_FSIZE) return static_cast<int>(syscall(SYS_prlimit64, 0, what, nullptr, r));
  return r->rlim_cur = r->rlim_max = RLIM_INFINITY, 0;
}
DIR* fdopendir(int fd) {
  static auto* const real = fuzz::beneath(&fdopendir, "fdopendir");
  fuzz::Memory& m = fuzz::Memory::get();
  if (!m.is(fd)) return real(fd);
  m.streams.push_back(std::make_unique<fuzz::Memory::Stream>());
  m.streams.back()->fd = fd;
  return reinterpret_cast<DIR*>(m.streams.back().get());
}
DIR* opendir(const char* path) {
  static auto* const real = fuzz::beneath(&opendir, "opendir");
  std::string_view name;
  if (!fuzz::Memory::get().ours(AT_FDCWD, path, &name)) return real(path);
  const int fd = fuzz::Memory::get().open(name, O_RDONLY | O_DIRECTORY);
  return fd < 0 ? nullptr : fdopendir(fd);
}
dirent* readdir(DIR* d) {
  static auto* const real = fuzz::beneath(&readdir, "readdir");
  for (auto& s : fuzz::Memory::get().streams)
    if (reinterpret_cast<DIR*>(s.get()) == d) return fuzz::Memory::get().next(s.get());
  return real(d);
}
int closedir(DIR* d) {
  static auto* const real = fuzz::beneath(&closedir, "closedir");
  auto& streams = fuzz::Memory::get().streams;
  for (size_t i = 0; i < streams.size(); i++)
    if (reinterpret_cast<DIR*>(streams[i].get()) == d) {
      const int fd = streams[i]->fd;
      streams.erase(streams.begin() + static_cast<ptrdiff_t>(i));
      return close(fd);
    }
  return real(d);
}
}
#pragma GCC visibility pop

// SPDX-License-Identifier: Apache-2.0
#include "base/fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <deque>

namespace cchain {

Fd& Fd::operator=(Fd&& o) noexcept {
  if (this != &o) {
    reset();
    fd_ = o.fd_;
    o.fd_ = -1;
  }
  return *this;
}
void Fd::reset() {
  if (fd_ >= 0) {
    int saved = errno;
    close(fd_);
    errno = saved;
  }
  fd_ = -1;
}

namespace {

// STATX_MNT_ID (Linux 5.8) and STATX_MNT_ID_UNIQUE (6.8); a kernel that knows neither leaves zero.
constexpr unsigned kMountId = 0x1000u | 0x4000u;

int statx_id(int dirfd, const char* path, int flags, FileId* id) {
  struct statx sx;
  if (statx(dirfd, path, flags | AT_NO_AUTOMOUNT, STATX_TYPE | STATX_MODE | STATX_INO | STATX_SIZE | STATX_MTIME | STATX_CTIME | kMountId, &sx) != 0) return errno;
  id->dev = static_cast<uint64_t>(sx.stx_dev_major) << 32 | sx.stx_dev_minor;
  id->ino = sx.stx_ino;
  id->size = sx.stx_size;
  id->mtime_ns = sx.stx_mtime.tv_sec * 1000000000 + sx.stx_mtime.tv_nsec;
  id->ctime_ns = sx.stx_ctime.tv_sec * 1000000000 + sx.stx_ctime.tv_nsec;
  id->mode = sx.stx_mode;
  id->mount = sx.stx_mnt_id;
  return 0;
}

// Clears the override's bits from a mode that the process's umask has not been applied to yet.
int apply_umask(int fd, unsigned mode, int umask_override) {
  if (umask_override < 0) return 0;
  return fchmod(fd, mode & ~static_cast<unsigned>(umask_override)) == 0 ? 0 : errno;
}

int read_size(int fd, std::string* out, uint64_t size, uint64_t limit) {
  if (size > limit) return EFBIG;
  out->resize(size);
  size_t done = 0;
  while (done < size) {
    ssize_t n = pread(fd, out->data() + done, size - done, static_cast<off_t>(done));
    if (n < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  out->resize(done);
  return 0;
}

}  // namespace

int stat_file_at(int dir, const char* name, FileId* id) { return statx_id(dir, name, 0, id); }
int stat_file(const char* path, FileId* id) { return statx_id(AT_FDCWD, path, 0, id); }
int lstat_file(const char* path, FileId* id) { return statx_id(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, id); }
int fstat_file(int fd, FileId* id) { return statx_id(fd, "", AT_EMPTY_PATH, id); }

int entry_times(const char* path, int64_t* born, int64_t* changed) {
  struct statx sx;
  if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_MTIME | STATX_CTIME | STATX_BTIME, &sx) != 0) return errno;
  auto ns = [](const struct statx_timestamp& t) { return static_cast<int64_t>(t.tv_sec) * 1000000000 + t.tv_nsec; };
  *changed = ns(sx.stx_ctime);
  *born = sx.stx_mask & STATX_BTIME ? ns(sx.stx_btime) : std::min(ns(sx.stx_mtime), *changed);
  return 0;
}

int read_file(const char* path, std::string* out, uint64_t limit, FileId* id) {
  // Without O_NONBLOCK a FIFO that took the file's place would hold us up here.
  Fd fd(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return errno;
  FileId f;
  if (int e = fstat_file(fd.get(), &f)) return e;
  if (id) *id = f;
  if (!f.is_regular()) return f.is_dir() ? EISDIR : EINVAL;
  return read_size(fd.get(), out, f.size, limit);
}

int read_fd(int fd, std::string* out, uint64_t limit) {
  FileId f;
  if (int e = fstat_file(fd, &f)) return e;
  return read_size(fd, out, f.size, limit);
}

void populate(void* p, size_t size) {
  constexpr uintptr_t kPage = 4096;  // a larger one: EINVAL, and nothing happens
  uintptr_t from = (reinterpret_cast<uintptr_t>(p) + kPage - 1) & ~(kPage - 1), to = (reinterpret_cast<uintptr_t>(p) + size) & ~(kPage - 1);
#ifdef MADV_POPULATE_WRITE  // Linux 5.14
  int saved = errno;
  if (to > from + 4 * kPage) madvise(reinterpret_cast<void*>(from), to - from, MADV_POPULATE_WRITE);
  errno = saved;
#endif
}

static uint64_t file_limit() {
  rlimit r;
  return getrlimit(RLIMIT_FSIZE, &r) == 0 && r.rlim_cur != RLIM_INFINITY ? r.rlim_cur : UINT64_MAX;
}

bool over_file_limit(uint64_t size) { return size > file_limit(); }

int pwrite_all(int fd, const void* data, size_t size, uint64_t at) {
  if (over_file_limit(at + size)) return EFBIG;
  const char* p = static_cast<const char*>(data);
  while (size > 0) {
    ssize_t n = pwrite(fd, p, size, static_cast<off_t>(at));
    if (n < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    p += n;
    at += static_cast<uint64_t>(n);
    size -= static_cast<size_t>(n);
  }
  return 0;
}

int write_all(int fd, const void* data, size_t size) {
  const char* p = static_cast<const char*>(data);
  const uint64_t limit = file_limit();
  if (size > limit) return EFBIG;
  if (limit != UINT64_MAX) {  // where would this write end?
    struct stat st;
    off_t at = fcntl(fd, F_GETFL) & O_APPEND ? (fstat(fd, &st) == 0 ? st.st_size : 0) : lseek(fd, 0, SEEK_CUR);
    if (at > 0 && static_cast<uint64_t>(at) + size > limit) return EFBIG;
  }
  while (size > 0) {
    ssize_t n = write(fd, p, size);
    if (n < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    p += n;
    size -= static_cast<size_t>(n);
  }
  return 0;
}

namespace {
int link_descriptor_at(int fd, int at, const std::string& path) {
  char proc[64];
  snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
  return linkat(AT_FDCWD, proc, at, path.c_str(), AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
}
}  // namespace

int link_descriptor(int fd, const std::string& path) { return link_descriptor_at(fd, AT_FDCWD, path); }

int publish_file(const std::string& path, std::string_view data, const PublishOptions& o) {
  static std::atomic<uint32_t> counter{0};
  std::string dir = path.find('/') == std::string::npos ? std::string(".") : std::string(path_dir(path));
  if (!o.replace) {
    Fd fd(openat(o.at, dir.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, o.mode));
    if (fd) {
      if (int e = write_all(fd.get(), data.data(), data.size())) return e;
      if (int e = apply_umask(fd.get(), o.mode, o.umask_override)) return e;
      int e = link_descriptor_at(fd.get(), o.at, path);
      if (e == 0 || e == EEXIST) return e;
      // No /proc, or a file system that opens temporary files but can't link them: by name below.
    } else if (errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == EROFS || errno == ENOSPC || errno == EDQUOT) {
      return errno;
    }
  }
  char suffix[64];
  snprintf(suffix, sizeof suffix, "/.tmp.%d.%u", static_cast<int>(getpid()), counter.fetch_add(1));
  std::string tmp = dir + suffix;
  unlinkat(o.at, tmp.c_str(), 0);
  Fd fd(openat(o.at, tmp.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, o.mode));
  if (!fd) return errno;
  int e = write_all(fd.get(), data.data(), data.size());
  if (!e) e = apply_umask(fd.get(), o.mode, o.umask_override);
  fd.reset();
  if (!e) {
    if (o.replace)
      e = renameat(o.at, tmp.c_str(), o.at, path.c_str()) == 0 ? 0 : errno;
    else if (renameat2(o.at, tmp.c_str(), o.at, path.c_str(), RENAME_NOREPLACE) == 0)
      e = 0;
    else if (errno == EINVAL || errno == ENOSYS)  // the file system knows no RENAME_NOREPLACE
      e = linkat(o.at, tmp.c_str(), o.at, path.c_str(), 0) == 0 ? (unlinkat(o.at, tmp.c_str(), 0), 0) : errno;
    else
      e = errno;
  }
  if (e) unlinkat(o.at, tmp.c_str(), 0);
  return e;
}

namespace {
// A folder of a team hands its group down by the set-group-id bit, which a plain chmod would clear.
void set_dir_mode(const std::string& path, unsigned mode) {
  struct stat st;
  if (stat(path.c_str(), &st) == 0) chmod(path.c_str(), mode | (st.st_mode & S_ISGID));
}
}  // namespace

int make_dirs(const std::string& path, unsigned mode, int umask_override) {
  if (path.empty()) return 0;
  if (mkdir(path.c_str(), mode) == 0) {
    if (umask_override >= 0) set_dir_mode(path, mode & ~static_cast<unsigned>(umask_override));
    return 0;
  }
  if (errno == EEXIST) {
    FileId id;
    if (int e = stat_file(path.c_str(), &id)) return e;
    return id.is_dir() ? 0 : ENOTDIR;
  }
  if (errno != ENOENT) return errno;
  std::string parent(path_dir(path));
  if (parent.empty() || parent == path) return ENOENT;
  if (int e = make_dirs(parent, mode, umask_override)) return e;
  if (mkdir(path.c_str(), mode) == 0) {
    if (umask_override >= 0) set_dir_mode(path, mode & ~static_cast<unsigned>(umask_override));
    return 0;
  }
  return errno == EEXIST ? 0 : errno;
}

int open_below(int dir, std::string_view path, bool make, int umask_override, Fd* out) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
  Fd at;
  while (!path.empty()) {
    const std::string name(path.substr(0, path.find('/')));
    path.remove_prefix(std::min(name.size() + 1, path.size()));
    const int from = at ? at.get() : dir;
    Fd next(openat(from, name.c_str(), kFlags));
    if (!next && errno == ENOENT && make) {
      const bool made = mkdirat(from, name.c_str(), 0777) == 0;
      if (!made && errno != EEXIST) return errno;
      next = Fd(openat(from, name.c_str(), kFlags));
      struct stat st;
      if (next && made && umask_override >= 0 && fstat(next.get(), &st) == 0) fchmod(next.get(), (0777 & ~static_cast<unsigned>(umask_override)) | (st.st_mode & S_ISGID));
    }
    if (!next) return errno;
    at = std::move(next);
  }
  *out = std::move(at);
  return 0;
}

Privacy privacy(const std::string& path) {
  struct stat st;
  if (lstat(path.c_str(), &st) != 0) return errno == ENOENT ? Privacy::kAbsent : Privacy::kOpen;
  if (!S_ISDIR(st.st_mode)) return Privacy::kOpen;
  if (st.st_uid != geteuid()) return Privacy::kAnotherUsers;
  return st.st_mode & 077 ? Privacy::kOpen : Privacy::kPrivate;
}

std::string exposed_way(const std::string& folder) {
  if (folder.empty() || folder[0] != '/') return "\"" + folder + "\" is no absolute path";
  std::deque<std::string> parts;  // still to be gone
  auto put_first = [&](std::string_view path) {
    auto where = parts.begin();
    while (!path.empty()) {
      std::string_view part = path.substr(0, path.find('/'));
      path.remove_prefix(std::min(part.size() + 1, path.size()));
      if (!part.empty() && part != ".") where = parts.insert(where, std::string(part)) + 1;
    }
  };
  put_first(folder);
  std::string at;  // "" is the root
  for (int links = 0;;) {
    const std::string here = at.empty() ? "/" : at;
    struct stat st;
    if (lstat(here.c_str(), &st) != 0) return here + ": " + strerror(errno);
    if (st.st_uid != 0 && st.st_uid != geteuid()) return here + " is another user's";
    if (S_ISLNK(st.st_mode)) {
      char target[4096];
      ssize_t n = readlink(here.c_str(), target, sizeof target);
      if (n <= 0 || n == sizeof target || ++links > 16) return here + " is a link that leads nowhere";
      put_first({target, static_cast<size_t>(n)});
      at = target[0] == '/' ? "" : std::string(path_dir(at));
      if (at == "/") at.clear();
      continue;
    }
    if (!S_ISDIR(st.st_mode)) return here + " is no folder";
    if ((st.st_mode & 022) && (parts.empty() || !(st.st_mode & S_ISVTX))) return here + " can be written by others";
    if (parts.empty()) return {};
    if (parts.front() == "..") {
      at = std::string(path_dir(at));
      if (at == "/") at.clear();
    } else {
      at += "/" + parts.front();
    }
    parts.pop_front();
  }
}

int list_dir(const std::string& path, std::vector<std::string>* names) {
  DIR* d = opendir(path.c_str());
  if (!d) return errno;
  errno = 0;
  while (dirent* e = readdir(d)) {
    if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) names->emplace_back(e->d_name);
    errno = 0;
  }
  int err = errno;
  closedir(d);
  return err;
}

bool trusted_filesystem(const char* path) {
  struct statfs s;
  if (statfs(path, &s) != 0) return false;
  switch (static_cast<unsigned long>(s.f_type)) {
    case 0xEF53:      // ext2, ext3, ext4
    case 0x58465342:  // xfs
    case 0x9123683E:  // btrfs
    case 0x01021994:  // tmpfs
      return true;
    default:
      return false;
  }
}

int64_t now_ns() {
  timespec ts;
  clock_gettime(CLOCK_REALTIME_COARSE, &ts);
  return ts.tv_sec * int64_t{1000000000} + ts.tv_nsec;
}

int64_t tick_ns() {
  timespec ts;
  clock_getres(CLOCK_REALTIME_COARSE, &ts);
  return ts.tv_sec * int64_t{1000000000} + ts.tv_nsec;
}

std::string path_join(std::string_view dir, std::string_view name) {
  if (dir.empty() || (!name.empty() && name[0] == '/')) return std::string(name);
  std::string s;
  s.reserve(dir.size() + 1 + name.size());
  s.append(dir);
  if (s.back() != '/') s += '/';
  s.append(name);
  return s;
}
std::string_view path_dir(std::string_view path) {
  size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {};
  while (slash > 0 && path[slash - 1] == '/') slash--;
  return slash == 0 ? path.substr(0, 1) : path.substr(0, slash);
}
std::string_view path_base(std::string_view path) {
  size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace cchain

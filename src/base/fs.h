// Files. Everything here is errno-style: 0 or a positive errno value; nothing throws but std::bad_alloc.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cchain {

// A descriptor that closes itself.
class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& o) noexcept : fd_(o.fd_) { o.fd_ = -1; }
  Fd& operator=(Fd&& o) noexcept;
  Fd(const Fd&) = delete;
  ~Fd() { reset(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void reset();

 private:
  int fd_;
};

// What identifies the state of a file: if all of it is equal, the bytes are taken to be equal.
struct FileId {
  uint64_t dev = 0, ino = 0, size = 0;
  int64_t mtime_ns = 0, ctime_ns = 0;
  uint32_t mode = 0;   // st_mode; its type bits only are compared
  uint64_t mount = 0;  // the mount it was seen through (0: not known): device numbers are used again
  bool operator==(const FileId& o) const {
    return dev == o.dev && ino == o.ino && size == o.size && mtime_ns == o.mtime_ns && ctime_ns == o.ctime_ns && mount == o.mount &&
           (mode & 0170000) == (o.mode & 0170000);
  }
  bool same_file(const FileId& o) const { return dev == o.dev && ino == o.ino; }
  bool is_regular() const { return (mode & 0170000) == 0100000; }
  bool is_link() const { return (mode & 0170000) == 0120000; }
  bool is_dir() const { return (mode & 0170000) == 0040000; }
  int64_t newest_ns() const { return mtime_ns > ctime_ns ? mtime_ns : ctime_ns; }
};

// Follows links (stat) or not (lstat).
int stat_file(const char* path, FileId* id);
int lstat_file(const char* path, FileId* id);
int fstat_file(int fd, FileId* id);
int stat_file_at(int dir, const char* name, FileId* id);

// When an entry of a directory came into being (as far as the file system knows) and when it last changed; links are not followed.
int entry_times(const char* path, int64_t* born_ns, int64_t* changed_ns);

// Reads a regular file whole. EFBIG above `limit`, EINVAL for what is not a regular file (found before any read; opened non-blocking). `id`,
// if given, is that of the open file before the read.
int read_file(const char* path, std::string* out, uint64_t limit, FileId* id = nullptr);

// The whole of an open file, from its beginning, wherever its position is.
int read_fd(int fd, std::string* out, uint64_t limit);

// Writes `data` so that `path` holds either nothing, what it held, or all of it. No name may stand there yet unless
// `replace`; EEXIST otherwise. By O_TMPFILE and linkat, else a temporary name (`.tmp.<pid>.<n>` beside it). Nothing is synced. The mode
// is 0666 (| extra_mode) less the umask, or less `umask_override` if that is >= 0.
struct PublishOptions {
  bool replace = false;
  unsigned mode = 0666;
  int umask_override = -1;
  int at = -100;  // AT_FDCWD, or the open directory that a relative path begins in
};
int publish_file(const std::string& path, std::string_view data, const PublishOptions& options);

// Gives a file opened with O_TMPFILE a name that must not exist. 0 or errno.
int link_descriptor(int fd, const std::string& path);

// mkdir -p of the directory itself; 0 if it stands. The mode is 0777 less the umask (or less the override).
int make_dirs(const std::string& path, unsigned mode = 0777, int umask_override = -1);

// The directory `path` below the open directory, by way of no link: for places that others can write. With `make` what is not there is made, as by make_dirs.
int open_below(int dir, std::string_view path, bool make, int umask_override, Fd* out);

// Has the pages of a large piece of new memory made at once (one system call for all, where each would cost a fault when it is first touched). A hint.
void populate(void* p, size_t size);

// Whether nobody else can have written what lies in this folder: it is ours, closed to others and no link, or not there yet.
enum class Privacy { kPrivate, kAbsent, kAnotherUsers, kOpen };  // kOpen: also a link, or no folder
Privacy privacy(const std::string& path);
inline bool is_private_or_absent(const std::string& path) {
  Privacy p = privacy(path);
  return p == Privacy::kPrivate || p == Privacy::kAbsent;
}

// "" if nobody but this user and root can exchange what a folder's name leads to: it, each folder above it and each link on the way is theirs, and none
// can be written by others (above it such a folder may be a sticky one, as /tmp is). Else what is wrong with which.
std::string exposed_way(const std::string& folder);

// Names in a directory, without . and .., unsorted.
int list_dir(const std::string& path, std::vector<std::string>* names);

// Whole write to a descriptor, at its position or at `at`; EINTR and short writes handled. 0 or errno. A write beyond the process's file size
// limit is EFBIG: the kernel would send SIGXFSZ, which kills a host.
int write_all(int fd, const void* data, size_t size);
int pwrite_all(int fd, const void* data, size_t size, uint64_t at);
// Whether a file of this process may not reach this size.
bool over_file_limit(uint64_t size);

// True for ext4, xfs, btrfs and tmpfs: times and inode numbers there can be trusted between processes.
bool trusted_filesystem(const char* path);

// CLOCK_REALTIME as the kernel stamps files (coarse), in ns, and how coarse it is.
int64_t now_ns();
int64_t tick_ns();

// Lexical helpers: no file is looked at.
std::string path_join(std::string_view dir, std::string_view name);  // name if absolute, or dir empty
std::string_view path_dir(std::string_view path);                    // "a/b" -> "a", "b" -> "", "/b" -> "/"
std::string_view path_base(std::string_view path);

}  // namespace cchain

/* Faults for a program that is linked dynamically: the n-th call to the file system fails, is cut short, or is the last thing it does.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   FAULT_PROGRAM  only in a program of this name (what it starts is left alone)
 *   FAULT_UNDER    only calls that concern a path which begins so; several, separated by colons
 *   FAULT_CALLS    "read" or "write": only those, or all
 *   FAULT_AT       the number of the call, from 1
 *   FAULT_ERRNO    what it fails with, without being carried out; 0: a read or write is cut to half, any other call is left as it is
 *   FAULT_ON       1: and so does each one after it
 *   FAULT_KILL     1: SIGKILL before it, 2: behind it
 *   FAULT_MAGIC    what statfs says of file systems (hex)
 *   FAULT_COUNT    a file that the number of calls is written to at the end, and FAULT_TRACE one that each is appended to
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

static int active, wanted_at, wanted_errno, on, kill_when, trace_fd = -1;
static char calls, under[4096], count_file[4096];
static unsigned long magic;
static atomic_int count;

static const char *text_of(const char *name, const char *otherwise) {
  const char *v = getenv(name);
  return v ? v : otherwise;
}
__attribute__((constructor)) static void begin(void) {
  char self[4096];
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  const char *program = getenv("FAULT_PROGRAM");
  if (n <= 0 || !program) return;
  self[n] = 0;
  const char *base = strrchr(self, '/');
  if (strcmp(base ? base + 1 : self, program) != 0) return;
  wanted_at = atoi(text_of("FAULT_AT", "0"));
  wanted_errno = atoi(text_of("FAULT_ERRNO", "0"));
  on = atoi(text_of("FAULT_ON", "0"));
  kill_when = atoi(text_of("FAULT_KILL", "0"));
  magic = strtoul(text_of("FAULT_MAGIC", "0"), 0, 16);
  calls = text_of("FAULT_CALLS", "a")[0];
  snprintf(under, sizeof under, "%s", text_of("FAULT_UNDER", "/"));
  snprintf(count_file, sizeof count_file, "%s", text_of("FAULT_COUNT", ""));
  if (getenv("FAULT_TRACE")) trace_fd = syscall(SYS_openat, AT_FDCWD, getenv("FAULT_TRACE"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  unsetenv("LD_PRELOAD"); /* a compile with it is refused, and what it starts is left alone */
  active = 1;
}
/* _exit is what the command ends with; exit calls it too. */
static void end(void) {
  if (!active || !count_file[0]) return;
  char text[32];
  int n = snprintf(text, sizeof text, "%d\n", atomic_load(&count));
  int fd = syscall(SYS_openat, AT_FDCWD, count_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd >= 0 && syscall(SYS_write, fd, text, n) == n) syscall(SYS_close, fd);
}
__attribute__((destructor)) static void last(void) { end(); }

static int matches(const char *path) {
  for (const char *u = under; *u;) {
    size_t n = strcspn(u, ":");
    if (strncmp(path, u, n) == 0) return 1;
    u += n + (u[n] == ':');
  }
  return 0;
}
static int concerns(int fd, const char *path) {
  char whole[8192], link[64];
  if (path && path[0] == '/') return matches(path);
  if (fd == AT_FDCWD) snprintf(link, sizeof link, "/proc/self/cwd");
  else snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = syscall(SYS_readlink, link, whole, sizeof whole - 1);
  if (n <= 0) return 0;
  whole[n] = 0;
  if (path && *path) snprintf(whole + n, sizeof whole - n, "/%s", path);
  return matches(whole);
}
/* 0: as usual; 1: fail with errno set; 2: cut short; 3: kill behind it. */
static int fault(char kind, const char *what, int fd, const char *path, const char *other) {
  if (!active || (calls != 'a' && calls != kind)) return 0;
  int saved = errno;
  int hit = concerns(fd, path) || (other && concerns(AT_FDCWD, other));
  errno = saved;
  if (!hit) return 0;
  int number = atomic_fetch_add(&count, 1) + 1;
  if (trace_fd >= 0) dprintf(trace_fd, "%d %s %s\n", number, what, path ? path : "");
  if (!wanted_at || (on ? number < wanted_at : number != wanted_at)) return 0;
  if (kill_when == 1) syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
  if (kill_when == 2) return 3;
  if (!wanted_errno) return kind == 'r' || kind == 'w' ? 2 : 0;
  errno = wanted_errno;
  return 1;
}
static void behind(int f) {
  if (f == 3) syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
}

/* Each wrapper: the declaration, its arguments, and what the fault is asked of. */
#define NEXT(name) \
  static __typeof__(&name) next; \
  if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define WRAP(type, name, parameters, arguments, kind, fd, path, other) \
  type name parameters { \
    NEXT(name); \
    int f = fault(kind, #name, fd, path, other); \
    if (f == 1) return -1; \
    type r = next arguments; \
    behind(f); \
    return r; \
  }

#define OPENS(name, parameters, arguments, fd) \
  int name parameters { \
    NEXT(name); \
    mode_t mode = 0; \
    if (flags & (O_CREAT | __O_TMPFILE)) { \
      va_list a; \
      va_start(a, flags); \
      mode = va_arg(a, mode_t); \
      va_end(a); \
    } \
    int f = fault(flags & (O_CREAT | __O_TMPFILE) ? 'm' : 'o', #name, fd, path, 0); \
    if (f == 1) return -1; \
    int r = next arguments; \
    behind(f); \
    return r; \
  }
OPENS(open, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD)
OPENS(open64, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD)
OPENS(openat, (int fd, const char *path, int flags, ...), (fd, path, flags, mode), fd)
OPENS(openat64, (int fd, const char *path, int flags, ...), (fd, path, flags, mode), fd)

#define MOVES(name, parameters, arguments, kind) \
  ssize_t name parameters { \
    NEXT(name); \
    int f = fault(kind, #name, fd, 0, 0); \
    if (f == 1) return -1; \
    if (f == 2 && size > 1) size /= 2; \
    ssize_t r = next arguments; \
    behind(f); \
    return r; \
  }
MOVES(read, (int fd, void *data, size_t size), (fd, data, size), 'r')
MOVES(pread, (int fd, void *data, size_t size, off_t at), (fd, data, size, at), 'r')
MOVES(pread64, (int fd, void *data, size_t size, off64_t at), (fd, data, size, at), 'r')
MOVES(write, (int fd, const void *data, size_t size), (fd, data, size), 'w')
MOVES(pwrite, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at), 'w')
MOVES(pwrite64, (int fd, const void *data, size_t size, off64_t at), (fd, data, size, at), 'w')

WRAP(int, stat, (const char *path, struct stat *st), (path, st), 's', AT_FDCWD, path, 0)
WRAP(int, lstat, (const char *path, struct stat *st), (path, st), 's', AT_FDCWD, path, 0)
WRAP(int, fstat, (int fd, struct stat *st), (fd, st), 's', fd, 0, 0)
WRAP(int, fstatat, (int fd, const char *path, struct stat *st, int flags), (fd, path, st, flags), 's', fd, path, 0)
WRAP(int, statx, (int fd, const char *path, int flags, unsigned mask, struct statx *st), (fd, path, flags, mask, st), 's', fd, path, 0)
WRAP(int, access, (const char *path, int how), (path, how), 's', AT_FDCWD, path, 0)
WRAP(int, link, (const char *path, const char *to), (path, to), 'm', AT_FDCWD, path, to)
WRAP(int, linkat, (int fd, const char *path, int fd2, const char *to, int flags), (fd, path, fd2, to, flags), 'm', fd2, to, 0)
WRAP(int, rename, (const char *path, const char *to), (path, to), 'm', AT_FDCWD, path, to)
WRAP(int, renameat, (int fd, const char *path, int fd2, const char *to), (fd, path, fd2, to), 'm', fd, path, 0)
WRAP(int, renameat2, (int fd, const char *path, int fd2, const char *to, unsigned flags), (fd, path, fd2, to, flags), 'm', fd, path, 0)
WRAP(int, unlink, (const char *path), (path), 'm', AT_FDCWD, path, 0)
WRAP(int, unlinkat, (int fd, const char *path, int flags), (fd, path, flags), 'm', fd, path, 0)
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode), 'm', AT_FDCWD, path, 0)
WRAP(int, rmdir, (const char *path), (path), 'm', AT_FDCWD, path, 0)
WRAP(int, chmod, (const char *path, mode_t mode), (path, mode), 'm', AT_FDCWD, path, 0)
WRAP(int, fchmod, (int fd, mode_t mode), (fd, mode), 'm', fd, 0, 0)
WRAP(int, ftruncate, (int fd, off_t size), (fd, size), 'w', fd, 0, 0)
WRAP(int, ftruncate64, (int fd, off64_t size), (fd, size), 'w', fd, 0, 0)
WRAP(int, flock, (int fd, int how), (fd, how), 'l', fd, 0, 0)
WRAP(ssize_t, getdents64, (int fd, void *buffer, size_t size), (fd, buffer, size), 'g', fd, 0, 0)
WRAP(ssize_t, readlink, (const char *restrict path, char *restrict out, size_t size), (path, out, size), 's', AT_FDCWD, path, 0)

int fcntl(int fd, int what, ...) {
  NEXT(fcntl);
  va_list a;
  va_start(a, what);
  void *p = va_arg(a, void *);
  va_end(a);
  if (what == F_OFD_SETLK && fault('l', "fcntl", fd, 0, 0) == 1) return -1;
  return next(fd, what, p);
}
int fcntl64(int fd, int what, ...) {
  NEXT(fcntl64);
  va_list a;
  va_start(a, what);
  void *p = va_arg(a, void *);
  va_end(a);
  if (what == F_OFD_SETLK && fault('l', "fcntl", fd, 0, 0) == 1) return -1;
  return next(fd, what, p);
}
int statfs(const char *path, struct statfs *st) {
  NEXT(statfs);
  if (fault('s', "statfs", AT_FDCWD, path, 0) == 1) return -1;
  int r = next(path, st);
  if (active && magic && r == 0) st->f_type = (__typeof__(st->f_type))magic;
  return r;
}
DIR *opendir(const char *path) {
  NEXT(opendir);
  if (fault('o', "opendir", AT_FDCWD, path, 0) == 1) return 0;
  return next(path);
}
void _exit(int status) {
  end();
  for (;;) syscall(SYS_exit_group, status);
}

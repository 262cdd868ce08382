/* The system calls of a strace log as a table (make-floor.py writes it), and the loop that does them again.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PLAN_H
#define PLAN_H
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { OP_STATX, OP_STAT, OP_FSTAT, OP_ACCESS, OP_READLINK, OP_OPEN, OP_CLOSE, OP_READ, OP_PREAD, OP_WRITE, OP_PWRITE, OP_UNLINK,
       OP_LINKFD, OP_RENAME, OP_MKDIR, OP_GETCWD, OP_STATFS, OP_FLOCK, OP_LSEEK, OP_GETDENTS, OP_FTRUNCATE, OP_MMAP, OP_CLONE,
       OP_CHECKSUM, OP_DECODE };

struct op {
  uint8_t code;
  uint8_t fails; /* as it did when it was recorded */
  int16_t fd, fd2;
  const char *path, *path2;
  uint32_t flags, mode;
  uint64_t size, offset;
};

#ifndef PLAN_BUFFER
#define PLAN_BUFFER (8 << 20)
#endif
#define PLAN_FDS 4096

struct plan_state {
  int fd[PLAN_FDS];
  char *buffer, *decoded;
};

#ifdef PLAN_DECODE
void plan_checksum(const char *data, size_t size);
void plan_decode(const char *data, size_t size, char *to, size_t room);
#endif

static long plan_do(const struct op *o, struct plan_state *s) {
#define FD(n) ((n) < 0 ? AT_FDCWD : s->fd[n])
  switch (o->code) {
    case OP_STATX: { struct statx b; return syscall(SYS_statx, FD(o->fd), o->path, o->flags, o->mode, &b); }
    case OP_STAT: { struct stat b; return fstatat(FD(o->fd), o->path, &b, (int)o->flags); }
    case OP_FSTAT: { struct stat b; return fstat(FD(o->fd), &b); }
    case OP_ACCESS: return access(o->path, (int)o->mode);
    case OP_READLINK: { char b[4096]; return readlink(o->path, b, o->size < sizeof b ? o->size : sizeof b); }
    case OP_OPEN: { int f = openat(FD(o->fd), o->path, (int)o->flags, o->mode); if (o->fd2 >= 0) s->fd[o->fd2] = f; return f; }
    case OP_CLOSE: return close(FD(o->fd));
    case OP_READ: return read(FD(o->fd), s->buffer, o->size);
    case OP_PREAD: return pread(FD(o->fd), s->buffer, o->size, (off_t)o->offset);
    case OP_WRITE: return write(FD(o->fd), s->buffer, o->size);
    case OP_PWRITE: return pwrite(FD(o->fd), s->buffer, o->size, (off_t)o->offset);
    case OP_UNLINK: return unlinkat(FD(o->fd), o->path, (int)o->flags);
    case OP_LINKFD: { char b[40]; snprintf(b, sizeof b, "/proc/self/fd/%d", FD(o->fd)); return linkat(AT_FDCWD, b, AT_FDCWD, o->path, AT_SYMLINK_FOLLOW); }
    case OP_RENAME: return rename(o->path, o->path2);
    case OP_MKDIR: return mkdir(o->path, o->mode);
    case OP_GETCWD: { char b[4096]; return syscall(SYS_getcwd, b, sizeof b); }
    case OP_STATFS: { struct statfs b; return statfs(o->path, &b); }
    case OP_FLOCK: return flock(FD(o->fd), (int)o->flags);
    case OP_LSEEK: return lseek(FD(o->fd), (off_t)o->offset, (int)o->flags);
    case OP_GETDENTS: return syscall(SYS_getdents64, FD(o->fd), s->buffer, o->size);
    case OP_FTRUNCATE: return ftruncate(FD(o->fd), (off_t)o->offset);
    case OP_MMAP: return mmap(NULL, o->size, (int)o->flags, (int)o->mode, FD(o->fd), (off_t)o->offset) == MAP_FAILED ? -1 : 0;
    case OP_CLONE: return ioctl(FD(o->fd), FICLONE, FD(o->fd2));
#ifdef PLAN_DECODE
    case OP_CHECKSUM: plan_checksum(s->buffer, o->size); return 0;
    case OP_DECODE: plan_decode(s->buffer + o->offset, o->size, s->decoded, PLAN_BUFFER); return 0;
#endif
    default: return 0;
  }
#undef FD
}

/* Returns how many calls ended otherwise than when they were recorded. */
static int plan_run(const struct op *ops, size_t count, struct plan_state *s) {
  int other = 0;
  for (size_t i = 0; i < count; i++) {
    int bad = (plan_do(&ops[i], s) < 0) != ops[i].fails;
#ifdef PLAN_TELL
    if (bad) fprintf(stderr, "%d %d %s\n", ops[i].code, ops[i].fd, ops[i].path ? ops[i].path : "");
#endif
    other += bad;
  }
  return other;
}
#endif

// Nothing that a fuzz target of configurations is told to make is made: its folders have any name, anywhere on this machine. For one source file of a program.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#pragma GCC visibility push(default)
extern "C" {
int openat(int dir, const char* path, int flags, ...) {
  if ((flags & O_ACCMODE) != O_RDONLY || flags & (O_CREAT | O_TRUNC)) return errno = EROFS, -1;
  return static_cast<int>(syscall(SYS_openat, dir, path, flags, 0));
}
int open(const char* path, int flags, ...) { return openat(AT_FDCWD, path, flags); }
int mkdirat(int, const char*, mode_t) noexcept { return errno = EROFS, -1; }
int mkdir(const char*, mode_t) noexcept { return errno = EROFS, -1; }
int unlink(const char*) noexcept { return errno = EROFS, -1; }
int rename(const char*, const char*) noexcept { return errno = EROFS, -1; }
}
#pragma GCC visibility pop

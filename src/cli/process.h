// Children: started fast, their streams captured, their end made ours.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include <string>
#include <vector>

namespace cli {

struct Run {
  const char* path = nullptr;  // of the program
  const char* const* argv = nullptr;
  const char* const* env = nullptr;
  bool null_stdin = false;      // else ours
  bool capture_out = false, capture_err = false;  // else ours
  // With capture_out and capture_err: its stdout, its stderr is a terminal of this size, not a pipe.
  const winsize *terminal_out = nullptr, *terminal_err = nullptr;
  size_t capture_limit = 0;     // bytes of one stream; above it both are passed on as they come, or dropped
  bool pass_on = false;
};

struct Ended {
  int status = 0;          // as of waitpid
  int signal = 0;          // the last of HUP INT QUIT TERM that we got meanwhile
  bool overflow = false;   // the limit was reached: all output has been passed on (or dropped), out and err are empty
  std::string out, err;
  uint64_t ms = 0;
};

// Runs a program to its end. A signal sent to us alone is handed on to it; one from the terminal reaches it by itself.
// It is sent SIGTERM when we are killed. 0, or errno if it could not be started (then nothing was written).
int run(const Run& what, Ended* ended);

// Ends this process as waitpid's `status` says that the child has ended.
[[noreturn]] void end_as(int status);
[[noreturn]] void end_by(int signal);
// As shells count it: the exit code, or 128 + the signal's number.
int exit_code(int status);

// Sees to it that the descriptors 0, 1 and 2 are taken, so that no file which is opened later gets one of them; closed
// by exec. False if 1 or 2 was not open: a compiler that can't write then fails in its own ways.
bool reserve_standard_streams();

// The environment with more variables set, for Run::env; lives as long as both do.
std::vector<const char*> environment_with(const std::vector<const char*>& more);

}  // namespace cli

// SPDX-License-Identifier: Apache-2.0
#include "cli/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "cli/io.h"

namespace cli {

namespace {

constexpr int kForwarded[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
constexpr int kForwardedCount = 4;

volatile pid_t g_child;
volatile sig_atomic_t g_signal;

// Signals while a child runs. What was ignored when we were started (nohup) stays ignored, as compilers do it.
void on_signal(int number, siginfo_t* info, void*) {
  int saved = errno;
  g_signal = number;
  // From the terminal (not from a process) it goes to the whole foreground group, the child included.
  if (info->si_code <= 0 && g_child > 0) kill(g_child, number);
  errno = saved;
}

struct Signals {
  struct sigaction old[kForwardedCount];
  struct sigaction old_child;

  void take() {
    struct sigaction action = {};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < kForwardedCount; i++) {
      sigaction(kForwarded[i], nullptr, &old[i]);
      if (old[i].sa_handler != SIG_IGN) sigaction(kForwarded[i], &action, nullptr);
    }
    // Where SIGCHLD is ignored, the status of a child is lost.
    struct sigaction standard = {};
    standard.sa_handler = SIG_DFL;
    sigaction(SIGCHLD, &standard, &old_child);
  }
  void give_back() const {
    for (int i = 0; i < kForwardedCount; i++) sigaction(kForwarded[i], &old[i], nullptr);
    sigaction(SIGCHLD, &old_child, nullptr);
  }
};

// Returns the pid, or -1 with errno. The child shares our memory until it execs: it calls the kernel only.
__attribute__((noinline)) pid_t spawn(const Run& what, int out, int err, const Signals& signals) {
  sigset_t all, old;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &old);
  const pid_t us = getpid();
  volatile int failure = 0;
  pid_t pid = vfork();
  if (pid == 0) {
    signals.give_back();
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    bool ok = getppid() == us;  // else we have been killed before the line above
    if (ok && what.null_stdin) {
      int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
      ok = null >= 0 && dup2(null, 0) == 0;
    }
    if (ok && out >= 0) ok = dup2(out, 1) == 1;
    if (ok && err >= 0) ok = dup2(err, 2) == 2;
    if (ok) {
      sigprocmask(SIG_SETMASK, &old, nullptr);
      execve(what.path, const_cast<char* const*>(what.argv), const_cast<char* const*>(what.env));
    }
    failure = errno ? errno : EIO;
    _exit(127);
  }
  int error = errno;
  if (pid > 0 && failure) {
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid = -1;
    error = failure;
  }
  g_child = pid > 0 ? pid : 0;
  sigprocmask(SIG_SETMASK, &old, nullptr);
  errno = error;
  return pid;
}

void close_fd(int* fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

// A pseudo-terminal that hands on the bytes as they are written and becomes nobody's controlling terminal: what is
// written to ends[1] is read from ends[0]. 0 or errno.
int open_terminal(const winsize& size, int ends[2]) {
  auto set_up = [&] {
    ends[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (ends[0] < 0 || grantpt(ends[0]) != 0 || unlockpt(ends[0]) != 0) return false;
    // Not by its name, which can mean another one where /dev/pts is not the instance that /dev/ptmx is of.
    ends[1] = ioctl(ends[0], TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    char name[64];
    if (ends[1] < 0 && (errno == ENOTTY || errno == EINVAL) && ptsname_r(ends[0], name, sizeof name) == 0)
      ends[1] = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    termios mode;
    if (ends[1] < 0 || tcgetattr(ends[1], &mode) != 0) return false;
    mode.c_oflag &= ~static_cast<tcflag_t>(OPOST);
    return tcsetattr(ends[1], TCSANOW, &mode) == 0 && ioctl(ends[1], TIOCSWINSZ, &size) == 0;
  };
  if (set_up()) return 0;
  int error = errno ? errno : ENOTTY;
  close_fd(&ends[0]), close_fd(&ends[1]);
  return error;
}

// Reads both streams until they end. A server that a launcher left running may keep them open: once the child has
// ended, what is there by then is all.
void drain(const Run& what, pid_t pid, int fds[2], Ended* ended) {
  static char buffer[64 << 10];  // one caller, one thread
  int child = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  std::string* text[2] = {&ended->out, &ended->err};
  bool over = false, hung_up[2] = {};
  while (fds[0] >= 0 || fds[1] >= 0) {
    pollfd wait[3] = {{fds[0], POLLIN, 0}, {fds[1], POLLIN, 0}, {child, POLLIN, 0}};
    int ready = poll(wait, 3, over ? 0 : -1);
    if (ready < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      break;
    }
    if (wait[2].revents) {
      over = true;
      close_fd(&child);
    }
    bool progress = false;
    for (int i = 0; i < 2; i++) {
      if (fds[i] < 0 || !wait[i].revents) continue;
      progress = true;
      ssize_t n = read(fds[i], buffer, sizeof buffer);
      if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (n <= 0) {
        // The end of a terminal. The last words can have come while the kernel looked for it: a second look sees them.
        if (n < 0 && errno == EIO && !hung_up[i]) {
          hung_up[i] = true;
          continue;
        }
        close_fd(&fds[i]);
        continue;
      }
      if (!ended->overflow && text[i]->size() + static_cast<size_t>(n) > what.capture_limit) {
        ended->overflow = true;
        for (int k = 0; k < 2; k++) {
          if (what.pass_on) write_all(k + 1, *text[k]);
          std::string().swap(*text[k]);
        }
      }
      if (!ended->overflow) text[i]->append(buffer, static_cast<size_t>(n));
      else if (what.pass_on) write_all(i + 1, buffer, static_cast<size_t>(n));
    }
    if (over && !progress && ready == 0) break;
  }
  close_fd(&child);
}

uint64_t now_ms() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1000 + static_cast<uint64_t>(t.tv_nsec) / 1000000;
}

}  // namespace

int run(const Run& what, Ended* ended) {
  int out[2] = {-1, -1}, err[2] = {-1, -1};
  auto make_pipe = [](int ends[2]) { return pipe2(ends, O_CLOEXEC) == 0 ? 0 : errno; };
  auto make = [&](const winsize* terminal, int ends[2]) { return terminal ? open_terminal(*terminal, ends) : make_pipe(ends); };
  int error = what.capture_out ? make(what.terminal_out, out) : 0;
  if (!error && what.capture_err) error = make(what.terminal_err, err);
  if (error) {
    close_fd(&out[0]), close_fd(&out[1]);
    return error;
  }
  const uint64_t start = now_ms();
  g_signal = 0;
  Signals signals;
  signals.take();
  pid_t pid = spawn(what, out[1], err[1], signals);
  error = pid < 0 ? errno : 0;
  close_fd(&out[1]), close_fd(&err[1]);
  int fds[2] = {out[0], err[0]};
  if (pid > 0) {
    drain(what, pid, fds, ended);
    // The pid is ours until it is reaped: no signal goes to another process that has got its number.
    siginfo_t info;
    while (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
    }
    g_child = 0;
    while (waitpid(pid, &ended->status, 0) < 0 && errno == EINTR) {
    }
  }
  close_fd(&fds[0]), close_fd(&fds[1]);
  signals.give_back();
  ended->signal = g_signal;
  ended->ms = now_ms() - start;
  if (pid < 0 && ended->signal) end_by(ended->signal);
  return error;
}

void end_by(int number) {
  // The child has left its core file, if any: ours would say nothing and could take the place of that.
  rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  signal(number, SIG_DFL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, number);
  sigprocmask(SIG_UNBLOCK, &set, nullptr);
  kill(getpid(), number);
  _exit(128 + number);
}

int exit_code(int status) { return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status); }

void end_as(int status) {
  if (WIFSIGNALED(status)) end_by(WTERMSIG(status));
  _exit(WEXITSTATUS(status));
}

bool reserve_standard_streams() {
  pollfd fds[3] = {{0, 0, 0}, {1, 0, 0}, {2, 0, 0}};
  if (poll(fds, 3, 0) <= 0) return true;
  for (const pollfd& fd : fds) {
    if (fd.revents & POLLNVAL) open("/dev/null", O_RDONLY | O_CLOEXEC);
  }
  return !((fds[1].revents | fds[2].revents) & POLLNVAL);
}

std::vector<const char*> environment_with(const std::vector<const char*>& more) {
  auto same_name = [](const char* a, const char* b) {
    size_t n = static_cast<size_t>(strchrnul(a, '=') - a);
    return strncmp(a, b, n) == 0 && b[n] == '=';
  };
  std::vector<const char*> all;
  for (char** e = environ; e && *e; e++) {
    bool replaced = false;
    for (const char* m : more) replaced = replaced || same_name(m, *e);
    if (!replaced) all.push_back(*e);
  }
  all.insert(all.end(), more.begin(), more.end());
  all.push_back(nullptr);
  return all;
}

}  // namespace cli

// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "cli/io.h"
#include "cli/text.h"

namespace cli {

namespace {

constexpr int64_t kFirstBar = 300, kNextBar = 100, kFirstLine = 5000, kNextLine = 10000;  // ms
constexpr size_t kBar = 30, kLeastBar = 10;                                            // columns

bool draws(int fd) {
  const char* term = getenv("TERM");
  return isatty(fd) && term && strcmp(term, "dumb") != 0;
}

size_t columns_of(int fd) {
  winsize size;
  return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

bool wants_colour(int fd) {
  const char* no = getenv("NO_COLOR");
  return !(no && *no) && draws(fd);
}

Progress::Progress(std::string what, std::string unit, int fd)
    : what_(std::move(what)), unit_(std::move(unit)), fd_(fd), terminal_(draws(fd)), start_(now_ms()), next_(start_ + (terminal_ ? kFirstBar : kFirstLine)) {}

int64_t Progress::now_ms() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<int64_t>(t.tv_sec) * 1000 + t.tv_nsec / 1000000;
}

void Progress::at(uint64_t done, uint64_t total, int64_t ms) {
  if (ms < next_) return;
  next_ = ms + (terminal_ ? kNextBar : kNextLine);
  if (!terminal_) {
    write_all(fd_, "cchain: " + line(what_, unit_, done, total) + "\n");
    return;
  }
  drawn_ = true;
  // One column less: in the last one some terminals begin a new line.
  write_all(fd_, "\r" + bar(what_, unit_, done, total, ms - start_, columns_of(fd_) - 1) + "\033[K");
}

void Progress::end() {
  if (drawn_) write_all(fd_, "\r\033[K");
  drawn_ = false;
}

std::string Progress::line(std::string_view what, std::string_view unit, uint64_t done, uint64_t total) {
  std::string out = std::string(what) + ": " + show_count(done);
  if (total) out += " of " + show_count(std::max(done, total));
  return out.append(" ").append(unit);
}

std::string Progress::bar(std::string_view what, std::string_view unit, uint64_t done, uint64_t total, int64_t elapsed_ms, size_t width) {
  std::string left = std::string(what) + " ", right = " ";
  if (!total) {
    right = show_count(done).append(" ").append(unit);
    return (left + right).substr(0, width);
  }
  done = std::min(done, total);
  const auto share = static_cast<double>(done) / static_cast<double>(total);
  right += std::to_string(static_cast<unsigned>(share * 100)) + " %  " + show_count(done) + " of " + show_count(total) + " " + std::string(unit);
  if (done > 0 && done < total && elapsed_ms > 1000) right += ", " + show_time(static_cast<uint64_t>(static_cast<double>(elapsed_ms) * (1 - share) / share)) + " left";
  const size_t used = left.size() + right.size() + 2;
  if (used + kLeastBar > width) return (left + right.substr(1)).substr(0, width);
  const size_t cells = std::min(kBar, width - used), full = static_cast<size_t>(share * static_cast<double>(cells));
  return left + "[" + std::string(full, '#') + std::string(cells - full, ' ') + "]" + right;
}

}  // namespace cli

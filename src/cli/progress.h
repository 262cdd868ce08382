// How far long work has come, on stderr: on a terminal a bar that is drawn over and wiped off at the end, else a plain line now and then. Work that is quick shows nothing.
// And whether colours are wanted.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdint.h>

#include <string>
#include <string_view>

namespace cli {

// False where NO_COLOR is set and not empty, TERM is dumb, or the descriptor is no terminal.
bool wants_colour(int fd);

class Progress {
 public:
  // `what`: one word or two, "trim"; `unit`: what is counted, "entries". Lives on one thread.
  Progress(std::string what, std::string unit, int fd = 2);
  ~Progress() { end(); }
  Progress(const Progress&) = delete;

  // `done` of `total` (0: not known, and it may change). As often as one likes: it looks at the clock and seldom writes.
  void at(uint64_t done, uint64_t total) { at(done, total, now_ms()); }
  // The same at a given time of CLOCK_MONOTONIC, for tests.
  void at(uint64_t done, uint64_t total, int64_t ms);
  // Wipes the bar, before anything else is written.
  void end();

  // As cc_progress_fn: `self` is a Progress.
  static void callback(void* self, uint64_t done, uint64_t total) { static_cast<Progress*>(self)->at(done, total); }

  // "trim  [#####     ]  50 %  1,000 of 2,000 entries, 3 s left" in at most `width` columns.
  static std::string bar(std::string_view what, std::string_view unit, uint64_t done, uint64_t total, int64_t elapsed_ms, size_t width);
  // "trim: 1,000 of 2,000 entries"
  static std::string line(std::string_view what, std::string_view unit, uint64_t done, uint64_t total);

 private:
  static int64_t now_ms();
  std::string what_, unit_;
  int fd_;
  bool terminal_;
  bool drawn_ = false;
  int64_t start_, next_;
};

}  // namespace cli

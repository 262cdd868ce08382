// Places: what a record from another machine can ask for.
// SPDX-License-Identifier: Apache-2.0
#include "model/places.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

extern "C" {
#include <cmocka.h>
}

using namespace cchain;

// A name that leads back to the directory it is looked for in: no look may wait for itself.
static void absolute_names(void**) {
  Looker looker("");
  Table memo("", 0, 64);
  for (const char* name : {"/tmp", "/tmp/.", "/"}) {
    PlaceSetBuilder set;
    uint32_t dir = set.dir(name[1] ? "/tmp" : "/");
    set.absent(dir, dir + 1, name);
    alarm(10);
    assert_false(evaluate(looker, memo, Digest(), set.encode(), "/", looker.new_epoch(), nullptr).matched);
    alarm(0);
  }
}

// Many threads of a host look up at once: what they hold open together leaves the host its descriptors.
static void few_descriptors(void**) {
  char folder[] = "/tmp/places-XXXXXX";
  assert_non_null(mkdtemp(folder));
  PlaceSetBuilder set;
  for (int d = 0; d < 30; d++) {
    std::string dir = folder + ("/" + std::to_string(d));
    mkdir(dir.c_str(), 0700);
    for (int f = 0; f < 5; f++) {
      std::string name = std::to_string(f);
      close(open((dir + "/" + name).c_str(), O_CREAT | O_WRONLY, 0600));
      set.file(dir, name, PlaceKind::kInput, true);
    }
  }
  const std::string bytes = set.encode();
  Looker looker("");
  Table memo("", 0, 64);
  std::atomic<int> matched{0}, left{32};
  std::vector<std::thread> threads;
  for (int t = left; t > 0; t--)
    threads.emplace_back([&] {
      for (int i = 0; i < 50; i++) matched += evaluate(looker, memo, Digest(), bytes, "/", looker.new_epoch(), nullptr).matched;
      left--;
    });
  size_t most = 0;
  while (left) {
    std::vector<std::string> names;
    if (list_dir("/proc/self/fd", &names) == 0) most = std::max(most, names.size());
  }
  for (auto& t : threads) t.join();
  std::filesystem::remove_all(folder);
  assert_int_equal(matched, 32 * 50);
  assert_in_range(most, 1, 200);
}

int main() {
  const struct CMUnitTest tests[] = {cmocka_unit_test(absolute_names), cmocka_unit_test(few_descriptors)};
  return cmocka_run_group_tests_name("places", tests, nullptr, nullptr);
}

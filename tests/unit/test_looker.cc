// What a process knows of paths: looks, their versions, programs found in a session.
// SPDX-License-Identifier: Apache-2.0
#include "model/looker.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <thread>

#include "core/invocation.h"

extern "C" {
#include <cmocka.h>
}

using namespace cchain;

static std::string folder;

static void write_file(const std::string& path, const char* text, unsigned mode = 0600) {
  int fd = open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, mode);
  assert_int_equal(write(fd, text, strlen(text)), strlen(text));
  close(fd);
}

// Who reads while another writes gets what was written at one moment, or nothing.
static void published_whole(void**) {
  struct Words {
    uint64_t w[10];
  };
  Published<Words> value;
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (uint64_t n = 1; !stop; n++) {
      Words v;
      for (auto& w : v.w) w = n;
      value.write(v);
    }
  });
  int whole = 0, torn = 0;
  for (int i = 0; i < 2000000 || (whole < 1000 && i < 200000000); i++) {
    Words v;
    if (!value.read(&v)) continue;
    whole++;
    for (auto& w : v.w) torn += w != v.w[0];
  }
  stop = true;
  writer.join();
  assert_int_equal(torn, 0);
  assert_true(whole >= 1000);
}

static void versions(void**) {
  const std::string path = folder + "/file";
  write_file(path, "one");
  Looker looker("");
  Looker::Node* n = looker.node(path);
  uint64_t e = looker.new_epoch();
  const uint32_t first = looker.look(n, e).version;
  const uint64_t changes = looker.changes();
  write_file(path, "three");
  assert_int_equal(looker.look(n, e).version, first);  // known in this epoch
  assert_int_equal(looker.look(n, e).id.size, 3);
  e = looker.new_epoch();
  assert_int_equal(looker.look(n, e).version, first + 1);
  assert_int_equal(looker.look(n, e).id.size, 5);
  assert_int_equal(looker.changes(), changes + 1);
  assert_int_equal(looker.look(n, looker.new_epoch()).version, first + 1);  // as it was
  unlink(path.c_str());
  assert_int_equal(looker.look(n, looker.new_epoch()).version, first + 2);
  e = looker.new_epoch();
  assert_int_equal(looker.look(n, e).error, ENOENT);
  write_file(path, "four");
  looker.forget_way(path);
  assert_int_equal(looker.look(n, e).error, 0);
  assert_int_equal(looker.look(n, e).version, first + 3);
  bool link;
  unlink(path.c_str());
  assert_int_equal(looker.look_at_link(n, looker.new_epoch(), &link).version, first + 4);
}

static void programs(void**) {
  const std::string a = folder + "/a", b = folder + "/b";
  mkdir(a.c_str(), 0700), mkdir(b.c_str(), 0700);
  write_file(b + "/cc1", "#!/bin/sh\n", 0700);
  Environment env({"PATH=" + a + ":" + b});
  FoundPrograms found;
  assert_string_equal(found.find("cc1", env, "/", 5).c_str(), (b + "/cc1").c_str());
  write_file(a + "/cc1", "#!/bin/sh\n", 0700);
  assert_string_equal(found.find("cc1", env, "/", 5).c_str(), (b + "/cc1").c_str());
  assert_string_equal(found.find("cc1", env, "/", 0).c_str(), (a + "/cc1").c_str());  // outside of a session
  found.forget();
  assert_string_equal(found.find("cc1", env, "/", 5).c_str(), (a + "/cc1").c_str());
  unlink((a + "/cc1").c_str());
  assert_string_equal(found.find("cc1", env, "/", 6).c_str(), (b + "/cc1").c_str());
  // Neither another PATH nor another folder has the same answer; what was not found is looked for again.
  assert_string_equal(found.find("cc1", Environment({"PATH=" + a}), "/", 6).c_str(), "");
  write_file(a + "/cc1", "#!/bin/sh\n", 0700);
  assert_string_equal(found.find("cc1", Environment({"PATH=" + a}), "/", 6).c_str(), (a + "/cc1").c_str());
  assert_string_equal(found.find("./cc1", env, a, 6).c_str(), (a + "/./cc1").c_str());
  assert_string_equal(found.find("./cc1", env, b, 6).c_str(), (b + "/./cc1").c_str());
}

int main() {
  char name[] = "/tmp/looker-XXXXXX";
  folder = mkdtemp(name);
  const struct CMUnitTest tests[] = {cmocka_unit_test(published_whole), cmocka_unit_test(versions), cmocka_unit_test(programs)};
  const int failed = cmocka_run_group_tests_name("looker", tests, nullptr, nullptr);
  std::filesystem::remove_all(folder);
  return failed;
}

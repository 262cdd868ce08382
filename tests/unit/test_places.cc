// Places: what a record from another machine can ask for.
// SPDX-License-Identifier: Apache-2.0
#include "model/places.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

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

int main() {
  const struct CMUnitTest tests[] = {cmocka_unit_test(absolute_names)};
  return cmocka_run_group_tests_name("places", tests, nullptr, nullptr);
}

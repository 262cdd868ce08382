/* base_dirs: a host that does not run the command that it is given.
 * SPDX-License-Identifier: Apache-2.0 */
#include "common.h"

static cc_cache *open_with_base(void) {
  char *real = realpath(folder, NULL);
  cc_cache *cache = open_text(fmt("{\"layers\": [{\"type\": \"disk\", \"path\": \"%s/cache\"}], \"state_dir\": \"%s/state\", \"base_dirs\": [\"%s\"]}", folder, folder, real));
  free(real);
  return cache;
}

/* Looks up and answers probes until a compile is due, without asking for it. */
static void learn(cc_cache *cache, cc_invocation *inv, cc_result *r) {
  for (int round = 0; round < 12; round++) {
    *r = (cc_result){sizeof *r};
    assert_int_equal(cc_lookup(cache, inv, NULL, r), 0);
    if (!strstr(r->reason, "probed")) return;
    for (;;) {
      cc_task task = {sizeof task};
      assert_int_equal(cc_invocation_task(cache, inv, &task), 0);
      if (task.kind != CC_TASK_PROBE) break;
      ran p = run_words(task.argv, task.env, task.cwd);
      cc_task_result done = {sizeof done};
      done.exit_status = p.status;
      done.stdout_data = (const uint8_t *)p.out.data, done.stdout_size = p.out.size;
      done.stderr_data = (const uint8_t *)p.err.data, done.stderr_size = p.err.size;
      cc_invocation_task_done(cache, inv, &done);
      ran_free(&p);
    }
    cc_result_clear(r);
  }
  fail_msg("too many probes");
}

/* A plain compile without the prefix maps must not become a result for other folders, even where the object does not show the path. */
static void task_not_run(void **state) {
  (void)state;
  write_text(in_folder("a.cc"), "constexpr unsigned h(const char *s) { unsigned r = 7; while (*s) r = r * 31 + *s++; return r; }\nunsigned f = h(__FILE__);\n");
  cc_cache *cache = open_with_base();
  char *real = realpath(folder, NULL);
  const char *argv[] = {"g++", "-c", fmt("%s/a.cc", real), "-o", "a.o", NULL};
  cc_invocation *inv = parse_words(cache, argv);
  cc_result r;
  learn(cache, inv, &r);
  ran p = run_words(argv, NULL, folder);
  assert_int_equal(p.status, 0);
  ran_free(&p);
  assert_int_equal(cc_store(cache, inv, &r, NULL), CC_E_UNCACHEABLE);
  assert_non_null(strstr(cc_last_error(), "prefix maps"));
  cc_result_clear(&r);
  cc_invocation_free(inv);
  /* Asked for and run, it is stored. */
  inv = parse_words(cache, argv);
  learn(cache, inv, &r);
  cc_task task = {sizeof task};
  assert_int_equal(cc_invocation_task(cache, inv, &task), 0);
  assert_int_equal(task.kind, CC_TASK_COMPILE);
  assert_string_equal(task.argv[1], fmt("-ffile-prefix-map=%s=/cchain-base-0", real));
  p = run_words(task.argv, task.env, folder);
  assert_int_equal(p.status, 0);
  ran_free(&p);
  if (cc_store(cache, inv, &r, NULL) != 0) fail_msg("%s", cc_last_error());
  cc_result_clear(&r);
  cc_invocation_free(inv);
  free(real);
  cc_close(cache);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(task_not_run, setup, teardown)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A library of another age than its host: structs that are shorter or longer than ours.
 * SPDX-License-Identifier: Apache-2.0 */
#include "common.h"

static void *filled(size_t size, int with, uint32_t struct_size) {
  unsigned char *p = malloc(size);
  if (!p) abort();
  memset(p, with, size);
  memset(p, 0, struct_size < size ? struct_size : size);
  memcpy(p, &struct_size, sizeof struct_size);
  return p;
}

/* For each struct that may grow: `give(p)` hands it to the library. A shorter one, at each length that was or could have been released (whole words), works and nothing
 * behind its end is read or written; a longer one works if its tail is zero, and is CC_E_INVALID if not. */
static void each_age(const char *what, size_t least, size_t now, int (*give)(void *p), int ok) {
  for (size_t size = least; size <= now; size += 8) {
    unsigned char *p = filled(now + 64, 0xa5, (uint32_t)size);
    int status = give(p);
    if (status != ok) fail_msg("%s of %zu bytes: %d %s", what, size, status, cc_last_error());
    for (size_t i = size; i < now + 64; i++)
      if (p[i] != 0xa5) fail_msg("%s of %zu bytes: byte %zu was written", what, size, i);
    free(p);
  }
  unsigned char *p = filled(now + 64, 0, (uint32_t)(now + 64));
  int status = give(p);
  if (status != ok) fail_msg("a longer %s: %d %s", what, status, cc_last_error());
  uint32_t kept;
  memcpy(&kept, p, sizeof kept);
  assert_int_equal(kept, now + 64);
  for (size_t i = now; i < now + 64; i++)
    if (p[i]) fail_msg("a longer %s: byte %zu was written", what, i);
  for (size_t i = now; i < now + 64; i += 21) {
    free(p);
    p = filled(now + 64, 0, (uint32_t)(now + 64));
    p[i] = 1;
    status = give(p);
    if (status != CC_E_INVALID) fail_msg("a %s that says more than we know: %d", what, status);
    assert_contains(cc_last_error(), "does not know");
  }
  free(p);
  for (uint32_t size = 0; size < 8; size++) {
    p = filled(now, 0, size);
    assert_int_equal(give(p), CC_E_INVALID);
    free(p);
  }
}

static cc_cache *g_cache;
static cc_invocation *g_inv;

static int give_open(void *p) {
  cc_cache *cache = NULL;
  setenv("CCHAIN_CONFIG", in_folder("config.json"), 1); /* of one that is too short to hold a text */
  int status = cc_open(p, &cache);
  cc_close(cache);
  return status;
}
static int give_invocation_options(void *p) {
  cc_invocation *inv = NULL;
  int status = cc_invocation_parse_line(g_cache, "gcc -c a.c", p, &inv);
  cc_invocation_free(inv);
  return status;
}
static int give_task(void *p) { return cc_invocation_task(g_cache, g_inv, p); }
static int give_task_result(void *p) {
  int status = cc_invocation_task_done(g_cache, g_inv, p);
  return status == CC_E_STATE ? 0 : status; /* nothing was asked: but the struct was understood */
}
static int give_stats(void *p) { return cc_stats_get(g_cache, p); }
static int give_layer_stats(void *p) { return cc_layer_stats_get(g_cache, 0, p); }
static int give_trim(void *p) { return cc_trim(g_cache, p, NULL, NULL); }
static int give_result(void *p) { return cc_lookup(g_cache, g_inv, NULL, p); }
static int give_completion(void *p) { return cc_reap(g_cache, p); }

static void ages(void **state) {
  (void)state;
  write_text(in_folder("config.json"), fmt("{\"layers\": [{\"type\": \"disk\", \"path\": \"%s/other\"}], \"state_dir\": \"%s/other-state\"}", folder, folder));
  g_cache = open_disk();
  g_inv = key_invocation(g_cache, "k", "unused");
  each_age("cc_open_options", 8, sizeof(cc_open_options), give_open, 0);
  each_age("cc_invocation_options", 8, sizeof(cc_invocation_options), give_invocation_options, 0);
  each_age("cc_task", 8, sizeof(cc_task), give_task, 0);
  each_age("cc_task_result", 8, sizeof(cc_task_result), give_task_result, 0);
  each_age("cc_stats", 8, sizeof(cc_stats), give_stats, 0);
  each_age("cc_layer_stats", 8, sizeof(cc_layer_stats), give_layer_stats, 0);
  each_age("cc_trim_options", 8, sizeof(cc_trim_options), give_trim, 0);
  each_age("cc_completion", 8, sizeof(cc_completion), give_completion, 0);
  each_age("cc_result", sizeof(cc_result), sizeof(cc_result), give_result, 0); /* reaches to `owner`, says include/ABI.md */
  cc_invocation_free(g_inv);
  cc_close(g_cache);
}

/* A host of another age asks for a table: a version that is not known is no table, and the table says how long it is. */
static void tables(void **state) {
  (void)state;
  assert_null(cc_backend_get(0));
  assert_null(cc_backend_get(2));
  const cc_backend *b = cc_backend_get(1);
  assert_int_equal(b->version, 1);
  assert_true(b->struct_size >= offsetof(cc_backend, session_outdated) + sizeof(void *));
  assert_true(cc_version() >= CC_VERSION_MAJOR * 1000000u + CC_VERSION_MINOR * 1000u + CC_VERSION_PATCH);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(ages, setup, teardown),
      cmocka_unit_test(tables),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

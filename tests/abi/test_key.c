/* Actions that the host understands itself: cc_invocation_from_key.
 * SPDX-License-Identifier: Apache-2.0 */
#include "common.h"

static cc_invocation *from_key(cc_cache *cache, const char *label, const void *key, size_t size, const cc_output *outputs, size_t count) {
  cc_invocation_options o = {sizeof o};
  o.cwd = folder;
  cc_invocation *inv = NULL;
  int status = cc_invocation_from_key(cache, label, key, size, outputs, count, &o, &inv);
  if (status != 0) fail_msg("cc_invocation_from_key: %d %s", status, cc_last_error());
  return inv;
}
static void miss(cc_cache *cache, cc_invocation *inv) {
  cc_result r = {sizeof r};
  assert_int_equal(cc_lookup(cache, inv, NULL, &r), 0);
  cc_result_clear(&r);
}
static void hit(cc_cache *cache, cc_invocation *inv) {
  cc_result r = {sizeof r};
  if (cc_lookup(cache, inv, NULL, &r) != 1) fail_msg("%s", r.reason);
  cc_result_clear(&r);
}

/* Several outputs from files, one executable, with streams: all come back. */
static void several_outputs(void **state) {
  (void)state;
  cc_cache *cache = open_disk();
  mkdir(in_folder("gen"), 0777);
  const cc_output outputs[] = {
      {"source", "gen/parser.c", NULL, 0, 0, 0},
      {"header", "gen/parser.h", NULL, 0, 0, 0},
      {"tool", in_folder("gen/tool"), NULL, 0, 0, 0111},
  };
  static const uint8_t key[] = {'y', 0, 'a', 'c', 'c', 0xff};
  cc_invocation *inv = from_key(cache, "yacc", key, sizeof key, outputs, 3);
  const cc_output *declared;
  assert_int_equal(cc_invocation_outputs(inv, &declared), 3);
  assert_string_equal(declared[1].role, "header");
  assert_string_equal(declared[1].path, "gen/parser.h");
  assert_null(cc_invocation_uncacheable(inv));
  miss(cache, inv);
  cc_task task = {sizeof task};
  assert_int_equal(cc_invocation_task(cache, inv, &task), 0);
  assert_int_equal(task.kind, CC_TASK_COMPILE);
  assert_null(task.argv[0]); /* only the host knows what to run */
  assert_string_equal(task.cwd, folder);

  write_text(in_folder("gen/parser.c"), "int yyparse;\n");
  write_text(in_folder("gen/parser.h"), "");
  write_text(in_folder("gen/tool"), "#!/bin/sh\n");
  chmod(in_folder("gen/tool"), 0755);
  cc_result r = {sizeof r};
  r.stdout_data = (const uint8_t *)"1 conflict\n", r.stdout_size = 11;
  r.stderr_data = (const uint8_t *)"w\0x", r.stderr_size = 3;
  r.duration_ms = 1234;
  assert_int_equal(cc_store(cache, inv, &r, NULL), 0);
  remove_tree(in_folder("gen"));
  mkdir(in_folder("gen"), 0777);

  r = (cc_result){sizeof r};
  assert_int_equal(cc_lookup(cache, inv, NULL, &r), 1);
  assert_bytes(r.stdout_data, r.stdout_size, "1 conflict\n");
  assert_int_equal(r.stderr_size, 3);
  assert_memory_equal(r.stderr_data, "w\0x", 3);
  assert_int_equal(r.duration_ms, 1234);
  assert_int_equal(r.layer, 0);
  cc_result_clear(&r);
  assert_file(in_folder("gen/parser.c"), "int yyparse;\n");
  assert_file(in_folder("gen/parser.h"), "");
  assert_file(in_folder("gen/tool"), "#!/bin/sh\n");
  struct stat st;
  mode_t mask = umask(0);
  umask(mask);
  assert_int_equal(stat(in_folder("gen/tool"), &st), 0);
  assert_int_equal(st.st_mode & 0777, 0777 & ~mask);
  assert_int_equal(stat(in_folder("gen/parser.c"), &st), 0);
  assert_int_equal(st.st_mode & 0777, 0666 & ~mask);
  cc_invocation_free(inv);
  cc_close(cache);
}

/* Bytes by role, no file is read; empty ones need their flag. */
static void bytes_given(void **state) {
  (void)state;
  cc_cache *cache = open_disk();
  const cc_output outputs[] = {{"a", "a", NULL, 0, 0, 0}, {"b", "b", NULL, 0, 0, 0}};
  cc_invocation *inv = from_key(cache, "l", "k", 1, outputs, 2);
  miss(cache, inv);
  write_text(in_folder("a"), "from the file");
  const cc_output given[] = {{"b", "ignored", NULL, 5, CC_OUTPUT_EMPTY, 0111}, {"a", "ignored", (const uint8_t *)"given", 5, 0, 0}};
  cc_result r = {sizeof r};
  r.outputs = given;
  r.output_count = 2;
  assert_int_equal(cc_store(cache, inv, &r, NULL), 0);
  remove(in_folder("a"));
  r = (cc_result){sizeof r};
  r.flags = CC_RESULT_KEEP;
  assert_int_equal(cc_lookup(cache, inv, NULL, &r), 1);
  assert_int_equal(r.output_count, 2);
  assert_file(in_folder("a"), "given");
  assert_file(in_folder("b"), "");
  for (int i = 0; i < 2; i++) assert_int_equal(r.outputs[i].mode, r.outputs[i].role[0] == 'b' ? 0111 : 0);
  assert_false(exists(in_folder("ignored")));
  cc_result_clear(&r);
  cc_invocation_free(inv);

  /* Half given, half from the files; and one that is nowhere. */
  inv = from_key(cache, "l", "k2", 2, outputs, 2);
  miss(cache, inv);
  write_text(in_folder("a"), "from the file");
  r = (cc_result){sizeof r};
  r.outputs = given;
  r.output_count = 1;
  assert_int_equal(cc_store(cache, inv, &r, NULL), 0);
  hit(cache, inv);
  assert_file(in_folder("a"), "from the file");
  cc_invocation_free(inv);
  inv = from_key(cache, "l", "k3", 2, outputs, 2);
  miss(cache, inv);
  remove(in_folder("a"));
  assert_int_equal(cc_store(cache, inv, &r, NULL), CC_E_UNCACHEABLE);
  assert_contains(cc_last_error(), "/a");
  cc_invocation_free(inv);
  cc_close(cache);
}

static void optional_outputs(void **state) {
  (void)state;
  cc_cache *cache = open_disk();
  const cc_output outputs[] = {{"always", "always", NULL, 0, 0, 0}, {"seldom", "seldom", NULL, 0, CC_OUTPUT_OPTIONAL, 0}};
  cc_invocation *inv = from_key(cache, "l", "without", 7, outputs, 2);
  miss(cache, inv);
  write_text(in_folder("always"), "1");
  cc_result r = {sizeof r};
  assert_int_equal(cc_store(cache, inv, &r, NULL), 0);
  remove(in_folder("always"));
  r.flags = CC_RESULT_KEEP;
  assert_int_equal(cc_lookup(cache, inv, NULL, &r), 1);
  assert_int_equal(r.output_count, 1);
  cc_result_clear(&r);
  assert_file(in_folder("always"), "1");
  assert_false(exists(in_folder("seldom")));
  cc_invocation_free(inv);

  inv = from_key(cache, "l", "with", 4, outputs, 2);
  miss(cache, inv);
  write_text(in_folder("seldom"), "2");
  r = (cc_result){sizeof r};
  assert_int_equal(cc_store(cache, inv, &r, NULL), 0);
  remove(in_folder("seldom"));
  hit(cache, inv);
  assert_file(in_folder("seldom"), "2");
  cc_invocation_free(inv);

  /* The same key and roles, but now it must be there. */
  const cc_output strict[] = {{"always", "always", NULL, 0, 0, 0}, {"seldom", "seldom", NULL, 0, 0, 0}};
  inv = from_key(cache, "l", "without", 7, strict, 2);
  remove(in_folder("always"));
  cc_result m = {sizeof m};
  assert_int_equal(cc_lookup(cache, inv, NULL, &m), 0);
  assert_contains(m.reason, "seldom");
  assert_false(exists(in_folder("always")));
  cc_result_clear(&m);
  cc_invocation_free(inv);
  cc_close(cache);
}

static void wrong_outputs(void **state) {
  (void)state;
  cc_cache *cache = open_disk();
  static const struct {
    cc_output outputs[2];
    size_t count;
    const char *text;
  } cases[] = {
      {{{"twice", "a", NULL, 0, 0, 0}, {"twice", "b", NULL, 0, 0, 0}}, 2, "twice"},
      {{{"", "a", NULL, 0, 0, 0}}, 1, "role"},
      {{{NULL, "a", NULL, 0, 0, 0}}, 1, "role"},
      {{{"Upper", "a", NULL, 0, 0, 0}}, 1, "Upper"},
      {{{"a/b", "a", NULL, 0, 0, 0}}, 1, "a/b"},
      {{{"a234567890123456789012345678901234567890", "a", NULL, 0, 0, 0}}, 1, "a2345"},
      {{{"fine", NULL, NULL, 0, 0, 0}}, 1, "path"},
      {{{"fine", "", NULL, 0, 0, 0}}, 1, "path"},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    cc_invocation *inv = (cc_invocation *)folder;
    assert_int_equal(cc_invocation_from_key(cache, "l", "k", 1, cases[i].outputs, cases[i].count, NULL, &inv), CC_E_INVALID);
    assert_contains(cc_last_error(), cases[i].text);
    assert_null(inv);
  }
  cc_close(cache);
}

/* Whatever differs in label, key, roles or tenant shares nothing; paths and order of calls are no part of it. */
static void what_is_in_the_key(void **state) {
  (void)state;
  cc_cache *cache = open_disk();
  cc_output o = {"out", "one", NULL, 0, 0, 0};
  cc_invocation *inv = from_key(cache, "ab", "c", 1, &o, 1);
  miss(cache, inv);
  write_text(in_folder("one"), "text");
  cc_result r = {sizeof r};
  assert_int_equal(cc_store(cache, inv, &r, NULL), 0);
  cc_invocation_free(inv);

  o.path = "elsewhere";
  inv = from_key(cache, "ab", "c", 1, &o, 1);
  hit(cache, inv);
  assert_file(in_folder("elsewhere"), "text");
  cc_invocation_free(inv);
  static const struct {
    const char *label, *key, *role;
    size_t size;
  } others[] = {{"a", "bc", "out", 2}, {"abc", "", "out", 0}, {"ab", "c\0", "out", 2}, {"ab", "c", "out2", 1}, {"", "abc", "out", 3}};
  for (size_t i = 0; i < COUNT(others); i++) {
    o.role = others[i].role;
    inv = from_key(cache, others[i].label, others[i].key, others[i].size, &o, 1);
    miss(cache, inv);
    cc_invocation_free(inv);
  }
  cc_output two[] = {{"out", "one", NULL, 0, 0, 0}, {"more", "two", NULL, 0, CC_OUTPUT_OPTIONAL, 0}};
  inv = from_key(cache, "ab", "c", 1, two, 2);
  miss(cache, inv);
  cc_invocation_free(inv);
  cc_close(cache);
}

static void tenants_do_not_share(void **state) {
  (void)state;
  cc_cache *cache = open_disk();
  key_store(cache, "k", "a", "of a");
  assert_int_equal(key_lookup(cache, "k", "a", "of a"), 1);
  assert_int_equal(key_lookup(cache, "k", "b", ""), 0);
  key_store(cache, "k", "b", "of b");
  assert_int_equal(key_lookup(cache, "k", "a", "of a"), 1);
  assert_int_equal(key_lookup(cache, "k", "b", "of b"), 1);
  /* An entry that was copied into another's folder is not his: the key inside is another. */
  cc_clear(cache, "b");
  remove_tree(in_folder("cache/compile/b"));
  rename(in_folder("cache/compile/a"), in_folder("cache/compile/b"));
  assert_int_equal(key_lookup(cache, "k", "b", "of b"), 0);
  cc_close(cache);
}

/* What stands already stays; no second store without a miss before it. */
static void first_one_stays(void **state) {
  (void)state;
  cc_cache *cache = open_disk();
  cc_invocation *a = key_invocation(cache, "k", "o"), *b = key_invocation(cache, "k", "o");
  miss(cache, a);
  miss(cache, b);
  cc_output o = {"out", "o", (const uint8_t *)"first", 5, 0, 0};
  cc_result r = {sizeof r};
  r.outputs = &o;
  r.output_count = 1;
  assert_int_equal(cc_store(cache, a, &r, NULL), 0);
  o.data = (const uint8_t *)"later";
  assert_int_equal(cc_store(cache, b, &r, NULL), 0);
  assert_int_equal(key_lookup(cache, "k", NULL, "first"), 1);
  assert_int_equal(cc_store(cache, a, &r, NULL), CC_E_STATE);
  hit(cache, a);
  assert_int_equal(cc_store(cache, a, &r, NULL), CC_E_STATE);
  r.exit_status = 1;
  cc_invocation *c = key_invocation(cache, "k2", "o");
  miss(cache, c);
  assert_int_equal(cc_store(cache, c, &r, NULL), CC_E_UNCACHEABLE);
  assert_contains(cc_last_error(), "failed");
  cc_invocation_free(a), cc_invocation_free(b), cc_invocation_free(c);
  cc_close(cache);
}

/* A large output that compresses, and one that does not. */
static void large_outputs(void **state) {
  (void)state;
  cc_cache *cache = open_text(
      fmt("{\"layers\": [{\"type\": \"disk\", \"path\": \"%s/cache\", \"compression\": \"on\"}], \"max_entry_size\": \"6M\"}", folder));
  enum { kSize = 2 << 20 };
  uint8_t *data = malloc(kSize);
  for (int kind = 0; kind < 2; kind++) {
    uint32_t x = 1;
    for (size_t i = 0; i < kSize; i++) data[i] = kind ? (uint8_t)((x = x * 1664525 + 1013904223) >> 24) : (uint8_t)(i / 100);
    cc_output o = {"out", kind ? "noise" : "plain", data, kSize, 0, 0};
    cc_invocation *inv = from_key(cache, "l", o.path, 5, &o, 1);
    miss(cache, inv);
    cc_result r = {sizeof r};
    r.outputs = &o;
    r.output_count = 1;
    assert_int_equal(cc_store(cache, inv, &r, NULL), 0);
    hit(cache, inv);
    bytes b = read_bytes(in_folder(o.path));
    assert_int_equal(b.size, kSize);
    assert_memory_equal(b.data, data, kSize);
    bytes_free(&b);
    cc_invocation_free(inv);
  }
  cc_layer_stats s = {sizeof s};
  assert_int_equal(cc_layer_stats_get(cache, 0, &s), 0);
  assert_true(s.bytes_written < kSize + kSize / 8);
  /* What is larger than max_entry_size is not taken, and the host hears of it. */
  bytes big = {NULL, 0};
  for (int i = 0; i < 4; i++) bytes_add(&big, data, kSize);
  cc_output o = {"out", "big", NULL, 0, 0, 0};
  cc_invocation *inv = from_key(cache, "l", "big", 3, &o, 1);
  miss(cache, inv);
  write_bytes(in_folder("big"), big.data, big.size);
  cc_result r = {sizeof r};
  assert_int_equal(cc_store(cache, inv, &r, NULL), CC_E_UNCACHEABLE);
  cc_invocation_free(inv);
  inv = from_key(cache, "l", "big2", 4, &o, 1);
  miss(cache, inv);
  o.data = (const uint8_t *)big.data, o.size = big.size;
  r.outputs = &o;
  r.output_count = 1;
  assert_int_equal(cc_store(cache, inv, &r, NULL), CC_E_UNCACHEABLE);
  cc_invocation_free(inv);
  bytes_free(&big);
  free(data);
  cc_close(cache);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(several_outputs), TEST(bytes_given),          TEST(optional_outputs), TEST(wrong_outputs), TEST(what_is_in_the_key),
      TEST(tenants_do_not_share), TEST(first_one_stays), TEST(large_outputs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

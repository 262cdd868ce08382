/* cc_explain: which answer is given to "why did it miss", with each compiler that is here.
 * SPDX-License-Identifier: Apache-2.0 */
#include "common.h"

static const char *compiler; /* of the running test */

static const char *explain_of(cc_cache *cache, const char *path, const char *tenant, uint32_t flags) {
  char *text = NULL;
  int status = cc_explain(cache, path, tenant, flags, &text);
  if (status != 0) fail_msg("cc_explain: %d %s", status, cc_last_error());
  static char kept[1 << 20];
  snprintf(kept, sizeof kept, "%s", text);
  cc_free(text);
  return kept;
}
static const char *explain(cc_cache *cache, const char *name) { return explain_of(cache, in_folder(name), NULL, 0); }
static const char *summary(const char *json) {
  const char *at = strstr(json, "\"summary\":\"");
  assert_non_null(at);
  at += strlen("\"summary\":\"");
  return fmt("%.*s", (int)strcspn(at, "\""), at);
}
static void assert_summary(cc_cache *cache, const char *name, const char *part) {
  const char *json = explain(cache, name);
  if (!strstr(summary(json), part)) fail_msg("%s: \"%s\" is not said: %s", name, part, json);
}
static void assert_says(cc_cache *cache, const char *name, const char *part) {
  const char *json = explain(cache, name);
  if (!strstr(json, part)) fail_msg("%s: %s is not said: %s", name, part, json);
}

/* Written an hour ago: what is too new makes the library careful. */
static void write_old(const char *name, const char *text) {
  write_text(in_folder(name), text);
  struct timespec then[2] = {{time(NULL) - 3600, 0}, {time(NULL) - 3600, 0}};
  assert_int_equal(utimensat(AT_FDCWD, in_folder(name), then, 0), 0);
}
static cc_cache *start(void) {
  write_old("a.c", "#include <stddef.h>\n#include \"a.h\"\n#include \"b.h\"\nint f(int x) { return x + A + B; }\n");
  write_old("a.h", "#define A 1\n");
  write_old("b.h", "#define B 1\n");
  return open_disk();
}
#define COMPILE(cache, ...) BUILD(cache, compiler, __VA_ARGS__, "-c", "a.c", "-o", "a.o")

static void test_header(void **state) {
  (void)state;
  cc_cache *cache = start();
  assert_says(cache, "a.o", "\"found\":false");
  assert_stored(COMPILE(cache, "-O1"));
  assert_summary(cache, "a.o", "not stored before");
  assert_says(cache, "a.o", "\"answer\":\"hit\",\"layer\":\"");
  /* Edited and not yet built: what would happen. */
  sleep(2); /* the library is careful with what has changed just now */
  write_old("b.h", "#define B 2\n");
  assert_says(cache, "a.o", "\"now\":{\"answer\":\"miss\",\"reason\":\"");
  assert_says(cache, "a.o", fmt("\"kind\":\"header\",\"change\":\"changed\",\"name\":\"%s\"", in_folder("b.h")));
  assert_stored(COMPILE(cache, "-O1"));
  assert_summary(cache, "a.o", fmt("%s has changed", in_folder("b.h")));
  assert_summary(cache, "a.c", "b.h has changed");
  assert_says(cache, "a.o", "\"changed_at\":");
  assert_null(strstr(explain(cache, "a.o"), "a.h"));
  /* The source is told from its headers. */
  write_old("a.c", "#include \"b.h\"\nint f(int x) { return x - B; }\n");
  assert_stored(COMPILE(cache, "-O1"));
  assert_summary(cache, "a.o", fmt("%s has changed", in_folder("a.c")));
  assert_says(cache, "a.o", "\"kind\":\"source\",\"change\":\"changed\"");
  cc_close(cache);
}

static void test_appeared(void **state) {
  (void)state;
  cc_cache *cache = start();
  assert_int_equal(mkdir(in_folder("i"), 0777), 0);
  assert_int_equal(mkdir(in_folder("k"), 0777), 0);
  write_old("a.c", "#include <c.h>\nint f(void) { return C; }\n");
  write_old("k/c.h", "#define C 1\n");
  sleep(3);
  assert_stored(COMPILE(cache, "-Ii", "-Ik"));
  write_old("i/c.h", "#define C 2\n");
  turn t = COMPILE(cache, "-Ii", "-Ik");
  assert_false(t.hit);
  turn_free(&t);
  assert_summary(cache, "a.o", fmt("%s has appeared", in_folder("i/c.h")));
  remove(in_folder("i/c.h"));
  remove(in_folder("k/c.h"));
  assert_says(cache, "a.o", "k/c.h");
  cc_close(cache);
}

static void test_options(void **state) {
  (void)state;
  cc_cache *cache = start();
  assert_stored(COMPILE(cache, "-DX=1", "-O1"));
  assert_stored(COMPILE(cache, "-DX=2", "-O1"));
  assert_summary(cache, "a.o", "an option differs: -DX=1 → -DX=2");
  assert_says(cache, "a.o", "\"kind\":\"argument\",\"change\":\"changed\",\"before\":\"-DX=1\",\"after\":\"-DX=2\"");
  assert_stored(COMPILE(cache, "-DX=2", "-O1", "-fPIC"));
  assert_summary(cache, "a.o", "an option is new: -fPIC");
  assert_stored(COMPILE(cache, "-D", "X=3", "-fPIC"));
  assert_says(cache, "a.o", "-O1");
  assert_stored(COMPILE(cache, "-D", "X=4", "-fPIC"));
  assert_summary(cache, "a.o", "an option differs: -D X=3 → -D X=4");
  /* A hit leaves the last miss as it is, and nothing on disk. */
  struct stat before, after;
  assert_int_equal(stat(in_folder("state/explain/log"), &before), 0);
  assert_hit(COMPILE(cache, "-D", "X=4", "-fPIC"));
  assert_int_equal(stat(in_folder("state/explain/log"), &after), 0);
  assert_int_equal(before.st_size, after.st_size);
  assert_summary(cache, "a.o", "an option differs");
  cc_close(cache);
}

static void test_compiler(void **state) {
  (void)state;
  const char *other = strcmp(compiler, "gcc") == 0 ? "clang" : "gcc";
  if (!have_program(other)) skip();
  cc_cache *cache = start();
  assert_stored(COMPILE(cache, "-O1"));
  assert_stored(BUILD(cache, other, "-O1", "-c", "a.c", "-o", "a.o"));
  assert_summary(cache, "a.o", "another compiler: ");
  assert_says(cache, "a.o", "gcc version ");
  assert_says(cache, "a.o", "clang version ");
  cc_close(cache);
}

static turn build_in(cc_cache *cache, const char *cwd, const char *variable, const char *output, const char *option) {
  const char *argv[] = {compiler, option, "-c", in_folder("a.c"), "-o", output};
  const char *env[] = {plain_env()[0], "LC_ALL=C", variable, NULL};
  cc_invocation_options o = {sizeof o};
  o.cwd = cwd;
  o.env = env;
  cc_invocation *inv = NULL;
  assert_int_equal(cc_invocation_parse_argv(cache, COUNT(argv), argv, &o, &inv), 0);
  turn t = build(cache, inv, NULL);
  cc_invocation_free(inv);
  return t;
}
static void test_directory_and_variable(void **state) {
  (void)state;
  cc_cache *cache = start();
  assert_int_equal(mkdir(in_folder("one"), 0777), 0);
  assert_int_equal(mkdir(in_folder("two"), 0777), 0);
  sleep(3);
  assert_stored(build_in(cache, in_folder("one"), NULL, "a.o", "-g"));
  assert_stored(build_in(cache, in_folder("two"), NULL, "a.o", "-g"));
  assert_summary(cache, "two/a.o", fmt("another working directory: %s → %s", in_folder("one"), in_folder("two")));
  assert_says(cache, "two/a.o", fmt("\"compared_with\":{\"output\":\"%s\"", in_folder("one/a.o")));
  turn t = build_in(cache, in_folder("two"), "SOURCE_DATE_EPOCH=12", "a.o", "-g");
  turn_free(&t);
  assert_summary(cache, "two/a.o", "the variable SOURCE_DATE_EPOCH is set now: SOURCE_DATE_EPOCH=12");
  t = build_in(cache, in_folder("two"), "SOURCE_DATE_EPOCH=13", "a.o", "-g");
  turn_free(&t);
  assert_summary(cache, "two/a.o", "the variable SOURCE_DATE_EPOCH differs: ");
  cc_close(cache);
}

/* What a configuration puts into the key may be a secret: it is not on record. */
static void test_secrets(void **state) {
  (void)state;
  write_old("a.c", "int f(int x) { return x; }\n");
  cc_cache *cache = open_text(fmt("{\"layers\": [{\"type\": \"disk\", \"path\": \"%s/cache\"}], \"state_dir\": \"%s/state\", \"extra_env\": [\"LICENCE\"]}", folder, folder));
  turn t = build_in(cache, folder, "LICENCE=hunter2", "a.o", "-O1");
  assert_stored(t);
  t = build_in(cache, folder, "LICENCE=hunter3", "a.o", "-O1");
  assert_stored(t);
  assert_summary(cache, "a.o", "the variable LICENCE differs: LICENCE=sha256:");
  assert_null(strstr(explain_of(cache, in_folder("a.o"), NULL, CC_EXPLAIN_DUMP), "hunter"));
  assert_stored(COMPILE(cache, "-DAPI_TOKEN=\"hunter2\"", "-DPLAIN=hunter4"));
  const char *dump = explain_of(cache, in_folder("a.o"), NULL, CC_EXPLAIN_DUMP);
  assert_null(strstr(dump, "hunter2"));
  assert_contains(dump, "-DAPI_TOKEN=sha256:");
  assert_contains(dump, "-DPLAIN=hunter4");
  cc_close(cache);
}

static void test_evicted(void **state) {
  (void)state;
  cc_cache *cache = start();
  assert_stored(COMPILE(cache, "-O1"));
  cc_trim_options all = {sizeof all};
  assert_int_equal(cc_trim(cache, &all, NULL, NULL), 0);
  assert_says(cache, "a.o", "\"now\":{\"answer\":\"miss\",\"reason\":\"it was stored and is no longer held: evicted or removed\"");
  assert_says(cache, "a.o", "\"stored_at\":");
  assert_stored(COMPILE(cache, "-O1"));
  assert_summary(cache, "a.o", "was stored before and was no longer held: evicted or removed");
  cc_close(cache);
}

/* Where nothing may be stored, nothing is said to have been; what was compiled is on record for a dump. */
static void test_read_only(void **state) {
  (void)state;
  cc_cache *cache = start();
  assert_stored(COMPILE(cache, "-O1"));
  cc_close(cache);
  cache = open_text(fmt("{\"layers\": [{\"type\": \"disk\", \"path\": \"%s/cache\", \"write\": false}], \"state_dir\": \"%s/state\"}", folder, folder));
  for (int i = 0; i < 2; i++) {
    turn t = COMPILE(cache, "-O2");
    assert_int_equal(t.hit, 0);
    turn_free(&t);
    assert_summary(cache, "a.o", "an option differs: -O1 \xe2\x86\x92 -O2");
    assert_says(cache, "a.o", "\"now\":{\"answer\":\"miss\",\"reason\":\"it was not stored: no layer takes anything\"");
    assert_null(strstr(explain(cache, "a.o"), "\"stored_at\""));
  }
  assert_contains(explain_of(cache, in_folder("a.o"), NULL, CC_EXPLAIN_DUMP), "/a.h\"");
  cc_stats stats = {sizeof stats};
  assert_int_equal(cc_stats_get(cache, &stats), 0);
  assert_int_equal(stats.stores, 0);
  cc_close(cache);
}

static void test_layer_failed(void **state) {
  (void)state;
  cc_cache *cache = start();
  assert_stored(COMPILE(cache, "-O1"));
  flip_byte(find_file(in_folder("cache"), "entry"), 60);
  assert_stored(COMPILE(cache, "-O1"));
  assert_summary(cache, "a.o", "a layer could not answer: ");
  assert_says(cache, "a.o", "damaged");
  cc_close(cache);
}

static void test_uncacheable(void **state) {
  (void)state;
  cc_cache *cache = start();
  cc_invocation *inv = PARSE(cache, compiler, "main.o", "-o", "prog");
  assert_non_null(cc_invocation_uncacheable(inv));
  assert_summary(cache, "prog", fmt("it can't be cached: %s", cc_invocation_uncacheable(inv)));
  cc_invocation_free(inv);
  inv = PARSE(cache, compiler, "-E", "a.c");
  assert_summary(cache, "a.c", "it can't be cached: ");
  cc_invocation_free(inv);
  /* By what is in the source, known at the look-up. */
  write_old("a.c", "char *f(void) { return __TIMESTAMP__; }\n");
  turn t = COMPILE(cache, "-O1");
  assert_int_not_equal(t.stored, 0);
  turn_free(&t);
  assert_summary(cache, "a.o", "it can't be cached: ");
  assert_summary(cache, "a.o", "__TIMESTAMP__");
  /* A shell line that is not understood. */
  cc_invocation_options o = {sizeof o};
  o.cwd = folder;
  o.env = plain_env();
  assert_int_equal(cc_invocation_parse_line(cache, fmt("%s -c a.c -o line.o && echo $HOME", compiler), &o, &inv), 0);
  assert_summary(cache, "line.o", "it can't be cached: ");
  cc_invocation_free(inv);
  cc_close(cache);
}

static void test_key(void **state) {
  (void)state;
  cc_cache *cache = open_disk();
  key_store(cache, "one", NULL, "text");
  assert_summary(cache, "unused", "not stored before");
  assert_says(cache, "unused", "\"answer\":\"hit\"");
  key_store(cache, "two", NULL, "text");
  assert_summary(cache, "unused", "the host's own key");
  cc_close(cache);
}

static void test_tenants(void **state) {
  (void)state;
  cc_cache *cache = start();
  cc_invocation *inv = PARSE(cache, compiler, "-c", "a.c", "-o", "a.o");
  assert_stored(build(cache, inv, "one"));
  cc_invocation_free(inv);
  inv = PARSE(cache, compiler, "-c", "a.c", "-o", "a.o");
  assert_stored(build(cache, inv, "two"));
  cc_invocation_free(inv);
  assert_summary(cache, "a.o", "another tenant: one → two");
  assert_contains(explain_of(cache, in_folder("a.o"), "one", 0), "not stored before");
  assert_contains(explain_of(cache, in_folder("a.o"), "three", 0), "\"found\":false");
  /* What is cleared is forgotten, of that tenant only. */
  assert_int_equal(cc_clear(cache, "two"), 0);
  assert_contains(explain_of(cache, in_folder("a.o"), "two", 0), "\"found\":false");
  assert_contains(explain_of(cache, in_folder("a.o"), "one", 0), "\"found\":true");
  assert_int_equal(cc_clear(cache, NULL), 0);
  assert_says(cache, "a.o", "\"found\":false");
  cc_close(cache);
}

static void test_dumps(void **state) {
  (void)state;
  cc_cache *cache = start();
  assert_stored(COMPILE(cache, "-DX=1"));
  char *dumps[3], *text = NULL;
  dumps[0] = strdup(explain_of(cache, in_folder("a.o"), NULL, CC_EXPLAIN_DUMP));
  assert_stored(COMPILE(cache, "-DX=2"));
  dumps[1] = strdup(explain_of(cache, in_folder("a.o"), NULL, CC_EXPLAIN_DUMP));
  write_old("a.h", "#define A 7\n");
  assert_stored(COMPILE(cache, "-DX=2"));
  dumps[2] = strdup(explain_of(cache, in_folder("a.o"), NULL, CC_EXPLAIN_DUMP));
  assert_int_equal(cc_explain_diff(dumps[0], dumps[1], &text), 0);
  assert_contains(text, "\"before\":\"-DX=1\",\"after\":\"-DX=2\"");
  assert_contains(text, "\"same_key\":false");
  cc_free(text);
  assert_int_equal(cc_explain_diff(dumps[1], dumps[2], &text), 0);
  assert_contains(text, "a.h");
  assert_null(strstr(text, "b.h"));
  cc_free(text);
  assert_int_equal(cc_explain_diff(dumps[1], dumps[1], &text), 0);
  assert_contains(text, "\"same_key\":true,\"differences\":[]");
  cc_free(text);
  for (int i = 0; i < 3; i++) free(dumps[i]);
  text = NULL;
  for (const char *const *bad = (const char *const[]){"", "{", "{}", "[1]", "{\"cchain_explain\":2}", NULL}; *bad; bad++) {
    assert_int_equal(cc_explain_diff(*bad, "{\"cchain_explain\":1}", &text), CC_E_INVALID);
    assert_contains(cc_last_error(), "the first: ");
    assert_null(text);
  }
  assert_int_equal(cc_explain_diff("{\"cchain_explain\":1,\"fields\":[[1,2],[\"a\"],{}],\"files\":\"x\"}", "{\"cchain_explain\":1}", &text), 0);
  cc_free(text);
  assert_int_equal(cc_explain(cache, in_folder("none.o"), NULL, CC_EXPLAIN_DUMP, &text), CC_E_INVALID);
  cc_close(cache);
}

/* Whatever stands in the file: no answer is worse than "nothing is remembered". */
static void test_hostile_log(void **state) {
  (void)state;
  cc_cache *cache = start();
  assert_stored(COMPILE(cache, "-DX=1"));
  assert_stored(COMPILE(cache, "-DX=2"));
  struct stat st;
  assert_int_equal(stat(in_folder("state/explain"), &st), 0);
  assert_int_equal(st.st_mode & 07777, 0700);
  assert_int_equal(stat(in_folder("state/explain/log"), &st), 0);
  assert_int_equal(st.st_mode & 07777, 0600);
  bytes whole = read_bytes(in_folder("state/explain/log"));
  unsigned seed = 20261126;
  for (int i = 0; i < 300; i++) {
    bytes b = {NULL, 0};
    bytes_add(&b, whole.data, whole.size);
    if (i % 3 == 0) b.size = (size_t)rand_r(&seed) % b.size;
    for (int k = 0; k < 3 && i % 3 != 0; k++) b.data[(size_t)rand_r(&seed) % b.size] = (char)rand_r(&seed);
    write_bytes(in_folder("state/explain/log"), b.data, b.size);
    bytes_free(&b);
    summary(explain(cache, "a.o"));
  }
  /* What a killed process has left in front of a record does not hide it. */
  bytes b = {NULL, 0};
  bytes_add(&b, whole.data, 100);
  bytes_add(&b, whole.data, whole.size);
  write_bytes(in_folder("state/explain/log"), b.data, b.size);
  assert_summary(cache, "a.o", "-DX=2");
  bytes_free(&b);
  /* A file that others can write is none. */
  assert_int_equal(chmod(in_folder("state/explain/log"), 0622), 0);
  assert_says(cache, "a.o", "\"found\":false");
  bytes_free(&whole);
  cc_close(cache);
}

/* The two files stay within their bound, and what is newest stays. */
static void test_bound(void **state) {
  (void)state;
  cc_cache *cache = start();
  assert_stored(COMPILE(cache, "-DX=1"));
  bytes block = {NULL, 0};
  char *zeros = calloc(1, 33 << 20);
  bytes_add(&block, zeros, 33 << 20);
  free(zeros);
  bytes log = read_bytes(in_folder("state/explain/log"));
  write_bytes(in_folder("state/explain/log"), block.data, block.size - log.size);
  int fd = open(in_folder("state/explain/log"), O_WRONLY | O_APPEND);
  assert_int_equal(write(fd, log.data, log.size), (ssize_t)log.size);
  close(fd);
  assert_stored(COMPILE(cache, "-DX=2"));
  struct stat st;
  assert_int_equal(stat(in_folder("state/explain/log"), &st), 0);
  assert_true(st.st_size < 1 << 20);
  assert_summary(cache, "a.o", "-DX=1 → -DX=2");
  cc_trim_options keep = {sizeof keep};
  keep.max_size = UINT64_MAX;
  assert_int_equal(cc_trim(cache, &keep, NULL, NULL), 0);
  assert_int_equal(stat(in_folder("state/explain/old"), &st), 0);
  assert_true(st.st_size < 1 << 20);
  assert_summary(cache, "a.o", "-DX=1 → -DX=2");
  bytes_free(&log);
  bytes_free(&block);
  cc_close(cache);
}

static void test_wrong_calls(void **state) {
  (void)state;
  char *text = NULL;
  cc_cache *cache = open_disk();
  assert_int_equal(cc_explain(NULL, "x", NULL, 0, &text), CC_E_INVALID);
  assert_int_equal(cc_explain(cache, NULL, NULL, 0, &text), CC_E_INVALID);
  assert_int_equal(cc_explain(cache, "x", NULL, 0, NULL), CC_E_INVALID);
  assert_int_equal(cc_explain(cache, "x", NULL, 8, &text), CC_E_INVALID);
  assert_int_equal(cc_explain(cache, "x", "../x", 0, &text), CC_E_TENANT);
  assert_int_equal(cc_explain_diff(NULL, "{}", &text), CC_E_INVALID);
  cc_close(cache);
  /* Without a private folder nothing is kept. */
  cache = open_text("{}");
  assert_says(cache, "x", "\"found\":false");
  cc_close(cache);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
      T(test_header), T(test_appeared), T(test_options), T(test_compiler), T(test_directory_and_variable), T(test_secrets), T(test_evicted), T(test_read_only), T(test_layer_failed),
      T(test_uncacheable), T(test_key), T(test_tenants), T(test_dumps), T(test_hostile_log), T(test_bound), T(test_wrong_calls),
  };
  int failed = 0;
  for (const char *const *c = (const char *const[]){"gcc", "clang", NULL}; *c; c++) {
    compiler = *c;
    if (have_program(compiler)) failed += cmocka_run_group_tests_name(compiler, tests, NULL, NULL);
    else printf("skip: no %s\n", compiler);
  }
  return failed;
}

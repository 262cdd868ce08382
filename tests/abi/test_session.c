/* Build sessions, and what a build does to files while it goes on.
 * SPDX-License-Identifier: Apache-2.0 */
#include "common.h"

static const char *compiler;

static void write_header(int value) { write_text(in_folder("h.h"), fmt("#define H %d\n", value)); }
static void sources(void) {
  write_header(1);
  write_text(in_folder("a.c"), "#include \"h.h\"\nint a = H;\n");
  write_text(in_folder("b.c"), "#include \"h.h\"\nint b = H;\n");
}
/* What a plain compile of it makes now. */
static bytes plain(const char *source) {
  ran r = run_words((const char *const[]){compiler, "-c", source, "-o", "plain.o", NULL}, plain_env(), folder);
  assert_int_equal(r.status, 0);
  ran_free(&r);
  return read_bytes(in_folder("plain.o"));
}
static void assert_right(const char *object, const char *source) {
  bytes want = plain(source);
  assert_same_file(in_folder(object), &want);
  bytes_free(&want);
}

/* A command that is no compile writes a header that it does not declare, between two compiles of one session: as the host was told to say. */
static void undeclared(void) {
  sources();
  cc_cache *cache = open_disk();
  assert_stored(BUILD(cache, compiler, "-c", "a.c", "-o", "a.o"));
  assert_stored(BUILD(cache, compiler, "-c", "b.c", "-o", "b.o"));
  assert_int_equal(cc_session_begin(cache), 0);
  assert_hit(BUILD(cache, compiler, "-c", "a.c", "-o", "a.o"));
  assert_int_equal(cc_session_changed(cache, NULL), 0);
  write_header(2);
  assert_int_equal(cc_session_changed(cache, NULL), 0);
  turn t = BUILD(cache, compiler, "-c", "b.c", "-o", "b.o");
  assert_false(t.hit);
  turn_free(&t);
  assert_right("b.o", "b.c");
  /* a.o is outdated, and the host is told so. */
  assert_int_equal(cc_session_end(cache), 1);
  assert_stored(BUILD(cache, compiler, "-c", "a.c", "-o", "a.o"));
  assert_right("a.o", "a.c");
  cc_close(cache);
}

/* The same by a path, for a command that declares its output. */
static void declared(void) {
  sources();
  cc_cache *cache = open_disk();
  assert_stored(BUILD(cache, compiler, "-c", "a.c", "-o", "a.o"));
  assert_int_equal(cc_session_begin(cache), 0);
  assert_hit(BUILD(cache, compiler, "-c", "a.c", "-o", "a.o"));
  write_header(3);
  assert_int_equal(cc_session_changed(cache, in_folder("h.h")), 0);
  turn t = BUILD(cache, compiler, "-c", "a.c", "-o", "a.o");
  assert_false(t.hit);
  turn_free(&t);
  assert_right("a.o", "a.c");
  cc_session_end(cache);
  cc_close(cache);
}

/* A header is saved between the first look and the compile: nobody told us, so the object is what the compiler read and is not stored for what was there
 * before. */
static void saved_meanwhile(void) {
  sources();
  cc_cache *cache = open_disk();
  assert_stored(BUILD(cache, compiler, "-c", "b.c", "-o", "b.o"));
  assert_int_equal(cc_session_begin(cache), 0);
  assert_hit(BUILD(cache, compiler, "-c", "b.c", "-o", "b.o"));
  write_header(4);
  turn t = BUILD(cache, compiler, "-c", "a.c", "-o", "a.o");
  assert_false(t.hit);
  assert_int_equal(t.stored, CC_E_UNCACHEABLE);
  turn_free(&t);
  assert_right("a.o", "a.c");
  assert_int_equal(cc_session_end(cache), 1);
  write_header(1);
  t = BUILD(cache, compiler, "-c", "a.c", "-o", "a.o");
  turn_free(&t);
  assert_right("a.o", "a.c");
  cc_close(cache);
}

/* A name that was absent comes into being within a session. */
static void appears(void) {
  sources();
  mkdir(in_folder("inc"), 0777);
  write_text(in_folder("a.c"), "#if __has_include(<opt.h>)\nint a = 2;\n#else\nint a = 1;\n#endif\n");
  cc_cache *cache = open_disk();
  assert_stored(BUILD(cache, compiler, "-Iinc", "-c", "a.c", "-o", "a.o"));
  assert_int_equal(cc_session_begin(cache), 0);
  assert_hit(BUILD(cache, compiler, "-Iinc", "-c", "a.c", "-o", "a.o"));
  write_text(in_folder("inc/opt.h"), "");
  assert_int_equal(cc_session_changed(cache, in_folder("inc/opt.h")), 0);
  turn t = BUILD(cache, compiler, "-Iinc", "-c", "a.c", "-o", "a.o");
  assert_false(t.hit);
  turn_free(&t);
  ran r = run_words((const char *const[]){compiler, "-Iinc", "-c", "a.c", "-o", "want.o", NULL}, plain_env(), folder);
  ran_free(&r);
  bytes want = read_bytes(in_folder("want.o"));
  assert_same_file(in_folder("a.o"), &want);
  bytes_free(&want);
  cc_session_end(cache);
  cc_close(cache);
}

/* The same in folders that are as new. */
static void appears_in_new_folders(void) {
  sources();
  mkdir(in_folder("inc"), 0777);
  write_text(in_folder("a.c"), "#if __has_include(<sub/deep/opt.h>)\nint a = 2;\n#else\nint a = 1;\n#endif\n");
  cc_cache *cache = open_disk();
  assert_stored(BUILD(cache, compiler, "-Iinc", "-c", "a.c", "-o", "a.o"));
  assert_int_equal(cc_session_begin(cache), 0);
  assert_hit(BUILD(cache, compiler, "-Iinc", "-c", "a.c", "-o", "a.o"));
  mkdir(in_folder("inc/sub"), 0777);
  mkdir(in_folder("inc/sub/deep"), 0777);
  write_text(in_folder("inc/sub/deep/opt.h"), "");
  assert_int_equal(cc_session_changed(cache, in_folder("inc/sub/deep/opt.h")), 0);
  turn t = BUILD(cache, compiler, "-Iinc", "-c", "a.c", "-o", "a.o");
  assert_false(t.hit);
  turn_free(&t);
  cc_session_end(cache);
  cc_close(cache);
}

/* The host's spelling of a path and that of the compile need not be one. */
static void declared_by_another_spelling(void) {
  sources();
  mkdir(in_folder("sub"), 0777);
  mkdir(in_folder("inc"), 0777);
  write_text(in_folder("a.c"), "#if __has_include(<opt.h>)\nint b;\n#endif\n#include <h.h>\nint a = H;\n");
  cc_cache *cache = open_disk();
  assert_stored(BUILD(cache, compiler, "-I./inc", "-Isub/..", "-c", "a.c", "-o", "a.o"));
  for (int i = 0; i < 2; i++) {
    assert_int_equal(cc_session_begin(cache), 0);
    assert_hit(BUILD(cache, compiler, "-I./inc", "-Isub/..", "-c", "a.c", "-o", "a.o"));
    if (i == 0) write_header(3);
    else write_text(in_folder("inc/opt.h"), "");
    assert_int_equal(cc_session_changed(cache, in_folder(i == 0 ? "h.h" : "inc/opt.h")), 0);
    turn t = BUILD(cache, compiler, "-I./inc", "-Isub/..", "-c", "a.c", "-o", "a.o");
    assert_false(t.hit);
    turn_free(&t);
    cc_session_end(cache);
  }
  cc_close(cache);
}

/* A declared output that is written again, in the same file, within a tick of the clock: its times don't show it, the host has said it. */
static void declared_within_a_tick(void) {
  sources();
  cc_cache *cache = open_disk();
  assert_stored(BUILD(cache, compiler, "-c", "a.c", "-o", "a.o"));
  for (int i = 0; i < 100; i++) {
    write_header(1);
    assert_int_equal(cc_session_begin(cache), 0);
    assert_hit(BUILD(cache, compiler, "-c", "a.c", "-o", "a.o"));
    write_header(2);
    assert_int_equal(cc_session_changed(cache, in_folder("h.h")), 0);
    cc_invocation *inv = PARSE(cache, compiler, "-c", "a.c", "-o", "a.o");
    cc_result r = {sizeof r};
    assert_int_equal(cc_lookup(cache, inv, NULL, &r), 0);
    cc_result_clear(&r);
    cc_invocation_free(inv);
    cc_session_end(cache);
  }
  cc_close(cache);
}

/* The next command strips the object in place while its store is still queued. */
static void stripped_while_queued(void) {
  enum { kMany = 24 };
  sources();
  cc_cache *cache = open_disk();
  assert_stored(BUILD(cache, compiler, "-c", "b.c", "-o", "b.o"));
  static cc_invocation *inv[kMany];
  static cc_result r[kMany];
  static bytes want[kMany];
  cc_task task;
  int tasks = 0;
  for (int i = 0; i < kMany; i++) {
    inv[i] = PARSE(cache, compiler, fmt("-DN=%d", i), "-c", "a.c", "-o", fmt("%d.o", i));
    r[i] = (cc_result){sizeof r[i]};
    assert_int_equal(look(cache, inv[i], NULL, &r[i], &task, &tasks), 0);
    cc_result_clear(&r[i]);
    ran run = run_task(task.argv, plain_env(), task.env, task.cwd);
    assert_int_equal(run.status, 0);
    ran_free(&run);
    want[i] = read_bytes(in_folder(fmt("%d.o", i)));
  }
  for (int i = 0; i < kMany; i++) {
    assert_int_equal(cc_store_async(cache, inv[i], &r[i], NULL, (uint64_t)i), 0);
    bytes b = read_bytes(in_folder(fmt("%d.o", i)));
    b.data[b.size / 2] ^= 1;
    write_bytes(in_folder(fmt("%d.o", i)), b.data, b.size);
    bytes_free(&b);
  }
  assert_int_equal(cc_flush(cache, 30000), 0);
  for (cc_completion c = {sizeof c}; cc_reap(cache, &c) == 1;)
    if (c.status != 0) fail_msg("%d: %d %s", (int)c.tag, c.status, c.error);
  for (int i = 0; i < kMany; i++) {
    cc_invocation_free(inv[i]);
    assert_hit(BUILD(cache, compiler, fmt("-DN=%d", i), "-c", "a.c", "-o", fmt("%d.o", i)));
    assert_same_file(in_folder(fmt("%d.o", i)), &want[i]);
    bytes_free(&want[i]);
  }
  cc_close(cache);
}

/* Stays in the statistics what it is: a miss whose store is refused is uncacheable, no miss. */
static void counted_once(void) {
  sources();
  cc_cache *cache = open_disk();
  assert_stored(BUILD(cache, compiler, "-c", "b.c", "-o", "b.o"));
  cc_invocation *inv = PARSE(cache, compiler, "-c", "a.c", "-o", "a.o");
  cc_result r = {sizeof r};
  cc_task task;
  int tasks = 0;
  assert_int_equal(look(cache, inv, NULL, &r, &task, &tasks), 0);
  cc_result_clear(&r);
  cc_flush(cache, 0); /* the miss is written */
  write_header(7);
  ran run = run_task(task.argv, plain_env(), task.env, task.cwd);
  ran_free(&run);
  assert_int_equal(cc_store(cache, inv, &r, NULL), CC_E_UNCACHEABLE);
  cc_invocation_free(inv);
  cc_stats s = {sizeof s};
  cc_layer_stats l = {sizeof l};
  assert_int_equal(cc_stats_get(cache, &s), 0);
  assert_int_equal(cc_layer_stats_get(cache, 0, &l), 0);
  assert_int_equal(s.lookups, 2);
  assert_int_equal(s.misses, 1);
  assert_int_equal(s.uncacheable, 1);
  assert_int_equal(l.misses, 1);
  char *text = NULL;
  assert_int_equal(cc_stats_json(cache, &text), 0);
  assert_contains(text, "changed");
  cc_free(text);
  cc_close(cache);
}

#define WITH(name)                                                              \
  static void name##_gcc(void **state) { (void)state, compiler = "gcc", name(); } \
  static void name##_clang(void **state) {                                      \
    (void)state, compiler = "clang";                                            \
    if (!have_program(compiler)) skip();                                        \
    name();                                                                     \
  }
WITH(undeclared)
WITH(declared)
WITH(saved_meanwhile)
WITH(appears)
WITH(appears_in_new_folders)
WITH(declared_by_another_spelling)
WITH(declared_within_a_tick)
WITH(stripped_while_queued)
WITH(counted_once)

#define TEST(name) cmocka_unit_test_setup_teardown(name##_gcc, setup, teardown), cmocka_unit_test_setup_teardown(name##_clang, setup, teardown)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(undeclared), TEST(declared), TEST(saved_meanwhile), TEST(appears), TEST(appears_in_new_folders), TEST(declared_by_another_spelling), TEST(declared_within_a_tick), TEST(stripped_while_queued), TEST(counted_once),
  };
  return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}

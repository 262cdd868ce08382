/* cc_verify and "recheck": what is wrong in a cache is found, told of and mended.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "common.h"

static cc_cache *open_more(const char *more) {
  return open_text(fmt("{\"layers\": [{\"type\": \"disk\", \"path\": \"%s/cache\"}], \"state_dir\": \"%s/state\"%s}", folder, folder, more));
}

typedef struct heard {
  int calls, problems, stop_after;
  uint64_t checked, total;
  char last[4096];
} heard;
static int hear(void *user, const cc_verify_report *r, const char *problem) {
  heard *h = user;
  h->calls++;
  h->checked = r->checked, h->total = r->total;
  if (problem) h->problems++, snprintf(h->last, sizeof h->last, "%s", problem);
  return h->stop_after && h->calls >= h->stop_after;
}

static char files[8][4096];
static int file_count;
static int note_file(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
  (void)st;
  const char *name = path + ftw->base;
  if (kind == FTW_F && (strcmp(name, "entry") == 0 || strcmp(name, "record") == 0 || strcmp(name, "data") == 0)) strcpy(files[file_count++], path);
  return 0;
}

/* Every byte of each kind of blob. */
static void flipped(void **state) {
  (void)state;
  cc_cache *cache = open_more("");
  write_text(in_folder("a.c"), "int a;\n");
  assert_stored(BUILD(cache, "gcc", "-c", "a.c"));
  key_store(cache, "k", NULL, "bytes");
  uint8_t digest[32];
  assert_int_equal(cc_source_store(cache, NULL, "source", 6, digest), 0);
  cc_flush(cache, 1000);
  cc_verify_report r = {sizeof r};
  heard h = {0};
  assert_int_equal(cc_verify(cache, 0, hear, &h, &r), 0);
  assert_int_equal(r.checked, 4);
  assert_int_equal(r.total, 4);
  assert_int_equal(h.problems, 0);
  file_count = 0;
  nftw(in_folder("cache"), note_file, 32, FTW_PHYS);
  assert_int_equal(file_count, 4);
  for (int i = 0; i < file_count; i++) {
    bytes b = read_bytes(files[i]);
    for (size_t at = 0; at < b.size; at += b.size < 900 ? 1 : 7) {
      flip_byte(files[i], at);
      memset(&h, 0, sizeof h);
      r = (cc_verify_report){sizeof r};
      int left = cc_verify(cache, 0, hear, &h, &r);
      if (left != 1 || r.damaged != 1 || h.problems != 1) fail_msg("%s, byte %zu of %zu: %d, %" PRIu64 " damaged, %d told of", files[i], at, b.size, left, r.damaged, h.problems);
      flip_byte(files[i], at);
    }
    flip_byte(files[i], b.size - 1);
    assert_int_equal(cc_verify(cache, CC_VERIFY_REPAIR, hear, &h, &r), 0);
    assert_int_equal(r.removed, 1);
    assert_contains(h.last, "it is damaged; removed");
    assert_false(exists(files[i]));
    assert_int_equal(cc_verify(cache, 0, hear, &h, &r), 0);
    bytes_free(&b);
  }
  assert_int_equal(r.checked, 0);
  assert_stored(BUILD(cache, "gcc", "-c", "a.c"));
  assert_int_equal(cc_verify(cache, 0, NULL, NULL, NULL), 0);
  assert_int_equal(cc_verify(cache, 4, NULL, NULL, NULL), CC_E_INVALID);
  cc_close(cache);
}

/* The index against the folders; and an end before the end. */
static void indexed(void **state) {
  (void)state;
  cc_cache *cache = open_more("");
  for (int i = 0; i < 200; i++) key_store(cache, fmt("k%d", i), NULL, "bytes");
  cc_verify_report r = {sizeof r};
  heard h = {0};
  assert_int_equal(cc_verify(cache, 0, hear, &h, &r), 0);
  assert_int_equal(r.checked, 200);
  assert_true(h.calls >= 2);
  h = (heard){.stop_after = 1};
  assert_int_equal(cc_verify(cache, 0, hear, &h, &r), CC_E_CANCELLED);
  assert_int_equal(h.calls, 1);
  /* Gone behind its back, and come behind its back. */
  assert_int_equal(count_files(in_folder("cache"), "entry"), 200);
  remove(last_found);
  h = (heard){0};
  assert_int_equal(cc_verify(cache, 0, hear, &h, &r), 1);
  assert_int_equal(r.absent, 1);
  cc_close(cache);
  remove(in_folder("cache/index"));
  cache = open_more("");
  assert_int_equal(cc_verify(cache, 0, NULL, NULL, &r), 199);
  assert_int_equal(r.unindexed, 199);
  assert_int_equal(cc_verify(cache, CC_VERIFY_REPAIR, hear, &h, &r), 0);
  assert_int_equal(cc_verify(cache, 0, NULL, NULL, &r), 0);
  assert_int_equal(r.total, 199);
  cc_close(cache);
}

static bytes object;
/* Stores a result that the compiler did not make. */
static void store_wrong(cc_cache *cache, const char *const *argv) {
  cc_invocation *inv = parse_words(cache, argv);
  cc_result r = {sizeof r};
  cc_task task;
  int tasks = 0;
  assert_int_equal(look(cache, inv, NULL, &r, &task, &tasks), 0);
  cc_result_clear(&r);
  ran run = run_task(task.argv, plain_env(), task.env, task.cwd);
  assert_int_equal(run.status, 0);
  object = read_bytes(in_folder("a.o"));
  bytes wrong = {NULL, 0};
  bytes_add(&wrong, object.data, object.size);
  char *comment = memmem(wrong.data, wrong.size, "GCC: (", 6);
  if (!comment) comment = memmem(wrong.data, wrong.size, "clang version", 13);
  assert_non_null(comment);
  *comment ^= 1;
  cc_output o = {"object", "a.o", (const uint8_t *)wrong.data, wrong.size, 0, 0};
  r.outputs = &o, r.output_count = 1;
  r.stderr_data = (const uint8_t *)run.err.data, r.stderr_size = run.err.size;
  assert_int_equal(cc_store(cache, inv, &r, NULL), 0);
  cc_invocation_free(inv);
  bytes_free(&wrong);
  ran_free(&run);
}

static void recheck(void **state) {
  (void)state;
  const char *const compilers[] = {"gcc", "clang"};
  for (size_t i = 0; i < COUNT(compilers); i++) {
    if (!have_program(compilers[i])) {
      print_message("skip: %s is not there\n", compilers[i]);
      continue;
    }
    const char *const argv[] = {compilers[i], "-Wall", "-c", "a.c", NULL};
    remove_tree(in_folder("cache")), remove_tree(in_folder("state"));
    write_text(in_folder("a.c"), "int a(void) { int unused; return 0; }\n");
    cc_cache *cache = open_more(", \"recheck\": 1");
    assert_stored(build_words(cache, argv));
    /* Every hit is a miss, compiled and compared: no difference, nothing happens. */
    for (int k = 0; k < 3; k++) {
      turn t = build_words(cache, argv);
      assert_false(t.hit);
      assert_int_equal(t.stored, 0);
      assert_contains(t.why, "recheck: ");
      turn_free(&t);
    }
    char *text;
    assert_int_equal(cc_stats_json(cache, &text), 0);
    assert_contains(text, "\"rechecks\":{\"same\":3}");
    assert_contains(text, "\"troubles\":[]");
    cc_free(text);
    cc_close(cache);

    remove_tree(in_folder("cache")), remove_tree(in_folder("state"));
    cache = open_more("");
    store_wrong(cache, argv);
    assert_hit(build_words(cache, argv)); /* whole by its checksum, and wrong */
    cc_close(cache);
    cache = open_more(", \"recheck\": 1.0");
    turn t = build_words(cache, argv);
    assert_false(t.hit);
    turn_free(&t);
    assert_int_equal(cc_stats_json(cache, &text), 0);
    assert_contains(text, "\"rechecks\":{\"different\":1}");
    assert_contains(text, "a.o: a compile made another result than layer disk0 held (its object); that is dropped, kept with what was made in ");
    cc_free(text);
    cc_close(cache);
    assert_int_equal(count_files(in_folder("state/recheck"), ""), 2);
    cache = open_more("");
    remove(in_folder("a.o"));
    assert_hit(build_words(cache, argv));
    assert_same_file(in_folder("a.o"), &object);
    bytes_free(&object);
    cc_close(cache);
  }
}

/* The share that is drawn, and what is never drawn. */
static void share(void **state) {
  (void)state;
  write_text(in_folder("a.c"), "int a;\n");
  cc_cache *cache = open_more(", \"recheck\": 0.25");
  assert_stored(BUILD(cache, "gcc", "-c", "a.c"));
  cc_invocation *inv = PARSE(cache, "gcc", "-c", "a.c");
  int drawn = 0;
  for (int i = 0; i < 400; i++) {
    cc_result r = {sizeof r};
    drawn += cc_lookup(cache, inv, NULL, &r) == 0;
    cc_result_clear(&r);
  }
  if (drawn < 50 || drawn > 150) fail_msg("%d of 400", drawn);
  for (int i = 0; i < 100; i++) {
    cc_result r = {sizeof r};
    r.flags = CC_RESULT_NO_DELIVERY;
    assert_int_equal(cc_lookup(cache, inv, NULL, &r), 1);
    cc_result_clear(&r);
  }
  cc_invocation_free(inv);
  key_store(cache, "k", NULL, "bytes");
  for (int i = 0; i < 100; i++) assert_int_equal(key_lookup(cache, "k", NULL, "bytes"), 1);
  cc_close(cache);
  /* Bytes that bear a random stamp are not compared. */
  cache = open_more(", \"recheck\": 1");
  assert_stored(BUILD(cache, "gcc", "-c", "-flto", "a.c"));
  assert_hit(BUILD(cache, "gcc", "-c", "-flto", "a.c"));
  cc_close(cache);
  cache = open_more(", \"recheck\": 2");
  char *text;
  assert_int_equal(cc_config_json(cache, &text), 0);
  assert_contains(text, "\\\"recheck\\\" is no number from 0 to 1");
  cc_free(text);
  cc_close(cache);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
  const struct CMUnitTest tests[] = {TEST(flipped), TEST(indexed), TEST(recheck), TEST(share)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The library as a host meets it that loads it by name: what it exports, and that it can be closed. This program is not linked to it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <pthread.h>

#include "common.h"

#define LIBRARY CCHAIN_BUILD "/libcchain.so.0"

/* ---- symbols ------------------------------------------------------------------------------------------------ */

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The words of `text` that begin with "cc_", without repetitions, as one sorted text. */
static char *names_in(const char *text) {
  static char out[2][8192];
  static int slot;
  char *words[256], *copy = strdup(text), *o = out[slot ^= 1];
  size_t n = 0;
  for (char *w = strtok(copy, " \t\n;{}@"); w; w = strtok(NULL, " \t\n;{}@"))
    if (strncmp(w, "cc_", 3) == 0 && n < COUNT(words)) words[n++] = w;
  qsort(words, n, sizeof *words, by_name);
  *o = '\0';
  for (size_t i = 0; i < n; i++)
    if (!i || strcmp(words[i], words[i - 1]) != 0) strcat(strcat(o, words[i]), "\n");
  free(copy);
  return o;
}

/* Exported is what the map lists, and nothing else: no C++ symbol, nothing of a library that was linked in. */
static void symbols(void **state) {
  (void)state;
  if (!have_program("nm")) {
    print_message("skipped: there is no nm\n");
    skip();
  }
  ran r = run_words((const char *const[]){"nm", "-D", "--defined-only", LIBRARY, NULL}, NULL, folder);
  assert_int_equal(r.status, 0);
  bytes map = read_bytes(CCHAIN_ROOT "/src/abi/libcchain.map"), header = read_bytes(CCHAIN_ROOT "/include/cchain.h");
  assert_string_equal(names_in(r.out.data), names_in(map.data));
  for (char *line = strtok(strdup(r.out.data), "\n"); line; line = strtok(NULL, "\n")) {
    const char *name = strrchr(line, ' ') + 1;
    if (strncmp(name, "cc_", 3) != 0 && strncmp(name, "CCHAIN_", 7) != 0) fail_msg("exported too: %s", line);
    assert_null(strstr(line, " u "));
  }
  /* What is exported is declared: a symbol that no header names is nobody's promise. */
  char *all = strdup(names_in(map.data));
  for (char *name = strtok(all, "\n"); name; name = strtok(NULL, "\n")) assert_contains(header.data, fmt("%s(", name));
  free(all);
  bytes_free(&map), bytes_free(&header);
  ran_free(&r);
}

/* The declared interface is that of the kept baseline, or has grown (abidiff). `make abi-baseline` after a change that include/ABI.md allows. */
static void baseline(void **state) {
  (void)state;
  if (!have_program("abidiff")) {
    print_message("skipped: there is no abidiff\n");
    skip();
  }
  ran r = run_words((const char *const[]){"abidiff", "--exported-interfaces-only", "--no-added-syms", CCHAIN_ROOT "/tests/abi/baseline.abi", LIBRARY, NULL}, NULL, folder);
  if (r.status != 0) fail_msg("abidiff: %d\n%s%s", r.status, r.out.data, r.err.data);
  ran_free(&r);
}

/* ---- loading ------------------------------------------------------------------------------------------------ */

static void *load(void) {
  void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (!handle) fail_msg("dlopen: %s", dlerror());
  return handle;
}

/* What a host that knows nothing but the table does: a store and a hit. */
static void use(void *handle, const char *key, int hit) {
  const cc_backend *(*get)(uint32_t) = NULL;
  *(void **)&get = dlsym(handle, "cc_backend_get");
  assert_non_null(get);
  const cc_backend *b = get(1);
  assert_non_null(b);
  cc_open_options o = {sizeof o};
  o.flags = CC_OPEN_NO_ENV | CC_OPEN_NO_FILES;
  o.config_text = fmt("{\"layers\": [{\"type\": \"disk\", \"path\": \"%s/cache\"}], \"state_dir\": \"%s/state\"}", folder, folder);
  cc_cache *cache = NULL;
  assert_int_equal(b->open(&o, &cache), 0);
  cc_output out = {"out", in_folder("out"), NULL, 0, 0, 0};
  cc_invocation_options io = {sizeof io};
  io.cwd = folder;
  cc_invocation *inv = NULL;
  assert_int_equal(b->from_key(cache, "test", key, strlen(key), &out, 1, &io, &inv), 0);
  cc_result r = {sizeof r};
  assert_int_equal(b->lookup(cache, inv, NULL, &r), hit);
  b->result_clear(&r);
  if (!hit) {
    write_text(in_folder("out"), "bytes");
    assert_int_equal(b->store_async(cache, inv, &r, NULL, 1), 0); /* its workers must not outlive the cache */
    struct pollfd p = {b->async_fd(cache), POLLIN, 0};
    assert_int_equal(poll(&p, 1, 10000), 1);
    cc_completion c = {sizeof c};
    assert_int_equal(b->reap(cache, &c), 1);
    assert_int_equal(c.status, 0);
  } else {
    assert_file(in_folder("out"), "bytes");
  }
  remove(in_folder("out"));
  b->invocation_free(inv);
  b->close(cache);
}

/* Closed, and loaded again, and again: -z nodelete keeps it where it is, so that thread-local text and workers' code never go from under a thread. */
static void closed_and_loaded(void **state) {
  (void)state;
  assert_null(dlopen(LIBRARY, RTLD_NOW | RTLD_NOLOAD)); /* else it could not go, and nothing is shown */
  for (int round = 0; round < 4; round++) {
    void *handle = load();
    use(handle, fmt("key %d", round), 0);
    use(handle, fmt("key %d", round), 1);
    void *first = dlsym(handle, "cc_open");
    assert_int_equal(dlclose(handle), 0);
    handle = dlopen(LIBRARY, RTLD_NOW | RTLD_NOLOAD);
    assert_non_null(handle); /* it still is here */
    assert_ptr_equal(dlsym(handle, "cc_open"), first);
    use(handle, fmt("key %d", round), 1);
    dlclose(handle);
  }
}

/* A thread that used it ends after dlclose: its destructors are still there. */
static void *in_a_thread(void *go_on) {
  void *handle = load();
  use(handle, "key of a thread", 0);
  dlclose(handle);
  while (!__atomic_load_n((int *)go_on, __ATOMIC_ACQUIRE)) usleep(1000);
  return NULL;
}
static void closed_before_a_thread_ends(void **state) {
  (void)state;
  int go_on = 0;
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, in_a_thread, &go_on), 0);
  usleep(100000);
  void *handle = load();
  dlclose(handle);
  __atomic_store_n(&go_on, 1, __ATOMIC_RELEASE);
  assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(symbols, setup, teardown),
      cmocka_unit_test_setup_teardown(baseline, setup, teardown),
      cmocka_unit_test_setup_teardown(closed_and_loaded, setup, teardown),
      cmocka_unit_test_setup_teardown(closed_before_a_thread_ends, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

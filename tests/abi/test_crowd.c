/* 64 threads of one process, and 32 processes, look up and store the same and different keys in one root while it is evicted from: every hit is whole, every count exact,
 * nobody waits for ever.
 * SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>

#include "common.h"

enum { kKeys = 48, kOwn = 4 };

#ifdef __SANITIZE_THREAD__
enum { kThreads = 64, kProcesses = 8, kRounds = 12 };
#else
enum { kThreads = 64, kProcesses = 32, kRounds = 60 };
#endif

typedef struct tally {
  uint64_t lookups, hits, stores, wrong;
} tally;

/* Bytes that only this key has: their length and each of them tell. */
static size_t body_of(const char *key, uint8_t *out) {
  uint32_t seed = 2166136261u;
  for (const char *c = key; *c; c++) seed = (seed ^ (uint8_t)*c) * 16777619u;
  size_t size = 500 + seed % 9000;
  for (size_t i = 0; i < size; i++) out[i] = (uint8_t)((seed + i) * 2654435761u >> 11);
  return size;
}

/* One look-up, and the store after a miss. */
static void turn_of(cc_cache *cache, const char *key, tally *t) {
  uint8_t want[10000];
  size_t size = body_of(key, want);
  cc_output o = {"out", "unused", NULL, 0, 0, 0};
  cc_invocation_options options = {sizeof options};
  options.cwd = "/";
  options.env = plain_env();
  cc_invocation *inv = NULL;
  if (cc_invocation_from_key(cache, "crowd", key, strlen(key), &o, 1, &options, &inv) != 0) abort();
  cc_result r = {sizeof r};
  r.flags = CC_RESULT_NO_DELIVERY | CC_RESULT_KEEP;
  int status = cc_lookup(cache, inv, NULL, &r);
  t->lookups++;
  if (status > 0) {
    t->hits++;
    if (r.output_count != 1 || r.outputs[0].size != size || memcmp(r.outputs[0].data, want, size) != 0) t->wrong++;
  } else if (status == 0) {
    cc_result_clear(&r);
    o.data = want, o.size = size;
    r.outputs = &o, r.output_count = 1;
    if (cc_store(cache, inv, &r, NULL) == 0) t->stores++;
    r.outputs = NULL, r.output_count = 0;
  } else {
    t->wrong++;
  }
  cc_result_clear(&r);
  cc_invocation_free(inv);
}

/* Keys that all have, and some of one's own. */
static void rounds(cc_cache *cache, int who, tally *t) {
  unsigned random = (unsigned)who * 7919u + 1;
  for (int i = 0; i < kRounds; i++) {
    random = random * 1103515245u + 12345u;
    turn_of(cache, i % 3 ? fmt("common %u", (random >> 16) % kKeys) : fmt("of %d: %u", who, (random >> 16) % kOwn), t);
  }
}

static cc_cache *open_small(void) {
  return open_text(fmt("{\"layers\": [{\"type\": \"disk\", \"path\": \"%s/cache\", \"max_size\": \"400K\"}], \"state_dir\": \"%s/state\"}", folder, folder));
}

static int stop;
static void *evict(void *cache) {
  unsigned n = 0;
  while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
    cc_trim_options o = {sizeof o};
    o.max_size = n++ % 4 ? 200000 : 20000;
    if (cc_trim(cache, &o, NULL, NULL) < 0) return (void *)cc_last_error();
    usleep(2000);
  }
  return NULL;
}

typedef struct worker {
  pthread_t thread;
  cc_cache *cache;
  int number;
  tally t;
} worker;
static void *work(void *p) {
  worker *w = p;
  rounds(w->cache, w->number, &w->t);
  return NULL;
}

/* "name":N of the statistics that all processes left. */
static uint64_t counted_on_disk(cc_cache *cache, const char *name) {
  char *text = NULL;
  assert_int_equal(cc_stats_json(cache, &text), 0);
  const char *at = strstr(text, fmt("\"%s\":", name));
  assert_non_null(at);
  uint64_t n = strtoull(at + strlen(name) + 3, NULL, 10);
  cc_free(text);
  return n;
}

/* What the index counts is what stands there. */
static void assert_index_exact(cc_cache *cache) {
  usleep(2200000); /* for so long a slot whose file is not there is one that somebody is about to publish */
  cc_trim_options o = {sizeof o};
  o.max_size = UINT64_MAX;
  assert_int_equal(cc_trim(cache, &o, NULL, NULL), 0);
  assert_int_equal(counted_on_disk(cache, "entries"), count_files(in_folder("cache/compile"), "entry"));
}

static void threads(void **state) {
  (void)state;
  cc_cache *cache = open_small();
  static worker w[kThreads];
  memset(w, 0, sizeof w);
  stop = 0;
  plain_env();
  pthread_t evictor;
  assert_int_equal(pthread_create(&evictor, NULL, evict, cache), 0);
  for (int i = 0; i < kThreads; i++) {
    w[i].cache = cache, w[i].number = i;
    assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
  }
  tally all = {0, 0, 0, 0};
  for (int i = 0; i < kThreads; i++) {
    assert_int_equal(pthread_join(w[i].thread, NULL), 0);
    all.lookups += w[i].t.lookups, all.hits += w[i].t.hits, all.stores += w[i].t.stores, all.wrong += w[i].t.wrong;
  }
  __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
  void *trouble = NULL;
  pthread_join(evictor, &trouble);
  assert_null(trouble);
  assert_int_equal(all.wrong, 0);
  assert_int_equal(all.lookups, kThreads * kRounds);
  assert_true(all.hits > 0);
  cc_stats s = {sizeof s};
  assert_int_equal(cc_stats_get(cache, &s), 0);
  assert_int_equal(s.lookups, all.lookups);
  assert_int_equal(s.hits, all.hits);
  assert_int_equal(s.misses, all.lookups - all.hits);
  assert_in_range(s.stores, 1, all.stores); /* without those for which a full store had no room at once */
  assert_index_exact(cache);
  cc_close(cache);
  print_message("64 threads: %llu look-ups, %llu hits, %llu stores\n", (unsigned long long)all.lookups, (unsigned long long)all.hits, (unsigned long long)all.stores);
}

static void processes(void **state) {
  (void)state;
  int pipes[2];
  assert_int_equal(pipe(pipes), 0);
  pid_t pids[kProcesses];
  for (int i = 0; i < kProcesses; i++) {
    pids[i] = fork();
    assert_true(pids[i] >= 0);
    if (pids[i]) continue;
    cc_cache *cache = open_small();
    tally t = {0, 0, 0, 0};
    rounds(cache, i, &t);
    cc_close(cache);
    _exit(write(pipes[1], &t, sizeof t) == (ssize_t)sizeof t ? 0 : 1);
  }
  cc_cache *cache = open_small();
  tally all = {0, 0, 0, 0};
  for (int i = 0, left = kProcesses; left; i = (i + 1) % kProcesses) {
    int status;
    if (pids[i] && waitpid(pids[i], &status, WNOHANG) == pids[i]) {
      assert_int_equal(status, 0);
      pids[i] = 0, left--;
      tally t;
      assert_int_equal(read(pipes[0], &t, sizeof t), sizeof t);
      all.lookups += t.lookups, all.hits += t.hits, all.stores += t.stores, all.wrong += t.wrong;
    }
    cc_trim_options o = {sizeof o};
    o.max_size = i % 4 ? 200000 : 20000;
    assert_int_equal(cc_trim(cache, &o, NULL, NULL), 0);
    usleep(2000);
  }
  close(pipes[0]), close(pipes[1]);
  assert_int_equal(all.wrong, 0);
  assert_int_equal(all.lookups, kProcesses * kRounds);
  assert_true(all.hits > 0);
  /* The statistics of all that closed: none lost, none twice. */
  assert_int_equal(counted_on_disk(cache, "lookups"), all.lookups);
  assert_int_equal(counted_on_disk(cache, "hits"), all.hits);
  assert_int_equal(counted_on_disk(cache, "misses"), all.lookups - all.hits);
  assert_in_range(counted_on_disk(cache, "stores"), 1, all.stores);
  assert_index_exact(cache);
  cc_close(cache);
  print_message("%d processes: %llu look-ups, %llu hits, %llu stores\n", kProcesses, (unsigned long long)all.lookups, (unsigned long long)all.hits, (unsigned long long)all.stores);
}

int main(void) {
  alarm(240); /* a deadlock is an end, too */
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(processes, setup, teardown),
      cmocka_unit_test_setup_teardown(threads, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Asynchronous calls, cancelling, forks, and many threads on one cache.
 * SPDX-License-Identifier: Apache-2.0 */
#include "memory_layer.h"

static char *disk(void) { return fmt("{\"type\": \"disk\", \"path\": \"%s/cache\"}", folder); }

static void reap_one(cc_cache *cache, cc_completion *c) {
  struct pollfd p = {cc_async_fd(cache), POLLIN, 0};
  assert_true(p.fd >= 0);
  if (poll(&p, 1, 10000) != 1) fail_msg("nothing within 10 s");
  *c = (cc_completion){sizeof *c};
  assert_int_equal(cc_reap(cache, c), 1);
  assert_non_null(c->error);
}
static bool readable(cc_cache *cache) {
  struct pollfd p = {cc_async_fd(cache), POLLIN, 0};
  return poll(&p, 1, 0) == 1;
}

static void one_by_one(void **state) {
  (void)state;
  cc_cache *cache = open_disk();
  int fd = cc_async_fd(cache);
  assert_true(fd >= 0);
  assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
  assert_int_equal(cc_async_fd(cache), fd);
  assert_false(readable(cache));
  cc_completion c = {sizeof c};
  assert_int_equal(cc_reap(cache, &c), 0);

  cc_invocation *inv = key_invocation(cache, "k", "out");
  cc_result r = {sizeof r};
  assert_int_equal(cc_lookup_async(cache, inv, NULL, &r, 7), 0);
  reap_one(cache, &c);
  assert_int_equal(c.status, 0);
  assert_int_equal(c.tag, 7);
  assert_ptr_equal(c.inv, inv);
  assert_ptr_equal(c.result, &r);
  assert_string_equal(c.error, "");
  assert_true(*r.reason);
  assert_false(readable(cache));
  cc_result_clear(&r);

  cc_output o = {"out", "out", (const uint8_t *)"bytes", 5, 0, 0};
  r.outputs = &o;
  r.output_count = 1;
  assert_int_equal(cc_store_async(cache, inv, &r, NULL, UINT64_MAX), 0);
  reap_one(cache, &c);
  assert_int_equal(c.status, 0);
  assert_true(c.tag == UINT64_MAX);

  r = (cc_result){sizeof r};
  assert_int_equal(cc_lookup_async(cache, inv, NULL, &r, 8), 0);
  reap_one(cache, &c);
  assert_int_equal(c.status, 1);
  assert_file(in_folder("out"), "bytes");
  assert_string_equal(r.reason, "");
  cc_result_clear(&r);
  /* Without a result, and a store that the state forbids. */
  assert_int_equal(cc_lookup_async(cache, inv, NULL, NULL, 9), 0);
  reap_one(cache, &c);
  assert_int_equal(c.status, 1);
  assert_null(c.result);
  assert_int_equal(cc_store_async(cache, inv, &r, NULL, 10), 0);
  reap_one(cache, &c);
  assert_int_equal(c.status, CC_E_STATE);
  assert_contains(c.error, "cc_store");
  cc_invocation_free(inv);
  cc_close(cache);
  assert_int_equal(fcntl(fd, F_GETFD), -1);
}

/* A completion that came before anybody asked for the descriptor shows on it. */
static void descriptor_asked_late(void **state) {
  (void)state;
  cc_cache *cache = open_disk();
  cc_invocation *inv = key_invocation(cache, "k", "out");
  assert_int_equal(cc_lookup_async(cache, inv, NULL, NULL, 1), 0);
  assert_int_equal(cc_flush(cache, CC_TIMEOUT_DEFAULT), 0);
  assert_true(readable(cache));
  cc_completion c;
  reap_one(cache, &c);
  cc_invocation_free(inv);
  cc_close(cache);
}

/* What a store that is to be written later needs is taken before it returns: the object, the header and the invocation may go. */
static void stored_later(void **state) {
  (void)state;
  enum { kMany = 40 };
  cc_cache *cache = open_disk();
  write_text(in_folder("x.h"), "int x;\n");
  static char data[kMany][4000];
  bytes objects[kMany];
  for (int i = 0; i < kMany; i++) {
    write_text(in_folder("a.c"), fmt("#include \"x.h\"\nint a[%d];\n%s", i + 1, i % 2 ? "#warning seen\n" : ""));
    cc_invocation *inv = PARSE(cache, "gcc", "-c", "a.c", "-o", "a.o");
    cc_result r = {sizeof r};
    cc_task task;
    int tasks = 0;
    assert_int_equal(look(cache, inv, NULL, &r, &task, &tasks), 0);
    cc_result_clear(&r);
    ran run = run_task(task.argv, plain_env(), task.env, task.cwd);
    assert_int_equal(run.status, 0);
    objects[i] = read_bytes(in_folder("a.o"));
    cc_output given = {"object", "", (const uint8_t *)data[i], objects[i].size, 0, 0};
    if (i % 3 == 0) {
      assert_true(objects[i].size <= sizeof data[i]);
      memcpy(data[i], objects[i].data, objects[i].size);
      r.outputs = &given;
      r.output_count = 1;
    }
    r.flags = CC_RESULT_LATER;
    r.stderr_data = (const uint8_t *)run.err.data, r.stderr_size = run.err.size;
    if (cc_store(cache, inv, &r, NULL) != 0) fail_msg("cc_store: %s", cc_last_error());
    write_text(in_folder("a.o"), "stripped");
    memset(data[i], 'x', sizeof data[i]);
    memset(run.err.data, 'x', run.err.size);
    ran_free(&run);
    cc_invocation_free(inv);
  }
  assert_int_equal(cc_flush(cache, CC_TIMEOUT_DEFAULT), 0);
  cc_stats stats = {sizeof stats};
  assert_int_equal(cc_stats_get(cache, &stats), 0);
  assert_int_equal(stats.stores, kMany);
  for (int i = 0; i < kMany; i++) {
    write_text(in_folder("a.c"), fmt("#include \"x.h\"\nint a[%d];\n%s", i + 1, i % 2 ? "#warning seen\n" : ""));
    remove(in_folder("a.o"));
    turn t = BUILD(cache, "gcc", "-c", "a.c", "-o", "a.o");
    if (!t.hit) fail_msg("%d: %s", i, t.why);
    if (i % 2) assert_contains(t.err.data, "#warning seen");
    turn_free(&t);
    assert_same_file(in_folder("a.o"), &objects[i]);
    bytes_free(&objects[i]);
  }
  cc_close(cache);
}

static void many_at_once(void **state) {
  (void)state;
  enum { kMany = 300 };
  cc_cache *cache = open_disk();
  static cc_invocation *inv[kMany];
  static cc_result r[kMany];
  static cc_output o[kMany];
  static char text[kMany][16], seen[kMany];
  cc_completion c;
  for (int i = 0; i < kMany; i++) {
    inv[i] = key_invocation(cache, fmt("key %d", i), fmt("out%d", i));
    r[i] = (cc_result){sizeof r[i]};
    assert_int_equal(cc_lookup_async(cache, inv[i], NULL, &r[i], (uint64_t)i), 0);
  }
  for (int i = 0; i < 2 * kMany; i++) { /* each is stored when its lookup has come back */
    reap_one(cache, &c);
    if (c.status != 0) fail_msg("%d: %d %s", (int)c.tag, c.status, c.error);
    size_t k = c.tag;
    assert_true(k < kMany && seen[k] < 2);
    if (seen[k]++) continue;
    cc_result_clear(&r[k]);
    snprintf(text[k], sizeof text[k], "bytes %zu", k);
    o[k] = (cc_output){"out", "", (const uint8_t *)text[k], strlen(text[k]), 0, 0};
    r[k].outputs = &o[k];
    r[k].output_count = 1;
    assert_int_equal(cc_store_async(cache, inv[k], &r[k], NULL, k), 0);
  }
  assert_false(readable(cache));
  for (int i = 0; i < kMany; i++) {
    r[i] = (cc_result){sizeof r[i]};
    assert_int_equal(cc_lookup_async(cache, inv[i], NULL, &r[i], (uint64_t)i), 0);
  }
  for (int i = 0; i < kMany; i++) {
    reap_one(cache, &c);
    if (c.status != 1) fail_msg("%d: %d %s", (int)c.tag, c.status, c.error);
    assert_file(in_folder(fmt("out%d", (int)c.tag)), text[c.tag]);
    cc_result_clear(c.result);
  }
  cc_stats s = {sizeof s};
  cc_stats_get(cache, &s);
  assert_int_equal(s.stores, kMany);
  assert_int_equal(s.hits, kMany);
  for (int i = 0; i < kMany; i++) cc_invocation_free(inv[i]);
  cc_close(cache);
}

/* A worker takes no signal of the host's. */
static void signals_are_blocked(void **state) {
  (void)state;
  cc_cache *cache = open_disk();
  assert_int_equal(count_files("/proc/self/task", "status"), 1);
  cc_invocation *inv = key_invocation(cache, "k", "out");
  cc_completion c;
  assert_int_equal(cc_lookup_async(cache, inv, NULL, NULL, 1), 0);
  reap_one(cache, &c);
  sigset_t mine;
  pthread_sigmask(SIG_BLOCK, NULL, &mine);
  assert_false(sigismember(&mine, SIGUSR1));
  ran ls = run_words((const char *const[]){"grep", "-h", "SigBlk", fmt("/proc/%d/task", (int)getpid()), "-r", "--include=status", NULL}, NULL, NULL);
  int threads = 0;
  for (char *line = ls.out.data; line && *line; line = strchr(line, '\n') + 1) {
    unsigned long long blocked = strtoull(line + strlen("SigBlk:"), NULL, 16);
    if (!blocked) continue; /* the main thread */
    threads++;
    static const int all[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGALRM, SIGUSR1, SIGPIPE, SIGWINCH};
    for (size_t i = 0; i < COUNT(all); i++) assert_true(blocked >> (all[i] - 1) & 1);
  }
  assert_true(threads >= 1);
  ran_free(&ls);
  cc_invocation_free(inv);
  cc_close(cache);
  assert_int_equal(count_files("/proc/self/task", "status"), 1);
}

/* ---- cancelling ---------------------------------------------------------------------------------------------- */

static void *cancel_soon(void *cache) {
  usleep(100000);
  cc_cancel(cache);
  return NULL;
}

static void cancelled_lookups(void **state) {
  (void)state;
  memory m;
  memory_init(&m);
  cc_cache *cache = open_memory("", &m, 0);
  key_store(cache, "k", NULL, "bytes");
  m.delay_ms = 60;
  enum { kMany = 100 };
  cc_invocation *inv[kMany];
  cc_completion c;
  int64_t start = now_ms();
  for (int i = 0; i < kMany; i++) {
    inv[i] = key_invocation(cache, fmt("%d", i), "out");
    assert_int_equal(cc_lookup_async(cache, inv[i], NULL, NULL, (uint64_t)i), 0);
  }
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, cancel_soon, cache), 0);
  int cancelled = 0;
  for (int i = 0; i < kMany; i++) {
    reap_one(cache, &c);
    if (c.status == CC_E_CANCELLED) cancelled++;
    else assert_int_equal(c.status, 0);
  }
  pthread_join(thread, NULL);
  assert_true(cancelled > kMany / 2);
  assert_true(now_ms() - start < 2000); /* alone they would take 6 s for each worker */
  m.delay_ms = 0;
  /* Until cc_resume nothing is looked up. */
  cc_result r = {sizeof r};
  cc_invocation *k = key_invocation(cache, "k", "out");
  uint8_t digest[32] = {0}, *data;
  uint64_t size;
  assert_int_equal(cc_lookup(cache, k, NULL, &r), CC_E_CANCELLED);
  assert_contains(cc_last_error(), "cancel");
  assert_int_equal(cc_source_lookup(cache, NULL, digest, &data, &size), CC_E_CANCELLED);
  assert_false(exists(in_folder("out")));
  cc_resume(cache);
  assert_int_equal(cc_lookup(cache, k, NULL, &r), 1);
  assert_file(in_folder("out"), "bytes");
  cc_result_clear(&r);
  cc_invocation_free(k);
  for (int i = 0; i < kMany; i++) cc_invocation_free(inv[i]);
  cc_close(cache);
  memory_free(&m);
}

/* A flush under way returns when it is cancelled, from another thread or from a signal handler. */
static cc_cache *to_cancel;
static void on_alarm(int signal) {
  (void)signal;
  cc_cancel(to_cancel);
}
static void cancelled_flush(void **state) {
  (void)state;
  for (int by_signal = 0; by_signal < 2; by_signal++) {
    memory m;
    memory_init(&m);
    cc_cache *cache = open_memory("", &m, 0);
    cc_invocation *inv = key_invocation(cache, "k", "out");
    cc_result r = {sizeof r};
    assert_int_equal(cc_lookup(cache, inv, NULL, &r), 0);
    cc_result_clear(&r);
    m.delay_ms = 1500;
    write_text(in_folder("out"), "bytes");
    assert_int_equal(cc_store_async(cache, inv, &r, NULL, 1), 0);
    int64_t start = now_ms();
    assert_int_equal(cc_flush(cache, 50), 1); /* still under way */
    assert_true(now_ms() - start >= 50);
    pthread_t thread;
    struct sigaction sa, old;
    if (by_signal) {
      memset(&sa, 0, sizeof sa);
      sa.sa_handler = on_alarm;
      to_cancel = cache;
      sigaction(SIGALRM, &sa, &old);
      ualarm(100000, 0);
    } else {
      assert_int_equal(pthread_create(&thread, NULL, cancel_soon, cache), 0);
    }
    assert_int_equal(cc_flush(cache, 10000), CC_E_CANCELLED);
    assert_true(now_ms() - start < 1000);
    if (by_signal) sigaction(SIGALRM, &old, NULL);
    else pthread_join(thread, NULL);
    cc_close(cache); /* waits for the call that is under way */
    assert_int_equal(m.closes, 1);
    assert_int_equal(m.count, 1);
    cc_invocation_free(inv);
    memory_free(&m);
  }
}

/* cc_close waits as long as the configuration says, and no call is cut short. */
static void close_with_a_queue(void **state) {
  (void)state;
  memory m;
  memory_init(&m);
  cc_host_layer h = {"mem", &memory_ops, &m, 0, 0};
  cc_open_options o = {sizeof o};
  o.flags = CC_OPEN_NO_ENV | CC_OPEN_NO_FILES;
  o.config_text = "{\"layers\": [], \"flush_timeout_ms\": 200}";
  o.host_layers = &h;
  o.host_layer_count = 1;
  cc_cache *cache;
  assert_int_equal(cc_open(&o, &cache), 0);
  m.delay_ms = 100;
  enum { kMany = 60 };
  cc_invocation *inv[kMany];
  for (int i = 0; i < kMany; i++) {
    inv[i] = key_invocation(cache, fmt("%d", i), "out");
    assert_int_equal(cc_lookup_async(cache, inv[i], NULL, NULL, 0), 0);
  }
  int64_t start = now_ms();
  cc_close(cache);
  assert_true(now_ms() - start < 1500);
  assert_int_equal(m.closes, 1);
  for (int i = 0; i < kMany; i++) cc_invocation_free(inv[i]);
  memory_free(&m);
}

/* ---- forks --------------------------------------------------------------------------------------------------- */

#define CHECK(x)                                     \
  do {                                               \
    if (!(x)) {                                      \
      fprintf(stderr, "%d: %s\n", __LINE__, #x);     \
      _exit(1);                                      \
    }                                                \
  } while (0)

static void in_child(cc_cache *cache, cc_invocation *inv) {
  alarm(10);
  cc_result r = {sizeof r};
  cc_task task = {sizeof task};
  cc_task_result done = {sizeof done};
  cc_stats stats = {sizeof stats};
  cc_completion c = {sizeof c};
  cc_invocation *none;
  uint8_t digest[32], *data;
  uint64_t size;
  char *text;
  CHECK(cc_lookup(cache, inv, NULL, &r) == CC_E_FORKED);
  CHECK(strstr(cc_last_error(), "parent"));
  CHECK(cc_store(cache, inv, &r, NULL) == CC_E_FORKED);
  CHECK(cc_lookup_async(cache, inv, NULL, &r, 0) == CC_E_FORKED);
  CHECK(cc_store_async(cache, inv, &r, NULL, 0) == CC_E_FORKED);
  CHECK(cc_async_fd(cache) == CC_E_FORKED);
  CHECK(cc_reap(cache, &c) == CC_E_FORKED);
  CHECK(cc_flush(cache, -1) == CC_E_FORKED);
  CHECK(cc_invocation_task(cache, inv, &task) == CC_E_FORKED);
  CHECK(cc_invocation_task_done(cache, inv, &done) == CC_E_FORKED);
  CHECK(cc_invocation_parse_line(cache, "gcc -c a.c", NULL, &none) == CC_E_FORKED);
  CHECK(cc_invocation_parse_argv(cache, 0, NULL, NULL, &none) == CC_E_FORKED);
  CHECK(cc_invocation_parse_nul(cache, "", 0, NULL, &none) == CC_E_FORKED);
  CHECK(cc_invocation_from_key(cache, "l", "k", 1, NULL, 0, NULL, &none) == CC_E_FORKED);
  CHECK(cc_lookup_many(cache, NULL, 0) == CC_E_FORKED);
  CHECK(cc_prefetch(cache, NULL, 0, NULL) == CC_E_FORKED);
  CHECK(cc_session_begin(cache) == CC_E_FORKED);
  CHECK(cc_session_changed(cache, NULL) == CC_E_FORKED);
  CHECK(cc_session_end(cache) == CC_E_FORKED);
  const char *const *outdated;
  CHECK(cc_session_outdated(cache, &outdated) == CC_E_FORKED);
  CHECK(cc_source_store(cache, NULL, "x", 1, digest) == CC_E_FORKED);
  CHECK(cc_manifest_lookup(cache, NULL, digest, &data, &size) == CC_E_FORKED);
  CHECK(cc_stats_get(cache, &stats) == CC_E_FORKED);
  CHECK(cc_stats_json(cache, &text) == CC_E_FORKED);
  CHECK(cc_stats_reset(cache) == CC_E_FORKED);
  CHECK(cc_config_json(cache, &text) == CC_E_FORKED);
  CHECK(cc_trim(cache, NULL, NULL, NULL) == CC_E_FORKED);
  CHECK(cc_clear(cache, NULL) == CC_E_FORKED);
  cc_invocation_free(inv);
  cc_close(cache);
  cc_open_options o = {sizeof o};
  o.flags = CC_OPEN_NO_ENV | CC_OPEN_NO_FILES;
  o.config_text = fmt("{\"layers\": [%s]}", disk());
  cc_cache *own;
  CHECK(cc_open(&o, &own) == 0);
  CHECK(key_lookup(own, "k", NULL, "bytes") == 1);
  inv = key_invocation(own, "k", "child");
  CHECK(cc_lookup_async(own, inv, NULL, NULL, 5) == 0);
  struct pollfd p = {cc_async_fd(own), POLLIN, 0};
  CHECK(poll(&p, 1, 5000) == 1);
  CHECK(cc_reap(own, &c) == 1 && c.status == 1 && c.tag == 5);
  cc_invocation_free(inv);
  cc_close(own);
  _exit(0);
}

static void forks(void **state) {
  (void)state;
  write_text(in_folder("a.c"), "int a;\n");
  cc_cache *cache = open_disk();
  key_store(cache, "k", NULL, "bytes");
  /* Workers asleep, and a compile under way whose private dependency file is the parent's. */
  cc_invocation *key = key_invocation(cache, "k", "out"), *inv = PARSE(cache, "gcc", "-c", "a.c");
  cc_completion c;
  assert_int_equal(cc_lookup_async(cache, key, NULL, NULL, 1), 0);
  reap_one(cache, &c);
  cc_result r = {sizeof r};
  cc_task task;
  int tasks = 0;
  assert_int_equal(look(cache, inv, NULL, &r, &task, &tasks), 0);
  cc_result_clear(&r);
  ran compiled = run_task(task.argv, plain_env(), task.env, task.cwd);
  assert_int_equal(compiled.status, 0);
  ran_free(&compiled);
  pid_t pid = fork();
  if (pid == 0) in_child(cache, inv);
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(status, 0);
  assert_int_equal(cc_store(cache, inv, &r, NULL), 0);
  assert_hit(build(cache, inv, NULL));
  assert_int_equal(cc_lookup_async(cache, key, NULL, NULL, 2), 0);
  reap_one(cache, &c);
  assert_int_equal(c.status, 1);
  cc_invocation_free(inv), cc_invocation_free(key);
  cc_close(cache);
}

/* ---- threads ------------------------------------------------------------------------------------------------- */

enum { kThreads = 16, kTurns = 60 };
typedef struct worker {
  pthread_t thread;
  cc_cache *cache;
  int number;
  bool compiles;
  int hits, stored;
} worker;

static void *work(void *p) {
  worker *w = p;
  if (w->compiles) {
    /* Half of them the same source, half their own; all the same header, and nobody knows the compiler yet. */
    int source = w->number % 2 ? w->number : 0;
    cc_invocation *inv = PARSE(w->cache, "gcc", "-O0", "-c", fmt("%d.c", source), "-o", fmt("%d.o", w->number));
    for (int i = 0; i < 3; i++) {
      turn t = build(w->cache, inv, NULL);
      if (t.exit_status != 0 || (!t.hit && t.stored != 0)) fail_msg("%d: %d %s", w->number, t.stored, cc_last_error());
      w->hits += t.hit, w->stored += !t.hit;
      turn_free(&t);
    }
    cc_invocation_free(inv);
    return NULL;
  }
  for (int i = 0; i < kTurns; i++) {
    char *key = i % 2 ? fmt("shared %d", i) : fmt("own %d %d", i, w->number);
    char *text = fmt("the bytes of %s", key);
    cc_invocation *inv = key_invocation(w->cache, key, fmt("out%d", w->number));
    cc_result r = {sizeof r};
    int status = cc_lookup(w->cache, inv, NULL, &r);
    if (status == 0) {
      cc_result_clear(&r);
      cc_output o = {"out", "", (const uint8_t *)text, strlen(text), 0, 0};
      r.outputs = &o;
      r.output_count = 1;
      status = cc_store(w->cache, inv, &r, NULL);
      w->stored++;
      if (status != 0) fail_msg("%d %s", status, cc_last_error());
    } else {
      if (status < 0) fail_msg("%d %s", status, cc_last_error());
      w->hits++;
      assert_file(in_folder(fmt("out%d", w->number)), text);
      cc_result_clear(&r);
    }
    cc_invocation_free(inv);
    if (key_lookup(w->cache, key, NULL, text) != 1) fail_msg("%s is lost", key);
    /* The text of a failure is this thread's. */
    char *bad = fmt("/nowhere/%d", w->number);
    char *json;
    assert_int_equal(cc_stats_file_json(w->cache, bad, &json), CC_E_IO);
    sched_yield();
    assert_contains(cc_last_error(), bad);
    if (i % 20 == 7) assert_int_equal(cc_flush(w->cache, 0), 0);
  }
  return NULL;
}
static void run_workers(cc_cache *cache, bool compiles, worker *w) {
  for (int i = 0; i < kThreads; i++) {
    w[i] = (worker){0, cache, i, compiles, 0, 0};
    assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
  }
  for (int i = 0; i < kThreads; i++) pthread_join(w[i].thread, NULL);
}
static void threads_keys(void **state) {
  (void)state;
  worker w[kThreads];
  cc_cache *cache = open_disk();
  run_workers(cache, false, w);
  int hits = 0, stored = 0;
  for (int i = 0; i < kThreads; i++) hits += w[i].hits, stored += w[i].stored;
  assert_int_equal(hits + stored, kThreads * kTurns);
  assert_true(stored >= kThreads * kTurns / 2 + kTurns / 2);
  cc_stats s = {sizeof s};
  cc_stats_get(cache, &s);
  assert_int_equal(s.lookups, 2 * kThreads * kTurns);
  assert_int_equal(s.hits, hits + kThreads * kTurns);
  assert_int_equal(s.errors, 0);
  cc_close(cache);
  assert_int_equal(count_files(in_folder("cache/compile"), "entry"), kThreads * kTurns / 2 + kTurns / 2);
}
static void threads_compiles(void **state) {
  (void)state;
  plain_env();
  worker w[kThreads];
  write_text(in_folder("all.h"), "#define ALL 1\n");
  for (int i = 0; i < kThreads; i++) write_text(in_folder(fmt("%d.c", i)), fmt("#include \"all.h\"\nint x = %d + ALL;\n", i));
  cc_cache *cache = open_disk();
  run_workers(cache, true, w);
  for (int i = 0; i < kThreads; i++) {
    assert_true(w[i].hits >= 2);
    ran r = run_words((const char *const[]){"gcc", "-O0", "-c", fmt("%d.c", i % 2 ? i : 0), "-o", "want.o", NULL}, plain_env(), folder);
    ran_free(&r);
    bytes want = read_bytes(in_folder("want.o"));
    assert_same_file(in_folder(fmt("%d.o", i)), &want);
    bytes_free(&want);
  }
  cc_close(cache);
}
/* Opening, using and closing caches of one folder, each its own. */
static void *open_and_close(void *p) {
  for (int i = 0; i < 10; i++) {
    cc_cache *cache = open_disk();
    char *key = fmt("k%d", i);
    if (key_lookup(cache, key, NULL, key) == 0) {
      cc_invocation *inv = key_invocation(cache, key, "out");
      cc_result r = {sizeof r};
      if (cc_lookup(cache, inv, NULL, NULL) == 0) {
        cc_output o = {"out", "", (const uint8_t *)key, strlen(key), 0, 0};
        r.outputs = &o;
        r.output_count = 1;
        assert_int_equal(cc_store(cache, inv, &r, NULL), 0);
      }
      cc_invocation_free(inv);
    }
    assert_int_equal(key_lookup(cache, key, NULL, key), 1);
    cc_close(cache);
  }
  return p;
}
static void threads_caches(void **state) {
  (void)state;
  pthread_t t[kThreads];
  for (int i = 0; i < kThreads; i++) assert_int_equal(pthread_create(&t[i], NULL, open_and_close, NULL), 0);
  for (int i = 0; i < kThreads; i++) pthread_join(t[i], NULL);
  cc_cache *cache = open_disk();
  for (int i = 0; i < 10; i++) assert_int_equal(key_lookup(cache, fmt("k%d", i), NULL, fmt("k%d", i)), 1);
  cc_close(cache);
}

/* A thread that ends in the middle of a callback of the host's ends; nobody else does. */
static int leaving_get(void *user, const cc_address *a, cc_sink_fn write, void *sink) {
  (void)user, (void)a, (void)write, (void)sink;
  pthread_exit(user);
}
static void *leave(void *p) {
  key_lookup(p, "k", NULL, "");
  return NULL;
}
static void thread_exits_in_callback(void **state) {
  (void)state;
  static char mark;
  cc_layer_ops ops = {sizeof ops, CC_LAYER_VERSION, leaving_get, NULL, NULL, NULL};
  cc_host_layer h = {"leaving", &ops, &mark, 0, 0};
  cc_cache *cache = open_hosts("", &h, 1);
  pthread_t t;
  void *answer = NULL;
  assert_int_equal(pthread_create(&t, NULL, leave, cache), 0);
  pthread_join(t, &answer);
  assert_ptr_equal(answer, &mark);
  cc_stats s = {sizeof s};
  assert_int_equal(cc_stats_get(cache, &s), 0);
  cc_close(cache);
}

/* What a compiler has to be asked can be asked before the look-up, once the invocation is announced. */
static uint32_t next_task(cc_cache *cache, cc_invocation *inv) {
  cc_task task = {sizeof task};
  assert_int_equal(cc_invocation_task(cache, inv, &task), 0);
  if (task.kind != CC_TASK_PROBE) return task.kind;
  ran run = run_task(task.argv, plain_env(), task.env, task.cwd);
  cc_task_result done = {sizeof done, run.status, (const uint8_t *)run.out.data, run.out.size, (const uint8_t *)run.err.data, run.err.size};
  if (cc_invocation_task_done(cache, inv, &done) != 0) fail_msg("cc_invocation_task_done: %s", cc_last_error());
  ran_free(&run);
  return CC_TASK_PROBE;
}
static void probe_ahead(void **state) {
  (void)state;
  write_text(in_folder("a.c"), "int a;\n");
  write_text(in_folder("b.c"), "int b;\n");
  /* Nobody has to be reached: what is announced is what counts. */
  cc_cache *cache = open_text(fmt("{\"layers\": [%s, {\"type\": \"http\", \"url\": \"http://127.0.0.1:1/\"}], \"state_dir\": \"%s/state\"}", disk(), folder));
  cc_invocation *a = PARSE(cache, "gcc", "-c", "a.c", "-o", "a.o"), *b = PARSE(cache, "gcc", "-c", "b.c", "-o", "b.o");
  assert_int_equal(next_task(cache, a), CC_TASK_COMPILE);
  assert_int_equal(cc_prefetch(cache, (cc_invocation *const[]){a, b}, 2, NULL), 0);
  int probes = 0;
  uint32_t kind;
  while ((kind = next_task(cache, a)) == CC_TASK_PROBE) assert_true(++probes < 12);
  assert_int_equal(kind, CC_TASK_NONE);
  assert_true(probes > 0);
  assert_int_equal(next_task(cache, b), CC_TASK_COMPILE);
  cc_invocation *both[] = {a, b};
  for (int i = 0; i < 2; i++) {
    turn t = build(cache, both[i], NULL);
    assert_int_equal(t.tasks, 0);
    assert_int_equal(t.stored, 0);
    turn_free(&t);
    cc_invocation_free(both[i]);
  }
  cc_close(cache);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(one_by_one),        TEST(descriptor_asked_late), TEST(stored_later), TEST(many_at_once),       TEST(signals_are_blocked), TEST(cancelled_lookups),
      TEST(cancelled_flush),   TEST(close_with_a_queue),    TEST(forks),              TEST(threads_keys),        TEST(threads_compiles),
      TEST(threads_caches),    TEST(thread_exits_in_callback), TEST(probe_ahead),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What the tests of the ABI share: folders, files, processes, and the loop of a host.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CCHAIN_TESTS_ABI_COMMON_H
#define CCHAIN_TESTS_ABI_COMMON_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "cchain.h"
#include "cchain_layer.h"

#define UNUSED __attribute__((unused))
#define COUNT(a) (sizeof(a) / sizeof *(a))

/* ---- text: a ring of buffers, so that a call can be an argument --------------------------------------------- */

UNUSED __attribute__((format(printf, 1, 2))) static char *fmt(const char *format, ...) {
  static _Thread_local char ring[32][4096];
  static _Thread_local unsigned at;
  char *s = ring[at++ % COUNT(ring)];
  va_list args;
  va_start(args, format);
  vsnprintf(s, sizeof ring[0], format, args);
  va_end(args);
  return s;
}

typedef struct bytes {
  char *data; /* ended by a NUL that is not counted */
  size_t size;
} bytes;

UNUSED static void bytes_add(bytes *b, const void *data, size_t size) {
  b->data = realloc(b->data, b->size + size + 1);
  if (!b->data) abort();
  if (size) memcpy(b->data + b->size, data, size);
  b->size += size;
  b->data[b->size] = '\0';
}
UNUSED static void bytes_free(bytes *b) {
  free(b->data);
  b->data = NULL;
  b->size = 0;
}
UNUSED static void assert_bytes(const void *data, uint64_t size, const char *text) {
  assert_int_equal(size, strlen(text));
  if (size) assert_memory_equal(data, text, size);
}
UNUSED static void assert_contains(const char *text, const char *part) {
  if (text && strstr(text, part)) return;
  fail_msg("\"%s\" does not hold \"%s\"", text ? text : "(null)", part);
}

/* ---- files -------------------------------------------------------------------------------------------------- */

static char folder[256]; /* of the running test */

UNUSED static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
  (void)st, (void)kind, (void)ftw;
  return remove(path);
}
UNUSED static void remove_tree(const char *path) { nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS); }
UNUSED static int setup(void **state) {
  (void)state;
  const char *tmp = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%s/cchain-abi.XXXXXX", tmp && *tmp == '/' ? tmp : "/tmp");
  return mkdtemp(folder) ? 0 : -1;
}
UNUSED static int teardown(void **state) {
  (void)state;
  remove_tree(folder);
  return 0;
}
UNUSED static char *in_folder(const char *name) { return fmt("%s/%s", folder, name); }

UNUSED static bool exists(const char *path) {
  struct stat st;
  return lstat(path, &st) == 0;
}
UNUSED static void write_bytes(const char *path, const void *data, size_t size) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd) != 0) fail_msg("%s: %s", path, strerror(errno));
}
UNUSED static void write_text(const char *path, const char *text) { write_bytes(path, text, strlen(text)); }
UNUSED static bytes read_bytes(const char *path) {
  bytes b = {NULL, 0};
  char part[65536];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail_msg("%s: %s", path, strerror(errno));
  for (ssize_t n; (n = read(fd, part, sizeof part)) > 0;) bytes_add(&b, part, (size_t)n);
  close(fd);
  bytes_add(&b, "", 0);
  return b;
}
UNUSED static void assert_file(const char *path, const char *text) {
  bytes b = read_bytes(path);
  assert_bytes(b.data, b.size, text);
  bytes_free(&b);
}
UNUSED static void assert_same_file(const char *path, const bytes *want) {
  bytes b = read_bytes(path);
  assert_int_equal(b.size, want->size);
  assert_memory_equal(b.data, want->data, b.size);
  bytes_free(&b);
}

/* The files under `root` with this name, "" for all; the path of the last one in `last`. */
static const char *count_name;
static int counted;
static char last_found[4096];
UNUSED static int count_one(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
  (void)st;
  if (kind == FTW_F && (!*count_name || strcmp(path + ftw->base, count_name) == 0)) {
    counted++;
    snprintf(last_found, sizeof last_found, "%s", path);
  }
  return 0;
}
UNUSED static int count_files(const char *root, const char *name) {
  count_name = name;
  counted = 0;
  last_found[0] = '\0';
  nftw(root, count_one, 32, FTW_PHYS);
  return counted;
}
/* The only file of that name under `root`. */
UNUSED static char *find_file(const char *root, const char *name) {
  assert_int_equal(count_files(root, name), 1);
  return fmt("%s", last_found);
}
UNUSED static void flip_byte(const char *path, size_t at) {
  bytes b = read_bytes(path);
  assert_true(at < b.size);
  b.data[at] ^= 0x20;
  remove(path); /* entries are written without leave to write */
  write_bytes(path, b.data, b.size);
  bytes_free(&b);
}

/* ---- processes ---------------------------------------------------------------------------------------------- */

UNUSED static int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

typedef struct ran {
  int status; /* as cc_task_result wants it */
  bytes out, err;
  int64_t ms;
} ran;

/* `more` is set on top of `env`, that on top of our own. */
UNUSED static ran run_task(const char *const *argv, const char *const *env, const char *const *more, const char *cwd) {
  ran r;
  memset(&r, 0, sizeof r);
  int out[2], err[2];
  int64_t start = now_ms();
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) fail_msg("pipe: %s", strerror(errno));
  pid_t pid = fork();
  if (pid < 0) fail_msg("fork: %s", strerror(errno));
  if (pid == 0) {
    int null = open("/dev/null", O_RDONLY);
    dup2(null, 0), dup2(out[1], 1), dup2(err[1], 2);
    for (; env && *env; env++) putenv((char *)*env);
    for (; more && *more; more++) putenv((char *)*more);
    if (cwd && chdir(cwd) != 0) _exit(126);
    execvp(argv[0], (char *const *)argv);
    _exit(127);
  }
  close(out[1]), close(err[1]);
  struct pollfd p[2] = {{out[0], POLLIN, 0}, {err[0], POLLIN, 0}};
  bytes *to[2] = {&r.out, &r.err};
  bytes_add(&r.out, "", 0), bytes_add(&r.err, "", 0);
  for (int open_ones = 2; open_ones > 0;) {
    if (poll(p, 2, -1) < 0 && errno != EINTR) fail_msg("poll: %s", strerror(errno));
    for (int i = 0; i < 2; i++) {
      if (p[i].fd < 0 || !p[i].revents) continue;
      char part[65536];
      ssize_t n = read(p[i].fd, part, sizeof part);
      if (n > 0) {
        bytes_add(to[i], part, (size_t)n);
      } else {
        close(p[i].fd);
        p[i].fd = -1;
        open_ones--;
      }
    }
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  r.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  r.ms = now_ms() - start;
  return r;
}
UNUSED static ran run_words(const char *const *argv, const char *const *env, const char *cwd) { return run_task(argv, env, NULL, cwd); }
UNUSED static void ran_free(ran *r) { bytes_free(&r->out), bytes_free(&r->err); }

/* ---- a host ------------------------------------------------------------------------------------------------- */

/* A private configuration, and nothing of the machine's. */
UNUSED static cc_cache *open_text(const char *config) {
  cc_open_options o = {sizeof o};
  o.flags = CC_OPEN_NO_ENV | CC_OPEN_NO_FILES;
  o.config_text = config;
  o.host = "tests/abi";
  cc_cache *cache = NULL;
  int status = cc_open(&o, &cache);
  if (status != 0) fail_msg("cc_open: %d %s", status, cc_last_error());
  assert_non_null(cache);
  return cache;
}
/* One disk layer in folder/cache. */
UNUSED static cc_cache *open_disk(void) {
  return open_text(fmt("{\"layers\": [{\"type\": \"disk\", \"path\": \"%s/cache\"}], \"state_dir\": \"%s/state\"}", folder, folder));
}

/* A command's whole environment: PATH and little else. */
UNUSED static const char *const *plain_env(void) {
  static char path[4096];
  static const char *env[] = {path, "LC_ALL=C", NULL};
  if (!path[0]) snprintf(path, sizeof path, "PATH=%s", getenv("PATH")); /* threads ask it, once it is there */
  return env;
}
UNUSED static cc_invocation *parse_words(cc_cache *cache, const char *const *argv) {
  int argc = 0;
  while (argv[argc]) argc++;
  cc_invocation_options o = {sizeof o};
  o.cwd = folder;
  o.env = plain_env();
  cc_invocation *inv = NULL;
  int status = cc_invocation_parse_argv(cache, argc, argv, &o, &inv);
  if (status != 0) fail_msg("cc_invocation_parse_argv: %d %s", status, cc_last_error());
  assert_non_null(inv);
  return inv;
}
#define PARSE(cache, ...) parse_words(cache, (const char *const[]){__VA_ARGS__, NULL})

/* The only output of a host's own action. */
UNUSED static cc_invocation *key_invocation(cc_cache *cache, const char *key, const char *path) {
  cc_output o = {"out", path, NULL, 0, 0, 0};
  cc_invocation_options options = {sizeof options};
  options.cwd = folder;
  cc_invocation *inv = NULL;
  int status = cc_invocation_from_key(cache, "test", key, strlen(key), &o, 1, &options, &inv);
  if (status != 0) fail_msg("cc_invocation_from_key: %d %s", status, cc_last_error());
  return inv;
}
/* Looks up what was not stored, and stores these bytes. */
UNUSED static void key_store(cc_cache *cache, const char *key, const char *tenant, const char *text) {
  cc_invocation *inv = key_invocation(cache, key, "unused");
  cc_result r = {sizeof r};
  int status = cc_lookup(cache, inv, tenant, &r);
  if (status != 0) fail_msg("cc_lookup: %d %s", status, cc_last_error());
  cc_result_clear(&r);
  cc_output o = {"out", "unused", (const uint8_t *)text, strlen(text), 0, 0};
  r.outputs = &o;
  r.output_count = 1;
  status = cc_store(cache, inv, &r, tenant);
  if (status != 0) fail_msg("cc_store: %d %s", status, cc_last_error());
  cc_invocation_free(inv);
}
/* 1 if the key is hit with these bytes; a hit with others fails the test. */
UNUSED static int key_lookup(cc_cache *cache, const char *key, const char *tenant, const char *text) {
  cc_invocation *inv = key_invocation(cache, key, "unused");
  cc_result r = {sizeof r};
  r.flags = CC_RESULT_NO_DELIVERY | CC_RESULT_KEEP;
  int status = cc_lookup(cache, inv, tenant, &r);
  if (status < 0) fail_msg("cc_lookup: %d %s", status, cc_last_error());
  if (status > 0) {
    assert_int_equal(r.output_count, 1);
    assert_bytes(r.outputs[0].data, r.outputs[0].size, text);
  } else {
    assert_true(r.reason && *r.reason);
  }
  cc_result_clear(&r);
  cc_invocation_free(inv);
  return status;
}

/* The loop of cc_invocation_task's comment as far as the compile: 1 it was hit, 0 it is to be compiled and stored. `r` is the lookup's. */
UNUSED static int look(cc_cache *cache, cc_invocation *inv, const char *tenant, cc_result *r, cc_task *task, int *tasks) {
  for (int turns = 0; turns < 32; turns++) {
    int status = cc_lookup(cache, inv, tenant, r);
    if (status < 0) fail_msg("cc_lookup: %d %s", status, cc_last_error());
    if (status > 0) {
      assert_string_equal(r->reason, "");
      return 1;
    }
    assert_true(r->reason && *r->reason);
    *task = (cc_task){sizeof *task};
    assert_int_equal(cc_invocation_task(cache, inv, task), 0);
    if (task->kind == CC_TASK_COMPILE) return 0;
    if (task->kind == CC_TASK_NONE) continue;
    ran run = run_task(task->argv, plain_env(), task->env, task->cwd);
    cc_task_result done = {sizeof done};
    done.exit_status = run.status;
    done.stdout_data = (const uint8_t *)run.out.data, done.stdout_size = run.out.size;
    done.stderr_data = (const uint8_t *)run.err.data, done.stderr_size = run.err.size;
    if (cc_invocation_task_done(cache, inv, &done) != 0) fail_msg("cc_invocation_task_done: %s", cc_last_error());
    ran_free(&run);
    ++*tasks;
  }
  fail_msg("the loop does not end");
  return -1;
}

typedef struct turn {
  bool hit;
  int stored;     /* what cc_store said; 1: it was not asked */
  int exit_status;
  int tasks;      /* that were run, without the compile */
  bytes out, err; /* of the command, or replayed */
  char why[1024]; /* the reason of the miss */
} turn;
UNUSED static void turn_free(turn *t) { bytes_free(&t->out), bytes_free(&t->err); }

/* Looks up; if it misses compiles and stores. */
UNUSED static turn build(cc_cache *cache, cc_invocation *inv, const char *tenant) {
  turn t;
  memset(&t, 0, sizeof t);
  t.stored = 1;
  cc_result r = {sizeof r};
  cc_task task;
  t.hit = look(cache, inv, tenant, &r, &task, &t.tasks) == 1;
  if (t.hit) {
    bytes_add(&t.out, r.stdout_data, r.stdout_size);
    bytes_add(&t.err, r.stderr_data, r.stderr_size);
    t.exit_status = r.exit_status;
    cc_result_clear(&r);
    return t;
  }
  snprintf(t.why, sizeof t.why, "%s", r.reason);
  cc_result_clear(&r);
  ran run = run_task(task.argv, plain_env(), task.env, task.cwd);
  t.exit_status = r.exit_status = run.status;
  r.stdout_data = (const uint8_t *)run.out.data, r.stdout_size = run.out.size;
  r.stderr_data = (const uint8_t *)run.err.data, r.stderr_size = run.err.size;
  r.duration_ms = (uint64_t)run.ms;
  t.stored = cc_store(cache, inv, &r, tenant);
  t.out = run.out, t.err = run.err;
  return t;
}
/* Parses, builds and frees. */
UNUSED static turn build_words(cc_cache *cache, const char *const *argv) {
  cc_invocation *inv = parse_words(cache, argv);
  turn t = build(cache, inv, NULL);
  cc_invocation_free(inv);
  return t;
}
#define BUILD(cache, ...) build_words(cache, (const char *const[]){__VA_ARGS__, NULL})

UNUSED static void assert_hit(turn t) {
  if (!t.hit) fail_msg("no hit: %s", t.why);
  turn_free(&t);
}
UNUSED static void assert_stored(turn t) {
  if (t.hit) fail_msg("a hit, not a store");
  if (t.stored != 0) fail_msg("not stored: %d %s\n%s", t.stored, cc_last_error(), t.err.data);
  turn_free(&t);
}

UNUSED static bool have_program(const char *name) {
  ran r = run_words((const char *const[]){name, "--version", NULL}, NULL, NULL);
  bool have = r.status == 0;
  ran_free(&r);
  return have;
}

#endif

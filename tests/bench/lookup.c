/* A hit by cc_lookup through the public header, against what the same I/O costs (bare.c does it from a strace of this program).
 *   lookup COMMANDS.tsv DIRECTORY [--session] [--deliver] [--threads N] [--reps R] [--touch FILE] [--mark] [--name TEXT] [--json FILE]
 * Each command (a line, words separated by tabs, run in DIRECTORY) is asked once a repetition, each repetition in a cache opened anew; outputs are
 * removed before a repetition that delivers. They must have been stored before: a miss ends it.
 * --hits FILE: only writes those commands to FILE that hit. --touch FILE: made and removed before each repetition, so that its directory has changed. --mark: marks each look-up for strace.
 * SPDX-License-Identifier: Apache-2.0 */
#include <cchain.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_COMMANDS = 4096, MAX_WORDS = 1024, MAX_THREADS = 16 };

struct asked {
  char *words[MAX_WORDS];
  int count;
  cc_invocation *inv;
  cc_result result;
  double us, best;
};
static struct asked *all;
static size_t count;
static cc_cache *cache;
static int threads = 1, mark;
static uint32_t result_flags = CC_RESULT_NO_DELIVERY;
static pthread_barrier_t gate;
static double started[MAX_THREADS], ended[MAX_THREADS];

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}
static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}
static void die(const char *what, const char *why) {
  fprintf(stderr, "lookup: %s: %s\n", what, why ? why : "");
  exit(1);
}

static void *ask(void *arg) {
  size_t first = (size_t)(intptr_t)arg;
  pthread_barrier_wait(&gate);
  started[first] = now_us();
  for (size_t i = first; i < count; i += (size_t)threads) {
    struct asked *a = &all[i];
    if (mark) access("/cchain-bench-mark", F_OK);
    double start = now_us();
    int r = cc_lookup(cache, a->inv, "local", &a->result);
    a->us = now_us() - start;
    if (a->best == 0 || a->us < a->best) a->best = a->us;
    if (mark) access("/cchain-bench-mark-end", F_OK);
    if (r <= 0) die(a->words[a->count - 1], r < 0 ? cc_last_error() : a->result.reason);
  }
  ended[first] = now_us();
  return NULL;
}

int main(int argc, char **argv) {
  if (argc < 3) return fprintf(stderr, "see the head of lookup.c\n"), 2;
  int reps = 7, session = 0;
  const char *touch = NULL, *name = "lookup", *json = NULL, *hits = NULL;
  for (int i = 3; i < argc; i++) {
    const char *o = argv[i];
    if (!strcmp(o, "--session")) session = 1;
    else if (!strcmp(o, "--deliver")) result_flags = 0;
    else if (!strcmp(o, "--mark")) mark = 1, reps = 1;
    else if (i + 1 >= argc) return fprintf(stderr, "what is %s?\n", o), 2;
    else if (!strcmp(o, "--threads")) threads = atoi(argv[++i]);
    else if (!strcmp(o, "--reps")) reps = atoi(argv[++i]);
    else if (!strcmp(o, "--touch")) touch = argv[++i];
    else if (!strcmp(o, "--name")) name = argv[++i];
    else if (!strcmp(o, "--json")) json = argv[++i];
    else if (!strcmp(o, "--hits")) hits = argv[++i];
    else return fprintf(stderr, "what is %s?\n", o), 2;
  }
  if (threads < 1 || threads > MAX_THREADS) return 2;
  all = calloc(MAX_COMMANDS, sizeof *all);
  FILE *f = fopen(argv[1], "r");
  if (!f || !all) return perror(argv[1]), 2;
  char *line = NULL, *word;
  size_t room = 0;
  while (count < MAX_COMMANDS && getline(&line, &room, f) > 0) {
    line[strcspn(line, "\n")] = 0;
    char *rest = strdup(line);
    struct asked *a = &all[count++];
    while (a->count < MAX_WORDS - 1 && (word = strsep(&rest, "\t"))) a->words[a->count++] = word;
  }
  fclose(f);
  if (chdir(argv[2]) != 0) return perror(argv[2]), 2;

  if (hits) {
    FILE *o = fopen(hits, "w");
    if (!o) return perror(hits), 1;
    if (cc_open(NULL, &cache) != CC_OK) die("cc_open", cc_last_error());
    for (size_t i = 0; i < count; i++) {
      struct asked *a = &all[i];
      a->result = (cc_result){.struct_size = sizeof a->result, .flags = CC_RESULT_NO_DELIVERY};
      if (cc_invocation_parse_argv(cache, a->count, (const char *const *)a->words, NULL, &a->inv) != CC_OK) die("parse", cc_last_error());
      if (cc_lookup(cache, a->inv, "local", &a->result) > 0)
        for (int k = 0; k < a->count; k++) fprintf(o, "%s%c", a->words[k], k + 1 < a->count ? '\t' : '\n');
      cc_result_clear(&a->result);
      cc_invocation_free(a->inv);
    }
    cc_close(cache);
    return fclose(o) != 0;
  }

  double *total = calloc((size_t)reps, sizeof *total), *each = calloc((size_t)reps * count, sizeof *each), parse = 0, closing = 0;
  size_t n = 0;
  for (int r = 0; r < reps; r++) {
    if (cc_open(NULL, &cache) != CC_OK) die("cc_open", cc_last_error());
    double start = now_us();
    for (size_t i = 0; i < count; i++) {
      struct asked *a = &all[i];
      if (cc_invocation_parse_argv(cache, a->count, (const char *const *)a->words, NULL, &a->inv) != CC_OK) die("parse", cc_last_error());
    }
    parse += (now_us() - start) / (double)count / reps;
    for (size_t i = 0; i < count; i++) {
      struct asked *a = &all[i];
      a->result = (cc_result){.struct_size = sizeof a->result, .flags = result_flags};
      const cc_output *outputs;
      size_t k = result_flags ? 0 : cc_invocation_outputs(a->inv, &outputs);
      while (k > 0) unlink(outputs[--k].path);
    }
    if (touch) {
      int fd = open(touch, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
      if (fd < 0) return perror(touch), 1;
      close(fd);
      unlink(touch);
    }
    if (session && cc_session_begin(cache) != CC_OK) die("session", cc_last_error());
    pthread_t thread[MAX_THREADS];
    pthread_barrier_init(&gate, NULL, (unsigned)threads + 1);
    for (int t = 0; t < threads; t++) pthread_create(&thread[t], NULL, ask, (void *)(intptr_t)t);
    pthread_barrier_wait(&gate);
    double from = 0, to = 0;
    for (int t = 0; t < threads; t++) {
      pthread_join(thread[t], NULL);
      if (t == 0 || started[t] < from) from = started[t];
      if (ended[t] > to) to = ended[t];
    }
    total[r] = (to - from) / (double)count;
    for (size_t i = 0; i < count; i++) each[n++] = all[i].us;
    start = now_us();
    if (session) cc_session_end(cache);
    closing += (now_us() - start) / (double)count / reps;
    for (size_t i = 0; i < count; i++) {
      cc_result_clear(&all[i].result);
      cc_invocation_free(all[i].inv);
    }
    cc_close(cache);
  }
  qsort(total, (size_t)reps, sizeof *total, ascending);
  qsort(each, n, sizeof *each, ascending);
  double sum = 0;
  for (size_t i = 0; i < count; i++) sum += all[i].best / (double)count;
  printf("%-44s %8.1f %8.1f %8.1f   %8.1f %8.1f %8.1f %8.1f\n", name, total[0], total[reps / 2], sum, each[n / 2], each[n * 9 / 10], parse, closing);
  if (json) {
    FILE *o = fopen(json, "w");
    if (!o) return perror(json), 1;
    fprintf(o, "{\"name\":\"%s\",\"unit\":\"us\",\"commands\":%zu,\"reps\":%d,\"threads\":%d,\"min\":%.2f,\"median\":%.2f,\"best\":%.2f,\"one_median\":%.2f,\"one_p90\":%.2f,"
            "\"parse\":%.2f,\"session_end\":%.2f}\n", name, count, reps, threads, total[0], total[reps / 2], sum, each[n / 2], each[n * 9 / 10], parse, closing);
    fclose(o);
  }
  return 0;
}

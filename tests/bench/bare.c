/* What lookup.c did, bare: the system calls of each look-up from a plan (make-floor.py --lookups), with checksum and decoding of the
 * entries where the plan has them.
 *   bare THREADS REPS NAME JSON-FILE DIRECTORY [OUTPUTS-LIST]      outputs named in the list are removed before each repetition
 * SPDX-License-Identifier: Apache-2.0 */
#define PLAN_DECODE
#include "plan.h"
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <xxhash.h>
#include <zstd.h>
#include PLAN_FILE

enum { MAX_THREADS = 16, LOOKUPS = sizeof plan_ends / sizeof *plan_ends };

static int threads;
static pthread_barrier_t gate;
static _Atomic int other;
static _Atomic uint64_t sink;
static _Thread_local ZSTD_DCtx *decoder;

void plan_checksum(const char *data, size_t size) { sink ^= XXH3_128bits(data, size).low64; }
void plan_decode(const char *data, size_t size, char *to, size_t room) {
  if (!decoder) decoder = ZSTD_createDCtx();
  size_t frame = ZSTD_findFrameCompressedSize(data, size);
  if (!ZSTD_isError(frame)) sink ^= ZSTD_decompressDCtx(decoder, to, room, data, frame);
}

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}
static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static struct plan_state states[MAX_THREADS];
static double started[MAX_THREADS], ended[MAX_THREADS], best[LOOKUPS];

static void *work(void *arg) {
  size_t t = (size_t)(intptr_t)arg;
  struct plan_state *s = &states[t];
  pthread_barrier_wait(&gate);
  double last = started[t] = now_us();
  for (size_t i = t; i < LOOKUPS; i += (size_t)threads) {
    size_t from = i ? plan_ends[i - 1] : 0;
    int bad = plan_run(plan + from, plan_ends[i] - from, s);
    if (bad) other += bad;
    double us = now_us() - last;
    last += us;
    if (best[i] == 0 || us < best[i]) best[i] = us;
  }
  ended[t] = last;
  return NULL;
}

int main(int argc, char **argv) {
  if (argc < 6) return fprintf(stderr, "see the head of bare.c\n"), 2;
  threads = atoi(argv[1]);
  int reps = atoi(argv[2]);
  if (threads < 1 || threads > MAX_THREADS || chdir(argv[5]) != 0) return 2;
  /* Files that a look-up opened in one place and read in another stay open: each thread has them. */
  for (int t = 0; t < threads; t++) {
    for (int i = 0; i < PLAN_FDS; i++) states[t].fd[i] = -1;
    states[t].buffer = malloc(PLAN_BUFFER);
    states[t].decoded = malloc(PLAN_BUFFER);
    memset(states[t].buffer, 1, PLAN_BUFFER / 8);
    memset(states[t].decoded, 1, PLAN_BUFFER / 8);
  }
  char *outputs[8192], *line = NULL;
  size_t room = 0, n = 0;
  FILE *f = argc > 6 ? fopen(argv[6], "r") : NULL;
  while (f && n < 8192 && getline(&line, &room, f) > 0) line[strcspn(line, "\n")] = 0, outputs[n++] = strdup(line);
  double *total = calloc((size_t)reps, sizeof *total);
  for (int r = 0; r < reps; r++) {
    for (size_t i = 0; i < n; i++) unlink(outputs[i]);
    /* What the recorded process had opened once stays open in its threads alone; each thread opens it for itself first. */
    for (int t = 0; t < threads; t++)
      for (size_t i = 0; i < sizeof plan_shared / sizeof *plan_shared; i++)
        if (plan_shared[i].path && r == 0) plan_do(&plan_shared[i], &states[t]);
    pthread_t thread[MAX_THREADS];
    pthread_barrier_init(&gate, NULL, (unsigned)threads + 1);
    for (int t = 0; t < threads; t++) pthread_create(&thread[t], NULL, work, (void *)(intptr_t)t);
    pthread_barrier_wait(&gate);
    double from = 0, to = 0;
    for (int t = 0; t < threads; t++) {
      pthread_join(thread[t], NULL);
      if (t == 0 || started[t] < from) from = started[t];
      if (ended[t] > to) to = ended[t];
    }
    total[r] = (to - from) / LOOKUPS;
  }
  qsort(total, (size_t)reps, sizeof *total, ascending);
  double sum = 0;
  for (int i = 0; i < LOOKUPS; i++) sum += best[i] / LOOKUPS;
  printf("%-44s %8.1f %8.1f %8.1f\n", argv[3], total[0], total[reps / 2], sum);
  if (other) fprintf(stderr, "bare: %d of %zu calls went otherwise than recorded\n", other / reps, sizeof plan / sizeof *plan);
  FILE *o = fopen(argv[4], "w");
  if (!o) return perror(argv[4]), 1;
  fprintf(o, "{\"name\":\"%s\",\"unit\":\"us\",\"lookups\":%d,\"threads\":%d,\"min\":%.2f,\"median\":%.2f,\"best\":%.2f}\n", argv[3], (int)LOOKUPS, threads, total[0], total[reps / 2], sum);
  return fclose(o) != 0;
}

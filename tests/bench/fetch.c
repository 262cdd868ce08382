/* What a host does that knows its graph: opens the cache, begins a session, says what it will need, asks for all by so many threads, ends.
 *   fetch COMMANDS.tsv DIRECTORY [--prefetch] [--threads N] [--deliver]
 * Prints one line: milliseconds from before cc_open to after cc_session_end, hits, look-ups. Outputs are removed before the clock starts.
 * SPDX-License-Identifier: Apache-2.0 */
#include <cchain.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_COMMANDS = 4096, MAX_WORDS = 1024 };
static struct asked {
  char *words[MAX_WORDS];
  int count;
} *all;
static cc_invocation *invs[MAX_COMMANDS];
static size_t count, next, hits;
static cc_cache *cache;
static uint32_t flags = CC_RESULT_NO_DELIVERY;

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void *ask(void *unused) {
  size_t i;
  while ((i = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED)) < count) {
    cc_result r = {sizeof r};
    r.flags = flags;
    int hit = cc_lookup(cache, invs[i], "local", &r);
    if (hit > 0) __atomic_fetch_add(&hits, 1, __ATOMIC_RELAXED);
    else if (getenv("SHOW")) fprintf(stderr, "%s: %s\n", all[i].words[all[i].count - 1], hit < 0 ? cc_last_error() : r.reason);
    cc_result_clear(&r);
  }
  return unused;
}

int main(int argc, char **argv) {
  if (argc < 3) return fprintf(stderr, "see the head of fetch.c\n"), 2;
  int prefetch = 0, threads = 1;
  for (int i = 3; i < argc; i++) {
    if (!strcmp(argv[i], "--prefetch")) prefetch = 1;
    else if (!strcmp(argv[i], "--deliver")) flags = 0;
    else if (!strcmp(argv[i], "--threads") && i + 1 < argc) threads = atoi(argv[++i]);
    else return fprintf(stderr, "what is %s?\n", argv[i]), 2;
  }
  if (threads < 1 || threads > 64) return 2;
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
    for (int k = 0; flags == 0 && k + 1 < a->count; k++)
      if (!strcmp(a->words[k], "-o")) unlink(a->words[k + 1]);
  }
  if (chdir(argv[2]) != 0) return perror(argv[2]), 2;

  double start = now_ms();
  if (cc_open(NULL, &cache) != CC_OK) return fprintf(stderr, "%s\n", cc_last_error()), 1;
  for (size_t i = 0; i < count; i++)
    if (cc_invocation_parse_argv(cache, all[i].count, (const char *const *)all[i].words, NULL, &invs[i]) != CC_OK) return 1;
  cc_session_begin(cache);
  if (prefetch) cc_prefetch(cache, invs, count, "local");
  pthread_t thread[64];
  for (int t = 0; t < threads; t++) pthread_create(&thread[t], NULL, ask, NULL);
  for (int t = 0; t < threads; t++) pthread_join(thread[t], NULL);
  cc_session_end(cache);
  double end = now_ms();
  for (size_t i = 0; i < count; i++) cc_invocation_free(invs[i]);
  cc_close(cache);
  printf("%.2f %zu %zu\n", end - start, hits, count);
  return 0;
}

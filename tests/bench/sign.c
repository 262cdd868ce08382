/* What a signature costs a look-up in a warm process: 50 KB entries of a disk layer without keys, with an HMAC, with Ed25519, each entry asked for once, in turn.
 *   sign DIRECTORY ENTRIES JSON-FILE
 * SPDX-License-Identifier: Apache-2.0 */
#include <cchain.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { SIZE = 50000, KINDS = 3, MAX = 4096 };
static const char *const names[KINDS] = {"unsigned", "hmac-sha256", "ed25519"};
static double us[KINDS][MAX];

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}
static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}
static void need(int ok, const char *what) {
  if (ok) return;
  fprintf(stderr, "sign: %s: %s\n", what, cc_last_error());
  exit(1);
}
static cc_cache *open_kind(const char *dir, int kind, int check) {
  char config[4096], keys[2048] = "";
  if (kind)
    snprintf(keys, sizeof keys, ", \"%s\": \"%s/%s%s\"", check ? "verify_keys" : "sign", dir, names[kind], check && kind == 2 ? ".pub" : "");
  snprintf(config, sizeof config, "{\"layers\": [{\"path\": \"%s/cache-%s\", \"compression\": \"off\", \"write\": %s%s}], \"state_dir\": \"%s/state-%s-%d\"}", dir, names[kind],
           check ? "false" : "true", keys, dir, names[kind], check);
  cc_open_options o = {sizeof o};
  o.flags = CC_OPEN_NO_ENV | CC_OPEN_NO_FILES;
  o.config_text = config;
  cc_cache *cache;
  need(cc_open(&o, &cache) == 0, "cc_open");
  return cache;
}
static cc_invocation *invocation(cc_cache *cache, int n) {
  char key[32];
  cc_output o = {"out", "unused", NULL, 0, 0, 0};
  cc_invocation_options how = {sizeof how};
  how.cwd = "/";
  cc_invocation *inv;
  snprintf(key, sizeof key, "key %d", n);
  need(cc_invocation_from_key(cache, "bench", key, strlen(key), &o, 1, &how, &inv) == 0, "cc_invocation_from_key");
  return inv;
}
static double look(cc_cache *cache, int n) {
  cc_invocation *inv = invocation(cache, n);
  cc_result r = {sizeof r};
  r.flags = CC_RESULT_NO_DELIVERY;
  double start = now_us();
  int hit = cc_lookup(cache, inv, NULL, &r);
  double took = now_us() - start;
  need(hit == 1, r.reason);
  cc_result_clear(&r);
  cc_invocation_free(inv);
  return took;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  const char *dir = argv[1];
  int count = atoi(argv[2]);
  if (count < 10 || count > MAX) return 2;
  cc_cache *caches[KINDS];
  static unsigned char data[SIZE];
  for (int kind = 0; kind < KINDS; kind++) {
    char path[2048];
    snprintf(path, sizeof path, "%s/%s", dir, names[kind]);
    if (kind) need(cc_keygen(names[kind], path) == 0, "cc_keygen");
    cc_cache *cache = open_kind(dir, kind, 0);
    for (int n = 0; n < count; n++) {
      for (size_t i = 0; i < SIZE; i++) data[i] = (unsigned char)((i * 2654435761u + (unsigned)n * 40503u) >> 13);
      cc_invocation *inv = invocation(cache, n);
      cc_result r = {sizeof r};
      need(cc_lookup(cache, inv, NULL, &r) == 0, "a hit before it was stored");
      cc_result_clear(&r);
      cc_output o = {"out", "unused", data, SIZE, 0, 0};
      r.outputs = &o, r.output_count = 1;
      need(cc_store(cache, inv, &r, NULL) == 0, "cc_store");
      cc_invocation_free(inv);
    }
    cc_close(cache);
    caches[kind] = open_kind(dir, kind, 1);
  }
  double first[KINDS];
  for (int kind = 0; kind < KINDS; kind++) first[kind] = look(caches[kind], 0);
  for (int n = 1; n < count; n++)
    for (int kind = 0; kind < KINDS; kind++) us[kind][n - 1] = look(caches[kind], n);
  FILE *json = fopen(argv[3], "w");
  need(json != NULL, argv[3]);
  fprintf(json, "{");
  printf("a look-up of %d KB, us            first    min  median\n", SIZE / 1000);
  double min[KINDS], median[KINDS];
  for (int kind = 0; kind < KINDS; kind++) {
    qsort(us[kind], (size_t)count - 1, sizeof **us, ascending);
    min[kind] = us[kind][0], median[kind] = us[kind][(count - 1) / 2];
    printf("  %-26s %9.0f %6.1f %7.1f\n", names[kind], first[kind], min[kind], median[kind]);
    fprintf(json, "%s\"%s\": {\"first\": %.1f, \"min\": %.1f, \"median\": %.1f}", kind ? ", " : "", names[kind], first[kind], min[kind], median[kind]);
  }
  for (int kind = 1; kind < KINDS; kind++)
    printf("  %s alone: min %.1f, median %.1f us more (bar %d)\n", names[kind], min[kind] - min[0], median[kind] - median[0], kind == 1 ? 60 : 150);
  fprintf(json, "}\n");
  fclose(json);
  for (int kind = 0; kind < KINDS; kind++) cc_close(caches[kind]);
  return 0;
}

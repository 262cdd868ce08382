/* The C side of python.py: the same look-up, again and again. SPDX-License-Identifier: Apache-2.0
 *   python REPEATS ROUNDS FLAGS WORD…   prints the nanoseconds of one look-up, a line for each round */
#include <cchain.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(int argc, char **argv) {
  cc_cache *cache;
  cc_invocation *inv;
  if (argc < 5 || cc_open(NULL, &cache) != CC_OK) return 2;
  long repeats = atol(argv[1]), rounds = atol(argv[2]);
  cc_result r = {sizeof r};
  r.flags = (uint32_t)atol(argv[3]);
  if (cc_invocation_parse_argv(cache, argc - 4, (const char *const *)argv + 4, NULL, &inv) != CC_OK) return 2;
  for (long i = 0; i < rounds; i++) {
    double start = now();
    for (long k = 0; k < repeats; k++) {
      if (cc_lookup(cache, inv, NULL, &r) < 0) return 1;
      cc_result_clear(&r);
    }
    printf("%.1f\n", (now() - start) / (double)repeats);
  }
  cc_invocation_free(inv);
  cc_close(cache);
  return 0;
}

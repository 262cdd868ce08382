/* The C side of python.py: the same look-up, again and again, in Python's own process. SPDX-License-Identifier: Apache-2.0 */
#include <cchain.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Nanoseconds of one look-up; -1 if one fails. */
double look_up(cc_cache *cache, cc_invocation *inv, uint32_t flags, long repeats);
double look_up(cc_cache *cache, cc_invocation *inv, uint32_t flags, long repeats) {
  cc_result r = {sizeof r};
  r.flags = flags;
  double start = now();
  for (long k = 0; k < repeats; k++) {
    if (cc_lookup(cache, inv, NULL, &r) < 0) return -1;
    cc_result_clear(&r);
  }
  return (now() - start) / (double)repeats;
}

/* What loading the library costs: dlopen, cc_version; then what of it is mapped that must not be.
 *   load LIBRARY        prints microseconds; exits 1 if libcurl, libcrypto or libstdc++ is in the process
 * SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int main(int argc, char **argv) {
  struct timespec a, b;
  if (argc != 2) return 2;
  clock_gettime(CLOCK_MONOTONIC, &a);
  void *lib = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  uint32_t (*version)(void) = lib ? (uint32_t(*)(void))dlsym(lib, "cc_version") : NULL;
  if (!version) return fprintf(stderr, "%s\n", dlerror()), 1;
  uint32_t v = version();
  clock_gettime(CLOCK_MONOTONIC, &b);
  printf("%.1f %u\n", (double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3, v);
  char line[4096];
  int bad = 0;
  FILE *f = fopen("/proc/self/maps", "r");
  while (f && fgets(line, sizeof line, f))
    if (strstr(line, "libcurl") || strstr(line, "libcrypto") || strstr(line, "libstdc++")) bad = 1, fputs(line, stderr);
  return bad;
}

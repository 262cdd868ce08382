/* A library for the tests of the patched Ninja: as FAKE says, of another age, hanging, or lying.
 *   old      a table that ends early     newer    no table of version 1
 *   hang     every lookup sleeps, in reads that no signal of the host ends
 *   unopened cc_open fails               bare     the real library, without what was added to it after the first release
 * SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "cchain.h"

static const cc_backend *real;
static cc_backend table;
static int hang(cc_cache *c, cc_invocation *i, const char *t, cc_result *r) {
  (void)c, (void)i, (void)t, (void)r;
  for (int n = 0; n < 20; n++) poll(NULL, 0, 1000);
  return 0;
}
static int unopened(const cc_open_options *o, cc_cache **c) {
  (void)o, (void)c;
  return CC_E_CONFIG;
}
static int lookup_bare(cc_cache *c, cc_invocation *i, const char *t, cc_result *r) {
  if (r) r->flags &= ~CC_RESULT_KEEP_DEPFILE;
  return real->lookup(c, i, t, r);
}
CC_API const cc_backend *cc_backend_get(uint32_t version) {
  const char *how = getenv("FAKE");
  void *library = dlopen(getenv("FAKE_REAL"), RTLD_NOW | RTLD_LOCAL);
  const cc_backend *(*get)(uint32_t) = library ? (const cc_backend *(*)(uint32_t))dlsym(library, "cc_backend_get") : NULL;
  if (!get || !how || !strcmp(how, "newer")) return NULL;
  real = get(version);
  table = *real;
  if (!strcmp(how, "old")) table.struct_size = offsetof(cc_backend, lookup);
  if (!strcmp(how, "hang")) table.lookup = hang;
  if (!strcmp(how, "unopened")) table.open = unopened;
  if (!strcmp(how, "bare")) {
    table.lookup = lookup_bare;
    table.struct_size = offsetof(cc_backend, session_outdated);
  }
  return &table;
}

/* A library for the patched Ninja that only copies: what a hit can't go below. $FLOOR holds each object and its dependency file under the object's name
 * with + for /. No keys, no looks, no checks.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cchain.h"

struct cc_invocation {
  char object[1024], depfile[1024];
  cc_output outputs[2];
};
static char cwd[4096];
static const char *floor_dir;

static int opened(const cc_open_options *o, cc_cache **out) {
  (void)o;
  static int cache;
  floor_dir = getenv("FLOOR");
  *out = (cc_cache *)&cache;
  return floor_dir && getcwd(cwd, sizeof cwd) ? CC_OK : CC_E_CONFIG;
}
static void word_after(const char *line, const char *option, char *out, size_t size) {
  const char *at = strstr(line, option);
  size_t n = 0;
  for (at = at ? at + strlen(option) : ""; *at && *at != ' ' && n + 1 < size; at++) out[n++] = *at;
  out[n] = '\0';
}
static int parse_line(cc_cache *c, const char *line, const cc_invocation_options *o, cc_invocation **out) {
  (void)c, (void)o;
  cc_invocation *inv = *out = calloc(1, sizeof *inv);
  if (!inv) return CC_E_NOMEM;
  word_after(line, " -o ", inv->object, sizeof inv->object);
  word_after(line, " -MF ", inv->depfile, sizeof inv->depfile);
  inv->outputs[0] = (cc_output){"object", inv->object, NULL, 0, 0, 0};
  inv->outputs[1] = (cc_output){"depfile", inv->depfile, NULL, 0, 0, 0};
  return CC_OK;
}
static void invocation_free(cc_invocation *inv) { free(inv); }
static const char *uncacheable(const cc_invocation *inv) { return *inv->object ? NULL : "no object"; }
static size_t outputs(const cc_invocation *inv, const cc_output **out) {
  *out = inv->outputs;
  return *inv->depfile ? 2 : 1;
}
static int task(cc_cache *c, cc_invocation *inv, cc_task *t) {
  (void)c, (void)inv;
  t->kind = CC_TASK_COMPILE;
  t->cwd = cwd;
  return CC_OK;
}
static int lookup(cc_cache *c, cc_invocation *inv, const char *tenant, cc_result *r) {
  (void)c, (void)tenant;
  char name[4096], proc[64], dir[1024];
  int n = snprintf(name, sizeof name, "%s/%s", floor_dir, inv->object);
  for (char *p = name + strlen(floor_dir) + 1; *p; p++)
    if (*p == '/') *p = '+';
  r->reason = "not there";
  int from = open(name, O_RDONLY | O_CLOEXEC);
  struct stat st;
  if (from < 0 || fstat(from, &st) != 0) return 0;
  strcpy(dir, inv->object);
  char *slash = strrchr(dir, '/');
  if (slash) *slash = '\0';
  int to = open(slash ? dir : ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
  for (off_t left = st.st_size; to >= 0 && left > 0;) {
    ssize_t k = copy_file_range(from, NULL, to, NULL, (size_t)left, 0);
    if (k <= 0) return 0;
    left -= k;
  }
  close(from);
  snprintf(proc, sizeof proc, "/proc/self/fd/%d", to);
  if (to < 0 || (linkat(AT_FDCWD, proc, AT_FDCWD, inv->object, AT_SYMLINK_FOLLOW) != 0 && errno != EEXIST)) return 0;
  close(to);
  strcpy(name + n, ".d");
  if ((from = open(name, O_RDONLY | O_CLOEXEC)) < 0 || fstat(from, &st) != 0) return 0;
  char *text = malloc(sizeof(cc_output) + (size_t)st.st_size);
  if (!text || read(from, text + sizeof(cc_output), (size_t)st.st_size) != st.st_size) return 0;
  close(from);
  cc_output *o = (cc_output *)(void *)text;
  *o = (cc_output){"depfile", inv->depfile, (const uint8_t *)text + sizeof *o, (uint64_t)st.st_size, 0, 0};
  r->outputs = o, r->output_count = 1, r->owner = text, r->reason = "";
  return 1;
}
static void result_clear(cc_result *r) {
  free(r->owner);
  r->owner = NULL, r->outputs = NULL, r->output_count = 0;
}
static int nothing(cc_cache *c) { return (void)c, 0; }
static int changed(cc_cache *c, const char *p) { return (void)c, (void)p, 0; }
static void none(cc_cache *c) { (void)c; }
static int flush(cc_cache *c, int32_t ms) { return (void)c, (void)ms, 0; }
static int store(cc_cache *c, cc_invocation *i, const cc_result *r, const char *t) { return (void)c, (void)i, (void)r, (void)t, 0; }
static int stats_get(cc_cache *c, cc_stats *s) { return (void)c, (void)s, -1; }
static int layer_stats_get(cc_cache *c, uint32_t n, cc_layer_stats *s) { return (void)c, (void)n, (void)s, -1; }
static const char *last_error(void) { return ""; }

CC_API const cc_backend *cc_backend_get(uint32_t version) {
  static const cc_backend table = {
      .struct_size = sizeof table, .version = 1, .open = opened, .flush = flush, .cancel = none, .resume = none, .parse_line = parse_line,
      .invocation_free = invocation_free, .uncacheable = uncacheable, .outputs = outputs, .task = task, .lookup = lookup, .store = store,
      .result_clear = result_clear, .session_begin = nothing, .session_changed = changed, .session_end = nothing, .stats_get = stats_get,
      .layer_stats_get = layer_stats_get, .last_error = last_error};
  return version == 1 ? &table : NULL;
}

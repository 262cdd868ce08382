/* A host that exports its own curl, OpenSSL and (compiled with -DMALLOC) malloc, as programs do that are linked to them statically with -rdynamic: whoever calls
 * one of them by mistake ends the process. Stores and looks up through the layer at argv[1].
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cchain.h"

#define TRAP(name) \
  __attribute__((visibility("default"))) void name(void) { \
    static const char text[] = "the plug-in called the host's " #name "\n"; \
    if (write(2, text, sizeof text - 1) < 0) _exit(98); \
    _exit(99); \
  }
TRAP(curl_global_init) TRAP(curl_global_init_mem) TRAP(curl_multi_init) TRAP(curl_easy_init) TRAP(curl_easy_setopt) TRAP(curl_multi_perform)
TRAP(SSL_CTX_new) TRAP(SSL_new) TRAP(SSL_connect) TRAP(OPENSSL_init_ssl) TRAP(EVP_DigestInit_ex) TRAP(CRYPTO_malloc) TRAP(SHA256_Init) TRAP(EVP_MD_CTX_new)
TRAP(nghttp2_session_client_new) TRAP(cJSON_ParseWithLength) TRAP(inflate) TRAP(ZSTD_decompress)

#ifdef MALLOC
/* What another allocator would not survive: a pointer of its own has a mark in front. */
extern void *__libc_malloc(size_t);
extern void __libc_free(void *);
static const unsigned long kMark = 0x6d61726b6d61726bul;
void *malloc(size_t n) {
  unsigned long *p = __libc_malloc(n + 16);
  if (!p) return NULL;
  p[0] = kMark;
  p[1] = n;
  return p + 2;
}
void free(void *q) {
  if (!q) return;
  unsigned long *p = (unsigned long *)q - 2;
  if (p[0] != kMark) {
    static const char text[] = "a pointer of another malloc is freed\n";
    if (write(2, text, sizeof text - 1) < 0) _exit(98);
    _exit(97);
  }
  p[0] = 0;
  __libc_free(p);
}
void *calloc(size_t a, size_t b) {
  size_t n;
  if (__builtin_mul_overflow(a, b, &n)) return NULL;
  void *p = malloc(n);
  return p ? memset(p, 0, n) : NULL;
}
void *realloc(void *q, size_t n) {
  void *p = malloc(n);
  if (p && q) {
    size_t old = ((unsigned long *)q)[-1];
    memcpy(p, q, old < n ? old : n);
    free(q);
  }
  return p;
}
void *memalign(size_t a, size_t n) { return a <= 16 ? malloc(n) : NULL; }
void *aligned_alloc(size_t a, size_t n) { return memalign(a, n); }
int posix_memalign(void **p, size_t a, size_t n) { return (*p = memalign(a, n)) ? 0 : 12; }
#endif

static void on_line(void *user, int32_t level, const char *text, size_t len) {
  (void)user;
  if (level <= CC_LOG_WARN) fprintf(stderr, "%.*s\n", (int)len, text);
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  setenv("CCHAIN_LAYERS", argv[1], 1);
  setenv("CCHAIN_STATE_DIR", argv[2], 1);
  int hits = 0;
  for (int turn = 0; turn < 2; turn++) {
    cc_open_options o = {sizeof o};
    cc_cache *cache;
    cc_invocation *inv;
    cc_result r = {sizeof r}, w = {sizeof w};
    cc_output out = {"file", "x", (const uint8_t *)"hello", 5, 0, 0};
    o.log = on_line;
    o.log_level = CC_LOG_WARN;
    if (cc_open(&o, &cache) != CC_OK) return fprintf(stderr, "%s\n", cc_last_error()), 1;
    if (cc_invocation_from_key(cache, "t", "k", 1, &out, 1, NULL, &inv) != CC_OK) return 1;
    r.flags = CC_RESULT_NO_DELIVERY;
    int hit = cc_lookup(cache, inv, NULL, &r);
    hits += hit > 0;
    if (!hit) {
      w.outputs = &out;
      w.output_count = 1;
      if (cc_store(cache, inv, &w, NULL) != 0) return fprintf(stderr, "%s\n", cc_last_error()), 1;
      if (cc_flush(cache, 5000) != 0) return fprintf(stderr, "flush\n"), 1;
    }
    cc_result_clear(&r);
    cc_invocation_free(inv);
    cc_close(cache);
  }
  printf("%d\n", hits);
  return hits == 1 ? 0 : 3;
}

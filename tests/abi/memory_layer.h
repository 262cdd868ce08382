/* A host's layer in memory that can be told to misbehave.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CCHAIN_TESTS_ABI_MEMORY_LAYER_H
#define CCHAIN_TESTS_ABI_MEMORY_LAYER_H

#include <pthread.h>
#include <stdatomic.h>

#include "common.h"

enum fault {
  FAULT_NONE,
  FAULT_GARBAGE,  /* other bytes, as many */
  FAULT_CUT,      /* the first bytes only */
  FAULT_EMPTY,    /* says hit and writes nothing */
  FAULT_OTHER,    /* another key's blob of that kind */
  FAULT_ERROR,    /* an error */
  FAULT_LATE,     /* all of it, and then an error */
  FAULT_NONSENSE, /* an answer that is none */
  FAULT_ENDLESS,  /* writes until it is stopped, then says hit */
  FAULT_FLIP,     /* one bit is wrong, at `at` */
};

typedef struct memory {
  pthread_mutex_t lock;
  struct blob {
    char name[192];
    bytes b;
  } blobs[512];
  size_t count;
  _Atomic int fault, put_answer, delay_ms;
  _Atomic size_t at;
  _Atomic int gets, hits, puts, replaces, removes, closes;
  _Atomic size_t written; /* of the last get */
} memory;

UNUSED static void memory_init(memory *m) {
  memset(m, 0, sizeof *m);
  pthread_mutex_init(&m->lock, NULL);
}
UNUSED static void memory_free(memory *m) {
  for (size_t i = 0; i < m->count; i++) bytes_free(&m->blobs[i].b);
  pthread_mutex_destroy(&m->lock);
}

static void memory_name(const cc_address *a, char *name, size_t size) {
  static const char *const blobs[] = {"entry", "record", "data", "data"};
  bool right = a->ns < 4 && a->reserved == 0 && strlen(a->hex) == 64 && strspn(a->hex, "0123456789abcdef") == 64 && *a->tenant &&
               strcmp(a->blob, blobs[a->ns]) == 0;
  if (!right) abort();
  snprintf(name, size, "%u/%s/%s/%s", a->ns, a->tenant, a->hex, a->blob);
}
static struct blob *memory_find(memory *m, const char *name) {
  for (size_t i = 0; i < m->count; i++)
    if (m->blobs[i].b.data && strcmp(m->blobs[i].name, name) == 0) return &m->blobs[i];
  return NULL;
}
static int memory_get(void *user, const cc_address *a, cc_sink_fn write, void *sink) {
  memory *m = user;
  char name[192];
  memory_name(a, name, sizeof name);
  m->gets++;
  for (int ms = m->delay_ms; ms > 0; ms -= 5) usleep(5000);
  if (m->fault == FAULT_ERROR) return CC_LAYER_ERROR;
  if (m->fault == FAULT_NONSENSE) return 77;
  pthread_mutex_lock(&m->lock);
  struct blob *b = memory_find(m, name);
  if (b && m->fault == FAULT_OTHER)
    for (size_t i = 0; i < m->count; i++)
      if (m->blobs[i].b.data && &m->blobs[i] != b && m->blobs[i].name[0] == name[0]) {
        b = &m->blobs[i];
        break;
      }
  int answer = b ? CC_LAYER_HIT : CC_LAYER_MISS;
  bytes copy = {NULL, 0};
  if (b) bytes_add(&copy, b->b.data, b->b.size);
  pthread_mutex_unlock(&m->lock);
  m->written = 0;
  if (!b) return answer;
  m->hits++;
  switch (m->fault) {
    case FAULT_GARBAGE:
      for (size_t i = 0; i < copy.size; i++) copy.data[i] = (char)(i * 7 + 1);
      break;
    case FAULT_CUT: copy.size = 40; break;
    case FAULT_EMPTY: copy.size = 0; break;
    case FAULT_FLIP:
      if (m->at < copy.size) copy.data[m->at] ^= 1;
      break;
    case FAULT_ENDLESS: {
      static const char zeros[65536];
      while (m->written < (256u << 20) && write(sink, zeros, sizeof zeros) == 0) m->written += sizeof zeros;
      break;
    }
    default: break;
  }
  for (size_t i = 0; i < copy.size; i += 100) { /* in parts */
    size_t n = copy.size - i < 100 ? copy.size - i : 100;
    if (write(sink, copy.data + i, n) != 0) break;
    m->written += n;
  }
  bytes_free(&copy);
  return m->fault == FAULT_LATE ? CC_LAYER_ERROR : answer;
}
static int memory_put(void *user, const cc_address *a, const void *data, size_t size, uint32_t flags) {
  memory *m = user;
  char name[192];
  memory_name(a, name, sizeof name);
  m->puts++;
  for (int ms = m->delay_ms; ms > 0; ms -= 5) usleep(5000);
  if (flags & CC_PUT_REPLACE) m->replaces++;
  if (m->put_answer) return m->put_answer;
  pthread_mutex_lock(&m->lock);
  struct blob *b = memory_find(m, name);
  int answer = 0;
  if (b && !(flags & CC_PUT_REPLACE)) {
    answer = CC_LAYER_EXISTS;
  } else {
    if (!b) {
      for (b = m->blobs; b < m->blobs + m->count && b->b.data;) b++;
      if (b == m->blobs + COUNT(m->blobs)) abort();
      if (b == m->blobs + m->count) m->count++;
      strcpy(b->name, name);
    }
    bytes_free(&b->b);
    bytes_add(&b->b, data, size);
  }
  pthread_mutex_unlock(&m->lock);
  return answer;
}
static int memory_remove(void *user, const cc_address *a) {
  memory *m = user;
  char name[192];
  memory_name(a, name, sizeof name);
  m->removes++;
  pthread_mutex_lock(&m->lock);
  struct blob *b = memory_find(m, name);
  if (b) bytes_free(&b->b);
  pthread_mutex_unlock(&m->lock);
  return 0;
}
static void memory_close(void *user) { ((memory *)user)->closes++; }

static const cc_layer_ops memory_ops = {sizeof memory_ops, CC_LAYER_VERSION, memory_get, memory_put, memory_remove, memory_close};

/* A cache over `layers` (JSON) with this host's layers. */
UNUSED static cc_cache *open_hosts(const char *layers, const cc_host_layer *hosts, uint32_t count) {
  cc_open_options o = {sizeof o};
  o.flags = CC_OPEN_NO_ENV | CC_OPEN_NO_FILES;
  o.config_text = fmt("{\"layers\": [%s], \"state_dir\": \"%s/state\", \"max_entry_size\": \"1M\"}", layers, folder);
  o.host_layers = hosts;
  o.host_layer_count = count;
  cc_cache *cache = NULL;
  int status = cc_open(&o, &cache);
  if (status != 0) fail_msg("cc_open: %d %s", status, cc_last_error());
  return cache;
}
UNUSED static cc_cache *open_memory(const char *layers, memory *m, uint32_t flags) {
  cc_host_layer h = {"mem", &memory_ops, m, flags, 0};
  return open_hosts(layers, &h, 1);
}
UNUSED static cc_layer_stats layer_stats(cc_cache *cache, uint32_t layer) {
  cc_layer_stats s = {sizeof s};
  assert_int_equal(cc_layer_stats_get(cache, layer, &s), 0);
  return s;
}

#endif

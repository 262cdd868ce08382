/* cchain_layer.h: for those who bring a layer of their own. The second tier: versioned apart from cchain.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * A layer stores blobs by address. It needs no knowledge of what they hold: every blob is verified after it was read, so a
 * layer that returns garbage causes misses, never a wrong object. Calls may come from any thread of the host and from the
 * library's own, several at once. A call must not throw, and must not call the cache it belongs to.
 */
#ifndef CCHAIN_LAYER_H
#define CCHAIN_LAYER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CC_LAYER_VERSION 1u

/* Namespaces of an address. */
#define CC_NS_COMPILE 0u
#define CC_NS_INPUTS 1u
#define CC_NS_SOURCE 2u
#define CC_NS_MANIFEST 3u

/* What a call answers. */
#define CC_LAYER_HIT 1
#define CC_LAYER_MISS 0
#define CC_LAYER_ERROR (-1)    /* counted; after several in a row the layer is left alone for a while */
#define CC_LAYER_EXISTS (-2)   /* put without CC_PUT_REPLACE: something stands there already; no error */

/* The address of a blob: `<ns>/<tenant>/<hh>/<hex>/<blob>` in words, hh the first two digits of hex. FROZEN. */
typedef struct cc_address {
  const char *tenant; /* valid names only: see cchain.h */
  const char *hex;    /* 64 lower-case hex digits */
  const char *blob;   /* "entry", "record", "data" */
  uint32_t ns;        /* CC_NS_* */
  uint32_t reserved;
} cc_address;

#define CC_PUT_REPLACE 1u /* an older blob is to be replaced (inputs records, recache) */

/* Where `get` puts the bytes: call it any number of times; non-zero from it means stop and return CC_LAYER_ERROR (too large). */
typedef int (*cc_sink_fn)(void *sink, const void *data, size_t size);

typedef struct cc_layer_ops {
  uint32_t struct_size;
  uint32_t version; /* CC_LAYER_VERSION */
  int (*get)(void *user, const cc_address *address, cc_sink_fn write, void *sink);
  int (*put)(void *user, const cc_address *address, const void *data, size_t size, uint32_t flags); /* NULL: read only */
  int (*remove)(void *user, const cc_address *address); /* NULL, or removes a blob whose checksum failed; only asked of layers that say they are local */
  void (*close)(void *user);                            /* NULL, or called once by cc_close */
} cc_layer_ops;

#define CC_HOST_LAYER_LOCAL 1u /* the layer is private to this machine and user: bad entries are removed from it, it is written before cc_store returns */

/* A layer of the host's. Its place in the chain is that of {"type": "host", "name": NAME} in the configuration, or else the end. FROZEN. */
typedef struct cc_host_layer {
  const char *name;
  const cc_layer_ops *ops; /* must live as long as the cache */
  void *user;
  uint32_t flags; /* CC_HOST_LAYER_* */
  uint32_t reserved;
} cc_host_layer;

#ifdef __cplusplus
}
#endif
#endif

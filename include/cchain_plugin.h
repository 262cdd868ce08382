/* cchain_plugin.h: between the library and cchain-remote.so, which holds the layers that need a network.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Not for hosts and not installed: the library loads a plug-in of its own version only, from beside itself, when a layer of it is needed first.
 * The plug-in keeps no thread. A call of `run` carries out any number of transfers on the caller's thread, several at once, over connections
 * that are kept for the next call. Whether a layer is asked at all, how often, and what its bytes are worth is the library's business.
 */
#ifndef CCHAIN_PLUGIN_H
#define CCHAIN_PLUGIN_H

#include "cchain_layer.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CC_PLUGIN_VERSION 2u
#define CC_PLUGIN_ENTRY "cc_plugin_get"

/* cc_transfer.kind */
#define CC_TRANSFER_GET 0u
#define CC_TRANSFER_PUT 1u
#define CC_TRANSFER_HEAD 2u
#define CC_TRANSFER_REMOVE 3u

/* cc_transfer.failure, with status CC_LAYER_ERROR */
#define CC_FAIL_NONE 0u
#define CC_FAIL_CONNECT 1u   /* no such host, refused, reset, no TLS that can be trusted */
#define CC_FAIL_TIMEOUT 2u
#define CC_FAIL_BUSY 3u      /* the server asks to be left alone: 429, 503; retry_after_ms if it says how long */
#define CC_FAIL_SERVER 4u    /* 500 and above */
#define CC_FAIL_DENIED 5u    /* the credentials are wrong, not there, or not enough */
#define CC_FAIL_PROTOCOL 6u  /* an answer that is none: a redirection, a body cut short */
#define CC_FAIL_TOO_LARGE 7u /* more than the sink takes */
#define CC_FAIL_CANCELLED 8u

typedef struct cc_transfer {
  uint32_t kind;   /* CC_TRANSFER_* */
  uint32_t flags;  /* CC_PUT_* */
  cc_address address;
  const void *data; /* PUT; lives until the transfer is done, as does what address points to */
  size_t size;
  cc_sink_fn write; /* GET: called with a body of status 200 only */
  void *sink;
  uint32_t connect_timeout_ms; /* until connected, and from then on until the first byte of an answer */
  uint32_t timeout_ms;         /* for all of it */
  /* out */
  int32_t status;          /* CC_LAYER_HIT (a PUT: stored), MISS, EXISTS or ERROR */
  uint32_t failure;        /* CC_FAIL_* */
  uint32_t retry_after_ms;
  uint32_t age_s;          /* GET: how long ago the server says that it was put, 0 if it does not say */
  char error[160];         /* for the log; never holds a credential */
  void *user;              /* the caller's */
  int64_t server_time;     /* out: what the server says that the time is, in seconds since 1970; 0 if it does not say */
  char etag[72];           /* GET, out: what the server calls this state of the blob, "" if it does not say; PUT with CC_PUT_REPLACE, in: replace this state
                            * only, where the server knows how; EXISTS then says that it is another one by now */
} cc_transfer;

/* What one call of `run` is to do. The functions are called on the caller's thread. */
typedef struct cc_transfer_feed {
  uint32_t parallel;  /* transfers under way at once, at most */
  int32_t cancel_fd;  /* when readable, all under way end at once as CANCELLED; -1: none */
  int32_t wake_fd;    /* when readable, `next` is asked again; whoever feeds reads it. -1: none */
  uint32_t reserved;
  void *user;
  cc_transfer *(*next)(void *user);         /* one more; NULL: none now */
  void (*done)(void *user, cc_transfer *t); /* may make `next` have more */
} cc_transfer_feed;

typedef struct cc_plugin_option {
  const char *name, *value;
} cc_plugin_option;

#define CC_PLUGIN_NO_ENV 1u   /* read no environment variable */
#define CC_PLUGIN_NO_FILES 2u /* read no file that no option names */

typedef struct cc_plugin_settings {
  const char *type; /* "http", "s3", "redis" */
  const cc_plugin_option *options;
  size_t option_count;
  uint32_t flags; /* CC_PLUGIN_* */
  uint32_t reserved;
} cc_plugin_settings;

typedef struct cc_plugin_layer cc_plugin_layer;

typedef struct cc_plugin {
  uint32_t struct_size;
  uint32_t version; /* CC_PLUGIN_VERSION */
  /* NULL, with a text in error, for options that can't be used. No network is touched. */
  cc_plugin_layer *(*open)(const cc_plugin_settings *settings, char *error, size_t error_size);
  /* Returns when `next` has no more and nothing is under way. Any thread, several at once. */
  void (*run)(cc_plugin_layer *layer, const cc_transfer_feed *feed);
  void (*close)(cc_plugin_layer *layer);
} cc_plugin;

/* The one symbol of a plug-in: const cc_plugin *cc_plugin_get(uint32_t version), NULL for a version that it is not of. */
typedef const cc_plugin *(*cc_plugin_get_fn)(uint32_t version);

#ifdef __cplusplus
}
#endif
#endif

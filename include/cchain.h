/* cchain: a compile-output cache that build tools load into their own process.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * This header is the manual and the authority; include/ABI.md says what may change in it.
 *
 * In one page
 * -----------
 *   cc_cache *cache;
 *   cc_invocation *inv;
 *   cc_result res = {sizeof res};
 *   cc_open(NULL, &cache);                              // configuration as for the command
 *   cc_invocation_parse_argv(cache, argc, argv, NULL, &inv);
 *   if (cc_lookup(cache, inv, "local", &res) > 0) {
 *       // every output stands at its path; replay res.stdout_data and res.stderr_data
 *   } else {
 *       // run the command, fill exit_status and the streams of res
 *       cc_store(cache, inv, &res, "local");
 *   }
 *
 * Conventions
 * -----------
 * - Names: types and functions begin with cc_, constants with CC_.
 * - Results: functions that return int return 0 (or, where it says so, a count or a truth) on success and
 *   one of CC_E_* (all negative) on failure; the text of the last failure in this thread is cc_last_error().
 *   A miss is an answer, not a failure. A layer that fails is a miss as well; the caller hears of it through
 *   the log and the statistics only.
 * - Structs that may grow begin with `uint32_t struct_size`: set it to sizeof the struct and zero the rest
 *   (`cc_result r = {sizeof r};`). A shorter struct (an older client) gets defaults for what it lacks; a longer
 *   one (a newer client) is accepted if what this library does not know is zero. Arrays passed across this
 *   boundary are of frozen structs, which never change: cc_output, cc_request, cc_env_fixed.
 * - Ownership: what a function hands out through a `const` pointer belongs to the object it was asked of and
 *   lives until that object is freed or, where it says so, until the next call on it. Every free and close
 *   function accepts NULL. Memory handed out through `char **` is released by cc_free.
 * - Strings are NUL-terminated bytes in the file system's encoding; lengths are in bytes, times in
 *   milliseconds, unless a name says otherwise.
 * - Threads: any thread may use an open cache at any time. An invocation or a result belongs to one thread at
 *   a time. No callback but the log's is ever called on a thread that the host did not bring, except those
 *   of a host's own layer (cchain_layer.h).
 * - Fork: a forked child must not use a cache opened by its parent; every call on it returns CC_E_FORKED.
 *   It may open its own.
 * - The library never exits, prints, raises a signal, starts a process, changes the directory, umask, locale
 *   or a signal handler. Where a command must be run, it says which and the host runs it (cc_invocation_task).
 */
#ifndef CCHAIN_H
#define CCHAIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CC_API __attribute__((visibility("default")))
#else
#define CC_API
#endif

/* ---- version ------------------------------------------------------------------------------------------- */

/* The version of this header. The library's own is cc_version(); an older library may meet a newer header. */
#define CC_VERSION_MAJOR 0
#define CC_VERSION_MINOR 1
#define CC_VERSION_PATCH 0

/* major * 1000000 + minor * 1000 + patch of the library. */
CC_API uint32_t cc_version(void);
/* "0.1.0"; static storage. */
CC_API const char *cc_version_string(void);

/* ---- errors -------------------------------------------------------------------------------------------- */

#define CC_OK 0
#define CC_E_INVALID (-1)   /* an argument is wrong: NULL, a bad struct_size, a non-zero unknown tail */
#define CC_E_NOMEM (-2)     /* out of memory */
#define CC_E_IO (-3)        /* a file of the host's (an output that was to be stored) can't be read */
#define CC_E_CONFIG (-4)    /* the configuration can't be used at all: it is no JSON */
#define CC_E_TENANT (-5)    /* the tenant is empty or no valid name */
#define CC_E_STATE (-6)     /* the call does not fit the state of the invocation */
#define CC_E_FORKED (-7)    /* this process is a fork of the one that opened the cache */
#define CC_E_CANCELLED (-8) /* cc_cancel was called */
#define CC_E_UNCACHEABLE (-9) /* cc_store of a command that can't be cached, or of a result that must not be */
#define CC_E_INTERNAL (-99) /* a bug; the text says where */

/* The text of the last failure of a call in this thread, "" if there was none; valid until the next call that fails
 * in this thread. Never NULL. */
CC_API const char *cc_last_error(void);

/* Releases what a function handed out through a `char **`. */
CC_API void cc_free(void *p);

/* ---- opening ------------------------------------------------------------------------------------------- */

typedef struct cc_cache cc_cache;
typedef struct cc_invocation cc_invocation;

#define CC_LOG_ERROR 0 /* trouble: a layer fails, a file can't be read */
#define CC_LOG_WARN 1
#define CC_LOG_INFO 2  /* one line for each lookup and store */
#define CC_LOG_DEBUG 3

/* Called with one line without a newline, `len` bytes and NUL-terminated, valid during the call; from any thread
 * of the host that is in a call and from the library's own. It must not call the library and must not throw. */
typedef void (*cc_log_fn)(void *user, int32_t level, const char *text, size_t len);

/* cc_open_options.flags */
#define CC_OPEN_NO_ENV 1u   /* read no environment variable at all, neither CCHAIN_* nor HOME */
#define CC_OPEN_NO_FILES 2u /* read no configuration file; with NO_ENV and no config_text there is no layer */

struct cc_host_layer; /* cchain_layer.h */

typedef struct cc_open_options {
  uint32_t struct_size;
  uint32_t flags;           /* CC_OPEN_* */
  const char *config_text;  /* JSON as in the configuration file; NULL: the file. Taken instead of the file */
  const char *config_path;  /* the file; NULL: $CCHAIN_CONFIG, else $XDG_CONFIG_HOME/cchain/config.json */
  cc_log_fn log;            /* NULL: the file named by CCHAIN_LOG, if any */
  void *log_user;
  int32_t log_level;        /* the most detailed level wanted, CC_LOG_* (CC_LOG_ERROR if zero) */
  uint32_t host_layer_count;
  const struct cc_host_layer *host_layers; /* layers that the host brings; copied, see cchain_layer.h */
  const char *host;         /* who asks, for statistics and metadata ("ninja 1.11.1"); NULL: "host" */
} cc_open_options;

/* Opens a cache. `options` may be NULL: environment and configuration file as for the cchain command. On success
 * *out is the cache. A layer that can't be used (a wrong value, a folder that can't be made) is left out, logged
 * and shown by cc_stats_json; the cache opens all the same and then misses. Only a configuration that is no JSON
 * (CC_E_CONFIG) and wrong arguments fail. Costs no thread and no descriptor that stays open. */
CC_API int cc_open(const cc_open_options *options, cc_cache **out);

/* Waits for what is queued as cc_flush(cache, CC_TIMEOUT_DEFAULT) would, writes statistics, frees. All invocations of the cache
 * must have been freed, or be freed later without any other use. */
CC_API void cc_close(cc_cache *cache);

#define CC_TIMEOUT_DEFAULT (-1) /* the configuration's "flush_timeout_ms" */

/* Waits until everything that was stored has reached its layers, at most timeout_ms. Returns 0, or the number of
 * stores that are still under way. Also writes the statistics gathered so far. */
CC_API int cc_flush(cc_cache *cache, int32_t timeout_ms);

/* Makes every lookup, prefetch and flush under way, and each that comes later until cc_resume, return at once
 * (CC_E_CANCELLED). Only stores an atomic flag and wakes sleepers by a descriptor: may be called from a signal handler. */
CC_API void cc_cancel(cc_cache *cache);
CC_API void cc_resume(cc_cache *cache);

/* ---- invocations --------------------------------------------------------------------------------------- */

/* cc_invocation_options.flags */
#define CC_INV_TERMINAL 1u /* stderr of the host is a terminal, and the COMPILE task is run with a terminal of that width as its stderr
                              (a pseudo-terminal that does not change what is written): the compiler itself decides about
                              colours, links and line lengths, no option is added. A host that captures by a pipe leaves it out */
#define CC_INV_MERGED 2u   /* the host will give and take stdout and stderr as one stream (Ninja), in stdout_data */
#define CC_INV_SHELL_EXACT 4u /* a shell line is run by /bin/sh -c; without this flag too: reserved, pass 0 */

typedef struct cc_invocation_options {
  uint32_t struct_size;
  uint32_t flags;            /* CC_INV_* */
  const char *cwd;           /* the directory the command runs in; NULL: that of the process, asked at parse time */
  const char *const *env;    /* "NAME=value", NULL-terminated: all the environment the command runs with; NULL: that
                                of the process as it is at parse time (empty if the cache was opened with NO_ENV) */
  uint32_t columns;          /* with CC_INV_TERMINAL only: what TIOCGWINSZ says (ws_col) of the COMPILE task's stderr, plus 65536
                                times what it says of its stdin, where GCC asks; 0 for one that tells none. Results are
                                stored for this value: a task that may have seen another one is not to be stored */
  uint32_t stdout_columns;   /* the same of its stdout, where clang 21 asks; 0 where that is no terminal (a pipe that the host reads) */
} cc_invocation_options;

/* Parse a compile command. Succeeds for every command: one that can't be cached is an invocation whose
 * cc_invocation_uncacheable is not NULL, whose lookups miss and whose stores are refused. Fails for wrong arguments
 * and lack of memory only. Nothing is run; file system access is limited to finding the compiler on PATH and
 * reading response files. All arguments are copied.
 *
 * argv: the words, argv[0] the compiler or a launcher in front of it (ccache, sccache, distcc, env).
 * nul:  the same words, each ended by a NUL, `len` bytes in all, for bindings that find arrays of pointers costly.
 * line: what would be given to /bin/sh -c. Read strictly: words, quotes, backslashes, `cd DIR &&` and NAME=value in
 *       front. Anything that a shell would expand or that starts a second command makes it uncacheable. */
CC_API int cc_invocation_parse_argv(cc_cache *cache, int argc, const char *const *argv,
                                    const cc_invocation_options *options, cc_invocation **out);
CC_API int cc_invocation_parse_nul(cc_cache *cache, const char *words, size_t len,
                                   const cc_invocation_options *options, cc_invocation **out);
CC_API int cc_invocation_parse_line(cc_cache *cache, const char *line, const cc_invocation_options *options,
                                    cc_invocation **out);

/* One output file. FROZEN. */
typedef struct cc_output {
  const char *role;     /* "object", "depfile", "dwo", …; a host's own roles: 1 to 32 of a-z 0-9 - _ */
  const char *path;     /* where it stands or shall stand; relative to the invocation's cwd, or absolute */
  const uint8_t *data;  /* the bytes, or NULL: they are in the file at `path` */
  uint64_t size;        /* of data */
  uint32_t flags;       /* CC_OUTPUT_* */
  uint32_t mode;        /* permission bits beyond the umask's default; 0, or 0111 for an executable */
} cc_output;
#define CC_OUTPUT_OPTIONAL 1u /* may be missing in a stored result */
#define CC_OUTPUT_EMPTY 2u    /* with data NULL: the output is an empty file, not one to be read */

/* An action that the host understands itself (code generation, a link, a lint). `key` must determine the outputs: everything
 * that can influence them (programs, inputs' contents, arguments, environment) is in it or is promised not to matter. It is
 * hashed with the label, the tenant and the roles; it never meets a compile's key. `outputs` are copied (data is
 * not looked at). Stored and looked up like a compile. */
CC_API int cc_invocation_from_key(cc_cache *cache, const char *label, const void *key, size_t key_len,
                                  const cc_output *outputs, size_t output_count,
                                  const cc_invocation_options *options, cc_invocation **out);

CC_API void cc_invocation_free(cc_invocation *inv);

/* Why the command can't be cached, in words that name the option, variable or file: NULL if it can, as far as
 * is known by now (a lookup or a store may learn more). Lives until the next call on the invocation. */
CC_API const char *cc_invocation_uncacheable(const cc_invocation *inv);

/* The outputs the command will leave, by role. Returns their number, and the array through *outputs; lives as long
 * as the invocation. */
CC_API size_t cc_invocation_outputs(const cc_invocation *inv, const cc_output **outputs);

/* A command with several sources (cc -c a.c b.c) can't be cached as one. Where it does what a command of its own for each
 * source would do, one after the other, this returns how many there are, and in *argv (may be NULL) the words of number
 * `index`, NULL-terminated: to be parsed with the same options and run instead, all of them whatever the others' exit
 * statuses; the highest is that of the whole. Otherwise 0. *argv is NULL beyond the last. Lives as long as the invocation. */
CC_API size_t cc_invocation_part(const cc_invocation *inv, size_t index, const char *const **argv);

/* ---- what the host is to run --------------------------------------------------------------------------- */

#define CC_TASK_NONE 0u       /* nothing to run: it was hit, or look up again (after the last PROBE) */
#define CC_TASK_PROBE 1u      /* run argv, hand its streams to cc_invocation_task_done, look up again */
#define CC_TASK_PREPROCESS 2u /* the same, for the modes that hash the preprocessed source */
#define CC_TASK_COMPILE 3u    /* the command itself with the flags that we need; then cc_store */

/* cc_task.capture */
#define CC_CAPTURE_STDOUT 1u
#define CC_CAPTURE_STDERR 2u

typedef struct cc_task {
  uint32_t struct_size;
  uint32_t kind;                 /* CC_TASK_* */
  uint32_t capture;              /* CC_CAPTURE_*: the streams that must be handed back */
  uint32_t reserved;
  const char *const *argv;       /* NULL-terminated; argv[0] is to be searched on PATH like execvp does */
  const char *const *env;        /* "NAME=value" to set on top of the command's environment; NULL-terminated */
  const char *cwd;               /* where to run it */
} cc_task;

/* What should run next for this invocation, decided by the last lookup. The loop of a host:
 *
 *   for (;;) {
 *     if (cc_lookup(cache, inv, tenant, &res) > 0) break;            // a hit
 *     cc_invocation_task(cache, inv, &task);
 *     if (task.kind == CC_TASK_COMPILE) { run it; cc_store(…); break; }
 *     if (task.kind != CC_TASK_NONE) { run it; cc_invocation_task_done(…); }
 *   }                                                                // a dozen turns at the most
 *
 * All that it hands out lives until the next call on the invocation. Standard input of a PROBE or a PREPROCESS is to be
 * /dev/null. A host may ignore tasks: without a probe the answer stays a miss, and any host may run the plain command on a
 * miss and store its result: what is then lacking to prove the result is a refusal to store, never a wrong entry. (With "base_dirs" a COMPILE that
 * was handed out must be the one that was run: its prefix maps are what makes the result one for all checkouts.)
 * A COMPILE's argv may name files in memory, /proc/PID/fd/N of this process: it is run while the invocation lives, where this /proc is
 * seen. They are closed by cc_store and cc_invocation_free. */
CC_API int cc_invocation_task(cc_cache *cache, cc_invocation *inv, cc_task *task);

typedef struct cc_task_result {
  uint32_t struct_size;
  int32_t exit_status;        /* as of waitpid: the exit code, or 128 + the signal's number */
  const uint8_t *stdout_data; /* not kept after the call */
  uint64_t stdout_size;
  const uint8_t *stderr_data;
  uint64_t stderr_size;
} cc_task_result;

/* Hands back what a PROBE or PREPROCESS task printed. Then call cc_lookup again (or cc_invocation_task for what
 * is next). A task that failed makes the command uncacheable, with the reason. */
CC_API int cc_invocation_task_done(cc_cache *cache, cc_invocation *inv, const cc_task_result *result);

/* ---- look-up and store --------------------------------------------------------------------------------- */

/* cc_result.flags, set by the caller */
#define CC_RESULT_NO_DELIVERY 1u /* lookup: verify and decode, but write no output file; with KEEP for the bytes */
#define CC_RESULT_KEEP 2u        /* lookup: hand the bytes of the outputs out in `outputs` */
#define CC_RESULT_KEEP_DEPFILE 4u /* lookup: the dependency file is not written; its bytes are handed out in `outputs` (role "depfile"), for a
                                     host that would read it at once and remove it */
#define CC_RESULT_LATER 8u        /* store: returns as soon as all that can be known only now is known, the outputs' bytes and whether an input has
                                     changed; the library's workers compress and write it. Within a bound, beyond which it is done before it returns;
                                     cc_flush waits for it. The invocation and all bytes are the host's again when it returns */

typedef struct cc_result {
  uint32_t struct_size;
  uint32_t flags;              /* in: CC_RESULT_* */
  int32_t exit_status;         /* of the command; only 0 is stored */
  uint32_t layer;              /* out: index of the layer that answered */
  const uint8_t *stdout_data;  /* lookup: out, owned by the result; store: in, borrowed during the call */
  uint64_t stdout_size;
  const uint8_t *stderr_data;
  uint64_t stderr_size;
  const cc_output *outputs;    /* lookup: out, with bytes if KEEP; store: in, bytes by role (NULL: from the files) */
  uint64_t output_count;
  uint64_t duration_ms;        /* how long the command ran: in for a store, out for a hit */
  const char *reason;          /* out: why it missed or can't be cached; "" on a hit; never NULL after a lookup */
  void *owner;                 /* private: zero it, and hand it back to cc_result_clear */
} cc_result;

/* Frees what a lookup put into the result and sets all but struct_size and flags to zero. A result that a lookup
 * has filled must be cleared, or handed to another lookup, which clears it first. */
CC_API void cc_result_clear(cc_result *result);

/* A tenant: 1 to 64 of a-z 0-9 . _ -, beginning with a letter or digit. NULL means the configured one ("tenant", CCHAIN_TENANT, else "local"); an empty or
 * otherwise wrong one is CC_E_TENANT. */

/* Asks each layer in order and takes the first entry that is complete and verified.
 * > 0: a hit, and every output of the command stands at its path. 0: a miss, result->reason says why; nothing was
 * touched. < 0: the call was wrong (CC_E_INVALID, _TENANT, _NOMEM, _FORKED, _CANCELLED). `result` may be NULL for a
 * caller that wants no streams; then a hit that has any is a miss. */
CC_API int cc_lookup(cc_cache *cache, cc_invocation *inv, const char *tenant, cc_result *result);

/* Stores the result of the command in every writable layer, the first local one before it returns. 0: stored, or
 * an entry stood there already, or a full layer could make no room for it without a wait. CC_E_UNCACHEABLE: it was refused, the reason is cc_last_error() and
 * cc_invocation_uncacheable() (a failed compile, an input that changed meanwhile, an output missing): the build
 * goes on. The invocation must have been looked up before (that is when its inputs are looked at); a store without a
 * lookup before it is refused. Bytes come from result->outputs where they are given there, else from the files. */
CC_API int cc_store(cc_cache *cache, cc_invocation *inv, const cc_result *result, const char *tenant);

/* One of many look-ups. FROZEN. */
typedef struct cc_request {
  cc_invocation *inv;
  const char *tenant;
  cc_result *result;  /* as for cc_lookup */
  int32_t status;     /* out: what cc_lookup would have returned */
  uint32_t reserved;  /* 0 */
} cc_request;

/* Looks up `count` invocations, in parallel where a layer gains by it. Returns the number of hits, or CC_E_*. */
CC_API int cc_lookup_many(cc_cache *cache, cc_request *requests, size_t count);

/* Says that these will be looked up soon, in this order: remote layers are asked for all of them meanwhile, many at once, and a lookup of one that is on its
 * way waits for it. Returns at once; does nothing where no layer gains by it. The invocations may be used and freed afterwards. cc_cancel drops what has not come.
 * Nothing can be asked for while the compiler is not known. A host may find out early: cc_invocation_task of an invocation that was announced and not looked up
 * yet is a PROBE then; once it is done (CC_TASK_NONE), whoever has the same compiler and options can be announced again. */
CC_API int cc_prefetch(cc_cache *cache, cc_invocation *const *invs, size_t count, const char *tenant);

/* ---- build session ------------------------------------------------------------------------------------- */

/* Between begin and end a file or directory that was looked at is taken as known and is not looked at again until the
 * host says that it may have changed. Nests; the outermost pair counts. For hosts that know what runs meanwhile:
 * call cc_session_changed with NULL when a command that is no parsed compile starts and again when it ends (it may
 * write what it does not declare), and with a path for each file that a command declares as its output (NULL, if the commands may name it by way of
 * another link). */
CC_API int cc_session_begin(cc_cache *cache);
CC_API int cc_session_changed(cc_cache *cache, const char *path);
/* Looks at everything once more. Returns the number of hits of this session whose inputs have changed since they were
 * looked at (0 in a quiet build), or CC_E_*; those hits may be outdated and the host should treat them as not up to date. */
CC_API int cc_session_end(cc_cache *cache);
/* After cc_session_end: which hits it counted, by the absolute path of their first output. Returns their number; the array lives until the next
 * cc_session_begin. */
CC_API int cc_session_outdated(cc_cache *cache, const char *const **outputs);

/* ---- asynchronous calls -------------------------------------------------------------------------------- */

typedef struct cc_completion {
  uint32_t struct_size;
  int32_t status;       /* what the synchronous call would have returned */
  uint64_t tag;         /* the caller's */
  cc_invocation *inv;
  cc_result *result;    /* as given; belongs to the caller again */
  const char *error;    /* cc_last_error() of the worker, "" if none; lives until the next cc_reap */
} cc_completion;

/* As cc_lookup and cc_store, on the library's own workers (started with the first call, all signals blocked). Invocation and
 * result belong to the library until the completion is reaped. cc_store_async takes the bytes of the outputs before it returns: a command that
 * changes them may run then. */
CC_API int cc_lookup_async(cc_cache *cache, cc_invocation *inv, const char *tenant, cc_result *result, uint64_t tag);
CC_API int cc_store_async(cc_cache *cache, cc_invocation *inv, const cc_result *result, const char *tenant, uint64_t tag);
/* A descriptor (CLOEXEC) that is readable while completions wait; the cache's, never read or closed by the host.
 * CC_E_* on failure. */
CC_API int cc_async_fd(cc_cache *cache);
/* Takes one completion: 1, or 0 if none waits, or CC_E_*. Never blocks. */
CC_API int cc_reap(cc_cache *cache, cc_completion *completion);

/* ---- content-addressed blobs --------------------------------------------------------------------------- */

/* The sibling facades: bytes by their SHA-256, in the namespaces `source` and `manifest`, through the same layers and
 * tenants. A lookup verifies the digest. On a hit *data is released by cc_free. Digests are 32 bytes. */
CC_API int cc_source_lookup(cc_cache *cache, const char *tenant, const uint8_t digest[32], uint8_t **data, uint64_t *size);
CC_API int cc_source_store(cc_cache *cache, const char *tenant, const void *data, uint64_t size, uint8_t digest[32]);
CC_API int cc_manifest_lookup(cc_cache *cache, const char *tenant, const uint8_t digest[32], uint8_t **data, uint64_t *size);
CC_API int cc_manifest_store(cc_cache *cache, const char *tenant, const void *data, uint64_t size, uint8_t digest[32]);

/* ---- statistics and upkeep ----------------------------------------------------------------------------- */

/* Of this open cache since cc_open. */
typedef struct cc_stats {
  uint32_t struct_size;
  uint32_t layer_count;
  uint64_t lookups, hits, misses, uncacheable, stores, errors;
  uint64_t saved_ms; /* durations of the hits */
} cc_stats;
CC_API int cc_stats_get(cc_cache *cache, cc_stats *stats);

typedef struct cc_layer_stats {
  uint32_t struct_size;
  uint32_t reserved;
  const char *name; /* lives as long as the cache */
  const char *type; /* "disk", "host", … */
  uint64_t hits, misses, stores, errors, bytes_read, bytes_written;
} cc_layer_stats;
CC_API int cc_layer_stats_get(cc_cache *cache, uint32_t layer, cc_layer_stats *stats);

/* How a layer answers. */
typedef struct cc_layer_health {
  uint32_t struct_size;
  uint32_t flags;          /* CC_HEALTH_* */
  uint64_t first_us;       /* microseconds for a first question, with all that comes before it: names, connecting, signing in */
  uint64_t next_us;        /* for the next one */
  int64_t clock_offset_s;  /* with CC_HEALTH_CLOCK: how far its clock is ahead of ours */
} cc_layer_health;
#define CC_HEALTH_CLOCK 1u
/* Asks a layer (by its index, as cc_layer_stats_get) for something that none holds, whatever is remembered of it: two requests, nothing is stored and nothing counted.
 * CC_OK, or CC_E_IO and in cc_last_error() why it can't be used. */
CC_API int cc_layer_check(cc_cache *cache, uint32_t layer, cc_layer_health *health);

/* The statistics kept on disk, of all processes, as JSON: troubles first, then lookups, hits, misses, uncacheable, stores, errors,
 * uncacheable_reasons and layers. *text is released by cc_free. */
CC_API int cc_stats_json(cc_cache *cache, char **text);
CC_API int cc_stats_reset(cc_cache *cache);
/* The same of a file that CCHAIN_STATS_LOG named. CC_E_IO if it can't be read. */
CC_API int cc_stats_file_json(cc_cache *cache, const char *path, char **text);
/* cc_explain's flags */
#define CC_EXPLAIN_DUMP 1u /* labelled fields and digests of the last store, or else the last answer, for cc_explain_diff on another machine */

/* Why the last look-up of an output missed, as JSON. `path` is an output or a source (then its last output is meant), absolute or relative to the working
 * directory; `tenant` whose, NULL: anybody's. Members: "found" (false: nothing is remembered of it), "output", "source", "tenant", "last" (the last answer that was
 * no hit: "answer", "time", "by", "reason", "command", "cwd"), "compared_with" (the store that it is compared with), "differences" (of the two, causes first:
 * "kind", "change", "name", "before", "after", "changed_at"), "stored_at" (if the result was stored then), "summary" (a sentence), "now" (what a look-up of
 * the same command would answer, and "differences" of what was stored and what stands there now). Times are seconds since 1970. Misses, refusals and
 * stores of all hosts are remembered in the private folder, within a bound; hits are not: for them see "now". *text is released by cc_free. */
CC_API int cc_explain(cc_cache *cache, const char *path, const char *tenant, uint32_t flags, char **text);
/* Compares two texts that cc_explain gave with CC_EXPLAIN_DUMP: {"same_key", "differences"}. CC_E_INVALID if one of them is none. */
CC_API int cc_explain_diff(const char *before, const char *after, char **text);
/* Each value of the configuration and where it came from, and what was wrong with it, as JSON. */
CC_API int cc_config_json(cc_cache *cache, char **text);

/* How far a long call has come: `done` of about `total` things (0: not known). Called now and then on the thread that made the call, while the library
 * may hold locks: it must return soon, not throw, and not call the library (cc_cancel excepted). */
typedef void (*cc_progress_fn)(void *user, uint64_t done, uint64_t total);

typedef struct cc_trim_options {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t max_size;  /* bytes a layer may hold afterwards; UINT64_MAX: its own limit */
  uint64_t max_age_s; /* entries not used for longer go; 0: no limit */
  cc_progress_fn progress; /* NULL: not wanted. Counts the entries looked at, in all layers */
  void *progress_user;
} cc_trim_options;
/* Removes entries, least recently used first, from each local writable layer, removes strays and counts anew. */
CC_API int cc_trim(cc_cache *cache, const cc_trim_options *options, uint64_t *removed_entries, uint64_t *removed_bytes);
/* Removes every entry of every local writable layer; of one tenant, or of all if NULL. */
CC_API int cc_clear(cc_cache *cache, const char *tenant);

/* ---- signatures and checks ------------------------------------------------------------------------------ */

/* Makes a key for the "sign" and "verify_keys" of layers. `algorithm`: "hmac-sha256", one key that all share who sign and who check; "ed25519", a private key
 * in `path` for who signs and the public one in `path`.pub for who checks. Neither file may be there (CC_E_IO); what is secret gets mode 0600. */
CC_API int cc_keygen(const char *algorithm, const char *path);

typedef struct cc_verify_report {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t total;      /* entries and other blobs of all local layers, as far as their indexes know */
  uint64_t checked, bytes;
  uint64_t damaged;    /* a checksum or the structure is wrong */
  uint64_t foreign;    /* of another version of cchain */
  uint64_t untrusted;  /* whole, but not signed as the layer's "verify_keys" demand; it is never used */
  uint64_t removed;    /* of the damaged ones */
  uint64_t unindexed;  /* there, and the layer's index does not know it, or its size */
  uint64_t absent;     /* in the index only */
} cc_verify_report;

/* Called on the caller's thread every now and then, with `problem` NULL, and for each thing that is wrong, with one line that lives during the call. Not 0:
 * stop. It must not call the library. */
typedef int (*cc_verify_fn)(void *user, const cc_verify_report *so_far, const char *problem);

#define CC_VERIFY_REPAIR 1u /* remove what is damaged, and put the indexes right */

/* Reads all that the local layers hold and checks it; a build may go on meanwhile. `progress` and `report` may be NULL. Returns the number of damaged blobs and
 * of differences between indexes and folders that are left, at most INT32_MAX; 0: all is well; CC_E_CANCELLED if `progress` wanted an end. */
CC_API int cc_verify(cc_cache *cache, uint32_t flags, cc_verify_fn progress, void *user, cc_verify_report *report);

/* ---- the backend table --------------------------------------------------------------------------------- */

/* The facade as a table, for a consumer that is to be given a cache, or a fake one, without linking the library. */
typedef struct cc_backend {
  uint32_t struct_size;
  uint32_t version;
  int (*open)(const cc_open_options *, cc_cache **);
  void (*close)(cc_cache *);
  int (*flush)(cc_cache *, int32_t);
  void (*cancel)(cc_cache *);
  void (*resume)(cc_cache *);
  int (*parse_argv)(cc_cache *, int, const char *const *, const cc_invocation_options *, cc_invocation **);
  int (*parse_line)(cc_cache *, const char *, const cc_invocation_options *, cc_invocation **);
  int (*from_key)(cc_cache *, const char *, const void *, size_t, const cc_output *, size_t,
                  const cc_invocation_options *, cc_invocation **);
  void (*invocation_free)(cc_invocation *);
  const char *(*uncacheable)(const cc_invocation *);
  size_t (*outputs)(const cc_invocation *, const cc_output **);
  int (*task)(cc_cache *, cc_invocation *, cc_task *);
  int (*task_done)(cc_cache *, cc_invocation *, const cc_task_result *);
  int (*lookup)(cc_cache *, cc_invocation *, const char *, cc_result *);
  int (*store)(cc_cache *, cc_invocation *, const cc_result *, const char *);
  void (*result_clear)(cc_result *);
  int (*lookup_many)(cc_cache *, cc_request *, size_t);
  int (*prefetch)(cc_cache *, cc_invocation *const *, size_t, const char *);
  int (*session_begin)(cc_cache *);
  int (*session_changed)(cc_cache *, const char *);
  int (*session_end)(cc_cache *);
  int (*lookup_async)(cc_cache *, cc_invocation *, const char *, cc_result *, uint64_t);
  int (*store_async)(cc_cache *, cc_invocation *, const cc_result *, const char *, uint64_t);
  int (*async_fd)(cc_cache *);
  int (*reap)(cc_cache *, cc_completion *);
  int (*stats_get)(cc_cache *, cc_stats *);
  int (*layer_stats_get)(cc_cache *, uint32_t, cc_layer_stats *);
  const char *(*last_error)(void);
  int (*session_outdated)(cc_cache *, const char *const **);
} cc_backend;

/* The library's own table; static storage. NULL if `version` (now 1) is not known to it. */
CC_API const cc_backend *cc_backend_get(uint32_t version);

#ifdef __cplusplus
}
#endif
#endif

/* Open, parse, and the loop of a host with real compilers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "common.h"

/* ---- opening, versions, errors ------------------------------------------------------------------------------- */

static void versions(void **state) {
  (void)state;
  assert_int_equal(cc_version(), CC_VERSION_MAJOR * 1000000 + CC_VERSION_MINOR * 1000 + CC_VERSION_PATCH);
  assert_string_equal(cc_version_string(), fmt("%d.%d.%d", CC_VERSION_MAJOR, CC_VERSION_MINOR, CC_VERSION_PATCH));
}

static void nothing_is_freed(void **state) {
  (void)state;
  cc_free(NULL);
  cc_close(NULL);
  cc_invocation_free(NULL);
  cc_result_clear(NULL);
  cc_cancel(NULL);
  cc_resume(NULL);
}

static void open_fails(void **state) {
  (void)state;
  cc_cache *cache = (cc_cache *)folder;
  cc_open_options o = {sizeof o};
  o.flags = CC_OPEN_NO_ENV | CC_OPEN_NO_FILES;
  o.config_text = "{\"layers\": [";
  assert_int_equal(cc_open(&o, &cache), CC_E_CONFIG);
  assert_null(cache);
  assert_contains(cc_last_error(), "config_text:1");
  assert_int_equal(cc_open(&o, NULL), CC_E_INVALID);
  assert_contains(cc_last_error(), "out");
  o.config_text = NULL;
  o.config_path = "/nowhere/at/all.json";
  o.flags = CC_OPEN_NO_ENV;
  assert_int_equal(cc_open(&o, &cache), CC_E_CONFIG);
  assert_contains(cc_last_error(), "/nowhere/at/all.json");
}

/* A wrong value is no failure: the layer is left out, the cache misses. */
static void open_without_layers(void **state) {
  (void)state;
  cc_cache *cache = open_text("{\"layers\": [{\"type\": \"disk\", \"path\": \"relative\"}], \"nonsense\": 1}");
  char *text = NULL;
  assert_int_equal(cc_config_json(cache, &text), 0);
  assert_contains(text, "nonsense");
  assert_contains(text, "relative");
  cc_free(text);
  assert_int_equal(cc_stats_json(cache, &text), 0);
  assert_contains(text, "troubles");
  assert_contains(text, "relative");
  cc_free(text);
  cc_invocation *inv = key_invocation(cache, "k", "out");
  cc_result r = {sizeof r};
  assert_int_equal(cc_lookup(cache, inv, NULL, &r), 0);
  assert_contains(r.reason, "layer");
  cc_result_clear(&r);
  assert_int_equal(cc_store(cache, inv, &r, NULL), CC_E_UNCACHEABLE);
  cc_invocation_free(inv);
  cc_close(cache);
}

/* With these flags a variable of the user's changes nothing. */
static void open_reads_no_environment(void **state) {
  (void)state;
  setenv("CCHAIN_DIR", in_folder("elsewhere"), 1);
  setenv("CCHAIN_DISABLE", "1", 1);
  setenv("CCHAIN_TENANT", "somebody", 1);
  cc_cache *cache = open_disk();
  unsetenv("CCHAIN_DIR");
  unsetenv("CCHAIN_DISABLE");
  unsetenv("CCHAIN_TENANT");
  key_store(cache, "k", "local", "bytes");
  assert_int_equal(key_lookup(cache, "k", NULL, "bytes"), 1); /* NULL is the tenant "local" */
  cc_close(cache);
  assert_false(exists(in_folder("elsewhere")));
}

/* An open cache holds no descriptor and makes nothing until something is stored. */
static void open_is_cheap(void **state) {
  (void)state;
  int before = dup(0);
  close(before);
  cc_cache *cache = open_disk();
  int after = dup(0);
  close(after);
  assert_int_equal(before, after);
  assert_false(exists(in_folder("cache")));
  cc_close(cache);
}

static void on_log(void *user, int32_t level, const char *text, size_t len) {
  assert_int_equal(strlen(text), len);
  assert_null(strchr(text, '\n'));
  bytes_add(user, fmt("%d %s\n", (int)level, text), strlen(fmt("%d %s\n", (int)level, text)));
}
static void log_callback(void **state) {
  (void)state;
  bytes lines = {NULL, 0};
  cc_open_options o = {sizeof o};
  o.flags = CC_OPEN_NO_ENV | CC_OPEN_NO_FILES;
  o.config_text = fmt("{\"layers\": [{\"type\": \"disk\", \"path\": \"%s/cache\"}], \"nonsense\": 1}", folder);
  o.log = on_log;
  o.log_user = &lines;
  o.log_level = CC_LOG_INFO;
  cc_cache *cache;
  assert_int_equal(cc_open(&o, &cache), 0);
  assert_contains(lines.data, "0 config_text:1: \"nonsense\"");
  key_store(cache, "k", NULL, "bytes");
  assert_contains(lines.data, "2 miss");
  assert_int_equal(key_lookup(cache, "k", NULL, "bytes"), 1);
  assert_contains(lines.data, "2 hit");
  cc_close(cache);
  bytes_free(&lines);
}

static void null_arguments(void **state) {
  (void)state;
  cc_cache *cache = open_disk();
  cc_invocation *inv = PARSE(cache, "gcc", "-c", "a.c"), *other = inv;
  cc_result r = {sizeof r};
  cc_task task = {sizeof task};
  cc_task_result done = {sizeof done};
  cc_stats stats = {sizeof stats};
  cc_layer_stats layer = {sizeof layer};
  cc_completion completion = {sizeof completion};
  cc_request request = {inv, NULL, &r, 0, 0};
  cc_output output = {"out", "o", NULL, 0, 0, 0};
  uint8_t digest[32] = {0}, *data;
  uint64_t size;
  char *text;
#define WRONG(call, name)                   \
  do {                                      \
    cc_config_json(NULL, NULL);             \
    assert_int_equal(call, CC_E_INVALID);   \
    assert_contains(cc_last_error(), name); \
  } while (0)
  WRONG(cc_flush(NULL, 0), "cache");
  WRONG(cc_invocation_parse_argv(NULL, 0, NULL, NULL, &other), "cache");
  assert_null(other);
  WRONG(cc_invocation_parse_argv(cache, 1, NULL, NULL, &other), "argv");
  WRONG(cc_invocation_parse_argv(cache, 2, (const char *const[]){"gcc", NULL}, NULL, &other), "argv");
  WRONG(cc_invocation_parse_argv(cache, -1, NULL, NULL, &other), "argc");
  WRONG(cc_invocation_parse_argv(cache, 0, NULL, NULL, NULL), "out");
  WRONG(cc_invocation_parse_nul(cache, NULL, 1, NULL, &other), "words");
  WRONG(cc_invocation_parse_nul(cache, "gcc", 3, NULL, &other), "words"); /* the last word has no end */
  WRONG(cc_invocation_parse_nul(cache, "gcc", 4, NULL, NULL), "out");
  WRONG(cc_invocation_parse_line(cache, NULL, NULL, &other), "line");
  WRONG(cc_invocation_parse_line(cache, "gcc", NULL, NULL), "out");
  WRONG(cc_invocation_from_key(cache, NULL, "", 0, &output, 1, NULL, &other), "label");
  WRONG(cc_invocation_from_key(cache, "l", NULL, 1, &output, 1, NULL, &other), "key");
  WRONG(cc_invocation_from_key(cache, "l", "", 0, NULL, 1, NULL, &other), "outputs");
  WRONG(cc_invocation_from_key(cache, "l", "", 0, &output, 1, NULL, NULL), "out");
  WRONG(cc_invocation_task(NULL, inv, &task), "cache");
  WRONG(cc_invocation_task(cache, NULL, &task), "invocation");
  WRONG(cc_invocation_task(cache, inv, NULL), "task");
  WRONG(cc_invocation_task_done(cache, inv, NULL), "result");
  done.stdout_size = 1;
  WRONG(cc_invocation_task_done(cache, inv, &done), "stdout_data");
  WRONG(cc_lookup(NULL, inv, NULL, &r), "cache");
  WRONG(cc_lookup(cache, NULL, NULL, &r), "invocation");
  WRONG(cc_store(NULL, inv, &r, NULL), "cache");
  WRONG(cc_store(cache, NULL, &r, NULL), "invocation");
  WRONG(cc_store(cache, inv, NULL, NULL), "result");
  r.stderr_size = 1;
  WRONG(cc_store(cache, inv, &r, NULL), "stderr_data");
  WRONG(cc_store_async(cache, inv, &r, NULL, 0), "stderr_data");
  r.stderr_size = 0;
  r.output_count = 1;
  WRONG(cc_store(cache, inv, &r, NULL), "outputs");
  WRONG(cc_store_async(cache, inv, &r, NULL, 0), "outputs");
  r.output_count = 0;
  WRONG(cc_lookup_many(NULL, &request, 1), "cache");
  WRONG(cc_lookup_many(cache, NULL, 1), "requests");
  WRONG(cc_prefetch(cache, NULL, 1, NULL), "invs");
  WRONG(cc_prefetch(cache, (cc_invocation *const[]){NULL}, 1, NULL), "invocation");
  WRONG(cc_session_begin(NULL), "cache");
  WRONG(cc_session_changed(NULL, NULL), "cache");
  WRONG(cc_session_end(NULL), "cache");
  const char *const *outdated;
  WRONG(cc_session_outdated(NULL, &outdated), "cache");
  WRONG(cc_lookup_async(cache, NULL, NULL, &r, 0), "invocation");
  WRONG(cc_lookup_async(NULL, inv, NULL, &r, 0), "cache");
  WRONG(cc_store_async(cache, inv, NULL, NULL, 0), "result");
  WRONG(cc_async_fd(NULL), "cache");
  WRONG(cc_reap(cache, NULL), "completion");
  WRONG(cc_reap(NULL, &completion), "cache");
  WRONG(cc_source_lookup(cache, NULL, NULL, &data, &size), "digest");
  WRONG(cc_source_lookup(cache, NULL, digest, NULL, &size), "data");
  WRONG(cc_source_lookup(cache, NULL, digest, &data, NULL), "size");
  WRONG(cc_manifest_store(cache, NULL, NULL, 1, digest), "data");
  WRONG(cc_manifest_store(NULL, NULL, "", 1, digest), "cache");
  WRONG(cc_stats_get(cache, NULL), "stats");
  WRONG(cc_stats_get(NULL, &stats), "cache");
  WRONG(cc_layer_stats_get(cache, 0, NULL), "stats");
  WRONG(cc_layer_stats_get(cache, 1, &layer), "layer");
  cc_layer_health health = {sizeof health};
  WRONG(cc_layer_check(cache, 0, NULL), "health");
  WRONG(cc_layer_check(cache, 1, &health), "layer");
  WRONG(cc_layer_check(NULL, 0, &health), "cache");
  WRONG(cc_stats_json(cache, NULL), "text");
  WRONG(cc_stats_json(NULL, &text), "cache");
  WRONG(cc_stats_file_json(cache, NULL, &text), "path");
  WRONG(cc_config_json(cache, NULL), "text");
  WRONG(cc_stats_reset(NULL), "cache");
  WRONG(cc_trim(NULL, NULL, NULL, NULL), "cache");
  WRONG(cc_clear(NULL, NULL), "cache");
#undef WRONG
  assert_int_equal(cc_stats_file_json(cache, "/nowhere/at/all", &text), CC_E_IO);
  assert_contains(cc_last_error(), "/nowhere/at/all");
  assert_non_null(cc_invocation_uncacheable(NULL));
  assert_int_equal(cc_invocation_outputs(NULL, NULL), 0);
  assert_int_equal(cc_prefetch(cache, (cc_invocation *const[]){inv}, 1, NULL), 0);
  assert_int_equal(cc_prefetch(cache, NULL, 0, NULL), 0);
  assert_int_equal(cc_lookup_many(cache, NULL, 0), 0);
  assert_int_equal(cc_reap(cache, &completion), 0);
  cc_invocation_free(inv);
  cc_close(cache);
}

static void wrong_cwd(void **state) {
  (void)state;
  cc_cache *cache = open_disk();
  cc_invocation_options o = {sizeof o};
  o.cwd = "relative";
  cc_invocation *inv;
  assert_int_equal(cc_invocation_parse_line(cache, "gcc -c a.c", &o, &inv), CC_E_INVALID);
  assert_contains(cc_last_error(), "relative");
  cc_close(cache);
}

/* Another cache's invocation is refused before anything is looked at. */
static void other_cache(void **state) {
  (void)state;
  cc_cache *a = open_disk(), *b = open_disk();
  cc_invocation *inv = PARSE(a, "gcc", "-c", "a.c");
  cc_result r = {sizeof r};
  cc_task task = {sizeof task};
  cc_task_result done = {sizeof done};
  assert_int_equal(cc_lookup(b, inv, NULL, &r), CC_E_INVALID);
  assert_contains(cc_last_error(), "another cache");
  assert_int_equal(cc_store(b, inv, &r, NULL), CC_E_INVALID);
  assert_int_equal(cc_invocation_task(b, inv, &task), CC_E_INVALID);
  assert_int_equal(cc_invocation_task_done(b, inv, &done), CC_E_INVALID);
  cc_invocation_free(inv);
  cc_close(b);
  cc_close(a);
}

static void tenants(void **state) {
  (void)state;
  cc_cache *cache = open_disk();
  cc_invocation *inv = key_invocation(cache, "k", "out");
  cc_result r = {sizeof r};
  uint8_t digest[32], *data;
  uint64_t size;
  char longest[66];
  memset(longest, 'a', 64);
  longest[64] = '\0';
  static const char *const bad[] = {"", ".", "..", "-a", "_a", "A", "a/b", "a b", "a\n", "ä"};
  for (size_t i = 0; i < COUNT(bad); i++) {
    assert_int_equal(cc_lookup(cache, inv, bad[i], &r), CC_E_TENANT);
    assert_contains(cc_last_error(), "tenant");
    assert_int_equal(cc_store(cache, inv, &r, bad[i]), CC_E_TENANT);
    assert_int_equal(cc_lookup_async(cache, inv, bad[i], &r, 0), CC_E_TENANT);
    assert_int_equal(cc_prefetch(cache, &inv, 1, bad[i]), CC_E_TENANT);
    assert_int_equal(cc_source_store(cache, bad[i], "x", 1, digest), CC_E_TENANT);
    assert_int_equal(cc_manifest_lookup(cache, bad[i], digest, &data, &size), CC_E_TENANT);
    assert_int_equal(cc_clear(cache, bad[i]), CC_E_TENANT);
  }
  static const char *const good[] = {"a", "0", "team-1.x_y"};
  for (size_t i = 0; i < COUNT(good); i++) assert_int_equal(cc_lookup(cache, inv, good[i], &r), 0);
  assert_int_equal(cc_lookup(cache, inv, longest, &r), 0);
  strcat(longest, "a");
  assert_int_equal(cc_lookup(cache, inv, longest, &r), CC_E_TENANT);
  /* The store goes where the lookup looked. */
  assert_int_equal(cc_lookup(cache, inv, "a", &r), 0);
  cc_result_clear(&r);
  assert_int_equal(cc_store(cache, inv, &r, "b"), CC_E_STATE);
  cc_result_clear(&r);
  cc_invocation_free(inv);
  cc_close(cache);
}

/* ---- structs of other versions ------------------------------------------------------------------------------- */

static void short_structs(void **state) {
  (void)state;
  cc_cache *cache = open_disk();
  cc_stats stats;
  for (uint32_t size = 0; size < 8; size++) {
    memset(&stats, 0, sizeof stats);
    stats.struct_size = size;
    assert_int_equal(cc_stats_get(cache, &stats), CC_E_INVALID);
    assert_contains(cc_last_error(), "struct_size");
  }
  stats.struct_size = 65537;
  assert_int_equal(cc_stats_get(cache, &stats), CC_E_INVALID);
  /* Nothing is written behind what the caller has. */
  memset(&stats, 0x5a, sizeof stats);
  stats.struct_size = offsetof(cc_stats, hits);
  assert_int_equal(cc_stats_get(cache, &stats), 0);
  assert_int_equal(stats.struct_size, offsetof(cc_stats, hits));
  assert_int_equal(stats.layer_count, 1);
  assert_int_equal(stats.lookups, 0);
  for (size_t i = offsetof(cc_stats, hits); i < sizeof stats; i++) assert_int_equal(((unsigned char *)&stats)[i], 0x5a);

  cc_layer_stats layer;
  memset(&layer, 0x5a, sizeof layer);
  layer.struct_size = offsetof(cc_layer_stats, type);
  assert_int_equal(cc_layer_stats_get(cache, 0, &layer), 0);
  assert_string_equal(layer.name, "disk0");
  for (size_t i = offsetof(cc_layer_stats, type); i < sizeof layer; i++) assert_int_equal(((unsigned char *)&layer)[i], 0x5a);
  layer.struct_size = sizeof layer;
  assert_int_equal(cc_layer_stats_get(cache, 0, &layer), 0);
  assert_string_equal(layer.type, "disk");

  /* An older client's options: what they lack is zero. */
  cc_invocation_options o = {sizeof o};
  o.struct_size = offsetof(cc_invocation_options, env);
  o.cwd = "/tmp";
  o.env = (const char *const *)1;
  cc_invocation *inv;
  assert_int_equal(cc_invocation_parse_line(cache, "/usr/bin/gcc -c a.c", &o, &inv), 0);
  assert_null(cc_invocation_uncacheable(inv));

  cc_task task;
  memset(&task, 0x5a, sizeof task);
  task.struct_size = 12;
  assert_int_equal(cc_invocation_task(cache, inv, &task), 0);
  for (size_t i = 12; i < sizeof task; i++) assert_int_equal(((unsigned char *)&task)[i], 0x5a);

  /* A result is never shorter than its owner: what a lookup hands out must be freed. */
  cc_result r = {sizeof r};
  r.struct_size = offsetof(cc_result, owner);
  assert_int_equal(cc_lookup(cache, inv, NULL, &r), CC_E_INVALID);
  assert_contains(cc_last_error(), "owner");
  assert_int_equal(cc_lookup_async(cache, inv, NULL, &r, 0), CC_E_INVALID);
  cc_result_clear(&r); /* does nothing */
  /* One for a store may be, there is nothing to free. */
  r.struct_size = 16;
  assert_int_equal(cc_store(cache, inv, &r, NULL), CC_E_STATE);

  cc_completion c = {4};
  assert_int_equal(cc_reap(cache, &c), CC_E_INVALID);
  cc_open_options open = {4};
  cc_cache *none;
  assert_int_equal(cc_open(&open, &none), CC_E_INVALID);

  /* An older client that gives no limit means none of its own. */
  key_store(cache, "k", NULL, "bytes");
  cc_trim_options trim = {8};
  uint64_t entries = 99;
  assert_int_equal(cc_trim(cache, &trim, &entries, NULL), 0);
  assert_int_equal(entries, 0);
  assert_int_equal(key_lookup(cache, "k", NULL, "bytes"), 1);
  cc_invocation_free(inv);
  cc_close(cache);
}

static void long_structs(void **state) {
  (void)state;
  struct {
    cc_stats s;
    uint64_t more[4];
  } stats;
  struct {
    cc_result s;
    uint64_t more[4];
  } result;
  struct {
    cc_open_options s;
    uint64_t more[4];
  } options;
  memset(&options, 0, sizeof options);
  options.s.struct_size = sizeof options;
  options.s.flags = CC_OPEN_NO_ENV | CC_OPEN_NO_FILES;
  options.s.config_text = fmt("{\"layers\": [{\"type\": \"disk\", \"path\": \"%s/cache\"}]}", folder);
  cc_cache *cache;
  options.more[3] = 1;
  assert_int_equal(cc_open(&options.s, &cache), CC_E_INVALID);
  assert_contains(cc_last_error(), "options");
  assert_null(cache);
  options.more[3] = 0;
  assert_int_equal(cc_open(&options.s, &cache), 0);

  memset(&stats, 0, sizeof stats);
  stats.s.struct_size = sizeof stats;
  assert_int_equal(cc_stats_get(cache, &stats.s), 0);
  assert_int_equal(stats.s.struct_size, sizeof stats);
  assert_int_equal(stats.s.layer_count, 1);
  stats.more[0] = 1;
  assert_int_equal(cc_stats_get(cache, &stats.s), CC_E_INVALID);

  key_store(cache, "k", NULL, "bytes");
  cc_invocation *inv = key_invocation(cache, "k", "out");
  memset(&result, 0, sizeof result);
  result.s.struct_size = sizeof result;
  assert_int_equal(cc_lookup(cache, inv, NULL, &result.s), 1);
  assert_int_equal(cc_lookup(cache, inv, NULL, &result.s), 1); /* clears the first */
  cc_result_clear(&result.s);
  assert_int_equal(result.s.struct_size, sizeof result);
  assert_null(result.s.owner);
  result.more[1] = 1;
  assert_int_equal(cc_lookup(cache, inv, NULL, &result.s), CC_E_INVALID);
  assert_int_equal(cc_store(cache, inv, &result.s, NULL), CC_E_INVALID);
  cc_invocation_free(inv);
  cc_close(cache);
}

/* ---- compiles ------------------------------------------------------------------------------------------------ */

#define SOURCE                                       \
  "#include \"a.h\"\n"                               \
  "int f(int x) {\n  int unused;\n  return x + A;\n}\n"
static void write_sources(void) {
  write_text(in_folder("a.c"), SOURCE);
  write_text(in_folder("a.h"), "#pragma once\n#define A 1\n");
}

/* Everything that the command leaves is the same after a hit as after the plain command. */
static void loop(const char *compiler) {
  if (!have_program(compiler)) skip();
  write_sources();
  const char *argv[] = {compiler, "-Wall", "-O1", "-MD", "-MF", "a.d", "-c", "a.c", "-o", "a.o", NULL};
  ran plain = run_words(argv, plain_env(), folder);
  assert_int_equal(plain.status, 0);
  assert_contains(plain.err.data, "unused");
  bytes object = read_bytes(in_folder("a.o")), deps = read_bytes(in_folder("a.d"));
  remove(in_folder("a.o")), remove(in_folder("a.d"));

  cc_cache *cache = open_disk();
  cc_invocation *inv = parse_words(cache, argv);
  assert_null(cc_invocation_uncacheable(inv));
  const cc_output *outputs;
  assert_int_equal(cc_invocation_outputs(inv, &outputs), 2);
  assert_string_equal(outputs[0].role, "object");
  assert_string_equal(outputs[0].path, "a.o");
  assert_string_equal(outputs[1].role, "depfile");
  assert_string_equal(outputs[1].path, "a.d");
  turn t = build(cache, inv, NULL);
  assert_true(t.tasks > 0);
  assert_int_equal(t.err.size, plain.err.size);
  assert_memory_equal(t.err.data, plain.err.data, plain.err.size);
  assert_stored(t);
  assert_same_file(in_folder("a.o"), &object);
  assert_same_file(in_folder("a.d"), &deps);
  /* The same invocation again, then one of a cache that was opened later and has no compiler to ask. */
  for (int i = 0; i < 2; i++) {
    remove(in_folder("a.o")), remove(in_folder("a.d"));
    t = build(cache, inv, NULL);
    assert_true(t.hit);
    assert_int_equal(t.tasks, 0);
    assert_int_equal(t.exit_status, 0);
    assert_int_equal(t.out.size, 0);
    assert_int_equal(t.err.size, plain.err.size);
    assert_memory_equal(t.err.data, plain.err.data, plain.err.size);
    turn_free(&t);
    assert_same_file(in_folder("a.o"), &object);
    assert_same_file(in_folder("a.d"), &deps);
    cc_invocation_free(inv);
    cc_close(cache);
    cache = open_disk();
    inv = parse_words(cache, argv);
  }

  cc_result r = {sizeof r};
  remove(in_folder("a.o")), remove(in_folder("a.d"));
  r.flags = CC_RESULT_NO_DELIVERY;
  assert_int_equal(cc_lookup(cache, inv, NULL, &r), 1);
  assert_int_equal(r.output_count, 0);
  assert_int_equal(r.stderr_size, plain.err.size);
  assert_false(exists(in_folder("a.o")));
  r.flags |= CC_RESULT_KEEP;
  assert_int_equal(cc_lookup(cache, inv, NULL, &r), 1);
  assert_int_equal(r.output_count, 2);
  for (int i = 0; i < 2; i++) {
    const cc_output *o = &r.outputs[i];
    const bytes *want = strcmp(o->role, "object") == 0 ? &object : &deps;
    assert_string_equal(o->path, want == &object ? "a.o" : "a.d");
    assert_int_equal(o->size, want->size);
    assert_memory_equal(o->data, want->data, want->size);
    assert_int_equal(o->mode, 0);
  }
  assert_false(exists(in_folder("a.o")));
  assert_false(exists(in_folder("a.d")));
  cc_result_clear(&r);
  assert_null(r.owner);
  assert_null(r.outputs);
  assert_int_equal(r.flags, CC_RESULT_NO_DELIVERY | CC_RESULT_KEEP);
  r.flags = CC_RESULT_KEEP;
  assert_int_equal(cc_lookup(cache, inv, NULL, &r), 1);
  assert_int_equal(r.output_count, 2);
  assert_same_file(in_folder("a.o"), &object);
  cc_result_clear(&r);
  remove(in_folder("a.o")), remove(in_folder("a.d"));
  r.flags = CC_RESULT_KEEP_DEPFILE;
  assert_int_equal(cc_lookup(cache, inv, NULL, &r), 1);
  assert_int_equal(r.output_count, 1);
  assert_string_equal(r.outputs[0].role, "depfile");
  assert_int_equal(r.outputs[0].size, deps.size);
  assert_memory_equal(r.outputs[0].data, deps.data, deps.size);
  assert_same_file(in_folder("a.o"), &object);
  assert_false(exists(in_folder("a.d")));
  cc_result_clear(&r);

  /* Who takes no streams is not served what has some; who has none to lose is. */
  remove(in_folder("a.o"));
  assert_int_equal(cc_lookup(cache, inv, NULL, NULL), 0);
  assert_false(exists(in_folder("a.o")));
  cc_invocation_free(inv);
  assert_stored(BUILD(cache, compiler, "-c", "a.c", "-o", "b.o"));
  remove(in_folder("b.o"));
  inv = PARSE(cache, compiler, "-c", "a.c", "-o", "b.o");
  assert_int_equal(cc_lookup(cache, inv, NULL, NULL), 1);
  assert_true(exists(in_folder("b.o")));
  cc_invocation_free(inv);

  /* A task of its own is the compile itself; hit or not, the numbers add up. */
  cc_stats s = {sizeof s};
  assert_int_equal(cc_stats_get(cache, &s), 0);
  assert_int_equal(s.hits + s.misses + s.uncacheable, s.lookups);
  assert_int_equal(s.stores, 1);
  assert_int_equal(s.errors, 0);

  /* A header's change is seen, and the change back is a hit again. */
  write_text(in_folder("a.h"), "#define A 2\n");
  assert_stored(build_words(cache, argv));
  write_text(in_folder("a.h"), "#pragma once\n#define A 1\n");
  assert_hit(build_words(cache, argv));
  assert_same_file(in_folder("a.o"), &object);
  cc_close(cache);
  bytes_free(&object), bytes_free(&deps);
  ran_free(&plain);
}
static void loop_gcc(void **state) {
  (void)state;
  loop("gcc");
}
static void loop_clang(void **state) {
  (void)state;
  loop("clang");
}

/* A compile that fails is not stored, and fails again. */
static void failed_compile(void **state) {
  (void)state;
  write_text(in_folder("bad.c"), "int f( {\n");
  cc_cache *cache = open_disk();
  for (int i = 0; i < 2; i++) {
    turn t = BUILD(cache, "gcc", "-c", "bad.c");
    assert_false(t.hit);
    assert_int_equal(t.exit_status, 1);
    assert_int_equal(t.stored, CC_E_UNCACHEABLE);
    assert_contains(cc_last_error(), "failed");
    turn_free(&t);
  }
  assert_int_equal(count_files(in_folder("cache"), "entry"), 0);
  cc_close(cache);
}

/* What a store must have: a lookup before it, the outputs, and no change meanwhile. */
static void refused_stores(void **state) {
  (void)state;
  write_sources();
  cc_cache *cache = open_disk();
  assert_stored(BUILD(cache, "gcc", "-c", "a.c", "-o", "first.o")); /* the compiler is known from here on */
  cc_result r = {sizeof r};
  cc_task task;
  int tasks = 0;
  cc_invocation *inv = PARSE(cache, "gcc", "-O1", "-c", "a.c", "-o", "never.o");
  assert_int_equal(cc_store(cache, inv, &r, NULL), CC_E_STATE);
  assert_int_equal(look(cache, inv, NULL, &r, &task, &tasks), 0);
  cc_result_clear(&r);
  assert_int_equal(cc_store(cache, inv, &r, NULL), CC_E_UNCACHEABLE);
  assert_contains(cc_last_error(), "never.o");
  assert_contains(cc_invocation_uncacheable(inv), "never.o");
  cc_invocation_free(inv);

  inv = PARSE(cache, "gcc", "-O1", "-c", "a.c", "-o", "cut.o");
  assert_int_equal(look(cache, inv, NULL, &r, &task, &tasks), 0);
  cc_result_clear(&r);
  write_text(in_folder("cut.o"), "");
  assert_int_equal(cc_store(cache, inv, &r, NULL), CC_E_UNCACHEABLE);
  assert_contains(cc_last_error(), "cut.o");
  cc_invocation_free(inv);

  inv = PARSE(cache, "gcc", "-O1", "-c", "a.c", "-o", "changed.o");
  assert_int_equal(look(cache, inv, NULL, &r, &task, &tasks), 0);
  cc_result_clear(&r);
  ran run = run_words((const char *const[]){"gcc", "-O1", "-c", "a.c", "-o", "changed.o", NULL}, plain_env(), folder);
  assert_int_equal(run.status, 0);
  ran_free(&run);
  write_text(in_folder("a.h"), "#define A 3\n");
  assert_int_equal(cc_store(cache, inv, &r, NULL), CC_E_UNCACHEABLE);
  assert_contains(cc_last_error(), "a.h");
  cc_invocation_free(inv);
  assert_int_equal(count_files(in_folder("cache"), "entry"), 1);
  cc_close(cache);
}

/* A host that runs the plain command and no task: never a wrong entry. */
static void host_without_tasks(void **state) {
  (void)state;
  write_sources();
  cc_cache *cache = open_disk();
  cc_result r = {sizeof r};
  for (int i = 0; i < 2; i++) {
    cc_invocation *inv = PARSE(cache, "gcc", "-c", "a.c");
    assert_int_equal(cc_lookup(cache, inv, NULL, &r), 0);
    assert_contains(r.reason, "prob");
    cc_result_clear(&r);
    ran run = run_words((const char *const[]){"gcc", "-c", "a.c", NULL}, plain_env(), folder);
    ran_free(&run);
    assert_true(cc_store(cache, inv, &r, NULL) < 0);
    cc_invocation_free(inv);
  }
  assert_stored(BUILD(cache, "gcc", "-c", "a.c"));
  cc_close(cache);
}

static void parse_forms(void **state) {
  (void)state;
  write_sources();
  mkdir(in_folder("sub dir"), 0777);
  cc_cache *cache = open_disk();
  cc_invocation_options o = {sizeof o};
  o.cwd = folder;
  o.env = plain_env();
  assert_stored(BUILD(cache, "gcc", "-DX=a b", "-c", "a.c", "-o", "out.o"));
  cc_invocation *inv;
  static const char words[] = "gcc\0-DX=a b\0-c\0a.c\0-o\0out.o";
  assert_int_equal(cc_invocation_parse_nul(cache, words, sizeof words, &o, &inv), 0);
  turn t = build(cache, inv, NULL);
  assert_hit(t);
  cc_invocation_free(inv);
  assert_int_equal(cc_invocation_parse_line(cache, "gcc -D'X=a b' -c \"a.c\" -o out\\.o", &o, &inv), 0);
  assert_hit(build(cache, inv, NULL));
  cc_invocation_free(inv);
  /* `cd` and a variable in front are the command's, and show in what is to be run. */
  o.cwd = "/";
  assert_int_equal(cc_invocation_parse_line(cache, fmt("cd %s && LC_ALL=C gcc -D'X=a b' -c a.c -o out.o", folder), &o, &inv), 0);
  assert_null(cc_invocation_uncacheable(inv));
  cc_task task = {sizeof task};
  assert_int_equal(cc_invocation_task(cache, inv, &task), 0);
  assert_string_equal(task.cwd, folder);
  assert_hit(build(cache, inv, NULL));
  cc_invocation_free(inv);
  cc_close(cache);
}

/* What a shell line sets in front must reach the commands that are handed out to run. */
static void line_environment(void **state) {
  (void)state;
  write_text(in_folder("env.c"), "#include <only.h>\nint f(void) { return ONLY; }\n");
  mkdir(in_folder("include"), 0777);
  write_text(in_folder("include/only.h"), "#define ONLY 1\n");
  cc_cache *cache = open_disk();
  cc_invocation_options o = {sizeof o};
  o.cwd = folder;
  o.env = plain_env();
  cc_invocation *inv;
  assert_int_equal(cc_invocation_parse_line(cache, fmt("CPATH=%s/include gcc -c env.c", folder), &o, &inv), 0);
  turn t = build(cache, inv, NULL);
  assert_int_equal(t.exit_status, 0);
  assert_stored(t);
  cc_invocation_free(inv);
  cc_close(cache);
}

static void parts(void **state) {
  (void)state;
  write_sources();
  write_text(in_folder("b.c"), "int b;\n");
  cc_cache *cache = open_disk();
  const char *const *words = (const char *const *)cache;
  assert_int_equal(cc_invocation_part(NULL, 0, &words), 0);
  assert_null(words);
  cc_invocation *inv = PARSE(cache, "gcc", "-O1", "-c", "a.c", "-MD", "b.c");
  assert_int_equal(cc_invocation_part(inv, 0, NULL), 2);
  assert_string_equal(cc_invocation_uncacheable(inv), "several sources");
  static const char *const sources[] = {"a.c", "b.c"}, *const objects[] = {"a.o", "b.o"};
  for (size_t i = 0; i < 2; i++) {
    assert_int_equal(cc_invocation_part(inv, i, &words), 2);
    assert_string_equal(words[0], "gcc");
    assert_string_equal(words[i == 0 ? 3 : 4], sources[i]);
    assert_string_equal(words[i == 0 ? 4 : 3], "-MD");
    assert_null(words[5]);
    cc_invocation *one = parse_words(cache, (const char **)words);
    assert_null(cc_invocation_uncacheable(one));
    const cc_output *outputs;
    assert_int_equal(cc_invocation_outputs(one, &outputs), 2);
    assert_string_equal(outputs[0].path, objects[i]);
    assert_int_equal(cc_invocation_part(one, 0, &words), 0);
    cc_invocation_free(one);
  }
  assert_int_equal(cc_invocation_part(inv, 2, &words), 2);
  assert_null(words);
  cc_invocation_free(inv);
  inv = PARSE(cache, "gcc", "-c", "a.c", "b.c", "-o", "x.o");
  assert_int_equal(cc_invocation_part(inv, 0, &words), 0);
  assert_null(words);
  cc_invocation_free(inv);
  cc_close(cache);
}

static void uncacheable_reasons(void **state) {
  (void)state;
  write_sources();
  cc_cache *cache = open_disk();
  static const struct {
    const char *line, *reason;
  } cases[] = {
      {"", "no command"},
      {"gcc -c a.c > log", ">"},
      {"gcc -c a.c; rm a.c", ";"},
      {"gcc -c $FILE", "$"},
      {"gcc -c *.c", "*"},
      {"gcc 'a.c", ""},
      {"gcc a.c -o prog", ""},
      {"gcc -E a.c", "-E"},
      {"gcc -c a.c b.c", ""},
      {"gcc -c a.c -fno-such-option-at-all", "-fno-such-option-at-all"},
      {"gcc -c a.c -o /dev/null", "/dev/null"},
      {"gcc -c a.c -save-temps", "-save-temps"},
      {"DEPENDENCIES_OUTPUT=x gcc -c a.c", "DEPENDENCIES_OUTPUT"},
      {"no-such-compiler-here -c a.c", "no-such-compiler-here"},
      {"gcc -c a.c @no-such-file", "no-such-file"},
      {"ls -l", ""},
  };
  cc_invocation_options o = {sizeof o};
  o.cwd = folder;
  o.env = plain_env();
  for (size_t i = 0; i < COUNT(cases); i++) {
    cc_invocation *inv;
    assert_int_equal(cc_invocation_parse_line(cache, cases[i].line, &o, &inv), 0);
    const char *why = cc_invocation_uncacheable(inv);
    if (!why) fail_msg("cacheable: %s", cases[i].line);
    if (!strstr(why, cases[i].reason)) fail_msg("%s: \"%s\" does not name %s", cases[i].line, why, cases[i].reason);
    cc_result r = {sizeof r};
    assert_int_equal(cc_lookup(cache, inv, NULL, &r), 0);
    assert_string_equal(r.reason, why);
    cc_result_clear(&r);
    cc_task task = {sizeof task};
    assert_int_equal(cc_invocation_task(cache, inv, &task), 0);
    assert_int_equal(task.kind, CC_TASK_COMPILE);
    assert_int_equal(cc_store(cache, inv, &r, NULL), CC_E_UNCACHEABLE);
    assert_string_equal(cc_last_error(), why);
    cc_invocation_free(inv);
  }
  /* Empty argv is a command too. */
  cc_invocation *inv;
  assert_int_equal(cc_invocation_parse_argv(cache, 0, NULL, &o, &inv), 0);
  assert_non_null(cc_invocation_uncacheable(inv));
  assert_int_equal(cc_invocation_outputs(inv, NULL), 0);
  cc_invocation_free(inv);
  assert_int_equal(cc_invocation_parse_nul(cache, NULL, 0, &o, &inv), 0);
  assert_non_null(cc_invocation_uncacheable(inv));
  cc_invocation_free(inv);
  /* A source that is not there is known by the lookup only. */
  assert_stored(BUILD(cache, "gcc", "-c", "a.c"));
  inv = PARSE(cache, "gcc", "-c", "missing.c");
  assert_null(cc_invocation_uncacheable(inv));
  cc_result r = {sizeof r};
  assert_int_equal(cc_lookup(cache, inv, NULL, &r), 0);
  assert_contains(r.reason, "missing.c");
  assert_contains(cc_invocation_uncacheable(inv), "missing.c");
  cc_result_clear(&r);
  cc_invocation_free(inv);
  cc_close(cache);
}

/* __TIME__ in a source, a header that was looked for in vain and then appears. */
static void traps(void **state) {
  (void)state;
  cc_cache *cache = open_disk();
  write_text(in_folder("time.c"), "const char *t = __TIME__;\n");
  turn t = BUILD(cache, "gcc", "-c", "time.c");
  assert_int_equal(t.stored, CC_E_UNCACHEABLE);
  assert_contains(cc_last_error(), "__TIME__");
  turn_free(&t);

  mkdir(in_folder("early"), 0777);
  mkdir(in_folder("late"), 0777);
  write_text(in_folder("late/x.h"), "#define X 1\n");
  write_text(in_folder("x.c"), "#include <x.h>\nint x = X;\n");
  assert_stored(BUILD(cache, "gcc", "-Iearly", "-Ilate", "-c", "x.c"));
  bytes one = read_bytes(in_folder("x.o"));
  assert_hit(BUILD(cache, "gcc", "-Iearly", "-Ilate", "-c", "x.c"));
  write_text(in_folder("early/x.h"), "#define X 2\n");
  assert_stored(BUILD(cache, "gcc", "-Iearly", "-Ilate", "-c", "x.c"));
  bytes two = read_bytes(in_folder("x.o"));
  assert_true(one.size != two.size || memcmp(one.data, two.data, one.size) != 0);
  remove(in_folder("early/x.h"));
  assert_hit(BUILD(cache, "gcc", "-Iearly", "-Ilate", "-c", "x.c"));
  assert_same_file(in_folder("x.o"), &one);
  bytes_free(&one), bytes_free(&two);
  cc_close(cache);
}

/* A damaged entry is a miss: nothing of the user's is touched, the entry goes. */
static void damaged_entry(void **state) {
  (void)state;
  write_sources();
  cc_cache *cache = open_disk();
  assert_stored(BUILD(cache, "gcc", "-c", "a.c"));
  write_text(in_folder("a.o"), "mine");
  flip_byte(find_file(in_folder("cache/compile"), "entry"), 200);
  cc_invocation *inv = PARSE(cache, "gcc", "-c", "a.c");
  cc_result r = {sizeof r};
  assert_int_equal(cc_lookup(cache, inv, NULL, &r), 0);
  cc_result_clear(&r);
  assert_file(in_folder("a.o"), "mine");
  assert_int_equal(count_files(in_folder("cache/compile"), "entry"), 0);
  cc_stats s = {sizeof s};
  cc_stats_get(cache, &s);
  assert_int_equal(s.errors, 1);
  assert_stored(build(cache, inv, NULL));
  cc_invocation_free(inv);
  assert_hit(BUILD(cache, "gcc", "-c", "a.c"));
  cc_close(cache);
}

/* An output that can't be written: a miss that touches nothing else. */
static void undeliverable(void **state) {
  (void)state;
  write_sources();
  cc_cache *cache = open_disk();
  mkdir(in_folder("out"), 0777);
  assert_stored(BUILD(cache, "gcc", "-c", "a.c", "-o", "out/a.o"));
  remove(in_folder("out/a.o"));
  mkdir(in_folder("out/a.o"), 0777);
  cc_invocation *inv = PARSE(cache, "gcc", "-c", "a.c", "-o", "out/a.o");
  cc_result r = {sizeof r};
  assert_int_equal(cc_lookup(cache, inv, NULL, &r), 0);
  assert_contains(r.reason, "out/a.o");
  cc_result_clear(&r);
  /* The host did nothing wrong: its compile is not stored again, and it is told so as of any other that is not. */
  assert_int_equal(cc_store(cache, inv, &r, NULL), CC_E_UNCACHEABLE);
  assert_contains(cc_last_error(), "out/a.o");
  assert_contains(cc_invocation_uncacheable(inv), "out/a.o");
  cc_invocation_free(inv);
  cc_close(cache);
}

static void merged_streams(void **state) {
  (void)state;
  write_sources();
  cc_cache *cache = open_disk();
  turn t = BUILD(cache, "gcc", "-Wall", "-c", "a.c");
  bytes warning = t.err;
  assert_int_equal(t.stored, 0);
  const char *argv[] = {"gcc", "-Wall", "-c", "a.c"};
  cc_invocation_options o = {sizeof o};
  o.cwd = folder;
  o.env = plain_env();
  o.flags = CC_INV_MERGED;
  cc_invocation *inv;
  assert_int_equal(cc_invocation_parse_argv(cache, 4, argv, &o, &inv), 0);
  cc_result r = {sizeof r};
  assert_int_equal(cc_lookup(cache, inv, NULL, &r), 1);
  assert_int_equal(r.stderr_size, 0);
  assert_bytes(r.stdout_data, r.stdout_size, warning.data);
  cc_result_clear(&r);
  cc_invocation_free(inv);
  bytes_free(&t.out), bytes_free(&t.err);
  cc_close(cache);
}

static void many(void **state) {
  (void)state;
  write_sources();
  cc_cache *cache = open_disk();
  assert_stored(BUILD(cache, "gcc", "-c", "a.c", "-o", "0.o"));
  cc_result r[5];
  cc_request q[5];
  for (int i = 0; i < 5; i++) {
    r[i] = (cc_result){sizeof r[i]};
    q[i] = (cc_request){PARSE(cache, "gcc", "-c", "a.c", "-o", fmt("%d.o", i)), NULL, &r[i], 77, 0};
  }
  cc_invocation *kept = q[2].inv;
  q[1].tenant = "NO";
  q[2].inv = NULL;
  q[3].result = NULL;
  r[4].struct_size = 3;
  assert_int_equal(cc_lookup_many(cache, q, 5), 2);
  assert_int_equal(q[0].status, 1);
  assert_int_equal(q[1].status, CC_E_TENANT);
  assert_int_equal(q[2].status, CC_E_INVALID);
  assert_int_equal(q[3].status, 1);
  assert_int_equal(q[4].status, CC_E_INVALID);
  assert_true(exists(in_folder("3.o")));
  q[2].inv = kept;
  cc_cancel(cache);
  assert_int_equal(cc_lookup_many(cache, q, 4), 0);
  assert_int_equal(q[0].status, CC_E_CANCELLED);
  assert_int_equal(q[3].status, CC_E_CANCELLED);
  cc_resume(cache);
  assert_int_equal(cc_lookup_many(cache, q, 1), 1);
  for (int i = 0; i < 5; i++) {
    if (i < 4) cc_result_clear(&r[i]);
    cc_invocation_free(q[i].inv);
  }
  cc_close(cache);
}

static void count_progress(void *user, uint64_t done, uint64_t total) {
  uint64_t *seen = user;
  assert_true(done > seen[0] && done <= total);
  seen[0] = done;
  seen[1] = total;
}

static void upkeep(void **state) {
  (void)state;
  cc_cache *cache = open_disk();
  key_store(cache, "1", "a", "one");
  key_store(cache, "2", "b", "two");
  assert_int_equal(cc_clear(cache, "a"), 0);
  assert_int_equal(key_lookup(cache, "1", "a", "one"), 0);
  assert_int_equal(key_lookup(cache, "2", "b", "two"), 1);
  uint64_t entries = 0, size = 0;
  cc_trim_options trim = {sizeof trim};
  assert_int_equal(cc_trim(cache, &trim, &entries, &size), 0);
  assert_int_equal(entries, 1);
  assert_true(size > 0);
  assert_int_equal(key_lookup(cache, "2", "b", "two"), 0);
  key_store(cache, "2", "b", "two");
  uint64_t seen[2] = {0, 0};
  trim = (cc_trim_options){sizeof trim, 0, UINT64_MAX, 0, count_progress, seen};
  assert_int_equal(cc_trim(cache, &trim, &entries, NULL), 0);
  assert_int_equal(entries, 0);
  assert_int_equal(seen[0], 1);
  assert_int_equal(seen[1], 1);
  assert_int_equal(cc_trim(cache, NULL, NULL, NULL), 0);
  assert_int_equal(key_lookup(cache, "2", "b", "two"), 1);
  assert_int_equal(cc_clear(cache, NULL), 0);
  assert_int_equal(key_lookup(cache, "2", "b", "two"), 0);

  cc_layer_health health = {sizeof health};
  assert_int_equal(cc_layer_check(cache, 0, &health), 0);
  assert_int_equal(health.flags, 0);
  cc_layer_stats layer = {sizeof layer};
  assert_int_equal(cc_layer_stats_get(cache, 0, &layer), 0);
  const uint64_t misses = layer.misses;
  assert_int_equal(cc_layer_check(cache, 0, &health), 0);
  assert_int_equal(cc_layer_stats_get(cache, 0, &layer), 0);
  assert_int_equal(layer.misses, misses);

  char *text;
  assert_int_equal(cc_flush(cache, CC_TIMEOUT_DEFAULT), 0);
  assert_int_equal(cc_stats_json(cache, &text), 0);
  assert_contains(text, "\"stores\":3");
  cc_free(text);
  assert_int_equal(cc_stats_reset(cache), 0);
  assert_int_equal(cc_stats_json(cache, &text), 0);
  assert_contains(text, "\"stores\":0");
  cc_free(text);
  cc_close(cache);
}

/* The table holds the functions themselves. */
static void backend(void **state) {
  (void)state;
  assert_null(cc_backend_get(0));
  assert_null(cc_backend_get(2));
  const cc_backend *b = cc_backend_get(1);
  assert_non_null(b);
  assert_int_equal(b->struct_size, sizeof *b);
  assert_int_equal(b->version, 1);
  const void *const *f = (const void *const *)&b->open;
  for (size_t i = 0; i < (sizeof *b - offsetof(cc_backend, open)) / sizeof(void *); i++) assert_non_null(f[i]);
  assert_true(b->open == cc_open && b->close == cc_close && b->flush == cc_flush && b->cancel == cc_cancel && b->resume == cc_resume);
  assert_true(b->parse_argv == cc_invocation_parse_argv && b->parse_line == cc_invocation_parse_line && b->from_key == cc_invocation_from_key);
  assert_true(b->invocation_free == cc_invocation_free && b->uncacheable == cc_invocation_uncacheable && b->outputs == cc_invocation_outputs);
  assert_true(b->task == cc_invocation_task && b->task_done == cc_invocation_task_done && b->lookup == cc_lookup && b->store == cc_store);
  assert_true(b->result_clear == cc_result_clear && b->lookup_many == cc_lookup_many && b->prefetch == cc_prefetch);
  assert_true(b->session_begin == cc_session_begin && b->session_changed == cc_session_changed && b->session_end == cc_session_end);
  assert_true(b->lookup_async == cc_lookup_async && b->store_async == cc_store_async && b->async_fd == cc_async_fd && b->reap == cc_reap);
  assert_true(b->stats_get == cc_stats_get && b->layer_stats_get == cc_layer_stats_get && b->last_error == cc_last_error);
  assert_true(b->session_outdated == cc_session_outdated);
}

/* A header is written while a session runs: it says which hits were served from the old one, also when it was looked at again in between. */
static void outdated_hits(void **state) {
  (void)state;
  cc_cache *cache = open_disk();
  const char *const *names = NULL;
  for (int again = 0; again < 2; again++) {
    write_text(in_folder("x.h"), "int x;\n");
    write_text(in_folder("a.c"), "#include \"x.h\"\n");
    write_text(in_folder("b.c"), "#include \"x.h\"\nint b;\n");
    write_text(in_folder("c.c"), "int c;\n");
    for (const char *name = "abc"; *name; name++) {
      turn t = BUILD(cache, "gcc", "-c", fmt("%c.c", *name), "-o", fmt("%c.o", *name));
      turn_free(&t);
    }
    assert_int_equal(cc_session_begin(cache), 0);
    assert_hit(BUILD(cache, "gcc", "-c", "a.c", "-o", "a.o"));
    assert_hit(BUILD(cache, "gcc", "-c", "c.c", "-o", "c.o"));
    if (!again) assert_hit(BUILD(cache, "gcc", "-c", "b.c", "-o", "b.o"));
    write_text(in_folder("x.h"), "int x, y;\n");
    if (again) {
      assert_int_equal(cc_session_changed(cache, NULL), 0);
      turn t = BUILD(cache, "gcc", "-c", "b.c", "-o", "b.o");
      assert_false(t.hit);
      turn_free(&t);
    }
    assert_int_equal(cc_session_end(cache), again ? 1 : 2);
    assert_int_equal(cc_session_outdated(cache, &names), again ? 1 : 2);
    assert_string_equal(names[0], in_folder("a.o"));
    if (!again) assert_string_equal(names[1], in_folder("b.o"));
  }
  assert_int_equal(cc_session_begin(cache), 0);
  assert_hit(BUILD(cache, "gcc", "-c", "c.c", "-o", "c.o"));
  assert_int_equal(cc_session_end(cache), 0);
  assert_int_equal(cc_session_outdated(cache, &names), 0);
  cc_close(cache);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(versions),       TEST(nothing_is_freed),   TEST(open_fails),     TEST(open_without_layers), TEST(open_reads_no_environment),
      TEST(open_is_cheap),  TEST(log_callback),       TEST(null_arguments), TEST(wrong_cwd),           TEST(other_cache),
      TEST(tenants),        TEST(short_structs),      TEST(long_structs),   TEST(loop_gcc),            TEST(loop_clang),
      TEST(failed_compile), TEST(refused_stores),     TEST(host_without_tasks), TEST(parse_forms),     TEST(line_environment),
      TEST(parts), TEST(uncacheable_reasons), TEST(traps),         TEST(damaged_entry),  TEST(undeliverable),       TEST(merged_streams),
      TEST(many),           TEST(upkeep),             TEST(backend),
      TEST(outdated_hits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

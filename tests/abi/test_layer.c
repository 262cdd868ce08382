/* Layers that the host brings, and chains of several layers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "memory_layer.h"

static char *disk(const char *name, const char *more) {
  return fmt("{\"type\": \"disk\", \"name\": \"%s\", \"path\": \"%s/%s\"%s}", name, folder, name, more);
}

static void placed(void **state) {
  (void)state;
  memory a, b;
  memory_init(&a), memory_init(&b);
  const cc_host_layer hosts[] = {{"one", &memory_ops, &a, 0, 0}, {"two", &memory_ops, &b, CC_HOST_LAYER_LOCAL, 0}};
  /* One where the configuration says, the other at the end. */
  cc_cache *cache = open_hosts(fmt("{\"type\": \"host\", \"name\": \"two\"}, %s", disk("disk", "")), hosts, 2);
  cc_stats s = {sizeof s};
  assert_int_equal(cc_stats_get(cache, &s), 0);
  assert_int_equal(s.layer_count, 3);
  assert_string_equal(layer_stats(cache, 0).name, "two");
  assert_string_equal(layer_stats(cache, 0).type, "host");
  assert_string_equal(layer_stats(cache, 1).name, "disk");
  assert_string_equal(layer_stats(cache, 1).type, "disk");
  assert_string_equal(layer_stats(cache, 2).name, "one");
  cc_layer_stats l = {sizeof l};
  assert_int_equal(cc_layer_stats_get(cache, 3, &l), CC_E_INVALID);
  key_store(cache, "k", NULL, "bytes");
  assert_int_equal(a.puts, 1);
  assert_int_equal(b.puts, 1);
  cc_close(cache);
  assert_int_equal(a.closes, 1);
  assert_int_equal(b.closes, 1);

  /* No configuration at all: the host's alone. */
  cc_open_options o = {sizeof o};
  o.flags = CC_OPEN_NO_ENV | CC_OPEN_NO_FILES;
  o.host_layers = hosts;
  o.host_layer_count = 1;
  assert_int_equal(cc_open(&o, &cache), 0);
  assert_int_equal(cc_stats_get(cache, &s), 0);
  assert_int_equal(s.layer_count, 1);
  assert_int_equal(key_lookup(cache, "k", NULL, "bytes"), 1);
  cc_close(cache);
  memory_free(&a), memory_free(&b);
}

/* A cc_open that fails has taken no layer: none is closed. */
static void wrong_tables(void **state) {
  (void)state;
  memory m;
  memory_init(&m);
  cc_layer_ops no_get = memory_ops, version = memory_ops, size = memory_ops;
  no_get.get = NULL;
  version.version = 2;
  size.struct_size = offsetof(cc_layer_ops, get);
  const cc_host_layer wrong[] = {
      {"x", &no_get, &m, 0, 0}, {"x", &version, &m, 0, 0},     {"x", &size, &m, 0, 0},        {"x", NULL, &m, 0, 0},
      {"", &memory_ops, &m, 0, 0}, {NULL, &memory_ops, &m, 0, 0}, {"a:b", &memory_ops, &m, 0, 0},
  };
  for (size_t i = 0; i < COUNT(wrong); i++) {
    cc_host_layer both[] = {{"fine", &memory_ops, &m, 0, 0}, wrong[i]};
    cc_open_options o = {sizeof o};
    o.flags = CC_OPEN_NO_ENV | CC_OPEN_NO_FILES;
    o.host_layers = both;
    o.host_layer_count = 2;
    cc_cache *cache;
    assert_int_equal(cc_open(&o, &cache), CC_E_INVALID);
    assert_contains(cc_last_error(), "host_layers");
    assert_null(cache);
    o.host_layers = NULL;
    assert_int_equal(cc_open(&o, &cache), CC_E_INVALID);
  }
  assert_int_equal(m.closes, 0);

  /* An older host's table ends behind `put`. */
  cc_layer_ops old = memory_ops;
  old.struct_size = offsetof(cc_layer_ops, remove);
  memset(&old.remove, 1, sizeof old - offsetof(cc_layer_ops, remove));
  cc_host_layer h = {"old", &old, &m, CC_HOST_LAYER_LOCAL, 0};
  cc_cache *cache = open_hosts("", &h, 1);
  key_store(cache, "k", NULL, "bytes");
  m.fault = FAULT_GARBAGE;
  assert_int_equal(key_lookup(cache, "k", NULL, "bytes"), 0);
  m.fault = FAULT_NONE;
  assert_int_equal(key_lookup(cache, "k", NULL, "bytes"), 1);
  cc_close(cache);
  assert_int_equal(m.closes, 0);
  assert_int_equal(m.removes, 0);
  memory_free(&m);
}

static void promoted(void **state) {
  (void)state;
  memory m;
  memory_init(&m);
  write_text(in_folder("a.h"), "#define A 1\n");
  write_text(in_folder("a.c"), "#include \"a.h\"\nint a = A;\n");
  cc_cache *cache = open_memory("", &m, 0);
  assert_stored(BUILD(cache, "gcc", "-c", "a.c"));
  assert_int_equal(m.puts, 2); /* entry and record */
  cc_close(cache);
  bytes object = read_bytes(in_folder("a.o"));
  remove(in_folder("a.o"));

  cache = open_memory(disk("first", ""), &m, 0);
  cc_invocation *inv = PARSE(cache, "gcc", "-c", "a.c");
  cc_result r = {sizeof r};
  cc_task task;
  int tasks = 0;
  assert_int_equal(look(cache, inv, NULL, &r, &task, &tasks), 1);
  assert_int_equal(r.layer, 1);
  assert_same_file(in_folder("a.o"), &object);
  int gets = m.gets;
  assert_int_equal(cc_lookup(cache, inv, NULL, &r), 1);
  assert_int_equal(r.layer, 0);
  assert_int_equal(m.gets, gets); /* nobody asks further */
  cc_result_clear(&r);
  cc_invocation_free(inv);
  assert_int_equal(layer_stats(cache, 0).hits, 1);
  assert_int_equal(layer_stats(cache, 0).misses, 1);
  assert_int_equal(layer_stats(cache, 1).hits, 1);
  assert_true(layer_stats(cache, 1).bytes_read > object.size);
  cc_close(cache);

  /* What was copied stands by itself. */
  cache = open_hosts(disk("first", ""), NULL, 0);
  remove(in_folder("a.o"));
  assert_hit(BUILD(cache, "gcc", "-c", "a.c"));
  assert_same_file(in_folder("a.o"), &object);
  cc_close(cache);

  /* A layer may want no copies. */
  cache = open_memory(disk("second", ", \"promote\": false"), &m, 0);
  assert_hit(BUILD(cache, "gcc", "-c", "a.c"));
  cc_close(cache);
  assert_int_equal(count_files(in_folder("second"), "entry"), 0);
  bytes_free(&object);
  memory_free(&m);
}

static void two_disks(void **state) {
  (void)state;
  write_text(in_folder("a.c"), "int a;\n");
  cc_cache *cache = open_hosts(disk("late", ""), NULL, 0);
  assert_stored(BUILD(cache, "gcc", "-c", "a.c"));
  key_store(cache, "k", NULL, "bytes");
  cc_close(cache);
  char *both = fmt("%s, %s", disk("early", ""), disk("late", ""));
  cache = open_hosts(both, NULL, 0);
  assert_hit(BUILD(cache, "gcc", "-c", "a.c"));
  assert_int_equal(key_lookup(cache, "k", NULL, "bytes"), 1);
  assert_int_equal(count_files(in_folder("early"), "entry"), 2);
  assert_int_equal(count_files(in_folder("early"), "record"), 1);
  /* One that is damaged in the first is served by the second, and made good again. */
  assert_int_equal(count_files(in_folder("early/compile"), "entry"), 2);
  flip_byte(last_found, 100);
  assert_hit(BUILD(cache, "gcc", "-c", "a.c"));
  assert_int_equal(key_lookup(cache, "k", NULL, "bytes"), 1);
  assert_int_equal(count_files(in_folder("early"), "entry"), 2);
  cc_close(cache);
  remove_tree(in_folder("late"));
  cache = open_hosts(both, NULL, 0);
  assert_hit(BUILD(cache, "gcc", "-c", "a.c"));
  assert_int_equal(key_lookup(cache, "k", NULL, "bytes"), 1);
  /* New ones go to both. */
  key_store(cache, "k2", NULL, "more");
  assert_int_equal(count_files(in_folder("early"), "entry"), 3);
  assert_int_equal(count_files(in_folder("late"), "entry"), 1);
  cc_close(cache);
  /* A layer that is not written, and one that is not read. */
  cache = open_hosts(fmt("%s, %s", disk("early", ", \"write\": false"), disk("late", ", \"read\": false")), NULL, 0);
  key_store(cache, "k3", NULL, "third");
  assert_int_equal(count_files(in_folder("early"), "entry"), 3);
  assert_int_equal(count_files(in_folder("late"), "entry"), 2);
  assert_int_equal(key_lookup(cache, "k3", NULL, "third"), 0);
  assert_int_equal(key_lookup(cache, "k", NULL, "bytes"), 1);
  cc_close(cache);
}

static void read_only(void **state) {
  (void)state;
  memory m;
  memory_init(&m);
  cc_layer_ops ops = memory_ops;
  ops.put = NULL;
  cc_host_layer h = {"mem", &ops, &m, 0, 0};
  cc_cache *cache = open_hosts(fmt("{\"type\": \"host\", \"name\": \"mem\"}, %s", disk("disk", "")), &h, 1);
  key_store(cache, "k", NULL, "bytes");
  assert_int_equal(m.puts, 0);
  assert_int_equal(key_lookup(cache, "k", NULL, "bytes"), 1);
  assert_int_equal(m.puts, 0); /* no promotion either */
  cc_stats s = {sizeof s};
  cc_stats_get(cache, &s);
  assert_int_equal(s.errors, 0);
  cc_close(cache);
  memory_free(&m);
}

/* Whatever a layer returns: a miss, the next layer is asked, nothing of the user's is touched. */
static void lies(void **state) {
  (void)state;
  static const struct {
    enum fault fault;
    bool removed; /* from a local layer */
  } cases[] = {{FAULT_GARBAGE, true}, {FAULT_CUT, true},   {FAULT_EMPTY, true},     {FAULT_OTHER, false},
               {FAULT_ERROR, false},  {FAULT_LATE, false}, {FAULT_NONSENSE, false}, {FAULT_ENDLESS, false}};
  for (int local = 0; local < 2; local++) {
    for (size_t i = 0; i < COUNT(cases); i++) {
      memory m;
      memory_init(&m);
      cc_cache *cache = open_memory("", &m, local ? CC_HOST_LAYER_LOCAL : 0);
      key_store(cache, "other", NULL, "other bytes");
      key_store(cache, "k", NULL, "bytes");
      m.fault = cases[i].fault;
      cc_invocation *inv = key_invocation(cache, "k", "out");
      write_text(in_folder("out"), "mine");
      cc_result r = {sizeof r};
      int status = cc_lookup(cache, inv, NULL, &r);
      if (status != 0) fail_msg("fault %d: %d", cases[i].fault, status);
      assert_true(*r.reason);
      cc_result_clear(&r);
      assert_file(in_folder("out"), "mine");
      assert_true(layer_stats(cache, 0).errors > 0);
      if (cases[i].fault == FAULT_ENDLESS) assert_true(m.written <= 2u << 20);
      if (local && cases[i].removed) assert_true(m.removes > 0);
      else assert_int_equal(m.removes, 0);
      /* Stored once more, it is served if the layer has come to its senses. */
      m.fault = FAULT_NONE;
      cc_output o = {"out", "out", (const uint8_t *)"bytes", 5, 0, 0};
      r.outputs = &o;
      r.output_count = 1;
      assert_int_equal(cc_store(cache, inv, &r, NULL), 0);
      assert_int_equal(key_lookup(cache, "k", NULL, "bytes"), 1);
      cc_invocation_free(inv);
      cc_close(cache);

      /* With an honest layer behind it the user notices nothing. */
      cache = open_memory(fmt("{\"type\": \"host\", \"name\": \"mem\"}, %s", disk(fmt("disk%d%zu", local, i), "")), &m, local ? CC_HOST_LAYER_LOCAL : 0);
      key_store(cache, "fresh", NULL, "fresh bytes");
      m.fault = cases[i].fault;
      assert_int_equal(key_lookup(cache, "fresh", NULL, "fresh bytes"), 1);
      cc_close(cache);
      memory_free(&m);
    }
  }
}

/* Each byte of entry and record changed, one at a time: a miss, or in what nobody reads the very same hit. */
static void each_byte(void **state) {
  (void)state;
  memory m;
  memory_init(&m);
  cc_cache *cache = open_memory("", &m, 0);
  key_store(cache, "k", NULL, "the bytes of the output");
  size_t size = m.blobs[0].b.size;
  int hits = 0;
  m.fault = FAULT_FLIP;
  for (size_t i = 0; i < size; i++) {
    m.at = i;
    hits += key_lookup(cache, "k", NULL, "the bytes of the output");
  }
  char *meta = strstr(m.blobs[0].b.data + 40, "{\""); /* metadata comes last and is for people */
  if (!meta) meta = memmem(m.blobs[0].b.data, size, "{\"", 2);
  assert_non_null(meta);
  assert_int_equal(hits, size - (size_t)(meta - m.blobs[0].b.data));
  cc_close(cache);

  /* A record says where to look: a false one is a miss. */
  write_text(in_folder("a.c"), "int a;\n");
  cache = open_memory("", &m, 0);
  m.fault = FAULT_NONE;
  assert_stored(BUILD(cache, "gcc", "-c", "a.c"));
  struct blob *record = NULL;
  for (size_t i = 0; i < m.count; i++)
    if (m.blobs[i].name[0] == '1') record = &m.blobs[i];
  assert_non_null(record);
  cc_invocation *inv = PARSE(cache, "gcc", "-c", "a.c");
  cc_result r = {sizeof r};
  assert_int_equal(cc_lookup(cache, inv, NULL, &r), 1);
  for (size_t i = 0; i < record->b.size; i += 1 + record->b.size / 500) {
    record->b.data[i] ^= 1;
    assert_int_equal(cc_lookup(cache, inv, NULL, &r), 0);
    record->b.data[i] ^= 1;
  }
  assert_int_equal(cc_lookup(cache, inv, NULL, &r), 1);
  cc_result_clear(&r);
  cc_invocation_free(inv);
  cc_close(cache);
  memory_free(&m);
}

/* After several errors in a row the layer is left alone; the others go on. */
static void left_alone(void **state) {
  (void)state;
  memory m;
  memory_init(&m);
  cc_cache *cache = open_memory(fmt("{\"type\": \"host\", \"name\": \"mem\"}, %s", disk("disk", "")), &m, 0);
  key_store(cache, "k", NULL, "bytes");
  /* Errors that are not in a row do no harm. */
  for (int i = 0; i < 20; i++) {
    m.fault = i % 3 ? FAULT_ERROR : FAULT_NONE;
    assert_int_equal(key_lookup(cache, "k", NULL, "bytes"), 1);
  }
  m.fault = FAULT_ERROR;
  m.gets = 0;
  for (int i = 0; i < 50; i++) assert_int_equal(key_lookup(cache, "k", NULL, "bytes"), 1);
  assert_true(m.gets >= 2 && m.gets <= 10);
  int gets = m.gets, puts = m.puts;
  m.fault = FAULT_NONE;
  key_store(cache, "k2", NULL, "more");
  assert_int_equal(key_lookup(cache, "k2", NULL, "more"), 1);
  assert_int_equal(m.gets, gets);
  assert_int_equal(m.puts, puts);
  cc_stats s = {sizeof s};
  cc_stats_get(cache, &s);
  assert_true(s.errors > 5);
  char *text;
  assert_int_equal(cc_stats_json(cache, &text), 0);
  assert_contains(text, "\"errors\":");
  cc_free(text);
  cc_close(cache);
  memory_free(&m);
}

/* A put that fails fails no store. */
static void put_fails(void **state) {
  (void)state;
  for (int local = 0; local < 2; local++) {
    memory m;
    memory_init(&m);
    cc_cache *cache = open_memory(fmt("{\"type\": \"host\", \"name\": \"mem\"}, %s", disk(fmt("disk%d", local), "")), &m, local ? CC_HOST_LAYER_LOCAL : 0);
    m.put_answer = CC_LAYER_ERROR;
    key_store(cache, "k", NULL, "bytes");
    assert_int_equal(layer_stats(cache, 0).errors, 1);
    assert_int_equal(layer_stats(cache, 0).stores, 0);
    assert_int_equal(layer_stats(cache, 1).stores, 1);
    m.put_answer = CC_LAYER_EXISTS;
    key_store(cache, "k2", NULL, "more");
    assert_int_equal(layer_stats(cache, 0).errors, 1);
    assert_int_equal(layer_stats(cache, 0).stores, 0);
    assert_int_equal(key_lookup(cache, "k", NULL, "bytes"), 1);
    assert_int_equal(key_lookup(cache, "k2", NULL, "more"), 1);
    cc_close(cache);
    memory_free(&m);
  }
}

/* CCHAIN_RECACHE: what stands is replaced. */
static void recache(void **state) {
  (void)state;
  memory m;
  memory_init(&m);
  cc_cache *cache = open_memory("", &m, 0);
  key_store(cache, "k", NULL, "old");
  cc_close(cache);
  cc_host_layer h = {"mem", &memory_ops, &m, 0, 0};
  cc_open_options o = {sizeof o};
  o.config_text = fmt("{\"layers\": [], \"state_dir\": \"%s/state\"}", folder);
  o.host_layers = &h;
  o.host_layer_count = 1;
  setenv("CCHAIN_RECACHE", "1", 1);
  int status = cc_open(&o, &cache);
  unsetenv("CCHAIN_RECACHE");
  assert_int_equal(status, 0);
  key_store(cache, "k", NULL, "new"); /* its lookup misses */
  assert_int_equal(m.replaces, 1);
  cc_close(cache);
  cache = open_memory("", &m, 0);
  assert_int_equal(key_lookup(cache, "k", NULL, "new"), 1);
  cc_close(cache);

  /* A host's layer is as little written as any other when the user says so. */
  setenv("CCHAIN_READ_ONLY", "1", 1);
  status = cc_open(&o, &cache);
  unsetenv("CCHAIN_READ_ONLY");
  assert_int_equal(status, 0);
  m.puts = 0;
  key_store(cache, "k2", NULL, "bytes");
  assert_int_equal(m.puts, 0);
  cc_close(cache);
  memory_free(&m);
}

/* The log's callback hears of a layer's trouble. */
static void on_log(void *user, int32_t level, const char *text, size_t len) {
  (void)level, (void)len;
  if (strstr(text, "mem")) ++*(int *)user;
}
static void logged(void **state) {
  (void)state;
  memory m;
  memory_init(&m);
  int lines = 0;
  cc_host_layer h = {"mem", &memory_ops, &m, 0, 0};
  cc_open_options o = {sizeof o};
  o.flags = CC_OPEN_NO_ENV | CC_OPEN_NO_FILES;
  o.host_layers = &h;
  o.host_layer_count = 1;
  o.log = on_log;
  o.log_user = &lines;
  cc_cache *cache;
  assert_int_equal(cc_open(&o, &cache), 0);
  key_store(cache, "k", NULL, "bytes");
  assert_int_equal(lines, 0);
  m.fault = FAULT_GARBAGE;
  assert_int_equal(key_lookup(cache, "k", NULL, "bytes"), 0);
  assert_int_equal(lines, 1);
  m.fault = FAULT_ERROR;
  for (int i = 0; i < 10; i++) key_lookup(cache, "k", NULL, "bytes");
  assert_int_equal(lines, 2);
  cc_close(cache);
  memory_free(&m);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(placed), TEST(wrong_tables), TEST(promoted), TEST(two_disks), TEST(read_only), TEST(lies),
      TEST(each_byte), TEST(left_alone), TEST(put_fails), TEST(recache), TEST(logged),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

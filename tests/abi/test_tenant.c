/* Tenants never meet: names, and every way to read, overwrite or push out what is another's.
 * SPDX-License-Identifier: Apache-2.0 */
#include "memory_layer.h"

static cc_cache *open_layer(const char *members) {
  return open_text(fmt("{\"layers\": [{\"type\": \"disk\", \"path\": \"%s/cache\"%s}], \"state_dir\": \"%s/state\"}", folder, members, folder));
}

static const char *const wrong_names[] = {
    "", ".", "..", "/", "a/b", "../a", "a/../b", "a/", "/a", ".a", "-a", "_a", "a.", "a..", "A", "aB", "a b", " a", "a\n", "a\t", "a:b", "a\\b", "a%2fb", "%2e%2e", "*", "a@b", "a+b",
    "\xc3\xa4", "a\xcc\x88", "\xef\xbd\x81", "\xd0\xb0", "a\xe2\x80\x8b", "a\xc0\xaf", "\xff", "a\x7f",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 65 */
};
static const char *const right_names[] = {"a", "0", "a.b", "a..b", "a-b_c.0", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "index", "pending", "private", "entry", "tmp"};

/* A wrong name is told of by each call that takes one, and leaves nothing anywhere. */
static void names(void **state) {
  (void)state;
  cc_cache *cache = open_layer("");
  uint8_t digest[32] = {1}, *data;
  uint64_t size;
  for (size_t i = 0; i < COUNT(wrong_names); i++) {
    const char *t = wrong_names[i];
    cc_invocation *inv = key_invocation(cache, "k", "unused");
    cc_result r = {sizeof r};
    int got[] = {cc_lookup(cache, inv, t, &r), cc_store(cache, inv, &r, t), cc_lookup_async(cache, inv, t, &r, 0), cc_store_async(cache, inv, &r, t, 0),
                 cc_prefetch(cache, &inv, 1, t), cc_source_lookup(cache, t, digest, &data, &size), cc_source_store(cache, t, "x", 1, digest),
                 cc_manifest_lookup(cache, t, digest, &data, &size), cc_manifest_store(cache, t, "x", 1, digest), cc_clear(cache, t)};
    for (size_t k = 0; k < COUNT(got); k++)
      if (got[k] != CC_E_TENANT) fail_msg("call %zu takes the tenant \"%s\": %d", k, t, got[k]);
    cc_request many = {inv, t, &r, 0, 0};
    assert_int_equal(cc_lookup_many(cache, &many, 1), 0);
    assert_int_equal(many.status, CC_E_TENANT);
    cc_result_clear(&r);
    cc_invocation_free(inv);
  }
  assert_false(exists(in_folder("cache")));
  for (size_t i = 0; i < COUNT(right_names); i++) key_store(cache, "k", right_names[i], right_names[i]);
  for (size_t i = 0; i < COUNT(right_names); i++) assert_int_equal(key_lookup(cache, "k", right_names[i], right_names[i]), 1);
  cc_close(cache);

  /* In the configuration and the environment it takes all layers out: whose entries would they be? */
  cache = open_text(fmt("{\"layers\": [{\"path\": \"%s/cache2\"}], \"state_dir\": \"%s/state2\", \"tenant\": \"../a\"}", folder, folder));
  key_lookup(cache, "k", NULL, "");
  assert_false(exists(in_folder("cache2")));
  cc_close(cache);
  for (size_t i = 0; i < 2; i++) {
    cc_open_options o = {sizeof o};
    o.config_text = fmt("{\"layers\": [{\"path\": \"%s/cache3\"}], \"state_dir\": \"%s/state3\"}", folder, folder);
    setenv("CCHAIN_TENANT", i ? "b/../a" : "B", 1);
    int status = cc_open(&o, &cache);
    unsetenv("CCHAIN_TENANT");
    assert_int_equal(status, 0);
    cc_stats s = {sizeof s};
    cc_stats_get(cache, &s);
    assert_int_equal(s.layer_count, 0);
    cc_close(cache);
  }
}

/* Reading and overwriting, by each interface. */
static void apart(void **state) {
  (void)state;
  memory m;
  memory_init(&m);
  cc_host_layer h = {"mem", &memory_ops, &m, CC_HOST_LAYER_LOCAL, 0};
  cc_open_options o = {sizeof o};
  o.flags = CC_OPEN_NO_ENV | CC_OPEN_NO_FILES;
  o.host_layers = &h;
  o.host_layer_count = 1;
  o.config_text = fmt("{\"layers\": [{\"path\": \"%s/cache\"}], \"state_dir\": \"%s/state\"}", folder, folder);
  cc_cache *cache;
  assert_int_equal(cc_open(&o, &cache), 0);
  key_store(cache, "k", "alpha", "of alpha");
  assert_int_equal(key_lookup(cache, "k", "beta", ""), 0);
  key_store(cache, "k", "beta", "of beta");
  assert_int_equal(key_lookup(cache, "k", "alpha", "of alpha"), 1);
  assert_int_equal(key_lookup(cache, "k", "beta", "of beta"), 1);
  assert_int_equal(key_lookup(cache, "k", NULL, ""), 0);

  /* A layer that answers one tenant with what is another's. */
  remove_tree(in_folder("cache"));
  m.fault = FAULT_OTHER;
  assert_int_equal(key_lookup(cache, "k", "alpha", ""), 0);
  assert_int_equal(key_lookup(cache, "k", "beta", ""), 0);
  m.fault = FAULT_NONE;

  /* An invocation that missed for one tenant is not stored for another. */
  cc_invocation *inv = key_invocation(cache, "k2", "unused");
  cc_result r = {sizeof r};
  assert_int_equal(cc_lookup(cache, inv, "alpha", &r), 0);
  cc_result_clear(&r);
  cc_output out = {"out", "unused", (const uint8_t *)"x", 1, 0, 0};
  r.outputs = &out, r.output_count = 1;
  assert_int_equal(cc_store(cache, inv, &r, "beta"), CC_E_STATE);
  cc_invocation_free(inv);

  /* Blobs by their digest are apart too, though their bytes would be right. */
  uint8_t digest[32], *data = NULL;
  uint64_t size = 0;
  assert_int_equal(cc_source_store(cache, "alpha", "secret source", 13, digest), 0);
  assert_int_equal(cc_source_lookup(cache, "beta", digest, &data, &size), 0);
  assert_int_equal(cc_manifest_lookup(cache, "alpha", digest, &data, &size), 0);
  assert_int_equal(cc_source_lookup(cache, "alpha", digest, &data, &size), 1);
  assert_bytes(data, size, "secret source");
  cc_free(data);

  /* Compiles: the same command of two tenants is compiled for each. */
  write_text(in_folder("a.c"), "int a;\n");
  inv = PARSE(cache, "gcc", "-c", "a.c");
  turn t = build(cache, inv, "alpha");
  assert_stored(t);
  t = build(cache, inv, "beta");
  assert_stored(t);
  t = build(cache, inv, "alpha");
  assert_hit(t);
  cc_invocation_free(inv);

  /* clear takes one tenant's away. */
  assert_int_equal(cc_clear(cache, "beta"), 0);
  assert_false(exists(in_folder("cache/compile/beta")));
  cc_close(cache);
  o.host_layer_count = 0;
  assert_int_equal(cc_open(&o, &cache), 0);
  inv = PARSE(cache, "gcc", "-c", "a.c");
  assert_hit(build(cache, inv, "alpha"));
  t = build(cache, inv, "beta");
  assert_false(t.hit);
  turn_free(&t);
  cc_invocation_free(inv);
  cc_close(cache);
  memory_free(&m);
}

/* What lies in one tenant's folder is moved to where the other looks. */
static void moved(void **state) {
  (void)state;
  cc_cache *cache = open_layer("");
  key_store(cache, "k", "alpha", "of alpha");
  key_store(cache, "k", "beta", "of beta");
  char alpha[4096], beta[4096];
  assert_int_equal(count_files(in_folder("cache/compile/alpha"), "entry"), 1);
  strcpy(alpha, last_found);
  assert_int_equal(count_files(in_folder("cache/compile/beta"), "entry"), 1);
  strcpy(beta, last_found);
  bytes b = read_bytes(alpha);
  remove(beta);
  write_bytes(beta, b.data, b.size);
  bytes_free(&b);
  assert_int_equal(key_lookup(cache, "k", "beta", ""), 0);
  assert_int_equal(key_lookup(cache, "k", "alpha", "of alpha"), 1);
  cc_close(cache);
}

static int held(cc_cache *cache, const char *tenant, int count, const char *text) {
  int n = 0;
  for (int i = 0; i < count; i++) n += key_lookup(cache, fmt("%s-%d", tenant, i), tenant, text);
  return n;
}

/* A noisy tenant makes room among its own, and a share of one's own is not to be pushed out of. */
static void shares(void **state) {
  (void)state;
  enum { kSize = 40000, kQuiet = 10, kNoisy = 300 };
  static char text[kSize + 1];
  memset(text, 'x', kSize);
  const char *members = ", \"max_size\": \"4M\", \"compression\": \"off\", \"tenants\": {\"quiet\": {\"max_size\": \"600K\"}, \"noisy\": {\"max_size\": \"1M\"}}";
  cc_cache *cache = open_layer(members);
  for (int i = 0; i < kQuiet; i++) key_store(cache, fmt("quiet-%d", i), "quiet", text);
  for (int i = 0; i < kQuiet; i++) key_store(cache, fmt("other-%d", i), "other", text);
  for (int i = 0; i < kNoisy; i++) key_store(cache, fmt("noisy-%d", i), "noisy", text);
  assert_int_equal(held(cache, "quiet", kQuiet, text), kQuiet);
  assert_int_equal(held(cache, "other", kQuiet, text), kQuiet);
  int noisy = held(cache, "noisy", kNoisy, text);
  if (noisy < 15 || noisy > 25) fail_msg("1M holds %d entries of 48K", noisy); /* with its folder each */
  /* Those without a share push out each other, and nobody else. */
  for (int i = 0; i < kNoisy; i++) key_store(cache, fmt("loud-%d", i), "loud", text);
  assert_int_equal(held(cache, "quiet", kQuiet, text), kQuiet);
  assert_int_equal(held(cache, "noisy", kNoisy, text), noisy);
  /* The quiet one over its own share loses its own. */
  for (int i = kQuiet; i < 40; i++) key_store(cache, fmt("quiet-%d", i), "quiet", text);
  int quiet = held(cache, "quiet", 40, text);
  if (quiet < 8 || quiet > 14) fail_msg("600K holds %d entries", quiet);
  assert_int_equal(held(cache, "noisy", kNoisy, text), noisy);
  char *json;
  assert_int_equal(cc_stats_json(cache, &json), 0);
  assert_contains(json, "\"tenants\":[{\"tenant\":\"loud\"");
  assert_contains(json, "{\"tenant\":\"noisy\",\"size\":");
  assert_contains(json, "\"max_size\":1048576}");
  cc_free(json);
  cc_trim_options all = {sizeof all};
  all.max_size = UINT64_MAX;
  assert_int_equal(cc_trim(cache, &all, NULL, NULL), 0);
  assert_int_equal(held(cache, "noisy", kNoisy, text), noisy);
  assert_int_equal(cc_verify(cache, 0, NULL, NULL, NULL), 0);
  /* Half of all is half of each. */
  all.max_size = 2u << 20;
  assert_int_equal(cc_trim(cache, &all, NULL, NULL), 0);
  int left = held(cache, "noisy", kNoisy, text);
  if (left < noisy / 2 - 2 || left > noisy / 2 + 1) fail_msg("%d of %d are left", left, noisy);
  assert_int_equal(cc_verify(cache, 0, NULL, NULL, NULL), 0);
  assert_int_equal(cc_clear(cache, "noisy"), 0);
  assert_int_equal(held(cache, "noisy", kNoisy, text), 0);
  assert_true(held(cache, "quiet", 40, text) > 2);
  cc_close(cache);

  /* Divided anew: what stood there counts where it belongs now. */
  cache = open_layer(", \"max_size\": \"4M\", \"compression\": \"off\", \"tenants\": {\"quiet\": {\"max_size\": \"2M\"}}");
  for (int i = 0; i < 40; i++)
    if (!key_lookup(cache, fmt("quiet-%d", i), "quiet", text)) key_store(cache, fmt("quiet-%d", i), "quiet", text);
  for (int i = 0; i < kNoisy; i++) key_store(cache, fmt("loud-%d", kNoisy + i), "loud", text);
  assert_int_equal(held(cache, "quiet", 40, text), 40);
  cc_flush(cache, 1000);
  cc_verify_report r = {sizeof r};
  assert_int_equal(cc_verify(cache, CC_VERIFY_REPAIR, NULL, NULL, &r), 0);
  assert_int_equal(held(cache, "quiet", 40, text), 40);
  cc_close(cache);
}

/* What is wrong with shares takes the layer out, and names the place. */
static void wrong_shares(void **state) {
  (void)state;
  const struct {
    const char *members, *why;
  } cases[] = {
      {"\"max_size\": \"1G\", \"tenants\": {\"a\": {\"max_size\": \"1G\"}}", "they leave nothing of max_size for the others"},
      {"\"tenants\": {\"A\": {\"max_size\": \"1G\"}}", "\\\"A\\\" is no tenant"},
      {"\"tenants\": {\"..\": {\"max_size\": \"1G\"}}", "is no tenant"},
      {"\"tenants\": {\"a\": {\"max_size\": \"-1\"}}", "the max_size of \\\"a\\\" is no size"},
      {"\"tenants\": {\"a\": {}}", "the max_size of \\\"a\\\" is no size"},
      {"\"tenants\": {\"a\": 3}", "the max_size of \\\"a\\\" is no size"},
      {"\"tenants\": [\"a\"]", "is no tenant"},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    cc_cache *cache = open_layer(fmt(",\n %s", cases[i].members));
    char *text;
    assert_int_equal(cc_config_json(cache, &text), 0);
    assert_contains(text, cases[i].why);
    assert_contains(text, "\"where\":\"config_text:2\"");
    cc_free(text);
    cc_stats s = {sizeof s};
    cc_stats_get(cache, &s);
    assert_int_equal(s.layer_count, 0);
    cc_close(cache);
  }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
  const struct CMUnitTest tests[] = {TEST(names), TEST(apart), TEST(moved), TEST(shares), TEST(wrong_shares)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Signed entries: whose word is taken for what a layer gives. A layer in memory stands for what others can write.
 * SPDX-License-Identifier: Apache-2.0 */
#include "memory_layer.h"

static const char *const algorithms[] = {"hmac-sha256", "ed25519"};

/* A key for each of two signers and its public half, as paths. */
typedef struct keys {
  char secret[2][512], open[2][512];
} keys;
static keys make_keys(const char *algorithm) {
  keys k;
  for (int i = 0; i < 2; i++) {
    snprintf(k.secret[i], sizeof k.secret[i], "%s/%s-%d", folder, algorithm, i);
    bool pair = strcmp(algorithm, "ed25519") == 0;
    snprintf(k.open[i], sizeof k.open[i], "%s%s", k.secret[i], pair ? ".pub" : "");
    int status = cc_keygen(algorithm, k.secret[i]);
    if (status != 0) fail_msg("cc_keygen: %d %s", status, cc_last_error());
  }
  return k;
}

/* The shared layer with these members, behind a disk layer of that name if one is given; each user has a private folder. */
static cc_cache *open_chain(const char *user, bool own, const char *members, memory *m) {
  cc_host_layer h = {"shared", &memory_ops, m, 0, 0};
  cc_open_options o = {sizeof o};
  o.flags = CC_OPEN_NO_ENV | CC_OPEN_NO_FILES;
  o.host_layers = &h;
  o.host_layer_count = 1;
  o.config_text = fmt("{\"layers\": [%s{\"type\": \"host\", \"name\": \"shared\"%s%s}], \"state_dir\": \"%s/state-%s\"}",
                      own ? fmt("{\"type\": \"disk\", \"path\": \"%s/%s\"}, ", folder, user) : "", *members ? ", " : "", members, folder, user);
  cc_cache *cache = NULL;
  int status = cc_open(&o, &cache);
  if (status != 0) fail_msg("cc_open: %d %s", status, cc_last_error());
  return cache;
}
static char *signs(const char *secret) { return fmt("\"sign\": \"%s\"", secret); }
static char *verifies(const char *key) { return fmt("\"verify_keys\": [\"%s\"]", key); }

static void store_as(const char *user, const char *members, memory *m, const char *key, const char *text) {
  cc_cache *cache = open_chain(user, false, members, m);
  key_store(cache, key, NULL, text);
  cc_close(cache);
}
/* 1 for a hit with these bytes; the reason of a miss must hold `why`. */
static int lookup_why(cc_cache *cache, const char *key, const char *text, const char *why) {
  cc_invocation *inv = key_invocation(cache, key, "unused");
  cc_result r = {sizeof r};
  r.flags = CC_RESULT_NO_DELIVERY | CC_RESULT_KEEP;
  int status = cc_lookup(cache, inv, NULL, &r);
  if (status < 0) fail_msg("cc_lookup: %d %s", status, cc_last_error());
  if (status == 0 && why) assert_contains(r.reason, why);
  if (status > 0) assert_bytes(r.outputs[0].data, r.outputs[0].size, text);
  cc_result_clear(&r);
  cc_invocation_free(inv);
  return status;
}

/* Who signs is believed, once it is copied nearer without another look; nobody else is. */
static void believed(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(algorithms); i++) {
    memory m;
    memory_init(&m);
    keys k = make_keys(algorithms[i]);
    char dev[64], *verify = verifies(k.open[0]);
    snprintf(dev, sizeof dev, "dev-%zu", i);
    store_as("ci", signs(k.secret[0]), &m, "good", "bytes of ours");
    store_as("other", signs(k.secret[1]), &m, "other", "bytes of another's");
    store_as("nobody", "", &m, "plain", "bytes of nobody's");

    cc_cache *cache = open_chain(dev, true, verify, &m);
    assert_int_equal(lookup_why(cache, "good", "bytes of ours", NULL), 1);
    assert_int_equal(lookup_why(cache, "other", "", "signed by an unknown key"), 0);
    assert_int_equal(lookup_why(cache, "plain", "", "not signed"), 0);
    char *text;
    assert_int_equal(cc_stats_json(cache, &text), 0);
    assert_contains(text, "\"layer shared: it is not signed\":1");
    assert_contains(text, "\"layer shared: it is signed by an unknown key\":1");
    cc_free(text);
    int gets = m.gets;
    assert_int_equal(lookup_why(cache, "good", "bytes of ours", NULL), 1);
    cc_close(cache);
    cache = open_chain(dev, true, verify, &m);
    assert_int_equal(lookup_why(cache, "good", "bytes of ours", NULL), 1);
    assert_int_equal(m.gets, gets);
    /* What it makes itself it believes, and gives to nobody who wants a signature. */
    int puts = m.puts;
    key_store(cache, "own", NULL, "own bytes");
    assert_int_equal(m.puts, puts);
    assert_int_equal(lookup_why(cache, "own", "own bytes", NULL), 1);
    cc_close(cache);

    /* Who knows of no keys reads what is signed. */
    cache = open_chain("reader", false, "", &m);
    assert_int_equal(lookup_why(cache, "good", "bytes of ours", NULL), 1);
    cc_close(cache);
    memory_free(&m);
  }
}

/* Each byte of a signed entry changed, one at a time; only in the checksum that no hit looks at it is a hit, and then the right one. */
static void each_byte(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(algorithms); i++) {
    memory m;
    memory_init(&m);
    keys k = make_keys(algorithms[i]);
    store_as("ci", signs(k.secret[0]), &m, "k", "the bytes of the output");
    cc_cache *cache = open_chain("dev", false, verifies(k.open[0]), &m);
    size_t size = m.blobs[0].b.size;
    int hits = 0;
    m.fault = FAULT_FLIP;
    for (size_t at = 0; at < size; at++) {
      m.at = at;
      hits += key_lookup(cache, "k", NULL, "the bytes of the output");
    }
    assert_int_equal(hits, 8);
    cc_close(cache);
    memory_free(&m);
  }
}

/* A compile's record is under a signature too: a forged one is not even looked at. */
static void records(void **state) {
  (void)state;
  memory m;
  memory_init(&m);
  keys k = make_keys("ed25519");
  write_text(in_folder("a.c"), "int a;\n");
  cc_cache *cache = open_chain("ci", false, signs(k.secret[0]), &m);
  assert_stored(BUILD(cache, "gcc", "-c", "a.c"));
  assert_hit(BUILD(cache, "gcc", "-c", "a.c"));
  cc_close(cache);
  cache = open_chain("dev", true, verifies(k.open[0]), &m);
  turn t = BUILD(cache, "gcc", "-c", "a.c");
  assert_true(t.hit);
  turn_free(&t);
  cc_close(cache);
  /* The same one without its seal. */
  for (size_t i = 0; i < m.count; i++)
    if (m.blobs[i].name[0] == '1') m.blobs[i].b.size -= 64 + 8 + 8 + 1 + 4;
  cache = open_chain("dev2", true, verifies(k.open[0]), &m);
  t = BUILD(cache, "gcc", "-c", "a.c");
  assert_false(t.hit);
  assert_contains(t.why, "layer shared: it is not signed");
  turn_free(&t);
  assert_hit(BUILD(cache, "gcc", "-c", "a.c"));
  cc_close(cache);
  /* Who signs puts it right. */
  cache = open_chain("ci2", false, signs(k.secret[0]), &m);
  assert_stored(BUILD(cache, "gcc", "-c", "a.c"));
  cc_close(cache);
  cache = open_chain("dev3", true, verifies(k.open[0]), &m);
  assert_hit(BUILD(cache, "gcc", "-c", "a.c"));
  cc_close(cache);
  memory_free(&m);
}

/* What was copied nearer before there were keys, and what a later process puts there without them, is believed no more than where it came from. */
static void before_keys(void **state) {
  (void)state;
  memory m;
  memory_init(&m);
  keys k = make_keys("hmac-sha256");
  store_as("mallory", "", &m, "k", "poison");
  cc_cache *cache = open_chain("dev", true, "", &m);
  assert_int_equal(lookup_why(cache, "k", "poison", NULL), 1);
  cc_close(cache);
  cache = open_chain("dev", true, verifies(k.open[0]), &m);
  assert_int_equal(lookup_why(cache, "k", "", "layer disk0: it was put there before there were keys"), 0);
  key_store(cache, "k", NULL, "good bytes");
  assert_int_equal(lookup_why(cache, "k", "good bytes", NULL), 1);
  cc_close(cache);

  /* A seal that says "this user's" is one that only this user can make, wherever it comes from. */
  char *mine = find_file(in_folder("dev"), "entry");
  bytes marked = read_bytes(mine);
  cache = open_chain("eve", true, verifies(k.open[0]), &m);
  key_store(cache, "k2", NULL, "poison");
  cc_close(cache);
  bytes theirs = read_bytes(find_file(in_folder("eve"), "entry"));
  memory other;
  memory_init(&other);
  store_as("ci", "", &other, "k2", "poison");
  bytes_free(&other.blobs[0].b);
  bytes_add(&other.blobs[0].b, theirs.data, theirs.size);
  cache = open_chain("dev", true, "", &other); /* without keys: copied, and the seal taken off */
  assert_int_equal(lookup_why(cache, "k2", "poison", NULL), 1);
  cc_close(cache);
  cache = open_chain("dev", true, verifies(k.open[0]), &other);
  assert_int_equal(lookup_why(cache, "k2", "", "layer disk0: "), 0);
  cc_close(cache);
  bytes_free(&marked), bytes_free(&theirs);
  memory_free(&m), memory_free(&other);
}

/* Both keys for a while, then the new one; what the old one vouched for is believed no more, and made anew by who signs. */
static void rotation(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(algorithms); i++) {
    memory m;
    memory_init(&m);
    keys k = make_keys(algorithms[i]);
    store_as("ci", signs(k.secret[0]), &m, "old", "old bytes");
    store_as("ci", signs(k.secret[1]), &m, "new", "new bytes");
    char *both = fmt("\"verify_keys\": [\"%s\", \"%s\"]", k.open[0], k.open[1]), dev[64];
    snprintf(dev, sizeof dev, "dev-%zu", i);
    cc_cache *cache = open_chain(dev, true, both, &m);
    assert_int_equal(lookup_why(cache, "old", "old bytes", NULL), 1);
    assert_int_equal(lookup_why(cache, "new", "new bytes", NULL), 1);
    cc_close(cache);
    cache = open_chain(dev, true, verifies(k.open[1]), &m);
    assert_int_equal(lookup_why(cache, "old", "", "layer disk0: it was signed by a key that is trusted no more"), 0);
    assert_int_equal(lookup_why(cache, "new", "new bytes", NULL), 1);
    cc_close(cache);
    cache = open_chain("ci", false, signs(k.secret[1]), &m);
    key_store(cache, "old", NULL, "old bytes"); /* its lookup misses */
    cc_close(cache);
    cache = open_chain(dev, true, verifies(k.open[1]), &m);
    assert_int_equal(lookup_why(cache, "old", "old bytes", NULL), 1);
    cc_close(cache);
    memory_free(&m);
  }
}

/* A layer that is not this user's alone is asked for signatures each time. */
static void not_private(void **state) {
  (void)state;
  memory m;
  memory_init(&m);
  keys k = make_keys("ed25519");
  store_as("ci", signs(k.secret[0]), &m, "k", "bytes");
  mkdir(in_folder("open"), 0777);
  chmod(in_folder("open"), 0777);
  cc_cache *cache = open_chain("open", true, verifies(k.open[0]), &m);
  assert_int_equal(lookup_why(cache, "k", "bytes", NULL), 1);
  int gets = m.gets;
  assert_int_equal(lookup_why(cache, "k", "bytes", NULL), 1); /* by the signature that went with it */
  assert_int_equal(m.gets, gets);
  key_store(cache, "own", NULL, "own bytes");
  assert_int_equal(lookup_why(cache, "own", "", "not stored before"), 0);
  char *text;
  assert_int_equal(cc_stats_json(cache, &text), 0);
  assert_contains(text, "open can be written by others: only what is signed is taken from it");
  cc_free(text);
  cc_close(cache);

  /* A folder below, or the file, that others can write: what is in it is not believed. */
  cache = open_chain("shut", true, verifies(k.open[0]), &m);
  key_store(cache, "own", NULL, "own bytes");
  assert_int_equal(lookup_why(cache, "own", "own bytes", NULL), 1);
  char path[4096];
  snprintf(path, sizeof path, "%s", find_file(in_folder("shut"), "entry"));
  chmod(path, 0666);
  assert_int_equal(lookup_why(cache, "own", "", "entry can be written by others"), 0);
  chmod(path, 0600);
  assert_int_equal(lookup_why(cache, "own", "own bytes", NULL), 1);
  *strrchr(path, '/') = '\0';
  chmod(path, 0777);
  assert_int_equal(lookup_why(cache, "own", "", "can be written by others"), 0);
  chmod(path, 0700);
  if (geteuid() == 0) {
    assert_int_equal(chown(path, 12345, 12345), 0);
    assert_int_equal(lookup_why(cache, "own", "", "is another user's"), 0);
  } else {
    print_message("skip: only root can make a folder another user's\n");
  }
  cc_close(cache);
  memory_free(&m);
}

/* A key file that others can read or exchange, or that is none, takes its layer out; nothing is stored there unsigned. */
static void key_files(void **state) {
  (void)state;
  memory m;
  memory_init(&m);
  keys k = make_keys("ed25519"), h = make_keys("hmac-sha256");
  assert_int_equal(cc_keygen("ed25519", k.secret[0]), CC_E_IO);
  assert_contains(cc_last_error(), k.secret[0]);
  assert_int_equal(cc_keygen("rot13", in_folder("x")), CC_E_IO);
  assert_contains(cc_last_error(), "\"rot13\" is no algorithm");
  assert_int_equal(cc_keygen(NULL, in_folder("x")), CC_E_INVALID);
  struct stat st;
  assert_int_equal(stat(h.secret[0], &st), 0);
  assert_int_equal(st.st_mode & 07777, 0600);
  assert_int_equal(stat(k.secret[0], &st), 0);
  assert_int_equal(st.st_mode & 07777, 0600);
  write_text(in_folder("text"), "no key\n");
  write_text(in_folder("two"), "# two\ned25519-public 00 \n");
  mkdir(in_folder("wide"), 0777);
  chmod(in_folder("wide"), 0777);
  assert_int_equal(cc_keygen("ed25519", in_folder("wide/key")), 0);
  chmod(h.secret[1], 0640);
  chmod(k.open[1], 0664);
  const struct {
    char *members, *why;
  } cases[] = {
      {fmt("\"sign\": \"%s\"", h.secret[1]), "is open to others: chmod 600"},
      {verifies(h.secret[1]), "is open to others"},
      {verifies(k.open[1]), "can be written by others"},
      {signs(k.open[0]), "holds a public key, which can't sign"},
      {verifies(in_folder("absent")), "can't be read"},
      {verifies(folder), "is no regular file"},
      {verifies(in_folder("text")), "it is no key file of cchain"},
      {verifies(in_folder("two")), "its key is not what cchain keygen writes"},
      {verifies(in_folder("wide/key.pub")), "wide can be written by others"},
      {"\"verify_keys\": []", "it names no key"},
      {"\"verify_keys\": 3", "it is no file and no array of files"},
      {fmt("\"verify_keys\": [\"%s\", \"%s\"]", in_folder("absent"), k.open[0]), "can't be read"},
      {"\"sign\": \"key\"", "is no absolute path"},
  };
  char *members[COUNT(cases)]; /* fmt's buffers are few */
  for (size_t i = 0; i < COUNT(cases); i++) members[i] = strdup(cases[i].members);
  for (size_t i = 0; i < COUNT(cases); i++) {
    cc_cache *cache = open_chain("dev", false, members[i], &m);
    char *text;
    assert_int_equal(cc_config_json(cache, &text), 0);
    assert_contains(text, cases[i].why);
    assert_contains(text, "\"where\":\"config_text:1\"");
    cc_free(text);
    /* The host's layer comes back without its configuration's word: it must not be used either. */
    m.puts = m.gets = 0;
    key_lookup(cache, "k", NULL, "");
    assert_int_equal(m.puts + m.gets, 0);
    cc_close(cache);
    free(members[i]);
  }
  memory_free(&m);
}

/* What lies in a source tree configures nothing. */
static void no_local_configuration(void **state) {
  (void)state;
  static const char *const names[] = {".cchain", "cchain.json", ".cchain.json", "config.json", "cchain.conf", ".cchain/config.json", "cchain/config.json", ".config/cchain/config.json"};
  char *text = fmt("{\"layers\": [{\"path\": \"%s/planted\"}], \"tenant\": \"mallory\"}", folder);
  mkdir(in_folder("tree"), 0777), mkdir(in_folder("home"), 0700);
  for (size_t i = 0; i < COUNT(names); i++) {
    char *path = fmt("%s/tree/%s", folder, names[i]);
    if (strncmp(names[i], ".cchain/", 8) == 0) remove(in_folder("tree/.cchain"));
    for (char *p = path + strlen(folder) + 1; (p = strchr(p, '/')); *p++ = '/') *p = '\0', mkdir(path, 0777);
    write_text(path, text);
  }
  write_text(in_folder("tree/a.c"), "int a;\n");
  char here[4096];
  assert_non_null(getcwd(here, sizeof here));
  assert_int_equal(chdir(in_folder("tree")), 0);
  setenv("HOME", in_folder("home"), 1);
  unsetenv("XDG_CONFIG_HOME"), unsetenv("XDG_CACHE_HOME"), unsetenv("CCHAIN_CONFIG"), unsetenv("CCHAIN_DIR");
  cc_cache *cache;
  assert_int_equal(cc_open(NULL, &cache), 0);
  char *json;
  assert_int_equal(cc_config_json(cache, &json), 0);
  if (strstr(json, "planted") || strstr(json, "mallory")) fail_msg("%s", json);
  cc_free(json);
  cc_close(cache);
  assert_int_equal(chdir(here), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
  const struct CMUnitTest tests[] = {TEST(believed), TEST(each_byte), TEST(records), TEST(before_keys), TEST(rotation), TEST(not_private), TEST(key_files), TEST(no_local_configuration)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

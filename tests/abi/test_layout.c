/* The layout of every public struct, and the headers read by compilers of all kinds.
 * SPDX-License-Identifier: Apache-2.0 */
#include "common.h"

#if defined(__LP64__)
#define AT(type, member, offset) _Static_assert(offsetof(type, member) == (offset), #type "." #member)
#define SIZE(type, size) _Static_assert(sizeof(type) == (size), #type)

/* A struct that may grow: what stands here never changes, and each new line comes last. */
AT(cc_open_options, struct_size, 0);
AT(cc_open_options, flags, 4);
AT(cc_open_options, config_text, 8);
AT(cc_open_options, config_path, 16);
AT(cc_open_options, log, 24);
AT(cc_open_options, log_user, 32);
AT(cc_open_options, log_level, 40);
AT(cc_open_options, host_layer_count, 44);
AT(cc_open_options, host_layers, 48);
AT(cc_open_options, host, 56);
SIZE(cc_open_options, 64);

AT(cc_invocation_options, struct_size, 0);
AT(cc_invocation_options, flags, 4);
AT(cc_invocation_options, cwd, 8);
AT(cc_invocation_options, env, 16);
AT(cc_invocation_options, columns, 24);
AT(cc_invocation_options, stdout_columns, 28);
SIZE(cc_invocation_options, 32);

AT(cc_task, struct_size, 0);
AT(cc_task, kind, 4);
AT(cc_task, capture, 8);
AT(cc_task, reserved, 12);
AT(cc_task, argv, 16);
AT(cc_task, env, 24);
AT(cc_task, cwd, 32);
SIZE(cc_task, 40);

AT(cc_task_result, struct_size, 0);
AT(cc_task_result, exit_status, 4);
AT(cc_task_result, stdout_data, 8);
AT(cc_task_result, stdout_size, 16);
AT(cc_task_result, stderr_data, 24);
AT(cc_task_result, stderr_size, 32);
SIZE(cc_task_result, 40);

AT(cc_result, struct_size, 0);
AT(cc_result, flags, 4);
AT(cc_result, exit_status, 8);
AT(cc_result, layer, 12);
AT(cc_result, stdout_data, 16);
AT(cc_result, stdout_size, 24);
AT(cc_result, stderr_data, 32);
AT(cc_result, stderr_size, 40);
AT(cc_result, outputs, 48);
AT(cc_result, output_count, 56);
AT(cc_result, duration_ms, 64);
AT(cc_result, reason, 72);
AT(cc_result, owner, 80);
SIZE(cc_result, 88);

AT(cc_completion, struct_size, 0);
AT(cc_completion, status, 4);
AT(cc_completion, tag, 8);
AT(cc_completion, inv, 16);
AT(cc_completion, result, 24);
AT(cc_completion, error, 32);
SIZE(cc_completion, 40);

AT(cc_stats, struct_size, 0);
AT(cc_stats, layer_count, 4);
AT(cc_stats, lookups, 8);
AT(cc_stats, hits, 16);
AT(cc_stats, misses, 24);
AT(cc_stats, uncacheable, 32);
AT(cc_stats, stores, 40);
AT(cc_stats, errors, 48);
AT(cc_stats, saved_ms, 56);
SIZE(cc_stats, 64);

AT(cc_layer_stats, struct_size, 0);
AT(cc_layer_stats, reserved, 4);
AT(cc_layer_stats, name, 8);
AT(cc_layer_stats, type, 16);
AT(cc_layer_stats, hits, 24);
AT(cc_layer_stats, misses, 32);
AT(cc_layer_stats, stores, 40);
AT(cc_layer_stats, errors, 48);
AT(cc_layer_stats, bytes_read, 56);
AT(cc_layer_stats, bytes_written, 64);
SIZE(cc_layer_stats, 72);

AT(cc_layer_health, struct_size, 0);
AT(cc_layer_health, flags, 4);
AT(cc_layer_health, first_us, 8);
AT(cc_layer_health, next_us, 16);
AT(cc_layer_health, clock_offset_s, 24);
SIZE(cc_layer_health, 32);

AT(cc_trim_options, struct_size, 0);
AT(cc_trim_options, reserved, 4);
AT(cc_trim_options, max_size, 8);
AT(cc_trim_options, max_age_s, 16);
AT(cc_trim_options, progress, 24);
AT(cc_trim_options, progress_user, 32);
SIZE(cc_trim_options, 40);

AT(cc_verify_report, struct_size, 0);
AT(cc_verify_report, reserved, 4);
AT(cc_verify_report, total, 8);
AT(cc_verify_report, checked, 16);
AT(cc_verify_report, bytes, 24);
AT(cc_verify_report, damaged, 32);
AT(cc_verify_report, foreign, 40);
AT(cc_verify_report, untrusted, 48);
AT(cc_verify_report, removed, 56);
AT(cc_verify_report, unindexed, 64);
AT(cc_verify_report, absent, 72);
SIZE(cc_verify_report, 80);

AT(cc_backend, struct_size, 0);
AT(cc_backend, version, 4);
AT(cc_backend, open, 8);
AT(cc_backend, close, 16);
AT(cc_backend, flush, 24);
AT(cc_backend, cancel, 32);
AT(cc_backend, resume, 40);
AT(cc_backend, parse_argv, 48);
AT(cc_backend, parse_line, 56);
AT(cc_backend, from_key, 64);
AT(cc_backend, invocation_free, 72);
AT(cc_backend, uncacheable, 80);
AT(cc_backend, outputs, 88);
AT(cc_backend, task, 96);
AT(cc_backend, task_done, 104);
AT(cc_backend, lookup, 112);
AT(cc_backend, store, 120);
AT(cc_backend, result_clear, 128);
AT(cc_backend, lookup_many, 136);
AT(cc_backend, prefetch, 144);
AT(cc_backend, session_begin, 152);
AT(cc_backend, session_changed, 160);
AT(cc_backend, session_end, 168);
AT(cc_backend, lookup_async, 176);
AT(cc_backend, store_async, 184);
AT(cc_backend, async_fd, 192);
AT(cc_backend, reap, 200);
AT(cc_backend, stats_get, 208);
AT(cc_backend, layer_stats_get, 216);
AT(cc_backend, last_error, 224);
AT(cc_backend, session_outdated, 232);
SIZE(cc_backend, 240);

AT(cc_layer_ops, struct_size, 0);
AT(cc_layer_ops, version, 4);
AT(cc_layer_ops, get, 8);
AT(cc_layer_ops, put, 16);
AT(cc_layer_ops, remove, 24);
AT(cc_layer_ops, close, 32);
SIZE(cc_layer_ops, 40);

/* Frozen structs: neither lines nor sizes here ever change. */
AT(cc_output, role, 0);
AT(cc_output, path, 8);
AT(cc_output, data, 16);
AT(cc_output, size, 24);
AT(cc_output, flags, 32);
AT(cc_output, mode, 36);
SIZE(cc_output, 40);

AT(cc_request, inv, 0);
AT(cc_request, tenant, 8);
AT(cc_request, result, 16);
AT(cc_request, status, 24);
AT(cc_request, reserved, 28);
SIZE(cc_request, 32);

AT(cc_address, tenant, 0);
AT(cc_address, hex, 8);
AT(cc_address, blob, 16);
AT(cc_address, ns, 24);
AT(cc_address, reserved, 28);
SIZE(cc_address, 32);

AT(cc_host_layer, name, 0);
AT(cc_host_layer, ops, 8);
AT(cc_host_layer, user, 16);
AT(cc_host_layer, flags, 24);
AT(cc_host_layer, reserved, 28);
SIZE(cc_host_layer, 32);
#endif

/* Constants are as frozen as the structs. */
#define IS(constant, value) _Static_assert((constant) == (value), #constant)
IS(CC_OK, 0);
IS(CC_E_INVALID, -1);
IS(CC_E_NOMEM, -2);
IS(CC_E_IO, -3);
IS(CC_E_CONFIG, -4);
IS(CC_E_TENANT, -5);
IS(CC_E_STATE, -6);
IS(CC_E_FORKED, -7);
IS(CC_E_CANCELLED, -8);
IS(CC_E_UNCACHEABLE, -9);
IS(CC_E_INTERNAL, -99);
IS(CC_LOG_ERROR, 0);
IS(CC_LOG_WARN, 1);
IS(CC_LOG_INFO, 2);
IS(CC_LOG_DEBUG, 3);
IS(CC_OPEN_NO_ENV, 1);
IS(CC_OPEN_NO_FILES, 2);
IS(CC_INV_TERMINAL, 1);
IS(CC_INV_MERGED, 2);
IS(CC_INV_SHELL_EXACT, 4);
IS(CC_OUTPUT_OPTIONAL, 1);
IS(CC_OUTPUT_EMPTY, 2);
IS(CC_TASK_NONE, 0);
IS(CC_TASK_PROBE, 1);
IS(CC_TASK_PREPROCESS, 2);
IS(CC_TASK_COMPILE, 3);
IS(CC_CAPTURE_STDOUT, 1);
IS(CC_CAPTURE_STDERR, 2);
IS(CC_RESULT_NO_DELIVERY, 1);
IS(CC_RESULT_KEEP, 2);
IS(CC_RESULT_KEEP_DEPFILE, 4);
IS(CC_RESULT_LATER, 8);
IS(CC_TIMEOUT_DEFAULT, -1);
IS(CC_LAYER_VERSION, 1);
IS(CC_NS_COMPILE, 0);
IS(CC_NS_INPUTS, 1);
IS(CC_NS_SOURCE, 2);
IS(CC_NS_MANIFEST, 3);
IS(CC_LAYER_HIT, 1);
IS(CC_LAYER_MISS, 0);
IS(CC_LAYER_ERROR, -1);
IS(CC_LAYER_EXISTS, -2);
IS(CC_PUT_REPLACE, 1);
IS(CC_HOST_LAYER_LOCAL, 1);

static const char *const c_standards[] = {"c99", "c11", "c17"};
static const char *const cxx_standards[] = {"c++11", "c++14", "c++17", "c++20"};

static void compile(const char *compiler, const char *language, const char *standard, const char *source) {
  const char *argv[] = {compiler,           "-x",      language,     fmt("-std=%s", standard), "-Wall",        "-Wextra",
                        "-Wpedantic",       "-Werror", "-Wshadow",   "-Wundef",                "-fsyntax-only", "-I" CCHAIN_ROOT "/include",
                        source,             NULL};
  ran r = run_words(argv, NULL, folder);
  if (r.status != 0 || r.err.size) fail_msg("%s -std=%s: %d\n%s", compiler, standard, r.status, r.err.data);
  ran_free(&r);
}

/* Each header alone, both, in both orders, and twice; a use of each kind of struct as the manual shows it. */
static void headers(const char *c, const char *cxx) {
  if (!have_program(c) || !have_program(cxx)) {
    print_message("skipped: there is no %s or %s\n", c, cxx);
    skip();
  }
  static const char *const texts[] = {
      "#include <cchain.h>\n",
      "#include <cchain_layer.h>\n",
      "#include <cchain.h>\n#include <cchain_layer.h>\n#include <cchain.h>\n#include <cchain_layer.h>\n",
      "#include <cchain_layer.h>\n#include <cchain.h>\n"
      "extern int f(cc_cache *cache, cc_invocation *inv);\n"
      "int f(cc_cache *cache, cc_invocation *inv) {\n"
      "  cc_result r;\n"
      "  r.struct_size = sizeof r; r.flags = CC_RESULT_NO_DELIVERY | CC_RESULT_KEEP; r.owner = 0;\n"
      "  return cc_lookup(cache, inv, \"local\", &r) == CC_E_TENANT && CC_HOST_LAYER_LOCAL && CC_VERSION_MAJOR == 0;\n"
      "}\n",
  };
  for (size_t i = 0; i < COUNT(texts); i++) {
    char *source = in_folder(fmt("use%zu.txt", i));
    write_text(source, texts[i]);
    for (size_t k = 0; k < COUNT(c_standards); k++) compile(c, "c", c_standards[k], source);
    for (size_t k = 0; k < COUNT(cxx_standards); k++) compile(cxx, "c++", cxx_standards[k], source);
  }
}
static void headers_gcc(void **state) {
  (void)state;
  headers("gcc", "g++");
}
static void headers_clang(void **state) {
  (void)state;
  headers("clang", "clang++");
}

/* The struct of the manual's first page is initialised by its size alone. */
static void initialisers(void **state) {
  (void)state;
  cc_result r = {sizeof r};
  assert_int_equal(r.struct_size, sizeof r);
  assert_null(r.owner);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(headers_gcc, setup, teardown),
      cmocka_unit_test_setup_teardown(headers_clang, setup, teardown),
      cmocka_unit_test(initialisers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

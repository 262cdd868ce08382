// The C ABI: the only extern "C", and the barrier that no exception passes.
// SPDX-License-Identifier: Apache-2.0
#include <cxxabi.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

#include "cchain.h"
#include "cchain_layer.h"
#include "core/cache.h"

using cchain::Cache;
using cchain::CallError;
using cchain::Invocation;
using cchain::ResultOwner;

namespace {

thread_local char last_error[1024];

int fail(int code, const char* text) {
  size_t n = strlen(text);
  if (n >= sizeof last_error) n = sizeof last_error - 1;
  memcpy(last_error, text, n);
  last_error[n] = '\0';
  return code;
}

template <class F>
int guard(const char* name, F f) {
  try {
    return f();
  } catch (const CallError& e) {
    return fail(e.code, e.text.c_str());
  } catch (const std::bad_alloc&) {
    return fail(CC_E_NOMEM, "out of memory");
  } catch (const abi::__forced_unwind&) {
    throw;  // the host ends this thread (pthread_cancel, pthread_exit in its callback): glibc aborts if that is stopped
  } catch (const std::exception& e) {
    snprintf(last_error, sizeof last_error, "%s: %s", name, e.what());
    return CC_E_INTERNAL;
  } catch (...) {
    return fail(CC_E_INTERNAL, name);
  }
}

[[noreturn]] void invalid(const std::string& text) { throw CallError{CC_E_INVALID, text}; }
template <class T>
void need(T* p, const char* what) {
  if (!p) invalid(std::string(what) + " is NULL");
}

Cache* use(cc_cache* c) {
  need(c, "cache");
  Cache* cache = reinterpret_cast<Cache*>(c);
  if (cache->forked()) throw CallError{CC_E_FORKED, "the cache was opened by the parent of this process"};
  return cache;
}
Invocation* use(cc_invocation* i) {
  need(i, "invocation");
  return reinterpret_cast<Invocation*>(i);
}

// A caller's struct of any age as ours: what it lacks is zero, what it has beyond ours must be.
template <class T>
T take(const T* p, const char* what) {
  need(p, what);
  uint32_t size = p->struct_size;
  if (size < 8 || size > 65536) invalid(std::string(what) + ": no valid struct_size");
  const unsigned char* bytes = reinterpret_cast<const unsigned char*>(p);
  for (size_t i = sizeof(T); i < size; i++)
    if (bytes[i]) invalid(std::string(what) + ": has members that this library does not know");
  T out;
  memset(static_cast<void*>(&out), 0, sizeof out);
  memcpy(static_cast<void*>(&out), p, size < sizeof out ? size : sizeof out);
  return out;
}
template <class T>
void give(T* p, const T& from) {
  uint32_t size = p->struct_size;
  T out = from;
  out.struct_size = size;
  memcpy(static_cast<void*>(p), &out, size < sizeof out ? size : sizeof out);
}

// A result of full length is worked on in place; a longer one was checked. Members that come after `owner` one day will need a copy.
static_assert(sizeof(cc_result) == offsetof(cc_result, owner) + sizeof(void*));
void check_result(const cc_result* r, const char* what) {
  (void)take(r, what);
  if (r->struct_size < sizeof *r) invalid(std::string(what) + ": too short to hold its owner");
}
void check_bytes(const uint8_t* out, uint64_t out_size, const uint8_t* err, uint64_t err_size) {
  if (out_size) need(out, "stdout_data");
  if (err_size) need(err, "stderr_data");
}

void clear(cc_result* r) {
  delete static_cast<ResultOwner*>(r->owner);
  r->owner = nullptr;
  r->exit_status = 0;
  r->layer = 0;
  r->stdout_data = r->stderr_data = nullptr;
  r->stdout_size = r->stderr_size = 0;
  r->outputs = nullptr;
  r->output_count = 0;
  r->duration_ms = 0;
  r->reason = nullptr;
}

cc_invocation* hand_out(std::unique_ptr<Invocation> inv) {
  for (size_t i = 0; i < inv->declared.size(); i++)
    inv->outputs_c.push_back({inv->declared[i].role.c_str(), inv->declared[i].path.c_str(), nullptr, 0, inv->declared_flags[i], 0});
  return reinterpret_cast<cc_invocation*>(inv.release());
}

struct Options {
  cc_invocation_options value;
  const cc_invocation_options* pointer;
  explicit Options(const cc_invocation_options* o) : value{}, pointer(nullptr) {
    if (!o) return;
    value = take(o, "options");
    pointer = &value;
  }
};

int parse_words(cc_cache* cache, std::vector<std::string> words, const cc_invocation_options* options, cc_invocation** out) {
  Options o(options);
  *out = hand_out(use(cache)->parse(std::move(words), "", {}, "", o.pointer));
  return CC_OK;
}

int blob_lookup(cc_cache* cache, cchain::Space space, const char* tenant, const uint8_t* digest, uint8_t** data, uint64_t* size) {
  need(digest, "digest");
  need(data, "data");
  need(size, "size");
  *data = nullptr;
  *size = 0;
  cchain::Digest d;
  memcpy(d.b.data(), digest, 32);
  std::string bytes;
  if (use(cache)->blob_lookup(space, tenant, d, &bytes) == 0) return 0;
  *data = static_cast<uint8_t*>(malloc(bytes.size() + 1));
  if (!*data) throw std::bad_alloc();
  memcpy(*data, bytes.data(), bytes.size());
  (*data)[bytes.size()] = 0;
  *size = bytes.size();
  return 1;
}
int blob_store(cc_cache* cache, cchain::Space space, const char* tenant, const void* data, uint64_t size, uint8_t* digest) {
  if (size) need(data, "data");
  cchain::Digest d = use(cache)->blob_store(space, tenant, std::string_view(static_cast<const char*>(data), size));
  if (digest) memcpy(digest, d.b.data(), 32);
  return CC_OK;
}

int give_text(char** text, const std::string& s) {
  *text = strdup(s.c_str());
  if (!*text) throw std::bad_alloc();
  return CC_OK;
}

}  // namespace

extern "C" {

uint32_t cc_version(void) { return CC_VERSION_MAJOR * 1000000u + CC_VERSION_MINOR * 1000u + CC_VERSION_PATCH; }
#define CC_TEXT2(x) #x
#define CC_TEXT(x) CC_TEXT2(x)
const char* cc_version_string(void) { return CC_TEXT(CC_VERSION_MAJOR) "." CC_TEXT(CC_VERSION_MINOR) "." CC_TEXT(CC_VERSION_PATCH); }
const char* cc_last_error(void) { return last_error; }
void cc_free(void* p) { free(p); }

int cc_open(const cc_open_options* options, cc_cache** out) {
  return guard("cc_open", [&] {
    need(out, "out");
    *out = nullptr;
    cc_open_options o{};
    if (options) {
      o = take(options, "options");
      if (o.host_layer_count && !o.host_layers) invalid("host_layers is NULL");
    }
    *out = reinterpret_cast<cc_cache*>(new Cache(options ? &o : nullptr));
    return CC_OK;
  });
}
void cc_close(cc_cache* cache) {
  // A forked child lacks the workers, and what they sleep on can't be torn down: all is left as it is.
  if (!cache || reinterpret_cast<Cache*>(cache)->forked()) return;
  guard("cc_close", [&] {
    delete reinterpret_cast<Cache*>(cache);
    return 0;
  });
}
int cc_flush(cc_cache* cache, int32_t timeout_ms) {
  return guard("cc_flush", [&] {
    int left = use(cache)->flush(timeout_ms);
    if (left && use(cache)->cancelled()) throw CallError{CC_E_CANCELLED, "cancelled"};
    return left;
  });
}
void cc_cancel(cc_cache* cache) {
  if (cache) reinterpret_cast<Cache*>(cache)->cancel();
}
void cc_resume(cc_cache* cache) {
  if (cache) reinterpret_cast<Cache*>(cache)->resume();
}

int cc_invocation_parse_argv(cc_cache* cache, int argc, const char* const* argv, const cc_invocation_options* options, cc_invocation** out) {
  return guard("cc_invocation_parse_argv", [&] {
    need(out, "out");
    *out = nullptr;
    if (argc < 0) invalid("argc is negative");
    if (argc) need(argv, "argv");
    std::vector<std::string> words;
    for (int i = 0; i < argc; i++) {
      need(argv[i], "a word of argv");
      words.emplace_back(argv[i]);
    }
    return parse_words(cache, std::move(words), options, out);
  });
}
int cc_invocation_parse_nul(cc_cache* cache, const char* text, size_t len, const cc_invocation_options* options, cc_invocation** out) {
  return guard("cc_invocation_parse_nul", [&] {
    need(out, "out");
    *out = nullptr;
    if (len) need(text, "words");
    if (len && text[len - 1] != '\0') invalid("words: the last one is not ended by a NUL");
    std::vector<std::string> words;
    for (size_t at = 0; at < len; at += words.back().size() + 1) words.emplace_back(text + at);
    return parse_words(cache, std::move(words), options, out);
  });
}
int cc_invocation_parse_line(cc_cache* cache, const char* line, const cc_invocation_options* options, cc_invocation** out) {
  return guard("cc_invocation_parse_line", [&] {
    need(out, "out");
    *out = nullptr;
    need(line, "line");
    Options o(options);
    std::vector<std::pair<std::string, std::string>> env;
    std::vector<std::string> words;
    std::string cd, why;
    if (!cchain::parse_shell_line(line, &env, &cd, &words, &why)) {
      *out = hand_out(use(cache)->parse({"/bin/sh", "-c", line}, why.empty() ? "the shell line is not understood" : why, {}, "", o.pointer));
      return CC_OK;
    }
    *out = hand_out(use(cache)->parse(std::move(words), "", env, cd, o.pointer));
    return CC_OK;
  });
}
int cc_invocation_from_key(cc_cache* cache, const char* label, const void* key, size_t key_len, const cc_output* outputs, size_t n,
                           const cc_invocation_options* options, cc_invocation** out) {
  return guard("cc_invocation_from_key", [&] {
    need(out, "out");
    *out = nullptr;
    need(label, "label");
    if (key_len) need(key, "key");
    if (n) need(outputs, "outputs");
    Options o(options);
    *out = hand_out(use(cache)->from_key(label, std::string_view(static_cast<const char*>(key), key_len), outputs, n, o.pointer));
    return CC_OK;
  });
}
void cc_invocation_free(cc_invocation* inv) { delete reinterpret_cast<Invocation*>(inv); }
const char* cc_invocation_uncacheable(const cc_invocation* inv) {
  if (!inv) return "no invocation";
  const Invocation* i = reinterpret_cast<const Invocation*>(inv);
  return i->uncacheable.empty() ? nullptr : i->uncacheable.c_str();
}
size_t cc_invocation_outputs(const cc_invocation* inv, const cc_output** outputs) {
  if (!inv) return 0;
  const Invocation* i = reinterpret_cast<const Invocation*>(inv);
  if (outputs) *outputs = i->outputs_c.data();
  return i->outputs_c.size();
}
size_t cc_invocation_part(const cc_invocation* inv, size_t index, const char* const** argv) {
  if (argv) *argv = nullptr;
  if (!inv) return 0;
  const Invocation* i = reinterpret_cast<const Invocation*>(inv);
  if (argv && index < i->parts.size()) *argv = i->parts_c[index].data();
  return i->parts.size();
}

int cc_invocation_task(cc_cache* cache, cc_invocation* inv, cc_task* task) {
  return guard("cc_invocation_task", [&] {
    cc_task t = take(task, "task");
    use(cache)->task(use(inv), &t);
    give(task, t);
    return CC_OK;
  });
}
int cc_invocation_task_done(cc_cache* cache, cc_invocation* inv, const cc_task_result* result) {
  return guard("cc_invocation_task_done", [&] {
    cc_task_result r = take(result, "result");
    check_bytes(r.stdout_data, r.stdout_size, r.stderr_data, r.stderr_size);
    use(cache)->task_done(use(inv), r);
    return CC_OK;
  });
}

void cc_result_clear(cc_result* result) {
  if (result && result->struct_size >= offsetof(cc_result, owner) + sizeof result->owner) clear(result);
}
int cc_lookup(cc_cache* cache, cc_invocation* inv, const char* tenant, cc_result* result) {
  return guard("cc_lookup", [&] {
    if (result) {
      check_result(result, "result");
      clear(result);
      result->reason = "";
    }
    return use(cache)->lookup(use(inv), tenant, result);
  });
}
int cc_store(cc_cache* cache, cc_invocation* inv, const cc_result* result, const char* tenant) {
  return guard("cc_store", [&] {
    cc_result r = take(result, "result");
    check_bytes(r.stdout_data, r.stdout_size, r.stderr_data, r.stderr_size);
    if (r.output_count) need(r.outputs, "outputs");
    return use(cache)->store(use(inv), r, tenant);
  });
}
int cc_lookup_many(cc_cache* cache, cc_request* requests, size_t count) {
  return guard("cc_lookup_many", [&] {
    use(cache);
    if (count) need(requests, "requests");
    return use(cache)->lookup_many(
        requests, count,
        [](cc_request* r, void* c) { return r->status = cc_lookup(static_cast<cc_cache*>(c), r->inv, r->tenant, r->result); }, cache);
  });
}
int cc_prefetch(cc_cache* cache, cc_invocation* const* invs, size_t count, const char* tenant) {
  return guard("cc_prefetch", [&] {
    use(cache);
    if (count) need(invs, "invs");
    std::vector<Invocation*> list;
    for (size_t i = 0; i < count; i++) list.push_back(use(invs[i]));
    use(cache)->prefetch(list.data(), count, tenant);
    return CC_OK;
  });
}

int cc_session_begin(cc_cache* cache) {
  return guard("cc_session_begin", [&] { return use(cache)->session_begin(), CC_OK; });
}
int cc_session_changed(cc_cache* cache, const char* path) {
  return guard("cc_session_changed", [&] { return use(cache)->session_changed(path), CC_OK; });
}
int cc_session_end(cc_cache* cache) {
  return guard("cc_session_end", [&] { return use(cache)->session_end(); });
}
int cc_session_outdated(cc_cache* cache, const char* const** outputs) {
  return guard("cc_session_outdated", [&] {
    need(outputs, "outputs");
    return use(cache)->session_outdated(outputs);
  });
}

int cc_lookup_async(cc_cache* cache, cc_invocation* inv, const char* tenant, cc_result* result, uint64_t tag) {
  return guard("cc_lookup_async", [&] {
    if (result) {
      check_result(result, "result");
      clear(result);
      result->reason = "";
    }
    use(cache)->submit(false, use(inv), tenant, result, tag);
    return CC_OK;
  });
}
int cc_store_async(cc_cache* cache, cc_invocation* inv, const cc_result* result, const char* tenant, uint64_t tag) {
  return guard("cc_store_async", [&] {
    check_result(result, "result");
    check_bytes(result->stdout_data, result->stdout_size, result->stderr_data, result->stderr_size);
    if (result->output_count) need(result->outputs, "outputs");
    use(cache)->submit(true, use(inv), tenant, const_cast<cc_result*>(result), tag);
    return CC_OK;
  });
}
int cc_async_fd(cc_cache* cache) {
  return guard("cc_async_fd", [&] { return use(cache)->async_fd(); });
}
int cc_reap(cc_cache* cache, cc_completion* completion) {
  return guard("cc_reap", [&] {
    cc_completion c = take(completion, "completion");
    if (!use(cache)->reap(&c)) return 0;
    give(completion, c);
    return 1;
  });
}

int cc_source_lookup(cc_cache* cache, const char* tenant, const uint8_t digest[32], uint8_t** data, uint64_t* size) {
  return guard("cc_source_lookup", [&] { return blob_lookup(cache, cchain::Space::kSource, tenant, digest, data, size); });
}
int cc_source_store(cc_cache* cache, const char* tenant, const void* data, uint64_t size, uint8_t digest[32]) {
  return guard("cc_source_store", [&] { return blob_store(cache, cchain::Space::kSource, tenant, data, size, digest); });
}
int cc_manifest_lookup(cc_cache* cache, const char* tenant, const uint8_t digest[32], uint8_t** data, uint64_t* size) {
  return guard("cc_manifest_lookup", [&] { return blob_lookup(cache, cchain::Space::kManifest, tenant, digest, data, size); });
}
int cc_manifest_store(cc_cache* cache, const char* tenant, const void* data, uint64_t size, uint8_t digest[32]) {
  return guard("cc_manifest_store", [&] { return blob_store(cache, cchain::Space::kManifest, tenant, data, size, digest); });
}

int cc_stats_get(cc_cache* cache, cc_stats* stats) {
  return guard("cc_stats_get", [&] {
    cc_stats s = take(stats, "stats");
    use(cache)->stats(&s);
    give(stats, s);
    return CC_OK;
  });
}
int cc_layer_stats_get(cc_cache* cache, uint32_t layer, cc_layer_stats* stats) {
  return guard("cc_layer_stats_get", [&] {
    cc_layer_stats s = take(stats, "stats");
    const auto& links = use(cache)->chain().links();
    if (layer >= links.size()) invalid("no such layer");
    const cchain::Layer& l = *links[layer].layer;
    s.name = l.name().c_str();
    s.type = l.type();
    s.hits = l.counters.hits;
    s.misses = l.counters.misses;
    s.stores = l.counters.stores;
    s.errors = l.counters.errors;
    s.bytes_read = l.counters.bytes_read;
    s.bytes_written = l.counters.bytes_written;
    give(stats, s);
    return CC_OK;
  });
}
int cc_layer_check(cc_cache* cache, uint32_t layer, cc_layer_health* health) {
  return guard("cc_layer_check", [&] {
    cc_layer_health h = take(health, "health");
    use(cache)->check_layer(layer, &h);
    give(health, h);
    return CC_OK;
  });
}
int cc_stats_json(cc_cache* cache, char** text) {
  return guard("cc_stats_json", [&] {
    need(text, "text");
    return give_text(text, use(cache)->stats_json(nullptr));
  });
}
int cc_stats_reset(cc_cache* cache) {
  return guard("cc_stats_reset", [&] {
    if (int e = use(cache)->stats_reset()) throw CallError{CC_E_IO, std::string("the statistics can't be reset: ") + strerror(e)};
    return CC_OK;
  });
}
int cc_stats_file_json(cc_cache* cache, const char* path, char** text) {
  return guard("cc_stats_file_json", [&] {
    need(text, "text");
    need(path, "path");
    return give_text(text, use(cache)->stats_json(path));
  });
}
int cc_explain(cc_cache* cache, const char* path, const char* tenant, uint32_t flags, char** text) {
  return guard("cc_explain", [&] {
    need(text, "text");
    need(path, "path");
    if (flags & ~CC_EXPLAIN_DUMP) invalid("flags: unknown ones");
    return give_text(text, use(cache)->explain(path, tenant, flags));
  });
}
int cc_explain_diff(const char* before, const char* after, char** text) {
  return guard("cc_explain_diff", [&] {
    need(text, "text");
    need(before, "before");
    need(after, "after");
    std::string why, json;
    if (!cchain::dump_difference(before, after, &json, &why)) invalid(why);
    return give_text(text, json);
  });
}
int cc_config_json(cc_cache* cache, char** text) {
  return guard("cc_config_json", [&] {
    need(text, "text");
    return give_text(text, use(cache)->config_text());
  });
}
int cc_trim(cc_cache* cache, const cc_trim_options* options, uint64_t* entries, uint64_t* bytes) {
  return guard("cc_trim", [&] {
    cc_trim_options o{};
    o.max_size = UINT64_MAX;
    if (options) o = take(options, "options");
    if (options && options->struct_size < offsetof(cc_trim_options, max_age_s)) o.max_size = UINT64_MAX;
    use(cache)->trim(o, entries, bytes);
    return CC_OK;
  });
}
int cc_clear(cc_cache* cache, const char* tenant) {
  return guard("cc_clear", [&] { return use(cache)->clear(tenant), CC_OK; });
}

int cc_keygen(const char* algorithm, const char* path) {
  return guard("cc_keygen", [&] {
    need(algorithm, "algorithm");
    need(path, "path");
    if (!*path) invalid("path is empty");
    if (std::string wrong = cchain::make_key(algorithm, path); !wrong.empty()) throw CallError{CC_E_IO, wrong};
    return CC_OK;
  });
}
int cc_verify(cc_cache* cache, uint32_t flags, cc_verify_fn progress, void* user, cc_verify_report* report) {
  return guard("cc_verify", [&] {
    if (flags & ~CC_VERIFY_REPAIR) invalid("flags: unknown bits");
    cc_verify_report r{};
    if (report) r = take(report, "report");
    r = cc_verify_report{sizeof r};
    int status = use(cache)->verify(flags & CC_VERIFY_REPAIR, progress, user, &r);
    if (report) give(report, r);
    return status;
  });
}

const cc_backend* cc_backend_get(uint32_t version) {
  static const cc_backend table = {
      sizeof(cc_backend),      1,
      cc_open,                 cc_close,
      cc_flush,                cc_cancel,
      cc_resume,               cc_invocation_parse_argv,
      cc_invocation_parse_line, cc_invocation_from_key,
      cc_invocation_free,      cc_invocation_uncacheable,
      cc_invocation_outputs,   cc_invocation_task,
      cc_invocation_task_done, cc_lookup,
      cc_store,                cc_result_clear,
      cc_lookup_many,          cc_prefetch,
      cc_session_begin,        cc_session_changed,
      cc_session_end,          cc_lookup_async,
      cc_store_async,          cc_async_fd,
      cc_reap,                 cc_stats_get,
      cc_layer_stats_get,      cc_last_error,
      cc_session_outdated,
  };
  return version == 1 ? &table : nullptr;
}

}  // extern "C"

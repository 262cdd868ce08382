// The facade's part of cc_explain: what is put on record, and the answer.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include "core/cache.h"
#include "model/places.h"

extern char** environ;

namespace cchain {

namespace {

// What of a command's environment is on record, so that it can be asked again from elsewhere.
constexpr const char* kRecorded[] = {"PATH", "PWD", "COMPILER_PATH", "GCC_EXEC_PREFIX", "LIBRARY_PATH", "LD_LIBRARY_PATH", "CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH",
                                     "OBJC_INCLUDE_PATH", "OBJCPLUS_INCLUDE_PATH", "GCC_ROOT", "GLIBC_TUNABLES", "SOURCE_DATE_EPOCH", "TZ", "MACOSX_DEPLOYMENT_TARGET",
                                     "LC_ALL", "LC_MESSAGES", "LC_CTYPE", "LANG", "LANGUAGE", "GCC_EXTRA_DIAGNOSTIC_OUTPUT", "COLUMNS", "TERM", "COLORTERM", "TERMINFO",
                                     "TERMINFO_DIRS", "NO_COLOR", "GCC_COLORS", "GCC_URLS", "TERM_URLS"};

uint64_t first_bytes(const Digest& d) {
  uint64_t n = 0;
  for (int i = 0; i < 8; i++) n = n << 8 | d.b[static_cast<size_t>(i)];
  return n;
}

// How near a store is to what was asked for; 0: it has nothing to do with it.
int nearness(const ExplainRecord& stored, const ExplainRecord& asked) {
  if (!asked.output.empty() && stored.output == asked.output) return 8;
  if (!asked.source.empty() && stored.source == asked.source) return 4;
  const bool same_names = path_base(stored.source) == path_base(asked.source) && path_base(stored.output) == path_base(asked.output);
  return same_names && !asked.output.empty() ? 1 : 0;
}

std::string names_of_layers(const Chain& chain) {
  std::string out;
  for (auto& l : chain.links()) out += (out.empty() ? "" : ", ") + l.layer->name() + (l.config.path.empty() ? "" : " " + l.config.path);
  return out;
}

// Reasons of a miss that name no place: nothing was found.
bool says_nothing(std::string_view reason) {
  return reason == "this source was not compiled before with these options" || reason == "an input has changed" || reason == "this key was not stored before" ||
         reason == "the preprocessed source is new" || reason.empty();
}

// A place that keeps a set of inputs from being the one that was stored, as evaluate() names it, is a cause that files do not show.
void add_place(std::string_view reason, std::vector<Difference>* list) {
  for (auto& [suffix, change] : std::initializer_list<std::pair<std::string_view, const char*>>{
           {" or its .gch has appeared", "appeared"}, {" has appeared", "appeared"}, {" is gone", "gone"}}) {
    if (reason.size() <= suffix.size() || reason[0] != '/' || reason.substr(reason.size() - suffix.size()) != suffix) continue;
    std::string path = plain_path(reason.substr(0, reason.size() - suffix.size()));
    std::erase_if(*list, [&](auto& d) { return d.name == path; });
    list->insert(list->begin(), {"header", change, path, "", "", 0});
    return;
  }
}

}  // namespace

std::vector<std::string> Cache::failing_layers() {
  std::vector<std::string> out;
  std::lock_guard<std::mutex> lock(reasons_mutex_);
  explained_errors_.resize(chain_.links().size());
  for (size_t i = 0; i < explained_errors_.size(); i++) {
    Layer& l = *chain_.links()[i].layer;
    const uint64_t errors = l.counters.errors.load(std::memory_order_relaxed);
    std::string why = l.failing();
    if (why.empty() && errors > explained_errors_[i]) why = "an error, or a damaged entry";
    explained_errors_[i] = errors;
    if (why.empty()) continue;
    const std::string prefix = "layer " + l.name() + ": ";
    if (last_trouble_.compare(0, prefix.size(), prefix) == 0) why = last_trouble_.substr(prefix.size()) + "; " + why;
    out.push_back(l.name() + ": " + why);
  }
  return out;
}

ExplainRecord Cache::explain_record(const Invocation& inv, ExplainRecord::Kind kind, const std::string& reason) {
  ExplainRecord e;
  e.kind = kind;
  e.time_ns = now_ns();
  e.tenant = inv.tenant.empty() ? config_.tenant : inv.tenant;
  e.host = host_;
  e.reason = reason;
  e.cwd = inv.cwd;
  e.argv = inv.argv;
  for (auto& [name, value] : inv.line_env) e.line_env.push_back(name + "=" + value);
  for (const char* name : kRecorded)
    if (const char* value = inv.env.get(name)) e.env.push_back(std::string(name) + "=" + value);
  e.from_key = inv.from_key;
  e.flags = inv.flags;
  e.columns = inv.columns, e.stdout_columns = inv.stdout_columns;
  if (inv.declared.empty()) {
    guess_files(inv.argv, inv.cwd, &e.output, &e.source);
  } else {
    e.output = plain_path(path_join(inv.cwd, inv.declared[0].path));
    if (!inv.command.source.empty()) e.source = plain_path(path_join(inv.cwd, inv.command.source));
  }
  if (inv.keys_known || inv.from_key) {
    e.invocation_key = inv.invocation_key;
    e.fields = labelled_fields(inv, e.tenant);
    if (inv.from_key) e.fields = {{"tenant", e.tenant}, {"key", inv.host_key.hex()}};
    e.fields.push_back({" layers", names_of_layers(chain_)});
  }
  return e;
}

void Cache::remember(Invocation* inv, ExplainRecord::Kind kind, const std::string& reason) noexcept {
  if (!explain_log_ || (kind == ExplainRecord::kUncacheable && inv->explained)) return;
  try {
    ExplainRecord e = explain_record(*inv, kind, reason);
    if (e.output.empty() && e.source.empty()) return;  // no compile by any sign
    e.failing = failing_layers();
    explain_log_.append(e);
    inv->explained = kind == ExplainRecord::kUncacheable;
  } catch (...) {  // no memory: it is for people only
  }
}

ExplainFile Cache::file_now(const std::string& path, uint64_t e) {
  ExplainFile f;
  f.path = plain_path(path);
  Looker::Node* node = looker_.node(f.path);
  const Looker::Look l = looker_.look(node, e);
  Digest d;
  if (l.error || !l.id.is_regular() || looker_.digest(node, e, &d) != 0) return f;
  f.digest = first_bytes(d);
  f.changed_s = l.id.newest_ns() / 1000000000;
  return f;
}

std::vector<ExplainFile> Cache::files_read(const Invocation& inv, std::string_view places, uint64_t e) {
  std::vector<ExplainFile> out;
  PlaceSet set;
  if (!places.empty() && set.decode(places)) {
    for (auto& f : set.files)
      if (f.kind == PlaceKind::kInput) out.push_back(file_now(path_join(path_join(inv.cwd, set.dirs[f.dir]), f.name), e));
  } else {
    for (auto& f : inv.preprocess_files) out.push_back(file_now(f.path, e));
  }
  const std::string source = plain_path(path_join(inv.cwd, inv.command.source));
  if (!out.empty() && std::none_of(out.begin(), out.end(), [&](auto& f) { return f.path == source; })) out.push_back(file_now(source, e));
  return out;
}

// What a look-up would answer now, and what differs from what was stored. Nothing is delivered, counted or put on record.
void Cache::write_now(JsonWriter* w, const ExplainRecord& last, const ExplainRecord* stored) {
  w->key("now").begin_object();
  auto answer = [&](const char* what, const std::string& reason) {
    w->key("answer").string(what);
    if (!reason.empty()) w->key("reason").string(reason);
  };
  std::vector<std::pair<std::string, std::string>> env;
  for (auto& word : last.line_env) env.emplace_back(word.substr(0, word.find('=')), word.substr(word.find('=') + 1));
  std::vector<const char*> around;
  for (char** word = environ; !no_env_ && *word; word++) {
    const std::string_view name(*word, strcspn(*word, "="));
    if (std::none_of(std::begin(kRecorded), std::end(kRecorded), [&](const char* recorded) { return name == recorded; })) around.push_back(*word);
  }
  for (auto& word : last.env) around.push_back(word.c_str());
  around.push_back(nullptr);
  cc_invocation_options how{};
  how.struct_size = sizeof how;
  how.flags = last.flags;
  how.columns = last.columns, how.stdout_columns = last.stdout_columns;
  how.cwd = last.cwd.c_str();
  how.env = around.data();
  ResultOwner owner;
  std::unique_ptr<Invocation> inv;
  std::string why;
  const uint64_t e = looker_.new_epoch();
  bool hit = false;
  if (last.from_key) {
    inv = new_invocation(&how);
    inv->from_key = true;
    inv->stream_class = "host";
    inv->tenant = last.tenant;
    inv->invocation_key = last.invocation_key;
    hit = find_entry(inv.get(), inv->invocation_key, false, &owner, nullptr);
  } else {
    inv = understand(last.argv, last.argv.empty() ? "its command is not remembered" : "", env, "", &how);
    if (chain_.empty() && inv->uncacheable.empty()) inv->uncacheable = "no layer is configured";
    if (inv->uncacheable.empty() && keys(inv.get(), last.tenant, e, &why) && !config_.recache) hit = uses_direct(*inv) && find_direct(inv.get(), e, &owner);
  }
  if (hit) {
    answer("hit", "");
    w->key("layer").string(chain_.links()[owner.found.layer].layer->name());
  } else if (!inv->uncacheable.empty()) {
    answer("uncacheable", inv->uncacheable);
  } else if (config_.recache) {
    answer("miss", "recache is on");
  } else if (!inv->keys_known && !last.from_key) {
    answer("miss", inv->compiler_changed.empty() ? why : "the compiler is asked anew: " + inv->compiler_changed);
  } else if (!uses_direct(*inv)) {
    answer("unknown", "the mode is preprocess: the preprocessor would have to be run");
  } else {
    ExplainRecord now = explain_record(*inv, ExplainRecord::kMiss, "");
    std::vector<Difference> list;
    if (stored) {
      for (auto& f : stored->files) now.files.push_back(file_now(f.path, e));
      list = compare(*stored, now);
      add_place(owner.reason, &list);
    }
    const std::vector<std::string> failing = failing_layers();
    if (!failing.empty()) answer("miss", failing[0]);
    else if (!list.empty()) answer("miss", in_words(list[0]));
    else if (stored && !stored->taken()) answer("miss", "it was not stored: no layer takes anything");
    else if (stored && says_nothing(owner.reason) && last.kind != ExplainRecord::kUncacheable) answer("miss", "it was stored and is no longer held: evicted or removed");
    else answer("miss", last.from_key ? "this key is not held" : owner.reason);
    w->key("differences");
    write_differences(w, list);
  }
  w->end_object();
}

std::string Cache::explain(const char* path_c, const char* tenant_c, uint32_t flags) {
  const std::string tenant = tenant_c ? check_tenant(tenant_c) : "";
  std::string path = path_c;
  if (path.empty() || path[0] != '/') {
    char here[4096];
    if (!getcwd(here, sizeof here)) throw CallError{CC_E_INVALID, std::string("the working directory: ") + strerror(errno)};
    path = path_join(here, path);
  }
  path = plain_path(path);
  flush(0);
  const std::vector<ExplainLog::Item> items = explain_log_.read();
  auto ours = [&](const ExplainRecord& e) { return tenant.empty() || e.tenant == tenant; };
  const ExplainLog::Item* newest = nullptr;
  for (auto& i : items)
    if (ours(i.head) && (i.head.output == path || i.head.source == path)) newest = &i;
  ExplainRecord last;
  JsonWriter w;
  if (!newest || !ExplainLog::read_body(*newest, &last)) {
    if (flags & CC_EXPLAIN_DUMP) throw CallError{CC_E_INVALID, path + ": nothing is remembered of it"};
    w.begin_object().key("path").string(path).key("found").boolean(false);
    w.key("summary").string("nothing is remembered of it: it was not asked for here, was always a hit, or that is long ago");
    return w.end_object().take();
  }
  // Of its output: the last answer that was no hit, what was stored then, and the nearest of what had been stored before.
  const std::string output = last.output, source = last.source;
  auto same = [&](const ExplainRecord& e) { return ours(e) && e.output == output && (!output.empty() || e.source == source); };
  const ExplainLog::Item *answer = nullptr, *after = nullptr;
  for (auto& i : items) {
    if (!same(i.head)) continue;
    if (i.head.kind == ExplainRecord::kStored) after = &i;
    else answer = &i;
  }
  ExplainRecord stored, before;
  bool has_stored = after && ExplainLog::read_body(*after, &stored), has_before = false;
  if (answer && !ExplainLog::read_body(*answer, &last)) answer = nullptr;
  if (!answer && has_stored) last = stored;
  int best = 0;
  for (size_t n = answer ? static_cast<size_t>(answer - items.data()) : 0; n-- > 0;) {
    const ExplainRecord& head = items[n].head;
    if (head.kind != ExplainRecord::kStored) continue;
    int near = nearness(head, last) * 2;
    ExplainRecord e;
    if (near < best || near == 0 || !ExplainLog::read_body(items[n], &e) || !e.taken()) continue;
    near += e.invocation_key == last.invocation_key;
    if (near > best) best = near, before = std::move(e), has_before = true;
  }
  const bool stored_then = has_stored && answer && after > answer;
  if (flags & CC_EXPLAIN_DUMP) return dump_json(has_stored ? stored : last);

  std::vector<Difference> list;
  if (has_before && last.kind == ExplainRecord::kMiss) {
    ExplainRecord now = last;
    if (stored_then) {
      now.files = stored.files;
    } else {
      const uint64_t e = looker_.new_epoch();
      for (auto& f : before.files)
        if (before.cwd == last.cwd) now.files.push_back(file_now(f.path, e));
    }
    list = compare(before, now);
    add_place(last.reason, &list);
  }
  auto command = [&] {
    w.key("command").begin_array();
    for (auto& word : last.argv) w.string(word);
    w.end_array();
  };
  static const char* const kAnswers[] = {"", "miss", "uncacheable", "stored"};
  w.begin_object();
  w.key("path").string(path).key("found").boolean(true).key("output").string(output).key("source").string(source).key("tenant").string(last.tenant);
  for (auto& f : last.fields)
    if (f.label == " compiler") w.key("compiler").string(f.value);
  w.key("last").begin_object().key("answer").string(kAnswers[last.kind]).key("time").number(last.time_ns / 1000000000).key("by").string(last.host);
  w.key("reason").string(last.reason).key("cwd").string(last.cwd);
  command();
  w.key("failing").begin_array();
  for (auto& f : last.failing) w.string(f);
  w.end_array().end_object();
  if (has_before && last.kind == ExplainRecord::kMiss)
    w.key("compared_with").begin_object().key("output").string(before.output).key("time").number(before.time_ns / 1000000000).key("by").string(before.host).end_object();
  w.key("differences");
  write_differences(&w, list);
  if (has_stored && stored.taken()) w.key("stored_at").number(stored.time_ns / 1000000000);
  std::string summary;
  if (last.kind == ExplainRecord::kUncacheable) summary = "it can't be cached: " + last.reason;
  else if (last.kind == ExplainRecord::kStored) summary = "it was stored";
  else if (last.reason == "recache is on") summary = last.reason;
  else if (!list.empty()) summary = in_words(list[0]) + (list.size() > 1 ? " (and " + std::to_string(list.size() - 1) + " more)" : "");
  else if (!last.failing.empty()) summary = "a layer could not answer: " + last.failing[0];
  else if (!has_before) summary = "it was not stored before";
  else if (!says_nothing(last.reason)) summary = last.reason;
  else summary = "it was stored before and was no longer held: evicted or removed";
  w.key("summary").string(summary);
  write_now(&w, last, has_stored ? &stored : nullptr);
  std::set<std::string_view> others;
  for (auto& i : items)
    if (ours(i.head) && i.head.source == path && i.head.output != output) others.insert(i.head.output);
  w.key("other_outputs").begin_array();
  for (auto& o : others) w.string(o);
  w.end_array();
  return w.end_object().take();
}

}  // namespace cchain

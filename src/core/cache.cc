// SPDX-License-Identifier: Apache-2.0
#include "core/cache.h"

#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/dynamic.h"
#include "base/json.h"
#include "core/deliver.h"
#include "layers/disk.h"
#include "layers/host.h"
#include "model/places.h"
#include "model/precompiled.h"

extern char** environ;

namespace cchain {

namespace {

std::atomic<uint64_t> next_serial{1};

constexpr size_t kWorkers = 2;
constexpr uint64_t kMaxStreams = 64u << 20;
constexpr uint64_t kMaxPublications = 128u << 20;
constexpr const char kRecheck[] = "recheck: it is compiled again, to be compared";

// An output that a full disk has cut off: an object whose section table lies beyond its end, or that is none; an assembly without its last newline, or
// without what both compilers write behind all code.
bool is_cut(std::string_view role, std::string_view d) {
  auto has = [&](const char* text) { return memmem(d.data(), d.size(), text, strlen(text)) != nullptr; };
  if (role == "su") return !d.empty() && d.back() != '\n';
  if (role == "ci" || role == "ddi" || role == "sarif") return !d.ends_with("}\n");
  if (role == "timetrace") return !d.ends_with("}");
  if (role == "gcno") return d.size() < 16;
  if (role == "optrecord") return d.size() > 2 && d.substr(0, 2) == "\x1f\x8b" ? d.size() < 20 : !d.empty() && d.back() != '\n';
  if (role == "assembly") return d.empty() || d.back() != '\n' || !(has(".note.GNU-stack") || has(".ident") || has("llvm.ident"));
  if (role != "object" && role != "dwo") return false;
  if (d.substr(0, 4) == "BC\xC0\xDE" || d.substr(0, 4) == "\xDE\xC0\x17\x0B") return false;  // LLVM's, under -flto
  if (d.size() < EI_NIDENT || memcmp(d.data(), ELFMAG, SELFMAG) != 0) return true;
  auto cut = [&](auto h) {
    if (d.size() < sizeof h) return true;
    memcpy(&h, d.data(), sizeof h);
    return h.e_shoff == 0 || h.e_shoff > d.size() || d.size() - h.e_shoff < static_cast<uint64_t>(h.e_shnum) * h.e_shentsize;
  };
  return d[EI_CLASS] == ELFCLASS64 ? cut(Elf64_Ehdr{}) : cut(Elf32_Ehdr{});
}

// Of a result that only the checkout at hand may have.
Digest apart_key(const Digest& key, const Bases& bases) {
  KeyHasher h("cchain apart 1");
  h.field("key", key);
  bases.add_to(&h);
  return h.finish();
}

// Of a result that shows the working directory.
Digest here_key(const Digest& key, const Invocation& inv) {
  auto path = [&](std::string p) { return inv.relocation ? inv.bases()->fold(p) : p; };
  KeyHasher h("cchain here 1");
  h.field("key", key);
  h.field("cwd", path(inv.cwd));
  h.field("pwd", path(inv.pwd));
  return h.finish();
}

// Where the entry of a set lies, before its diagnostic class.
Digest key_of(const Invocation& inv, const InputsRecord::Set& set, Digest key) {
  if (set.here) key = here_key(key, inv);
  return set.apart && inv.relocation ? apart_key(key, *inv.bases()) : key;
}

// Whether a text search in an output finds each path that it holds: nothing in it is compressed.
bool shows_paths(std::string_view d) {
  if (d.find(".zdebug_") != d.npos) return false;  // compressed without a flag
  auto plain = [&](auto h, auto s) {
    if (d.size() < sizeof h) return false;
    memcpy(&h, d.data(), sizeof h);
    for (unsigned i = 0; i < h.e_shnum; i++) {
      const uint64_t at = h.e_shoff + uint64_t{i} * sizeof s;
      if (h.e_shentsize != sizeof s || at > d.size() || d.size() - at < sizeof s) return false;
      memcpy(&s, d.data() + at, sizeof s);
      if (s.sh_flags & SHF_COMPRESSED) return false;
    }
    return h.e_shnum > 0;
  };
  if (d.size() < EI_NIDENT || memcmp(d.data(), ELFMAG, SELFMAG) != 0) return d.substr(0, 4) != "BC\xC0\xDE" && d.substr(0, 4) != "\xDE\xC0\x17\x0B";
  return d[EI_CLASS] == ELFCLASS64 ? plain(Elf64_Ehdr{}, Elf64_Shdr{}) : plain(Elf32_Ehdr{}, Elf32_Shdr{});
}

// Whether outputs show the working directory where no option says that they may: the assembler writes it for the .file and .loc of any text.
bool shows_cwd(const Invocation& inv, const Entry& e) {
  if (inv.command.cwd_matters) return false;
  std::vector<std::string> dirs = {inv.cwd, inv.pwd};
  for (size_t i = 0, n = inv.relocation ? dirs.size() : 0; i < n; i++)
    if (const std::string folded = inv.bases()->fold(dirs[i]); folded != dirs[i]) dirs.push_back(Bases::name(static_cast<size_t>(folded[1] - '0')) + folded.substr(2));
  auto shows = [&](std::string_view d) {
    return !shows_paths(d) || std::any_of(dirs.begin(), dirs.end(), [&](const std::string& dir) { return !dir.empty() && memmem(d.data(), d.size(), dir.data(), dir.size()); });
  };
  return std::any_of(e.outputs.begin(), e.outputs.end(), [&](const EntryOutput& o) { return o.role != "depfile" && shows(o.data); });
}

Digest class_key(const Digest& key, std::string_view stream_class) {
  KeyHasher h("cchain class 1");
  h.field("key", key);
  h.field("class", stream_class);
  return h.finish();
}

}  // namespace

Cache::Cache(const cc_open_options* o)
    : config_([&] {
        ConfigSource src;
        src.no_files = o && (o->flags & CC_OPEN_NO_FILES);
        if (!(o && (o->flags & CC_OPEN_NO_ENV))) src.env = environ;
        if (o && o->config_text) src.text = o->config_text, src.has_text = true;
        if (o && o->config_path) src.path = o->config_path;
        return load_config(src);
      }()),
      host_(o && o->host ? o->host : "host"),
      pid_(getpid()),
      serial_(next_serial.fetch_add(1)),
      no_env_(o && (o->flags & CC_OPEN_NO_ENV)),
      config_no_files_(o && (o->flags & CC_OPEN_NO_FILES)),
      usable_state_dir_(config_.state_dir_is_private || is_private_or_absent(config_.state_dir) ? config_.state_dir : ""),
      looker_(usable_state_dir_),
      explain_log_(usable_state_dir_.empty() ? "" : usable_state_dir_ + "/explain"),
      memo_(usable_state_dir_.empty() ? "" : usable_state_dir_ + "/memo", 0x43434d31, 1u << 14),
      compilers_(usable_state_dir_, &looker_, &memo_),
      breakers_(usable_state_dir_.empty() ? "" : usable_state_dir_ + "/breakers", 0x43434231, 64),
      verified_(usable_state_dir_.empty() ? "" : usable_state_dir_ + "/verified", 0x43435631, 1u << 10),
      chain_(&log_) {
  if (o && o->log) log_.set_callback(o->log, o->log_user, o->log_level);
  if (!config_.log_path.empty()) log_.set_file(config_.log_path, kLogInfo);
  if (usable_state_dir_ != config_.state_dir)
    config_.problems.push_back({false, config_.state_dir, "the private folder is a link, another user's or open to others: nothing is remembered"});
  // The static command's twin will read it, and say what is wrong with it.
  if (config_.no_library && !kLoadsLibraries) throw CallError{CC_E_CONFIG, config_.problems.back().text};
  for (const auto& p : config_.problems) {
    log_.line(kLogError, "%s: %s", p.where.c_str(), p.text.c_str());
    if (p.fatal) throw CallError{CC_E_CONFIG, p.where + ": " + p.text};
  }
  // A wrong value that a default could not stand in for without risking a wrong object takes all layers out.
  if (!config_.unusable.empty()) return;
  // Before the first is taken: one that was taken is closed, and of a failed cc_open none is.
  for (uint32_t i = 0; o && i < o->host_layer_count; i++)
    if (!valid_host_layer(o->host_layers[i])) throw CallError{CC_E_INVALID, "host_layers: one without a name, without get or of another version"};
  std::vector<bool> used(o ? o->host_layer_count : 0);
  auto host_layer = [&](const cc_host_layer& h, LayerConfig lc) {
    lc.write = lc.write && config_.read_only != ReadOnly::kAll && !(config_.read_only == ReadOnly::kRemote && !(h.flags & CC_HOST_LAYER_LOCAL));
    chain_.add(make_host_layer(h, config_.max_entry_size, &log_), std::move(lc));
  };
  bool keyed = false;
  for (const auto& lc : config_.layers) keyed = keyed || lc.keyed;
  for (const auto& lc : config_.layers) {
    if (!lc.disabled.empty()) {
      // Not in another way either.
      for (size_t i = 0; i < used.size(); i++)
        if (lc.type == "host" && lc.name == o->host_layers[i].name) used[i] = true;
      continue;
    }
    if (lc.type == "disk") {
      DiskOptions d;
      d.path = lc.path;
      d.max_size = lc.max_size;
      d.tenants = lc.tenants;
      d.umask = lc.umask;
      d.read_only = !lc.write;
      // What is verified once and then believed is out of others' reach.
      if (keyed && !lc.keyed && d.umask < 0) d.umask = 077;
      chain_.add(make_disk_layer(lc.name, d, &log_), lc);
    } else if (lc.type == "host") {
      for (size_t i = 0; i < used.size(); i++)
        if (!used[i] && o->host_layers[i].name && lc.name == o->host_layers[i].name) {
          used[i] = true;
          host_layer(o->host_layers[i], lc);
        }
    } else if (lc.remote()) {
      add_remote(lc);
    }
  }
  for (size_t i = 0; i < used.size(); i++)
    if (!used[i]) host_layer(o->host_layers[i], LayerConfig{});
  latency_ = std::make_unique<Histogram[]>(chain_.links().size());
  if (keyed) take_keys();
  if (chain_.has_remote()) start_remote();
}

void Cache::take_keys() {
  const std::string token = local_token(usable_state_dir_);
  chain_.set_keys(config_.layers, token, &verified_);
  auto tell = [this](const std::string& text) {
    log_.line(kLogError, "%s", text.c_str());
    trouble(text);
  };
  for (auto& l : chain_.links()) {
    if (!l.trust || !l.trust->own()) continue;
    if (token.empty()) return tell("there is no private folder: what is verified is not remembered in " + l.layer->name());
    if (std::string open = l.layer->exposed(nullptr); !open.empty()) tell("layer " + l.layer->name() + ": " + open + ": only what is signed is taken from it");
  }
}

void Cache::add_remote(const LayerConfig& lc) {
  RemoteOptions r;
  r.name = lc.name;
  r.type = lc.type;
  if (kLoadsLibraries) r.plugin = find_plugin();
  for (auto& o : lc.options) r.options.emplace_back(o.name, o.value);
  r.flags = (no_env_ ? CC_PLUGIN_NO_ENV : 0) | (config_no_files_ ? CC_PLUGIN_NO_FILES : 0);
  r.connect_timeout_ms = lc.connect_timeout_ms;
  r.timeout_ms = lc.timeout_ms;
  r.connections = lc.connections;
  r.removes = lc.removes;
  r.max_size = lc.max_entry_size ? lc.max_entry_size : config_.max_entry_size;
  r.cancel = &cancel_;
  r.breakers = &breakers_;
  r.trouble = [this](const std::string& text) { trouble(text); };
  auto layer = std::make_unique<RemoteLayer>(std::move(r), &log_);
  RemoteLayer* remote = layer.get();
  chain_.add(std::move(layer), lc, remote);
}

void Cache::start_remote() {
  auto tell = [this](const std::string& text) { trouble(text); };
  behind_ = std::make_unique<Behind>(&log_, usable_state_dir_.empty() ? "" : usable_state_dir_ + "/spool", tell);
  for (auto& l : chain_.links())
    behind_->add({l.layer.get(), l.remote, l.config.max_entry_size ? l.config.max_entry_size : config_.max_entry_size, l.config.spool, l.trust.get()});
  chain_.set_behind(behind_.get());
  Prefetcher::Services s;
  s.keys = [this](Invocation* inv) {
    std::string why;
    if (inv->from_key) {
      KeyHasher h("cchain host result 1");
      h.field("tenant", inv->tenant);
      h.field("key", inv->host_key);
      inv->invocation_key = h.finish();
      return true;
    }
    return keys(inv, inv->tenant, epoch(), &why);
  };
  s.evaluate = [this](Invocation* inv, const InputsRecord::Set& set, Digest* key) {
    Evaluation ev = cchain::evaluate(looker_, memo_, inv->invocation_key, set.places, inv->cwd, epoch(), nullptr, inv->relocated());
    *key = key_of(*inv, set, ev.key);
    return ev.matched;
  };
  s.entry_keys = [](Invocation* inv, const Digest& key, bool streams) {
    Digest other = class_key(key, inv->stream_class);
    return streams ? std::vector<Digest>{other, key} : std::vector<Digest>{key, other};
  };
  prefetcher_ = std::make_unique<Prefetcher>(&chain_, std::move(s));
}

Cache::~Cache() {
  try {
    wait_idle(CC_TIMEOUT_DEFAULT);
    if (prefetcher_) prefetcher_->stop();
    if (behind_) behind_->hurry();
    wait_behind(CC_TIMEOUT_DEFAULT, false);
    if (behind_) behind_->stop();
    chain_.flush();
    write_stats();
  } catch (...) {  // no memory: statistics are lost
  }
  {
    std::lock_guard<std::mutex> lock(async_mutex_);
    stop_ = true;
    jobs_.clear();
    publications_.clear();
    async_cv_.notify_all();
  }
  for (auto& t : workers_) t.join();
  if (event_fd_ >= 0) close(event_fd_);
}

bool Cache::forked() const { return getpid() != pid_; }

std::string Cache::check_tenant(const char* tenant) const {
  if (!tenant) return config_.tenant;
  if (!*tenant) throw CallError{CC_E_TENANT, "the tenant is empty"};
  if (!valid_tenant(tenant)) throw CallError{CC_E_TENANT, std::string("no valid tenant: ") + tenant};
  return tenant;
}

uint64_t Cache::epoch() {
  if (session_depth_.load(std::memory_order_acquire) > 0) return session_epoch_.load(std::memory_order_acquire);
  return looker_.new_epoch();
}

// ---- invocations

std::unique_ptr<Invocation> Cache::new_invocation(const cc_invocation_options* o) {
  auto inv = std::make_unique<Invocation>();
  inv->cache_serial = serial_;
  if (o) {
    inv->flags = o->flags;
    inv->columns = o->columns, inv->stdout_columns = o->stdout_columns;
    if (o->cwd) inv->cwd = o->cwd;
  }
  if (inv->cwd.empty()) {
    char buf[4096];
    if (!getcwd(buf, sizeof buf)) throw CallError{CC_E_INVALID, std::string("the working directory: ") + strerror(errno)};
    inv->cwd = buf;
  }
  if (inv->cwd[0] != '/') throw CallError{CC_E_INVALID, "cwd is not absolute: " + inv->cwd};
  const char* const* env = o && o->env ? o->env : no_env_ ? nullptr : environ;
  std::vector<std::string> words;
  for (; env && *env; env++) words.emplace_back(*env);
  inv->env = Environment(std::move(words));
  return inv;
}

std::unique_ptr<Invocation> Cache::parse(std::vector<std::string> argv, std::string refused, const std::vector<std::pair<std::string, std::string>>& env,
                                         const std::string& cd, const cc_invocation_options* options) {
  auto inv = understand(std::move(argv), std::move(refused), env, cd, options);
  // Some hosts ask for no look-up then.
  if (!inv->uncacheable.empty() && inv->parts.empty()) remember(inv.get(), ExplainRecord::kUncacheable, inv->uncacheable);
  return inv;
}

std::unique_ptr<Invocation> Cache::understand(std::vector<std::string> argv, std::string refused, const std::vector<std::pair<std::string, std::string>>& env,
                                              const std::string& cd, const cc_invocation_options* options) {
  auto inv = new_invocation(options);
  inv->line_env = env;
  if (!cd.empty()) {
    inv->cwd = path_join(inv->cwd, cd);
    inv->line_env.emplace_back("PWD", inv->cwd);
  }
  for (auto& [name, value] : inv->line_env) inv->env.set(name, value);
  if (refused.empty()) {
    parse_invocation(config_, std::move(argv), inv.get(), &programs_, session_depth_.load(std::memory_order_acquire) > 0 ? session_epoch_.load(std::memory_order_acquire) : 0);
  } else {
    inv->argv = std::move(argv);
    inv->uncacheable = std::move(refused);
  }
  return inv;
}

std::unique_ptr<Invocation> Cache::from_key(std::string_view label, std::string_view key, const cc_output* outputs, size_t n, const cc_invocation_options* options) {
  auto inv = new_invocation(options);
  inv->from_key = true;
  KeyHasher h("cchain host key 1");
  h.field("label", label);
  h.field("key", key);
  for (size_t i = 0; i < n; i++) {
    std::string_view role = outputs[i].role ? outputs[i].role : "";
    bool ok = !role.empty() && role.size() <= 32;
    for (char c : role) ok = ok && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_');
    for (auto& d : inv->declared) ok = ok && d.role != role;
    if (!ok) throw CallError{CC_E_INVALID, "no valid role, or given twice: " + std::string(role)};
    if (!outputs[i].path || !*outputs[i].path) throw CallError{CC_E_INVALID, "an output without a path"};
    inv->declared.push_back({std::string(role), outputs[i].path});
    inv->declared_flags.push_back(outputs[i].flags);
    h.field("role", role);
  }
  inv->host_key = h.finish();
  inv->stream_class = "host";
  return inv;
}

void Cache::check_own(const Invocation* inv) const {
  if (inv->cache_serial != serial_) throw CallError{CC_E_INVALID, "the invocation belongs to another cache"};
}

void Cache::task(Invocation* inv, cc_task* out) {
  check_own(inv);
  auto hand_out = [&](uint32_t kind, std::vector<std::string> argv, std::vector<std::string> env, std::string cwd, uint32_t capture) {
    // What the words in front of the compiler set, each name once; a compile's own words have the launchers among them.
    std::vector<std::pair<std::string, std::string>> front = inv->line_env;
    if (kind != CC_TASK_COMPILE) front.insert(front.end(), inv->launchers.env.begin(), inv->launchers.env.end());
    while (!front.empty()) {
      auto& [name, value] = front.back();
      bool given = false;
      for (auto& word : env) given = given || word.compare(0, name.size() + 1, name + "=") == 0;
      if (!given) env.push_back(name + "=" + value);
      front.pop_back();
    }
    inv->task_argv = std::move(argv);
    inv->task_env = std::move(env);
    inv->task_cwd = std::move(cwd);
    inv->task_argv_c.clear();
    inv->task_env_c.clear();
    for (auto& w : inv->task_argv) inv->task_argv_c.push_back(w.c_str());
    for (auto& w : inv->task_env) inv->task_env_c.push_back(w.c_str());
    inv->task_argv_c.push_back(nullptr);
    inv->task_env_c.push_back(nullptr);
    out->kind = kind;
    out->capture = capture;
    out->argv = inv->task_argv_c.data();
    out->env = inv->task_env_c.data();
    out->cwd = inv->task_cwd.c_str();
  };
  constexpr uint32_t kBoth = CC_CAPTURE_STDOUT | CC_CAPTURE_STDERR;
  std::vector<std::string> argv, env;
  std::string why;
  if (inv->announced && inv->next_task == CC_TASK_NONE && !inv->compiler && inv->uncacheable.empty()) find_compiler(inv, epoch(), &why);
  if (inv->next_task == CC_TASK_PROBE && inv->probe_run) {
    if (inv->probe_run->next(&argv, &env)) return hand_out(CC_TASK_PROBE, argv, env, inv->question.cwd, kBoth);
    if (!inv->probe_run->refused().empty()) {
      inv->uncacheable = inv->probe_run->refused();
    } else if (inv->probe_run->info()) {
      inv->compiler = inv->probe_run->info();
      compilers_.put(inv->probe, inv->compiler, inv->probe_run->keep());
    }
    inv->probe_run.reset();
    inv->next_task = inv->uncacheable.empty() ? CC_TASK_NONE : CC_TASK_COMPILE;
    if (inv->next_task == CC_TASK_NONE) return hand_out(CC_TASK_NONE, {}, {}, inv->cwd, 0);
  }
  // In memory: no full, read-only or vanished folder of ours may break a compile.
  auto temporary = [&](Fd* fd) {
    if (prctl(PR_GET_DUMPABLE) != 1) return std::string();
    *fd = Fd(memfd_create("cchain", MFD_CLOEXEC));
    std::string path = "/proc/" + std::to_string(pid_) + "/fd/" + std::to_string(fd->get());
    FileId named, ours;
    if (*fd && stat_file(path.c_str(), &named) == 0 && fstat_file(fd->get(), &ours) == 0 && named.same_file(ours)) return path;
    fd->reset();
    return std::string();
  };
  if (inv->next_task == CC_TASK_PREPROCESS) {
    inv->close_temporaries();
    inv->preprocess_start_ns = now_ns();
    argv = preprocess_command(*inv);
    if (inv->shows_more_than_text())
      if (std::string path = temporary(&inv->deps_fd); !path.empty()) argv.insert(argv.begin() + 1, {inv->command.deps == Command::kMMD ? "-MMD" : "-MD", "-MF", path});
    return hand_out(CC_TASK_PREPROCESS, std::move(argv), {}, inv->cwd, kBoth);
  }
  if (inv->from_key) return hand_out(CC_TASK_COMPILE, {}, {}, inv->cwd, 0);
  if (!inv->uncacheable.empty()) return hand_out(CC_TASK_COMPILE, inv->argv, {}, inv->cwd, 0);
  std::vector<std::string> extra;
  const Command& c = inv->command;
  inv->close_temporaries();
  const bool launched = inv->launchers.compiler_index > 0;  // a launcher may want a file that it can replace
  const bool assembles = c.family == Family::kGcc && !inv->declared.empty() && inv->declared[0].role == "object";
  if (inv->missed && inv->closure) {
    std::string path;
    if (!launched && c.deps == Command::kNone && c.reads_headers() && !(path = temporary(&inv->deps_fd)).empty()) extra.insert(extra.end(), {"-MD", "-MF", path});
    // What the assembler read is known for certain by its own word only.
    if (!launched && assembles && !(path = temporary(&inv->asm_deps_fd)).empty()) extra.push_back("-Wa,--MD," + path);
    std::vector<std::string> outputs;
    for (auto& d : inv->declared) outputs.push_back(path_join(inv->cwd, d.path));
    inv->closure->watch(outputs);
    if (inv->relocation) relocate_compile(inv, &extra);
  }
  hand_out(CC_TASK_COMPILE, command_with(*inv, extra), {}, inv->cwd, kBoth);
}

void Cache::relocate_compile(Invocation* inv, std::vector<std::string>* extra) {
  // A file that is looked for by its mapped name is not there. What is not known to be read only files that are there is compiled as it is, for this checkout.
  inv->maps_withheld = !inv->direct_refused.empty() || inv->closure->looks_by_file_name();
  const bool renamed = !inv->relocation->as_spelled && inv->closure->has_system_pragma();
  const auto& words = inv->command.key_args;
  if (renamed && std::find(words.begin(), words.end(), "-fcanonical-system-headers") != words.end()) inv->maps_withheld = true;
  inv->maps_asked = true;
  if (inv->maps_withheld) return;
  std::vector<std::string> maps = inv->relocation->maps;
  if (renamed) maps.emplace_back(kAsSpelled);
  inv->as_spelled = renamed || inv->relocation->as_spelled;
  extra->insert(extra->begin(), maps.begin(), maps.end());
}

void Cache::task_done(Invocation* inv, const cc_task_result& r) {
  check_own(inv);
  std::string_view out(reinterpret_cast<const char*>(r.stdout_data), r.stdout_size), err(reinterpret_cast<const char*>(r.stderr_data), r.stderr_size);
  if (inv->next_task == CC_TASK_PROBE && inv->probe_run) {
    inv->probe_run->done(r.exit_status, out, err);
    return;
  }
  if (inv->next_task != CC_TASK_PREPROCESS) throw CallError{CC_E_STATE, "cc_invocation_task_done: no task was handed out"};
  inv->next_task = CC_TASK_NONE;
  inv->preprocessed = true;
  if (r.exit_status != 0) {
    inv->preprocess_refused = "the preprocessor failed";
    return;
  }
  if (out.empty()) {
    inv->preprocess_refused = "the preprocessor printed nothing";
    return;
  }
  std::string shown;
  std::vector<std::string> listed;
  if (inv->shows_more_than_text() && !(inv->deps_fd && read_fd(inv->deps_fd.get(), &shown, 64u << 20) == 0 && parse_depfile(shown, &listed))) {
    inv->preprocess_refused = "the preprocessor does not say what it read";
    return;
  }
  ScanResult s = scan(out);
  if (s.flags & (kScanDependency | kScanPch | kScanModule | kScanAsmFile | kScanAsmDoubt | kScanEmbed)) {
    inv->preprocess_refused = "the preprocessed source has a pragma, module or assembler text that reads other files";
    return;
  }
  // `# 12 "file" flags`; flag 3 says a system header.
  std::map<std::string, bool> files;
  for (size_t at = 0; at < out.size();) {
    size_t end = out.find('\n', at);
    std::string_view line = out.substr(at, end == std::string_view::npos ? end : end - at);
    at = end == std::string_view::npos ? out.size() : end + 1;
    if (line.size() < 5 || line[0] != '#' || line[1] != ' ' || line[2] < '0' || line[2] > '9') continue;
    size_t a = line.find('"'), b = line.rfind('"');
    if (a == std::string_view::npos || b <= a) continue;
    std::string name;
    for (size_t i = a + 1; i < b; i++) {
      if (line[i] == '\\' && i + 1 < b) i++;
      name += line[i];
    }
    if (name.empty() || name[0] == '<' || name.back() == '/') continue;
    bool system = line.substr(b + 1).find('3') != std::string_view::npos;
    auto [it, fresh] = files.try_emplace(name, system);
    if (!fresh) it->second = it->second && system;
  }
  for (auto& name : listed) files.try_emplace(name, false);
  uint64_t e = looker_.new_epoch();
  KeyHasher h("cchain preprocessed 1");
  h.field("base", inv->base_key);
  h.field("text", sha256(out));
  // What it warns of by itself is not in the text.
  h.field("said", err);
  for (auto& name : listed) h.field("listed", name);
  // Comments steer warnings, columns reach some objects, and both are not in the text.
  const bool exact = inv->command.warnings || inv->command.columns_matter || out.find("__builtin_COLUMN") != out.npos || out.find("source_location") != out.npos;
  auto add = [&](const std::string& name, bool system, std::string* digests) {
    Looker::Node* n = looker_.node(path_join(inv->cwd, name));
    Looker::Look l = looker_.look(n, e);
    Digest d;
    if (l.error || !l.id.is_regular())
      inv->preprocess_refused = n->path + ", which the preprocessed source or the command names, is no file";
    else if (inv->compiler->family == Family::kGcc && !looker_.absent(looker_.node(path_dir(n->path)), std::string(path_base(n->path)) + ".gch/.", e))
      inv->preprocess_refused = "a precompiled header stands beside " + n->path;
    else if (looker_.digest(n, e, &d) != 0)
      inv->preprocess_refused = n->path + " can't be read";
    else {
      inv->preprocess_files.push_back({n->path, l.id, system});
      digests->append(reinterpret_cast<const char*>(d.b.data()), 32);
      return true;
    }
    return false;
  };
  std::string digests, given;
  for (auto& [name, system] : files)
    if (!add(name, system, &digests)) return;
  // Files that an option names, or the driver, are in no text.
  for (const std::vector<std::string>* list : {&std::as_const(inv->command.input_files), &inv->compiler->given_files})
    for (auto& name : *list)
      if (!add(name, false, &given)) return;
  if (!given.empty()) h.field("given", given);
  if (exact) h.field("files", digests);
  inv->preprocessed_key = h.finish();
  // Diagnostics show lines as they are written.
  KeyHasher streams("cchain preprocessed streams 1");
  streams.field("key", inv->preprocessed_key);
  streams.field("files", digests);
  inv->preprocessed_streams_key = streams.finish();
}

// ---- lookup

void Cache::count_uncacheable(const std::string& why) {
  counters_.uncacheable++;
  std::lock_guard<std::mutex> lock(reasons_mutex_);
  reasons_["reason:" + why]++;
}
void Cache::trouble(const std::string& text) {
  std::lock_guard<std::mutex> lock(reasons_mutex_);
  reasons_["trouble:" + text]++;
  last_trouble_ = text;
}
void Cache::count_miss(const std::string& why) {
  counters_.misses++;
  for (auto& l : chain_.links()) l.layer->counters.misses.fetch_add(1, std::memory_order_relaxed);
  std::lock_guard<std::mutex> lock(reasons_mutex_);
  reasons_["miss:" + why]++;
}
void Cache::uncount_miss(const std::string& why) {
  counters_.misses--;
  for (auto& l : chain_.links()) l.layer->counters.misses.fetch_sub(1, std::memory_order_relaxed);
  std::lock_guard<std::mutex> lock(reasons_mutex_);
  reasons_["miss:" + why]--;
}

bool Cache::find_compiler(Invocation* inv, uint64_t e, std::string* why) {
  inv->compiler = compilers_.get(inv->probe, inv->question.cwd, e, &inv->compiler_changed);
  if (inv->compiler) return true;
  if (inv->only_known) return false;
  if (!inv->probe_run) inv->probe_run = std::make_unique<Probe>(inv->question, inv->env, &looker_, &memo_);
  if (!inv->probe_run->refused().empty()) {
    inv->uncacheable = inv->probe_run->refused();
    inv->probe_run.reset();
    *why = inv->uncacheable;
    return false;
  }
  inv->next_task = CC_TASK_PROBE;
  *why = "the compiler is not known yet: it must be probed";
  return false;
}

bool Cache::keys(Invocation* inv, const std::string& tenant, uint64_t e, std::string* why) {
  if (!find_compiler(inv, e, why)) return false;
  check_relocation(inv);
  Looker::Node* source = looker_.node(path_join(inv->cwd, inv->command.source));
  Looker::Look l = looker_.look(source, e);
  if (l.error || !l.id.is_regular()) {
    inv->uncacheable = source->path + (l.error ? std::string(": ") + strerror(l.error) : " is no regular file");
    *why = inv->uncacheable;
    return false;
  }
  if (int err = looker_.digest(source, e, &inv->source_digest)) {
    *why = source->path + ": " + strerror(err);
    inv->uncacheable = *why;
    return false;
  }
  Digest digest = inv->source_digest;
  Folding folding;
  if (int err = inv->relocation ? relocated_digest(&memo_, source, digest, *inv->relocated(), &digest, &folding) : 0) {
    *why = source->path + ": " + strerror(err);
    inv->uncacheable = *why;
    return false;
  }
  inv->tenant = tenant;
  inv->base_key = base_key(*inv, tenant);
  KeyHasher h("cchain direct 1");
  h.field("base", inv->base_key);
  h.field("source", digest);
  inv->invocation_key = h.finish();
  inv->keys_known = true;
  return true;
}

// Makes a stored result one of the checkout at hand.
void Cache::unfold(const Bases& bases, ResultOwner* owner) {
  Entry& e = owner->found.e;
  auto keep = [&](std::string text) -> std::string_view { return owner->unfolded.emplace_back(std::move(text)); };
  e.stdout_data = keep(bases.unfold_text(e.stdout_data));
  e.stderr_data = keep(bases.unfold_text(e.stderr_data));
  for (auto& o : e.outputs)
    if (o.role == "depfile") o.data = keep(unfold_depfile(o.data, bases));
}

bool Cache::find_entry(Invocation* inv, const Digest& key, bool streams_first, ResultOwner* owner, const Digest* streams_key) {
  for (int turn = 0; turn < 2; turn++) {
    Digest k = (turn == 0) == streams_first ? class_key(streams_key ? *streams_key : key, inv->stream_class) : key;
    if (!chain_.get_entry(inv->tenant, k, inv->stream_class, config_.max_entry_size, cancel_.flag(), &owner->found)) continue;
    const Entry& e = owner->found.e;
    bool merged_host = inv->flags & CC_INV_MERGED;
    // Two streams can't be made one: their order is lost. One that was merged is stderr, for no command that is cached can write to stdout.
    if (merged_host && !e.merged && !e.stdout_data.empty() && !e.stderr_data.empty()) continue;
    if (!merged_host && e.merged && inv->command.stdout_possible) continue;
    if (inv->relocation) unfold(*inv->bases(), owner);
    return true;
  }
  return false;
}

bool Cache::find_direct(Invocation* inv, uint64_t e, ResultOwner* owner) {
  bool any = false;
  std::string why;
  bool in_session = session_depth_.load(std::memory_order_relaxed) > 0;
  std::string untrusted;
  bool hit = chain_.each_set(inv->tenant, inv->invocation_key, &untrusted, [&](const InputsRecord::Set& s) {
    any = true;
    std::vector<Seen> used;
    Evaluation ev = evaluate(looker_, memo_, inv->invocation_key, s.places, inv->cwd, e, in_session ? &used : nullptr, inv->relocated());
    if (!ev.matched) {
      if (why.empty()) why = ev.why;
      return false;
    }
    if (!find_entry(inv, key_of(*inv, s, ev.key), s.streams, owner, nullptr)) {
      if (why.empty() && inv->command.makes_precompiled) {
        const bool timed = inv->command.family == Family::kClang && !inv->command.untimed;
        if (inv->relocation) why = "a precompiled header holds paths, so that each checkout makes its own; or ";
        if (inv->relocation || timed) why += timed ? "an input has changed, or the time of one, which clang writes into precompiled headers" : "an input has changed";
      }
      if (why.empty() && !ev.apart.empty()) why = ev.apart + " says where this checkout is in a way that no prefix map reaches, or an input has changed";
      return false;
    }
    if (inv->command.makes_precompiled) owner->places = s.places;
    if (in_session && !inv->recheck) {
      SessionHit h{inv->declared.empty() ? "" : path_join(inv->cwd, inv->declared[0].path), std::move(used)};
      std::vector<Looker::Node*> fresh;
      for (auto& file : h.seen)
        if (Looker::first_use(file.node, session_serial_)) fresh.push_back(file.node);
      std::lock_guard<std::mutex> lock(session_mutex_);
      session_files_.insert(session_files_.end(), fresh.begin(), fresh.end());
      session_hits_.push_back(std::move(h));
    }
    return true;
  });
  if (untrusted.empty()) untrusted = owner->found.untrusted;
  if (!hit) owner->reason = !untrusted.empty() ? untrusted : !any ? inv->compiler_changed.empty() ? "this source was not compiled before with these options" : "the compiler is asked anew: " + inv->compiler_changed : !why.empty() ? why : "an input has changed";
  if (!hit && !any && !inv->not_relocated.empty()) owner->reason += "; between checkouts it is not shared: " + inv->not_relocated;
  return hit;
}

int Cache::find(Invocation* inv, const std::string& tenant, uint64_t e, ResultOwner* owner) {
  inv->next_task = CC_TASK_NONE;
  inv->to_recheck.reset();
  auto set_aside = [&] {
    inv->to_recheck = std::make_unique<Recheck>(Recheck{parts_of(owner->found.e), owner->found.bytes, owner->found.key, owner->found.layer});
    owner->found = {};
    owner->reason = kRecheck;
  };
  if (inv->from_key && inv->uncacheable.empty()) {
    inv->tenant = tenant;
    KeyHasher h("cchain host result 1");
    h.field("tenant", tenant);
    h.field("key", inv->host_key);
    inv->invocation_key = h.finish();
    if (prefetcher_) prefetcher_->passed(inv->invocation_key);
    if (!config_.recache && find_entry(inv, inv->invocation_key, false, owner, nullptr)) return 1;
    owner->reason = config_.recache ? "recache is on" : !owner->found.untrusted.empty() ? owner->found.untrusted : "this key was not stored before";
    inv->missed = true;
    inv->missed_ns = now_ns();
    inv->next_task = CC_TASK_COMPILE;
    return 0;
  }
  if (inv->tenant != tenant) inv->preprocessed = inv->missed = false;
  if (inv->uncacheable.empty() && !(inv->preprocessed && inv->missed)) {
    std::string why;
    if (!keys(inv, tenant, e, &why)) {
      owner->reason = why;
      if (inv->next_task != CC_TASK_PROBE) inv->next_task = CC_TASK_COMPILE;
      return 0;
    }
    inv->missed = false;
    if (prefetcher_) prefetcher_->passed(inv->invocation_key);
    if (!config_.recache && uses_direct(*inv) && find_direct(inv, e, owner)) {
      if (!inv->recheck) return 1;
      set_aside();
    }
    if (behind_) behind_->send_spooled();
    if (config_.recache) owner->reason = "recache is on";
    inv->direct_missed = owner->reason;
    inv->missed = true;
    inv->maps_asked = inv->maps_withheld = inv->as_spelled = false;
    inv->missed_ns = now_ns();
    inv->direct_refused.clear();
    // In every mode: it also knows the state of directories before the compile, and what must not be opened at all.
    inv->closure = std::make_unique<Closure>(&looker_, &memo_);
    if (!inv->closure->explore(inv->command, *inv->compiler, inv->cwd, e, inv->question.allow_script)) inv->direct_refused = inv->closure->refused();
    if (inv->closure->fatal()) {
      inv->uncacheable = inv->direct_refused;
    } else if (!uses_direct(*inv)) {
      inv->direct_refused = "the mode is preprocess";
    }
  }
  if (!inv->uncacheable.empty()) {
    owner->reason = inv->uncacheable;
    inv->next_task = CC_TASK_COMPILE;
    return 0;
  }
  if (uses_preprocess() && !inv->preprocessed && !inv->to_recheck) {
    if (inv->command.makes_precompiled || inv->closure->takes_precompiled())
      inv->preprocess_refused = "a precompiled header needs the direct mode";
    else if (inv->command.debug_macros)
      inv->preprocess_refused = "-g3 records macros that the preprocessed source does not show";
    else if (inv->command.is_assembler())
      inv->preprocess_refused = "assembler source";
    else if (inv->command.sarif)
      inv->preprocess_refused = "a SARIF report needs the direct mode";
    else if (inv->command.is_preprocessed())
      inv->preprocess_refused = "the source is preprocessed already";
    if (inv->preprocess_refused.empty()) {
      inv->next_task = CC_TASK_PREPROCESS;
      owner->reason = "the preprocessed source is needed";
      return 0;
    }
    inv->preprocessed = true;
  }
  if (uses_preprocess() && inv->preprocess_refused.empty() && !config_.recache && !inv->to_recheck) {
    const Digest here = here_key(inv->preprocessed_key, *inv), streams_here = here_key(inv->preprocessed_streams_key, *inv);
    if (find_entry(inv, inv->preprocessed_key, false, owner, &inv->preprocessed_streams_key) || find_entry(inv, here, false, owner, &streams_here)) {
      if (!inv->recheck) return 1;
      set_aside();
    } else {
      owner->reason = owner->found.untrusted.empty() ? "the preprocessed source is new" : owner->found.untrusted;
    }
  }
  // The preprocessed source was of no use: it missed for the reason that the look-up before it gave.
  if (owner->reason.empty()) owner->reason = inv->direct_missed;
  inv->next_task = CC_TASK_COMPILE;
  bool direct_out = !inv->direct_refused.empty();
  bool preprocess_out = !uses_preprocess() || !inv->preprocess_refused.empty() || (inv->to_recheck && !inv->preprocessed);
  if (direct_out && preprocess_out) {
    inv->uncacheable = uses_direct(*inv) ? inv->direct_refused : inv->preprocess_refused;
    owner->reason = inv->uncacheable;
  }
  return 0;
}

bool Cache::deliver(Invocation* inv, ResultOwner* owner, bool depfile, std::string* why) {
  const Entry& e = owner->found.e;
  // Whole or nothing: each output that the command has, and none that it has not.
  std::vector<const EntryOutput*> outputs(inv->declared.size());
  for (auto& o : e.outputs) {
    size_t i = 0;
    while (i < inv->declared.size() && inv->declared[i].role != o.role) i++;
    if (i == inv->declared.size() || outputs[i]) {
      *why = "the entry has another set of outputs";
      return false;
    }
    outputs[i] = &o;
  }
  for (size_t i = 0; i < outputs.size(); i++)
    if (!outputs[i] && !(inv->declared_flags[i] & CC_OUTPUT_OPTIONAL)) {
      *why = "the entry lacks the output " + inv->declared[i].role;
      return false;
    }
  // What is sure to fail fails before anything is touched: the compile that follows may fail too, and leaves the dependency file as it was.
  // clang refuses to replace a file that it may not write; the assembler that gcc runs takes it away.
  const bool must_be_writable = !inv->from_key && inv->command.family == Family::kClang;
  uint64_t largest = 0;
  for (size_t k = 0; k < outputs.size(); k++)
    if (outputs[k]) largest = std::max(largest, static_cast<uint64_t>(outputs[k]->data.size()));
  const std::string first = inv->declared.empty() ? "" : path_join(inv->cwd, inv->declared[0].path);
  int err = over_file_limit(largest) ? EFBIG : 0;
  if (!err && must_be_writable && faccessat(AT_FDCWD, first.c_str(), W_OK, AT_EACCESS) != 0 && errno != ENOENT) err = errno;
  if (err) {
    *why = first + ": " + strerror(err);
    return false;
  }
  std::vector<std::string> made;  // what did not stand there before
  for (size_t k = outputs.size(); k-- > 0;) {  // the object last
    if (!outputs[k]) continue;
    std::string path = path_join(inv->cwd, inv->declared[k].path);
    if (inv->declared[k].role == "depfile" && !inv->from_key && !depfile) continue;
    const bool through = k > 0 && !inv->from_key;  // all but the object are written where they stand
    bool fresh = false;
    err = through ? deliver_through(path, outputs[k]->data, &fresh) : deliver_replacing(path, outputs[k]->data, outputs[k]->mode);
    if (fresh) made.push_back(path);
    if (err) {
      // The compile that follows may fail without writing it.
      for (auto& m : made) unlink(m.c_str());
      *why = path + ": " + strerror(err);
      return false;
    }
  }
  return true;
}

int Cache::lookup(Invocation* inv, const char* tenant_c, cc_result* result) {
  std::string tenant = check_tenant(tenant_c);
  check_own(inv);
  if (cancelled()) throw CallError{CC_E_CANCELLED, "cancelled"};
  auto owner = std::make_unique<ResultOwner>();
  int hit = 0;
  if (config_.disabled) {
    inv->uncacheable = "the cache is switched off";
  } else if (chain_.empty() && inv->uncacheable.empty()) {
    inv->uncacheable = "no layer is configured";
  }
  const uint64_t start_us = Histogram::now_us();
  uint64_t e = epoch();
  const bool never_twice = inv->command.makes_precompiled && inv->command.family == Family::kGcc;
  inv->recheck = config_.recheck > 0 && !never_twice && !(result && result->flags & CC_RESULT_NO_DELIVERY) && draw_recheck(*inv);
  inv->undelivered.clear();
  hit = find(inv, tenant, e, owner.get());
  if (hit) {
    const Entry& en = owner->found.e;
    bool streams = !en.stdout_data.empty() || !en.stderr_data.empty();
    std::string why;
    if (!result && streams) {
      hit = 0;
      owner->reason = "it has diagnostics that the host does not take";
    } else if (!(result && (result->flags & CC_RESULT_NO_DELIVERY)) && !deliver(inv, owner.get(), !(result && (result->flags & CC_RESULT_KEEP_DEPFILE)), &why)) {
      hit = 0;
      owner->reason = why;
      std::lock_guard<std::mutex> lock(reasons_mutex_);
      reasons_["trouble:" + why]++;
    }
    if (hit && inv->command.makes_precompiled)
      for (auto& o : en.outputs)
        if (o.role == "pch") remember_precompiled(&looker_, &memo_, sha256(o.data), inv->invocation_key, owner->places, inv->cwd, e, inv->relocated());
    if (!hit) {
      inv->next_task = CC_TASK_COMPILE;
      // Not to be stored again, and nothing was learnt that a store would need.
      inv->missed = false;
      inv->undelivered = owner->reason;
    }
  }
  if (cancelled() && !hit) throw CallError{CC_E_CANCELLED, "cancelled"};
  // The static command's twin can tell.
  if (!kLoadsLibraries && !hit && inv->uncacheable.empty() && chain_.wants_library()) throw CallError{CC_E_CONFIG, "Ed25519 needs a library"};
  if (hit || inv->next_task == CC_TASK_COMPILE) {
    counters_.lookups++;
    if (hit) {
      counters_.hits++;
      counters_.saved_ms += owner->found.e.duration_ms;
      auto& links = chain_.links();
      for (uint32_t i = 0; i < owner->found.layer; i++) links[i].layer->counters.misses.fetch_add(1, std::memory_order_relaxed);
      links[owner->found.layer].layer->counters.hits.fetch_add(1, std::memory_order_relaxed);
      latency_[owner->found.layer].add(Histogram::now_us() - start_us);
    } else if (!inv->uncacheable.empty()) {
      count_uncacheable(inv->uncacheable);
    } else {
      count_miss(owner->reason);
      inv->miss_reason = owner->reason;
      miss_latency_.add(Histogram::now_us() - start_us);
    }
    // A miss of the static command in front of a remote layer is none yet: its twin asks on.
    const bool final = hit || kLoadsLibraries || !chain_.has_remote();
    if (!hit && final) remember(inv, inv->uncacheable.empty() ? ExplainRecord::kMiss : ExplainRecord::kUncacheable, owner->reason);
    if (final && log_.on(kLogInfo))
      log_.line(kLogInfo, "%s %s%s%s", hit ? "hit" : inv->uncacheable.empty() ? "miss" : "uncacheable", inv->declared.empty() ? "-" : inv->declared[0].path.c_str(),
                hit ? "" : ": ", hit ? "" : owner->reason.c_str());
  }
  // A hit by the preprocessed source is made a direct one for the next time.
  if (hit && inv->preprocessed && inv->closure && inv->direct_refused.empty()) {
    std::vector<std::string> read;
    Closure::Evidence ev;
    ev.source_date_epoch = inv->env.get("SOURCE_DATE_EPOCH");
    for (auto& o : owner->found.e.outputs)
      if (o.role == "depfile" && parse_depfile(o.data, &read)) ev.read = &read, ev.read_is_complete = inv->command.deps == Command::kMD;
    InputsRecord::Set set;
    if (inv->closure->finish(ev, looker_.new_epoch(), &set.places)) {
      Evaluation found = evaluate(looker_, memo_, inv->invocation_key, set.places, inv->cwd, looker_.new_epoch());
      const Entry& en = owner->found.e;
      set.streams = !en.stdout_data.empty() || !en.stderr_data.empty();
      if (found.matched) {
        set.here = shows_cwd(*inv, en);
        const Digest key = key_of(*inv, set, found.key);
        chain_.put_entry(tenant, set.streams ? class_key(key, inv->stream_class) : key, en, "{}", false);
        chain_.put_set(tenant, inv->invocation_key, set);
      }
    }
  }
  if (!result) return hit;
  const Entry& en = owner->found.e;
  if (hit) {
    bool merged_host = inv->flags & CC_INV_MERGED;
    std::string_view out = en.stdout_data, err = en.stderr_data;
    if (merged_host && out.empty()) std::swap(out, err);
    if (!merged_host && en.merged) std::swap(out, err);
    result->exit_status = en.exit_status;
    result->layer = owner->found.layer;
    result->stdout_data = reinterpret_cast<const uint8_t*>(out.data());
    result->stdout_size = out.size();
    result->stderr_data = reinterpret_cast<const uint8_t*>(err.data());
    result->stderr_size = err.size();
    result->duration_ms = en.duration_ms;
    if (result->flags & (CC_RESULT_KEEP | CC_RESULT_KEEP_DEPFILE)) {
      std::vector<const EntryOutput*> kept;
      for (auto& o : en.outputs)
        if (result->flags & CC_RESULT_KEEP || o.role == "depfile") kept.push_back(&o);
      for (auto* o : kept) {
        owner->strings.emplace_back(o->role);
        std::string path;
        for (auto& d : inv->declared)
          if (d.role == o->role) path = d.path;
        owner->strings.push_back(std::move(path));
      }
      for (size_t i = 0; i < kept.size(); i++)
        owner->outputs.push_back({owner->strings[2 * i].c_str(), owner->strings[2 * i + 1].c_str(), reinterpret_cast<const uint8_t*>(kept[i]->data.data()),
                                  kept[i]->data.size(), 0, kept[i]->mode});
      result->outputs = owner->outputs.data();
      result->output_count = owner->outputs.size();
    }
    owner->reason.clear();
  }
  result->reason = owner->reason.c_str();
  result->owner = owner.release();
  return hit;
}

// ---- store

bool Cache::collect_outputs(const Invocation* inv, const cc_result& r, TakenOutputs* taken) const {
  auto refuse = [&](std::string why) {
    taken->why = std::move(why);
    return false;
  };
  uint64_t total = 0;
  for (size_t i = 0; i < inv->declared.size(); i++) {
    const CommandOutput& d = inv->declared[i];
    EntryOutput out;
    out.role = d.role;
    const cc_output* given = nullptr;
    for (uint64_t k = 0; k < r.output_count; k++)
      if (r.outputs[k].role && d.role == r.outputs[k].role && (r.outputs[k].data || r.outputs[k].flags & CC_OUTPUT_EMPTY)) given = &r.outputs[k];
    if (given) {
      if (given->data) out.data = std::string_view(reinterpret_cast<const char*>(given->data), given->size);
      out.mode = given->mode & 0111;
    } else {
      std::string path = path_join(inv->cwd, d.path), data;
      FileId before, after;
      int err = read_file(path.c_str(), &data, config_.max_entry_size, &before);
      if (err == ENOENT && inv->declared_flags[i] & CC_OUTPUT_OPTIONAL) continue;
      if (err) return refuse("the output " + path + ": " + strerror(err));
      if (stat_file(path.c_str(), &after) != 0 || !(after == before)) return refuse("the output " + path + " changed while it was read");
      // A tick of the coarse clock either way.
      if (!inv->from_key && before.newest_ns() < inv->missed_ns - 20'000'000) return refuse("the output " + path + " is older than its compile");
      out.mode = before.mode & 0111;
      out.data = taken->hold.emplace_back(std::move(data));
    }
    if (!inv->from_key && is_cut(d.role, out.data)) return refuse("the output " + d.path + " is empty or cut off");
    if (out.data.size() > config_.max_entry_size - total) return refuse("its outputs are larger than max_entry_size");
    total += out.data.size();
    taken->outputs.push_back(out);
  }
  return true;
}

std::string Cache::metadata(const Invocation& inv, const cc_result& r) const {
  JsonWriter w;
  w.begin_object();
  w.key("time").number(now_ns() / 1000000000);
  w.key("host").string(host_);
  w.key("duration_ms").number(r.duration_ms);
  w.key("cwd").string(inv.cwd);
  if (inv.compiler) w.key("compiler").string(inv.compiler->version);
  w.key("command").begin_array();
  for (auto& a : inv.argv) w.string(a);
  w.end_array();
  w.end_object();
  return w.take();
}

int Cache::store(Invocation* inv, const cc_result& r, const char* tenant_c) {
  std::string tenant = check_tenant(tenant_c);
  check_own(inv);
  if (inv->tenant == tenant && !inv->undelivered.empty()) inv->uncacheable = "its entry could not be delivered: " + inv->undelivered;
  if (!inv->uncacheable.empty()) throw CallError{CC_E_UNCACHEABLE, inv->uncacheable};
  if (!inv->missed || inv->tenant != tenant) throw CallError{CC_E_STATE, "cc_store: no lookup for this tenant has missed before"};
  inv->missed = false;
  auto refuse = [&](const std::string& why) {
    inv->uncacheable = why;
    if (!inv->miss_reason.empty()) uncount_miss(inv->miss_reason);
    inv->miss_reason.clear();
    count_uncacheable(why);
    remember(inv, ExplainRecord::kUncacheable, why);
    log_.line(kLogInfo, "not stored %s: %s", inv->declared.empty() ? "-" : inv->declared[0].path.c_str(), why.c_str());
    inv->close_temporaries();
    throw CallError{CC_E_UNCACHEABLE, why};
  };
  if (r.exit_status != 0) throw CallError{CC_E_UNCACHEABLE, "the command failed"};
  // Without a build session nobody waits for this process: what has a spool is left to the next one.
  if (behind_) behind_->spool_at_once(session_depth_.load(std::memory_order_relaxed) == 0);
  if (r.stdout_size + r.stderr_size > kMaxStreams) refuse("its diagnostics are too long");
  Entry e;
  e.merged = inv->flags & CC_INV_MERGED;
  e.duration_ms = r.duration_ms;
  e.stdout_data = std::string_view(reinterpret_cast<const char*>(r.stdout_data), r.stdout_size);
  e.stderr_data = std::string_view(reinterpret_cast<const char*>(r.stderr_data), r.stderr_size);
  bool streams = !e.stdout_data.empty() || !e.stderr_data.empty();
  if (streams) e.stream_class = inv->stream_class;
  for (std::string_view s : {e.stdout_data, e.stderr_data})
    if (!inv->from_key && (s.find("-Wdate-time]") != s.npos || s.find("-Wdate-time\"") != s.npos)) refuse("__DATE__ or __TIME__, by -Wdate-time");
  for (auto& [path, digest] : inv->response_files) {
    std::string text;
    if (read_file(path.c_str(), &text, 16u << 20) != 0 || sha256(text) != digest) refuse(path + " changed since the command was parsed");
  }
  auto pub = std::make_unique<Publication>();
  TakenOutputs taken;
  if (inv->taken)
    taken = std::move(*inv->taken);
  else
    collect_outputs(inv, r, &taken);
  inv->taken.reset();
  if (!taken.why.empty()) refuse(taken.why);
  pub->own = std::move(taken.hold);
  e.outputs = std::move(taken.outputs);
  auto timed = [](std::string_view report) { return report.find("startTimeUtc") != report.npos; };
  if (inv->command.sarif && (timed(e.stderr_data) || std::any_of(e.outputs.begin(), e.outputs.end(), [&](auto& o) { return o.role == "sarif" && timed(o.data); })))
    refuse("a SARIF report that says when the compiler ran");
  // As the compiler made it, before anything is done to it.
  const std::vector<std::pair<std::string, Xxh128>> made = inv->to_recheck ? parts_of(e) : std::vector<std::pair<std::string, Xxh128>>();
  auto add_key = [&](const Digest& key) { pub->keys.push_back(streams ? class_key(key, inv->stream_class) : key); };
  uint64_t looked = 0;  // the epoch in which the inputs were looked at again
  auto done = [&] {
    inv->close_temporaries();
    pub->tenant = tenant;
    // The old one has to go from where it can't be dropped, too.
    if (inv->to_recheck) {
      if (rechecked(inv, made, e)) return 0;
      pub->replace = true;
    }
    pub->meta = metadata(*inv, r);
    if (explain_log_) {
      pub->explain = explain_record(*inv, ExplainRecord::kStored, "");
      pub->explain.fields.push_back({" diagnostics", streams ? "yes" : "no"});
      if (!chain_.takes()) pub->explain.fields.push_back({kNotTaken, "yes"});
      pub->explain.files = files_read(*inv, pub->set.places, looked ? looked : epoch());
    }
    pub->e = e;
    if (r.flags & CC_RESULT_LATER) publish_later(std::move(pub));
    else publish(*pub);
    return 0;
  };
  if (inv->from_key) {
    add_key(inv->invocation_key);
    return done();
  }
  std::string why = inv->direct_refused;
  std::vector<std::string> output_paths;
  for (auto& d : inv->declared) output_paths.push_back(path_join(inv->cwd, d.path));
  if (inv->relocation && !inv->maps_asked) refuse("it was not compiled with the prefix maps of base_dirs");
  if (inv->relocation && (e.stdout_data.find('\0') != e.stdout_data.npos || e.stderr_data.find('\0') != e.stderr_data.npos)) refuse("its diagnostics hold a NUL");
  Closure::Evidence ev;
  ev.bases = inv->bases();
  ev.as_spelled = inv->as_spelled;
  ev.shows_lines = streams || inv->command.sarif;
  ev.source_date_epoch = inv->env.get("SOURCE_DATE_EPOCH");
  for (const char* name : {"C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "OBJC_INCLUDE_PATH", "GCC_EXEC_PREFIX"}) ev.system_dirs_by_variable = ev.system_dirs_by_variable || inv->env.get(name);
  std::vector<std::string> read, assembled;
  std::string text;
  bool listed = false;
  if (inv->command.deps != Command::kNone) {
    for (auto& o : e.outputs)
      if (o.role == "depfile") listed = parse_depfile(o.data, &read);
    if (!listed) refuse("its dependency file can't be read");
    ev.read_is_complete = inv->command.deps == Command::kMD;
  } else if (inv->deps_fd && read_fd(inv->deps_fd.get(), &text, 64u << 20) == 0) {
    listed = parse_depfile(text, &read);
    ev.read_is_complete = true;
  }
  if (listed) ev.read = &read;
  if (inv->asm_deps_fd && read_fd(inv->asm_deps_fd.get(), &text, 64u << 20) == 0 && parse_depfile(text, &assembled)) {
    // It names the compiler's temporary file, gone by now, and what .file directives say: of the source the last part of its name, which need not stand
    // in the working directory. A file that .incbin finds on the search path is named by that path, so nothing else has this name and is not there.
    for (auto& p : assembled) {
      FileId id;
      bool there = stat_file(path_join(inv->cwd, p).c_str(), &id) == 0;
      const bool source = p == path_base(inv->command.source);
      bool temporary = !there && (p == "{standard input}" || source || (p.size() > 2 && p.compare(p.size() - 2, 2, ".s") == 0));
      // Another file of that name in the working directory is none that it read, unless its text could say so.
      temporary = temporary || (source && inv->closure && !inv->closure->assembler_may_read());
      if (!temporary && !(there && inv->closure && inv->closure->known(id))) refuse("the assembler read " + p);
      if (!temporary && listed) read.push_back(p);
    }
    ev.assembler_read_nothing = true;
  }
  if (inv->closure && inv->closure->ways_unchanged(output_paths, ev.shows_lines)) ev.outputs = &output_paths;
  else refuse(inv->closure ? inv->closure->refused() : "its inputs are not known");
  if (inv->direct_refused.empty()) {
    InputsRecord::Set& set = pub->set;
    const uint64_t now = looked = looker_.new_epoch();
    if (!inv->closure->finish(ev, now, &set.places)) {
      why = inv->closure->refused();
    } else {
      std::vector<Seen> used;
      Evaluation found = evaluate(looker_, memo_, inv->invocation_key, set.places, inv->cwd, now, inv->command.makes_precompiled ? &used : nullptr, inv->relocated());
      Digest source;
      if (!found.matched) {
        why = found.why + " during the compile";
      } else if (looker_.digest(looker_.node(path_join(inv->cwd, inv->command.source)), now, &source) != 0 || source != inv->source_digest) {
        why = "the source changed during the compile";
      } else if (auto c = compilers_.get(inv->probe, inv->question.cwd, now); !c || c->identity != inv->compiler->identity) {
        why = "the compiler changed during the compile";
      } else {
        set.streams = streams;
        set.here = shows_cwd(*inv, e);
        // What was made without maps would bring paths into objects that are made with them.
        if (inv->command.makes_precompiled && inv->relocation && inv->maps_withheld) refuse("a precompiled header that may look for a file by __FILE__, which base_dirs would change");
        const bool checksum = inv->relocation && inv->relocation->checksums && found.folded && has_checksum_of_folded(*inv, e, set.places, now);
        set.apart = inv->relocation && (!fold_result(*inv, found.folded, &e, &pub->own) || checksum || inv->maps_withheld || inv->command.makes_precompiled);
        for (auto& o : e.outputs)
          if (o.role == "pch") remember_precompiled(&looker_, &memo_, sha256(o.data), inv->invocation_key, set.places, inv->cwd, now, inv->relocated());
        pub->has_set = true;
        pub->invocation_key = inv->invocation_key;
        add_key(key_of(*inv, set, found.key));
      }
    }
  }
  if (uses_preprocess() && inv->preprocessed && inv->preprocess_refused.empty()) {
    const uint64_t now = looked = looker_.new_epoch();
    std::string against;
    std::vector<std::string> names;
    for (auto& f : inv->preprocess_files) {
      names.push_back(f.path);
      Looker::Look l = looker_.look(looker_.node(f.path), now);
      // The preprocessor and the compile each read it: it must have been known before both, or be old enough that neither saw another one.
      bool old = f.id.newest_ns() < inv->preprocess_start_ns - kSafeNs;
      if (l.error || !(l.id == f.id) || !(old || inv->closure->known(f.id))) against = f.path + " changed too short a time before the compile, or during it";
    }
    for (auto& p : read) {
      bool seen = false;
      Looker::Look l = looker_.look(looker_.node(path_join(inv->cwd, p)), now);
      for (auto& f : inv->preprocess_files) seen = seen || (!l.error && f.id.same_file(l.id));
      if (!seen && !inv->closure->known(l.id)) against = "it read " + p + ", which the preprocessor did not";
    }
    if (inv->closure->has_date(names, ev.source_date_epoch, now)) against = "__DATE__, __TIME__ or __TIMESTAMP__, or pieces of them";
    if (against.empty()) {
      const Digest& key = streams ? inv->preprocessed_streams_key : inv->preprocessed_key;
      add_key(shows_cwd(*inv, e) ? here_key(key, *inv) : key);
    } else {
      why = against;
    }
  }
  if (pub->keys.empty()) refuse(why);
  return done();
}

// DWARF 5 has the MD5 of each file in the line table (clang, unless one of them has none), an assembly spells it out.
bool Cache::has_checksum_of_folded(const Invocation& inv, const Entry& e, std::string_view places, uint64_t epoch) {
  std::vector<std::string> paths;
  if (folded_files(looker_, memo_, places, inv.cwd, epoch, *inv.relocation, &paths) != 0) return true;
  for (auto& path : paths) {
    std::string text, hex;
    if (read_file(path.c_str(), &text, 1u << 30) != 0) return true;
    const auto sum = md5(text);
    for (uint8_t byte : sum) {
      char digits[3];
      snprintf(digits, sizeof digits, "%02x", byte);
      hex += digits;
    }
    for (auto& o : e.outputs)
      if (memmem(o.data.data(), o.data.size(), sum.data(), sum.size()) || o.data.find(hex) != o.data.npos) return true;
  }
  return false;
}

// Makes a result one for all checkouts, its texts folded. False: it is of this one only, and some of them may be as they were.
bool Cache::fold_result(const Invocation& inv, bool folded_inputs, Entry* e, std::deque<std::string>* own) {
  const Bases& bases = *inv.bases();
  bool all = true;
  auto fold = [&](std::string_view* text) {
    std::string out;
    if (!bases.fold_text(*text, &out)) all = false;
    else *text = own->emplace_back(std::move(out));
  };
  // Marks below an #include are as long as its text, and lines are broken by how long they are.
  const bool streams = !e->stdout_data.empty() || !e->stderr_data.empty();
  const auto& words = inv.command.key_args;
  auto breaks = [](const std::string& w) { return w.starts_with("-fmessage-length") || w.starts_with("-fanalyzer"); };
  if (streams && (folded_inputs || inv.flags & CC_INV_TERMINAL || std::any_of(words.begin(), words.end(), breaks))) all = false;
  fold(&e->stdout_data), fold(&e->stderr_data);
  for (auto& o : e->outputs) {
    if (o.role != "depfile") {
      all = all && shows_paths(o.data) && !bases.begins_path_in(o.data);
      continue;
    }
    std::string out;
    if (!fold_depfile(o.data, inv.command.family, bases, &out)) {
      all = false;
      out = "k" + std::string(o.data);
    }
    o.data = own->emplace_back(std::move(out));
  }
  return all;
}

uint64_t Cache::Publication::size() const {
  uint64_t n = e.stdout_data.size() + e.stderr_data.size();
  for (auto& o : e.outputs) n += o.data.size();
  return n;
}

void Cache::publish(const Publication& p) {
  bool any = false;
  for (size_t i = 0; i < p.keys.size(); i++) {
    int err = chain_.put_entry(p.tenant, p.keys[i], p.e, p.meta, config_.recache || p.replace);
    if (err && err != EBUSY) {  // EBUSY: no room could be made without waiting
      std::lock_guard<std::mutex> lock(reasons_mutex_);
      reasons_[std::string("trouble:an entry could not be stored: ") + strerror(err)]++;
    }
    if (err) continue;
    // The entry first: a record that leads nowhere costs a look, an entry without a record is never found.
    if (i == 0 && p.has_set) chain_.put_set(p.tenant, p.invocation_key, p.set);
    any = true;
  }
  if (!any) return;
  if (chain_.takes()) counters_.stores++;
  if (p.explain.time_ns) explain_log_.append(p.explain);
}

void Cache::publish_later(std::unique_ptr<Publication> p) {
  auto keep = [&](std::string_view* v) {
    for (auto& s : p->own)
      if (v->data() == s.data()) return;
    *v = p->own.emplace_back(*v);
  };
  keep(&p->e.stream_class), keep(&p->e.stdout_data), keep(&p->e.stderr_data);
  for (auto& o : p->e.outputs) keep(&o.role), keep(&o.data);
  const uint64_t size = p->size();
  {
    std::lock_guard<std::mutex> lock(async_mutex_);
    start_workers();
    if (publications_size_ + size <= kMaxPublications) {
      publications_size_ += size;
      publications_.push_back(std::move(p));
      async_cv_.notify_one();
      return;
    }
  }
  publish(*p);
}

// ---- blobs

int Cache::blob_lookup(Space space, const char* tenant_c, const Digest& digest, std::string* out) {
  std::string tenant = check_tenant(tenant_c);
  if (cancelled()) throw CallError{CC_E_CANCELLED, "cancelled"};
  return chain_.get_blob(space, tenant, digest, out) ? 1 : 0;
}
Digest Cache::blob_store(Space space, const char* tenant_c, std::string_view data) {
  std::string tenant = check_tenant(tenant_c);
  if (data.size() > config_.max_entry_size) throw CallError{CC_E_INVALID, "the blob is larger than max_entry_size"};
  Digest d = sha256(data);
  if (int err = chain_.put_blob(space, tenant, d, data)) throw CallError{CC_E_IO, std::string("the blob could not be stored: ") + strerror(err)};
  return d;
}

// ---- session

void Cache::session_begin() {
  std::lock_guard<std::mutex> lock(session_mutex_);
  if (session_depth_.load() <= 0) {
    session_hits_.clear();
    session_files_.clear();
    outdated_.clear();
    // Before the depth says so: a lookup that comes between must not take the last session's looks for this one's.
    session_serial_.store(looker_.new_epoch(), std::memory_order_relaxed);
    session_changes_ = looker_.changes();
    session_epoch_.store(session_serial_, std::memory_order_release);
  }
  session_depth_.fetch_add(1, std::memory_order_acq_rel);
}
void Cache::session_changed(const char* path) {
  if (session_depth_.load() <= 0) return;
  if (!path) {
    session_epoch_.store(looker_.new_epoch(), std::memory_order_release);
    return;
  }
  if (path[0] != '/') throw CallError{CC_E_INVALID, std::string("cc_session_changed: not an absolute path: ") + path};
  looker_.forget_way(path);  // the folders may be as new as it is
  programs_.forget();
}
int Cache::session_end() {
  if (session_depth_.load() <= 0) throw CallError{CC_E_STATE, "cc_session_end without cc_session_begin"};
  if (session_depth_.fetch_sub(1) != 1) return 0;
  // What each hit saw against what is there now. A directory may change in ways that matter to nobody here; files are what a hit depends on.
  std::lock_guard<std::mutex> lock(session_mutex_);
  const uint64_t now = looker_.new_epoch();
  for (auto* file : session_files_) looker_.look(file, now);
  const bool quiet = looker_.changes() == session_changes_;
  outdated_.clear();
  auto outdated = [&](const Seen& file) { return looker_.look(file.node, now).version != file.version; };
  for (auto& hit : session_hits_)
    if (!quiet && std::any_of(hit.seen.begin(), hit.seen.end(), outdated)) outdated_.push_back(std::move(hit.output));
  session_hits_.clear();
  session_files_.clear();
  return static_cast<int>(outdated_.size());
}
int Cache::session_outdated(const char* const** outputs) {
  std::lock_guard<std::mutex> lock(session_mutex_);
  outdated_c_.clear();
  for (auto& s : outdated_) outdated_c_.push_back(s.c_str());
  *outputs = outdated_c_.data();
  return static_cast<int>(outdated_c_.size());
}

// ---- asynchronous calls

void Cache::start_workers() {
  if (!workers_.empty()) return;
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  try {
    while (workers_.size() < kWorkers) workers_.emplace_back([this] { worker(); });
  } catch (...) {  // one is enough
  }
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  if (workers_.empty()) throw CallError{CC_E_NOMEM, "no thread can be started"};
}

int Cache::async_fd() {
  std::lock_guard<std::mutex> lock(async_mutex_);
  if (event_fd_ < 0) {
    event_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event_fd_ < 0) throw CallError{CC_E_IO, std::string("eventfd: ") + strerror(errno)};
    if (!done_.empty()) eventfd_write(event_fd_, 1);
  }
  return event_fd_;
}

void Cache::submit(bool store, Invocation* inv, const char* tenant, cc_result* result, uint64_t tag) {
  std::string t = check_tenant(tenant);
  // The host goes on, and the next command may change what this one has made.
  if (store && inv->missed && inv->uncacheable.empty()) {
    inv->taken = std::make_unique<TakenOutputs>();
    collect_outputs(inv, *result, inv->taken.get());
  }
  std::lock_guard<std::mutex> lock(async_mutex_);
  start_workers();
  jobs_.push_back({store, inv, std::move(t), result, tag});
  async_cv_.notify_one();
}

void Cache::worker() {
  std::unique_lock<std::mutex> lock(async_mutex_);
  for (;;) {
    async_cv_.wait(lock, [&] { return stop_ || !jobs_.empty() || !publications_.empty(); });
    if (jobs_.empty() && publications_.empty()) return;
    if (jobs_.empty()) {
      auto p = std::move(publications_.front());
      publications_.pop_front();
      running_++;
      lock.unlock();
      const uint64_t size = p->size();
      try {
        publish(*p);
      } catch (...) {  // no memory for it
      }
      p.reset();
      lock.lock();
      running_--;
      publications_size_ -= size;
      idle_cv_.notify_all();
      continue;
    }
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    running_++;
    lock.unlock();
    Done d{std::move(job), 0, ""};
    try {
      d.status = d.job.store ? this->store(d.job.inv, *d.job.result, d.job.tenant.c_str()) : this->lookup(d.job.inv, d.job.tenant.c_str(), d.job.result);
    } catch (const CallError& e) {
      d.status = e.code;
      d.error = e.text;
    } catch (const std::bad_alloc&) {
      d.status = CC_E_NOMEM;
    } catch (...) {
      d.status = CC_E_INTERNAL;
    }
    lock.lock();
    running_--;
    done_.push_back(std::move(d));
    if (event_fd_ >= 0) eventfd_write(event_fd_, 1);
    idle_cv_.notify_all();
  }
}

bool Cache::reap(cc_completion* out) {
  std::lock_guard<std::mutex> lock(async_mutex_);
  if (done_.empty()) {
    eventfd_t v;
    if (event_fd_ >= 0) eventfd_read(event_fd_, &v);
    return false;
  }
  Done d = std::move(done_.front());
  done_.pop_front();
  reaped_error_ = std::move(d.error);
  out->status = d.status;
  out->tag = d.job.tag;
  out->inv = reinterpret_cast<cc_invocation*>(d.job.inv);
  out->result = d.job.result;
  out->error = reaped_error_.c_str();
  if (done_.empty() && event_fd_ >= 0) {
    eventfd_t v;
    eventfd_read(event_fd_, &v);
  }
  return true;
}

int Cache::wait_idle(int32_t timeout_ms) {
  std::unique_lock<std::mutex> lock(async_mutex_);
  auto idle = [&] { return jobs_.empty() && publications_.empty() && running_ == 0; };
  using Clock = std::chrono::steady_clock;
  auto until = Clock::now() + std::chrono::milliseconds(timeout_ms < 0 ? config_.flush_timeout_ms : timeout_ms);
  // cc_cancel may come from a signal handler, which can notify nobody: so it is looked for.
  while (!idle() && !cancelled() && Clock::now() < until) idle_cv_.wait_until(lock, std::min(until, Clock::now() + std::chrono::milliseconds(20)));
  return static_cast<int>(jobs_.size() + publications_.size() + running_);
}

int Cache::wait_behind(int32_t timeout_ms, bool spooling_too) {
  if (!behind_) return 0;
  return static_cast<int>(behind_->drain(Behind::now_ms() + (timeout_ms < 0 ? config_.flush_timeout_ms : timeout_ms), cancel_.flag(), spooling_too));
}

int Cache::flush(int32_t timeout_ms) {
  const int64_t start = behind_ ? Behind::now_ms() : 0;
  const int32_t all = timeout_ms < 0 ? config_.flush_timeout_ms : timeout_ms;
  int left = wait_idle(timeout_ms);
  if (behind_ && all > 0) behind_->send_spooled();
  if (behind_) left += wait_behind(static_cast<int32_t>(std::max<int64_t>(0, all - (Behind::now_ms() - start))), true);
  chain_.flush();
  write_stats();
  return left;
}

// ---- many at once

int Cache::lookup_many(cc_request* requests, size_t count, int (*one)(cc_request*, void*), void* user) {
  if (prefetcher_ && count > 1) {
    // Those of each tenant, in their order; a wrong tenant is told of by its own lookup.
    std::map<std::string, std::vector<Invocation*>> by_tenant;
    for (size_t i = 0; i < count; i++)
      if (requests[i].inv) by_tenant[requests[i].tenant ? requests[i].tenant : config_.tenant].push_back(reinterpret_cast<Invocation*>(requests[i].inv));
    for (auto& [tenant, invs] : by_tenant)
      if (valid_tenant(tenant)) prefetch(invs.data(), invs.size(), tenant.c_str());
  }
  int hits = 0;
  for (size_t i = 0; i < count; i++) hits += one(&requests[i], user) > 0;
  return hits;
}

// An invocation belongs to its host: what is needed of it is copied.
void Cache::prefetch(Invocation* const* invs, size_t count, const char* tenant_c) {
  std::string tenant = check_tenant(tenant_c);
  for (size_t i = 0; i < count; i++) check_own(invs[i]);
  if (!prefetcher_ || cancelled() || config_.disabled || config_.recache || !uses_direct()) return;
  std::vector<std::unique_ptr<Invocation>> items;
  for (size_t i = 0; i < count; i++) {
    const Invocation& from = *invs[i];
    if (!from.uncacheable.empty()) continue;
    invs[i]->announced = !from.from_key;
    auto inv = std::make_unique<Invocation>();
    inv->only_known = true;
    inv->cwd = from.cwd;
    inv->tenant = tenant;
    inv->from_key = from.from_key;
    inv->host_key = from.host_key;
    inv->stream_class = from.stream_class;
    inv->command = from.command;
    inv->relocation = from.relocation;
    inv->question.cwd = from.question.cwd;
    inv->probe = from.probe;
    inv->key_env = from.key_env;
    inv->pwd = from.pwd;
    items.push_back(std::move(inv));
  }
  prefetcher_->add(std::move(items));
}

// ---- statistics

void Cache::stats(cc_stats* out) const {
  out->layer_count = static_cast<uint32_t>(chain_.links().size());
  out->lookups = counters_.lookups;
  out->hits = counters_.hits;
  out->misses = counters_.misses;
  out->uncacheable = counters_.uncacheable;
  out->stores = counters_.stores;
  out->errors = 0;
  for (auto& l : chain_.links()) out->errors += l.layer->counters.errors;
  out->saved_ms = counters_.saved_ms;
}

Increments Cache::take_increments() {
  Increments inc;
  auto add = [&](std::string name, uint64_t now) {
    // Less than was written (a miss that turned out to be uncacheable): made good by what comes.
    uint64_t& last = written_[name];
    if (now <= last) return;
    inc.emplace_back(std::move(name), now - last);
    last = now;
  };
  cc_stats s{};
  stats(&s);
  add("lookups", s.lookups);
  add("hits", s.hits);
  add("misses", s.misses);
  add("uncacheable", s.uncacheable);
  add("stores", s.stores);
  add("errors", s.errors);
  add("saved_ms", s.saved_ms);
  auto add_latency = [&](const std::string& prefix, const Histogram& h) {
    if (!h.sum_us() && !h.count(0)) return;
    add(prefix + "us", h.sum_us());
    for (unsigned b = 0; b < Histogram::kBuckets; b++)
      if (uint64_t n = h.count(b)) add(prefix + "us" + std::to_string(b), n);
  };
  add_latency("missed:", miss_latency_);
  const Histogram* latency = latency_.get();
  for (auto& l : chain_.links()) {
    const LayerCounters& c = l.layer->counters;
    std::string p = "layer:" + l.layer->name() + ":";
    add(p + "hits", c.hits);
    add(p + "misses", c.misses);
    add(p + "stores", c.stores);
    add(p + "errors", c.errors);
    add(p + "bytes_read", c.bytes_read);
    add(p + "bytes_written", c.bytes_written);
    add_latency(p, *latency++);
  }
  std::lock_guard<std::mutex> lock(reasons_mutex_);
  for (auto it = reasons_.begin(); it != reasons_.end();) {
    if (it->second > 0) inc.emplace_back(it->first, static_cast<uint64_t>(it->second));
    it = it->second >= 0 ? reasons_.erase(it) : std::next(it);
  }
  return inc;
}

void Cache::write_stats() {
  std::lock_guard<std::mutex> lock(write_mutex_);
  Increments inc = take_increments();
  if (inc.empty() || (usable_state_dir_.empty() && config_.stats_log.empty())) return;
  int err = stats_append(usable_state_dir_.empty() ? "" : usable_state_dir_ + "/stats", config_.stats_log, inc);
  if (err) log_.line(kLogWarn, "statistics could not be written: %s", strerror(err));
}

int Cache::stats_reset() {
  write_stats();
  return usable_state_dir_.empty() ? 0 : cchain::stats_reset(usable_state_dir_ + "/stats");
}

void Cache::trim(const cc_trim_options& options, uint64_t* entries, uint64_t* bytes) {
  // One moment for all layers, and from before the first is read: what is used meanwhile stays.
  const uint64_t now = static_cast<uint64_t>(now_ns()), age = options.max_age_s;
  const uint64_t before_ns = age && age < now / 1000000000 ? now - age * 1000000000 : 0;
  uint64_t n = 0, b = 0, before = 0, total = 0, held = 0, count = 0, limit = 0;
  for (auto& l : chain_.links())
    if (l.layer->local() && l.layer->writable && l.layer->usage(&held, &count, &limit)) total += count;
  // A layer's count of its own, as one of all layers.
  uint64_t last = 0;
  TrimProgress progress = [&](uint64_t done) {
    last = done;
    if (options.progress) options.progress(options.progress_user, before + done, total);
  };
  for (auto& l : chain_.links()) {
    if (!l.layer->local() || !l.layer->writable) continue;
    TrimResult r;
    if (int err = l.layer->trim(options.max_size, before_ns, &r, progress)) throw CallError{CC_E_IO, "layer " + l.layer->name() + ": " + strerror(err)};
    n += r.removed_entries;
    b += r.removed_bytes;
    before += last;
    last = 0;
  }
  if (entries) *entries = n;
  if (bytes) *bytes = b;
  // What explains misses goes by the same age; a folder of ours that can't be written is no failure of this.
  const int64_t age_ns = static_cast<int64_t>(std::min<uint64_t>(options.max_age_s, UINT32_MAX)) * 1'000'000'000;
  explain_log_.forget("", age_ns ? std::max<int64_t>(1, now_ns() - age_ns) : 1);
}

void Cache::check_layer(uint32_t index, cc_layer_health* health) {
  if (index >= chain_.links().size()) throw CallError{CC_E_INVALID, "there is no layer " + std::to_string(index)};
  Layer& layer = *chain_.links()[index].layer;
  LayerHealth h;
  if (std::string why = layer.check(&h); !why.empty()) throw CallError{CC_E_IO, why};
  health->first_us = h.first_us;
  health->next_us = h.next_us;
  health->flags = h.server_time ? CC_HEALTH_CLOCK : 0;
  health->clock_offset_s = h.server_time ? h.server_time - time(nullptr) : 0;
}

void Cache::clear(const char* tenant) {
  std::string t = tenant ? check_tenant(tenant) : "";
  for (auto& l : chain_.links()) {
    if (!l.layer->local() || !l.layer->writable) continue;
    if (int err = l.layer->clear(t)) throw CallError{CC_E_IO, "layer " + l.layer->name() + ": " + strerror(err)};
  }
  if (int err = explain_log_.forget(t, 0)) throw CallError{CC_E_IO, std::string("the records of misses: ") + strerror(err)};
}

}  // namespace cchain

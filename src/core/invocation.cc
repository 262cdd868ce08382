// SPDX-License-Identifier: Apache-2.0
#include "core/invocation.h"

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "base/fs.h"

namespace cchain {

namespace {

// Variables that make a compile write or read what no option tells.
constexpr const char* kRefusedEnv[] = {"DEPENDENCIES_OUTPUT", "SUNPRO_DEPENDENCIES", "CXX_MODULE_MAPPER", "CCC_OVERRIDE_OPTIONS", "CCC_ADD_ARGS",
                                       "GCC_COMPARE_DEBUG",   "GCC_EXEC_PREFIX",   "LD_PRELOAD",          "LD_AUDIT",          "COMPILER_TIMING",      "CL",
                                       "_CL_",                "QA_OVERRIDE_GCC3_OPTIONS"};
constexpr const char* kRefusedEnvPrefix[] = {"CC_LOG_DIAGNOSTICS", "CC_PRINT_"};
// Variables that can reach the object.
constexpr const char* kKeyEnv[] = {"SOURCE_DATE_EPOCH", "CPATH",           "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "OBJC_INCLUDE_PATH", "OBJCPLUS_INCLUDE_PATH",
                                   "COMPILER_PATH",     "GCC_EXEC_PREFIX", "LIBRARY_PATH",   "LD_LIBRARY_PATH",    "TZ",                "MACOSX_DEPLOYMENT_TARGET"};

std::string diagnostic_class(const Invocation& inv) {
  auto env = [&](const char* name) {
    const char* v = inv.env.get(name);
    return std::string(v ? v : "");
  };
  auto first = [&](const char* category) {
    for (const char* name : {"LC_ALL", category, "LANG"}) {
      std::string v = env(name);
      if (!v.empty()) return v;
    }
    return std::string("C");
  };
  auto plain = [](std::string v) { return v == "POSIX" ? std::string("C") : v; };
  std::string s = "messages=" + plain(first("LC_MESSAGES")) + " ctype=" + plain(first("LC_CTYPE"));
  if (first("LC_MESSAGES") != "C" && first("LC_MESSAGES") != "POSIX") s += " language=" + env("LANGUAGE");
  std::string fixit = env("GCC_EXTRA_DIAGNOSTIC_OUTPUT");
  if (!fixit.empty()) s += " fixit=" + fixit;
  // Set to nothing is not the same as not set: GCC_COLORS= means no colours. The length keeps a value from looking like the next.
  auto exact = [&](const char* name) {
    const char* v = inv.env.get(name);
    s.append(" ").append(name);
    if (v) s.append("=").append(std::to_string(strlen(v))).append(":").append(v);
  };
  // All that a compiler asks about its terminal. Where it writes to a pipe it looks at what a given option makes it look at.
  const bool terminal = inv.flags & CC_INV_TERMINAL;
  const auto& words = inv.command.key_args;
  const bool urls = std::any_of(words.begin(), words.end(), [](const std::string& w) { return w.compare(0, 18, "-fdiagnostics-urls") == 0; });
  if (terminal) {
    s += " terminal=" + std::to_string(inv.columns) + "/" + std::to_string(inv.stdout_columns);
    for (const char* name : {"COLUMNS", "TERM", "COLORTERM", "TERMINFO", "TERMINFO_DIRS", "NO_COLOR"}) exact(name);
  }
  if (terminal || inv.command.color_given) exact("GCC_COLORS");
  if (terminal || urls) exact("GCC_URLS"), exact("TERM_URLS");
  return s;
}

}  // namespace

std::string FoundPrograms::find(const std::string& name, const Environment& env, const std::string& cwd, uint64_t epoch) {
  if (epoch == 0) return find_program(name, env, cwd);
  const char* path = env.get("PATH");
  std::string key = name;
  for (std::string_view part : {std::string_view(path ? path : ""), std::string_view(path ? "set" : ""), std::string_view(cwd)}) key.append(1, '\0').append(part);
  uint64_t turn;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (epoch_ != epoch) found_.clear(), epoch_ = epoch, turn_++;
    turn = turn_;
    if (auto it = found_.find(key); it != found_.end()) return it->second;
  }
  std::string program = find_program(name, env, cwd);
  std::lock_guard<std::mutex> lock(mutex_);
  if (turn_ == turn && !program.empty()) found_.emplace(std::move(key), program);
  return program;
}

void FoundPrograms::forget() {
  std::lock_guard<std::mutex> lock(mutex_);
  found_.clear();
  turn_++;
}

static void divide(Family family, const std::vector<std::string>& args, Invocation* inv) {
  const auto compiler = inv->argv.begin() + static_cast<ptrdiff_t>(inv->launchers.compiler_index);
  for (auto& words : divide_command(family, path_base(*compiler), args, [&](const std::string& source) {
         FileId id;
         return stat_file(path_join(inv->cwd, source).c_str(), &id) == 0;
       })) {
    inv->parts.emplace_back(inv->argv.begin(), compiler + 1);
    inv->parts.back().insert(inv->parts.back().end(), words.begin(), words.end());
  }
  for (auto& words : inv->parts) {
    inv->parts_c.emplace_back();
    for (auto& w : words) inv->parts_c.back().push_back(w.c_str());
    inv->parts_c.back().push_back(nullptr);
  }
}

// As libiberty's getpwd() and LLVM's current_path() do, which else ask the kernel. `raw`: it is no compiler that is known, and may take the variable for true.
static std::string name_of_cwd(const Invocation& inv, bool raw) {
  const char* pwd = inv.env.get("PWD");
  if (raw) return pwd ? pwd : "";
  FileId there, here;
  const bool leads = pwd && pwd[0] == '/' && (inv.cwd == pwd || (stat_file(pwd, &there) == 0 && stat_file(inv.cwd.c_str(), &here) == 0 && there.same_file(here)));
  if (leads) return pwd;
  char real[PATH_MAX];
  return realpath(inv.cwd.c_str(), real) ? real : inv.cwd;
}

void parse_invocation(const Config& config, std::vector<std::string> argv, Invocation* inv, FoundPrograms* programs, uint64_t epoch) {
  inv->argv = std::move(argv);
  auto refuse = [&](std::string why) { inv->uncacheable = std::move(why); };
  if (inv->argv.empty()) return refuse("no command");
  inv->launchers = find_compiler(inv->argv);
  if (!inv->launchers.refused.empty()) return refuse(inv->launchers.refused);
  if (inv->launchers.compiler_index >= inv->argv.size()) return refuse("no compiler in the command");
  for (auto& [name, value] : inv->launchers.env) inv->env.set(name, value);
  const std::string& called = inv->argv[inv->launchers.compiler_index];
  inv->compiler_path = programs->find(called, inv->env, inv->cwd, epoch);
  if (inv->compiler_path.empty()) return refuse("the compiler " + called + " was not found");
  std::vector<std::string> args(inv->argv.begin() + static_cast<ptrdiff_t>(inv->launchers.compiler_index) + 1, inv->argv.end());
  std::string why;
  auto read = [&](const std::string& name, std::string* text) {
    std::string path = path_join(inv->cwd, name);
    if (read_file(path.c_str(), text, 16u << 20) != 0) return false;
    inv->response_files.emplace_back(path, sha256(*text));
    return true;
  };
  if (std::any_of(args.begin(), args.end(), [](const std::string& a) { return !a.empty() && a[0] == '@'; }) && !expand_response_files(&args, read, &why))
    return refuse(why);
  Family family = guess_family(inv->compiler_path, called);
  inv->command = parse_command(family, path_base(called), args);
  const Command& c = inv->command;
  if (!c.uncacheable.empty()) {
    if (inv->line_env.empty() && inv->response_files.empty()) divide(family, args, inv);
    return refuse(c.uncacheable);
  }
  for (const auto& word : inv->env.words()) {
    std::string_view name = std::string_view(word).substr(0, word.find('='));
    // Set to nothing they still switch something on, but for the loader's.
    if (name.size() + 1 >= word.size() && name.substr(0, 3) == "LD_") continue;
    for (const char* bad : kRefusedEnv)
      if (name == bad) return refuse("the variable " + std::string(bad) + " is set");
    for (const char* bad : kRefusedEnvPrefix)
      if (name.substr(0, strlen(bad)) == bad) return refuse("the variable " + std::string(name) + " is set");
  }
  for (const char* name : kKeyEnv)
    if (const char* v = inv->env.get(name)) inv->key_env.push_back(std::string(name) + "=" + v);
  for (const auto& name : config.extra_env)
    if (const char* v = inv->env.get(name)) inv->key_env.push_back(name + "=" + v);

  ProbeQuestion& q = inv->question;
  q.path = inv->compiler_path;
  q.called = called;
  q.family = family;
  bool cxx = c.language == Language::kCxx || c.language == Language::kCxxPreprocessed || c.language == Language::kObjCxx;
  q.language = cxx ? "c++" : "c";
  q.args = c.probe_args;
  q.objcopy = c.runs_objcopy;
  static constexpr const char* kDirOption[] = {"-iquote", "-I", "-isystem", "-idirafter"};
  for (auto& d : c.search_dirs) {
    q.args.push_back(kDirOption[d.kind]);
    q.args.push_back(d.path);
  }
  // The directory matters to the probe only where something relative can reach it.
  auto relative = [](const std::string& s) { return !s.empty() && s[0] != '/' && s[0] != '-'; };
  bool needs_cwd = c.probe_cwd || (called.find('/') != std::string::npos && called[0] != '/');
  for (auto& d : c.search_dirs) needs_cwd = needs_cwd || relative(d.path);
  const char* path = inv->env.get("PATH");
  for (std::string_view list(path ? path : "/"); !needs_cwd && !list.empty();) {
    size_t colon = std::min(list.find(':'), list.size());
    needs_cwd = list[0] != '/' || colon + 1 == list.size();  // an empty one too
    list.remove_prefix(std::min(colon + 1, list.size()));
  }
  for (const char* name : {"CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "COMPILER_PATH", "LIBRARY_PATH", "GCC_EXEC_PREFIX", "LD_LIBRARY_PATH"})
    needs_cwd = needs_cwd || inv->env.get(name);
  q.cwd = needs_cwd ? inv->cwd : "/";
  for (auto& known : config.compilers) {
    if (known.path != called && known.path != inv->compiler_path && known.path != path_base(called)) continue;
    q.allow_script = true;
    q.stated_identity = known.identity;
    q.extra_files = known.files;
    q.extra_env = known.env;
  }
  q.extra_files.insert(q.extra_files.end(), config.extra_files.begin(), config.extra_files.end());
  // What files of the configuration and scripts do with a path nobody knows.
  const bool described = q.allow_script || !q.extra_files.empty();
  inv->pwd = name_of_cwd(*inv, described);
  if (!config.bases.empty() && is_under_base(c, config.bases, inv->cwd, inv->pwd)) {
    Relocation r;
    inv->not_relocated = relocate(c, config.bases, inv->cwd, inv->pwd, inv->key_env, &r);
    if (described) inv->not_relocated = "the compiler is one that the configuration describes";
    if (inv->not_relocated.empty()) inv->relocation = std::move(r);
  }
  inv->probe = probe_key(q, inv->env);
  inv->stream_class = diagnostic_class(*inv);
  inv->declared = c.outputs;
  for (auto& o : c.outputs) inv->declared_flags.push_back(o.optional ? CC_OUTPUT_OPTIONAL : 0);
  for (auto& o : c.outputs)
    if (o.path == "/dev/null" || o.path == "-") return refuse("the output " + o.path + " is no file");
}

namespace {
// Each field of the base key, in its order.
template <class Field>
void key_fields(const Invocation& inv, const std::string& tenant, Field field) {
  const Command& c = inv.command;
  const Bases* bases = inv.bases();
  auto path = [&](const char* label, std::string_view p) { bases ? field(label, bases->fold(p)) : field(label, p); };
  field("tenant", tenant);
  field("compiler", inv.compiler->identity);
  field("language", static_cast<uint64_t>(c.language));
  if (bases) {
    field("relocated", uint64_t{1});
    for (auto& a : folded_args(c, *bases)) field("arg", a);
  } else {
    for (auto& a : c.key_args) field("arg", a);
  }
  path("source", c.source);
  field("deps", static_cast<uint64_t>(c.deps));
  field("target", bases ? folded_target(c, *bases) : c.dep_target);
  for (auto& o : c.outputs) field("role", o.role);
  if (c.makes_precompiled && c.output_matters) path("output", c.output);
  else if (c.output_matters) field("output", c.output);
  if (c.cwd_matters) {
    path("cwd", inv.cwd);
    path("pwd", inv.pwd);
  }
  for (auto& e : inv.key_env) field("env", e);
  // The search path as the compiler made it: a directory that appears, vanishes or becomes another's double is another path.
  for (auto& d : inv.compiler->quote_dirs) path("quote", d);
  for (auto& d : inv.compiler->bracket_dirs) path("bracket", d);
  field("notes", inv.compiler->notes);
}

std::string shown(std::string_view value) { return std::string(value); }
std::string shown(uint64_t value) { return std::to_string(value); }
std::string shown(const Digest& value) { return value.hex(); }
}  // namespace

Digest base_key(const Invocation& inv, const std::string& tenant) {
  KeyHasher h("cchain invocation 1");
  key_fields(inv, tenant, [&h](const char* label, const auto& value) { h.field(label, value); });
  return h.finish();
}

std::vector<ExplainField> labelled_fields(const Invocation& inv, const std::string& tenant) {
  std::vector<ExplainField> out;
  if (!inv.compiler) return out;
  key_fields(inv, tenant, [&](std::string_view label, const auto& value) {
    std::string text = shown(value);
    if (label == "env") {
      // What a configuration adds may be a secret.
      const size_t equals = text.find('=');
      const bool known = std::any_of(std::begin(kKeyEnv), std::end(kKeyEnv), [&](const char* name) { return text.compare(0, equals, name) == 0; });
      if (!known) text = text.substr(0, equals + 1) + "sha256:" + sha256(text.substr(equals + 1)).hex().substr(0, 16);
    }
    out.push_back({std::string(label), std::move(text)});
  });
  out.push_back({"source text", inv.source_digest.hex()});
  out.push_back({" compiler", inv.compiler->version});
  out.push_back({" path", inv.compiler_path});
  out.push_back({" messages", inv.stream_class});
  return out;
}

void check_relocation(Invocation* inv) {
  if (!inv->relocation) return;
  const CompilerInfo& info = *inv->compiler;
  const Bases& bases = *inv->relocation->bases;
  auto beside = [&](const std::string& d) { return bases.where(d) == Bases::Where::kBeside; };
  const size_t version = info.version.find(" version ");
  const int major = version == std::string::npos ? 0 : atoi(info.version.c_str() + version + 9);
  std::string& why = inv->not_relocated;
  if (major < (info.family == Family::kGcc ? 8 : 10)) why = "the compiler is too old for -ffile-prefix-map";
  if (info.own_maps) why = "the compiler's own configuration maps prefixes";
  if (bases.in(info.notes)) why = "the compiler names a base folder in what it prints";
  if (std::any_of(info.quote_dirs.begin(), info.quote_dirs.end(), beside) || std::any_of(info.bracket_dirs.begin(), info.bracket_dirs.end(), beside))
    why = "a folder of the search path begins as a base folder does";
  if (!why.empty()) inv->relocation.reset();
}

std::vector<std::string> command_with(const Invocation& inv, const std::vector<std::string>& extra) {
  std::vector<std::string> out(inv.argv.begin(), inv.argv.begin() + static_cast<ptrdiff_t>(inv.launchers.compiler_index) + 1);
  out.insert(out.end(), extra.begin(), extra.end());
  out.insert(out.end(), inv.argv.begin() + static_cast<ptrdiff_t>(inv.launchers.compiler_index) + 1, inv.argv.end());
  return out;
}

std::vector<std::string> preprocess_command(const Invocation& inv) {
  std::vector<std::string> out = {inv.argv[inv.launchers.compiler_index]};
  for (auto& a : inv.command.key_args)
    if (a != "-c" && a != "-S" && a != "-ftime-trace" && !a.starts_with("-fdeps-format=")) out.push_back(a);  // the last two would leave a file
  out.push_back("-E");
  out.push_back(inv.command.source);
  return out;
}

}  // namespace cchain

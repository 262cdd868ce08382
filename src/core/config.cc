// SPDX-License-Identifier: Apache-2.0
#include "core/config.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <tuple>
#include <utility>

#include "base/fs.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/table.h"
#include "core/trust.h"

namespace cchain {

namespace {

using std::string;
using std::string_view;

// ---- values ------------------------------------------------------------------------------------------------------------

bool parse_bool(string_view v, bool* out) {
  string low;
  for (char c : v.substr(0, 8)) low += static_cast<char>(c >= 'A' && c <= 'Z' ? c | 32 : c);
  if (low == "1" || low == "true" || low == "yes" || low == "on") return *out = true, true;
  if (low.empty() || low == "0" || low == "false" || low == "no" || low == "off") return *out = false, true;
  return false;
}

bool parse_uint(string_view v, uint64_t max, uint64_t* out) {
  uint64_t n = 0;
  if (v.empty()) return false;
  for (char c : v) {
    if (c < '0' || c > '9') return false;
    uint64_t d = static_cast<uint64_t>(c - '0');
    if (n > (UINT64_MAX - d) / 10) return false;
    n = n * 10 + d;
  }
  *out = n;
  return n <= max;
}

bool parse_mode(string_view v, Mode* out) {
  if (v == "direct") return *out = Mode::kDirect, true;
  if (v == "preprocess") return *out = Mode::kPreprocess, true;
  if (v == "direct+preprocess") return *out = Mode::kDirectPreprocess, true;
  return false;
}

const char* mode_name(Mode m) {
  return m == Mode::kDirect ? "direct" : m == Mode::kPreprocess ? "preprocess" : "direct+preprocess";
}

const char* compression_name(Compression c) { return c == Compression::kAuto ? "auto" : c == Compression::kOff ? "off" : "on"; }

// A name of a layer becomes part of names of counters, in which ':' is a separator.
bool valid_layer_name(string_view v) {
  if (v.empty() || v.size() > 64) return false;
  for (char c : v)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-')) return false;
  return true;
}

string in_quotes(string_view v) {
  string out = "\"";
  out += v.substr(0, 100);
  out += v.size() > 100 ? "…\"" : "\"";
  return out;
}

// "90", "90s", "15m", "12h", "30d" -> seconds.
bool parse_seconds(string_view v, uint64_t* out) {
  uint64_t unit = 1;
  switch (v.empty() ? 0 : v.back()) {
    case 's': v.remove_suffix(1); break;
    case 'm': unit = 60, v.remove_suffix(1); break;
    case 'h': unit = 3600, v.remove_suffix(1); break;
    case 'd': unit = 86400, v.remove_suffix(1); break;
    default: break;
  }
  if (!parse_uint(v, 1000000000, out)) return false;
  *out *= unit;
  return true;
}

// A scalar as it would be written in an environment variable; false for an array or object. null is "".
bool scalar_text(const Json& v, string* out) {
  int64_t n;
  switch (v.type) {
    case Json::kNull: out->clear(); return true;
    case Json::kBool: *out = v.boolean ? "true" : "false"; return true;
    case Json::kString: *out = v.string; return true;
    case Json::kNumber: *out = v.to_int(&n) ? std::to_string(n) : "(a number out of range)"; return true;
    default: return false;
  }
}

// ---- the environment ---------------------------------------------------------------------------------------------------

enum Var { kDir, kLayers, kReadOnly, kRecache, kTenant, kMode, kDisable, kLog, kStatsLog, kWarn, kStateDir, kMaxSize, kCompression, kConfig, kBaseDirs, kVarCount };

// Variables of others (-1) are only known by name: of the command, and of what loads the library.
constexpr struct {
  string_view name;
  int var;
} kVars[] = {{"CCHAIN_DIR", kDir}, {"CCHAIN_LAYERS", kLayers}, {"CCHAIN_READ_ONLY", kReadOnly}, {"CCHAIN_RECACHE", kRecache},
             {"CCHAIN_TENANT", kTenant}, {"CCHAIN_MODE", kMode}, {"CCHAIN_DISABLE", kDisable}, {"CCHAIN_LOG", kLog},
             {"CCHAIN_STATS_LOG", kStatsLog}, {"CCHAIN_WARN", kWarn}, {"CCHAIN_STATE_DIR", kStateDir}, {"CCHAIN_MAX_SIZE", kMaxSize},
             {"CCHAIN_COMPRESSION", kCompression}, {"CCHAIN_CONFIG", kConfig}, {"CCHAIN_PREFIX", -1}, {"CCHAIN_ACTIVE", -1}, {"CCHAIN_LIB", -1}, {"CCHAIN_SHELL", -1},
             {"CCHAIN_TRACE", -1}, {"CCHAIN_BASE_DIRS", kBaseDirs}};

// ---- the loader --------------------------------------------------------------------------------------------------------

enum Field { kType, kName, kPath, kSize, kCompress, kLevel, kRead, kWrite, kPromote, kUmask, kSign, kVerify, kTenants,
             kConnectTimeout, kTimeout, kLayerMaxEntry, kConnections, kRefresh, kUpload, kDelete, kFieldCount };
constexpr const char* kFieldNames[] = {"type", "name", "path", "max_size", "compression", "compression_level", "read", "write", "promote", "umask", "sign", "verify_keys", "tenants",
                                       "connect_timeout_ms", "timeout_ms", "max_entry_size", "connections", "refresh_after", "upload", "delete"};
constexpr const char* kFieldAliases[] = {"read_only"};  // the opposite of "write"
constexpr bool remote_field(int f) { return f >= kConnectTimeout; }
constexpr bool seldom_field(int f) { return f == kSign || f == kVerify || f == kTenants; }  // not shown where it is not given
constexpr bool disk_field(int f) { return f == kPath || f == kSize || f == kUmask || f == kTenants; }

// The keys that belong to the plug-in's layers; their meaning is the plug-in's.
enum OptionKind { kText, kSecret, kFile, kFlag, kNumber, kSeconds };
constexpr struct {
  string_view name;
  const char* types;  // h: http, s: s3, r: redis
  OptionKind kind;
} kOptions[] = {{"url", "h", kText}, {"user", "hr", kText}, {"password", "hr", kSecret}, {"token", "h", kSecret},
                {"ca_file", "hsr", kFile}, {"client_cert", "h", kFile}, {"client_key", "h", kFile}, {"proxy", "hs", kSecret},
                {"bucket", "s", kText}, {"region", "s", kText}, {"endpoint", "s", kText}, {"prefix", "sr", kText}, {"path_style", "s", kFlag},
                {"credentials", "s", kText}, {"profile", "s", kText}, {"access_key_id", "s", kSecret}, {"secret_access_key", "s", kSecret},
                {"session_token", "s", kSecret}, {"sse", "s", kText}, {"sse_kms_key_id", "s", kText}, {"host", "r", kText}, {"port", "r", kNumber},
                {"socket", "r", kFile}, {"database", "r", kNumber}, {"expire", "r", kSeconds}, {"tls", "r", kFlag}};

// Where a layer's values came from ("": default) and what is wrong with them. A value from the environment takes the place of a wrong one.
struct LayerState {
  string origin[kFieldCount], wrong[kFieldCount];
};

enum Top { kTopTenant, kTopMode, kTopStateDir, kTopLog, kTopFlush, kTopMaxEntry, kTopRecheck, kTopExtraEnv, kTopExtraFiles, kTopCompilers, kTopBaseDirs, kTopLayers, kTopCount };
constexpr const char* kTopNames[] = {"tenant", "mode", "state_dir", "log", "flush_timeout_ms", "max_entry_size", "recheck", "extra_env", "extra_files", "compilers", "base_dirs", "layers"};

constexpr const char* kCompilerNames[] = {"compiler", "compiler_identity", "extra_files", "extra_env"};

// For whoever asks what there is.
std::string_view name_of(const char* name) { return name; }
template <class Named>
std::string_view name_of(const Named& named) { return named.name; }

template <size_t N>
int find_name(const char* const (&names)[N], string_view name) {
  for (size_t i = 0; i < N; i++)
    if (name == names[i]) return static_cast<int>(i);
  return -1;
}

class Loader {
 public:
  Loader(const ConfigSource& source, Config* config) : source_(source), c_(*config) {}

  void run() {
    walk_environment();
    string text;
    if (find_text(&text)) {
      Json root;
      JsonError error;
      if (!parse(text, &root, &error)) problem(error.line ? at(error.line) : label_, error.text, true), c_.no_library = error.no_library;
      else if (root.type != Json::kObject) problem(at(root.line), "it is JSON, but no object", true);
      else apply_json(root);
    }
    apply_environment();
    finish();
  }

 private:
  void problem(string where, string text, bool fatal = false) {
    fatal_ |= fatal;
    c_.problems.push_back({fatal, std::move(where), std::move(text)});
  }
  string at(int line) const { return label_ + ":" + std::to_string(line); }

  // What is wrong here says what a result depends on, or whose it is: with a default in its place a wrong object could be served.
  void unsafe(string where, string text) {
    if (c_.unusable.empty()) c_.unusable = where + ": " + text;
    problem(std::move(where), text + "; no layer is used");
  }

  void walk_environment() {
    if (!source_.env) return;
    bool seen[kVarCount] = {};
    for (const char* const* p = source_.env; *p; p++) {
      const char* s = *p;
      if (*s == 'H') {
        if (strncmp(s, "HOME=", 5) == 0 && !home_) home_ = s + 5;
      } else if (*s == 'X') {
        if (strncmp(s, "XDG_CACHE_HOME=", 15) == 0 && !cache_home_) cache_home_ = s + 15;
        if (strncmp(s, "XDG_CONFIG_HOME=", 16) == 0 && !config_home_) config_home_ = s + 16;
      } else if (*s == 'C' && strncmp(s, "CCHAIN_", 7) == 0) {
        const char* eq = strchr(s, '=');
        if (!eq) continue;
        string_view name(s, static_cast<size_t>(eq - s));
        bool known = false;
        for (auto& v : kVars) {
          if (v.name != name) continue;
          known = true;
          if (v.var >= 0 && !seen[v.var]) {  // the first one counts, as for getenv
            seen[v.var] = true;
            var_[v.var] = eq + 1;
          }
        }
        if (!known) problem(string(name.substr(0, 100)), "no variable of this version's: passed over");
      }
    }
    // The XDG specification wants relative ones ignored.
    if (home_ && *home_ != '/') home_ = nullptr;
    if (cache_home_ && *cache_home_ != '/') cache_home_ = nullptr;
    if (config_home_ && *config_home_ != '/') config_home_ = nullptr;
  }

  string_view lookup_variable(string_view name) const {
    if (source_.env)
      for (const char* const* p = source_.env; *p; p++)
        if (strncmp(*p, name.data(), name.size()) == 0 && (*p)[name.size()] == '=') return *p + name.size() + 1;
    return {};
  }

  // `~/` at the start, and with `variables` $NAME, ${NAME} and $$ anywhere. "" or what is wrong.
  string expand(string_view in, bool variables, string* out) const {
    out->clear();
    if (in == "~" || in.substr(0, 2) == "~/") {
      if (!home_) return in_quotes(in) + " needs HOME, which is not set";
      *out = home_;
      in.remove_prefix(1);
    }
    while (!in.empty()) {
      size_t n = variables ? std::min(in.find('$'), in.size()) : in.size();
      out->append(in.substr(0, n));
      in.remove_prefix(n);
      if (in.empty()) break;
      in.remove_prefix(1);
      if (in.substr(0, 1) == "$") {
        *out += '$';
        in.remove_prefix(1);
        continue;
      }
      bool braces = in.substr(0, 1) == "{";
      if (braces) in.remove_prefix(1);
      auto is_name = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; };
      for (n = 0; n < in.size() && is_name(in[n]);) n++;
      if (n == 0 || (braces && in.substr(n, 1) != "}")) return "a $ that begins no variable (write $$ for the character)";
      string_view value = lookup_variable(in.substr(0, n));
      if (value.empty()) return "it needs the variable " + string(in.substr(0, n)) + ", which is not set";
      out->append(value);
      in.remove_prefix(n + (braces ? 1 : 0));
    }
    return {};
  }

  // The same for a path that must not depend on the working directory.
  string expand_absolute(string_view in, bool variables, string* out) const {
    if (string wrong = expand(in, variables, out); !wrong.empty()) return wrong;
    if (out->empty() || (*out)[0] != '/') return in_quotes(in) + " is no absolute path";
    while (out->size() > 1 && out->back() == '/') out->pop_back();
    return {};
  }

  // ---- the file ---------------------------------------------------------------------------------------------------------

  // A text that was parsed before, by anybody with the same private folder, is remembered by its digest: libcjson costs a fifth of a hit to load.
  bool parse(const string& text, Json* root, JsonError* error) const {
    string dir;
    if (env(kStateDir) && *env(kStateDir) == '/') dir = env(kStateDir);
    else if (string root_dir = env(kDir) && *env(kDir) == '/' ? env(kDir) : default_root(); !root_dir.empty()) dir = root_dir + "/private";
    BlobLog memory(dir.empty() || !is_private_or_absent(dir) ? "" : dir + "/json", 0x43434a31, 64);
    Digest key = sha256(text);
    string bytes;
    if (memory.get(key, &bytes) && json_decode(bytes, root)) return true;
    if (!json_parse(text, root, error)) return false;
    memory.put(key, json_encode(*root));
    return true;
  }

  // The text to read, from where the source or the environment says; false if there is none.
  bool find_text(string* text) {
    if (source_.has_text) {
      label_ = "config_text";
      *text = source_.text;
      return true;
    }
    if (source_.no_files) return false;
    bool named = true;
    if (!source_.path.empty()) {
      label_ = source_.path;
    } else if (var_[kConfig] && *var_[kConfig]) {
      if (string wrong = expand(var_[kConfig], false, &label_); !wrong.empty()) return problem("CCHAIN_CONFIG", wrong, true), false;
    } else {
      named = false;
      if (!config_home_ && !home_) return false;
      label_ = config_home_ ? config_home_ : home_;
      label_ += config_home_ ? "/cchain/config.json" : "/.config/cchain/config.json";
    }
    if (label_ == "/dev/null") return false;  // the usual way to say "none"
    int e = read_file(label_.c_str(), text, kJsonMaxSize);
    if (e == 0) {
      c_.file = label_;
      return true;
    }
    if (!named && (e == ENOENT || e == ENOTDIR)) return false;
    // HOME is somebody else's: whether there is a file can't be known, and it would not be meant for us. A file that is there and
    // can't be read is another thing.
    struct stat st;
    if (!named && e == EACCES && stat(label_.c_str(), &st) != 0 && errno == EACCES) {
      problem(label_, "the directory can't be searched: passed over");
      return false;
    }
    problem(label_, e == EINVAL ? "it is no regular file" : e == EFBIG ? "it is larger than 1 MiB" : "it can't be read: " + error_text(e), true);
    return false;
  }

  static string error_text(int e) {
    char buf[128];
    return strerror_r(e, buf, sizeof buf);
  }

  void repeated(const Json& object, size_t index) {
    const JsonMember& m = object.members[index];
    for (size_t i = 0; i < index; i++)
      if (object.members[i].key == m.key) return problem(at(m.line), in_quotes(m.key) + " is given twice, the last one counts");
  }

  void apply_json(const Json& root) {
    for (size_t i = 0; i < root.members.size(); i++) {
      const JsonMember& m = root.members[i];
      const Json& v = m.value;
      repeated(root, i);
      int top = find_name(kTopNames, m.key);
      if (top < 0) {
        problem(at(m.line), in_quotes(m.key) + " is no key of this version's: passed over");
        continue;
      }
      if (v.type == Json::kNull) continue;
      string where = at(v.line);
      switch (top) {
        case kTopExtraEnv:
          string_list(v, "extra_env", false, &c_.extra_env);
          break;
        case kTopExtraFiles:
          string_list(v, "extra_files", true, &c_.extra_files);
          break;
        case kTopCompilers:
          c_.compilers.clear();
          if (v.type != Json::kArray) unsafe(where, "\"compilers\" is no array");
          else for (const Json& item : v.items) compiler(item);
          break;
        case kTopBaseDirs:
          c_.bases = Bases();
          if (v.type != Json::kArray) problem(where, "\"base_dirs\" is no array of folders; not used");
          for (const Json& item : v.items)
            if (!base_dir(item.type == Json::kString ? string_view(item.string) : string_view(), true, at(item.line))) break;
          break;
        case kTopLayers:
          layers_given_ = true;
          c_.layers.clear();
          states_.clear();
          if (v.type != Json::kArray) problem(where, "\"layers\" is no array: there is no layer");
          else for (const Json& item : v.items) layer(item);
          break;
        default:
          scalar(top, v, where);
      }
      origin_[top] = std::move(where);
    }
  }

  void scalar(int top, const Json& v, const string& where) {
    string text;
    if (top == kTopRecheck) {
      if (v.type == Json::kNumber && v.number >= 0 && v.number <= 1) c_.recheck = v.number;
      else problem(where, "\"recheck\" is no number from 0 to 1; not used");
      return;
    }
    if (!scalar_text(v, &text)) text = "(no single value)";
    set_top(top, text, where, true);
  }

  // A top-level value. What is wrong keeps its default, or what the file said.
  bool set_top(int top, string_view text, const string& where, bool from_file) {
    string wrong, path;
    uint64_t n = 0;
    switch (top) {
      case kTopTenant:
        if (!valid_tenant(text)) return unsafe(where, in_quotes(text) + " is no tenant (1 to 64 of a-z 0-9 . _ -, the first a letter or digit, the last no dot)"), false;
        c_.tenant = text;
        break;
      case kTopMode:
        if (!parse_mode(text, &c_.mode)) wrong = in_quotes(text) + " is no mode (direct, preprocess, direct+preprocess)";
        break;
      case kTopStateDir:
        if (wrong = expand_absolute(text, from_file, &path); wrong.empty()) c_.state_dir = path;
        break;
      case kTopLog:
        // From the environment a relative one is what the user's shell meant.
        wrong = from_file ? expand_absolute(text, true, &path) : expand(text, false, &path);
        if (wrong.empty()) c_.log_path = path;
        break;
      case kTopFlush:
        if (parse_uint(text, 3600000, &n)) c_.flush_timeout_ms = static_cast<int>(n);
        else wrong = in_quotes(text) + " is no number of milliseconds (0 to 3600000)";
        break;
      case kTopMaxEntry:
        if (parse_size(text, &n) && n > 0) c_.max_entry_size = n;
        else wrong = in_quotes(text) + " is no size";
        break;
    }
    if (wrong.empty()) return true;
    problem(where, wrong + "; not used");
    return false;
  }

  void string_list(const Json& v, const char* key, bool paths, std::vector<string>* out) {
    out->clear();
    if (v.type == Json::kNull) return;
    if (v.type != Json::kArray) return unsafe(at(v.line), in_quotes(key) + " is no array of strings");
    for (const Json& i : v.items) {
      string value;
      if (i.type != Json::kString || i.string.empty()) {
        unsafe(at(i.line), in_quotes(key) + " holds what is no string, or an empty one");
      } else if (paths) {
        if (string wrong = expand(i.string, true, &value); !wrong.empty()) unsafe(at(i.line), wrong);
        else out->push_back(std::move(value));
      } else if (i.string.find('=') != string::npos) {
        unsafe(at(i.line), in_quotes(i.string) + " is no name of a variable");
      } else {
        out->push_back(i.string);
      }
    }
  }

  // One wrong folder and there is none: the others would be numbered otherwise than in other checkouts.
  bool base_dir(string_view text, bool from_file, const string& where) {
    string path, wrong = expand_absolute(text, from_file, &path);
    if (wrong.empty()) wrong = c_.bases.add(std::move(path));
    if (wrong.empty()) return true;
    c_.bases = Bases();
    problem(where, wrong + "; base_dirs is not used");
    return false;
  }

  void compiler(const Json& v) {
    if (v.type != Json::kObject) return unsafe(at(v.line), "\"compilers\" holds what is no object");
    CompilerConfig& k = c_.compilers.emplace_back();
    for (size_t i = 0; i < v.members.size(); i++) {
      const JsonMember& m = v.members[i];
      repeated(v, i);
      if (m.key == kCompilerNames[0]) {
        if (m.value.type != Json::kString) unsafe(at(m.value.line), "\"compiler\" is no string");
        else if (string wrong = expand(m.value.string, true, &k.path); !wrong.empty()) unsafe(at(m.value.line), wrong);
      } else if (m.key == kCompilerNames[1]) {
        if (m.value.type != Json::kString || m.value.string.empty()) unsafe(at(m.value.line), "\"compiler_identity\" is no string, or empty");
        else k.identity = m.value.string;
      } else if (m.key == kCompilerNames[2]) {
        string_list(m.value, "extra_files", true, &k.files);
      } else if (m.key == kCompilerNames[3]) {
        string_list(m.value, "extra_env", false, &k.env);
      } else {
        problem(at(m.line), in_quotes(m.key) + " is no key of this version's: passed over");
      }
    }
    if (k.path.empty()) unsafe(at(v.line), "an entry of \"compilers\" names no \"compiler\"");
  }

  // ---- layers -----------------------------------------------------------------------------------------------------------

  // The state lives as long as no other layer is added.
  LayerState& add_layer(string_view type, const string& origin) {
    c_.layers.emplace_back().type = type;
    LayerState& s = states_.emplace_back();
    s.origin[kType] = origin;
    return s;
  }

  // False, with what is wrong, for a type that is not one of this build's; then its keys are nobody's either.
  bool type_known(string_view type, string* wrong) {
    if (type == "disk" || type == "host" || type == "http" || type == "s3" || type == "redis") return true;
    if (type == "https") return *wrong = "\"https\" is no type of layer: it is \"http\" with an https:// URL", false;
    if (type == "rediss") return *wrong = "\"rediss\" is no type of layer: it is \"redis\" with \"tls\": true", false;
    return *wrong = in_quotes(type) + " is no type of layer", false;
  }

  void layer(const Json& v) {
    string text, where = at(v.line), wrong;
    if (v.type != Json::kObject) {
      add_layer("disk", where).wrong[kType] = where + ": a layer is no object";
      return problem(where, "a layer is no object: it is not used");
    }
    string type = "disk";
    if (const Json* t = v.get("type"); t && t->type != Json::kNull) {
      where = at(t->line);
      if (!scalar_text(*t, &type)) type.clear();
    }
    LayerState& s = add_layer(type, where);
    LayerConfig& l = c_.layers.back();
    bool known = type_known(type, &wrong);
    if (!known) {
      s.wrong[kType] = where + ": " + wrong;
      problem(where, wrong + ": it is not used");
    }
    for (size_t i = 0; i < v.members.size(); i++) {
      const JsonMember& m = v.members[i];
      if (m.key == "type" || m.value.type == Json::kNull) continue;
      if (known) repeated(v, i);
      if (!known && m.key != "name") continue;
      where = at(m.value.line);
      if (m.key == "verify_keys") {
        verify_keys(&l, &s, m.value);
        continue;
      }
      if (m.key == "tenants" && m.value.type == Json::kObject) {
        set_field(&l, &s, m.key, tenants_text(m.value), where, true);
        continue;
      }
      if (!scalar_text(m.value, &text)) text = "(no single value)";
      if (!set_field(&l, &s, m.key, text, where, true, m.value.type == Json::kNumber))
        problem(at(m.line), in_quotes(m.key) + " is no key of a layer in this version: passed over");
    }
  }

  // {"a": {"max_size": "1G"}, …} as in a URL: "a:1G,…".
  string tenants_text(const Json& v) {
    string out, size;
    for (size_t i = 0; i < v.members.size(); i++) {
      const JsonMember& m = v.members[i];
      repeated(v, i);
      size.clear();
      for (const JsonMember& o : m.value.members)
        if (o.key != "max_size") problem(at(o.line), in_quotes(o.key) + " is no key of a tenant in this version: passed over");
      if (const Json* max = m.value.get("max_size"); !max || !scalar_text(*max, &size)) size = "?";
      out += (out.empty() ? "" : ",") + m.key + ":" + size;
    }
    return out;
  }

  static string parse_tenants(string_view text, std::vector<std::pair<string, uint64_t>>* out) {
    out->clear();
    while (!text.empty()) {
      string_view item = text.substr(0, text.find(','));
      text.remove_prefix(std::min(item.size() + 1, text.size()));
      size_t colon = std::min(item.find(':'), item.size());
      string_view name = item.substr(0, colon), size = item.substr(std::min(colon + 1, item.size()));
      uint64_t n = 0;
      if (!valid_tenant(name)) return in_quotes(name) + " is no tenant";
      if (!parse_size(size, &n) || n == 0) return "the max_size of " + in_quotes(name) + " is no size above 0";
      for (auto& [other, bytes] : *out)
        if (other == name) return in_quotes(name) + " is given twice";
      if (out->size() == 64) return "more than 64 tenants have shares of their own";
      out->emplace_back(name, n);
    }
    return {};
  }

  void verify_keys(LayerConfig* l, LayerState* s, const Json& v) {
    l->keyed = true;
    l->verify_files.clear();
    l->verify_keys.clear();
    if (v.type == Json::kString) return void(set_field(l, s, "verify_keys", v.string, at(v.line), true));
    string wrong = v.type != Json::kArray ? "it is no file and no array of files" : v.items.empty() ? "it names no key" : "";
    for (const Json& item : v.items) {
      if (item.type == Json::kString) set_field(l, s, "verify_keys", item.string, at(item.line), true);
      else wrong = "it holds what is no file";
    }
    if (wrong.empty()) return;
    s->wrong[kVerify] = at(v.line) + ": verify_keys: " + wrong;
    problem(at(v.line), "\"verify_keys\": " + wrong + ": the layer is not used");
  }

  // One value of a layer. False if the key is not known; a wrong value is noted in the state and reported.
  bool set_field(LayerConfig* l, LayerState* s, string_view key, string_view text, const string& where, bool from_file, bool number = false) {
    bool read_only = key == kFieldAliases[0];
    int f = read_only ? kWrite : find_name(kFieldNames, key);
    if (f >= 0 && (l->remote() ? disk_field(f) : remote_field(f))) return false;
    if (f < 0) return l->remote() && set_option(l, s, key, text, where, from_file);
    string wrong;
    uint64_t n = 0;
    bool b = false;
    auto boolean = [&](bool* out) {
      if (!parse_bool(text, out)) wrong = in_quotes(text) + " is neither true nor false";
    };
    switch (f) {
      case kName:
        if (valid_layer_name(text)) l->name = text;
        else wrong = in_quotes(text) + " is no name of a layer (1 to 64 of A-Z a-z 0-9 . _ -)";
        break;
      case kPath:
        wrong = expand_absolute(text, from_file, &l->path);
        break;
      case kSize:
        if (parse_size(text, &n) && n > 0) l->max_size = n;
        else wrong = in_quotes(text) + " is no size above 0 (as in \"10G\")";
        break;
      case kCompress:
        if (text == "auto") l->compression = Compression::kAuto;
        else if (text == "zstd") l->compression = Compression::kOn;
        else if (parse_uint(text, 19, &n) && n > 0) l->compression = Compression::kOn, l->compression_level = static_cast<int>(n);
        else if (!text.empty() && parse_bool(text, &b)) l->compression = b ? Compression::kOn : Compression::kOff;
        else wrong = in_quotes(text) + " is no compression (auto, off, on, a level from 1 to 19)";
        break;
      case kLevel:
        if (parse_uint(text, 19, &n) && n > 0) l->compression_level = static_cast<int>(n);
        else wrong = in_quotes(text) + " is no level from 1 to 19";
        break;
      case kRead:
        boolean(&l->read);
        break;
      case kWrite:
        if (boolean(&b); !wrong.empty()) break;
        if (read_only && !b) return true;
        l->write = b && !read_only;
        break;
      case kPromote:
        boolean(&l->promote);
        break;
      case kUmask: {
        unsigned mask = 0;
        bool ok = !number && !text.empty() && text.size() <= 4;
        for (char c : text) {
          ok = ok && c >= '0' && c <= '7';
          mask = mask * 8 + static_cast<unsigned>(c - '0');
        }
        if (ok && (mask & ~077u) == 0) l->umask = static_cast<int>(mask);
        else wrong = (number ? string("a number") : in_quotes(text)) + " is no umask (a string of octal digits, as in \"002\", that leaves the owner's bits)";
        break;
      }
      case kTenants:
        wrong = parse_tenants(text, &l->tenants);
        break;
      case kSign:
      case kVerify: {
        std::shared_ptr<const SealKey> loaded;
        string path;
        l->keyed = true;
        if (wrong = expand_absolute(text, from_file, &path); wrong.empty()) wrong = load_key(path, f == kSign, &loaded);
        if (f == kSign) l->sign_file = path, l->sign_key = loaded;
        else l->verify_files.push_back(path), l->verify_keys.push_back(loaded);
        if (wrong.empty() && !s->wrong[f].empty()) return true;  // one of several is wrong
        break;
      }
      case kConnectTimeout:
      case kTimeout:
        if (parse_uint(text, 600000, &n) && n > 0) (f == kTimeout ? l->timeout_ms : l->connect_timeout_ms) = static_cast<uint32_t>(n);
        else wrong = in_quotes(text) + " is no number of milliseconds (1 to 600000)";
        break;
      case kLayerMaxEntry:
        if (parse_size(text, &n) && n > 0) l->max_entry_size = n;
        else wrong = in_quotes(text) + " is no size above 0";
        break;
      case kConnections:
        if (parse_uint(text, 256, &n) && n > 0) l->connections = static_cast<uint32_t>(n);
        else wrong = in_quotes(text) + " is no number from 1 to 256";
        break;
      case kRefresh:
        if (parse_seconds(text, &n)) l->refresh_after_s = n;
        else wrong = in_quotes(text) + " is no time (as in \"20d\", \"12h\")";
        break;
      case kUpload:
        if (text == "spool" || text == "now") l->spool = text == "spool";
        else wrong = in_quotes(text) + " is neither \"now\" nor \"spool\"";
        break;
      case kDelete:
        if (!parse_bool(text, &l->removes)) wrong = in_quotes(text) + " is neither true nor false";
        break;
      default:
        return false;
    }
    s->origin[f] = where;
    s->wrong[f] = wrong.empty() ? string() : where + ": " + kFieldNames[f] + ": " + wrong;
    if (!wrong.empty()) problem(where, in_quotes(key) + ": " + wrong + ": the layer is not used");
    return true;
  }

  // A key of the plug-in's. What is wrong with a secret is said without it.
  bool set_option(LayerConfig* l, LayerState* s, string_view key, string_view text, const string& where, bool from_file) {
    for (const auto& o : kOptions) {
      if (o.name != key || !strchr(o.types, l->type[0])) continue;
      string value, wrong;
      uint64_t n = 0;
      bool b = false;
      switch (o.kind) {
        case kText:
        case kSecret:
          // A ~ in front is a character like any other here.
          wrong = expand(text.substr(text.substr(0, 1) == "~"), from_file, &value);
          if (text.substr(0, 1) == "~") value.insert(0, 1, '~');
          break;
        case kFile:
          wrong = expand_absolute(text, from_file, &value);
          break;
        case kFlag:
          if (parse_bool(text, &b)) value = b ? "true" : "false";
          else wrong = in_quotes(text) + " is neither true nor false";
          break;
        case kNumber:
          if (parse_uint(text, 65535, &n)) value = std::to_string(n);
          else wrong = in_quotes(text) + " is no number from 0 to 65535";
          break;
        case kSeconds:
          if (parse_seconds(text, &n)) value = std::to_string(n);
          else wrong = in_quotes(text) + " is no time (as in \"20d\", \"12h\")";
          break;
      }
      if (key == "url" || key == "endpoint") take_user(l, &value, where, from_file && text.find('$') == string_view::npos);
      if (wrong.empty()) {
        // Spelled out in the file, not by the name of a variable: then who can read the file has it.
        if (o.kind == kSecret && from_file && text.find('$') == string_view::npos && !value.empty()) holds_secret_ = true;
        for (size_t i = 0; i < value.size(); i++)
          if (static_cast<unsigned char>(value[i]) < 0x20) wrong = "a control character";
      }
      string& bad = s->wrong[kType];
      if (!wrong.empty()) {
        if (bad.empty()) bad = where + ": " + string(key) + ": " + wrong;
        problem(where, in_quotes(key) + ": " + wrong + ": the layer is not used");
      }
      set_value(l, string(key), std::move(value), where, o.kind == kSecret);
      return true;
    }
    return false;
  }

  static void set_value(LayerConfig* l, string key, string value, const string& where, bool secret) {
    for (LayerOption& o : l->options)
      if (o.name == key) return void((o.value = std::move(value), o.origin = where));
    l->options.push_back({std::move(key), std::move(value), where, secret});
  }

  // http://user:password@host: what must not be shown leaves the URL.
  void take_user(LayerConfig* l, string* url, const string& where, bool in_file) {
    size_t start = url->find("://");
    if (start == string::npos) return;
    start += 3;
    size_t end = std::min(url->find('/', start), url->size());
    size_t at = url->rfind('@', end ? end - 1 : 0);
    if (at == string::npos || at < start) return;
    string user = url->substr(start, at - start), name, password;
    url->erase(start, at + 1 - start);
    size_t colon = user.find(':');
    if (!percent_decode(user.substr(0, colon), &name)) name = user.substr(0, colon);
    if (colon != string::npos && !percent_decode(user.substr(colon + 1), &password)) password = user.substr(colon + 1);
    if (in_file && !password.empty()) holds_secret_ = true;
    if (l->type == "s3") {
      set_value(l, "access_key_id", std::move(name), where, true);
      set_value(l, "secret_access_key", std::move(password), where, true);
      return;
    }
    set_value(l, "user", std::move(name), where, false);
    if (colon != string::npos) set_value(l, "password", std::move(password), where, true);
  }

  // ---- the environment over the file ------------------------------------------------------------------------------------

  const char* env(Var v) const { return var_[v] && *var_[v] ? var_[v] : nullptr; }

  // A wrong value of a switch counts as `if_wrong`.
  bool flag(Var v, const char* name, bool if_wrong) {
    bool b = false;
    if (!env(v) || parse_bool(env(v), &b)) return b;
    problem(name, in_quotes(env(v)) + " is neither true nor false" + (if_wrong ? ": taken as true" : ": not used"));
    return if_wrong;
  }

  static bool percent_decode(string_view in, string* out) {
    auto hex = [](char c) { return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1; };
    out->clear();
    for (size_t i = 0; i < in.size(); i++) {
      if (in[i] != '%') {
        *out += in[i];
        continue;
      }
      if (in.size() - i < 3 || hex(in[i + 1]) < 0 || hex(in[i + 2]) < 0) return false;
      char c = static_cast<char>(hex(in[i + 1]) * 16 + hex(in[i + 2]));
      if (!c) return false;
      *out += c;
      i += 2;
    }
    return true;
  }

  // One URL of CCHAIN_LAYERS. Of one that is not for this build nothing is shown but the scheme: it may hold a password.
  void layer_url(string_view url) {
    const string where = "CCHAIN_LAYERS";
    string wrong, path;
    auto drop = [&](string_view type) {
      add_layer(type, where).wrong[kType] = where + ": " + wrong;
      problem(where, wrong + ": the layer is not used");
    };
    string_view query;
    bool file = false;
    if (size_t colon = url.find("://"); colon != string_view::npos && url[0] != '/' && url[0] != '~') {
      string_view scheme = url.substr(0, colon);
      if (scheme == "http" || scheme == "https" || scheme == "s3" || scheme == "redis" || scheme == "rediss" || scheme == "redis+unix")
        return remote_url(scheme, url, where);
      if (scheme != "file") {
        wrong = "a URL of a kind that is not known";
        return drop(valid_layer_name(scheme) ? scheme : "unknown");
      }
      file = true;
      url.remove_prefix(colon + 3);
      if (url.substr(0, 10) == "localhost/") url.remove_prefix(9);
    }
    if (size_t q = url.find('?'); q != string_view::npos) {
      query = url.substr(q + 1);
      url = url.substr(0, q);
    }
    if (url.empty() || (url[0] != '/' && (file || url.substr(0, 2) != "~/"))) {
      wrong = in_quotes(url) + " is no absolute path and no URL";
      return drop("disk");
    }
    // A bare path is taken as it stands.
    if (file && !percent_decode(url, &path)) {
      wrong = in_quotes(url) + ": a wrong % escape";
      return drop("disk");
    }
    LayerState& s = add_layer("disk", where);
    LayerConfig& l = c_.layers.back();
    set_field(&l, &s, "path", file ? string_view(path) : url, where, false);
    layer_query(&l, &s, query, where);
  }

  // http[s]://[user[:password]@]host[:port]/path · s3://bucket/prefix · redis[s]://[user[:password]@]host[:port][/database] · redis+unix:///socket; then ?key=value&…
  void remote_url(string_view scheme, string_view url, const string& where) {
    bool http = scheme == "http" || scheme == "https", s3 = scheme == "s3";
    string_view query;
    if (size_t q = url.find('?'); q != string_view::npos) query = url.substr(q + 1), url = url.substr(0, q);
    LayerState& s = add_layer(http ? "http" : s3 ? "s3" : "redis", where);
    LayerConfig& l = c_.layers.back();
    string rest(url);
    if (!s3) take_user(&l, &rest, where, false);
    if (http) {
      set_value(&l, "url", std::move(rest), where, false);
    } else {
      rest.erase(0, scheme.size() + 3);
      size_t slash = std::min(rest.find('/'), rest.size());
      string host = rest.substr(0, slash), tail = rest.substr(std::min(slash + 1, rest.size()));
      while (!tail.empty() && tail.back() == '/') tail.pop_back();
      if (s3) {
        set_value(&l, "bucket", std::move(host), where, false);
        if (!tail.empty()) set_value(&l, "prefix", tail + "/", where, false);
      } else if (scheme == "redis+unix") {
        set_field(&l, &s, "socket", "/" + tail, where, false);
      } else {
        size_t colon = host.rfind(':');
        if (colon != string::npos && host.find(']', colon) == string::npos) {
          set_field(&l, &s, "port", host.substr(colon + 1), where, false);
          host.resize(colon);
        }
        if (host.size() > 1 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
        set_value(&l, "host", std::move(host), where, false);
        if (!tail.empty()) set_field(&l, &s, "database", tail, where, false);
        if (scheme == "rediss") set_value(&l, "tls", "true", where, false);
      }
    }
    layer_query(&l, &s, query, where);
  }

  void layer_query(LayerConfig* l, LayerState* s, string_view query, const string& where) {
    while (!query.empty()) {
      size_t n = std::min(query.find('&'), query.size());
      string_view item = query.substr(0, n);
      query.remove_prefix(std::min(n + 1, query.size()));
      if (item.empty()) continue;
      size_t eq = item.find('=');
      string_view key = item.substr(0, eq);
      string value = "true";
      if (eq != string_view::npos && !percent_decode(item.substr(eq + 1), &value)) value = item.substr(eq + 1);
      if (key == "type" || key == "path" || !set_field(l, s, key, value, where, false))
        problem(where, in_quotes(key) + " is no key of a layer in this version: passed over");
    }
  }

  void apply_environment() {
    c_.disabled = flag(kDisable, "CCHAIN_DISABLE", true);
    c_.recache = flag(kRecache, "CCHAIN_RECACHE", false);
    c_.warn = flag(kWarn, "CCHAIN_WARN", true);
    for (auto [var, top, name] : {std::tuple{kTenant, kTopTenant, "CCHAIN_TENANT"}, {kMode, kTopMode, "CCHAIN_MODE"},
                                  {kStateDir, kTopStateDir, "CCHAIN_STATE_DIR"}, {kLog, kTopLog, "CCHAIN_LOG"}})
      if (const char* v = env(var); v && set_top(top, v, name, false)) origin_[top] = name;
    if (env(kBaseDirs)) {
      c_.bases = Bases();
      origin_[kTopBaseDirs] = "CCHAIN_BASE_DIRS";
      for (string_view left = env(kBaseDirs); !left.empty();) {
        const size_t n = std::min(left.find(':'), left.size());
        if (n > 0 && !base_dir(left.substr(0, n), false, "CCHAIN_BASE_DIRS")) break;
        left.remove_prefix(std::min(n + 1, left.size()));
      }
    }
    if (!c_.bases.empty() && c_.mode != Mode::kDirect) {
      c_.bases = Bases();
      problem(origin_[kTopBaseDirs], "base_dirs needs the mode \"direct\"; it is not used");
    }
    if (env(kStatsLog))
      if (string wrong = expand(env(kStatsLog), false, &c_.stats_log); !wrong.empty()) problem("CCHAIN_STATS_LOG", wrong + "; not used");

    string_view urls = env(kLayers) ? string_view(env(kLayers)) : string_view();
    constexpr string_view kBlank = " \t\r\n";
    if (urls.find_first_not_of(kBlank) != string_view::npos) {
      layers_given_ = true;
      env_layers_ = true;
      c_.layers.clear();
      states_.clear();
      while ((urls.remove_prefix(std::min(urls.find_first_not_of(kBlank), urls.size())), !urls.empty())) {
        size_t n = std::min(urls.find_first_of(kBlank), urls.size());
        layer_url(urls.substr(0, n));
        urls.remove_prefix(n);
      }
      origin_[kTopLayers] = "CCHAIN_LAYERS";
    }
  }

  // <root> of the layer that there is without any configuration, "" if nobody says where.
  string default_root() const {
    if (cache_home_) return string(cache_home_) + "/cchain";
    if (home_) return string(home_) + "/.cache/cchain";
    return {};
  }

  size_t first_disk() const {
    size_t i = 0;
    while (i < c_.layers.size() && c_.layers[i].type != "disk") i++;
    return i;
  }

  void set_from_env(size_t layer, const char* key, Var v, const char* name) {
    if (env(v)) set_field(&c_.layers[layer], &states_[layer], key, env(v), name, false);
  }

  void default_layers() {
    // CCHAIN_LAYERS says where everything is, so CCHAIN_DIR, which says it for one layer, yields to it.
    const char* dir = env_layers_ ? nullptr : env(kDir);
    if (!layers_given_ || (dir && first_disk() == c_.layers.size())) {
      string root = dir ? string() : default_root();
      if (dir || !root.empty()) {
        c_.layers.insert(c_.layers.begin(), LayerConfig())->type = "disk";
        states_.insert(states_.begin(), LayerState());
        c_.layers[0].path = root;
      } else if (source_.env) {
        problem("environment", "neither HOME nor XDG_CACHE_HOME nor CCHAIN_DIR says where the cache is: there is no layer");
      }
    }
    size_t disk = first_disk();
    if (disk < c_.layers.size()) {
      if (dir) set_from_env(disk, "path", kDir, "CCHAIN_DIR");
      set_from_env(disk, "max_size", kMaxSize, "CCHAIN_MAX_SIZE");
    }
    for (size_t i = 0; i < c_.layers.size(); i++) set_from_env(i, "compression", kCompression, "CCHAIN_COMPRESSION");
  }

  static bool has_option(const LayerConfig& l, string_view name) {
    for (const LayerOption& o : l.options)
      if (o.name == name) return !o.value.empty();
    return false;
  }

  void check_secrets() {
    struct stat st;
    if (!holds_secret_ || c_.file.empty() || stat(c_.file.c_str(), &st) != 0 || (st.st_mode & 077) == 0) return;
    problem(c_.file, "it holds a credential and others may read it: chmod 600, or write \"$NAME\" for a variable");
  }

  void check_layers() {
    for (size_t i = 0; i < c_.layers.size(); i++) {
      LayerConfig& l = c_.layers[i];
      if (l.name.empty()) l.name = (valid_layer_name(l.type) ? l.type : string("layer")) + std::to_string(i);
      if (l.type == "disk" && l.path.empty() && states_[i].wrong[kPath].empty() && states_[i].wrong[kType].empty()) {
        states_[i].wrong[kPath] = states_[i].origin[kType] + ": a disk layer without a path";
        problem(states_[i].origin[kType], "a disk layer without a path: it is not used");
      }
      uint64_t shares = 0;
      for (auto& [name, size] : l.tenants) shares += std::min(size, l.max_size);
      if (!l.tenants.empty() && shares >= l.max_size && states_[i].wrong[kTenants].empty()) {
        states_[i].wrong[kTenants] = states_[i].origin[kTenants] + ": tenants: together they leave nothing of max_size for the others";
        problem(states_[i].origin[kTenants], "\"tenants\": together they leave nothing of max_size for the others: the layer is not used");
      }
      if (l.remote() && states_[i].wrong[kType].empty()) {
        string lacking = l.type == "http" ? (has_option(l, "url") ? "" : "url") : l.type == "s3" ? (has_option(l, "bucket") ? "" : "bucket")
                                                                                                 : (has_option(l, "host") || has_option(l, "socket") ? "" : "host");
        if (!lacking.empty()) {
          states_[i].wrong[kType] = states_[i].origin[kType] + ": the layer has no \"" + lacking + "\"";
          problem(states_[i].origin[kType], "the layer has no \"" + lacking + "\": it is not used");
        }
      }
      for (const string& w : states_[i].wrong)
        if (l.disabled.empty()) l.disabled = w;
      for (size_t k = 0; k < i && l.disabled.empty(); k++) {
        const LayerConfig& o = c_.layers[k];
        if (o.name != l.name && (l.type != "disk" || o.type != "disk" || o.path != l.path || !o.disabled.empty())) continue;
        const string& where = states_[i].origin[o.name == l.name ? kName : kPath];
        string text = o.name == l.name ? "two layers have the name " + in_quotes(l.name) : "two layers have the path " + in_quotes(l.path);
        l.disabled = (where.empty() ? states_[i].origin[kType] : where) + ": " + text;
        problem(where.empty() ? states_[i].origin[kType] : where, text + ": the second is not used");
      }
      if (l.disabled.empty()) l.disabled = c_.unusable;
    }
  }

  static bool owned_by_another(const string& dir) {
    struct stat st;
    return stat(dir.c_str(), &st) == 0 && st.st_uid != geteuid();
  }

  // Chosen before CCHAIN_READ_ONLY is applied: that must not move the statistics and digests elsewhere.
  void default_state_dir() {
    if (!c_.state_dir.empty()) return;
    for (const LayerConfig& l : c_.layers) {
      if (l.type != "disk" || !l.disabled.empty() || !l.write || l.umask >= 0 || l.keyed) continue;
      // In another user's root, or where another one of its users was first, ours is elsewhere.
      string dir = l.path + "/private";
      Privacy found = privacy(dir);
      if (found == Privacy::kAnotherUsers || (found == Privacy::kAbsent && owned_by_another(l.path))) continue;
      c_.state_dir = dir;
      c_.state_dir_is_private = found != Privacy::kOpen;
      return;
    }
    bool any = false;
    for (const LayerConfig& l : c_.layers) any |= l.disabled.empty();
    if (string root = default_root(); any && !root.empty()) c_.state_dir = root + "/private";
  }

  void apply_read_only() {
    if (!env(kReadOnly)) return;
    string_view v = env(kReadOnly);
    bool b = true;
    if (v == "remote") c_.read_only = ReadOnly::kRemote;
    else if (v == "all" || !parse_bool(v, &b) || b) c_.read_only = ReadOnly::kAll;
    if (v != "all" && v != "remote" && !parse_bool(v, &b)) problem("CCHAIN_READ_ONLY", in_quotes(v) + " is neither \"all\" nor \"remote\": taken as \"all\"");
    for (size_t i = 0; i < c_.layers.size(); i++) {
      LayerConfig& l = c_.layers[i];
      if (c_.read_only == ReadOnly::kNo || (c_.read_only == ReadOnly::kRemote && l.type == "disk")) continue;
      l.write = false;
      states_[i].origin[kWrite] = "CCHAIN_READ_ONLY";
    }
  }

  void value(string key, string text, const string& origin) {
    c_.values.push_back({std::move(key), std::move(text), origin.empty() ? string("default") : origin});
  }

  static string joined(const std::vector<string>& list) {
    string out;
    for (const string& s : list) out += (out.empty() ? "" : ", ") + s;
    return out;
  }

  static string tenants_shown(const LayerConfig& l) {
    string out;
    for (auto& [name, size] : l.tenants) out += (out.empty() ? "" : ",") + name + ":" + std::to_string(size);
    return out;
  }

  void fill_values() {
    c_.values.reserve(16 + kFieldCount * c_.layers.size());
    auto from_env = [&](Var v, const char* name) { return string(env(v) ? name : ""); };
    value("config", c_.file, !c_.file.empty() && source_.path.empty() && env(kConfig) ? "CCHAIN_CONFIG" : "");
    value("disable", c_.disabled ? "true" : "false", from_env(kDisable, "CCHAIN_DISABLE"));
    value("tenant", c_.tenant, origin_[kTopTenant]);
    value("mode", mode_name(c_.mode), origin_[kTopMode]);
    value("recache", c_.recache ? "true" : "false", from_env(kRecache, "CCHAIN_RECACHE"));
    value("read_only", c_.read_only == ReadOnly::kAll ? "all" : c_.read_only == ReadOnly::kRemote ? "remote" : "no", from_env(kReadOnly, "CCHAIN_READ_ONLY"));
    value("state_dir", c_.state_dir, origin_[kTopStateDir]);
    value("log", c_.log_path, origin_[kTopLog]);
    value("stats_log", c_.stats_log, from_env(kStatsLog, "CCHAIN_STATS_LOG"));
    value("warn", c_.warn ? "true" : "false", from_env(kWarn, "CCHAIN_WARN"));
    value("flush_timeout_ms", std::to_string(c_.flush_timeout_ms), origin_[kTopFlush]);
    value("max_entry_size", std::to_string(c_.max_entry_size), origin_[kTopMaxEntry]);
    if (!origin_[kTopRecheck].empty()) {
      char share[32];
      snprintf(share, sizeof share, "%g", c_.recheck);
      value("recheck", share, origin_[kTopRecheck]);
    }
    value("extra_env", joined(c_.extra_env), origin_[kTopExtraEnv]);
    value("extra_files", joined(c_.extra_files), origin_[kTopExtraFiles]);
    value("base_dirs", joined(c_.bases.dirs()), origin_[kTopBaseDirs]);
    // For gdb: objects that are shared name their sources so.
    for (size_t i = 0; i < c_.bases.dirs().size(); i++)
      value("debugger[" + std::to_string(i) + "]", "set substitute-path " + Bases::name(i) + " " + c_.bases.dirs()[i], origin_[kTopBaseDirs]);
    for (size_t i = 0; i < c_.compilers.size(); i++) value("compilers[" + std::to_string(i) + "]", c_.compilers[i].path, origin_[kTopCompilers]);
    for (size_t i = 0; i < c_.layers.size(); i++) {
      const LayerConfig& l = c_.layers[i];
      char octal[16] = "";
      if (l.umask >= 0) snprintf(octal, sizeof octal, "%03o", static_cast<unsigned>(l.umask));
      const string text[kFieldCount] = {l.type, l.name, l.path, std::to_string(l.max_size), compression_name(l.compression), std::to_string(l.compression_level),
                                        l.read ? "true" : "false", l.write ? "true" : "false", l.promote ? "true" : "false", octal, l.sign_file, joined(l.verify_files), tenants_shown(l),
                                        std::to_string(l.connect_timeout_ms), std::to_string(l.timeout_ms),
                                        std::to_string(l.max_entry_size ? l.max_entry_size : c_.max_entry_size), std::to_string(l.connections),
                                        std::to_string(l.refresh_after_s), l.spool ? "spool" : "now", l.removes ? "true" : "false"};
      string prefix = "layers[" + std::to_string(i) + "].";
      bool disk = l.type == "disk";
      for (int f = 0; f < kFieldCount; f++)
        if ((disk || !disk_field(f)) && (l.remote() || !remote_field(f)) && !(seldom_field(f) && text[f].empty())) value(prefix + kFieldNames[f], text[f], states_[i].origin[f]);
      for (const LayerOption& o : l.options) value(prefix + o.name, o.secret && !o.value.empty() ? "(not shown)" : o.value, o.origin);
    }
  }

  void finish() {
    if (fatal_) {
      c_.layers.clear();
      states_.clear();
    } else {
      default_layers();
      check_layers();
      check_secrets();
      default_state_dir();
    }
    apply_read_only();
    fill_values();
  }

  const ConfigSource& source_;
  Config& c_;
  const char *home_ = nullptr, *cache_home_ = nullptr, *config_home_ = nullptr;
  const char* var_[kVarCount] = {};
  string label_;  // the file's name in problems
  string origin_[kTopCount];
  std::vector<LayerState> states_;  // one for each of c_.layers
  bool layers_given_ = false, env_layers_ = false, fatal_ = false, holds_secret_ = false;
};

}  // namespace

bool parse_size(std::string_view text, uint64_t* out) {
  uint64_t whole = 0, fraction = 0, scale = 1, unit = 1;
  size_t i = 0;
  auto digit = [&] { return i < text.size() && text[i] >= '0' && text[i] <= '9'; };
  if (!digit()) return false;
  for (; digit(); i++)
    if (__builtin_mul_overflow(whole, 10u, &whole) || __builtin_add_overflow(whole, static_cast<uint64_t>(text[i] - '0'), &whole)) return false;
  if (i < text.size() && text[i] == '.') {
    i++;
    if (!digit()) return false;
    for (; digit(); i++)
      if (scale < 1000000) fraction = fraction * 10 + static_cast<uint64_t>(text[i] - '0'), scale *= 10;
  }
  std::string_view suffix = text.substr(i);
  if (!suffix.empty()) {
    size_t power = std::string_view("KMGT").find(static_cast<char>(suffix[0] & ~0x20));
    if (power != std::string_view::npos) {
      unit = 1ull << 10 * (power + 1);
      suffix.remove_prefix(1);
      if (!suffix.empty() && suffix[0] == 'i') {
        suffix.remove_prefix(1);
        if (suffix.empty()) suffix = "?";  // "10Gi" is nobody's notation but Kubernetes'
      }
    }
    if (suffix == "B") suffix = {};
    if (!suffix.empty()) return false;
  }
  if (unit == 1 && scale > 1) return false;
  if (__builtin_mul_overflow(whole, unit, &whole)) return false;
  if (__builtin_add_overflow(whole, static_cast<uint64_t>(static_cast<unsigned __int128>(fraction) * unit / scale), &whole)) return false;
  *out = whole;
  return true;
}

bool valid_tenant(std::string_view t) {
  if (t.empty() || t.size() > 64) return false;
  auto alnum = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  for (char c : t)
    if (!alnum(c) && c != '.' && c != '_' && c != '-') return false;
  return alnum(t[0]) && t.back() != '.';
}

Config load_config(const ConfigSource& source) {
  Config c;
  Loader(source, &c).run();
  return c;
}

std::string config_json(const Config& c) {
  JsonWriter w;
  w.begin_object().key("file").string(c.file).key("values").begin_array();
  for (const ConfigValue& v : c.values)
    w.begin_object().key("key").string(v.key).key("value").string(v.value).key("origin").string(v.origin).end_object();
  w.end_array().key("problems").begin_array();
  for (const ConfigProblem& p : c.problems)
    w.begin_object().key("where").string(p.where).key("text").string(p.text).key("fatal").boolean(p.fatal).end_object();
  w.end_array().key("layers").begin_array();
  for (const LayerConfig& l : c.layers) {
    w.begin_object().key("name").string(l.name).key("type").string(l.type);
    if (l.type == "disk") w.key("path").string(l.path).key("max_size").number(l.max_size);
    w.key("compression").string(compression_name(l.compression)).key("compression_level").number(l.compression_level);
    w.key("read").boolean(l.read).key("write").boolean(l.write).key("promote").boolean(l.promote);
    if (l.umask >= 0) {
      char octal[16];
      snprintf(octal, sizeof octal, "%03o", static_cast<unsigned>(l.umask));
      w.key("umask").string(octal);
    }
    auto shown = [](const std::shared_ptr<const SealKey>& k) {
      char id[24] = "";
      if (k) snprintf(id, sizeof id, "%016llx", static_cast<unsigned long long>(k->id));
      return std::string(id);
    };
    if (!l.sign_file.empty()) w.key("sign").begin_object().key("file").string(l.sign_file).key("id").string(shown(l.sign_key)).end_object();
    if (!l.verify_files.empty()) {
      w.key("verify_keys").begin_array();
      for (size_t i = 0; i < l.verify_files.size(); i++)
        w.begin_object().key("file").string(l.verify_files[i]).key("id").string(shown(l.verify_keys[i])).end_object();
      w.end_array();
    }
    for (const LayerOption& o : l.options)
      if (!o.secret) w.key(o.name).string(o.value);
    if (!l.disabled.empty()) w.key("disabled").string(l.disabled);
    w.end_object();
  }
  w.end_array().key("compilers").begin_array();
  auto list = [&](const char* key, const std::vector<std::string>& items) {
    w.key(key).begin_array();
    for (const std::string& s : items) w.string(s);
    w.end_array();
  };
  for (const CompilerConfig& k : c.compilers) {
    w.begin_object().key("compiler").string(k.path);
    if (!k.identity.empty()) w.key("compiler_identity").string(k.identity);
    list("extra_files", k.files);
    list("extra_env", k.env);
    w.end_object();
  }
  w.end_array().key("known").begin_object();
  auto names = [&](const char* key, const auto& all) {
    w.key(key).begin_array();
    for (const auto& one : all) w.string(name_of(one));
    w.end_array();
  };
  names("variables", kVars);
  names("keys", kTopNames);
  names("layer_keys", kFieldNames);
  names("layer_aliases", kFieldAliases);
  names("layer_options", kOptions);
  names("compiler_keys", kCompilerNames);
  w.end_object().end_object();
  return w.take();
}

}  // namespace cchain

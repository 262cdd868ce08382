// The configuration: defaults, file, environment, in this order of growing weight; each value knows where it came from.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/relocate.h"
#include "model/seal.h"

namespace cchain {

enum class Mode { kDirect, kPreprocess, kDirectPreprocess };
enum class Compression { kAuto, kOff, kOn };  // auto: where it pays (see core/entry policy); level applies to auto and on

// What only the layers of the plug-in know ("url", "bucket", "password", …).
struct LayerOption {
  std::string name, value, origin;
  bool secret;
};

struct LayerConfig {
  std::string type;      // "disk", "host", "http", "s3", "redis"
  std::string name;      // "name", default type + index ("disk0")
  std::string path;      // disk
  uint64_t max_size = 10ull << 30;
  Compression compression = Compression::kAuto;
  int compression_level = 1;
  bool read = true, write = true;
  bool promote = true;   // hits of later layers are copied into this one
  int umask = -1;
  std::vector<std::pair<std::string, uint64_t>> tenants;  // disk: "tenants": the part of max_size that is one tenant's alone
  bool keyed = false;                          // one of the next two is given, right or wrong
  std::string sign_file;                       // "sign": what is stored here is signed with that key, which is one of verify_keys
  std::vector<std::string> verify_files;       // "verify_keys": only what one of them has signed is taken from here
  std::shared_ptr<const SealKey> sign_key;
  std::vector<std::shared_ptr<const SealKey>> verify_keys;
  // Remote layers only.
  std::vector<LayerOption> options;
  uint32_t connect_timeout_ms = 800;  // until connected, and then until an answer begins
  uint32_t timeout_ms = 5000;          // for a whole request
  uint64_t max_entry_size = 0;         // 0: the configuration's
  uint32_t connections = 32;           // at once, when many things are asked for
  uint64_t refresh_after_s = 0;        // a hit older than this is put again; 0: never
  bool spool = false;                  // "upload": "spool"
  bool removes = false;                // "delete": what is damaged is removed from a remote layer at once
  bool remote() const { return type == "http" || type == "s3" || type == "redis"; }
  std::string disabled;  // non-empty: why this layer is out (a wrong value), with file and line
};

// A compiler that only the configuration makes known: a script, or one whose identity is stated.
struct CompilerConfig {
  std::string path;                  // "compiler": as called or absolute
  std::string identity;              // "compiler_identity": taken instead of contents
  std::vector<std::string> files;    // "extra_files"
  std::vector<std::string> env;      // "extra_env"
};

struct ConfigProblem {
  bool fatal;          // no JSON, or a file that was named can't be read: compile without a cache
  std::string where;   // "/path/config.json:12" or "CCHAIN_LAYERS"
  std::string text;
};

struct ConfigValue {   // for `cchain config`
  std::string key, value, origin;  // origin: "default", "/path:12", "CCHAIN_DIR"
};

enum class ReadOnly { kNo, kRemote, kAll };

struct Config {
  bool disabled = false;                 // CCHAIN_DISABLE
  ReadOnly read_only = ReadOnly::kNo;    // CCHAIN_READ_ONLY: already applied to `layers`; for the layers that the host brings
  std::string tenant = "local";
  Mode mode = Mode::kDirect;
  std::vector<LayerConfig> layers;
  std::vector<std::string> extra_env, extra_files;  // for every compile
  std::vector<CompilerConfig> compilers;            // "compilers": [{…}]
  Bases bases;                                      // "base_dirs", CCHAIN_BASE_DIRS; none of them if one is wrong
  bool no_library = false;               // the configuration can't be read for want of libcjson
  std::string state_dir;                 // private files: memo, digests, probes, statistics. Default: <root>/private of the first usable disk layer
                                         // that is one user's own (writable, no umask, no keys, no root of another user's), else of the default root; "" if there is none
  bool state_dir_is_private = false;     // it was looked at: ours alone, or not there yet
  std::string log_path;                  // CCHAIN_LOG
  std::string stats_log;                 // CCHAIN_STATS_LOG
  bool recache = false;                  // CCHAIN_RECACHE=1: lookups miss, stores replace
  bool warn = false;                     // CCHAIN_WARN=1
  int flush_timeout_ms = 10000;
  uint64_t max_entry_size = 512ull << 20;
  double recheck = 0;                    // the share of hits that are compiled again and compared
  std::string unusable;                  // non-empty: why no layer may be used, the host's neither: a wrong tenant, extra_env, extra_files or compilers
  std::vector<ConfigProblem> problems;
  std::vector<ConfigValue> values;
  std::string file;                      // the configuration file that was read, or ""
};

// An environment to read from: name -> value; empty when the host forbids it.
struct ConfigSource {
  const char* const* env = nullptr;  // "NAME=value", NULL-terminated; nullptr: none
  bool no_files = false;
  std::string text;                  // taken instead of a file if has_text
  bool has_text = false;
  std::string path;                  // explicit file
};

// Never throws for bad input; a fatal problem is in `problems`.
Config load_config(const ConfigSource& source);
// As JSON for cc_config_json: {"values": [{"key","value","origin"}…], "problems": […], "layers": […], "known": every variable and key there is}.
std::string config_json(const Config& c);
// "10G", "500M", "1024" -> bytes; false if it is no size.
bool parse_size(std::string_view text, uint64_t* out);
// Valid tenant: 1 to 64 of a-z 0-9 . _ -, the first a letter or digit, the last no dot: some file systems fold case, or drop dots at the end.
bool valid_tenant(std::string_view tenant);

}  // namespace cchain

// SPDX-License-Identifier: Apache-2.0
#include "cli/ccache.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <algorithm>

#include "cli/text.h"

namespace cli {

namespace {

using std::string;
using std::string_view;

// The text of an answer; %s is the value.
constexpr struct {
  const char *key, *variable, *answer;
} kOptions[] = {
    {"absolute_paths_in_stderr", "ABSSTDERR", "not needed: the command is run as it stands, so diagnostics name paths as without a cache"},
    {"base_dir", "BASEDIR", "CCHAIN_BASE_DIRS=%s, or \"base_dirs\": [\"%s\"]"},
    {"cache_dir", "DIR", "CCHAIN_DIR=FOLDER, or \"path\" of the disk layer: another folder, the formats have nothing in common"},
    {"ceiling_dirs", "CEILING_DIRS", "not needed: no configuration is read from a source tree"},
    {"ceiling_markers", "CEILING_MARKERS", "not needed: no configuration is read from a source tree"},
    {"compiler", "COMPILER", "not needed: the compiler is what the command names, cchain %s …"},
    {"compiler", "CC", "not needed: the compiler is what the command names, cchain %s …"},
    {"compiler_check", "COMPILERCHECK", nullptr},
    {"compiler_type", "COMPILERTYPE", "not needed: the compiler itself is asked"},
    {"compression", "COMPRESS", nullptr},
    {"compression_level", "COMPRESSLEVEL", nullptr},
    {"cpp_extension", "EXTENSION", "not needed: preprocessed text is never compiled"},
    {"debug", "DEBUG", "CCHAIN_LOG=FILE says it for each command; cchain stats lists the reasons"},
    {"debug_dir", "DEBUGDIR", "CCHAIN_LOG=FILE says it for each command; cchain stats lists the reasons"},
    {"debug_level", "DEBUGLEVEL", "not needed: CCHAIN_LOG has one level of detail"},
    {"depend_mode", "DEPEND", "not needed: the default mode runs no preprocessor, on a miss neither"},
    {"direct_mode", "DIRECT", nullptr},
    {"disable", "DISABLE", nullptr},
    {"extra_files_to_hash", "EXTRAFILES", nullptr},
    {"file_clone", "FILECLONE", "not needed: reflinks are used where the file system has them"},
    {"hard_link", "HARDLINK", "no equivalent: hard links share times and let a later edit reach the cache; reflinks are used where the file system has them"},
    {"hash_dir", "HASHDIR", nullptr},
    {"ignore_headers_in_manifest", "IGNOREHEADERS", "no equivalent: a hit would be a guess"},
    {"ignore_options", "IGNOREOPTIONS", "no equivalent: an option is left out of the key only where it is known that it can't matter"},
    {"inode_cache", "INODECACHE", "not needed: digests are always remembered by the files' identities"},
    {"keep_comments_cpp", "COMMENTS", "not needed: with warnings on, comments are part of the key in every mode"},
    {"libexec_dirs", "LIBEXEC_DIRS", "not needed: no helper program is started"},
    {"limit_multiple", "LIMIT_MULTIPLE", "not needed: a layer never holds more than 1.05 times its limit"},
    {"log_file", "LOGFILE", "CCHAIN_LOG=%s, or \"log\": \"%s\""},
    {"max_files", "MAXFILES", "no equivalent: the limit is in bytes, CCHAIN_MAX_SIZE"},
    {"max_size", "MAXSIZE", nullptr},
    {"msvc_dep_prefix", "MSVC_DEP_PREFIX", "not needed: that compiler is not served"},
    {"msvc_utf8", "MSVC_UTF8", "not needed: that compiler is not served"},
    {"namespace", "NAMESPACE", "CCHAIN_TENANT=%s, or \"tenant\": \"%s\" (a-z 0-9 . _ -)"},
    {"path", "PATH", "not needed: the compiler is the next one of its name on PATH"},
    {"pch_external_checksum", "PCH_EXTSUM", "not needed: a file's digest is remembered, however large it is"},
    {"prefix_command", "PREFIX", "CCHAIN_PREFIX=\"%s\""},
    {"prefix_command_cpp", "PREFIX_CPP", "not needed: the default mode runs no preprocessor"},
    {"read_only", "READONLY", nullptr},
    {"read_only_direct", "READONLY_DIRECT", nullptr},
    {"recache", "RECACHE", nullptr},
    {"remote_only", "REMOTE_ONLY", "CCHAIN_LAYERS with the remote layers alone"},
    {"remote_storage", "REMOTE_STORAGE", nullptr},
    {"remote_storage", "SECONDARY_STORAGE", nullptr},
    {"reshare", "RESHARE", "no equivalent: CCHAIN_RECACHE=1 for one build fills an empty server"},
    {"response_file_format", "RESPONSE_FILE_FORMAT", "not needed: response files are read as gcc and clang read them"},
    {"run_second_cpp", "CPP2", "not needed: it is always the source itself that is compiled"},
    {"safe_dirs", "SAFE_DIRS", "not needed: no configuration is read from a source tree"},
    {"sloppiness", "SLOPPINESS", nullptr},
    {"stats", "STATS", "not needed: counting is no work of a hit's; CCHAIN_STATE_DIR says where"},
    {"stats_log", "STATSLOG", "CCHAIN_STATS_LOG=%s, read by cchain stats"},
    {"temporary_dir", "TEMPDIR", "not needed: nothing is written under a temporary name where the file system has O_TMPFILE"},
    {"umask", "UMASK", "\"umask\": \"%s\" of the disk layer"},
};

constexpr struct {
  const char *token, *answer;
} kSloppiness[] = {
    {"clang_index_store", "no equivalent: the index is an output that a hit would not bring"},
    {"file_stat_matches", "not needed: digests are remembered by identity, change time included"},
    {"file_stat_matches_ctime", "no equivalent: times can be set back"},
    {"gcno_cwd", "CCHAIN_BASE_DIRS"},
    {"incbin", "no equivalent: what is pulled in is an input"},
    {"include_file_ctime", "not needed: a file that is just written is hashed again"},
    {"include_file_mtime", "not needed: a file that is just written is hashed again"},
    {"ivfsoverlay", "no equivalent: it says which files are read"},
    {"locale", "not needed: an entry without diagnostics serves every locale"},
    {"modules", "no equivalent: what can't be proved the same is compiled"},
    {"no_system_headers", "not needed: a header that has not changed costs one look"},
    {"pch_defines", "no equivalent: definitions are part of what made the header"},
    {"random_seed", "no equivalent: it is in the object"},
    {"system_headers", "not needed: a header that has not changed costs one look"},
    {"time_macros", "no equivalent: the object would say when another was made"},
};

string_view trimmed(string_view s) {
  constexpr string_view kBlank = " \t\r\n";
  size_t first = s.find_first_not_of(kBlank);
  return first == string_view::npos ? string_view() : s.substr(first, s.find_last_not_of(kBlank) - first + 1);
}

string filled(string_view text, string_view value) {
  string out;
  for (size_t at; (at = text.find("%s")) != string_view::npos; text.remove_prefix(at + 2)) out.append(text.substr(0, at)).append(value);
  return out.append(text);
}

// "5GB" is 5e9 bytes, "5GiB" and "5" are 5 * 2^30; "" if it is no size. In our notation.
string size_of(string_view value) {
  const string text(value);
  char* end = nullptr;
  double n = strtod(text.c_str(), &end);
  if (end == text.c_str() || !(n >= 0)) return {};
  string_view unit = trimmed(end);
  double scale = 1024.0 * 1024 * 1024;
  if (!unit.empty()) {
    const size_t power = string_view("kMGT").find(unit[0] == 'K' ? 'k' : unit[0]);
    if (power == string_view::npos) return {};
    const double base = unit.substr(1, 1) == "i" ? 1024 : 1000;
    scale = base;
    for (size_t i = 0; i < power; i++) scale *= base;
  }
  const double mebi = n * scale / (1024.0 * 1024);
  if (mebi > 1e12) return {};
  const auto whole = static_cast<unsigned long long>(mebi + 0.5);
  return whole % 1024 == 0 ? std::to_string(whole / 1024) + "G" : std::to_string(whole) + "M";
}

// "http://u:p@host/x|read-only|connect-timeout=100 file:/y": as URLs of CCHAIN_LAYERS.
string layers_of(string_view value) {
  string urls, rest;
  while (!(value = trimmed(value)).empty()) {
    size_t n = std::min(value.find_first_of(" \t"), value.size());
    string_view one = value.substr(0, n);
    value.remove_prefix(n);
    size_t bar = std::min(one.find('|'), one.size());
    string url(one.substr(0, bar)), query;
    for (string_view tail = one.substr(bar); !tail.empty();) {
      tail.remove_prefix(1);
      string_view item = tail.substr(0, tail.find('|'));
      tail.remove_prefix(item.size());
      string_view name = item.substr(0, item.find('=')), setting = name.size() < item.size() ? item.substr(name.size() + 1) : "true";
      string ours;
      if (name == "read-only") ours = setting == "false" ? "" : "write=false";
      else if (name == "connect-timeout") ours = "connect_timeout_ms=" + string(setting);
      else if (name == "operation-timeout") ours = "timeout_ms=" + string(setting);
      else if (name == "bearer-token") ours = "token=TOKEN";
      else if (name == "umask") ours = "umask=" + string(setting);
      else rest.append(rest.empty() ? "" : ", ").append(name);
      if (!ours.empty()) query.append(query.empty() ? "?" : "&").append(ours);
    }
    if (url.substr(0, 7) == "file://") url.erase(0, 7);
    else if (url.substr(0, 5) == "file:") url.erase(0, 5);
    // A password stays where it is.
    size_t start = url.find("://"), at = start == string::npos ? start : url.find('@', start);
    if (at != string::npos) {
      size_t colon = url.find(':', start + 3);
      if (colon < at) url.replace(colon + 1, at - colon - 1, "PASSWORD");
    }
    urls.append(urls.empty() ? "" : " ").append(url).append(query);
  }
  string out = "CCHAIN_LAYERS=\"FOLDER " + urls + "\", with the local folder first; of the other's entries none is read";
  return rest.empty() ? out : out + "; no equivalent: " + rest;
}

string list_of(string_view value) {
  string out;
  while (!value.empty()) {
    string_view one = value.substr(0, value.find(':'));
    value.remove_prefix(std::min(one.size() + 1, value.size()));
    if (!one.empty()) out.append(out.empty() ? "\"" : ", \"").append(one).append("\"");
  }
  return "[" + out + "]";
}

string sloppiness_of(string_view value) {
  string out;
  while (!value.empty()) {
    size_t n = std::min(value.find_first_of(", \t"), value.size());
    string_view token = value.substr(0, n);
    value.remove_prefix(std::min(n + 1, value.size()));
    if (token.empty()) continue;
    const char* answer = "ccache has no such";
    for (const auto& s : kSloppiness)
      if (token == s.token) answer = s.answer;
    out.append(out.empty() ? "" : "\n").append(token).append(": ").append(answer);
  }
  return out.empty() ? "not needed: it is empty" : out;
}

}  // namespace

string ccache_answer(string_view key, string_view value) {
  const bool on = value != "false";
  const string switched_off = "not needed: it is switched off";
  if (key == "secondary_storage") key = "remote_storage";
  if (key == "compiler_check") {
    if (value.substr(0, 7) == "string:") return "\"compilers\": [{\"compiler\": \"NAME\", \"compiler_identity\": \"" + string(value.substr(7)) + "\"}]";
    if (value == "mtime" || value == "content" || value.empty()) return "not needed: the compiler's contents and those of the programs it runs always count, for the price of a look at each";
    if (value == "none") return "no equivalent: a hit of another compiler would be wrong";
    return "\"compilers\": [{\"compiler\": \"NAME\", \"extra_files\": […]}] for files that matter; no command is run";
  }
  if (key == "compression") return on ? "\"compression\": \"on\", or CCHAIN_COMPRESSION=on; without it, where it pays" : "\"compression\": \"off\", or CCHAIN_COMPRESSION=off";
  if (key == "compression_level") {
    int level = atoi(string(value).c_str());
    return level < 1 ? string("not needed: 1 is the default") : "CCHAIN_COMPRESSION=" + std::to_string(std::min(level, 19)) + ", or \"compression_level\": " + std::to_string(std::min(level, 19));
  }
  if (key == "direct_mode") return on ? "not needed: \"mode\": \"direct\" is the default" : "CCHAIN_MODE=preprocess, or \"mode\": \"preprocess\"";
  if (key == "disable") return on ? "CCHAIN_DISABLE=1" : switched_off;
  if (key == "extra_files_to_hash") return "\"extra_files\": " + list_of(value);
  if (key == "hash_dir") return on ? "not needed: with -g the folder is in the object, so it counts" : "CCHAIN_BASE_DIRS=FOLDER: with -g the folder is in the object, so it has to be mapped";
  if (key == "read_only" || key == "read_only_direct") return on ? "CCHAIN_READ_ONLY=all" : switched_off;
  if (key == "recache") return on ? "CCHAIN_RECACHE=1" : switched_off;
  if (key == "remote_storage") return layers_of(value);
  if (key == "sloppiness") return sloppiness_of(value);
  if (key == "max_size") {
    string size = size_of(value);
    if (size.empty()) return "CCHAIN_MAX_SIZE=SIZE: that is no size";
    if (size == "0G") return "no equivalent: a layer has a limit, CCHAIN_MAX_SIZE=SIZE";
    return "CCHAIN_MAX_SIZE=" + size + ", or \"max_size\": \"" + size + "\" of the disk layer";
  }
  for (const auto& option : kOptions)
    if (key == option.key) return option.answer ? filled(option.answer, value) : string();
  return {};
}

int read_ccache_file(const string& path, std::vector<CcacheSetting>* out) {
  struct stat st;
  if (stat(path.c_str(), &st) != 0) return errno;
  if (!S_ISREG(st.st_mode)) return EINVAL;
  if (st.st_size > 1 << 20) return EFBIG;
  FILE* file = fopen(path.c_str(), "re");
  if (!file) return errno;
  string text(static_cast<size_t>(st.st_size), 0);
  text.resize(fread(text.data(), 1, text.size(), file));
  fclose(file);
  bool continues = false;  // whether the line before was a setting
  string_view left = text;
  for (int number = 1; !left.empty(); number++) {
    string_view line = left.substr(0, left.find('\n'));
    left.remove_prefix(std::min(line.size() + 1, left.size()));
    string_view inner = trimmed(line);
    if (inner.empty() || inner[0] == '#') continue;
    if (continues && (line[0] == ' ' || line[0] == '\t') && inner.find('=') == string_view::npos) {
      out->back().value.append(out->back().value.empty() ? "" : " ").append(inner);
      continue;
    }
    size_t equals = inner.find('=');
    continues = equals != string_view::npos;
    if (continues) out->push_back({string(trimmed(inner.substr(0, equals))), string(trimmed(inner.substr(equals + 1))), path + ":" + std::to_string(number), {}});
  }
  for (CcacheSetting& s : *out)
    if (s.answer.empty()) s.answer = ccache_answer(s.key, s.value);
  return 0;
}

void read_ccache_environment(const char* const* env, std::vector<CcacheSetting>* out) {
  for (; env && *env; env++) {
    string_view variable = *env;
    if (variable.substr(0, 7) != "CCACHE_") continue;
    string_view name = variable.substr(7, variable.find('=') - 7), value = variable.substr(std::min(variable.find('=') + 1, variable.size()));
    if (name == "CONFIGPATH" || name == "CONFIGPATH2") continue;  // where a file is
    for (bool negated : {false, true}) {
      if (negated && name.substr(0, 2) != "NO") break;
      string_view asked = negated ? name.substr(2) : name;
      const char* key = nullptr;
      for (const auto& option : kOptions)
        if (asked == option.variable) key = option.key;
      if (!key) continue;
      // A switch is on whatever it is set to, and off with NO before its name.
      bool is_switch = false;
      for (const char* s : {"compression", "direct_mode", "disable", "hash_dir", "read_only", "read_only_direct", "recache"}) is_switch = is_switch || !strcmp(s, key);
      string text(negated ? "false" : is_switch ? "true" : value);
      out->push_back({key, text, "CCACHE_" + string(name), ccache_answer(key, text)});
      break;
    }
  }
}

std::vector<string> ccache_files() {
  if (const char* named = getenv("CCACHE_CONFIGPATH"); named && *named) return {named};
  std::vector<string> files = {"/etc/ccache.conf"};
  const char *dir = getenv("CCACHE_DIR"), *home = getenv("HOME"), *config = getenv("XDG_CONFIG_HOME");
  struct stat st;
  if (dir && *dir) files.push_back(string(dir) + "/ccache.conf");
  else if (home && stat((string(home) + "/.ccache").c_str(), &st) == 0) files.push_back(string(home) + "/.ccache/ccache.conf");
  else if (config && *config) files.push_back(string(config) + "/ccache/ccache.conf");
  else if (home) files.push_back(string(home) + "/.config/ccache/ccache.conf");
  return files;
}

}  // namespace cli

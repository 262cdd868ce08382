// `cchain doctor`: what keeps a cache from working, and what to do about it.
// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <map>
#include <set>

#include "cli/ccache.h"
#include "cli/io.h"
#include "cli/json.h"
#include "cli/links.h"
#include "cli/process.h"
#include "cli/program.h"
#include "cli/progress.h"
#include "cli/subcommand.h"
#include "cli/text.h"
#include "cli/twin.h"

extern char** environ;

namespace cli {

namespace {

using std::string;
using std::string_view;

enum Level { kOk, kNote, kProblem };
constexpr const char* kLevelNames[] = {"ok", "note", "problem"};

struct Finding {
  Level level;
  const char* area;
  string text, advice;
};

class Doctor {
 public:
  explicit Doctor(bool offline) : offline_(offline) {}
  void examine(const char* ccache_file);
  bool sound() const {
    return std::none_of(findings_.begin(), findings_.end(), [](const Finding& f) { return f.level == kProblem; });
  }
  string text(bool colour) const;
  string json() const;

 private:
  void say(Level level, string text, string advice = {}) { findings_.push_back({level, area_, std::move(text), std::move(advice)}); }
  void configuration();
  void layers();
  void disk_layer(const Json& layer);
  void remote_layer(const string& name, uint32_t index);
  string folder(const string& path, bool written);
  void file_system(const string& path);
  void compilers();
  void served(const string& name, const string& path);
  void kernel();
  void build_tools();
  void ccache(const char* file);

  const bool offline_;
  const char* area_ = "";
  std::vector<Finding> findings_;
  std::vector<CcacheSetting> ccache_;
  OpenCache cache_;
  Json config_;
};

string error_text(int error) { return strerror(error); }
bool is_set(const char* name) {
  const char* value = getenv(name);
  return value && *value;
}

// The folders of PATH.
std::vector<string> path_folders() {
  std::vector<string> out;
  const char* path = getenv("PATH");
  for (const char* at = path ? path : ""; *at;) {
    const char* end = strchrnul(at, ':');
    if (end > at) out.emplace_back(at, static_cast<size_t>(end - at));
    at = *end ? end + 1 : end;
  }
  return out;
}

// The first of this name on PATH; "" if there is none.
string on_path(string_view name) {
  for (const string& dir : path_folders()) {
    string path = dir + "/" + string(name);
    struct stat st;
    if (stat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode) && access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

string real_path(const string& path) {
  char buffer[PATH_MAX];
  return realpath(path.c_str(), buffer) ? buffer : path;
}

string_view last_part(string_view path) { return path.substr(path.rfind('/') + 1); }

// The beginning of a file, or all of it up to `limit`.
string contents(const string& path, size_t limit) {
  string out;
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return out;
  char buffer[64 << 10];
  for (ssize_t n; out.size() < limit && (n = read(fd, buffer, std::min(sizeof buffer, limit - out.size()))) > 0;) out.append(buffer, static_cast<size_t>(n));
  close(fd);
  return out;
}

const Json* value_of(const Json& config, string_view key) {
  for (const auto& [none, value] : config["values"].items)
    if (value["key"].text == key) return &value;
  return nullptr;
}
string config_text(const Json& config, string_view key) {
  const Json* value = value_of(config, key);
  return value ? (*value)["value"].text : string();
}

// A folder of its own that goes with it.
class Scratch {
 public:
  Scratch() {
    const char* tmp = getenv("TMPDIR");
    path_ = string(tmp && *tmp == '/' ? tmp : "/tmp") + "/cchain-doctor.XXXXXX";
    if (!mkdtemp(path_.data())) path_.clear();
  }
  ~Scratch() {
    if (!path_.empty()) remove_tree(path_);
  }
  const string& path() const { return path_; }

 private:
  static void remove_tree(const string& dir) {
    if (DIR* listing = opendir(dir.c_str())) {
      while (dirent* entry = readdir(listing)) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        const string path = dir + "/" + entry->d_name;
        if (unlink(path.c_str()) != 0) remove_tree(path);
      }
      closedir(listing);
    }
    rmdir(dir.c_str());
  }
  string path_;
};

void Doctor::examine(const char* ccache_file) {
  area_ = "configuration";
  configuration();
  if (cache_.get()) {
    area_ = "layers";
    layers();
    area_ = "compilers";
    compilers();
  }
  area_ = "kernel";
  kernel();
  area_ = "build tools";
  build_tools();
  area_ = "ccache";
  ccache(ccache_file);
}

void Doctor::configuration() {
  string trouble;
  Text text;
  if (!cache_.open_in_any_case(&trouble)) return say(kProblem, string("the cache can't be opened: ") + cc_last_error(), "nothing is cached until this is mended");
  if (!trouble.empty()) say(kProblem, trouble, "nothing is cached until this is mended");
  if (cc_config_json(cache_.get(), &text.p) != CC_OK || !JsonReader::read(text.p, &config_)) return say(kProblem, "the configuration can't be read");
  for (const auto& [none, problem] : config_["problems"].items) {
    const string where = problem["where"].text;
    say(kProblem, (where.empty() ? "" : where + ": ") + problem["text"].text, problem["fatal"].truth ? "nothing is cached until this is mended" : "mend it there; cchain config shows what is in use");
  }
  const string file = config_["file"].text;
  if (trouble.empty()) say(kOk, file.empty() ? string("no configuration file: the defaults, and variables") : "file " + file);
  if (config_text(config_, "disable") == "true") say(kProblem, "CCHAIN_DISABLE is set: nothing is cached", "unset CCHAIN_DISABLE");
  if (config_text(config_, "recache") == "true") say(kNote, "CCHAIN_RECACHE is set: nothing is looked up", "unset it when what is stored was replaced");
  if (config_text(config_, "read_only") != "no") say(kNote, "CCHAIN_READ_ONLY=" + config_text(config_, "read_only") + ": what is compiled is not stored there");
  string debugger;
  for (const auto& [none, value] : config_["values"].items)
    if (value["key"].text.starts_with("debugger[")) debugger.append(debugger.empty() ? "" : "\n").append(value["value"].text);
  if (!debugger.empty()) say(kOk, "base_dirs: gdb finds the sources of this checkout by", debugger);
  if (lacks_twin())
    say(kProblem, "cchain-dynamic is not beside the command nor in ../lib/cchain: no configuration file that is new can be read, and no layer behind a network be asked", "install the whole: make install");
  const string state = config_text(config_, "state_dir");
  if (state.empty()) {
    say(kProblem, "there is no private folder: nothing is remembered between two processes, each hit hashes all its files", "\"state_dir\" in the configuration, or CCHAIN_STATE_DIR, a folder of yours alone");
  } else if (struct stat st; lstat(state.c_str(), &st) == 0) {
    if (S_ISLNK(st.st_mode) || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077))
      say(kProblem, "the private folder " + state + " is not yours alone: it is not used", "chown it to this account and chmod 700, or name another by CCHAIN_STATE_DIR");
    else
      say(kOk, "private folder " + state);
  }
}

// "ext4", …; "" if it is none that has a name here. `kind`: what it means for a cache.
const char* file_system_name(const string& path, Level* level, const char** kind) {
  struct statfs fs;
  *level = kNote;
  *kind = "files are hashed once in each process";
  if (statfs(path.c_str(), &fs) != 0) return nullptr;
  constexpr const char *kFull = "", *kNet = "over a network: files are hashed once in each process, and a hit waits for the server";
  constexpr struct {
    uint32_t magic;
    const char *name, *kind;
  } kKnown[] = {{0xef53, "ext4", kFull}, {0x58465342, "xfs", kFull}, {0x9123683e, "btrfs", kFull}, {0x01021994, "tmpfs", kFull}, {0x6969, "nfs", kNet},
                {0xff534d42, "cifs", kNet}, {0xfe534d42, "smb2", kNet}, {0x01021997, "9p", kNet}, {0x00c36400, "ceph", kNet}, {0x0bd00bd0, "lustre", kNet},
                {0x5346414f, "afs", kNet}, {0x65735546, "fuse", "files are hashed once in each process"}, {0x794c7630, "overlayfs", "files are hashed once in each process"},
                {0x2fc12fc1, "zfs", "files are hashed once in each process"}};
  for (const auto& k : kKnown) {
    if (static_cast<uint32_t>(fs.f_type) != k.magic) continue;
    *kind = k.kind;
    if (k.kind == kFull) *level = kOk;
    return k.name;
  }
  return "of another kind";
}

// What the file system of a folder that can be written can do.
void Doctor::file_system(const string& path) {
  Level level;
  const char* kind;
  const char* name = file_system_name(path, &level, &kind);
  if (!name) return;
  string abilities;
  int file = open(path.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  abilities += file >= 0 ? "O_TMPFILE" : "no O_TMPFILE: a kill can leave a temporary file, which a trim removes";
  if (file >= 0) {
    int other = open(path.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    string block(4096, 'x');
    const bool reflink = other >= 0 && write(file, block.data(), block.size()) == 4096 && ioctl(other, FICLONE, file) == 0;
    abilities += reflink ? ", reflink: a hit copies nothing" : ", no reflink: a hit copies";
    if (other >= 0) close(other);
    close(file);
  }
  say(level, path + ": file system " + name + (*kind ? string(", ") + kind : string()) + "; " + abilities, level == kOk ? "" : "a folder on a local disk (ext4, xfs, btrfs) is faster");
  struct statfs fs;
  if (!strcmp(name, "tmpfs")) say(kNote, path + " is in memory: it is gone after a reboot");
  if (statfs(path.c_str(), &fs) == 0 && static_cast<uint64_t>(fs.f_bavail) * static_cast<uint64_t>(fs.f_bsize) < 512u << 20)
    say(kProblem, path + ": only " + show_size(static_cast<uint64_t>(fs.f_bavail) * static_cast<uint64_t>(fs.f_bsize)) + " are free", "make room, or set a smaller \"max_size\"");
}

// Why a folder can't be used; "" if it can.
string Doctor::folder(const string& path, bool written) {
  struct stat st;
  if (stat(path.c_str(), &st) != 0) {
    if (errno != ENOENT) return path + ": " + error_text(errno);
    // It is made with the first store: where it would stand must be writable.
    string above = path;
    do above.erase(std::max<size_t>(above.rfind('/'), above.rfind('/') == 0 ? 1 : above.rfind('/')));
    while (above.size() > 1 && stat(above.c_str(), &st) != 0 && errno == ENOENT);
    if (access(above.c_str(), W_OK | X_OK) != 0) return path + " is not there and can't be made: " + above + ": " + error_text(errno);
    return {};
  }
  if (!S_ISDIR(st.st_mode)) return path + " is no folder";
  if (access(path.c_str(), R_OK | X_OK | (written ? W_OK : 0)) != 0) return path + ": " + error_text(errno);
  return {};
}

void Doctor::disk_layer(const Json& layer) {
  const string name = layer["name"].text, path = layer["path"].text;
  const bool written = layer["write"].truth;
  if (string wrong = folder(path, written); !wrong.empty())
    return say(kProblem, "layer " + name + ": " + wrong, written ? "make it writable for this account, name another folder (CCHAIN_DIR), or set \"write\": false" : "make it readable for this account");
  struct stat st;
  if (stat(path.c_str(), &st) != 0) return say(kOk, "layer " + name + ": " + path + " is made with the first store");
  if ((st.st_mode & 0022) && !(st.st_mode & S_ISVTX) && layer["umask"].type == Json::kNull)
    say(kNote, "layer " + name + ": others can write to " + path + ", and so give you any object", "chmod go-w, or \"umask\": \"002\" for a group that is meant to share it");
  say(kOk, "layer " + name + ": " + path + (written ? "" : ", read only"));
  if (written) file_system(path);
}

void Doctor::remote_layer(const string& name, uint32_t index) {
  if (offline_) return say(kNote, "layer " + name + ": not asked (--offline)");
  cc_layer_health health = {sizeof health};
  if (cc_layer_check(cache_.get(), index, &health) != CC_OK) {
    const string text = cc_last_error();
    string advice = "is the server there, and the name right? Meanwhile builds go on without it";
    if (text.find("credential") != string::npos) advice = "check the keys; a bucket or folder that is not there can answer the same";
    else if (text.find("remote.so") != string::npos || text.find("libcurl") != string::npos) advice = "install libcurl4 and cchain-remote.so (package libcchain0, or make install)";
    return say(kProblem, "layer " + name + ": " + text, advice);
  }
  char line[160];
  snprintf(line, sizeof line, ": answers in %.1f ms (the first time %.1f ms)", static_cast<double>(health.next_us) / 1000, static_cast<double>(health.first_us) / 1000);
  const bool slow = health.next_us > 100000;
  say(slow ? kNote : kOk, "layer " + name + line, slow ? "each hit costs two requests: a nearer server, or a disk layer before it" : "");
  if ((health.flags & CC_HEALTH_CLOCK) && std::abs(health.clock_offset_s) > 60) {
    snprintf(line, sizeof line, ": its clock is %lld s %s ours", static_cast<long long>(std::abs(health.clock_offset_s)), health.clock_offset_s > 0 ? "ahead of" : "behind");
    const bool refuses = std::abs(health.clock_offset_s) > 600;
    say(refuses ? kProblem : kNote, "layer " + name + line, refuses ? "S3 refuses requests that are a quarter of an hour off: set the clock (NTP)" : "set the clock (NTP)");
  }
}

void Doctor::layers() {
  if (config_["layers"].items.empty()) return say(kProblem, "there is no layer: nothing is cached", "unset CCHAIN_LAYERS and \"layers\" for the default, or name one");
  cc_stats stats = {sizeof stats};
  cc_stats_get(cache_.get(), &stats);
  for (const auto& [none, layer] : config_["layers"].items) {
    const string& name = layer["name"].text;
    if (layer["disabled"].type == Json::kString) {
      say(kProblem, "layer " + name + " is not used: " + layer["disabled"].text, "mend it there");
      continue;
    }
    if (layer["type"].text == "disk") {
      disk_layer(layer);
      continue;
    }
    for (uint32_t i = 0; i < stats.layer_count; i++) {
      cc_layer_stats l = {sizeof l};
      if (cc_layer_stats_get(cache_.get(), i, &l) == CC_OK && name == l.name) remote_layer(name, i);
    }
  }
}

// Compiles a small file twice, in a cache of its own: what a build would see.
void Doctor::served(const string& name, const string& path) {
  Scratch scratch;
  if (scratch.path().empty()) return say(kNote, "no temporary folder: the compilers are not tried", "TMPDIR=FOLDER");
  const bool cxx = name.find("++") != string::npos;
  const string source = scratch.path() + (cxx ? "/a.cc" : "/a.c"), object = scratch.path() + "/a.o", root = scratch.path() + "/cache";
  int fd = open(source.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd >= 0) {
    write_all(fd, "int cchain_doctor(int x) { return x + 1; }\n");
    close(fd);
  }
  char self[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  if (n <= 0) return;
  self[n] = 0;
  const string layers = "CCHAIN_LAYERS=" + root, state = "CCHAIN_STATE_DIR=" + root + "/private";
  const std::vector<const char*> env = environment_with({layers.c_str(), state.c_str(), "CCHAIN_READ_ONLY=", "CCHAIN_RECACHE=", "CCHAIN_DISABLE=", "CCHAIN_STATS_LOG=", "CCHAIN_LOG=",
                                                         "CCHAIN_WARN=", "CCHAIN_MODE=direct"});
  const char* argv[] = {"cchain", "--", path.c_str(), "-c", source.c_str(), "-o", object.c_str(), nullptr};
  Ended ended;
  for (int i = 0; i < 2; i++) {
    ended = {};
    Run what;
    what.path = self;
    what.argv = argv;
    what.env = env.data();
    what.null_stdin = what.capture_out = what.capture_err = true;
    what.capture_limit = 1 << 20;
    if (int error = run(what, &ended)) return say(kProblem, name + ": " + error_text(error));
    if (exit_code(ended.status) != 0) {
      string_view first = ended.err;
      first = first.substr(0, first.find('\n'));
      return say(kProblem, name + " (" + path + ") does not compile: " + string(first), "mend the compiler, or take it off PATH");
    }
  }
  cc_open_options options = {sizeof options};
  const string text = "{\"layers\": [{\"path\": " + json_string(root) + "}], \"state_dir\": " + json_string(root + "/private") + "}";
  options.config_text = text.c_str();
  options.flags = CC_OPEN_NO_ENV;
  cc_cache* cache = nullptr;
  Text stats;
  Json tree;
  if (cc_open(&options, &cache) != CC_OK) return;
  const bool read = cc_stats_json(cache, &stats.p) == CC_OK && JsonReader::read(stats.p, &tree);
  cc_close(cache);
  if (!read) return;
  if (tree["hits"].whole > 0) return say(kOk, name + " (" + real_path(path) + "): compiles, and is served from the cache");
  string why = "no reason was given";
  for (const char* list : {"uncacheable_reasons", "miss_reasons"})
    for (const auto& [reason, count] : tree[list].items) why = reason;
  string advice = "cchain stats names the reason in a build";
  if (why.find("\"compilers\"") != string::npos) advice = "name it under \"compilers\" with the files and variables that it reads (man cchain.json), or give the build the real compiler";
  say(kProblem, name + " (" + path + ") is not cached: " + why, advice);
}

void Doctor::compilers() {
  const FileKey self = own_file();
  std::set<string> seen;          // names
  std::set<std::pair<uint64_t, uint64_t>> tried;  // files
  size_t found = 0;
  for (const string& dir : path_folders()) {
    DIR* listing = opendir(dir.c_str());
    if (!listing) continue;
    std::set<string> names;
    while (dirent* entry = readdir(listing))
      if (is_compiler_name(entry->d_name)) names.insert(entry->d_name);
    closedir(listing);
    for (const string& name : names) {
      const string path = dir + "/" + name;
      struct stat st;
      if (stat(path.c_str(), &st) != 0) {
        if (seen.insert(name).second) say(kProblem, path + " is a link that leads nowhere", "remove it, or make the links anew: cchain links " + dir);
        seen.erase(name);
        continue;
      }
      if (!S_ISREG(st.st_mode) || access(path.c_str(), X_OK) != 0 || !seen.insert(name).second) continue;
      const string real = real_path(path);
      if (FileKey{st.st_dev, st.st_ino} == self || last_part(real) == "cchain") {
        Program behind = find_program(name.c_str(), getenv("PATH"), FileKey{st.st_dev, st.st_ino}, Guard(nullptr, 0, 0));
        if (behind.path.empty()) say(kProblem, path + " leads to cchain, and there is no " + name + " behind it on PATH", "put the compiler's folder on PATH, behind " + dir);
        else say(kOk, path + " leads to cchain, and behind it to " + behind.path);
        continue;
      }
      for (string_view other : {"ccache", "sccache", "distcc", "icecc"})
        if (last_part(real) == other)
          say(kNote, path + " is " + string(other) + ": in front of it nothing is gained by cchain",
              other == "ccache" || other == "sccache" ? "take " + dir + " off PATH" : "give the build the real compiler, and CCHAIN_PREFIX=" + string(other));
      if (last_part(real) == "ccache" || last_part(real) == "sccache" || last_part(real) == "distcc" || last_part(real) == "icecc") continue;
      // The usual names only, each program once: a compile takes a moment.
      if (found >= 8 || (name != "cc" && name != "c++" && name != "gcc" && name != "g++" && name != "clang" && name != "clang++")) continue;
      if (!tried.insert({st.st_dev, st.st_ino}).second && name != "clang++") continue;
      found++;
      served(name, path);
    }
  }
  if (!found && seen.empty()) say(kNote, "there is no compiler on PATH");
}

void Doctor::kernel() {
  int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  int error = fd < 0 ? errno : 0;
  if (!error && inotify_add_watch(fd, "/", IN_CREATE | IN_ONLYDIR) < 0) error = errno;
  if (fd >= 0) close(fd);
  string watches = contents("/proc/sys/fs/inotify/max_user_watches", 32), instances = contents("/proc/sys/fs/inotify/max_user_instances", 32);
  for (string* s : {&watches, &instances}) s->resize(std::min(s->find('\n'), s->size()));
  if (error) {
    say(kNote, "folders can't be watched: " + error_text(error) + ": a compile whose folders change meanwhile is not stored",
        "sysctl fs.inotify.max_user_watches (now " + watches + ") and fs.inotify.max_user_instances (now " + instances + "): raise them");
  } else {
    say(kOk, "inotify: " + watches + " watches, " + instances + " instances");
  }
  struct stat st;
  if (stat("/proc/self/fd", &st) != 0) say(kProblem, "/proc is not there: the compiler's dependency file is lost, so nothing is stored", "mount it: mount -t proc proc /proc");
}

void Doctor::build_tools() {
  const string ninja = on_path("ninja");
  char self[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  const string here(self, n > 0 ? static_cast<size_t>(n) : 0);
  string patched;
  for (const string& at : {here.substr(0, here.rfind('/') + 1) + "ninja", here.substr(0, here.rfind('/') + 1) + "../lib/cchain/ninja"})
    if (patched.empty() && access(at.c_str(), X_OK) == 0) patched = real_path(at);
  if (!ninja.empty()) {
    const bool ours = contents(ninja, 64u << 20).find("libcchain.so.0") != string::npos;
    if (ours) say(kOk, "ninja is " + ninja + ", the patched one: hits start no process");
    else
      say(kNote, "ninja is " + ninja + ", not the patched one: a hit starts a process",
          patched.empty() ? "make ninja install (package cchain-ninja)" : "PATH=" + string(patched, 0, patched.rfind('/')) + ":$PATH, or cmake -DCMAKE_MAKE_PROGRAM=" + patched);
  }
  for (const char* name : {"CMAKE_C_COMPILER_LAUNCHER", "CMAKE_CXX_COMPILER_LAUNCHER"}) {
    if (!is_set(name)) continue;
    const string value = getenv(name);
    if (last_part(value) == "cchain") say(kOk, string(name) + "=" + value);
    else say(kNote, string(name) + "=" + value, string(name) + "=cchain");
  }
  if (!is_set("CMAKE_C_COMPILER_LAUNCHER") && !on_path("cmake").empty())
    say(kOk, "CMake: -DCMAKE_C_COMPILER_LAUNCHER=cchain -DCMAKE_CXX_COMPILER_LAUNCHER=cchain, or these names as variables, for a new build folder");
  for (const char* name : {"CC", "CXX"}) {
    if (!is_set(name)) continue;
    const string value = getenv(name);
    const string_view first = last_part(string_view(value).substr(0, value.find(' ')));
    if (first == "ccache" || first == "sccache") say(kNote, string(name) + "=\"" + value + "\"", string(name) + "=\"cchain" + (value.find(' ') == string::npos ? "" : value.substr(value.find(' '))) + "\"");
  }
  if (!on_path("make").empty()) {
    if (string shell = on_path("cchain-sh"); !shell.empty()) say(kOk, "make: CC=\"cchain gcc\", or SHELL=" + shell + " for makefiles that name their compilers");
    else say(kNote, "cchain-sh is not on PATH", "put the command's folder on PATH for make SHELL=\"$(command -v cchain-sh)\"");
  }
}

void Doctor::ccache(const char* file) {
  if (file) {
    if (int error = read_ccache_file(file, &ccache_)) say(kProblem, string(file) + ": " + error_text(error), "--ccache FILE: the ccache.conf to read");
  } else {
    for (const string& path : ccache_files()) read_ccache_file(path, &ccache_);
  }
  read_ccache_environment(environ, &ccache_);
  for (const CcacheSetting& s : ccache_)
    if (s.answer.empty()) say(kNote, s.origin + ": ccache " + s.key, "ccache 4.7 to 4.13 has no such option");
    else say(kNote, s.origin + ": ccache " + s.key, s.answer);
}

string Doctor::text(bool colour) const {
  constexpr const char* kColours[] = {"\033[32m", "\033[33m", "\033[31m"};
  string out;
  const char* area = "";
  for (const Finding& f : findings_) {
    if (strcmp(area, f.area) != 0) out.append(out.empty() ? "" : "\n").append(area = f.area).append("\n");
    string level = kLevelNames[f.level];
    level.resize(8, ' ');
    out.append("  ").append(colour ? kColours[f.level] : "").append(level).append(colour ? "\033[0m" : "").append(show_text(f.text)).append("\n");
    string_view advice = f.advice;
    while (!advice.empty()) {
      string_view line = advice.substr(0, advice.find('\n'));
      advice.remove_prefix(std::min(line.size() + 1, advice.size()));
      out.append("          → ").append(show_text(line)).append("\n");
    }
  }
  const auto problems = std::count_if(findings_.begin(), findings_.end(), [](const Finding& f) { return f.level == kProblem; });
  out += problems ? "\n" + show_count(static_cast<uint64_t>(problems)) + (problems == 1 ? " problem\n" : " problems\n") : string("\nnothing has to be done\n");
  return out;
}

string Doctor::json() const {
  string out = string("{\"sound\":") + (sound() ? "true" : "false") + ",\"findings\":[";
  for (const Finding& f : findings_) {
    if (&f != findings_.data()) out += ',';
    out.append("{\"level\":\"").append(kLevelNames[f.level]).append("\",\"area\":\"").append(f.area).append("\",\"text\":").append(json_string(f.text));
    out.append(",\"advice\":").append(json_string(f.advice)).append("}");
  }
  out += "],\"ccache\":[";
  for (const CcacheSetting& s : ccache_) {
    if (&s != ccache_.data()) out += ',';
    out.append("{\"key\":").append(json_string(s.key)).append(",\"origin\":").append(json_string(s.origin)).append(",\"answer\":").append(json_string(s.answer)).append("}");
  }
  return out + "]}\n";
}

}  // namespace

int doctor(int argc, char** argv) {
  bool json = false, offline = false;
  string ccache_file;
  string_view value;
  Arguments args(argc, argv);
  while (args.next()) {
    if (args.is("--json")) json = true;
    else if (args.is("--offline")) offline = true;
    else if (args.takes("--ccache", &value)) {
      if (value.empty()) return wrong_usage("doctor", "no file");
      ccache_file = value;
    } else {
      return wrong_usage("doctor", "unknown argument: ", args.word());
    }
  }
  Doctor doctor(offline);
  doctor.examine(ccache_file.empty() ? nullptr : ccache_file.c_str());
  int status = print(json ? doctor.json() : doctor.text(wants_colour(1)));
  return status ? status : doctor.sound() ? 0 : 1;
}

}  // namespace cli

// SPDX-License-Identifier: Apache-2.0
#include "model/compiler.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <set>
#include <tuple>

#include "base/varint.h"
#include "model/places.h"

namespace cchain {

namespace {

// Variables that steer which programs, specs and directories a driver uses.
constexpr const char* kProbeEnv[] = {"PATH",           "COMPILER_PATH",      "GCC_EXEC_PREFIX",   "LIBRARY_PATH",      "LD_LIBRARY_PATH",
                                     "CPATH",          "C_INCLUDE_PATH",     "CPLUS_INCLUDE_PATH", "OBJC_INCLUDE_PATH", "OBJCPLUS_INCLUDE_PATH",
                                     "GCC_ROOT",       "GLIBC_TUNABLES"};

std::vector<std::string_view> split(std::string_view s, char by) {
  std::vector<std::string_view> parts;
  size_t at = 0;
  for (;;) {
    size_t end = s.find(by, at);
    parts.push_back(s.substr(at, end == std::string_view::npos ? end : end - at));
    if (end == std::string_view::npos) return parts;
    at = end + 1;
  }
}
bool starts_with(std::string_view s, std::string_view p) { return s.substr(0, p.size()) == p; }
bool ends_with(std::string_view s, std::string_view p) { return s.size() >= p.size() && s.substr(s.size() - p.size()) == p; }

// The words of a command line that a driver prints: gcc quotes none, clang quotes all that need it.
std::vector<std::string> printed_words(std::string_view line) {
  std::vector<std::string> words;
  size_t i = 0;
  while (i < line.size()) {
    if (line[i] == ' ') {
      i++;
      continue;
    }
    std::string w;
    while (i < line.size() && line[i] != ' ') {
      if (line[i] == '"') {
        for (i++; i < line.size() && line[i] != '"'; i++) {
          if (line[i] == '\\' && i + 1 < line.size()) i++;
          w += line[i];
        }
        i++;
      } else {
        w += line[i++];
      }
    }
    words.push_back(std::move(w));
  }
  return words;
}

bool is_word(std::string_view w, std::initializer_list<std::string_view> list) { return std::find(list.begin(), list.end(), w) != list.end(); }

}  // namespace

const char* Environment::get(std::string_view name) const {
  for (const auto& w : words_)
    if (w.size() > name.size() && w[name.size()] == '=' && memcmp(w.data(), name.data(), name.size()) == 0) return w.c_str() + name.size() + 1;
  return nullptr;
}
void Environment::set(const std::string& name, const std::string& value) {
  for (auto& w : words_)
    if (w.size() > name.size() && w[name.size()] == '=' && w.compare(0, name.size(), name) == 0) {
      w = name + "=" + value;
      return;
    }
  words_.push_back(name + "=" + value);
}

std::string find_program(const std::string& name, const Environment& env, const std::string& cwd, const FileId* not_this) {
  // A link called like a compiler that leads to the cchain command: what it would run comes later on PATH.
  auto leads_to_us = [](const std::string& p) {
    FileId id;
    char real[PATH_MAX];
    return lstat_file(p.c_str(), &id) == 0 && (id.mode & 0170000) == 0120000 && realpath(p.c_str(), real) && path_base(real) == "cchain";
  };
  auto usable = [&](const std::string& p) {
    FileId id;
    return stat_file(p.c_str(), &id) == 0 && id.is_regular() && (id.mode & 0111) && !(not_this && id.same_file(*not_this));
  };
  if (name.find('/') != std::string::npos) {
    std::string p = path_join(cwd, name);
    return usable(p) ? p : "";
  }
  const char* path = env.get("PATH");
  for (std::string_view dir : split(path ? path : "/bin:/usr/bin", ':')) {
    std::string p = path_join(dir.empty() ? std::string_view(cwd) : std::string_view(path_join(cwd, dir)), name);
    if (usable(p) && !leads_to_us(p)) return p;
  }
  return "";
}

Family guess_family(const std::string& path, std::string_view called) {
  auto by_name = [](std::string_view base, Family* f) {
    if (base.find("clang") != std::string_view::npos) return *f = Family::kClang, true;
    if (base.find("gcc") != std::string_view::npos || base.find("g++") != std::string_view::npos) return *f = Family::kGcc, true;
    return false;
  };
  Family f = Family::kGcc;
  if (by_name(path_base(called), &f)) return f;
  char real[PATH_MAX];
  if (realpath(path.c_str(), real)) by_name(path_base(real), &f);
  return f;
}

ProgramKind program_kind(const std::string& path) {
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return ProgramKind::kMissing;
  unsigned char h[4096];
  ssize_t n = pread(fd.get(), h, sizeof h, 0);
  if (n >= 2 && h[0] == '#' && h[1] == '!') return ProgramKind::kScript;
  if (n < 64 || memcmp(h, ELFMAG, SELFMAG) != 0) return ProgramKind::kOther;
  auto interp = [&](auto ehdr, auto phdr) {
    memcpy(&ehdr, h, sizeof ehdr);
    for (unsigned i = 0; i < ehdr.e_phnum; i++) {
      size_t at = ehdr.e_phoff + i * sizeof phdr;
      if (at + sizeof phdr > static_cast<size_t>(n)) return true;  // can't tell: the trace will
      memcpy(&phdr, h + at, sizeof phdr);
      if (phdr.p_type == PT_INTERP) return true;
    }
    return false;
  };
  bool dynamic = h[EI_CLASS] == ELFCLASS64 ? interp(Elf64_Ehdr{}, Elf64_Phdr{}) : interp(Elf32_Ehdr{}, Elf32_Phdr{});
  return dynamic ? ProgramKind::kElfDynamic : ProgramKind::kElfStatic;
}

Digest probe_key(const ProbeQuestion& q, const Environment& env) {
  KeyHasher h("cchain probe 4");
  h.field("path", q.path);
  h.field("called", q.called);
  h.field("family", static_cast<uint64_t>(q.family));
  h.field("language", q.language);
  for (const auto& a : q.args) h.field("arg", a);
  h.field("cwd", q.cwd);
  h.field("identity", q.stated_identity);
  h.field("script", q.allow_script ? 1 : 0);
  if (q.objcopy) h.field("objcopy", 1);
  for (const auto& f : q.extra_files) h.field("extra file", f);
  for (const auto& e : q.extra_env) {
    const char* v = env.get(e);
    h.field("extra env", e);
    h.field(v ? "set" : "unset", v ? v : "");
  }
  for (const char* name : kProbeEnv)
    if (const char* v = env.get(name)) {
      h.field("env", name);
      h.field("value", v);
    }
  return h.finish();
}

Probe::Probe(ProbeQuestion q, const Environment& env, Looker* looker, Table* memo) : q_(std::move(q)), env_(env), looker_(looker), memo_(memo) {
  key_ = probe_key(q_, env_);
  ProgramKind kind = program_kind(q_.path);
  if (kind == ProgramKind::kScript && !q_.allow_script)
    refuse("the compiler " + q_.path + " is a script; list it under \"compilers\" in the configuration");
  else if (kind == ProgramKind::kOther || kind == ProgramKind::kMissing)
    refuse("the compiler " + q_.path + " is no program");
  programs_.push_back(q_.path);
}

bool Probe::next(std::vector<std::string>* argv, std::vector<std::string>* env) {
  argv->clear();
  env->clear();
  if (!refused_.empty() || info_) return false;
  if (!started_) {
    start_ns_ = now_ns();
    argv->push_back(q_.called);
    argv->insert(argv->end(), q_.args.begin(), q_.args.end());
    for (const char* w : {"-v", "-c", "-x"}) argv->push_back(w);
    argv->push_back(q_.language);
    for (const char* w : {"/dev/null", "-o", "/dev/null"}) argv->push_back(w);
    // The words that are looked for in the answer are English ones.
    *env = {"LC_ALL=C", "LANGUAGE="};
    waiting_ = true;
    return true;
  }
  while (traced_ < programs_.size()) {
    ProgramKind kind = program_kind(programs_[traced_]);
    if (kind == ProgramKind::kElfDynamic) {
      argv->push_back(programs_[traced_]);
      *env = {"LD_TRACE_LOADED_OBJECTS=1", "LD_WARN=", "LD_BIND_NOW=", "LC_ALL=C"};
      waiting_ = true;
      return true;
    }
    if (kind != ProgramKind::kElfStatic && !(kind == ProgramKind::kScript && traced_ == 0 && q_.allow_script)) {
      refuse(programs_[traced_] + ", which the compiler runs, is no program that can be identified");
      return false;
    }
    traced_++;
  }
  if (!info_) finish();
  return false;
}

bool Probe::done(int exit_status, std::string_view out, std::string_view err) {
  if (!waiting_) return false;
  waiting_ = false;
  if (exit_status != 0) {
    refuse("the probe of " + programs_[started_ ? traced_ : 0] + " failed with status " + std::to_string(exit_status));
    return false;
  }
  if (!started_) {
    started_ = true;
    return read_verbose(err);
  }
  if (!read_trace(out)) return false;
  traced_++;
  return true;
}

bool Probe::read_verbose(std::string_view text) {
  auto info = std::make_shared<CompilerInfo>();
  info->family = q_.family;
  enum { kNone, kQuote, kBracket } list = kNone;
  bool said_gcc = false, said_clang = false;
  std::vector<std::string> compiler_path, library_path;
  std::string assembler, multiarch, gcc_for_clang;
  auto absolute = [&](std::string_view p) { return path_join(q_.cwd, p); };
  auto quoted = [](std::string_view line) {
    size_t a = line.find('"'), b = line.rfind('"');
    return a == std::string_view::npos || b <= a ? std::string_view{} : line.substr(a + 1, b - a - 1);
  };
  for (std::string_view line : split(text, '\n')) {
    if (list != kNone && starts_with(line, " ")) {
      std::string dir(line.substr(1));
      if (ends_with(dir, " (framework directory)")) {
        refuse("framework directories");
        return false;
      }
      FileId id;
      if (ends_with(dir, " (headermap)") || (stat_file(absolute(dir).c_str(), &id) == 0 && !id.is_dir())) {
        refuse("the search directory " + dir + " is a header map");
        return false;
      }
      (list == kQuote ? info->quote_dirs : info->bracket_dirs).push_back(dir);
      which_.push_back(absolute(dir));
      continue;
    }
    if (starts_with(line, "#include \"...\"")) {
      list = kQuote;
    } else if (starts_with(line, "#include <...>")) {
      list = kBracket;
    } else if (starts_with(line, "End of search list")) {
      list = kNone;
    } else if (starts_with(line, "ignoring nonexistent directory ")) {
      std::string dir = absolute(quoted(line));
      FileId id;
      if (stat_file(dir.c_str(), &id) == 0) {
        which_.push_back(dir);  // a file: it would have to become another one to be a directory
        continue;
      }
      // Strictly absent, as a directory: the name ends in "/.".
      absent_.emplace_back(std::string(path_dir(dir)), std::string(path_base(dir)) + "/.");
    } else if (starts_with(line, "ignoring duplicate directory ")) {
      which_.push_back(absolute(quoted(line)));
    } else if (line.find("warning: ") != std::string_view::npos) {
      info->notes.append(line).push_back('\n');
      size_t end = line.rfind(": not a directory"), start = line.find("warning: ");
      if (end != std::string_view::npos && end > start + 9) which_.push_back(absolute(line.substr(start + 9, end - start - 9)));
    } else if (starts_with(line, "Target: ")) {
      info->target = line.substr(8);
    } else if (starts_with(line, "Reading specs from ")) {
      files_.push_back(absolute(line.substr(19)));
    } else if (starts_with(line, "Configuration file: ")) {
      files_.push_back(absolute(line.substr(20)));
    } else if (starts_with(line, "InstalledDir: ")) {
      install_dir_ = line.substr(14);
    } else if (starts_with(line, "Found candidate GCC installation: ") || starts_with(line, "Selected GCC installation: ")) {
      std::string dir = absolute(line.substr(line.find(": ") + 2));
      if (line[0] == 'S') gcc_for_clang = dir;
      names_.push_back(std::string(path_dir(dir)));
      names_.push_back(std::string(path_dir(path_dir(dir))));
    } else if (starts_with(line, "COLLECT_GCC=") && line.find('/') != std::string_view::npos) {
      // The driver as it was really called: another one than ours behind a wrapper such as ccache.
      std::string driver = absolute(line.substr(12));
      if (driver != q_.path) programs_.push_back(driver);
    } else if (starts_with(line, "COMPILER_PATH=")) {
      for (auto p : split(line.substr(14), ':')) compiler_path.push_back(absolute(p));
    } else if (starts_with(line, "LIBRARY_PATH=")) {
      for (auto p : split(line.substr(13), ':')) library_path.push_back(absolute(p));
    } else if (starts_with(line, "gcc version ")) {
      said_gcc = true;
      info->version = line;
    } else if (line.find("clang version ") != std::string_view::npos && !said_clang) {
      said_clang = true;
      info->version = line;
    } else if (starts_with(line, " ") && line.find(" -") != std::string_view::npos) {
      std::vector<std::string> words = printed_words(line);
      if (words.empty()) continue;
      std::string_view base = path_base(words[0]);
      bool proper = starts_with(base, "cc1") || (words.size() > 1 && words[1] == "-cc1");
      if (proper) {
        proper_ = absolute(words[0]);
        programs_.push_back(proper_);
        if (q_.family == Family::kGcc) install_dir_ = std::string(path_dir(absolute(words[0])));
        for (size_t i = 1; i < words.size(); i++) {
          const std::string& w = words[i];
          info->own_maps = info->own_maps || w.find("-prefix-map=") != w.npos;
          // A file that the driver gives to its compiler by itself (a sanitizer's list) is part of what the compiler is.
          size_t path = w[0] == '/' ? 0 : w.find("=/") + 1;
          FileId id;
          if (w[path] == '/' && w != "/dev/null" && words[i - 1] != "-o" && stat_file(w.c_str() + path, &id) == 0 && id.is_regular()) files_.push_back(w.substr(path));
          if (w == "-resource-dir" && i + 1 < words.size()) {
            // Lists of the sanitizers are taken from there if they are there.
            std::string share = absolute(words[i + 1]) + "/share";
            if (stat_file(share.c_str(), &id) == 0) {
              names_.push_back(share);
            } else {
              absent_.emplace_back(std::string(path_dir(share)), "share/.");
            }
          }
          // A directory that is left out, as another's double, may be named nowhere else.
          if (is_word(w, {"-I", "-iquote", "-isystem", "-idirafter", "-internal-isystem", "-internal-externc-isystem", "-isysroot"}) && i + 1 < words.size())
            which_.push_back(absolute(words[i + 1]));
          if (w == "-imultiarch" && i + 1 < words.size()) multiarch = words[i + 1];
          if (is_word(w, {"-o", "-dumpdir", "-dumpbase", "-dumpbase-ext", "-I", "-isystem", "-iquote", "-idirafter", "-main-file-name", "-D", "-U"})) {
            i++;
          } else if (!is_word(w, {"/dev/null", "-quiet", "-v", "-version"}) && !starts_with(w, "-fdebug-compilation-dir") &&
                     !starts_with(w, "-fcoverage-compilation-dir") && !starts_with(w, "-I") && !starts_with(w, "-o")) {
            defaults_ += w;
            defaults_ += '\n';
          }
        }
      } else if (base == "as" || ends_with(base, "-as")) {
        assembler = words[0];
      }
    }
  }
  if (said_clang ? q_.family != Family::kClang : q_.family != Family::kGcc || !said_gcc) {
    refuse("the compiler " + q_.path + " is not what its name says");
    return false;
  }
  // A program that runs the driver (mpicc, ccache by a compiler's name) reads variables and files that nobody knows of, as a script does.
  auto is_driver = [&] {
    FileId driver, proper;
    if (q_.family == Family::kClang) return stat_file(q_.path.c_str(), &driver) == 0 && stat_file(proper_.c_str(), &proper) == 0 && driver.same_file(proper);
    std::string bytes;  // its specs are in it
    return read_file(q_.path.c_str(), &bytes, 64u << 20) == 0 && memmem(bytes.data(), bytes.size(), "cc1_options", 11);
  };
  if (!proper_.empty() && !q_.allow_script && !is_driver()) {
    refuse("the compiler " + q_.path + " is a program that runs another one; list it under \"compilers\" in the configuration");
    return false;
  }
  if (proper_.empty() || info->bracket_dirs.empty()) {
    refuse("the compiler " + q_.path + " does not tell what it runs");
    return false;
  }
  // Programs and specs are looked for in these folders in order; what was not there must stay absent.
  std::string idle;
  auto want_absent = [&](const std::string& dir, const std::string& name, const std::string& found) {
    std::string d = dir;
    while (d.size() > 1 && d.back() == '/') d.pop_back();
    if (path_join(d, name) == found) return false;
    FileId id;
    if (stat_file(path_join(d, name).c_str(), &id) == 0 && !id.is_dir()) {
      // There and not taken: it is behind in the order, or can't be run, and no folder shows when it can.
      if (!(id.mode & 0111) && name != "specs" && !name.ends_with(".cfg")) idle = path_join(d, name);
      return true;
    }
    absent_.emplace_back(d, name);
    return true;
  };
  // The list of names of a directory, or that there is none; once for all its spellings.
  std::set<std::tuple<uint64_t, uint64_t, std::string>> watched;
  auto watch = [&](const std::string& dir) {
    FileId id;
    std::string there = dir, rest;
    while (stat_file(there.c_str(), &id) != 0) {
      if (there.size() <= 1) return;
      rest = rest.empty() ? std::string(path_base(there)) : path_join(path_base(there), rest);
      there = path_dir(there);
    }
    if (!id.is_dir() || !watched.insert({id.dev, id.ino, rest}).second) return;
    if (rest.empty())
      names_.push_back(dir);
    else
      absent_.emplace_back(there, rest + "/.");
  };
  std::vector<std::string> prefixes, roots;
  for (size_t i = 0; i < q_.args.size(); i++) {
    const std::string& a = q_.args[i];
    for (std::string_view name : {"-B", "--sysroot", "-isysroot"}) {
      if (!starts_with(a, name)) continue;
      std::string value = a.size() > name.size() ? a.substr(name.size() + (a[name.size()] == '=')) : i + 1 < q_.args.size() ? q_.args[i + 1] : "";
      (name == "-B" ? prefixes : roots).push_back(value);
    }
  }
  for (const char* name : {"COMPILER_PATH", "LIBRARY_PATH", "GCC_EXEC_PREFIX"})
    if (const char* v = env_.get(name))
      for (auto p : split(v, ':')) prefixes.emplace_back(p);
  if (q_.family == Family::kGcc) {
    // gcc prints where a link to a directory of its own leads: what it was asked by must lead there still.
    roots.emplace_back();
    for (auto& r : roots) {
      std::string root = r.empty() ? "" : absolute(r);
      for (std::string_view sub : {"", "/usr", "/usr/local", "/include", "/usr/include", "/usr/local/include"}) {
        std::string dir = root + std::string(sub);
        if (dir.empty()) continue;
        which_.push_back(dir);
        if (!multiarch.empty() && ends_with(sub, "include")) which_.push_back(dir + "/" + multiarch);
      }
    }
    std::string major = install_dir_.substr(install_dir_.rfind('/') + 1);
    std::string proper(path_base(proper_));
    for (auto& p : prefixes) {
      std::string base = absolute(p);
      for (const std::string& prefix : {base, base + "/"})
        for (const std::string& middle : {std::string(), info->target + "/" + major + "/", info->target + "/"})
          for (const std::string& name : {std::string("as"), proper, std::string("specs")}) {
            std::string full = prefix + middle + name;
            if (full == assembler || full == proper_ || std::find(files_.begin(), files_.end(), full) != files_.end()) continue;
            want_absent(std::string(path_dir(full)), std::string(path_base(full)), "");
          }
    }
    bool found = false;
    for (auto& d : compiler_path) {
      if (!found && !assembler.empty() && !want_absent(d, "as", absolute(assembler))) found = true;
      if (path_join(d, proper) == proper_) continue;
      if (std::string(path_dir(proper_)) + "/" != d) want_absent(d, proper, proper_);
    }
    for (auto& d : library_path) {
      std::string specs = path_join(d, "specs");
      if (std::find(files_.begin(), files_.end(), specs) == files_.end()) want_absent(d, "specs", "");
    }
  } else {
    // Where it looks for installations of gcc, and which C++ headers go with one; it says what it has found only.
    roots.emplace_back();
    std::vector<std::string> under;
    for (auto& r : roots) {
      std::string root = r.empty() ? "" : absolute(r);
      under.push_back(root + "/usr"), under.push_back(root);
    }
    under.push_back(install_dir_ + "/..");
    for (auto& u : under)
      for (const char* lib : {"/lib", "/lib64", "/lib32", "/libx32"})
        for (const char* gcc : {"/gcc", "/gcc-cross"}) watch(u + lib + gcc);
    if (q_.language == "c++") {
      for (auto& u : under) {
        watch(u + "/include/c++"), watch(u + "/local/include/c++");
        watch(u + "/include/" + info->target + "/c++");
      }
      if (!gcc_for_clang.empty()) {
        std::string triple(path_base(path_dir(gcc_for_clang))), up = gcc_for_clang + "/../../../..";
        for (const std::string& dir : {up + "/include/c++", up + "/" + triple + "/include/c++", up + "/include/" + triple + "/c++", gcc_for_clang + "/include"}) watch(dir);
      }
    }
    if (!assembler.empty()) {
      // Which of its own folders it looks in first depends on its version: one that holds the assembler may be none.
      std::vector<std::string> own = {install_dir_, std::string(path_dir(q_.path)), std::string(path_dir(proper_))}, path;
      if (!gcc_for_clang.empty()) own.push_back(gcc_for_clang + "/../../../../" + std::string(path_base(path_dir(gcc_for_clang))) + "/bin");
      for (std::string_view d : split(env_.get("PATH") ? env_.get("PATH") : "", ':')) path.push_back(d.empty() ? q_.cwd : absolute(d));
      for (const std::string& name : {std::string("as"), info->target + "-as"}) {
        for (auto& p : prefixes) {
          std::string full = absolute(p) + name;
          want_absent(absolute(p), name, assembler), want_absent(std::string(path_dir(full)), std::string(path_base(full)), assembler);
        }
        for (auto& d : own) want_absent(d, name, assembler);
        for (auto& d : path)
          if (!want_absent(d, name, assembler)) break;
      }
    }
    std::string base(path_base(q_.called));
    std::vector<std::string> cfg = {"clang.cfg", "clang++.cfg", base + ".cfg", info->target + "-clang.cfg", info->target + "-clang++.cfg", info->target + ".cfg"};
    char real[PATH_MAX];
    std::vector<std::string> dirs = {install_dir_, std::string(path_dir(q_.path))};
    if (realpath(q_.path.c_str(), real)) dirs.emplace_back(path_dir(real));
    for (auto& d : dirs)
      for (auto& c : cfg)
        if (!d.empty() && std::find(files_.begin(), files_.end(), path_join(d, c)) == files_.end()) want_absent(d, c, "");
  }
  if (!assembler.empty()) {
    if (assembler.find('/') == std::string::npos) {
      const char* path = env_.get("PATH");
      std::string found;
      for (std::string_view d : split(path ? path : "/bin:/usr/bin", ':')) {
        std::string dir = d.empty() ? q_.cwd : absolute(d);
        FileId id;
        std::string candidate = path_join(dir, assembler);
        if (stat_file(candidate.c_str(), &id) == 0 && id.is_regular() && (id.mode & 0111)) {
          found = candidate;
          break;
        }
        want_absent(dir, assembler, "");
      }
      if (found.empty()) {
        refuse("the assembler " + assembler + " was not found");
        return false;
      }
      assembler = found;
    }
    programs_.push_back(absolute(assembler));
  }
  if (q_.objcopy) {
    // Looked for as the assembler is: in the compiler's own folders, then on PATH.
    std::vector<std::string> dirs;
    for (auto& p : prefixes)
      for (const std::string& middle : {std::string(), info->target + "/", info->target + "/" + install_dir_.substr(install_dir_.rfind('/') + 1) + "/"}) {
        want_absent(absolute(p), middle + "objcopy", "");
        want_absent(std::string(path_dir(absolute(p) + middle + "objcopy")), std::string(path_base(absolute(p) + middle + "objcopy")), "");
      }
    dirs = compiler_path;
    const char* path = env_.get("PATH");
    for (std::string_view d : split(path ? path : "/bin:/usr/bin", ':')) dirs.push_back(d.empty() ? q_.cwd : absolute(d));
    std::string found;
    for (auto& d : dirs) {
      FileId id;
      std::string candidate = path_join(d, "objcopy");
      if (stat_file(candidate.c_str(), &id) == 0 && id.is_regular() && (id.mode & 0111)) {
        found = candidate;
        break;
      }
      want_absent(d, "objcopy", "");
    }
    if (found.empty()) {
      refuse("objcopy, which the compiler runs, was not found");
      return false;
    }
    programs_.push_back(found);
  }
  if (!idle.empty()) {
    refuse(idle + " stands where the compiler looks for a program, and can't be run");
    return false;
  }
  info->given_files = files_;
  pending_ = info;
  return true;
}

bool Probe::read_trace(std::string_view text) {
  for (std::string_view line : split(text, '\n')) {
    while (!line.empty() && (line[0] == '\t' || line[0] == ' ')) line.remove_prefix(1);
    if (line.empty() || starts_with(line, "linux-vdso") || starts_with(line, "linux-gate") || line.find("statically linked") != std::string_view::npos) continue;
    if (line.find("not found") != std::string_view::npos) {
      refuse("a library of " + programs_[traced_] + " is missing");
      return false;
    }
    size_t arrow = line.find(" => "), end = line.rfind(" (0x");
    std::string_view name = arrow == std::string_view::npos ? line : line.substr(arrow + 4);
    if (end != std::string_view::npos) name = name.substr(0, name.rfind(" (0x"));
    if (name.empty() || name[0] != '/') {
      refuse("the libraries of " + programs_[traced_] + " could not be told");
      return false;
    }
    if (std::find(libraries_.begin(), libraries_.end(), name) == libraries_.end()) libraries_.emplace_back(name);
  }
  return true;
}

bool Probe::finish() {
  uint64_t epoch = looker_->new_epoch();
  PlaceSetBuilder set;
  KeyHasher identity("cchain compiler 1");
  std::string_view called = path_base(q_.called);
  identity.field("called", called);
  identity.field("family", static_cast<uint64_t>(q_.family));
  identity.field("stated", q_.stated_identity);
  auto input = [&](std::string_view label, const std::string& path, bool in_identity) {
    Digest d;
    Looker::Node* n = looker_->node(path);
    if (int e = looker_->digest(n, epoch, &d)) {
      refuse(path + ": " + strerror(e));
      return false;
    }
    if (looker_->look(n, epoch).id.newest_ns() > start_ns_ - kSafeNs) keep_ = false;
    set.file(path_dir(path), path_base(path), PlaceKind::kInput, true);
    if (in_identity) {
      identity.field(label, path_base(path));
      identity.field("content", d);
    }
    return true;
  };
  bool contents = q_.stated_identity.empty();
  for (size_t i = 0; i < programs_.size(); i++) {
    if (!input(i == 0 ? "driver" : "program", programs_[i], contents)) return false;
    // Where a link leads tells a driver where its programs and headers are.
    char real[PATH_MAX];
    if (i == 0 && realpath(programs_[i].c_str(), real) && programs_[i] != real) set.same(path_dir(real), path_base(real));
  }
  for (auto& l : libraries_)
    if (!input("library", l, contents)) return false;
  for (auto& f : files_)
    if (!input("file", f, true)) return false;
  for (auto& f : q_.extra_files)
    if (!input("extra file", f, true)) return false;
  for (auto& e : q_.extra_env) {
    const char* v = env_.get(e);
    identity.field("extra env", e);
    identity.field(v ? "set" : "unset", v ? v : "");
  }
  for (const char* f : {"/etc/ld.so.cache", "/etc/ld.so.preload"}) {
    FileId id;
    if (stat_file(f, &id) == 0) {
      if (!input("loader", f, false)) return false;
    } else {
      absent_.emplace_back("/etc", path_base(f));
    }
  }
  if (const char* path = env_.get("LD_LIBRARY_PATH"))
    for (std::string_view d : split(path, ':'))
      for (auto& l : libraries_) {
        std::string dir = d.empty() ? q_.cwd : path_join(q_.cwd, d);
        if (path_join(dir, path_base(l)) == l) continue;
        FileId id;
        if (stat_file(path_join(dir, path_base(l)).c_str(), &id) == 0) continue;  // there, not taken by the loader
        absent_.emplace_back(dir, path_base(l));
        absent_.emplace_back(dir, "glibc-hwcaps/.");
      }
  for (auto& [dir, name] : absent_) {
    uint32_t d = set.dir(dir);
    set.absent(d, d + 1, name);
  }
  for (auto& n : names_) set.file(path_dir(n), path_base(n), PlaceKind::kNames, true);
  for (auto& w : which_) {
    FileId id;
    if (stat_file(w.c_str(), &id) == 0) set.file(path_dir(w), path_base(w), PlaceKind::kWhich, true);
  }
  identity.field("target", pending_->target);
  identity.field("installed", install_dir_);
  identity.field("defaults", defaults_);
  pending_->identity = identity.finish();
  pending_->places = set.encode();
  Evaluation ev = evaluate(*looker_, *memo_, key_, pending_->places, q_.cwd, epoch);
  if (!ev.matched) {
    refuse("the compiler " + q_.path + " changed while it was asked: " + ev.why);
    return false;
  }
  pending_->expected = ev.key;
  info_ = pending_;
  return true;
}

std::string encode_compiler(const CompilerInfo& c) {
  std::string out;
  put_varint(&out, 4);
  put_varint(&out, static_cast<uint64_t>(c.family));
  auto digest = [&](const Digest& d) { put_string(&out, std::string_view(reinterpret_cast<const char*>(d.b.data()), 32)); };
  digest(c.identity);
  digest(c.expected);
  put_string(&out, c.version);
  put_string(&out, c.target);
  for (auto* list : {&c.quote_dirs, &c.bracket_dirs, &c.given_files}) {
    put_varint(&out, list->size());
    for (auto& d : *list) put_string(&out, d);
  }
  put_string(&out, c.notes);
  put_varint(&out, c.own_maps);
  put_string(&out, c.places);
  uint64_t check = xxh64(out);
  out.append(reinterpret_cast<const char*>(&check), 8);
  return out;
}

bool decode_compiler(std::string_view bytes, CompilerInfo* c) {
  if (bytes.size() < 8) return false;
  uint64_t check;
  memcpy(&check, bytes.data() + bytes.size() - 8, 8);
  bytes.remove_suffix(8);
  if (xxh64(bytes) != check) return false;
  Reader r(bytes);
  if (r.varint() != 4) return false;
  c->family = static_cast<Family>(r.varint());
  auto digest = [&](Digest* d) {
    std::string_view s = r.string();
    if (s.size() == 32) memcpy(d->b.data(), s.data(), 32);
    return s.size() == 32;
  };
  if (!digest(&c->identity) || !digest(&c->expected)) return false;
  c->version = r.string();
  c->target = r.string();
  for (auto* list : {&c->quote_dirs, &c->bracket_dirs, &c->given_files}) {
    uint64_t n = r.varint();
    if (n > r.left()) return false;
    for (uint64_t i = 0; i < n; i++) list->emplace_back(r.string());
  }
  c->notes = r.string();
  c->own_maps = r.varint();
  c->places = r.string();
  return r.ok() && r.at_end();
}

std::shared_ptr<const CompilerInfo> CompilerStore::get(const Digest& key, const std::string& cwd, uint64_t epoch, std::string* why, std::vector<Seen>* used) {
  std::shared_ptr<const CompilerInfo> info;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    auto it = known_.find(key);
    if (it != known_.end()) {
      if (it->second.epoch == epoch) return it->second.info;
      info = it->second.info;
    }
  }
  if (!info && !dir_.empty()) {
    Fd fd(open_private(file(key), O_RDONLY));
    FileId id;
    if (fd && fstat_file(fd.get(), &id) == 0 && id.size < (1u << 24)) {
      std::string bytes(id.size, '\0');
      auto c = std::make_shared<CompilerInfo>();
      if (pread(fd.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()) && decode_compiler(bytes, c.get())) info = c;
    }
  }
  if (!info) return nullptr;
  Evaluation ev = evaluate(*looker_, *memo_, key, info->places, cwd, epoch, used);
  if (!ev.matched || ev.key != info->expected) {
    if (why) *why = ev.matched ? "a program or directory of the compiler has changed" : ev.why;
    return nullptr;
  }
  std::lock_guard<std::mutex> lock(mutex_);
  known_[key] = {info, epoch};
  return info;
}

void CompilerStore::put(const Digest& key, std::shared_ptr<const CompilerInfo> info, bool on_disk) {
  if (on_disk && !dir_.empty() && make_dirs(dir_ + "/probes", 0700) == 0 && is_private_or_absent(dir_ + "/probes")) {
    PublishOptions o;
    o.replace = true;
    o.mode = 0600;
    publish_file(file(key), encode_compiler(*info), o);
  }
  std::lock_guard<std::mutex> lock(mutex_);
  known_[key] = {std::move(info), 0};
}

}  // namespace cchain

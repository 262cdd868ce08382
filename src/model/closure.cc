// SPDX-License-Identifier: Apache-2.0
#include "model/closure.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <set>

namespace cchain {

namespace {
constexpr size_t kMaxFiles = 20000;

// `list`: words with a blank behind each.
template <class F>
void each_word(const std::string& list, F f) {
  for (size_t at = 0, end; (end = list.find(' ', at)) != std::string::npos; at = end + 1) f(list.substr(at, end - at));
}
}

bool parse_depfile(std::string_view text, std::vector<std::string>* out) {
  // A whole one ends in a newline that is not escaped; one that a full disk has cut seldom does.
  if (text.size() < 2 || text.back() != '\n' || text[text.size() - 2] == '\\') return false;
  // The colon that ends the targets is the first one followed by white space or the end.
  size_t i = 0;
  for (;; i++) {
    if (i >= text.size() || text[i] == '\0') return false;
    if (text[i] == '\\' && i + 1 < text.size()) {
      i++;
      continue;
    }
    if (text[i] == ':' && (i + 1 == text.size() || strchr(" \t\n\r", text[i + 1]))) break;
  }
  i++;
  std::string word;
  auto flush = [&] {
    if (!word.empty()) out->push_back(std::move(word));
    word.clear();
  };
  for (; i < text.size(); i++) {
    char c = text[i];
    if (c == '\\' && i + 1 < text.size()) {
      char n = text[i + 1];
      if (n == '\n') {
        flush();
        i++;
      } else if (n == '\r' && i + 2 < text.size() && text[i + 2] == '\n') {
        flush();
        i += 2;
      } else if (n == ' ' || n == '\t' || n == '#') {
        // gcc writes 2N+1 backslashes and a space for N backslashes and a space in the name.
        size_t slashes = 0;
        while (!word.empty() && word.back() == '\\' && slashes < word.size()) {
          word.pop_back();
          slashes++;
        }
        word.append(slashes / 2, '\\');
        word += n;
        i++;
      } else {
        word += c;
      }
    } else if (c == '$' && i + 1 < text.size() && text[i + 1] == '$') {
      word += '$';
      i++;
    } else if (c == '\n') {
      break;
    } else if (c == ' ' || c == '\t' || c == '\r') {
      flush();
    } else {
      word += c;
    }
  }
  flush();
  return true;
}

int Closure::add_file(const std::string& dir, const std::string& name, bool plain, bool own) {
  std::string full = path_join(dir, name);
  auto [it, fresh] = file_index_.try_emplace(full, files_.size());
  if (!fresh) return static_cast<int>(it->second);
  File f;
  f.dir = path_dir(full);
  f.name = path_base(full);
  f.node = looker_->node(absolute(full));
  f.plain = plain || beside_precompiled(f.node);
  f.own = own;
  files_.push_back(std::move(f));
  return static_cast<int>(files_.size() - 1);
}

// Included once more by the source, gcc reads it as text.
bool Closure::beside_precompiled(const Looker::Node* n) const {
  if (!precompiled_node_ || path_base(precompiled_node_->path) != std::string(path_base(n->path)) + ".gch") return false;
  const Looker::Look beside = looker_->look(looker_->node(path_dir(n->path), path_base(precompiled_node_->path)), epoch_);
  return !beside.error && beside.id.same_file(precompiled_id_);  // by whatever name
}

bool Closure::precompiled(Looker::Node* dir, const std::string& dir_path, const std::string& name) {
  if (!may_be_precompiled_ || name.find('/') != std::string::npos) return false;
  Looker::Node* n = looker_->node(dir->path, name + ".gch");
  const Looker::Look header = looker_->look(looker_->node(dir->path, name), epoch_), made = looker_->look(n, epoch_);
  if (header.error || !header.id.is_regular() || made.error || !made.id.is_regular()) return false;
  precompiled_ = path_join(dir_path, name + ".gch");
  precompiled_node_ = n;
  precompiled_id_ = made.id;
  return true;
}

// The directory whose change would tell that the name has appeared: the deepest one on the way that is there.
bool Closure::descend(Looker::Node** node, std::string* watched, std::string* rest) {
  bool deeper = false;
  for (size_t slash; (slash = rest->find('/')) != std::string::npos;) {
    if (slash == 0) {
      rest->erase(0, 1);
      continue;
    }
    std::string next = path_join(*watched, rest->substr(0, slash));
    Looker::Node* n = looker_->node(absolute(next));
    Looker::Look look = looker_->look(n, epoch_);
    if (look.error || !look.id.is_dir()) break;
    *watched = next;
    *node = n;
    rest->erase(0, slash + 1);
    deeper = true;
  }
  return deeper;
}

int Closure::candidate(const std::string& dir, int chain, const std::string& name, Lookup* l) {
  Looker::Node* node = chain >= 0 ? chain_nodes_[chain] : looker_->node(absolute(dir));
  std::string watched = dir, rest = name;
  const bool deeper = descend(&node, &watched, &rest);
  if (takes_precompiled_ && !looker_->absent(node, rest + ".gch/.", epoch_) && !beside_precompiled(looker_->node(node->path, rest)) && !precompiled(node, watched, rest)) {
    fatal_ = true;
    refuse("a precompiled header stands beside " + node->path + "/" + rest);
    return -1;
  }
  if (looker_->absent(node, rest, epoch_)) {
    if (chain >= 0 && !deeper)
      l->chain_absent.push_back(static_cast<uint32_t>(chain));
    else
      l->absent.push_back({watched, node, rest});
    return 0;
  }
  Looker::Look look = looker_->look(looker_->node(node->path, rest), epoch_);
  if (look.error || !look.id.is_regular()) {
    fatal_ = true;
    refuse(node->path + "/" + rest + (look.error ? std::string(": ") + strerror(look.error) : " is no regular file"));
    return -1;
  }
  return 1;
}

bool Closure::resolve(const ScanOperand& op, const std::string& includer_dir, size_t* index) {
  const bool next = op.kind == ScanOperand::kIncludeNext || op.kind == ScanOperand::kHasNext;
  const bool test = op.kind == ScanOperand::kHas || op.kind == ScanOperand::kHasNext;
  std::string key;
  key += static_cast<char>('0' + (next ? 1 : 0) + (test ? 2 : 0) + (op.quoted ? 4 : 0));
  key += op.name;
  if (op.quoted) {
    key += '\0';
    key += includer_dir;
  }
  auto [it, fresh] = lookup_index_.try_emplace(std::move(key), lookups_.size());
  *index = it->second;
  if (!fresh) return true;
  lookups_.emplace_back();
  Lookup l;
  l.chain_name = op.name;
  l.test = test;
  auto exists = [&](const std::string& dir, const std::string& name) {
    l.exists.push_back({dir, name, looker_->look(looker_->node(absolute(path_join(dir, name))), epoch_).id});
  };
  auto found = [&](const std::string& dir, bool own) {
    if (test)
      exists(dir, op.name);
    else
      l.files.push_back(static_cast<size_t>(add_file(dir, op.name, false, own)));
  };
  bool done = false;
  if (!op.name.empty() && op.name[0] == '/') {
    std::string dir(path_dir(op.name)), base(path_base(op.name));
    int c = candidate(dir, -1, base, &l);
    if (c < 0) return false;
    if (c > 0) {
      if (test)
        exists(dir, base);
      else
        l.files.push_back(static_cast<size_t>(add_file("", op.name, false, false)));
    }
    done = true;
  } else if (op.quoted) {
    int c = candidate(includer_dir, -1, op.name, &l);
    if (c < 0) return false;
    if (c > 0) {
      bool own = false;
      for (size_t i = 0; i < chain_.size(); i++)
        if (chain_own_[i] && includer_dir.compare(0, chain_[i].size(), chain_[i]) == 0) own = true;
      found(includer_dir, own);
      done = !next;
    }
  }
  for (size_t i = op.quoted || next ? 0 : quote_count_; !done && i < chain_.size(); i++) {
    int c = candidate(chain_[i], static_cast<int>(i), op.name, &l);
    if (c < 0) return false;
    if (c > 0) {
      found(chain_[i], chain_own_[i]);
      done = !next;
    }
  }
  lookups_[*index] = std::move(l);
  return true;
}

// clang's own assembler does not say what it has read: its source must not be able to make it read anything.
bool Closure::assembler_is_silent() const { return command_->is_assembler() && !gch_; }

ScanAs Closure::scan_as(bool source) const {
  if (!command_->is_assembler()) return ScanAs::kC;
  if (assembler_is_silent() && command_->language == Language::kAsmCpp) return ScanAs::kMadeAssembler;
  return source ? ScanAs::kAssembler : ScanAs::kC;
}

bool Closure::scan_file(size_t i) {
  // files_ grows while we resolve: no references across it.
  Looker::Node* node = files_[i].node;
  Looker::Look look = looker_->look(node, epoch_, &files_[i].looked_ns);
  if (look.error) return refuse(node->path + ": " + strerror(look.error));
  if (!look.id.is_regular()) return refuse(node->path + " is no regular file");
  files_[i].look = look;
  if (int e = looker_->digest(node, epoch_, &files_[i].digest)) return refuse(node->path + ": " + strerror(e));
  const ScanAs as = scan_as(i == 0);
  std::shared_ptr<const ScanResult> scan;
  if (int e = looker_->scan(node, epoch_, as, &scan)) return refuse(node->path + ": " + strerror(e));
  files_[i].scan = scan;
  if (scan->flags & kScanAsmDoubt && !files_[i].own) asm_doubt_ = true;
  if (command_->is_preprocessed() && command_->has_directives() && !scan->operands.empty()) return refuse("an include directive or existence test in a source that is preprocessed already");
  if (!command_->reads_headers()) return true;
  std::string dir = files_[i].dir;
  for (const ScanOperand& op : scan->operands) {
    if (op.kind == ScanOperand::kGuarded) {
      files_[i].guarded.push_back(&op);  // the scan holds it
      continue;
    }
    if (op.kind >= ScanOperand::kMacro) {
      files_[i].macros.emplace_back(op.name, op.kind == ScanOperand::kMacroNext);
      macros_.try_emplace(op.name);
      continue;
    }
    size_t l;
    if (!resolve(op, dir, &l)) return false;
    files_[i].lookups.push_back(l);
  }
  return true;
}

// Whatever can't be looked at matters only if something is shown.
void Closure::note_shown() {
  std::map<std::string_view, size_t> index;
  for (auto& f : files_) {
    if (!f.scan) continue;
    for (auto& name : f.scan->lines) {
      auto [it, fresh] = index.try_emplace(name, shown_.size());
      f.shown.push_back(it->second);
      if (!fresh) continue;
      Shown& s = shown_.emplace_back();
      s.name = name;
      std::string watched(path_dir(name)), rest(path_base(name));
      Looker::Node* node = looker_->node(absolute(watched));
      descend(&node, &watched, &rest);
      if (looker_->absent(node, rest, epoch_)) {
        s.absent.test = true;  // no dependency file names it
        s.absent.absent.push_back({watched, node, rest});
        continue;
      }
      s.node = looker_->node(absolute(name));
      s.look = looker_->look(s.node, epoch_, &s.looked_ns);
      if (!s.look.error && s.look.id.is_regular()) s.look.error = looker_->digest(s.node, epoch_, &s.digest);
    }
  }
}

bool Closure::add_shown(PlaceSetBuilder* set, uint64_t epoch) {
  std::set<size_t> shown;
  for (auto& f : files_) {
    if (!f.read) continue;
    if (f.scan->flags & kScanLineDoubt) return refuse("a #line that could name any file, in " + f.node->path);
    shown.insert(f.shown.begin(), f.shown.end());
  }
  for (size_t i : shown) {
    const Shown& s = shown_[i];
    if (!s.node) {
      for (auto& a : s.absent.absent) {
        const uint32_t d = set->dir(a.dir);
        set->absent(d, d + 1, a.name);
      }
      continue;
    }
    if (s.look.error) return refuse(s.node->path + ", of which it may show lines: " + strerror(s.look.error));
    if (!s.look.id.is_regular()) return refuse(s.node->path + ", of which it may show lines, is no regular file");
    if (!unchanged(s.node, s.look, s.looked_ns, s.digest, epoch)) return false;
    set->file(path_dir(s.name), path_base(s.name), PlaceKind::kInput, true);
  }
  return true;
}

bool Closure::unchanged(const Looker::Node* node, const Looker::Look& before, int64_t looked_ns, const Digest& digest, uint64_t epoch) {
  const Looker::Look now = looker_->look(looker_->node(node->path), epoch);
  bool same = !now.error && now.id == before.id;
  std::string text;
  // Its times can't tell a change that came right after we read it.
  if (same && before.id.newest_ns() > looked_ns - kSafeNs) same = read_file(node->path.c_str(), &text, 1u << 30) == 0 && sha256(text) == digest;
  return same || refuse(node->path + " changed during the compile");
}

bool Closure::text_of(const File& f, std::string* text) {
  if (int e = read_file(f.node->path.c_str(), text, 1u << 30)) return refuse(f.node->path + ": " + strerror(e));
  if (sha256(*text) != f.digest) return refuse(f.node->path + " changed during the compile");
  return true;
}

bool Closure::defines(const File& f, const std::string& name, bool* yes, std::string* text, bool first) {
  KeyHasher kh(first ? "first macro 1" : "macro 3");
  kh.field("content", f.digest);
  kh.field("macro", name);
  Digest key = kh.finish();
  Table::Value v;
  if (!memo_->get(key, &v)) {
    if (text->empty() && !text_of(f, text)) return false;
    v.fill(0);
    v[0] = (first ? defines_macro_first(*text, name) : defines_macro(*text, name)) ? 2 : 1;
    memo_->put(key, v);
  }
  *yes = v[0] != 1;
  return true;
}

// Names that the compiler itself may define, or that a text may spell as \u1234.
static bool is_in_no_text(std::string_view name) {
  if (name == "linux" || name == "unix" || name == "i386") return true;
  if (name.size() > 1 && name[0] == '_' && (name[1] == '_' || (name[1] >= 'A' && name[1] <= 'Z'))) return true;
  return std::any_of(name.begin(), name.end(), [](char c) { return c & 0x80; });
}

// A directive that no compile with these texts reaches asks for nothing: one of the macros that its branches want is defined by nobody. Of the texts that were read
// one would have to be the first to define it.
bool Closure::check_guards() {
  std::map<std::string, bool> defined;
  auto is_defined = [&](const std::string& name, bool* yes) {
    auto [it, fresh] = defined.try_emplace(name, true);
    if (fresh && !unseen_defines_ && !is_in_no_text(name) && name.find('_') != std::string::npos && !name.starts_with("LANGUAGE_") && !defines_macro(defines_text_, name)) {
      it->second = false;
      for (size_t i = 0; !it->second && i < files_.size(); i++) {
        std::string text;
        if (files_[i].read && files_[i].scan && !defines(files_[i], name, &it->second, &text, true)) return false;
      }
    }
    *yes = it->second;
    return true;
  };
  computed_.clear();
  for (size_t i = 0; i < files_.size(); i++)
    for (size_t k = 0; files_[i].read && k < files_[i].guarded.size(); k++) {
      const ScanOperand& op = *files_[i].guarded[k];
      bool live = true;
      for (std::string_view rest = op.name; live && !rest.empty();) {
        const size_t end = std::min(rest.find(' '), rest.size());
        if (!is_defined(std::string(rest.substr(0, end)), &live)) return false;
        rest.remove_prefix(std::min(end + 1, rest.size()));
      }
      if (!live) continue;
      if (!op.quoted) return refuse("an #include of a macro in " + files_[i].node->path);
      if (computed_.empty() || computed_.back() != i) computed_.push_back(i);
    }
  return true;
}

// As gcc writes it into a dependency file.
static std::string_view without_dot(std::string_view path) {
  while (path.starts_with("./")) {
    path.remove_prefix(2);
    while (path.starts_with("/")) path.remove_prefix(1);
  }
  return path;
}

// What such an #include leads to stands in the dependency file as folder, slash and name (libcpp, append_file_to_dir), and what it leads to must have been known
// before the compile. So the names that it can have asked for are what is left of the files that were read without a folder that is searched; that the names are
// nowhere before is seen to by the times of the folders, which have not changed since. It must be so for all that was read: gcc only, who lists each file by each
// name that it was opened by, unless it knows a file that is to be included once by its contents, or exchanges the names of system headers.
bool Closure::cover_computed(const Evidence& e, uint64_t epoch) {
  computed_lookups_.clear();
  if (computed_.empty()) return true;
  const std::string what = "an #include of a macro in " + files_[computed_[0]].node->path;
  bool once;
  if (!once_by_macros(&once)) return false;
  if (!gch_ || !e.read || !e.outputs || !precompiled_.empty() || once) return refuse(what);
  if (!e.read_is_complete && (e.system_dirs_by_variable || !has_no_system_headers())) return refuse(what);
  const bool system_pragma = has_system_pragma();
  for (auto& f : files_) {
    if (!f.read || !f.scan) continue;
    if (f.scan->flags & (kScanOnce | kScanImport)) return refuse(what + ", beside #pragma once or #import in " + f.node->path);
    if (!e.as_spelled && may_be_renamed(f, system_pragma)) return refuse(what + ", beside system headers, which gcc gives other names");
  }
  epoch_ = epoch;
  bool others = false;
  const size_t known = files_.size();
  for (auto& p : *e.read) {
    Looker::Look l = looker_->look(looker_->node(absolute(p)), epoch);
    std::vector<size_t> same;
    bool by_name = false;
    for (size_t i = 0; i < known; i++) {
      if (l.error || !files_[i].look.id.same_file(l.id)) continue;
      same.push_back(i);
      by_name = by_name || without_dot(path_join(files_[i].dir, files_[i].name)) == without_dot(p);
    }
    if (same.empty()) continue;  // only tested, or finish() refuses it
    const bool includer = std::any_of(same.begin(), same.end(), [&](size_t i) { return std::count(computed_.begin(), computed_.end(), i) != 0; });
    // By a name that no text has, what it includes beside itself would be looked for elsewhere.
    const bool looks_beside = std::any_of(files_[same[0]].scan->operands.begin(), files_[same[0]].scan->operands.end(), [](auto& op) { return op.quoted && op.kind != ScanOperand::kGuarded; });
    if (!by_name && (includer || looks_beside || !files_[same[0]].macros.empty())) return refuse(what + ", which may lead to " + p);
    const size_t before = files_.size();
    for (size_t c : computed_) {
      const std::string dir = files_[c].dir;
      if (!cover_computed(dir, p, l.id)) return refused_.empty() ? refuse(what + ", which may lead to " + p) : false;
    }
    // A name that leads to another file was not asked, or that would have been read: if that was there already.
    for (size_t i = before; i < files_.size(); i++) {
      if (looker_->look(files_[i].node, epoch).id.same_file(l.id)) continue;
      others = true;
      if (!is_watched(std::string(path_dir(files_[i].node->path)))) return refuse(what + ", which may lead to " + files_[i].node->path);
    }
  }
  if (others && !ways_unchanged(*e.outputs, e.shows_lines)) return false;
  return true;
}

// What is left of the path without the folder, if it is one in it.
static std::string_view name_in(std::string_view dir, std::string_view path) {
  if (dir.empty() || dir == "." || dir == "./") return path[0] == '/' ? std::string_view() : without_dot(path);
  path = without_dot(path), dir = without_dot(dir);
  return path.size() > dir.size() + 1 && path.starts_with(dir) && path[dir.size()] == '/' ? path.substr(dir.size() + 1) : std::string_view();
}

// The folders that cover_computed() may have to judge.
void Closure::note_computed_ways() {
  std::set<std::string> from(chain_.begin(), chain_.end()), dirs;
  const size_t searched = from.size();
  bool any = false;
  for (auto& f : files_)
    if (std::any_of(f.guarded.begin(), f.guarded.end(), [](auto* op) { return op->quoted; })) any = true, from.insert(f.dir);
  if (!any || !gch_ || searched == 0) return;
  for (auto& f : files_)
    for (auto& d : from) dirs.emplace(path_dir(name_in(d, path_join(f.dir, f.name))));
  for (auto& d : from)
    for (auto& below : dirs) {
      std::string watched = d, rest = below + "/";
      Looker::Node* node = looker_->node(absolute(d));
      descend(&node, &watched, &rest);
      note_way(&ways_, node->path, true);
    }
}

bool Closure::cover_computed(const std::string& includer_dir, const std::string& listed, const FileId& id) {
  std::set<std::string> names;
  auto add = [&](const std::string& dir) {
    const std::string_view name = name_in(dir, listed);
    if (!name.empty()) names.emplace(name);
  };
  for (auto& d : chain_) add(d);
  add(includer_dir);
  for (auto& name : names)
    for (bool quoted : {true, false}) {
      size_t at;
      if (!resolve({ScanOperand::kInclude, quoted, name}, includer_dir, &at)) return false;
      const Lookup& l = lookups_[at];
      if (l.files.empty() || !looker_->look(files_[l.files[0]].node, epoch_).id.same_file(id)) continue;
      for (auto& a : l.absent)
        if (!is_watched(a.node->path)) return false;
      computed_lookups_.insert(at);
    }
  return true;
}

bool Closure::resolve_macros() {
  std::string text;
  bool yes;
  for (bool more = true; more;) {
    more = false;
    std::vector<std::string> names;
    for (auto& [name, m] : macros_) names.push_back(name);
    for (auto& name : names) {
      Macro& m = macros_[name];
      const char* refused = " is defined to something that is no header's name";
      if (!m.command_seen) {
        m.command_seen = true;
        if (is_in_no_text(name)) m.doubt = " may be the compiler's own, or spelled in another way";
        if (!read_include_macro(defines_text_, name, &m.operands, &m.others)) m.doubt = refused;
      }
      for (; m.files_seen < files_.size(); m.files_seen++) {
        const File& f = files_[m.files_seen];
        if (!f.scan) continue;  // a given file that is no source
        text.clear();
        if (!defines(f, name, &yes, &text)) return false;
        if (!yes) continue;
        if (text.empty() && !text_of(f, &text)) return false;
        if (!read_include_macro(text, name, &m.operands, &m.others)) m.doubt = refused;
      }
      for (auto& o : std::vector<std::string>(m.others)) more = macros_.try_emplace(o).second || more;
    }
  }
  // In <a/b.h>, not in "a/b.h", words that are macros themselves are replaced.
  std::map<std::string, bool> replaced;
  auto is_replaced = [&](const std::string& word) {
    auto [it, fresh] = replaced.try_emplace(word, is_in_no_text(word) || defines_macro(defines_text_, word));
    for (size_t i = 0; fresh && !it->second && i < files_.size(); i++) {
      if (!files_[i].scan) continue;
      text.clear();
      if (!defines(files_[i], word, &yes, &text)) yes = true;
      it->second = yes;
    }
    return it->second;
  };
  const size_t n = files_.size();
  for (size_t i = 0; i < n; i++) {
    for (auto& [name, next] : std::vector<std::pair<std::string, bool>>(files_[i].macros)) {
      std::set<std::string> seen = {name};
      std::vector<std::string> todo = {name};
      auto doubt = [&](const std::string& why) { files_[i].macro_doubt = "an #include of a macro in " + files_[i].node->path + ": " + why; };
      while (!todo.empty()) {
        std::string at = std::move(todo.back());
        todo.pop_back();
        const Macro& m = macros_[at];
        if (!m.doubt.empty()) doubt(at + m.doubt);
        for (auto& o : m.others)
          if (seen.insert(o).second) todo.push_back(o);
        for (auto& op : m.operands) {
          std::string word;
          for (size_t k = 0; !op.quoted && k <= op.name.size(); k++) {
            char c = k < op.name.size() ? op.name[k] : '\0';
            if (isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c & 0x80) {
              word += c;
              continue;
            }
            if (!word.empty() && !isdigit(static_cast<unsigned char>(word[0])) && is_replaced(word)) doubt(word + " in <" + op.name + "> is a macro");
            word.clear();
          }
          size_t l;
          if (!resolve({next ? ScanOperand::kIncludeNext : ScanOperand::kInclude, op.quoted, op.name}, files_[i].dir, &l)) return false;
          files_[i].lookups.push_back(l);
        }
      }
    }
  }
  return true;
}

void Closure::note_way(Ways* ways, const std::string& path, bool watched) {
  auto [it, fresh] = ways->try_emplace(path);
  if (!fresh) {
    it->second.watched = it->second.watched || watched;
    return;
  }
  Way& w = it->second;
  w.watched = watched;
  w.link = false;
  if (lstat_file(path.c_str(), &w.id) != 0) w.id = FileId{};
  if ((w.id.mode & 0170000) == 0120000) {
    // The link itself is on the way, and so is all that it leads through.
    FileId link = w.id;
    char real[PATH_MAX];
    if (realpath(path.c_str(), real)) {
      note_way(ways, real, watched);
      if (stat_file(real, &link) == 0 && !link.is_dir()) note_way(ways, std::string(path_dir(real)), false);
    }
    (*ways)[path].link = true;
  }
  std::string_view parent = path_dir(path);
  if (parent != path && !parent.empty()) note_way(ways, std::string(parent), false);
}

bool Closure::is_watched(const std::string& dir) const {
  auto way = ways_.find(dir);
  return way != ways_.end() && way->second.watched;
}

void Closure::note_ways() {
  for (auto* n : chain_nodes_) note_way(&ways_, n->path, true);
  if (precompiled_node_) note_way(&ways_, std::string(path_dir(precompiled_node_->path)), false);
  auto note_lookup = [&](Ways* ways, const Lookup& l) {
    for (auto& a : l.absent) note_way(ways, a.node->path, true);
    if (!l.test || !gch_) return;  // clang's dependency file names what a test found
    for (auto& a : l.absent) (*ways)[a.node->path].tested = true;
    for (uint32_t pos : l.chain_absent) (*ways)[chain_nodes_[pos]->path].tested = true;
  };
  auto note_file = [&](Ways* ways, Looker::Node* n) {
    note_way(ways, std::string(path_dir(n->path)), gch_);
    bool link;
    looker_->look_at_link(n, epoch_, &link);
    if (link) note_way(ways, n->path, false);
  };
  for (auto& l : lookups_) note_lookup(&ways_, l);
  for (auto& f : files_) note_file(&ways_, f.node);
  for (auto& s : shown_)
    if (s.node) note_file(&shown_ways_, s.node);
    else note_lookup(&shown_ways_, s.absent);
}

// Whether the last change of a folder that the compile itself writes to was that something new came in which is still there. Only that it did and what
// has gone again since is lost to the times of a folder; what has come and gone before the object came is not seen (DESIGN.md).
bool Closure::explained(const std::string& dir, const FileId& before, const FileId& now, const std::vector<std::string>& outputs) {
  auto explains = [&](const std::string& path) {
    int64_t born, changed;
    if (entry_times(path.c_str(), &born, &changed) != 0 || born <= before.mtime_ns) return false;
    // By its creation, or by a rename as the last step of it.
    return std::abs(born - now.mtime_ns) <= tick_ns() || std::abs(changed - now.mtime_ns) <= tick_ns();
  };
  for (auto& o : outputs)
    if (explains(o)) return true;
  std::vector<std::string> names;
  if (list_dir(dir, &names) != 0) return false;
  return std::any_of(names.begin(), names.end(), [&](const std::string& n) { return explains(path_join(dir, n)); });
}

void Closure::watch(const std::vector<std::string>& outputs) {
  constexpr int64_t kRecentNs = 10'000'000'000;
  std::set<std::string> ours;
  for (auto& o : outputs) ours.insert(std::string(path_dir(o)));
  const int64_t now = now_ns();
  auto watch_one = [&](const std::string& path, Way& w) {
    if (!w.watched || w.link || !w.id.is_dir() || w.id.mtime_ns < now - kRecentNs || ours.count(path)) return;
    // What changed between the look and the watch was there, or gone, before the compile began: its names are looked at again after it.
    FileId id;
    if (watch_.add(path) && lstat_file(path.c_str(), &id) == 0 && id.same_file(w.id)) w.id = id;
  };
  for (auto* ways : {&ways_, &shown_ways_})
    for (auto& [path, w] : *ways) watch_one(path, w);
}

bool Closure::others_only(const std::string& dir) {
  std::set<std::string> names;
  if (!watch_.names(dir, &names) || names.empty()) return false;
  auto looked_for = [&](std::string_view path) {
    while (!path.empty()) {
      const size_t slash = path.find('/');
      const std::string part(path.substr(0, slash));
      for (const char* suffix : {"", ".gch", ".pch"})
        if (names.count(part + suffix)) return true;
      path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    }
    return false;
  };
  for (auto& l : lookups_) {
    if (looked_for(l.chain_name)) return false;
    for (auto& a : l.absent)
      if (looked_for(a.name)) return false;
  }
  for (auto& f : files_)
    if (looked_for(f.name)) return false;
  return std::none_of(shown_.begin(), shown_.end(), [&](const Shown& s) { return looked_for(s.name); });
}

bool Closure::ways_unchanged(const std::vector<std::string>& outputs, bool shows_lines) {
  return ways_unchanged(ways_, outputs) && (!shows_lines || ways_unchanged(shown_ways_, outputs));
}

bool Closure::ways_unchanged(const Ways& ways, const std::vector<std::string>& outputs) {
  std::map<std::pair<uint64_t, uint64_t>, std::vector<std::string>> ours;
  for (auto& o : outputs) {
    FileId id;
    if (stat_file(std::string(path_dir(o)).c_str(), &id) == 0) ours[{id.dev, id.ino}].push_back(o);
  }
  for (auto& way : ways) {
    const std::string& path = way.first;
    const Way& w = way.second;
    FileId now;
    if (lstat_file(path.c_str(), &now) != 0) now = FileId{};
    if (now.same_file(w.id) && now.ctime_ns == w.id.ctime_ns && now.mtime_ns == w.id.mtime_ns) continue;
    // A folder in which files came or went has equal times; one that was renamed, even there and back, has a newer change time. In a folder on the
    // way only the next step matters, which is looked at by itself; in one where names were looked for, any may have come and gone.
    auto entries_only = [&] { return !w.link && now.same_file(w.id) && now.is_dir() && now.mtime_ns == now.ctime_ns; };
    auto own = ours.find({now.dev, now.ino});
    bool fine = entries_only() && (!w.watched || (own != ours.end() && (!w.tested || explained(path, w.id, now, own->second))));
    // Another compile of the same folder may just have taken its old object away, to put the new one there.
    for (int ms = 1; !fine && own != ours.end() && ms <= 8; ms *= 2) {
      timespec pause = {0, ms * 1'000'000};
      nanosleep(&pause, nullptr);
      fine = lstat_file(path.c_str(), &now) == 0 && entries_only() && explained(path, w.id, now, own->second);
    }
    if (!fine && !(entries_only() && others_only(path))) return refuse(path + " changed during the compile");
  }
  for (auto& l : lookups_)
    for (auto& x : l.exists)
      if (!exists_still(x)) return false;
  // One that was taken in place of a header keeps that out of the dependency file.
  const uint64_t epoch = looker_->new_epoch();
  for (auto& f : files_)
    if (takes_precompiled_ && !f.plain && !looker_->absent(looker_->node(path_dir(f.node->path)), f.name + ".gch/.", epoch))
      return refuse("a precompiled header appeared beside " + f.node->path);
  return true;
}

// One that was moved away and back has another change time.
bool Closure::exists_still(const Exists& x) {
  std::string full = absolute(path_join(x.dir, x.name));
  FileId now;
  return (stat_file(full.c_str(), &now) == 0 && now == x.id) || refuse(full + " changed during the compile");
}

bool Closure::known(const FileId& now) const {
  for (auto& f : files_)
    if (f.look.id == now) return true;
  return false;
}

bool Closure::has_date(const std::vector<std::string>& paths, bool source_date_epoch, uint64_t epoch) {
  Evidence e;
  e.source_date_epoch = source_date_epoch;
  Pieces pieces;
  note(&pieces, defines_.pieces);
  std::vector<std::shared_ptr<const ScanResult>> scans;
  uint32_t flags = defines_.flags;
  for (auto& p : paths) {
    std::shared_ptr<const ScanResult> scan;
    if (looker_->scan(looker_->node(absolute(p)), epoch, ScanAs::kC, &scan) != 0) return true;
    flags |= scan->flags;
    note(&pieces, scan->pieces);
    scans.push_back(std::move(scan));
  }
  if (flags & kScanTimestamp || (flags & kScanPragmaText && flags & kScanPragmaDoubt)) return true;
  const bool dates_fixed = source_date_epoch && command_->family == Family::kGcc;
  std::vector<const char*> names = {"__TIMESTAMP__"};
  if (!dates_fixed) names.insert(names.end(), {"__DATE__", "__TIME__"});
  const char* name;
  return (flags & kScanDate && !dates_fixed) || !find_pasted(pieces, names, &name) || name;
}

void Closure::note(Pieces* pieces, const std::vector<ScanPiece>& more) {
  for (auto& p : more) (*pieces)[p.word].push_back(&p);
}

// __DATE__ and friends pasted from pieces that stand in different files or in the command.
bool Closure::check_pieces(const Evidence& e) {
  auto letters = [](std::string_view w) { return std::count_if(w.begin(), w.end(), [](char c) { return c != '_'; }); };
  Pieces all, glue;
  note(&all, defines_.pieces);
  for (auto& f : files_) {
    if (!f.read) continue;
    // The compiler's own headers have single letters, and glue (`__ ## name`): their macros complete no name of the user's letters.
    for (auto& p : f.scan->pieces)
      if (!f.own || letters(p.word) > 1) all[p.word].push_back(&p);
      else if (letters(p.word) == 0) glue[p.word].push_back(&p);
  }
  const bool dates_fixed = e.source_date_epoch && command_->family == Family::kGcc;
  std::vector<const char*> names = {"__TIMESTAMP__"};
  if (!dates_fixed) names.insert(names.end(), {"__DATE__", "__TIME__"});
  if (pragma_doubt()) names.push_back("dependency");
  const char* name;
  if (!find_pasted(all, names, &name)) return false;
  if (!name && !glue.empty()) {
    // A word of all the letters, with its underscores on one side, is of no other use.
    for (auto& [word, where] : all)
      if (letters(word) >= 4 && (word[0] == '_' || word.back() == '_')) glue[word] = where;
    if (!find_pasted(glue, names, &name)) return false;
  }
  return !name || refuse(std::string("pieces that ") + name + " could be pasted from");
}

// Which of `names` could be made of the pieces, if any. An argument is pasted by a macro only.
bool Closure::find_pasted(const Pieces& pieces, const std::vector<const char*>& names, const char** found) {
  *found = nullptr;
  std::vector<std::string> words;
  for (auto& [word, where] : pieces) words.push_back(word);
  auto pasted = [&] { return std::find_if(names.begin(), names.end(), [&](const char* n) { return can_be_pasted(words, n); }); };
  if (pasted() == names.end()) return true;
  std::map<std::string, bool> macros;
  for (auto& [word, where] : pieces)
    for (auto* p : where)
      for (auto* list : {&p->callers, &p->beside}) each_word(*list, [&](const std::string& w) { macros.emplace(w, false); });
  if (!find_macros(&macros)) return false;
  words.clear();
  auto reached = [&](const ScanPiece* p) {
    bool called = p->callers.empty(), alone = true;
    each_word(p->callers, [&](const std::string& w) { called = called || macros[w]; });
    each_word(p->beside, [&](const std::string& w) { alone = alone && macros[w]; });
    return called && alone;
  };
  for (auto& [word, where] : pieces)
    if (std::any_of(where.begin(), where.end(), reached)) words.push_back(word);
  auto it = pasted();
  if (it != names.end()) *found = *it;
  return true;
}

// Which of `names` any file of the closure, or the command, defines as a macro.
bool Closure::find_macros(std::map<std::string, bool>* names) {
  std::string text;
  for (auto& [name, is_macro] : *names) is_macro = defines_macro(defines_text_, name);
  for (auto& f : files_) {
    text.clear();
    for (auto& [name, is_macro] : *names)
      if (!is_macro && f.scan && !defines(f, name, &is_macro, &text)) return false;
  }
  return true;
}

// Then -MMD leaves nothing out: for gcc a system header stands in a directory of the system, or says so, or is included by one.
bool Closure::has_no_system_headers() const {
  const auto& words = command_->probe_args;
  if (!gch_ || std::find(words.begin(), words.end(), "-nostdinc") == words.end()) return false;
  // -B brings directories of the system too; one that is given twice is of the system.
  if (std::any_of(words.begin(), words.end(), [](const std::string& w) { return w.starts_with("-B"); })) return false;
  const auto& dirs = command_->search_dirs;
  if (std::any_of(dirs.begin(), dirs.end(), [](const SearchDir& d) { return d.kind == SearchDir::kSystem || d.kind == SearchDir::kAfter; })) return false;
  for (auto& d : chain_)
    if (std::none_of(dirs.begin(), dirs.end(), [&](const SearchDir& s) { return s.path == d; })) return false;
  return std::none_of(files_.begin(), files_.end(), [](const File& f) { return f.scan && f.scan->flags & kScanSystemHeader; });
}

bool Closure::assembler_may_read() const {
  constexpr uint32_t kMay = kScanAsmFile | kScanAsmDoubt | kScanSpells;
  return command_->language == Language::kAsmCpp || asm_doubt_ || defines_.flags & kMay ||
         std::any_of(files_.begin(), files_.end(), [&](const File& f) { return f.scan && f.scan->flags & (f.own ? kMay & ~kScanAsmDoubt : kMay); });
}

// Whether a pragma may be made by macros.
bool Closure::pragma_doubt() const {
  bool doubt = defines_.flags & kScanPragmaDoubt;
  for (auto& f : files_) doubt = doubt || (f.read && f.scan->flags & kScanPragmaDoubt);
  return doubt;
}

bool Closure::explore(const Command& command, const CompilerInfo& compiler, const std::string& cwd, uint64_t epoch, bool described) {
  unseen_defines_ = described || command.input_files.size() > (command.module_mapper.empty() ? 0 : 1) || !compiler.given_files.empty();
  bool ok = explore_files(command, compiler, cwd, epoch);
  if (ok && gch_) note_shown();
  note_ways();
  if (ok) note_computed_ways();
  return ok;
}

bool Closure::explore_files(const Command& command, const CompilerInfo& compiler, const std::string& cwd, uint64_t epoch) {
  command_ = &command;
  cwd_ = cwd;
  epoch_ = epoch;
  gch_ = compiler.family == Family::kGcc;
  takes_precompiled_ = gch_ && !command.makes_precompiled;  // gcc 12 to 16 look for none while they make one
  chain_ = compiler.quote_dirs;
  quote_count_ = chain_.size();
  chain_.insert(chain_.end(), compiler.bracket_dirs.begin(), compiler.bracket_dirs.end());
  for (auto& d : chain_) {
    chain_nodes_.push_back(looker_->node(absolute(d)));
    bool users = false, system = false;
    for (auto& s : command.search_dirs) {
      std::string_view p = s.path;
      while (p.size() > 1 && p.back() == '/') p.remove_suffix(1);
      if (p != d && s.path != d) continue;
      users = true;
      system = system || s.kind >= SearchDir::kSystem;
    }
    chain_system_.push_back(system || !users);
    chain_own_.push_back(!users && (d.compare(0, 5, "/usr/") == 0 || d.find("/lib/gcc/") != std::string::npos || d.find("/lib/clang/") != std::string::npos));
  }
  add_file("", command.source, true, false);
  for (size_t i = 0; i < command.key_args.size(); i++) {
    std::string_view a = command.key_args[i];
    auto define = [&](std::string d) {
      size_t equals = d.find('=');
      if (equals != std::string::npos) d[equals] = ' ';
      defines_text_ += "#define " + d + "\n";
    };
    if (a.substr(0, 4) == "-Wp,") {
      for (size_t comma = 3; comma < a.size();) {
        std::string_view word = a.substr(comma + 1, a.find(',', comma + 1) - comma - 1);
        if (word.substr(0, 2) == "-D") define(std::string(word.substr(2)));
        comma += 1 + word.size();
      }
      continue;
    }
    if (a == "-Xpreprocessor") a = command.key_args[++i];
    if (a.substr(0, 2) != "-D") continue;
    define(std::string(a.size() > 2 ? a.substr(2) : i + 1 < command.key_args.size() ? std::string_view(command.key_args[i + 1]) : std::string_view()));
  }
  if (!defines_text_.empty()) defines_ = cchain::scan(defines_text_, scan_as(false));
  if (command.reads_headers()) {
    std::vector<ScanOperand> ops = {{ScanOperand::kInclude, false, "stdc-predef.h"}};
    for (auto* list : {&command.imacros, &command.includes, &command.cc1_includes})
      for (auto& f : *list) ops.push_back({ScanOperand::kInclude, true, f});
    for (auto& op : ops) {
      size_t l;
      may_be_precompiled_ = takes_precompiled_ && op.quoted && forced_.size() == 1 && command.imacros.empty();
      const size_t before = files_.size();
      if (!resolve(op, "", &l)) return false;
      may_be_precompiled_ = false;
      if (!precompiled_.empty() && forced_.size() == 1) {
        if (files_.size() == before) return refuse("a precompiled header of " + op.name + ", which is another file too");
        files_.back().plain = true;
      }
      forced_.push_back(l);
    }
    if (!gch_ && !find_precompiled_of_clang()) return false;
    if (!precompiled_.empty() && !add_precompiled()) return false;
  }
  std::vector<std::string> others = command.input_files;
  others.insert(others.end(), compiler.given_files.begin(), compiler.given_files.end());
  for (auto& f : others) {
    size_t i = static_cast<size_t>(add_file("", f, true, false));
    files_[i].read = true;
    files_[i].look = looker_->look(files_[i].node, epoch_, &files_[i].looked_ns);
    if (files_[i].look.error || !files_[i].look.id.is_regular()) return refuse(f + " can't be read");
    if (int e = looker_->digest(files_[i].node, epoch_, &files_[i].digest)) return refuse(f + ": " + strerror(e));
    files_[i].scan = std::make_shared<ScanResult>();
  }
  // A file that a macro leads to may define another one.
  for (size_t i = 0; i < files_.size();) {
    for (; i < files_.size(); i++) {
      if (files_.size() > kMaxFiles) return refuse("more than 20000 files could be read");
      if (!files_[i].scan && !scan_file(i)) return false;
    }
    if (!macros_.empty() && !resolve_macros()) return false;
  }
  if (!command.module_mapper.empty() && !check_module_map()) return false;
  constexpr uint32_t kEarly = kScanComputedInclude | kScanEmbed | kScanDependency | kScanModule | kScanAsmFile | kScanPch | kScanTimestamp | kScanTooMuch;
  return (!(files_[0].scan->flags & kEarly) && !assembler_is_silent()) || check_flags(files_[0], {}, true);
}

// A file of lines "NAME FILE", with "$root DIR" for the folder of files that are not named; DIR/NAME.gcm is looked for in any case, where gcc 11 to 16 spell
// an absolute path as ./path, another as ,/path, and a part ".." as ",,".
bool Closure::check_module_map() {
  const std::string& map = command_->module_mapper;
  std::string text, root;
  if (!text_of(*std::find_if(files_.begin(), files_.end(), [&](const File& f) { return path_join(f.dir, f.name) == map; }), &text)) return false;
  for (std::string_view rest = text; !rest.empty();) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.empty() || line[0] == '#') continue;
    if (!line.starts_with("$root ") || line.size() == 6 || line.find_first_of(" \t\r\"'\\\0", 6, 7) != line.npos) return refuse("a module in " + map);
    root = line.substr(6);
  }
  for (size_t i = 1; i < files_.size(); i++) {
    if (files_[i].plain) continue;  // was given, not included
    std::string path = path_join(files_[i].dir, files_[i].name), name;
    if (path.starts_with("./")) path.erase(0, 2);
    name = path[0] == '/' ? "." : ",/";
    for (size_t at = 0; at < path.size();) {
      const size_t end = std::min(path.find('/', at), path.size());
      const std::string part = path.substr(at, end - at);
      name.append(part == ".." ? ",," : part).append(end < path.size() ? "/" : "");
      at = end + 1;
    }
    Lookup l;
    const int found = candidate(root, -1, name + ".gcm", &l);
    if (found < 0) return false;
    if (found > 0) return refuse("a header unit for " + path);
    files_[i].lookups.push_back(lookups_.size());
    lookups_.push_back(std::move(l));
  }
  return true;
}

bool Closure::check_flags(const File& f, const Evidence& e, bool early) {
  return check_flags(f.scan->flags, f.node->path, f.own, e, early);
}
bool Closure::check_flags(uint32_t flags, const std::string& where, bool own, const Evidence& e, bool early) {
  auto in = [&](const char* what) { return refuse(std::string(what) + " in " + where); };
  if (flags & kScanTooMuch) return in("a text that takes too long to read");
  if (flags & kScanEmbed) return in("#embed");
  if (flags & kScanDependency) return in("#pragma GCC dependency");
  if (flags & kScanModule) return in("a module declaration");
  if (flags & kScanPch) return in("a precompiled header pragma");
  if (flags & kScanTimestamp) return in("__TIMESTAMP__");
  // With -S nothing is assembled.
  const bool assembles = command_->outputs.empty() || command_->outputs[0].role != "assembly";
  // gcc's assembler will say what it has read.
  const bool told = e.assembler_read_nothing || (early && gch_);
  if (flags & kScanAsmFile && assembles && !told) return in(".incbin or .include");
  if (assembler_is_silent()) {
    if (flags & kScanAsmDoubt) return in("a macro of the assembler");
    if (flags & kScanPaste) return in("##, which can make any directive of the assembler,");
  }
  if (command_->has_directives()) {
    if (flags & kScanComputedInclude) return in("an #include of a macro");
    if (flags & kScanComputedHas) return in("a __has_include of a macro");
    if (flags & kScanDate && !(e.source_date_epoch && command_->family == Family::kGcc)) return in("__DATE__ or __TIME__");
  }
  if (flags & kScanPragmaText && !early && pragma_doubt()) return in("a string or macro that _Pragma could make __DATE__, __TIME__ or #pragma GCC dependency of");
  if (assembles && !own && !e.assembler_read_nothing && !early) {
    if (flags & kScanAsmDoubt) return in("inline assembler made by macros");
    if (flags & kScanSpells) return in("a string that could spell .incbin or .include");
  }
  return true;
}

// The texts that are judged must be those that it was made of.
bool Closure::check_precompiled(uint64_t epoch) {
  const std::string path(precompiled_node_->path);
  const Looker::Look now = looker_->look(precompiled_node_, epoch);
  if (now.error || !(now.id == precompiled_id_)) return refuse(path + " changed during the compile");
  for (size_t i = 0; i < made_of_.size(); i++) {
    const File& f = files_[made_of_[i]];
    if (f.digest != made_.files[i].digest) return refuse("the precompiled header " + path + " was made of another " + std::string(f.node->path));
  }
  const std::string moved = made_.timed ? moved_text(looker_, made_, epoch) : "";
  return moved.empty() || refuse(moved + " has another time than when the precompiled header " + path + " was made");
}

bool Closure::add_precompiled() {
  Digest digest;
  const std::string path(precompiled_node_->path);
  if (int e = looker_->digest(precompiled_node_, epoch_, &digest)) return refuse(path + ": " + strerror(e));
  if (!find_precompiled(looker_, digest, &made_)) return refuse("the precompiled header " + path + " was not made through the cache");
  for (auto& f : made_.files) {
    const std::string dir = made_.folder_in(cwd_, f);
    bool own = false;
    for (size_t i = 0; i < chain_.size(); i++) own = own || (chain_own_[i] && dir.starts_with(chain_[i]));
    made_of_.push_back(static_cast<size_t>(add_file(dir, f.name, true, own)));
  }
  return true;
}

// The driver tells cc1 of what stands beside the first word of -include, in the working directory and not along the path.
bool Closure::find_precompiled_of_clang() {
  const Command& c = *command_;
  auto out = [&](std::string why) {
    fatal_ = true;  // preprocessed source does not show it
    return refuse(std::move(why));
  };
  std::string taken = c.precompiled;
  for (size_t i = 0; i < c.includes.size(); i++) {
    const std::string& name = c.includes[i];
    Looker::Node* dir = looker_->node(absolute(path_dir(name)));
    Lookup absent;
    for (const char* suffix : {".pch", ".gch"}) {
      const std::string file = std::string(path_base(name)) + suffix;
      if (looker_->absent(dir, file + "/.", epoch_)) {
        absent.absent.push_back({std::string(path_dir(name)), dir, file + "/."});
        continue;
      }
      if (i > 0 || !taken.empty()) return out("a precompiled header stands beside " + name);
      taken = name + suffix;
      break;
    }
    forced_.push_back(lookups_.size());
    lookups_.push_back(std::move(absent));
  }
  if (taken.empty()) return true;
  if (c.makes_precompiled) return out("a precompiled header that is made of another one");
  precompiled_node_ = looker_->node(absolute(taken));
  const Looker::Look look = looker_->look(precompiled_node_, epoch_);
  if (look.error || !look.id.is_regular()) return out(std::string(precompiled_node_->path) + (look.error ? std::string(": ") + strerror(look.error) : " is no regular file"));
  precompiled_ = taken;
  precompiled_id_ = look.id;
  return true;
}

// A macro that stands for __has_include is fine where its operands are literals, which the scanner lists.
bool Closure::check_aliases() {
  std::set<std::string> aliases;
  for (auto& f : files_)
    if (f.read) aliases.insert(f.scan->has_aliases.begin(), f.scan->has_aliases.end());
  for (auto& alias : aliases)
    for (auto& f : files_) {
      if (!f.read) continue;
      KeyHasher kh("alias 2");
      kh.field("content", f.digest);
      kh.field("alias", alias);
      Digest key = kh.finish();
      Table::Value v;
      if (!memo_->get(key, &v)) {
        std::string text;
        if (!text_of(f, &text)) return false;
        v.fill(0);
        v[0] = alias_escapes(text, alias) ? 2 : 1;
        memo_->put(key, v);
      }
      if (v[0] != 1) return refuse("a use of " + alias + ", which stands for __has_include, in " + f.node->path);
    }
  return true;
}

// Whether macros may make a #pragma once.
bool Closure::once_by_macros(bool* yes) {
  const char* pasted = nullptr;
  if (pragma_doubt()) {
    Pieces pieces;
    note(&pieces, defines_.pieces);
    for (auto& f : files_)
      if (f.read && !f.own) note(&pieces, f.scan->pieces);
    if (!find_pasted(pieces, {"once"}, &pasted)) return false;
  }
  *yes = pasted;
  return true;
}

// #pragma once and #import take two files for one where gcc finds equal contents and times (#import of files that do not say so either), clang the same
// inode; clang's dependency file names one that was read by two names but once. What is one file must stay one; two of equal contents are refused.
bool Closure::check_twins() {
  bool imports = false;
  std::map<Digest, File*> by_digest;
  for (auto& f : files_) {
    if (!f.read) continue;
    imports = imports || f.scan->flags & kScanImport;
    by_digest.try_emplace(f.digest, &f);
  }
  bool pasted;
  if (!once_by_macros(&pasted)) return false;
  imports = imports || pasted;
  for (auto& f : files_) {
    auto it = by_digest.find(f.digest);
    if (it == by_digest.end() || it->second == &f) continue;
    // A twin that was left out is in no dependency file.
    const bool once = imports || f.scan->flags & kScanOnce;
    if (!f.read && !once) continue;
    if (it->second->look.id.same_file(f.look.id))
      it->second->twins.push_back(&f);
    else if (once)
      return refuse("#pragma once or #import with two equal files: " + it->second->node->path + " and " + f.node->path);
  }
  return true;
}

bool Closure::has_system_pragma() const {
  auto any = [&](auto f) { return std::any_of(files_.begin(), files_.end(), [&](const File& file) { return file.scan && !file.own && f(*file.scan); }); };
  return gch_ && any([](const ScanResult& s) { return s.flags & kScanSystemHeader; }) && any([](const ScanResult& s) {
           return std::any_of(s.operands.begin(), s.operands.end(), [](const ScanOperand& op) { return op.kind >= ScanOperand::kMacro || (op.quoted && op.name[0] != '/'); });
         });
}

bool Closure::may_be_renamed(const File& f, bool system_pragma) const {
  if (system_pragma) return true;
  for (size_t i = 0; i < chain_.size(); i++)
    if (chain_system_[i] && (chain_[i] == "." || f.dir.starts_with(chain_[i]))) return true;
  return false;
}

void Closure::note_real_name(File* f, std::map<std::string, std::string>* real_dirs) {
  const std::string dir = absolute(f->dir), spelled = path_join(f->dir, f->name), full = absolute(spelled);
  char real[PATH_MAX];
  FileId id;
  // A name with folders in it may lead through links of its own.
  const bool plain = f->name.find('/') == std::string::npos && lstat_file(full.c_str(), &id) == 0 && (id.mode & 0170000) != 0120000;
  auto [it, fresh] = real_dirs->try_emplace(plain ? dir : full);
  if (!fresh) return;  // one file tells where its folder is
  it->second = realpath(it->first.c_str(), real) ? real : it->first;
  const std::string name = plain ? path_join(it->second, f->name) : it->second;
  if (name != full) f->listed_as.push_back(name);
}

bool Closure::looks_by_file_name() const {
  static constexpr std::string_view kNames[] = {"__FILE__", "__BASE_FILE__", "__builtin_FILE"};
  for (std::string_view name : kNames)
    if (macros_.count(std::string(name))) return true;
  for (auto& f : files_) {
    if (!f.scan) continue;
    if (f.scan->flags & (kScanComputedHas | kScanAsmFile)) return true;
    if (!(f.scan->flags & kScanComputedInclude) && f.guarded.empty()) continue;
    std::string text;
    if (read_file(f.node->path.c_str(), &text, 1u << 30) != 0) return true;
    for (std::string_view name : kNames)
      if (text.find(name) != text.npos) return true;
  }
  return (defines_.flags & (kScanComputedHas | kScanAsmFile)) != 0;
}

bool Closure::finish(const Evidence& e, uint64_t epoch, std::string* set_bytes) {
  refused_.clear();
  for (auto& f : files_) f.listed_as.clear(), f.twins.clear();
  files_[0].read = true;
  if (e.read) {
    std::map<std::pair<uint64_t, uint64_t>, std::vector<size_t>> by_inode;
    bool source_listed = false;
    for (size_t i = 0; i < files_.size(); i++) by_inode[{files_[i].look.id.dev, files_[i].look.id.ino}].push_back(i);
    for (auto& p : *e.read) {
      Looker::Look l = looker_->look(looker_->node(absolute(p)), epoch);
      auto it = l.error ? by_inode.end() : by_inode.find({l.id.dev, l.id.ino});
      if (it == by_inode.end()) {
        // clang lists what it only tested the existence of.
        bool tested = false;
        for (size_t k = 0; !l.error && k < lookups_.size() && !tested; k++)
          for (auto& x : lookups_[k].exists) tested = tested || x.id.same_file(l.id);
        if (tested || (precompiled_node_ && !l.error && l.id.same_file(precompiled_id_))) continue;
        for (auto& f : files_) {  // what most likely led there
          if (!f.macro_doubt.empty()) return refuse(f.macro_doubt);
          if (f.scan && f.scan->flags & kScanComputedInclude) return check_flags(f, e, false);
          if (!f.guarded.empty()) return refuse("an #include of a macro in " + f.node->path);
        }
        return refuse("it read " + p + ", which its text does not include");
      }
      bool by_name = false;
      for (size_t i : it->second) {
        files_[i].read = true;
        source_listed = source_listed || i == 0;
        by_name = by_name || without_dot(p) == without_dot(path_join(files_[i].dir, files_[i].name));
      }
      // gcc writes where a link to a system header leads: the dependency file is only right while it leads there.
      if (!by_name) files_[it->second[0]].listed_as.push_back(p);
    }
    if (!source_listed) return refuse("its dependency file does not name the source");
    // gcc does not list what a precompiled header was made of, and looks at some of it again (#pragma once).
    if (!precompiled_.empty() && gch_)
      for (auto& f : files_) f.read = true;
    for (size_t i : made_of_) files_[i].read = true;
    if (!e.read_is_complete && (e.system_dirs_by_variable || !has_no_system_headers()))
      for (auto& f : files_) f.read = true;
  } else {
    for (auto& f : files_) f.read = true;
  }
  if (command_->sarif && !gch_) {
    // The report names each file by where links lead to.
    if (!precompiled_.empty()) return refuse("a SARIF report with a precompiled header");
    std::map<std::string, std::string> real_dirs;
    for (auto& f : files_)
      if (f.read) note_real_name(&f, &real_dirs);
  }
  if (gch_ && (!e.as_spelled || !precompiled_.empty())) {
    // gcc names a system header by where links lead to, if that is shorter, in diagnostics, __FILE__ and debug information too. A link that flips between equal files is
    // another name, also where the old one was the shorter.
    std::map<std::string, std::string> real_dirs;
    const bool system_pragma = has_system_pragma();
    for (auto& f : files_)
      if (f.read && f.scan && may_be_renamed(f, system_pragma)) note_real_name(&f, &real_dirs);
  }
  if (!precompiled_.empty() && !check_precompiled(epoch)) return false;
  if (command_->is_assembler() && gch_ && !e.assembler_read_nothing) return refuse("assembler source, and its assembler does not say what it read");
  if (!check_guards() || !cover_computed(e, epoch) || !check_twins()) return false;
  PlaceSetBuilder set;
  set.bases = e.bases;
  if (takes_precompiled_) set.flags |= PlaceSet::kGch;
  if (command_->makes_precompiled && !gch_ && !command_->untimed) set.flags |= PlaceSet::kTimes;
  std::vector<uint32_t> chain_dirs;
  for (auto& d : chain_) chain_dirs.push_back(set.dir(d));
  std::set<size_t> lookups(forced_.begin(), forced_.end());
  lookups.insert(computed_lookups_.begin(), computed_lookups_.end());
  for (auto& f : files_) {
    if (!f.read) continue;
    if (!check_flags(f, e, false)) return false;
    if (!f.macro_doubt.empty()) return refuse(f.macro_doubt);
    if (!unchanged(f.node, f.look, f.looked_ns, f.digest, epoch)) return false;
    set.file(f.dir, f.name, PlaceKind::kInput, f.plain);
    for (auto& p : f.listed_as) set.same(path_dir(p), path_base(p));
    for (const File* t : f.twins) set.same(t->dir, t->name);
    lookups.insert(f.lookups.begin(), f.lookups.end());
  }
  if (!precompiled_.empty()) set.file(path_dir(precompiled_), path_base(precompiled_), PlaceKind::kPrecompiled, true);
  for (size_t i : lookups) {
    const Lookup& l = lookups_[i];
    // That they are still absent is for evaluate() to find.
    for (uint32_t pos : l.chain_absent) set.absent(chain_dirs[pos], chain_dirs[pos] + 1, l.chain_name);
    for (auto& a : l.absent) {
      uint32_t d = set.dir(a.dir);
      set.absent(d, d + 1, a.name);
    }
    for (auto& x : l.exists) {
      if (!exists_still(x)) return false;
      std::string full = path_join(x.dir, x.name);
      set.file(path_dir(full), path_base(full), PlaceKind::kExists, beside_precompiled(looker_->node(absolute(full))));
    }
  }
  if (gch_ && e.shows_lines && !add_shown(&set, epoch)) return false;
  if (!check_flags(defines_.flags, "the command's definitions", false, e, false)) return false;
  if (!check_aliases() || !check_pieces(e)) return false;
  *set_bytes = set.encode();
  return true;
}

}  // namespace cchain

// SPDX-License-Identifier: Apache-2.0
#include "model/relocate.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "base/fs.h"

namespace cchain {

namespace {

bool is_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }
bool in_name(char c) { return is_alnum(c) || strchr("_.-+~@", c); }  // NUL too
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }
bool either_begins(std::string_view a, std::string_view b) { return a.starts_with(b) || b.starts_with(a); }

// Where links lead to on the way to a path, as far as it is there.
std::string real_path(const std::string& path) {
  std::string there = path, rest;
  char real[PATH_MAX];
  while (!realpath(there.c_str(), real)) {
    if (errno != ENOENT || there == "/") return path;
    rest = "/" + std::string(path_base(there)) + rest;
    there = path_dir(there);
  }
  return (real[1] ? real : "") + rest;
}

// Each place in `text` where a base stands, in order: f(position, base), until that is false.
template <class F>
bool each_place(std::string_view text, const std::vector<std::string>& dirs, F f) {
  std::vector<size_t> next(dirs.size(), 0);
  for (size_t at = 0;;) {
    size_t first = text.npos, base = 0;
    for (size_t i = 0; i < dirs.size(); i++) {
      if (next[i] != text.npos && (next[i] < at || at == 0)) next[i] = text.find(dirs[i], at);
      if (next[i] < first) first = next[i], base = i;
    }
    if (first == text.npos) return true;
    if (!f(first, base)) return false;
    at = first + 1;
  }
}

constexpr std::string_view kPathOptions[] = {"-iquote", "-isystem", "-idirafter", "-include-pch", "-include", "-imacros", "-I"};
// The word behind these is theirs, whatever it looks like.
constexpr std::string_view kOpaque[] = {"-D",          "-U",       "-L",             "-l",      "-u",     "-z",      "-x",
                                        "-Xassembler", "-Xlinker", "-Xpreprocessor", "-Xclang", "-mllvm", "-target", "--param", "-mthread-model"};
// What these make of a path is not to be found in the object by its text.
constexpr std::string_view kHiding[] = {"-flto", "-fsanitize", "-funique-internal-linkage-names", "-funique-source-file-names", "-fprofile", "-fcoverage", "-fcs-profile",
                                        "-fpseudo-probe", "-fmemory-profile", "-gembed-source", "-fwhole-program-vtables", "-fcanon-prefix-map", "--coverage", "-coverage", "-ftest-coverage",
                                        "-fsave-optimization-record", "-gsplit-dwarf", "-fdiagnostics-format=sarif", "-fdiagnostics-format=SARIF"};
// Whose value is looked for in paths: what it finds depends on where the checkout is, though no base stands in it.
constexpr std::string_view kMatching = "-finstrument-functions-exclude-file-list=";

// f(word, where its path begins or npos) for each word.
template <class F>
void each_word(const std::vector<std::string>& words, F f) {
  enum { kOption, kPath, kOther, kClang } next = kOption;
  bool to_clang = false;  // -Xclang -include, whose operand follows another -Xclang
  for (auto& w : words) {
    const auto what = next;
    next = kOption;
    if (what != kOption) {
      f(w, what == kPath ? 0 : w.npos);
      to_clang = what == kClang && (w == "-include" || w == "-include-pch");
      continue;
    }
    auto option = std::find_if(std::begin(kPathOptions), std::end(kPathOptions), [&](std::string_view o) { return w.starts_with(o); });
    const bool path = option != std::end(kPathOptions), joined = path && w.size() > option->size();
    if (path && !joined) next = kPath;
    if (std::find(std::begin(kOpaque), std::end(kOpaque), w) != std::end(kOpaque)) next = w != "-Xclang" ? kOther : to_clang ? kPath : kClang;
    f(w, joined ? option->size() : w.npos);
  }
}

// -f…-prefix-map=OLD=NEW
bool split_map(std::string_view word, std::string_view* option, std::string_view* from, std::string_view* to) {
  size_t name = word.find("-prefix-map=");
  if (!word.starts_with("-f") || name == word.npos) return false;
  *option = word.substr(0, name + 12);
  std::string_view value = word.substr(name + 12);
  size_t equals = value.find('=');
  *from = value.substr(0, equals);
  *to = equals == value.npos ? std::string_view() : value.substr(equals + 1);
  return true;
}

}  // namespace

// ---- paths

std::string Bases::add(std::string dir) {
  auto quoted = [&] { return "\"" + dir + "\""; };
  if (dir.empty() || dir[0] != '/') return quoted() + " is no absolute path";
  if (dir == "/") return "\"/\" can't be a base folder, for everything lies under it";
  if (!std::all_of(dir.begin(), dir.end(), [](char c) { return c && (c == '/' || in_name(c)); }))
    return quoted() + " can't be a base folder: its path may have letters, digits and any of _ . - + ~ @ only";
  for (std::string_view odd : {"//", "/./", "/../"})
    if ((dir + "/").find(odd) != dir.npos) return quoted() + " can't be a base folder: its path has an empty part, \".\" or \"..\"";
  if (std::string real = real_path(dir); real != dir) return quoted() + " can't be a base folder: it leads through a link to \"" + real + "\", which is to be given instead";
  for (auto& d : dirs_)
    if (either_begins(d, dir))
      return quoted() + " can't be a base folder beside \"" + d + "\": " + (d == dir ? "it is given twice" : "one begins as the other, which prefix maps can't tell apart");
  if (dirs_.size() == kMost) return "there can be 8 base folders at the most";
  dirs_.push_back(std::move(dir));
  return {};
}

Bases::Where Bases::where(std::string_view path) const {
  Where w = Where::kElsewhere;
  for (auto& d : dirs_) {
    if (!path.starts_with(d)) continue;
    if (path.size() == d.size() || path[d.size()] == '/') return Where::kUnder;
    w = Where::kBeside;
  }
  return w;
}

std::string Bases::fold(std::string_view path) const {
  for (size_t i = 0; i < dirs_.size(); i++)
    if (path.starts_with(dirs_[i]) && (path.size() == dirs_[i].size() || path[dirs_[i].size()] == '/'))
      return std::string(1, '\0') + static_cast<char>('0' + i) + std::string(path.substr(dirs_[i].size()));
  return std::string(path);
}

std::string Bases::unfold(std::string_view path) const {
  if (path.size() < 2 || path[0] != '\0' || path[1] < '0' || static_cast<size_t>(path[1] - '0') >= dirs_.size()) return std::string(path);
  return dirs_[static_cast<size_t>(path[1] - '0')] + std::string(path.substr(2));
}

bool Bases::in(std::string_view text) const {
  return std::any_of(dirs_.begin(), dirs_.end(), [&](const std::string& d) { return text.find(d) != text.npos; });
}

bool Bases::begins_path_in(std::string_view bytes) const {
  return !each_place(bytes, dirs_, [&](size_t at, size_t) { return at > 0 && (is_alnum(bytes[at - 1]) || bytes[at - 1] == '_'); });
}

bool Bases::fold_text(std::string_view text, std::string* out) const {
  out->clear();
  if (text.find('\0') != text.npos) return false;
  size_t done = 0;
  bool sure = each_place(text, dirs_, [&](size_t at, size_t base) {
    const size_t end = at + dirs_[base].size();
    if ((at > 0 && (in_name(text[at - 1]) || text[at - 1] == '/')) || (end < text.size() && in_name(text[end]))) return false;
    out->append(text, done, at - done);
    out->push_back('\0');
    out->push_back(static_cast<char>('0' + base));
    done = end;
    return true;
  });
  out->append(text, done);
  return sure;
}

std::string Bases::unfold_text(std::string_view text) const {
  std::string out;
  size_t done = 0;
  for (size_t at = 0; (at = text.find('\0', at)) != text.npos; at++) {
    if (at + 1 == text.size() || text[at + 1] < '0' || static_cast<size_t>(text[at + 1] - '0') >= dirs_.size()) continue;
    out.append(text, done, at - done).append(dirs_[static_cast<size_t>(text[at + 1] - '0')]);
    done = at + 2;
  }
  return out.append(text, done);
}

void Bases::add_to(KeyHasher* h) const {
  for (auto& d : dirs_) h->field("base", d);
}

// ---- commands

bool is_under_base(const Command& c, const Bases& bases, std::string_view cwd, std::string_view pwd) {
  auto under = [&](std::string_view path) { return bases.where(path) == Bases::Where::kUnder; };
  return under(cwd) || under(pwd) || under(c.source) || std::any_of(c.search_dirs.begin(), c.search_dirs.end(), [&](const SearchDir& d) { return under(d.path); }) ||
         std::any_of(c.includes.begin(), c.includes.end(), under) || std::any_of(c.imacros.begin(), c.imacros.end(), under) ||
         std::any_of(c.cc1_includes.begin(), c.cc1_includes.end(), under) || under(c.precompiled);
}

std::string relocate(const Command& c, const Bases& bases, std::string_view cwd, std::string_view pwd, const std::vector<std::string>& key_env, Relocation* r) {
  const bool gcc = c.family == Family::kGcc;
  std::string why;
  auto refuse = [&](std::string text) {
    if (why.empty()) why = std::move(text);
  };
  auto brief = [](const std::string& word) { return word.find('=') == word.npos ? word : word.substr(0, word.find('=') + 1) + "…"; };
  std::vector<bool> mapped(bases.dirs().size());
  auto path = [&](std::string_view p) {
    if (bases.where(p) == Bases::Where::kBeside) refuse("the path " + std::string(p) + " begins as a base folder does");
  };
  for (std::string_view p : {cwd, pwd, std::string_view(c.source)}) path(p);
  for (auto& e : key_env)
    if (bases.in(e)) refuse("the variable " + brief(e) + " holds a base folder");
  bool canonical = false;
  each_word(c.key_args, [&](const std::string& w, size_t at) {
    if (at != w.npos) return path(std::string_view(w).substr(at));
    std::string_view option, from, to;
    if (split_map(w, &option, &from, &to)) {
      for (size_t i = 0; i < mapped.size(); i++) {
        const std::string& d = bases.dirs()[i];
        if (!either_begins(from, d)) continue;
        // Of maps that fit, gcc takes the one that is given last, the user's; clang the one that comes first in an order of its own.
        const bool all = from == d || from == d + "/";
        if (!all && from.size() < d.size()) refuse("the map " + w + " begins above a base folder");
        if (!gcc && !(all && option == "-ffile-prefix-map=")) refuse("the map " + w + " is for a part of a base folder");
        if (all && option == "-ffile-prefix-map=") mapped[i] = true;
      }
      if (bases.in(to)) refuse("the map " + w + " leads to a base folder");
      return;
    }
    if (bases.in(w)) refuse("the word " + brief(w) + " holds a base folder");
    for (std::string_view h : kHiding)
      if (w.starts_with(h)) refuse("the option " + w + " hides which paths the object holds");
    if (w.starts_with(kMatching)) refuse("the option " + w + " chooses files by their paths");
    r->checksums = r->checksums || (w.starts_with("-g") && w != "-g0");
    canonical = canonical || w == "-fcanonical-system-headers";
  });
  for (auto& f : c.input_files) refuse("the file " + f + " may choose others by their paths");
  for (size_t at = 0; at < c.dep_target.size();) {
    size_t end = std::min(c.dep_target.find('\0', at), c.dep_target.size());
    std::string_view piece = std::string_view(c.dep_target).substr(at, end - at);
    if (!piece.empty()) piece.remove_prefix(1);
    if (bases.in(piece) && bases.where(piece) != Bases::Where::kUnder) refuse("the dependency file's target holds a base folder");
    at = end + 1;
  }
  if (!why.empty()) return why;
  r->bases = &bases;
  r->family = c.family;
  for (size_t i = 0; i < mapped.size(); i++)
    if (gcc || !mapped[i]) r->maps.push_back("-ffile-prefix-map=" + bases.dirs()[i] + "=" + Bases::name(i));
  // gcc writes the shorter of a system header's name and of where it is.
  auto moves = [&](const SearchDir& d) { return d.kind >= SearchDir::kSystem && (d.path[0] != '/' || bases.where(d.path) == Bases::Where::kUnder); };
  bool by_variable = std::any_of(key_env.begin(), key_env.end(), [](const std::string& e) { return e.substr(0, e.find('=')).ends_with("PATH"); });
  r->as_spelled = gcc && (c.probe_cwd || by_variable || std::any_of(c.search_dirs.begin(), c.search_dirs.end(), moves));
  if (r->as_spelled && canonical) return "-fcanonical-system-headers writes names that depend on the folder";
  if (r->as_spelled) r->maps.emplace_back(kAsSpelled);
  return {};
}

std::vector<std::string> folded_args(const Command& c, const Bases& bases) {
  std::vector<std::string> out;
  each_word(c.key_args, [&](const std::string& w, size_t at) {
    std::string_view option, from, to;
    if (at != w.npos)
      out.push_back(w.substr(0, at) + bases.fold(std::string_view(w).substr(at)));
    else if (split_map(w, &option, &from, &to))
      out.push_back(std::string(option) + bases.fold(from) + "=" + std::string(to));
    else
      out.push_back(w);
  });
  return out;
}

std::string folded_target(const Command& c, const Bases& bases) {
  std::string out;
  std::string_view left = c.dep_target;
  for (bool first = true; !left.empty(); first = false) {
    size_t end = std::min(left.find('\0'), left.size());
    const size_t mark = first || end == 0 ? 0 : 1;
    if (!first) out += std::string(1, '\0') + std::string(left.substr(0, mark));
    out += bases.fold(left.substr(mark, end - mark));
    left.remove_prefix(std::min(end + 1, left.size()));
  }
  return out;
}

// ---- files

Folding fold_source(std::string_view text, const Bases& bases, std::string* out) {
  out->clear();
  if (!bases.in(text)) return Folding::kNone;
  // What looks like a directive may stand in a string.
  if (text.find('\0') != text.npos || text.find("R\"") != text.npos) return Folding::kApart;
  size_t done = 0;
  bool sure = each_place(text, bases.dirs(), [&](size_t at, size_t base) {
    const size_t start = text.rfind('\n', at) + 1, end = std::min(text.find('\n', at), text.size());  // npos + 1 is 0
    std::string_view line = text.substr(start, end - start);
    if (line.find('\\') != line.npos || line.find("?\?/") != line.npos) return false;
    std::string_view before = text.substr(0, start ? start - 1 : 0);
    while (!before.empty() && strchr(" \t\r\v\f", before.back())) before.remove_suffix(1);
    if (before.ends_with('\\') || before.ends_with("?\?/")) return false;
    size_t i = 0;
    auto blanks = [&] {
      const size_t from = i;
      while (i < line.size() && is_blank(line[i])) i++;
      return i > from;
    };
    auto digits = [&] {
      const size_t from = i;
      while (i < line.size() && line[i] >= '0' && line[i] <= '9') i++;
      return i > from;
    };
    auto word = [&](std::string_view w) { return line.substr(i).starts_with(w) && (i += w.size()); };
    blanks();
    if (!word("#")) return false;
    blanks();
    bool includes = word("include_next") || word("include") || word("import");
    if (!includes && word("line") && !blanks()) return false;
    if (!includes && !digits()) return false;
    blanks();
    const char close = includes && i < line.size() && line[i] == '<' ? '>' : '"';
    if (i >= line.size() || line[i] != (close == '>' ? '<' : '"') || start + i + 1 != at) return false;
    const size_t rest = i + 1 + bases.dirs()[base].size(), quote = line.find(close, i + 1);
    if (quote == line.npos || (rest != quote && line[rest] != '/')) return false;
    for (size_t k = quote + 1; k < line.size(); k++)
      if (!is_blank(line[k]) && !(line[k] >= '0' && line[k] <= '9')) return false;
    out->append(text, done, at - done);
    out->push_back('\0');
    out->push_back(static_cast<char>('0' + base));
    done = start + rest;
    return true;
  });
  out->append(text, done);
  return sure ? Folding::kFolded : Folding::kApart;
}

int relocated_digest(Table* memo, Looker::Node* n, const Digest& plain, const Relocation& r, Digest* out, Folding* folding) {
  // clang puts the path of a source into the names of what has none (lambdas), which a constant expression can make anything of.
  std::string_view path = n->path;
  const bool names = r.family == Family::kClang && path.find("/c++/") == path.npos && path.find("/lib/clang/") == path.npos && !path.ends_with("/assert.h");
  KeyHasher kh("relocated 2");
  kh.field("content", plain);
  kh.field("names", names ? 1 : 0);
  r.bases->add_to(&kh);
  const Digest key = kh.finish();
  Table::Value v;
  if (!memo->get(key, &v)) {
    std::string text, as_folded;
    if (int e = read_file(n->path.c_str(), &text, 1u << 30)) return e;
    if (sha256(text) != plain) return ESTALE;
    Folding f = fold_source(text, *r.bases, &as_folded);
    for (std::string_view name : {"PRETTY", "FUNCSIG", "source_location"})
      if (names && text.find(name) != text.npos) f = Folding::kApart;
    Digest d = plain;
    if (f != Folding::kNone) {
      KeyHasher h(f == Folding::kFolded ? "folded source 1" : "source apart 1");
      if (f == Folding::kFolded) h.field("text", as_folded);
      else h.field("content", plain), r.bases->add_to(&h);
      d = h.finish();
    }
    v.fill(0);
    memcpy(v.data(), d.b.data(), 32);
    v[32] = static_cast<uint8_t>(f);
    memo->put(key, v);
  }
  memcpy(out->b.data(), v.data(), 32);
  *folding = static_cast<Folding>(v[32]);
  return 0;
}

// ---- dependency files

namespace {

// How long the name of a prerequisite is without what clang escapes in it; it breaks lines by that.
size_t bare_size(std::string_view w) {
  size_t size = 0, slashes = 0;
  for (size_t i = 0; i < w.size(); i++) {
    if (w[i] == ' ') size -= (slashes + 1) / 2;
    else if (w[i] == '#' && slashes > 0) size--;
    else if (w[i] == '$' && i + 1 < w.size() && w[i + 1] == '$') i++;
    slashes = w[i] == '\\' ? slashes + 1 : 0;
    size++;
  }
  return size;
}

// The first rule with its lines broken as the compiler breaks them; what comes after it stays.
std::string laid_out(std::string_view text, Family family) {
  size_t end = 0;
  while (end < text.size() && !(text[end] == '\n' && (end == 0 || text[end - 1] != '\\'))) end++;
  std::vector<std::string_view> words;
  for (size_t i = 0; i < end;) {
    if (text[i] == ' ' || text[i] == '\n' || (text[i] == '\\' && i + 1 < end && text[i + 1] == '\n')) {
      i++;
      continue;
    }
    size_t from = i;
    for (; i < end && text[i] != ' ' && text[i] != '\n'; i++)
      if (text[i] == '\\' && i + 1 < end && text[i + 1] != '\n') i++;
    words.push_back(text.substr(from, i - from));
  }
  std::string out;
  size_t column = 0;
  bool targets = true;
  for (auto w : words) {
    const bool last = targets && w.ends_with(':');
    const size_t size = w.size() - (last ? 1 : 0);
    if (family == Family::kGcc) {
      if (column && column + size > 72) out += " \\\n", column = 0, out += ' ', column = 1;
      else if (column) out += ' ', column++;
      column += size;
    } else if (targets) {
      if (column == 0) column = size;
      else if (column + size + 2 > 75) column = size + 2, out += " \\\n  ";
      else column += size + 1, out += ' ';
    } else {
      const size_t bare = bare_size(w);
      if (column + bare + 3 > 75) out += " \\\n ", column = 2;
      out += ' ';
      column += bare + 1;
    }
    out += w;
    if (last) targets = false, column++;
  }
  return out.append(text, end);
}

}  // namespace

// The first byte says how lines are broken.
bool fold_depfile(std::string_view text, Family family, const Bases& bases, std::string* out) {
  std::string folded;
  if (!bases.fold_text(text, &folded)) return false;
  *out = laid_out(text, family) != text ? 'k' : family == Family::kGcc ? 'g' : 'c';
  *out += folded;
  return true;
}

std::string unfold_depfile(std::string_view stored, const Bases& bases) {
  if (stored.empty()) return {};
  std::string text = bases.unfold_text(stored.substr(1));
  return stored[0] == 'g' ? laid_out(text, Family::kGcc) : stored[0] == 'c' ? laid_out(text, Family::kClang) : text;
}

}  // namespace cchain

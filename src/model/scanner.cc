// SPDX-License-Identifier: Apache-2.0
#include "model/scanner.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <set>
#include <unordered_set>

#include "base/varint.h"

namespace cchain {

namespace {

constexpr size_t npos = std::string_view::npos;

// string_view::find stops at each first letter; memmem doesn't.
size_t find_in(std::string_view t, std::string_view word, size_t at = 0) {
  if (at >= t.size()) return npos;
  const void* p = memmem(t.data() + at, t.size() - at, word.data(), word.size());
  return p ? static_cast<size_t>(static_cast<const char*>(p) - t.data()) : npos;
}

constexpr bool is_ident(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' || static_cast<unsigned char>(c) >= 0x80; }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\f' || c == '\v' || c == '\0'; }
bool is_newline(char c) { return c == '\n' || c == '\r'; }

// Both compilers join lines before anything else; so do we, once, and the rest never sees a splice. True if there was one; `joints`: where in `out`.
bool join_lines(std::string_view in, std::string* out, std::vector<size_t>* joints = nullptr) {
  bool any = false;
  size_t copied = 0;
  for (size_t at = 0; (at = in.find('\\', at)) != npos || copied == 0;) {
    if (at == npos) break;
    size_t end = at + 1;
    while (end < in.size() && is_space(in[end])) end++;  // gcc takes white space behind the backslash
    if (end < in.size() && is_newline(in[end])) {
      size_t next = end + 1;
      if (in[end] == '\r' && next < in.size() && in[next] == '\n') next++;
      out->append(in.substr(copied, at - copied));
      if (joints) joints->push_back(out->size());
      copied = at = next;
      any = true;
    } else {
      at++;
    }
  }
  if (any) out->append(in.substr(copied));
  return any;
}

std::string without_trigraph(std::string_view text) {
  std::string plain;
  size_t from = 0;
  for (size_t at; (at = find_in(text, "?\?/", from)) != npos; from = at + 3) (plain += text.substr(from, at - from)) += '\\';
  return plain += text.substr(from);
}

// Which apostrophes stand within a number: 1'000. They are asked for from front to back.
class Separators {
 public:
  explicit Separators(std::string_view t) : t_(t) {}
  bool at(size_t at) {
    if (at + 1 >= t_.size() || !is_ident(t_[at + 1])) return false;
    size_t i = at;
    while (i > 0 && i != seen_ && (is_ident(t_[i - 1]) || t_[i - 1] == '\'')) i--;
    if (i != seen_) start_ = i;  // else the word goes on that the last one stood in
    seen_ = at;
    return start_ < at && t_[start_] >= '0' && t_[start_] <= '9';
  }

 private:
  std::string_view t_;
  size_t start_ = 0, seen_ = npos;
};

// Steps that are made again and again over the same text: a text that needs many times its size in them was made to keep us busy, and is given up (kScanTooMuch).
class Effort {
 public:
  explicit Effort(size_t size) : left_((size_t{1} << 20) + 64 * size) {}
  bool spend(size_t steps) const { return left_ > steps ? left_ -= steps, true : (left_ = 0, false); }
  bool exhausted() const { return left_ == 0; }

 private:
  mutable size_t left_;
};

// How a text is to be read where that depends on the language, or the compiler.
struct Reading {
  bool raw_strings;  // R"(…)": C++11, and gnu99 of gcc
  bool separators;   // 1'000: C++14, C23
  bool lone_returns; // a carriage return alone ends a line: clang
};

// Where comments and string literals are, in one reading.
class Lexed {
 public:
  Lexed(std::string_view t, const Reading& reading, const std::vector<size_t>& joints) : t_(t), reading_(reading), effort_(t.size()) {
    const size_t n = t.size();
    for (size_t i = 0; i < n && reliable_;) {
      const char c = t[i];
      if (is_ident(c) || (c == '.' && i + 1 < n && is_digit(t[i + 1]))) {
        const size_t start = i;
        i = is_ident(c) && !is_digit(c) ? word_end(i) : number_end(i);
        if (i < n && t[i] == '"' && reading.raw_strings && is_raw_prefix(t.substr(start, i - start))) i = raw_string(i, joints);
      } else if (c == '/' && i + 1 < n && (t[i + 1] == '*' || t[i + 1] == '/')) {
        // In <a/*b.h> no comment begins; whether this is such a name need not be known.
        if (in_header_name(i)) reliable_ = false;
        const size_t start = i;
        if (t[i + 1] == '*') {
          const size_t close = t.find("*/", i + 2);
          i = close == npos ? n : close + 2;
        } else {
          while (i < n && !ends_line(i)) i++;
        }
        ranges_.push_back({start, i, false});
      } else if (c == '"' || c == '\'') {
        i = literal(i);
      } else {
        i++;
      }
    }
  }
  bool reliable() const { return reliable_; }
  enum Place { kCode, kComment, kString };
  Place place(size_t pos) const {
    if (!reliable_) return kCode;
    auto it = std::upper_bound(ranges_.begin(), ranges_.end(), pos, [](size_t p, const Range& r) { return p < r.first; });
    if (it == ranges_.begin() || pos >= std::prev(it)->end) return kCode;
    return std::prev(it)->string ? kString : kComment;
  }

 private:
  struct Range {
    size_t first, end;
    bool string;
  };
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  static bool is_raw_prefix(std::string_view w) { return w == "R" || w == "LR" || w == "uR" || w == "UR" || w == "u8R"; }
  bool ends_line(size_t i) const { return t_[i] == '\n' || (t_[i] == '\r' && (reading_.lone_returns || (i + 1 < t_.size() && t_[i + 1] == '\n'))); }
  size_t word_end(size_t i) const {
    while (i < t_.size() && is_ident(t_[i])) i++;
    return i;
  }
  size_t number_end(size_t i) const {
    while (i < t_.size()) {
      if (is_ident(t_[i]) || t_[i] == '.')
        i++;
      else if ((t_[i] == '+' || t_[i] == '-') && strchr("eEpP", t_[i - 1]))
        i++;
      else if (t_[i] == '\'' && reading_.separators && i + 1 < t_.size() && is_ident(t_[i + 1]))
        i++;
      else
        break;
    }
    return i;
  }
  // One that does not end on its line, an apostrophe in prose, takes the rest of the line with it.
  size_t literal(size_t start) {
    const char quote = t_[start];
    for (size_t i = start + 1; i < t_.size(); i++) {
      if (t_[i] == '\\' && i + 1 < t_.size() && !ends_line(i + 1)) {
        // In "a\" behind #include it escapes nothing.
        if (t_[i + 1] == '"' && names_header(line_before(start))) reliable_ = false;
        i++;
      } else if (t_[i] == quote) {
        ranges_.push_back({start, i + 1, true});
        return i + 1;
      } else if (ends_line(i)) {
        return i;
      }
    }
    return t_.size();
  }
  size_t raw_string(size_t quote, const std::vector<size_t>& joints) {
    const size_t open = t_.find('(', quote);
    const std::string_view delimiter = t_.substr(quote + 1, open == npos ? 0 : open - quote - 1);
    const bool valid = open != npos && delimiter.size() <= 16 && delimiter.find_first_of(" \t\v\f\r\n\\)\"") == npos;
    const size_t close = valid ? find_in(t_, ")" + std::string(delimiter) + "\"", open + 1) : npos;
    // In it lines are not joined: what we see is not what the compiler sees.
    const size_t end = close == npos ? t_.size() : close + delimiter.size() + 2;
    auto joint = std::upper_bound(joints.begin(), joints.end(), quote);
    if (close == npos || (joint != joints.end() && *joint <= end)) reliable_ = false;
    ranges_.push_back({quote, end, true});
    return end;
  }
  std::string_view line_before(size_t at) {
    size_t line = at;
    while (line > 0 && !is_newline(t_[line - 1])) line--;
    if (!effort_.spend(at - line)) reliable_ = false;
    return t_.substr(line, at - line);
  }
  // The line's beginning may be hidden behind the end of a comment.
  static bool names_header(std::string_view head) {
    for (std::string_view w : {"include", "import", "embed", "depend", "*/"})
      if (head.find(w) != npos) return true;
    return false;
  }
  bool in_header_name(size_t at) {
    std::string_view head = line_before(at);
    size_t open = head.rfind('<');
    return open != npos && head.find('>', open) == npos && names_header(head.substr(0, open));
  }

  std::string_view t_;
  Reading reading_;
  Effort effort_;
  bool reliable_ = true;
  std::vector<Range> ranges_;
};

// The same in every reading that any language makes of the text.
class Readings {
 public:
  Readings(std::string_view t, const std::vector<size_t>& joints) {
    bool raw = find_in(t, "R\"") != npos, separators = false, returns = false;
    Separators within(t);
    for (size_t i = 0; !separators && (i = t.find('\'', i)) != npos; i++) separators = within.at(i);
    for (size_t i = 0; !returns && (i = t.find('\r', i)) != npos; i++) returns = i + 1 < t.size() && t[i + 1] != '\n';
    for (int k = 0; k < 8; k++) {
      Reading r = {(k & 1) != 0, (k & 2) != 0, (k & 4) != 0};
      if ((r.raw_strings && !raw) || (r.separators && !separators) || (r.lone_returns && !returns)) continue;
      lexed_.emplace_back(t, r, joints);
    }
  }
  // No code in any reading.
  bool inert(size_t pos) const {
    return std::all_of(lexed_.begin(), lexed_.end(), [&](const Lexed& l) { return l.place(pos) != Lexed::kCode; });
  }
  // A string in one of them.
  bool string(size_t pos) const {
    return std::any_of(lexed_.begin(), lexed_.end(), [&](const Lexed& l) { return l.place(pos) == Lexed::kString; });
  }
  bool comment(size_t pos) const {
    return std::all_of(lexed_.begin(), lexed_.end(), [&](const Lexed& l) { return l.place(pos) == Lexed::kComment; });
  }
  // Code in every one, for certain.
  bool code(size_t pos) const {
    return std::all_of(lexed_.begin(), lexed_.end(), [&](const Lexed& l) { return l.reliable() && l.place(pos) == Lexed::kCode; });
  }

 private:
  std::vector<Lexed> lexed_;
};

class Branches;

class Text {
 public:
  // `joints`: where lines were joined.
  Text(std::string_view t, std::vector<size_t> joints) : t_(t), joints_(std::move(joints)), effort_(t.size()) {}
  // False: too much. What is found is then worth nothing.
  bool spend(size_t steps) const { return effort_.spend(steps); }
  bool exhausted() const { return effort_.exhausted(); }
  const Branches& branches();
  std::string_view text() const { return t_; }
  // In a comment or a string literal, in every reading; in a comment, in every one; in a string in one of them.
  bool inert(size_t pos) { return readings().inert(pos); }
  bool comment(size_t pos) { return readings().comment(pos); }
  bool string(size_t pos) { return readings().string(pos); }
  bool code(size_t pos) { return readings().code(pos); }
  // Over white space and block comments, over lines too if `lines`.
  size_t skip(size_t i, bool lines = false) const {
    while (i < t_.size() && !exhausted()) {
      if (is_space(t_[i]) || (lines && is_newline(t_[i]))) {
        if (++i % 64 == 0) spend(64);
      } else if (t_[i] == '/' && i + 1 < t_.size() && t_[i + 1] == '*') {
        size_t end = t_.find("*/", i + 2);
        end = end == npos ? t_.size() : end + 2;
        if (!spend(end - i)) return i;
        i = end;
      } else if (lines && t_[i] == '/' && i + 1 < t_.size() && t_[i + 1] == '/') {
        const size_t start = i;
        while (i < t_.size() && !is_newline(t_[i])) i++;
        if (!spend(i - start)) return start;
      } else {
        break;
      }
    }
    return i;
  }
  size_t word_end(size_t i) const {
    while (i < t_.size() && is_ident(t_[i])) i++;
    return i;
  }
  // The rest of a directive with comments made spaces; `end` is where it ends.
  std::string line(size_t i, size_t* end) const {
    std::string out;
    *end = i;
    if (exhausted()) return out;
    char quote = 0;
    Separators separators(t_);
    const size_t start = i;
    for (; i < t_.size() && !is_newline(t_[i]); i++) {
      char c = t_[i];
      if (quote) {
        out += c;
        if (c == '\\' && i + 1 < t_.size() && !is_newline(t_[i + 1])) out += t_[++i];
        else if (c == quote) quote = 0;
      } else if (c == '/' && i + 1 < t_.size() && t_[i + 1] == '*') {
        size_t close = t_.find("*/", i + 2);
        i = close == npos ? t_.size() - 1 : close + 1;
        out += ' ';
      } else if (c == '/' && i + 1 < t_.size() && t_[i + 1] == '/') {
        while (i + 1 < t_.size() && !is_newline(t_[i + 1])) i++;
      } else {
        if (c == '"' || (c == '\'' && !separators.at(i))) quote = c;
        out += c;
      }
    }
    spend(i - start);
    *end = i;
    return out;
  }
  // Whether the # at `at` can begin a directive: nothing, or what may be the end of a comment, stands before it on its line.
  bool begins_line(size_t at) const {
    size_t i = at;
    while (i > 0 && is_space(t_[i - 1])) i--;
    return i == 0 || is_newline(t_[i - 1]) || (i >= 2 && t_[i - 1] == '/' && t_[i - 2] == '*');
  }

 private:
  const Readings& readings() {
    if (!readings_) readings_ = std::make_unique<Readings>(t_, joints_);
    return *readings_;
  }
  std::string_view t_;
  std::vector<size_t> joints_;
  Effort effort_;
  std::unique_ptr<Readings> readings_;
  std::shared_ptr<const Branches> branches_;
};

// Calls f(position, word, position behind the word) for everything that could be a directive.
template <class F>
void each_directive(Text& text, F f) {
  std::string_view t = text.text();
  auto at_mark = [&](size_t at, size_t behind) {
    if (text.exhausted()) return;
    size_t w = text.skip(behind);
    size_t e = text.word_end(w);
    if (e > w) f(at, t.substr(w, e - w), e);
  };
  for (size_t at = 0; (at = t.find('#', at)) != npos; at++) at_mark(at, at + 1);
  if (find_in(t, "%:") != npos)
    for (size_t at = 0; (at = find_in(t, "%:", at)) != npos; at++) at_mark(at, at + 2);
  if (find_in(t, "?\?=") != npos)
    for (size_t at = 0; (at = find_in(t, "?\?=", at)) != npos; at++) at_mark(at, at + 3);
}

size_t over_space(std::string_view s, size_t i) {
  while (i < s.size() && is_space(s[i])) i++;
  return i;
}

bool read_operand(std::string_view s, size_t* i, bool* quoted, std::string* name) {
  char close = s[*i] == '<' ? '>' : '"';
  size_t end = *i + 1;
  while (end < s.size() && s[end] != close && !is_newline(s[end])) end++;
  if (end >= s.size() || s[end] != close) return false;
  *quoted = close == '"';
  name->assign(s.substr(*i + 1, end - *i - 1));
  *i = end + 1;
  return true;
}

// Which names stand before the parentheses that are open at a place: a macro's argument stands in those of its name. Directives are skipped; of the branches
// of an #if each begins as the first did, and the one that leaves most open counts behind it.
class Calls {
 public:
  explicit Calls(Text* text) : text_(*text), t_(text->text()) {
    size_t open = 0;
    struct Branch {
      size_t before, deepest;
    };
    std::vector<Branch> branches;
    bool line_begins = true;
    for (size_t i = 0; i < t_.size(); i++) {
      const char c = t_[i];
      if (is_newline(c)) {
        line_begins = true;
      } else if (c == '(' || c == ')') {
        line_begins = false;
        if (text_.inert(i)) continue;
        if (i > 0 && i + 1 < t_.size() && t_[i - 1] == '\'' && t_[i + 1] == '\'' && !text_.code(i)) {
          doubt_ = true;  // a character in one reading, and none in another
          continue;
        }
        if (c == '(') {
          nodes_.push_back({i, open, nodes_[open].depth + 1, npos, kUnknown});
          open = nodes_.size() - 1;
        } else if (open == 0) {
          doubt_ = true;  // a macro opened it
        } else {
          nodes_[open].end = i;
          open = nodes_[open].parent;
        }
        states_.push_back({i, open});
      } else if (size_t n; (n = mark_at(i)) && (line_begins || text_.begins_line(i)) && !text_.inert(i)) {
        size_t w = text_.skip(i + n), e = text_.word_end(w), end;
        std::string_view word = t_.substr(w, e - w);
        std::string rest = text_.line(e, &end);
        if ((word == "define" && !balanced(rest)) || text_.exhausted()) doubt_ = true;
        if (word.starts_with("if")) {
          branches.push_back({open, open});
        } else if (word.starts_with("el") && !branches.empty()) {
          branches.back().deepest = deeper(branches.back().deepest, open);
          open = branches.back().before;
        } else if (word == "endif" && !branches.empty()) {
          open = deeper(branches.back().deepest, open);
          branches.pop_back();
        }
        states_.push_back({i, open});
        i = end - 1;
      } else if (!is_space(c)) {
        line_begins = false;
      }
    }
  }
  // Whether there are any; true if in doubt.
  bool any(size_t at) {
    if (doubt_) return true;
    const size_t node = open_at(at);
    return names_of(node) != kNone;
  }
  // None: not in a call. Empty: in one, if in doubt, of who knows whom. Else the names, with a blank behind each.
  std::optional<std::string> around(size_t at) {
    if (doubt_) return "";
    const size_t innermost = open_at(at);
    if (names_of(innermost) == kDoubt) return "";
    if (names_of(innermost) == kNone) return std::nullopt;
    std::set<std::string_view> names;
    for (size_t node = innermost; node != 0; node = nodes_[node].parent) {
      std::string_view name;
      if (own_name(node, &name) == kNamed) names.insert(name);
      if (!text_.spend(name.size() + 16)) return "";
    }
    std::string all;
    for (std::string_view n : names) all.append(n) += ' ';
    return all;
  }
  // The other one of a pair of parentheses; npos if that can't be told.
  size_t partner(size_t at) const {
    auto it = std::lower_bound(states_.begin(), states_.end(), at, [](const State& s, size_t p) { return s.from < p; });
    if (doubt_ || it == states_.end() || it->from != at || it == states_.begin()) return npos;
    return t_[at] == '(' ? nodes_[it->open].end : nodes_[std::prev(it)->open].at;
  }

 private:
  enum Names : uint8_t { kUnknown, kNone, kNamed, kDoubt };
  struct Node {
    size_t at, parent, depth, end = npos;
    Names names = kUnknown;  // of it and all that it stands in
  };
  struct State {
    size_t from, open;
  };
  size_t open_at(size_t at) const {
    return std::prev(std::upper_bound(states_.begin(), states_.end(), at, [](size_t p, const State& s) { return p < s.from; }))->open;
  }
  Names names_of(size_t node) {
    std::vector<size_t> way;
    for (; nodes_[node].names == kUnknown; node = nodes_[node].parent) way.push_back(node);
    Names names = nodes_[node].names;
    for (; !way.empty(); way.pop_back()) {
      std::string_view name;
      names = nodes_[way.back()].names = std::max(names, own_name(way.back(), &name));
    }
    return names;
  }
  Names own_name(size_t node, std::string_view* name) {
    size_t e = nodes_[node].at;
    while (e > 0 && (is_space(t_[e - 1]) || is_newline(t_[e - 1]))) e--;
    if (e == 0) return kNone;
    if (strchr(")/?%#", t_[e - 1]) || !text_.code(e - 1)) return kDoubt;  // what a call has made, a comment, a trigraph
    size_t w = e;
    while (w > 0 && is_ident(t_[w - 1])) w--;
    *name = t_.substr(w, e - w);
    // One that may be spelled in another way where it is defined.
    if ((w > 0 && w < e && t_[w - 1] == '\\') || std::any_of(name->begin(), name->end(), [](char c) { return c & 0x80; })) return kDoubt;
    return w < e ? kNamed : kNone;
  }
  size_t mark_at(size_t i) const {
    if (t_[i] == '#') return 1;
    if (t_[i] == '%') return t_.substr(i, 2) == "%:" ? 2 : 0;
    return t_[i] == '?' && t_.substr(i, 3) == "?\?=" ? 3 : 0;
  }
  bool balanced(std::string_view s) const {
    int depth = 0;
    Separators separators(s);
    for (size_t i = 0; i < s.size(); i++) {
      if (s[i] == '"' || (s[i] == '\'' && !separators.at(i))) {
        size_t end = i + 1;
        while (end < s.size() && s[end] != s[i]) end += s[end] == '\\' ? 2 : 1;
        if (!text_.spend(end - i)) return false;
        if (end < s.size()) i = end;
      } else if (s[i] == '(') {
        depth++;
      } else if (s[i] == ')' && --depth < 0) {
        return false;
      }
    }
    return depth == 0;
  }
  size_t deeper(size_t a, size_t b) const { return nodes_[b].depth > nodes_[a].depth ? b : a; }

  Text& text_;
  std::string_view t_;
  bool doubt_ = false;
  std::vector<Node> nodes_ = {{0, 0, 0, npos, kNone}};  // open parentheses; the first is none
  std::vector<State> states_ = {{0, 0}};
};

// Which branches of conditionals are dead while a macro is undefined: those behind #ifdef NAME and #if defined NAME, up to the next #elif or #else. None at all if
// any conditional of the text may be one in one reading and none in another.
class Branches {
 public:
  explicit Branches(Text* text) : t_(text->text()) {
    struct Open {
      size_t from;
      std::string_view name;  // empty: a branch that says nothing
    };
    std::vector<Open> open;
    auto close = [&](size_t at) {
      if (!open.back().name.empty()) branches_.push_back({open.back().from, at, open.back().name});
      open.back().name = {};
    };
    bool sure = true;
    for (size_t at = 0; sure && at < t_.size(); at++) {
      const size_t mark = t_[at] == '#' ? 1 : t_[at] == '%' && t_.substr(at, 2) == "%:" ? 2 : t_[at] == '?' && t_.substr(at, 3) == "?\?=" ? 3 : 0;
      if (!mark || !text->begins_line(at)) continue;
      const size_t w = text->skip(at + mark), e = text->word_end(w);
      const std::string_view word = t_.substr(w, e - w);
      const bool begins = word == "if" || word == "ifdef" || word == "ifndef", other = word.starts_with("elif") || word == "else";
      if ((!begins && !other && word != "endif") || text->inert(at)) continue;
      sure = mark == 1 && text->code(at) && first_of_line(at) && (begins || !open.empty());
      if (!sure) break;
      size_t end;
      if (begins) {
        const std::string rest = text->line(e, &end);
        sure = !text->exhausted();
        open.push_back({end, word == "ifdef" || word == "if" ? tested(rest, word == "if", e) : std::string_view()});
      } else {
        close(at);
        if (word == "endif") open.pop_back();
      }
    }
    if (!sure || !open.empty()) branches_.clear();
  }
  std::vector<std::string_view> around(const Text& text, size_t at) const {
    std::vector<std::string_view> names;
    if (!text.spend(branches_.size())) return names;
    for (const Branch& b : branches_)
      if (at >= b.from && at < b.to) names.push_back(b.name);
    return names;
  }

 private:
  struct Branch {
    size_t from, to;
    std::string_view name;
  };
  bool first_of_line(size_t at) const {
    while (at > 0 && is_space(t_[at - 1])) at--;
    return at == 0 || is_newline(t_[at - 1]);
  }
  // The name, if it is all that the condition asks for; `rest` is the line behind the directive's word, which ends at `e` of the text.
  std::string_view tested(const std::string& rest, bool condition, size_t e) const {
    size_t i = over_space(rest, 0), depth = 0;
    if (condition) {
      if (rest.compare(i, 7, "defined") != 0) return {};
      i += 7;
      const size_t open = over_space(rest, i);
      if (open < rest.size() && rest[open] == '(') depth = 1, i = open + 1;
      else if (open == i) return {};
      i = over_space(rest, i);
    }
    size_t end = i;
    while (end < rest.size() && is_ident(rest[end])) end++;
    const std::string name = rest.substr(i, end - i);
    i = over_space(rest, end);
    if (depth) {
      if (i >= rest.size() || rest[i] != ')') return {};
      i = over_space(rest, i + 1);
    }
    if (name.empty() || i != rest.size()) return {};
    const size_t there = t_.find(name, e);  // a view that lives as long as the text
    return t_.substr(there, name.size());
  }

  std::string_view t_;
  std::vector<Branch> branches_;
};

const Branches& Text::branches() {
  if (!branches_) branches_ = std::make_shared<const Branches>(this);
  return *branches_;
}

class Scanner {
 public:
  // Adds to what is in `r`.
  Scanner(std::string_view t, std::vector<size_t> joints, ScanResult* r) : text_(t, std::move(joints)), t_(t), r_(r) {
    for (auto& o : r->operands) seen_.insert(key_of(o.kind, o.quoted, o.name));
    for (auto& a : r->has_aliases) seen_.insert("alias " + a);
    for (auto& l : r->lines) seen_.insert("line " + l);
  }

  void run(ScanAs as) {
    collect();
    for (size_t at : marks_) {
      if (text_.exhausted()) break;
      size_t w = text_.skip(at + (t_[at] == '#' ? 1 : t_[at] == '%' ? 2 : 3));
      size_t e = text_.word_end(w);
      if (e > w) directive(at, t_.substr(w, e - w), e);
    }
    dates();
    inline_assembler(as);
    pragmas();
    modules();
    collect_pieces();
    spells();
    if (text_.exhausted()) r_->flags |= kScanTooMuch;
  }

 private:
  struct Token {
    size_t at, n;
  };
  // One pass for all: marks that could begin a directive, and the identifiers that matter to anything below.
  void collect() {
    static constexpr auto kClass = [] {
      std::array<uint8_t, 256> c{};
      for (int i = 0; i < 256; i++) c[static_cast<size_t>(i)] = is_ident(static_cast<char>(i)) ? 1 : i == '#' || i == '%' || i == '?' ? 2 : 0;
      return c;
    }();
    const size_t n = t_.size();
    for (size_t i = 0; i < n;) {
      uint8_t c = kClass[static_cast<uint8_t>(t_[i])];
      if (c == 0) {
        i++;
        continue;
      }
      if (c == 2) {
        if (t_[i] == '#' || (t_[i] == '%' && i + 1 < n && t_[i + 1] == ':') || (t_[i] == '?' && t_.substr(i, 3) == "?\?=")) marks_.push_back(i);
        i++;
        continue;
      }
      size_t e = i + 1;
      while (e < n && kClass[static_cast<uint8_t>(t_[e])] == 1) e++;
      token(t_.substr(i, e - i), {i, e - i});
      i = e;
    }
  }
  void token(std::string_view w, Token k) {
    if (w.size() <= 13 && (is_piece(w) || is_pragma_piece(w))) pieces_.push_back(k);
    if (w.size() < 3) return;
    bool ends = w[w.size() - 1] == '_' && w[w.size() - 2] == '_';
    switch (w[0]) {
      case 'a':
        if (w == "asm") asms_.push_back(k);
        break;
      case 'd':
        if (w == "dependency") dependencies_.push_back(k);
        break;
      case 'i':
        if (w == "import") modules_.push_back(k);
        if (w == "incbin") incbins_.push_back(k);
        break;
      case 'I':
        if (w == "INCBIN") incbins_.push_back(k);
        break;
      case 'm':
        if (w == "module") modules_.push_back(k);
        break;
      case '_':
        if (w == "__asm__" || w == "__asm")
          asms_.push_back(k);
        else if (w == "__import" || w == "__module")  // gcc's preprocessed form
          modules_.push_back(k);
        else if (w == "_Pragma" || w == "__pragma")
          pragmas_.push_back(k);
        else if (w.substr(0, 6) == "__has_") {
          has_ = true;
          if (w == "__has_embed") embeds_.push_back(k);
        } else if (w[1] == 'D' || w[1] == 'T' || (w[1] == '_' && (w[2] == 'D' || w[2] == 'T'))) {
          dates_.push_back(k);
        }
        break;
      case 's':
        if (w == "system_header") system_headers_.push_back(k);
        break;
      case 'D':
      case 'T':
        if (w == "DATE" || w == "TIME" || w == "TIMESTAMP") dates_.push_back(k);
        break;
      default:
        break;
    }
    if (ends && w[0] != '_' && (w[w.size() - 3] == 'E' || w[w.size() - 3] == 'P')) dates_.push_back(k);
  }

  static std::string key_of(ScanOperand::Kind kind, bool quoted, std::string_view name) {
    std::string key;
    key += static_cast<char>('0' + kind);
    key += quoted ? '"' : '<';
    return key += name;
  }
  static bool is_piece(std::string_view w) {
    for (char c : w)
      if (c != '_' && c != 'D' && c != 'A' && c != 'T' && c != 'E' && c != 'I' && c != 'M' && c != 'S' && c != 'P') return false;
    for (std::string_view name : {"__DATE__", "__TIME__", "__TIMESTAMP__"})
      if (w.size() < name.size() && name.find(w) != npos) return true;
    return false;
  }
  // Of the names of pragmas that read files or steer what is read. Single letters are left out: they are everywhere.
  static bool is_pragma_piece(std::string_view w) {
    if (w.size() < 2 || w.size() > 9) return false;
    return std::string_view("dependency").find(w) != npos || (w.size() < 4 && std::string_view("once").find(w) != npos);
  }
  void collect_pieces() {
    // So many contexts that whose they are is not asked.
    constexpr size_t kMany = 256;
    std::set<ScanPiece> found(r_->pieces.begin(), r_->pieces.end());
    for (auto [at, n] : pieces_) {
      if (text_.exhausted()) break;
      std::string beside;
      if (text_.inert(at) || !is_operand(at, n, &beside)) continue;
      const std::string word(t_.substr(at, n));
      auto first = found.lower_bound({word, "", ""}), behind = found.upper_bound({word + '\0', "", ""});
      if (first != behind && first->callers.empty() && first->beside.empty()) continue;
      ScanPiece p{word, "", ""};
      if (!in_define(at) && static_cast<size_t>(std::distance(first, behind)) < kMany) p.callers = *calls().around(at), p.beside = std::move(beside);
      found.insert(std::move(p));
    }
    r_->pieces.assign(found.begin(), found.end());
  }
  // The last character before `at` that is no white space, comments not skipped; npos if there is none. The same behind.
  size_t before(size_t at) const {
    while (at > 0 && (is_space(t_[at - 1]) || is_newline(t_[at - 1]))) at--;
    return at > 0 ? at - 1 : npos;
  }
  size_t behind(size_t at) const {
    while (at < t_.size() && (is_space(t_[at]) || is_newline(t_[at]))) at++;
    return at < t_.size() ? at : npos;
  }
  // What ## can reach: a word in a macro's body, or the first or last word of an argument of what may be a macro; a single letter, as every template has some, only as
  // a whole argument.
  bool in_define(size_t at) {
    to_line(at);
    // A comment may stand before the #.
    return line_.define != npos && !is_ident(t_[line_.define + 6]) && line_.mark < line_.define;
  }
  // What is known of a line up to a place on it: most are asked for from front to back.
  struct Line {
    size_t begin = 0, seen = 0;
    size_t define = npos;  // the last "define"
    size_t mark = npos;    // the first character that could begin a directive
  };
  void to_line(size_t at) {
    if (at < line_.seen) line_ = {0, 0, npos, npos}, at_line_ = false;
    size_t begin = at;
    while (begin > line_.seen && !is_newline(t_[begin - 1])) begin--;
    if (!at_line_) text_.spend(at - begin);
    if (begin > line_.seen || !at_line_) line_ = {begin, begin, npos, npos};
    at_line_ = true;
    const size_t from = std::max(line_.begin, line_.seen - std::min<size_t>(line_.seen, 5));
    if (size_t define = t_.substr(from, at - from).rfind("define"); define != npos) line_.define = from + define;
    if (size_t mark = line_.mark == npos ? t_.substr(line_.seen, at - line_.seen).find_first_of("#%?") : npos; mark != npos) line_.mark = line_.seen + mark;
    line_.seen = at;
  }
  // In the list of an enum or a template a word is nobody's argument.
  bool in_parentheses(size_t at) { return calls().any(at); }
  Calls& calls() {
    if (!calls_) calls_ = std::make_unique<Calls>(&text_);
    return *calls_;
  }
  // The name of the macro that its line defines, or one of its parameters, in whose place something else stands: no word that ## sees. Only where the line is a
  // directive in every reading in which it is code at all.
  bool is_bound(size_t at, size_t n) {
    to_line(at);
    if (line_.begin > 0 && t_[line_.begin - 1] != '\n') return false;
    size_t i = over_space(t_, line_.begin);
    if (i >= t_.size() || t_[i] != '#') return false;
    i = text_.skip(i + 1);
    size_t e = text_.word_end(i);
    if (t_.substr(i, e - i) != "define") return false;
    i = text_.skip(e), e = text_.word_end(i);
    if (i == at) return e == at + n;
    if (!text_.spend(e - line_.begin) || e >= at || t_[e] != '(') return false;
    for (i = e + 1;;) {
      i = text_.skip(i), e = text_.word_end(i);
      if (!text_.spend(e - i + 1)) return false;
      bool found = e > i && t_.substr(i, e - i) == t_.substr(at, n);
      i = text_.skip(e);
      if (t_.substr(i, 3) == "...") i = text_.skip(i + 3);
      if (i >= t_.size() || (t_[i] != ',' && t_[i] != ')')) return false;
      if (found) return true;
      if (t_[i++] == ')') return false;
    }
  }
  // Over words and calls, of which macros may make nothing, back from `a` or forth from `b`, to what stands behind them. Their names go to `names`.
  size_t over_words_back(size_t a, std::set<std::string_view>* names) {
    while (a != npos) {
      size_t end = a;
      if (t_[a] == ')') {
        const size_t open = calls().partner(a);
        end = open == npos ? npos : before(open);
        if (end == npos || !is_ident(t_[end])) return a;
      } else if (!is_ident(t_[a])) {
        return a;
      }
      size_t w = end;
      while (w > 0 && is_ident(t_[w - 1])) w--;
      names->insert(t_.substr(w, end + 1 - w));
      const size_t from = a;
      a = before(w);
      if (!text_.spend(from - (a == npos ? 0 : a) + 16)) return from;
    }
    return a;
  }
  size_t over_words(size_t b, std::set<std::string_view>* names) {
    while (b != npos && is_ident(t_[b])) {
      const size_t e = text_.word_end(b);
      names->insert(t_.substr(b, e - b));
      const size_t from = b;
      b = behind(e);
      if (!text_.spend((b == npos ? t_.size() : b) - from + 16)) return from;
      if (b == npos || t_[b] != '(') continue;
      const size_t close = calls().partner(b);
      if (close == npos) return b;
      b = behind(close + 1);
    }
    return b;
  }
  // `beside`: of a single letter, the words beside it.
  bool is_operand(size_t at, size_t n, std::string* beside) {
    if (is_bound(at, n)) return false;
    if (in_define(at)) return true;
    // Most words of a text are in no call.
    if (!in_parentheses(at)) return false;
    std::set<std::string_view> names;
    const size_t a = over_words_back(before(at), &names), b = over_words(behind(at + n), &names);
    if (text_.exhausted()) return true;
    if (a == npos || b == npos) return false;
    // A comment, a trigraph, an operator, a name that is spelled in another way, parentheses that macros close.
    auto doubt = [](char c) { return strchr("/?%#\\", c) != nullptr; };
    const bool opens = t_[a] == '(' || t_[a] == ',' || doubt(t_[a]) || (t_[a] == ')' && calls().partner(a) == npos);
    const bool closes = t_[b] == ')' || t_[b] == ',' || doubt(t_[b]) || (t_[b] == '(' && calls().partner(b) == npos);
    // A letter alone is in the middle of any name.
    if (n > 1 || t_[at] == '_') return opens || closes;
    for (std::string_view name : names) beside->append(name) += ' ';
    return opens && closes;
  }
  // A string outside of any call and any macro's body goes nowhere.
  void spelled(size_t at) {
    if (!text_.comment(at) && (in_define(at) || in_parentheses(at) || !text_.inert(at))) r_->flags |= kScanSpells;
  }
  void spells() {
    for (size_t at = 0; (at = find_in(t_, ".inc", at)) != npos; at++) {
      size_t line = t_.find_last_of("\n\r", at);
      std::string_view head = t_.substr(line == npos ? 0 : line + 1, at - (line == npos ? 0 : line + 1));
      if (!text_.spend(head.size())) break;
      size_t hash = head.find_first_not_of(" \t");
      if (hash != npos && head[hash] == '#' && head.find("include") != npos && head.find("define") == npos) continue;
      if (head.find('"') != npos || text_.string(at)) spelled(at);
    }
  }

  void add(ScanOperand::Kind kind, bool quoted, std::string name) {
    if (name.empty() && kind != ScanOperand::kGuarded) return;
    if (seen_.insert(key_of(kind, quoted, name)).second) r_->operands.push_back({kind, quoted, std::move(name)});
  }
  bool real(size_t at) { return text_.begins_line(at) && !text_.inert(at); }

  void directive(size_t at, std::string_view word, size_t i) {
    switch (word[0]) {
      case 'i':
        if (word == "include" || word == "include_next" || word == "import")
          include(at, word, i);
        else if (word == "if")
          condition(i);
        break;
      case 'e':
        if (word == "elif")
          condition(i);
        else if (word == "embed" && real(at))
          r_->flags |= kScanEmbed;
        break;
      case '_':
        if (word == "__include_macros") include(at, word, i);
        break;
      case 'd':
        if (word == "define" && has_) define(i);
        break;
      case 'l':
        if (word == "line") line(at, i, true);
        break;
      case 'p':
        if (word == "pragma") pragma(at, i);
        break;
      default:
        if (word[0] >= '0' && word[0] <= '9') line(at, i, false), linemarker(i);
        break;
    }
  }

  // #line 12 "file", # 12 "file": behind the first word, or the number.
  void line(size_t at, size_t i, bool numbered) {
    size_t end;
    const std::string s = text_.line(i, &end);
    auto doubt = [&] {
      if (real(at)) r_->flags |= kScanLineDoubt;
    };
    i = over_space(s, 0);
    if (numbered) {
      if (i == s.size() || s[i] < '0' || s[i] > '9') return doubt();
      while (i < s.size() && s[i] >= '0' && s[i] <= '9') i++;
      if (i < s.size() && is_ident(s[i])) return doubt();
      i = over_space(s, i);
    }
    if (i == s.size()) return;
    if (s[i] != '"') return doubt();
    std::string name;
    for (i++; i < s.size() && s[i] != '"'; i++) {
      if (s[i] == '\\' && (++i == s.size() || (s[i] != '\\' && s[i] != '"'))) return doubt();
      name += s[i];
    }
    if (i == s.size() || find_in(name, "?\?") != npos) return doubt();
    // What ends in a slash is a folder: gcc tells the working directory so.
    if (!name.empty() && name.back() != '/' && real(at) && seen_.insert("line " + name).second) r_->lines.push_back(std::move(name));
  }

  // # 12 "file" 3
  void linemarker(size_t i) {
    size_t end;
    std::string s = text_.line(i, &end);
    const size_t quote = s.rfind('"');
    if (quote != npos && s.find('3', quote) != npos) r_->flags |= kScanSystemHeader;
  }

  void include(size_t at, std::string_view word, size_t i) {
    i = text_.skip(i);
    if (i < t_.size() && (t_[i] == '<' || t_[i] == '"')) {
      bool quoted;
      std::string name;
      if (!text_.spend(std::min(t_.find_first_of(t_[i] == '<' ? ">\n\r" : "\"\n\r", i + 1), t_.size()) - i)) return;
      if (read_operand(t_, &i, &quoted, &name)) {
        add(word == "include_next" ? ScanOperand::kIncludeNext : ScanOperand::kInclude, quoted, std::move(name));
        if (word == "import" && real(at)) r_->flags |= kScanImport;
        return;
      }
    }
    size_t e = text_.word_end(i);
    if (e > i && (e = text_.skip(e), e >= t_.size() || is_newline(t_[e]) || t_.substr(e, 2) == "//")) {
      if (!real(at)) return;
      add(word == "include_next" ? ScanOperand::kMacroNext : ScanOperand::kMacro, false, std::string(t_.substr(i, text_.word_end(i) - i)));
      if (word == "import") r_->flags |= kScanImport;
      return;
    }
    // No literal, or one whose end a macro brings.
    if (i >= t_.size() || is_newline(t_[i]) || !real(at)) return;
    std::string guards;
    for (std::string_view name : text_.branches().around(text_, at)) guards.append(guards.empty() ? "" : " ").append(name);
    const bool plain = word == "include";
    if ((guards.empty() && !plain) || word == "import") r_->flags |= kScanComputedInclude;
    else add(ScanOperand::kGuarded, plain, std::move(guards));
  }

  // Existence tests in `s`, a line without comments. True if one has an operand that is no literal. In a condition, all that could be the
  // argument of an alias is taken for an operand too; in the body of a macro (`!in_condition`) a quoted operand is none, as the place of
  // the file that uses the macro matters to it.
  bool tests(const std::string& s, bool in_condition) {
    bool computed = false;
    Separators separators(s);
    // A name that has no end is looked for to the end of the line.
    const size_t last[] = {s.rfind('>'), s.rfind('"')};
    auto ends = [&](size_t k) { return (s[k] == '<' && last[0] != npos && k < last[0]) || (s[k] == '"' && last[1] != npos && k < last[1]); };
    for (size_t i = 0; i < s.size(); i++) {
      if (s[i] == '"' || (s[i] == '\'' && !separators.at(i))) {
        size_t end = i + 1;
        while (end < s.size() && s[end] != s[i]) end += s[end] == '\\' ? 2 : 1;
        if (!text_.spend(end - i)) return true;
        if (end < s.size()) i = end;
        continue;
      }
      bool quoted;
      std::string operand;
      if (s[i] == '(' && in_condition) {
        size_t k = over_space(s, i + 1);
        if (k < s.size() && ends(k) && read_operand(s, &k, &quoted, &operand)) {
          add(ScanOperand::kHas, quoted, operand);
          add(ScanOperand::kHasNext, quoted, std::move(operand));
          i = k - 1;
        }
        continue;
      }
      if (!is_ident(s[i]) || (i > 0 && is_ident(s[i - 1]))) continue;
      size_t e = i;
      while (e < s.size() && is_ident(s[e])) e++;
      std::string_view name(s.data() + i, e - i);
      if (name == "defined") {
        size_t k = e;
        while (k < s.size() && (is_space(s[k]) || s[k] == '(')) k++;
        while (k < s.size() && is_ident(s[k])) k++;
        i = k - 1;
        continue;
      }
      i = e - 1;
      bool next = name == "__has_include_next" || name == "__has_include_next__";
      if (next || name == "__has_include" || name == "__has_include__") {
        size_t k = over_space(s, e);
        if (k < s.size() && s[k] == '(') k = over_space(s, k + 1);
        if (k < s.size() && (s[k] == '<' || in_condition) && ends(k) && read_operand(s, &k, &quoted, &operand)) {
          add(next ? ScanOperand::kHasNext : ScanOperand::kHas, quoted, std::move(operand));
          i = k - 1;
        } else {
          computed = true;
        }
      } else if (name.size() >= 6 && std::string_view("__has_include").starts_with(name)) {
        computed = true;  // a piece to be pasted
      }
    }
    return computed;
  }

  void condition(size_t i) {
    size_t end = i;
    bool wanted = false;
    for (; end < t_.size() && !is_newline(t_[end]); end++) {
      char c = t_[end];
      if (c == '<' || c == '"') wanted = true;
      if (c == '/' && end + 1 < t_.size() && t_[end + 1] == '*') wanted = true;
    }
    if (!text_.spend(end - i)) return;
    if (!wanted && !(has_ && t_.substr(i, end - i).find("__has_") != npos)) return;
    std::string s = text_.line(i, &end);
    if (tests(s, true) && !text_.inert(i)) r_->flags |= kScanComputedHas;
  }

  void define(size_t i) {
    size_t name = text_.skip(i), name_end = text_.word_end(name);
    size_t end;
    std::string body = text_.line(name_end, &end);
    // What holds a brace or semicolon is no part of a condition.
    if (body.find("__has_") == std::string::npos || body.find_first_of("{};") != std::string::npos) return;
    // What stands between < and > in the body of a function-like macro may be a parameter.
    bool test = tests(body, false) || (body[0] == '(' && body.find("__has_include") != std::string::npos);
    if (test && !text_.inert(name)) {
      std::string alias(t_.substr(name, name_end - name));
      if (seen_.insert("alias " + alias).second) r_->has_aliases.push_back(std::move(alias));
    }
  }

  void pragma(size_t at, size_t i) {
    size_t end;
    std::string s = text_.line(i, &end);
    pragma_text(s, at);
  }
  void pragma_text(std::string_view s, size_t at) {
    auto has = [&](std::string_view w) {
      for (size_t p = 0; (p = s.find(w, p)) != npos; p++)
        if ((p == 0 || !is_ident(s[p - 1])) && (p + w.size() >= s.size() || !is_ident(s[p + w.size()]))) return true;
      return false;
    };
    uint32_t f = 0;
    if (has("once")) f |= kScanOnce;
    if (has("dependency")) f |= kScanDependency;
    if (has("pch_preprocess") || has("hdrstop")) f |= kScanPch;
    if (has("clang") && has("module")) f |= kScanModule;
    if (has("include_alias") || has("push_macro_include")) f |= kScanComputedInclude;
    if (f && !text_.inert(at)) r_->flags |= f;
  }
  void pragmas() {
    for (auto [at, n] : pragmas_) {
      if (text_.exhausted()) return;
      size_t i = text_.skip(at + n, true), end;
      if (i < t_.size() && t_[i] == '(') i = text_.skip(i + 1, true);
      const bool literal = i < t_.size() && (t_[i] == '"' || (text_.word_end(i) < t_.size() && t_[text_.word_end(i)] == '"'));
      if (!literal && !text_.inert(at)) r_->flags |= kScanPragmaDoubt;
      std::string s = text_.line(i, &end);
      pragma_text(s, at);
      if (!literal || text_.inert(at)) continue;
      // Macros in some pragmas are expanded: #pragma message(__TIME__).
      if (s.find("__DATE__") != npos || s.find("__TIME__") != npos) r_->flags |= kScanDate;
      if (s.find("__TIMESTAMP__") != npos) r_->flags |= kScanTimestamp;
    }
    // Between GCC and dependency there may be anything white. A string reaches _Pragma by way of a macro.
    for (auto [at, n] : dependencies_) {
      if (text_.exhausted()) return;
      if (text_.comment(at)) continue;
      std::string_view head = t_.substr(0, back(at));
      const bool whole = head.size() < at && (head.ends_with("GCC") || head.ends_with("clang"));
      if (whole && !text_.inert(at)) r_->flags |= kScanDependency;
      else if (whole || in_define(at)) r_->flags |= kScanPragmaText;
    }
    for (auto [at, n] : system_headers_)
      if (!text_.comment(at)) r_->flags |= kScanSystemHeader;
    for (auto [at, n] : embeds_)
      if (!text_.inert(at)) r_->flags |= kScanEmbed;
  }

  // Back over white space, ends of lines and block comments.
  size_t back(size_t i) const {
    for (;;) {
      while (i > 0 && (is_space(t_[i - 1]) || is_newline(t_[i - 1]))) i--;
      if (i < 4 || t_[i - 1] != '/' || t_[i - 2] != '*') return i;
      size_t open = t_.rfind("/*", i - 4);
      if (!text_.spend(i - (open == npos ? 0 : open)) || open == npos) return i;
      i = open;
    }
  }
  // Beside ##, where a macro pastes it to something. What arguments are pasted to is for the pieces.
  bool is_pasted(size_t at, size_t n) {
    std::string_view a = t_.substr(0, back(at)), b = t_.substr(text_.skip(at + n, true));
    bool pasted = false;
    for (std::string_view mark : {"##", "%:%:", "?\?=?\?="}) pasted = pasted || a.ends_with(mark) || b.starts_with(mark);
    return pasted && !text_.inert(at);
  }

  void dates() {
    static constexpr std::string_view kNames[] = {"__DATE__", "__TIME__", "__TIMESTAMP__"};
    for (auto [at, n] : dates_) {
      if (text_.exhausted()) return;
      std::string_view w = t_.substr(at, n);
      for (std::string_view name : kNames) {
        uint32_t flag = name == kNames[2] ? kScanTimestamp : kScanDate;
        if (w == name) {
          if (!text_.inert(at)) r_->flags |= flag;
          else if (!text_.comment(at)) r_->flags |= kScanPragmaText;
          continue;
        }
        // Pieces that a macro could paste: the front or the back of a name, or its middle alone.
        bool front = n >= 4 && w[0] == '_' && n < name.size() && (name.substr(0, n) == w || name.substr(1, n) == w);
        bool back = n < name.size() && name.substr(name.size() - n) == w;
        bool middle = w == name.substr(2, name.size() - 4);
        if ((front || back || middle) && is_pasted(at, n)) r_->flags |= flag;
      }
    }
  }

  void assembler_text(std::string s, bool file) {
    for (char& c : s)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (s.find(".inc") != std::string::npos || (file && s.find("incbin") != std::string::npos)) r_->flags |= kScanAsmFile;
    for (const char* w : {".macro", ".irp", ".irep", ".altmacro", ".mri", ".secure_log"})
      if (s.find(w) != std::string::npos) r_->flags |= kScanAsmDoubt;
    if (!file && s.find(".rept") != std::string::npos && s.find('\\') != std::string::npos) r_->flags |= kScanAsmDoubt;
  }

  static std::string unescape(std::string_view s) {
    std::string out;
    for (size_t i = 0; i < s.size(); i++) {
      if (s[i] != '\\' || i + 1 >= s.size()) {
        out += s[i];
        continue;
      }
      char c = s[++i];
      if (c >= '0' && c <= '7') {
        int v = 0, n = 0;
        while (n < 3 && i < s.size() && s[i] >= '0' && s[i] <= '7') v = v * 8 + (s[i++] - '0'), n++;
        i--;
        out += static_cast<char>(v);
      } else if (c == 'x') {
        unsigned v = 0;
        while (i + 1 < s.size() && isxdigit(static_cast<unsigned char>(s[i + 1]))) {
          char h = s[++i];
          v = v * 16 + static_cast<unsigned>(h <= '9' ? h - '0' : (h | 32) - 'a' + 10);
        }
        out += static_cast<char>(v);
      } else if (c == 'u' || c == 'U') {
        size_t n = c == 'u' ? 4 : 8;
        unsigned v = 0;
        for (size_t k = 0; k < n && i + 1 < s.size() && isxdigit(static_cast<unsigned char>(s[i + 1])); k++) {
          char h = s[++i];
          v = v * 16 + static_cast<unsigned>(h <= '9' ? h - '0' : (h | 32) - 'a' + 10);
        }
        out += v < 128 ? static_cast<char>(v) : '?';
      } else {
        out += c == 'n' ? '\n' : c == 't' ? '\t' : c;
      }
    }
    return out;
  }

  // No word that is whole can be lost: without ## the preprocessor makes no new ones. What it finds between slashes is part of a path.
  void made_assembler() {
    static constexpr std::string_view kFiles[] = {"include", "incbin"}, kMacros[] = {"macro", "irp", "irep", "irpc", "irepc", "altmacro", "mri", "secure_log_unique", "secure_log_reset"};
    auto one_of = [](auto& list, std::string_view w) { return std::find(std::begin(list), std::end(list), w) != std::end(list); };
    std::string w;
    for (size_t i = 0; i < t_.size() && !text_.exhausted();) {
      if (t_.substr(i, 2) == "##" || t_.substr(i, 4) == "%:%:" || t_.substr(i, 3) == "?\?=") {
        // At the head of a line it is in no definition: that goes on behind a comment at most.
        size_t head = i;
        while (head > 0 && is_space(t_[head - 1])) head--;
        if (head > 0 && !is_newline(t_[head - 1]) && !text_.comment(i)) r_->flags |= kScanPaste;
        i += 2;
        continue;
      }
      if (!is_ident(t_[i])) {
        i++;
        continue;
      }
      const size_t at = i;
      w.clear();
      for (; i < t_.size() && is_ident(t_[i]); i++) w += t_[i] >= 'A' && t_[i] <= 'Z' ? static_cast<char>(t_[i] - 'A' + 'a') : t_[i];
      const bool file = one_of(kFiles, w);
      if ((!file && !one_of(kMacros, w)) || text_.comment(at)) continue;
      const bool behind_slash = at >= 2 && t_[at - 1] == '/' && t_[at - 2] != '*', before_slash = i + 1 < t_.size() && t_[i] == '/' && (is_ident(t_[i + 1]) || t_[i + 1] == '.');
      if (behind_slash || before_slash || (file && is_directive(at))) continue;
      r_->flags |= file ? kScanAsmFile : kScanAsmDoubt;
    }
  }
  // Whether the word at `at` stands behind the # of a directive.
  bool is_directive(size_t at) {
    size_t i = at;
    while (i > 0 && is_space(t_[i - 1])) i--;
    return i > 0 && t_[i - 1] == '#' && text_.begins_line(i - 1);
  }

  void inline_assembler(ScanAs as) {
    if (as == ScanAs::kMadeAssembler) return made_assembler();
    if (as == ScanAs::kAssembler) return assembler_text(std::string(t_), true);
    for (auto [at, n] : incbins_) {
      if (!text_.inert(at) || in_define(at)) {
        if (!text_.comment(at)) r_->flags |= kScanAsmFile;
      } else {
        spelled(at);
      }
    }
    for (auto [at, n] : asms_)
      if (!text_.inert(at) && !text_.spend(asm_statement(at, at + n) - at)) break;
  }
  // Where what was read of it ends.
  size_t asm_statement(size_t start, size_t i) {
    bool words = false;  // that macros may stand for
    for (;;) {
      i = text_.skip(i, true);
      size_t e = text_.word_end(i);
      std::string_view w = t_.substr(i, e - i);
      if (w.empty()) break;
      words = words || !(w == "volatile" || w == "__volatile" || w == "__volatile__" || w == "goto" || w == "inline" || w == "__inline" || w == "__inline__");
      i = e;
    }
    if (i >= t_.size() || t_[i] != '(') {
      // A macro that is asm alone can be given any template where it is used.
      if ((i < t_.size() && t_[i] == '{') || in_define(start)) r_->flags |= kScanAsmDoubt;
      return i;
    }
    std::string templ;
    bool doubt = words;
    int depth = 1;
    for (i++; i < t_.size() && depth > 0;) {
      i = text_.skip(i, true);
      if (i >= t_.size()) break;
      char c = t_[i];
      if (c == '"') {
        size_t e = i + 1;
        if (i > 0 && t_[i - 1] == 'R') {
          doubt = true;
          size_t p = t_.find('(', e);
          e = p == npos ? npos : t_.find(")" + std::string(t_.substr(e, p - e)) + "\"", p);
          if (e == npos) {
            i = t_.size();
            break;
          }
          templ += t_.substr(p + 1, e - p - 1);
          i = e + 1 + p - i;
          continue;
        }
        while (e < t_.size() && t_[e] != '"' && !is_newline(t_[e])) e += t_[e] == '\\' ? 2 : 1;
        if (e >= t_.size()) {
          i = t_.size();
          break;
        }
        templ += unescape(t_.substr(i + 1, e - i - 1));
        i = e + 1;
      } else if (c == ')') {
        depth--;
        i++;
      } else if (c == ':' && depth == 1) {
        break;
      } else {
        if (c == '(') depth++;
        doubt = true;
        i++;
      }
    }
    if (doubt) r_->flags |= kScanAsmDoubt;
    assembler_text(std::move(templ), false);
    return i;
  }

  void modules() {
    for (auto [at, n] : modules_) {
      if (r_->flags & kScanModule || text_.exhausted()) return;
      size_t i = at;
      while (i > 0 && is_space(t_[i - 1])) i--;
      if (t_.substr(0, i).ends_with("export")) {
        i -= 6;
        while (i > 0 && is_space(t_[i - 1])) i--;
      }
      bool import = t_.substr(at, n).ends_with("import");
      bool starts = i == 0 || is_newline(t_[i - 1]) || t_[i - 1] == ';' || (import && (t_[i - 1] == '}' || t_[i - 1] == '@')) || text_.begins_line(i);
      if (!starts) continue;
      size_t k = text_.skip(at + n, true);
      if (k >= t_.size() || !(t_[k] == '<' || t_[k] == '"' || t_[k] == ':' || (t_[k] == ';' && !import) || is_ident(t_[k]))) continue;
      // A declaration holds names, dots, colons, attributes, and what a macro may make of names only.
      if (t_[k] == '<' || t_[k] == '"')
        k = t_.find(';', k);
      else
        while (k < t_.size() && (is_ident(t_[k]) || strchr(import ? ".:[]()" : ".:[]", t_[k]))) k = text_.skip(k + 1, true);
      if (!text_.spend(std::min(k, t_.size()) - at)) return;
      if (k < t_.size() && t_[k] == ';' && !text_.inert(at)) r_->flags |= kScanModule;
    }
  }

  Text text_;
  std::string_view t_;
  ScanResult* r_;
  bool has_ = false;
  std::unique_ptr<Calls> calls_;
  Line line_;
  bool at_line_ = false;
  std::vector<size_t> marks_;
  std::vector<Token> asms_, system_headers_, dates_, pragmas_, dependencies_, incbins_, modules_, embeds_, pieces_;
  std::unordered_set<std::string> seen_;
};

}  // namespace

ScanResult scan(std::string_view text, ScanAs as) {
  ScanResult r;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // a byte order mark
  auto pass = [&](std::string_view t) {
    std::string joined;
    std::vector<size_t> joints;
    if (join_lines(t, &joined, &joints)) t = joined;
    Scanner(t, std::move(joints), &r).run(as);
  };
  pass(text);
  // The trigraph for a backslash joins lines too, where trigraphs are on: what either reading finds counts.
  if (find_in(text, "?\?/") != npos) pass(without_trigraph(text));
  return r;
}

bool alias_escapes(std::string_view raw, std::string_view alias) {
  std::string joined;
  std::vector<size_t> joints;
  if (find_in(raw, "?\?/") != npos) return raw.find(alias) != npos;
  if (join_lines(raw, &joined, &joints)) raw = joined;
  if (raw.find(alias) == npos) return false;
  Text text(raw, std::move(joints));
  bool escapes = false;
  each_directive(text, [&](size_t at, std::string_view word, size_t i) {
    if (escapes || (word != "define" && word != "if" && word != "elif" && word != "include" && word != "include_next" && word != "import")) return;
    size_t end;
    std::string s = text.line(i, &end);
    const size_t last_angle = s.rfind('>'), last_quote = s.rfind('"');
    size_t from = 0;
    if (word == "define") {
      size_t name = 0;
      while (name < s.size() && is_space(s[name])) name++;
      while (name < s.size() && is_ident(s[name])) name++;
      from = name;
    }
    for (size_t p = from; (p = s.find(alias, p)) != std::string::npos; p++) {
      size_t e = p + alias.size();
      if ((p > 0 && is_ident(s[p - 1])) || (e < s.size() && is_ident(s[e]))) continue;
      if (text.inert(at)) continue;
      if (word == "if" || word == "elif") {
        size_t b = p;
        while (b > 0 && (is_space(s[b - 1]) || s[b - 1] == '(')) b--;
        if (b >= 7 && s.compare(b - 7, 7, "defined") == 0 && (b == 7 || !is_ident(s[b - 8]))) continue;
        while (e < s.size() && is_space(s[e])) e++;
        if (e < s.size() && s[e] == '(') {
          e++;
          while (e < s.size() && is_space(s[e])) e++;
          bool quoted;
          std::string name;
          const size_t last = e < s.size() && s[e] == '<' ? last_angle : e < s.size() && s[e] == '"' ? last_quote : npos;
          if (last != npos && text.spend(last - std::min(e, last)) && read_operand(s, &e, &quoted, &name) && (e = over_space(s, e)) < s.size() && s[e] == ')') continue;
        }
      }
      escapes = true;
      return;
    }
  });
  return escapes || text.exhausted();
}

namespace {
// Calls f(body, text, where the # is) with what stands behind each definition of `name`. False: it was given up.
template <class F>
bool each_definition(std::string_view raw, std::string_view name, F f) {
  bool whole = true;
  auto pass = [&](std::string_view t) {
    std::string joined;
    std::vector<size_t> joints;
    if (join_lines(t, &joined, &joints)) t = joined;
    if (find_in(t, name) == npos) return;
    Text text(t, std::move(joints));
    each_directive(text, [&](size_t mark, std::string_view word, size_t i) {
      if (word != "define") return;
      size_t at = text.skip(i), end = text.word_end(at);
      if (t.substr(at, end - at) != name || text.inert(at)) return;
      f(text.line(end, &end), &text, mark);
    });
    whole = whole && !text.exhausted();
  };
  pass(raw);
  if (find_in(raw, "?\?/") != npos) pass(without_trigraph(raw));
  return whole;
}
}  // namespace

bool read_include_macro(std::string_view raw, std::string_view name, std::vector<ScanOperand>* operands, std::vector<std::string>* macros) {
  bool plain = true;
  const bool whole = each_definition(raw, name, [&](std::string body, Text*, size_t) {
    if (body.empty() || !is_space(body[0])) {  // nothing, or parameters
      plain = false;
      return;
    }
    size_t from = over_space(body, 0), to = body.size();
    while (to > from && is_space(body[to - 1])) to--;
    std::string_view b = std::string_view(body).substr(from, to - from);
    const bool quoted = b.size() > 2 && b[0] == '"' && b.back() == '"', angled = b.size() > 2 && b[0] == '<' && b.back() == '>';
    if (quoted || angled) {
      std::string_view inner = b.substr(1, b.size() - 2);
      if (inner.find_first_of(quoted ? "\"\\" : "<>\"\\ \t") != npos || inner.find("/*") != npos || inner.find("//") != npos) plain = false;
      else operands->push_back({ScanOperand::kInclude, quoted, std::string(inner)});
    } else if (!b.empty() && std::all_of(b.begin(), b.end(), is_ident)) {
      macros->emplace_back(b);
    } else {
      plain = false;
    }
  });
  return plain && whole;
}

bool defines_macro(std::string_view raw, std::string_view name) {
  bool found = false;
  const bool whole = each_definition(raw, name, [&](std::string, Text*, size_t) { found = true; });
  return found || !whole;
}

bool defines_macro_first(std::string_view raw, std::string_view name) {
  bool found = false;
  const bool whole = each_definition(raw, name, [&](std::string, Text* text, size_t mark) {
    if (found) return;
    const std::vector<std::string_view> guards = text->branches().around(*text, mark);
    found = std::find(guards.begin(), guards.end(), name) == guards.end();
  });
  return found || !whole;
}

bool can_be_pasted(const std::vector<std::string>& pieces, std::string_view name) {
  std::array<bool, 16> reached{};
  reached[0] = true;
  for (size_t i = 0; i < name.size(); i++)
    for (auto& p : pieces)
      if (reached[i] && p.size() < name.size() && name.substr(i, p.size()) == p) reached[i + p.size()] = true;
  return reached[name.size()];
}

std::string encode_scan(const ScanResult& r) {
  std::string out;
  put_varint(&out, 11);
  put_varint(&out, r.flags);
  put_varint(&out, r.operands.size());
  for (auto& o : r.operands) {
    put_varint(&out, static_cast<uint64_t>(o.kind) << 1 | (o.quoted ? 1 : 0));
    put_string(&out, o.name);
  }
  put_varint(&out, r.has_aliases.size());
  for (auto& a : r.has_aliases) put_string(&out, a);
  put_varint(&out, r.pieces.size());
  for (auto& p : r.pieces) put_string(&out, p.word), put_string(&out, p.callers), put_string(&out, p.beside);
  put_varint(&out, r.lines.size());
  for (auto& l : r.lines) put_string(&out, l);
  return out;
}

bool decode_scan(std::string_view bytes, ScanResult* r) {
  Reader in(bytes);
  *r = {};
  if (in.varint() != 11) return false;
  r->flags = static_cast<uint32_t>(in.varint());
  uint64_t n = in.varint();
  if (n > in.left()) return false;
  for (uint64_t i = 0; i < n; i++) {
    uint64_t w = in.varint();
    if ((w >> 1) > ScanOperand::kGuarded) return false;
    r->operands.push_back({static_cast<ScanOperand::Kind>(w >> 1), (w & 1) != 0, std::string(in.string())});
  }
  n = in.varint();
  if (n > in.left()) return false;
  for (uint64_t i = 0; i < n; i++) r->has_aliases.emplace_back(in.string());
  n = in.varint();
  if (n > in.left()) return false;
  for (uint64_t i = 0; i < n; i++) {
    std::string word(in.string()), callers(in.string());
    r->pieces.push_back({std::move(word), std::move(callers), std::string(in.string())});
  }
  n = in.varint();
  if (n > in.left()) return false;
  for (uint64_t i = 0; i < n; i++) r->lines.emplace_back(in.string());
  return in.ok() && in.at_end();
}

}  // namespace cchain

// From a shell line or an argv to the compiler's own words: quoting, launchers, response files. Whatever a shell, a launcher and a
// compiler could read in two ways is refused.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iterator>

#include "model/command.h"

namespace cchain {

namespace {

constexpr size_t kMaxResponseDepth = 16;
constexpr size_t kMaxResponseWords = 1u << 20;

std::string_view base_of(std::string_view path) {
  std::string_view base = path.substr(path.find_last_of('/') + 1);
  if (base.ends_with(".exe")) base.remove_suffix(4);
  return base;
}

template <size_t N>
bool is_one_of(std::string_view word, const std::string_view (&list)[N]) {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

std::string shown(std::string_view word) {
  return word.size() <= 200 ? std::string(word) : std::string(word.substr(0, 200)) + "…";
}

bool is_name_char(char c, bool first) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (!first && c >= '0' && c <= '9');
}

// The length of NAME in "NAME=value"; 0 if the word is none.
size_t assigned_name(std::string_view word) {
  size_t n = 0;
  while (n < word.size() && is_name_char(word[n], n == 0)) n++;
  return n < word.size() && word[n] == '=' ? n : 0;
}

// ---- shell lines ---------------------------------------------------------------------------------------------------------

// Words that make a shell do something else than run a program of that name: POSIX, dash and bash. Harmless ones (echo, test) are in
// the list too: no compiler is called so.
constexpr std::string_view kShellWords[] = {
    "!", ".", ":", "[", "[[", "alias", "bg", "bind", "break", "builtin", "caller", "case", "cd", "chdir", "command", "compgen",
    "complete", "compopt", "continue", "coproc", "declare", "dirs", "disown", "do", "done", "echo", "elif", "else", "enable",
    "esac", "eval", "exec", "exit", "export", "false", "fc", "fg", "fi", "for", "function", "getopts", "hash", "help", "history",
    "if", "in", "jobs", "kill", "let", "local", "logout", "mapfile", "popd", "printf", "pushd", "pwd", "read", "readarray",
    "readonly", "return", "select", "set", "shift", "shopt", "source", "suspend", "test", "then", "time", "times", "trap", "true",
    "type", "typeset", "ulimit", "umask", "unalias", "unset", "until", "wait", "while",
};

struct ShellWord {
  std::string text;
  size_t name = 0;      // n > 0: begins with an unquoted NAME= of that length (without the =)
  bool appends = false;  // begins with an unquoted NAME+=
};

class LineReader {
 public:
  explicit LineReader(std::string_view line) : line_(line) {}

  std::string why;

  void skip_blanks() {
    while (at_ < line_.size()) {
      if (line_[at_] == ' ' || line_[at_] == '\t') {
        at_++;
      } else if (line_.substr(at_, 2) == "\\\n") {
        at_ += 2;
      } else {
        return;
      }
    }
  }
  bool at_end() const { return at_ == line_.size(); }
  bool take(std::string_view text) {
    if (line_.substr(at_, text.size()) != text) return false;
    at_ += text.size();
    return true;
  }

  // Reads the word at the cursor. False: refused, or no word there. `before_and`: "&&" ends the word too.
  bool word(ShellWord* w, bool before_and = false) {
    *w = {};
    bool plain = true;  // all so far is unquoted
    bool any = false;
    while (at_ < line_.size()) {
      char c = line_[at_];
      if (c == ' ' || c == '\t' || (before_and && line_.substr(at_, 2) == "&&")) break;
      if (line_.substr(at_, 2) == "\\\n") {
        at_ += 2;
        continue;
      }
      switch (c) {
        case '\'': {
          size_t end = line_.find('\'', at_ + 1);
          if (end == line_.npos) return refuse("a quote that is not closed");
          w->text += line_.substr(at_ + 1, end - at_ - 1);
          at_ = end + 1;
          plain = false;
          break;
        }
        case '"':
          if (!double_quoted(&w->text)) return false;
          plain = false;
          break;
        case '\\':
          if (at_ + 1 == line_.size()) return refuse("a backslash at the end");
          w->text += line_[at_ + 1];
          at_ += 2;
          plain = false;
          break;
        case '\n': return refuse("several lines");
        case '$': case '`': return refuse(std::string("the shell would expand ") + c);
        case ';': case '&': case '|': return refuse(std::string("the shell would run a second command: ") + c);
        case '<': case '>': return refuse(std::string("the shell would redirect: ") + c);
        case '(': case ')': return refuse(std::string("the shell would take it for a group: ") + c);
        case '*': case '?': case '[': return refuse(std::string("the shell would look for files: ") + c);
        case '{': case '}': return refuse(std::string("the shell may expand ") + c);
        case '#':
          if (!any) return refuse("a comment");
          append(w, c);
          break;
        case '~':
          if (!any || w->text.ends_with('=') || w->text.ends_with(':')) return refuse("the shell may expand ~");
          append(w, c);
          break;
        case '=':
          if (plain && w->name == 0 && !w->appends) {
            size_t n = 0;
            while (n < w->text.size() && is_name_char(w->text[n], n == 0)) n++;
            if (n > 0 && n == w->text.size()) w->name = n;
            if (n > 0 && n + 1 == w->text.size() && w->text[n] == '+') w->appends = true;
          }
          append(w, c);
          break;
        default:
          if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return refuse("a control character");
          append(w, c);
      }
      any = true;
    }
    return any || refuse("no word");
  }

 private:
  void append(ShellWord* w, char c) {
    w->text += c;
    at_++;
  }
  bool refuse(std::string reason) {
    why = std::move(reason);
    return false;
  }
  bool double_quoted(std::string* text) {
    for (at_++; at_ < line_.size(); at_++) {
      char c = line_[at_];
      if (c == '"') {
        at_++;
        return true;
      }
      if (c == '$' || c == '`') return refuse(std::string("the shell would expand ") + c);
      if (c == '\\' && at_ + 1 < line_.size()) {
        char next = line_[at_ + 1];
        if (next == '\n') {
          at_++;
          continue;
        }
        if (next == '"' || next == '\\' || next == '$' || next == '`') {
          *text += next;
          at_++;
          continue;
        }
      }
      *text += c;
    }
    return refuse("a quote that is not closed");
  }

  std::string_view line_;
  size_t at_ = 0;
};

// A folder that `cd` enters as the kernel's chdir would: CDPATH is not asked, and no ".." is taken away from a link's name.
bool plain_folder(std::string_view dir) {
  if (dir.empty() || !(dir[0] == '/' || dir == "." || dir.starts_with("./"))) return false;
  for (size_t from = 0; from <= dir.size();) {
    size_t slash = std::min(dir.find('/', from), dir.size());
    if (dir.substr(from, slash - from) == "..") return false;
    from = slash + 1;
  }
  return true;
}

}  // namespace

bool parse_shell_line(std::string_view line, std::vector<std::pair<std::string, std::string>>* env, std::string* cd,
                      std::vector<std::string>* argv, std::string* why) {
  env->clear();
  cd->clear();
  argv->clear();
  auto refuse = [&](std::string reason) {
    env->clear();
    cd->clear();
    argv->clear();
    *why = std::move(reason);
    return false;
  };
  if (line.find('\0') != line.npos) return refuse("a NUL byte");
  LineReader reader(line);
  ShellWord word;
  reader.skip_blanks();
  LineReader first = reader;
  if (first.word(&word) && word.text == "cd") {
    reader = first;
    reader.skip_blanks();
    if (!reader.word(&word, true)) return refuse("cd: " + reader.why);
    reader.skip_blanks();
    if (!reader.take("&&")) return refuse("cd without one folder and a command after it");
    if (!plain_folder(word.text)) return refuse("cd to a folder that is not an absolute path: " + shown(word.text));
    *cd = word.text;
    reader.skip_blanks();
  }
  while (!reader.at_end()) {
    if (!reader.word(&word)) return refuse(reader.why);
    reader.skip_blanks();
    if (argv->empty()) {
      if (word.appends) return refuse("the shell may take it for an assignment: " + shown(word.text));
      if (word.name > 0) {
        env->emplace_back(word.text.substr(0, word.name), word.text.substr(word.name + 1));
        continue;
      }
      if (word.text.empty()) return refuse("an empty command");
      if (is_one_of(word.text, kShellWords) || word.text[0] == '%') return refuse("the shell's own word " + shown(word.text));
    }
    argv->push_back(std::move(word.text));
  }
  if (argv->empty()) return refuse("no command");
  return true;
}

// ---- launchers -----------------------------------------------------------------------------------------------------------

Launchers find_compiler(const std::vector<std::string>& argv) {
  static constexpr std::string_view kPlain[] = {"ccache", "sccache", "buildcache", "distcc", "icecc", "nice", "cchain"};
  Launchers found;
  size_t at = 0;
  auto refuse = [&](std::string why) {
    found.refused = std::move(why);
    return found;
  };
  auto take_assignments = [&] {
    for (; at < argv.size(); at++) {
      size_t n = assigned_name(argv[at]);
      if (n == 0) break;
      found.env.emplace_back(argv[at].substr(0, n), argv[at].substr(n + 1));
    }
  };
  while (at < argv.size()) {
    const std::string& word = argv[at];
    std::string_view base = base_of(word);
    if (word.find('\0') != word.npos) return refuse("a word with a NUL byte");
    if (is_one_of(base, kPlain)) {
      found.words.push_back(word);
      at++;
    } else if (base == "env") {
      found.words.push_back(word);
      at++;
      take_assignments();
    } else if (base == "cmake") {
      if (at + 2 >= argv.size() || argv[at + 1] != "-E") return refuse("cmake is no compiler");
      if (argv[at + 2] == "__run_co_compile") return refuse("cmake -E __run_co_compile runs more than the compiler");
      if (argv[at + 2] != "env") return refuse("cmake -E " + shown(argv[at + 2]) + " is not understood");
      found.words.insert(found.words.end(), {word, argv[at + 1], argv[at + 2]});
      at += 3;
      take_assignments();
      if (at < argv.size() && argv[at] == "--") {
        found.words.push_back(argv[at++]);
        if (at < argv.size() && argv[at].find('=') != std::string::npos) {
          return refuse("the compiler's name has a '=': " + shown(argv[at]));
        }
      }
    } else {
      if (word.empty()) return refuse("an empty word");
      if (word[0] == '-') {
        return refuse(found.words.empty() ? "no compiler: " + shown(word)
                                          : "option " + shown(word) + " of " + shown(base_of(found.words.back())) + " is not understood");
      }
      if (base.find('=') != base.npos) return refuse("the compiler's name has a '=': " + shown(word));
      found.compiler_index = at;
      return found;
    }
  }
  return refuse(argv.empty() ? "no command" : "no compiler after " + shown(argv.back()));
}

// ---- response files ------------------------------------------------------------------------------------------------------

namespace {

// Words as libiberty's buildargv and LLVM's TokenizeGNUCommandLine both read them. Where versions of the two differ it is refused:
// a backslash in '…', one before anything but \ " $ ` in "…", one before a newline or the end, an empty word, \v and \f, a byte
// order mark.
bool split_response(std::string_view text, std::vector<std::string>* words, std::string* why) {
  auto refuse = [&](const char* reason) {
    *why = reason;
    return false;
  };
  if (text.find('\0') != text.npos) return refuse("a NUL byte");
  if (text.starts_with("\xef\xbb\xbf") || text.starts_with("\xfe\xff") || text.starts_with("\xff\xfe")) return refuse("a byte order mark");
  for (size_t i = 0; i < text.size();) {
    char c = text[i];
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      i++;
      continue;
    }
    std::string word;
    char quote = 0;
    for (; i < text.size(); i++) {
      c = text[i];
      if (c == '\\') {
        if (quote == '\'') return refuse("a backslash in single quotes");
        if (i + 1 == text.size()) return refuse("a backslash at the end");
        c = text[++i];
        if (c == '\n' || c == '\r') return refuse("a backslash at the end of a line");
        if (quote == '"' && c != '\\' && c != '"' && c != '$' && c != '`') return refuse("a backslash in double quotes");
        word += c;
      } else if (quote != 0) {
        if (c == quote) quote = 0; else word += c;
      } else if (c == '\'' || c == '"') {
        quote = c;
      } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
        break;
      } else if (c == '\v' || c == '\f') {
        return refuse("a control character");
      } else {
        word += c;
      }
    }
    if (quote != 0) return refuse("a quote that is not closed");
    if (word.empty()) return refuse("an empty word");
    words->push_back(std::move(word));
  }
  return true;
}

struct Expander {
  const std::function<bool(const std::string&, std::string*)>& read_file;
  std::string* why;
  std::vector<std::string> out;
  size_t files = 0;

  bool expand(std::vector<std::string>& words, size_t depth) {
    for (std::string& word : words) {
      if (word.empty() || word[0] != '@') {
        if (out.size() >= kMaxResponseWords) return refuse("too many words", "");
        out.push_back(std::move(word));
        continue;
      }
      std::string path = word.substr(1), text, reason;
      // The limit on files keeps a file that names another twice from doubling at each level.
      if (depth >= kMaxResponseDepth || ++files > 1000) return refuse("response files are nested too deep at ", word);
      if (path.empty() || !read_file(path, &text)) return refuse("response file can't be read: ", word);
      std::vector<std::string> inner;
      if (!split_response(text, &inner, &reason)) return refuse("response file with " + reason + ": ", word);
      if (!expand(inner, depth + 1)) return false;
    }
    return true;
  }
  bool refuse(const std::string& reason, const std::string& word) {
    *why = reason + shown(word);
    return false;
  }
};

}  // namespace

bool expand_response_files(std::vector<std::string>* args, const std::function<bool(const std::string&, std::string*)>& read_file,
                           std::string* why) {
  if (std::none_of(args->begin(), args->end(), [](const std::string& a) { return a.starts_with('@'); })) return true;
  Expander expander{read_file, why, {}};
  std::vector<std::string> words = *args;
  if (!expander.expand(words, 0)) return false;
  *args = std::move(expander.out);
  return true;
}

}  // namespace cchain

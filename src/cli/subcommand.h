// What the subcommands are, in one table that the command line, `cchain help` and the completions read, and what their code shares.
//
// A new one: a row in subcommands.cc, its function declared at the end of this file, its section in bindings/man/cchain.1 (tests/cli/manual.py compares the two).
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cchain.h>
#include <stdint.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cli {

struct Option {
  const char* name;   // "--max-size"
  const char* value;  // "SIZE"; NULL: it takes none. DIR and FILE are completed as such
  const char* about;  // a line, or several with \n between them
};

struct Subcommand {
  const char* name;
  const char* operands;  // "" or what follows the name beside options: "DIR", "[SUBCOMMAND]"
  const char* brief;     // its line in `cchain help`
  const char* about;     // the text above its options in `cchain help NAME`; "" or ending in a newline
  std::span<const Option> options;
  bool opens_cache;
  int (*run)(int argc, char** argv);  // argv[0] is the name, or an option that stands for it (-s). The exit status
};

std::span<const Subcommand> subcommands();
// By its name, or by an option that stands for it (-s, -z, -V, --version, -h, --help). NULL if there is none.
const Subcommand* find_subcommand(std::string_view word);
// "usage: cchain trim [--max-size SIZE] [--max-age AGE]\n"
std::string usage_of(const Subcommand& subcommand);

// ---- what their code shares. Exit statuses: 0; 1 for what failed, with a line on stderr; 2 for a wrong command line.

// To standard output; the exit status.
int print(std::string_view text);
// A line about the command line and the usage, on stderr: 2.
int wrong_usage(const char* name, std::string_view what, std::string_view word = {});
// cc_last_error() on stderr: 1.
int failed(const char* name);

// The arguments of a subcommand: options once or more, in any order, values as "--x V" or "--x=V"; operands come as words without a dash.
class Arguments {
 public:
  Arguments(int argc, char** argv) : argc_(argc), argv_(argv) {}

  // The next option's name, or an operand, in word(); false at the end.
  bool next() {
    if (++at_ >= argc_) return false;
    word_ = argv_[at_];
    has_value_ = false;
    size_t equals = word_.find('=');
    if (word_.substr(0, 2) == "--" && equals != std::string_view::npos) {
      value_ = word_.substr(equals + 1);
      word_ = word_.substr(0, equals);
      has_value_ = true;
    }
    return true;
  }
  std::string_view word() const { return word_; }
  bool is(std::string_view flag) const { return word_ == flag && !has_value_; }
  bool takes(std::string_view option, std::string_view* value) {
    if (word_ != option) return false;
    if (!has_value_ && at_ + 1 < argc_) value_ = argv_[++at_], has_value_ = true;
    *value = has_value_ ? value_ : std::string_view();
    return true;
  }

 private:
  int argc_, at_ = 0;
  char** argv_;
  std::string_view word_, value_;
  bool has_value_ = false;
};

class OpenCache {
 public:
  ~OpenCache() { cc_close(cache_); }
  bool open(uint32_t flags = 0) {
    cc_open_options options = {sizeof options};
    options.flags = flags;
    options.host = "cchain";
    int status = cc_open(&options, &cache_);
    if (status != CC_OK) cache_ = nullptr;
    broken_ = status == CC_E_CONFIG;
    return status == CC_OK;
  }
  // For the subcommands that tell what is wrong: with a file that is no JSON, the rest of the configuration and the
  // text in *trouble.
  bool open_in_any_case(std::string* trouble) {
    if (open()) return true;
    if (!broken_) return false;
    *trouble = cc_last_error();
    return open(CC_OPEN_NO_FILES);
  }
  cc_cache* get() const { return cache_; }

 private:
  cc_cache* cache_ = nullptr;
  bool broken_ = false;
};

// What the library hands out through a `char **`.
struct Text {
  char* p = nullptr;
  ~Text() { cc_free(p); }
};

std::string json_string(std::string_view text);
// Puts `element` first into the array that is the member `name` of the JSON text.
void put_first(std::string* json, std::string_view name, const std::string& element);

// Rows of cells, two blanks between the columns.
class Table {
 public:
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  // `align`: one of < and > for each column.
  void print(std::string_view align, const char* indent, std::string* out) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// ---- the functions of the table

int stats(int argc, char** argv);
int explain(int argc, char** argv);
int report(int argc, char** argv);
int config(int argc, char** argv);
int doctor(int argc, char** argv);
int verify(int argc, char** argv);
int trim(int argc, char** argv);
int clear(int argc, char** argv);
int flush(int argc, char** argv);
int keygen(int argc, char** argv);
int links(int argc, char** argv);
int version(int argc, char** argv);
int help(int argc, char** argv);

}  // namespace cli

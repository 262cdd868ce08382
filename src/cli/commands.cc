// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"

#include <cchain.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "cli/io.h"
#include "cli/json.h"
#include "cli/links.h"
#include "cli/text.h"

namespace cli {

namespace {

constexpr std::string_view kUsage =
    "usage: cchain COMPILER ARGUMENT...       compile, or take the result from the cache\n"
    "       cchain -- COMPILER ARGUMENT...    the same, where COMPILER is named like a subcommand\n"
    "       cchain SUBCOMMAND ARGUMENT...     stats, config, verify, trim, clear, flush, keygen, links, version, help\n";

constexpr std::string_view kHelp =
    "\n"
    "A link to cchain that bears a compiler's name (cc, g++-12, clang++, …) runs the next one of that name on PATH.\n"
    "What can't be cached runs untouched.\n"
    "\n"
    "  stats     hits and misses, and what stands in their way (-s; -z sets all to zero)\n"
    "  config    each value of the configuration and where it came from\n"
    "  verify    read all that is stored and check it\n"
    "  trim      remove the entries that have not been used for longest\n"
    "  clear     remove all entries\n"
    "  flush     wait until everything that was stored has reached its layers\n"
    "  keygen    make a key that entries are signed with\n"
    "  links     make a folder of links for the compilers on PATH\n"
    "  version   the version (-V)\n"
    "  help      this text (-h), or more about a subcommand: cchain help stats\n"
    "\n"
    "environment:\n"
    "  CCHAIN_DISABLE=1     run the compiler at once\n"
    "  CCHAIN_DIR           the folder of the cache; else $XDG_CACHE_HOME/cchain\n"
    "  CCHAIN_CONFIG        the configuration file; else $XDG_CONFIG_HOME/cchain/config.json\n"
    "  CCHAIN_LAYERS        a list of layers: /path?max_size=10G http://host/path s3://bucket/prefix redis://host\n"
    "  CCHAIN_MODE          direct, preprocess or direct+preprocess\n"
    "  CCHAIN_TENANT        whose entries\n"
    "  CCHAIN_READ_ONLY     all or remote: store nothing there\n"
    "  CCHAIN_RECACHE=1     look nothing up, replace what is stored\n"
    "  CCHAIN_PREFIX        run the compiles of misses through this: distcc, icecc. Not what can't be cached\n"
    "  CCHAIN_SHELL         the shell behind make SHELL=cchain-sh; else /bin/sh\n"
    "  CCHAIN_LOG           a file for troubles\n"
    "  CCHAIN_STATS_LOG     a file for one build's statistics\n"
    "  CCHAIN_WARN=1        troubles on stderr too, as they happen\n";

struct Topic {
  const char* name;
  const char* text;
};

constexpr Topic kTopics[] = {
    {"stats",
     "usage: cchain stats [--json] [--reset]\n"
     "\n"
     "What all processes have counted since the last reset. Troubles come first.\n"
     "  --json    as JSON: lookups, hits, misses, uncacheable, stores, errors, uncacheable_reasons, layers, …\n"
     "  --reset   set all to zero; with --json, print first\n"
     "cchain -s is cchain stats, cchain -z is cchain stats --reset.\n"},
    {"config",
     "usage: cchain config [--json]\n"
     "\n"
     "Each value of the configuration with where it came from: a default, a line of the file or a variable.\n"
     "What is wrong with it comes first.\n"},
    {"verify",
     "usage: cchain verify [--repair] [--json]\n"
     "\n"
     "Reads every entry of each local layer and checks it, and the layer's index. The exit status is 1 if anything is wrong that was not mended.\n"
     "  --repair   remove what is damaged, make a wrong index anew\n"
     "  --json     the counts as JSON\n"},
    {"keygen",
     "usage: cchain keygen [--type TYPE] FILE\n"
     "\n"
     "Makes a key for the \"sign\" and \"verify_keys\" of layers in FILE, which must not be there.\n"
     "  --type ed25519       FILE for who signs, FILE.pub for who only checks (the default)\n"
     "  --type hmac-sha256   one shared key: who can check can sign\n"
     "What is in FILE is secret: mode 0600. To change keys, name the old and the new one in \"verify_keys\" for a while.\n"},
    {"trim",
     "usage: cchain trim [--max-size SIZE] [--max-age AGE]\n"
     "\n"
     "Removes entries from each local layer, least recently used first, and what killed processes have left.\n"
     "  --max-size SIZE   what a layer may hold afterwards: 10G, 500M; without it, its own limit\n"
     "  --max-age AGE     entries that have not been used for longer go: 30d, 12h, 90m, 3600s\n"},
    {"clear",
     "usage: cchain clear --yes [--tenant TENANT]\n"
     "\n"
     "Removes every entry of every local layer that may be written, or those of one tenant.\n"},
    {"flush",
     "usage: cchain flush\n"
     "\n"
     "Waits until everything that was stored has reached its layers.\n"},
    {"links",
     "usage: cchain links DIR [--target FILE]\n"
     "\n"
     "Makes DIR and in it a link to cchain for each C and C++ compiler on PATH: cc, gcc, g++-12, clang++, …\n"
     "With DIR first on PATH, every build that calls a compiler by its name goes through the cache. What stands in DIR stays.\n"
     "  --target FILE   what they lead to; without it, this program\n"},
    {"version", "usage: cchain version\n"},
    {"help", "usage: cchain help [SUBCOMMAND]\n"},
};

const Topic* find_topic(std::string_view name) {
  for (const Topic& topic : kTopics) {
    if (name == topic.name) return &topic;
  }
  return nullptr;
}

// The name that stands for an option of ours; NULL if there is none.
const char* long_name(std::string_view word) {
  if (word == "-s" || word == "-z") return "stats";
  if (word == "-V" || word == "--version") return "version";
  if (word == "-h" || word == "--help") return "help";
  const Topic* topic = find_topic(word);
  return topic ? topic->name : nullptr;
}

int print(std::string_view text) {
  int error = write_all(1, text);
  if (error) complain("standard output: ", strerror(error));
  return error ? 1 : 0;
}

int wrong_usage(const char* name, std::string_view what, std::string_view word = {}) {
  complain(std::string(name) + ": ", what, word);
  write_all(2, find_topic(name)->text, strcspn(find_topic(name)->text, "\n") + 1);
  return 2;
}

int failed(const char* name) {
  complain(std::string(name) + ": ", cc_last_error());
  return 1;
}

// The arguments of a subcommand: options only, each once or more, in any order, values as "--x V" or "--x=V".
class Arguments {
 public:
  Arguments(int argc, char** argv) : argc_(argc), argv_(argv) {}

  // The next option's name in word(); false at the end.
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
  int at() const { return at_; }
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

class Cache {
 public:
  ~Cache() { cc_close(cache_); }
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

struct Text {
  char* p = nullptr;
  ~Text() { cc_free(p); }
};

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\', out += c;
    else if (static_cast<unsigned char>(c) < 0x20) out += ' ';
    else out += c;
  }
  return out += '"';
}

// Puts `element` first into the array that is the member `name` of the JSON text.
void put_first(std::string* json, std::string_view name, const std::string& element) {
  size_t at = json->find("\"" + std::string(name) + "\"");
  if (at == std::string::npos || (at = json->find('[', at)) == std::string::npos) return;
  size_t next = json->find_first_not_of(" \t\r\n", ++at);
  bool empty = next != std::string::npos && (*json)[next] == ']';
  json->insert(at, empty ? element : element + ",");
}

// Rows of cells, two blanks between the columns.
class Table {
 public:
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  // `align`: one of < and > for each column.
  void print(std::string_view align, const char* indent, std::string* out) const {
    std::vector<size_t> width(align.size());
    for (const auto& cells : rows_) {
      for (size_t i = 0; i < cells.size(); i++) width[i] = std::max(width[i], columns(cells[i]));
    }
    for (const auto& cells : rows_) {
      *out += indent;
      for (size_t i = 0; i < cells.size(); i++) {
        size_t pad = width[i] - columns(cells[i]);
        if (i) *out += "  ";
        if (align[i] == '>') out->append(pad, ' ');
        *out += cells[i];
        if (align[i] == '<' && i + 1 < cells.size()) out->append(pad, ' ');
      }
      *out += '\n';
    }
  }

 private:
  static size_t columns(std::string_view utf8) {
    return static_cast<size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xc0) != 0x80; }));
  }
  std::vector<std::vector<std::string>> rows_;
};

void show_reasons(const Json& reasons, const char* title, std::string* out) {
  constexpr size_t kTop = 10;
  std::vector<std::pair<uint64_t, std::string>> sorted;
  for (const auto& [text, count] : reasons.items) sorted.emplace_back(count.whole, show_text(text));
  if (sorted.empty()) return;
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  *out += std::string("\n") + title + "\n";
  Table table;
  uint64_t rest = 0;
  for (size_t i = 0; i < sorted.size(); i++) {
    if (i < kTop || sorted.size() == kTop + 1) table.row({show_count(sorted[i].first), sorted[i].second});
    else rest += sorted[i].first;
  }
  if (rest) table.row({show_count(rest), "others; cchain stats --json names them"});
  table.print("><", "  ", out);
}

std::string stats_text(const Json& stats) {
  std::string out;
  const Json& troubles = stats["troubles"];
  if (!troubles.items.empty()) {
    out += "troubles\n";
    for (const auto& [none, trouble] : troubles.items) {
      out += "  " + show_text(trouble["text"].text);
      if (trouble["count"].whole > 1) out += " (" + show_count(trouble["count"].whole) + " times)";
      out += '\n';
    }
    out += '\n';
  }
  const uint64_t hits = stats["hits"].whole, asked = hits + stats["misses"].whole;
  char rate[32] = "-";
  // Rounded down: 100 % is said of no build with a miss in it.
  if (asked) snprintf(rate, sizeof rate, "%.1f %%", static_cast<double>(hits * 1000 / asked) / 10);
  Table table;
  table.row({"hit rate", rate});
  for (const char* name : {"hits", "misses", "uncacheable", "stores", "errors"})
    table.row({name, show_count(stats[name].whole)});
  table.row({"time saved", show_time(stats["saved_ms"].whole)});
  table.print("<>", "", &out);

  if (!stats["layers"].items.empty()) {
    Table layers;
    layers.row({"layer", "type", "hits", "misses", "stores", "errors", "read", "written", "size", "limit", "entries"});
    for (const JsonItem& item : stats["layers"].items) {
      const Json& layer = item.value;
      auto count = [&layer](const char* name) { return show_count(layer[name].whole); };
      auto size = [&layer](const char* name) {
        return layer[name].type == Json::kNumber ? show_size(layer[name].whole) : std::string("-");
      };
      layers.row({show_text(layer["name"].text), show_text(layer["type"].text), count("hits"), count("misses"),
                  count("stores"), count("errors"), size("bytes_read"), size("bytes_written"), size("size"),
                  size("max_size"), layer["entries"].type == Json::kNumber ? count("entries") : "-"});
    }
    out += '\n';
    layers.print("<<>>>>>>>>>", "", &out);
    Table tenants;
    tenants.row({"tenant", "layer", "size", "limit", "entries"});
    size_t shown = 0;
    for (const JsonItem& item : stats["layers"].items)
      for (const JsonItem& one : item.value["tenants"].items) {
        const Json& t = one.value;
        tenants.row({show_text(t["tenant"].text), show_text(item.value["name"].text), show_size(t["size"].whole),
                     t["max_size"].type == Json::kNumber ? show_size(t["max_size"].whole) : "-", show_count(t["entries"].whole)});
        shown++;
      }
    if (shown > 1) {
      out += '\n';
      tenants.print("<<>>>", "", &out);
    }
  }
  show_reasons(stats["uncacheable_reasons"], "uncacheable", &out);
  show_reasons(stats["miss_reasons"], "misses", &out);
  return out;
}

int stats(int argc, char** argv) {
  bool json = false, reset = !strcmp(argv[0], "-z");
  Arguments args(argc, argv);
  while (args.next()) {
    if (args.is("--json")) json = true;
    else if (args.is("--reset")) reset = true;
    else return wrong_usage("stats", "unknown argument: ", args.word());
  }
  Cache cache;
  std::string trouble;
  if (!cache.open_in_any_case(&trouble)) return failed("stats");
  int status = 0;
  if (!reset || json) {
    Text text;
    if (cc_stats_json(cache.get(), &text.p) != CC_OK) return failed("stats");
    std::string shown = text.p;
    if (!trouble.empty()) put_first(&shown, "troubles", "{\"text\":" + json_string(trouble) + ",\"count\":1}");
    if (!json) {
      Json tree;
      if (!JsonReader::read(shown, &tree)) return complain("stats: the statistics are no JSON"), 1;
      shown = stats_text(tree);
    } else if (shown.empty() || shown.back() != '\n') {
      shown += '\n';
    }
    status = print(shown);
  }
  if (reset) {
    if (cc_stats_reset(cache.get()) != CC_OK) return failed("stats");
    if (!json) status = print("statistics set to zero\n");
  }
  return status;
}

int config(int argc, char** argv) {
  bool json = false;
  Arguments args(argc, argv);
  while (args.next()) {
    if (args.is("--json")) json = true;
    else return wrong_usage("config", "unknown argument: ", args.word());
  }
  Cache cache;
  std::string trouble;
  if (!cache.open_in_any_case(&trouble)) return failed("config");
  Text text;
  if (cc_config_json(cache.get(), &text.p) != CC_OK) return failed("config");
  std::string shown = text.p;
  if (!trouble.empty()) {
    put_first(&shown, "problems", "{\"where\":\"\",\"text\":" + json_string(trouble) + ",\"fatal\":true}");
  }
  if (json) {
    if (shown.empty() || shown.back() != '\n') shown += '\n';
    return print(shown);
  }
  Json tree;
  if (!JsonReader::read(shown, &tree)) return complain("config: the configuration is no JSON"), 1;
  std::string out;
  for (const auto& [none, problem] : tree["problems"].items) {
    std::string where = show_text(problem["where"].text);
    out += (where.empty() ? "" : where + ": ") + show_text(problem["text"].text);
    if (problem["fatal"].truth) out += " (nothing is cached until this is mended)";
    out += '\n';
  }
  if (!out.empty()) out += '\n';
  std::string file = show_text(tree["file"].text);
  out += file.empty() ? "no configuration file\n\n" : "file " + file + "\n\n";
  Table table;
  for (const auto& [none, value] : tree["values"].items) {
    const Json& v = value["value"];
    std::string text_of = v.type == Json::kNumber ? std::to_string(v.whole)
                        : v.type == Json::kBool   ? v.truth ? "true" : "false"
                                                  : show_text(v.text);
    table.row({show_text(value["key"].text), text_of, show_text(value["origin"].text)});
  }
  table.print("<<<", "", &out);
  return print(out);
}

int trim(int argc, char** argv) {
  cc_trim_options options = {sizeof options};
  options.max_size = UINT64_MAX;
  Arguments args(argc, argv);
  std::string_view value;
  while (args.next()) {
    if (args.takes("--max-size", &value)) {
      if (!read_size(value, &options.max_size)) return wrong_usage("trim", "no size: ", value);
    } else if (args.takes("--max-age", &value)) {
      if (!read_age(value, &options.max_age_s) || !options.max_age_s) return wrong_usage("trim", "no age: ", value);
    } else {
      return wrong_usage("trim", "unknown argument: ", args.word());
    }
  }
  Cache cache;
  uint64_t entries = 0, bytes = 0;
  if (!cache.open() || cc_trim(cache.get(), &options, &entries, &bytes) < 0) return failed("trim");
  return print(show_count(entries) + (entries == 1 ? " entry, " : " entries, ") + show_size(bytes) + " removed\n");
}

int clear(int argc, char** argv) {
  bool yes = false;
  std::string tenant;
  std::string_view value;
  Arguments args(argc, argv);
  while (args.next()) {
    if (args.is("--yes")) {
      yes = true;
    } else if (args.takes("--tenant", &value)) {
      if (value.empty()) return wrong_usage("clear", "no tenant");
      tenant = value;
    } else {
      return wrong_usage("clear", "unknown argument: ", args.word());
    }
  }
  if (!yes) {
    complain("clear: this removes ", tenant.empty() ? "every entry" : "every entry of that tenant",
             " of every local layer; say --yes if you mean it");
    return 1;
  }
  Cache cache;
  if (!cache.open() || cc_clear(cache.get(), tenant.empty() ? nullptr : tenant.c_str()) < 0) return failed("clear");
  return 0;
}

int flush(int argc, char** argv) {
  if (argc > 1) return wrong_usage("flush", "unknown argument: ", argv[1]);
  Cache cache;
  int left = cache.open() ? cc_flush(cache.get(), CC_TIMEOUT_DEFAULT) : -1;
  if (left < 0) return failed("flush");
  if (left > 0) complain("flush: still under way: ", show_count(static_cast<uint64_t>(left)));
  return left > 0;
}

int keygen(int argc, char** argv) {
  std::string type = "ed25519", file;
  std::string_view value;
  Arguments args(argc, argv);
  while (args.next()) {
    if (args.takes("--type", &value)) {
      type = value;
    } else if (args.word().substr(0, 1) == "-" || !file.empty()) {
      return wrong_usage("keygen", "unknown argument: ", args.word());
    } else {
      file = argv[args.at()];
    }
  }
  if (file.empty()) return wrong_usage("keygen", "no file");
  if (cc_keygen(type.c_str(), file.c_str()) != CC_OK) return failed("keygen");
  return print(show_text(file) + (type == "ed25519" ? " signs, " + show_text(file) + ".pub checks\n" : " signs and checks\n"));
}

// A bar on a terminal, a line for each problem everywhere.
class Progress {
 public:
  explicit Progress(bool json) : json_(json), bar_(isatty(2)) {}
  ~Progress() { wipe(); }
  static int tell(void* self, const cc_verify_report* r, const char* problem) { return static_cast<Progress*>(self)->tell(*r, problem); }

 private:
  int tell(const cc_verify_report& r, const char* problem) {
    if (problem) {
      wipe();
      if (write_all(json_ ? 2 : 1, show_text(problem) + "\n") != 0) return 1;
    }
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const int64_t ms = now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (!bar_ || ms < next_ms_) return 0;
    next_ms_ = ms + 100;
    constexpr uint64_t kWidth = 30;
    const uint64_t total = std::max(r.total, r.checked), done = total ? r.checked * kWidth / total : kWidth;
    std::string line = "\r[" + std::string(done, '#') + std::string(kWidth - done, ' ') + "] " + show_count(r.checked) + " of " + show_count(total) + ", " + show_count(r.damaged) + " damaged";
    shown_ = std::max(shown_, line.size());
    line.resize(shown_, ' ');
    write_all(2, line);
    return 0;
  }
  void wipe() {
    if (shown_) write_all(2, "\r" + std::string(shown_, ' ') + "\r");
    shown_ = 0;
    next_ms_ = 0;
  }
  const bool json_, bar_;
  size_t shown_ = 0;
  int64_t next_ms_ = 0;
};

int verify(int argc, char** argv) {
  uint32_t flags = 0;
  bool json = false;
  Arguments args(argc, argv);
  while (args.next()) {
    if (args.is("--repair")) flags |= CC_VERIFY_REPAIR;
    else if (args.is("--json")) json = true;
    else return wrong_usage("verify", "unknown argument: ", args.word());
  }
  Cache cache;
  cc_verify_report r = {sizeof r};
  int left = cache.open() ? 0 : -1;
  if (left == 0) {
    Progress progress(json);
    left = cc_verify(cache.get(), flags, Progress::tell, &progress, &r);
  }
  if (left < 0) return failed("verify");
  std::string out;
  auto count = [&](const char* name, uint64_t n, bool always = false) {
    if (json) out += std::string(out.empty() ? "{\"" : ",\"") + name + "\":" + std::to_string(n);
    else if (n || always) out += (out.empty() ? "" : ", ") + show_count(n) + " " + name;
  };
  count("checked", r.checked, true);
  if (json) count("bytes", r.bytes);
  else out += " (" + show_size(r.bytes) + ")";
  count("damaged", r.damaged, true);
  count("removed", r.removed);
  count("foreign", r.foreign);
  count("untrusted", r.untrusted);
  count("unindexed", r.unindexed);
  count("absent", r.absent);
  return print(out + (json ? "}\n" : "\n")) | (left > 0 ? 1 : 0);
}

int links(int argc, char** argv) {
  std::string folder, target;
  std::string_view value;
  Arguments args(argc, argv);
  while (args.next()) {
    if (args.takes("--target", &value)) {
      if (value.empty()) return wrong_usage("links", "no target");
      target = value;
    } else if (args.word().substr(0, 1) == "-" || !folder.empty()) {
      return wrong_usage("links", "unknown argument: ", args.word());
    } else {
      folder = args.word();
    }
  }
  if (folder.empty()) return wrong_usage("links", "no folder");
  char self[PATH_MAX];
  if (target.empty()) {
    if (!realpath("/proc/self/exe", self)) return complain("links: /proc/self/exe: ", strerror(errno)), 1;
    target = self;
  }
  std::vector<std::string> made, kept;
  std::string what;
  if (int error = make_links(folder, target, &made, &kept, &what)) return complain("links: ", what + ": ", strerror(error)), 1;
  for (const std::string& name : kept) complain("links: left as it is: ", folder + "/", name);
  if (made.empty()) return complain("links: no compiler on PATH"), 1;
  std::string out;
  for (const std::string& name : made) out += (out.empty() ? "" : " ") + show_text(name);
  return print(out + "\n") | (kept.empty() ? 0 : 1);
}

int version(int argc, char** argv) {
  if (argc > 1) return wrong_usage("version", "unknown argument: ", argv[1]);
  return print(std::string("cchain ") + cc_version_string() + "\n");
}

int help(int argc, char** argv) {
  if (argc > 2) return wrong_usage("help", "one subcommand at a time");
  if (argc < 2) return print(std::string(kUsage).append(kHelp));
  const char* name = long_name(argv[1]);
  if (!name) return wrong_usage("help", "no such subcommand: ", argv[1]);
  return print(find_topic(name)->text);
}

}  // namespace

bool is_subcommand(const char* word) { return long_name(word) != nullptr; }

bool opens_cache(const char* subcommand) {
  const char* name = long_name(subcommand);
  return name && strcmp(name, "links") != 0 && strcmp(name, "version") != 0 && strcmp(name, "help") != 0;
}

int usage() {
  write_all(2, kUsage);
  return 2;
}

int subcommand(int argc, char** argv) {
  const char* found = long_name(argv[0]);
  if (!found) {
    complain("unknown option: ", argv[0]);
    return usage();
  }
  std::string_view name = found;
  if (argc == 2 && name != "help" && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")))
    return print(find_topic(name)->text);
  if (name == "stats") return stats(argc, argv);
  if (name == "config") return config(argc, argv);
  if (name == "verify") return verify(argc, argv);
  if (name == "keygen") return keygen(argc, argv);
  if (name == "trim") return trim(argc, argv);
  if (name == "clear") return clear(argc, argv);
  if (name == "flush") return flush(argc, argv);
  if (name == "links") return links(argc, argv);
  if (name == "version") return version(argc, argv);
  return help(argc, argv);
}

}  // namespace cli

// The table of subcommands and the texts that are made from it.
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>

#include <algorithm>

#include "cli/commands.h"
#include "cli/io.h"
#include "cli/subcommand.h"

namespace cli {

namespace {

constexpr Option kStats[] = {
    {"--json", nullptr, "as JSON: lookups, hits, misses, uncacheable, stores, errors, uncacheable_reasons, layers, …"},
    {"--log", "FILE", "what CCHAIN_STATS_LOG=FILE has counted, one build's"},
    {"--markdown", nullptr, "as tables for a CI's summary"},
    {"--prometheus", nullptr, "in Prometheus' text format"},
    {"--reset", nullptr, "set all to zero; with --json or another form, print first"},
};
constexpr Option kExplain[] = {
    {"--json", nullptr, "as JSON"},
    {"--tenant", "TENANT", "whose; else anybody's"},
    {"--dump", nullptr, "labelled fields and digests, no secrets, for --diff"},
    {"--diff", nullptr, "compare two dumps, of two machines: cchain explain --diff A.json B.json"},
};
constexpr Option kReport[] = {{"--html", "FILE", "where the page goes; - is standard output"}};
constexpr Option kConfig[] = {{"--json", nullptr, "as JSON"}};
constexpr Option kDoctor[] = {
    {"--json", nullptr, "as JSON: sound, findings, ccache"},
    {"--ccache", "FILE", "the ccache.conf to read; without it, where ccache looks for it"},
    {"--offline", nullptr, "ask no layer behind a network"},
};
constexpr Option kVerify[] = {
    {"--repair", nullptr, "remove what is damaged, make a wrong index anew"},
    {"--json", nullptr, "the counts as JSON"},
};
constexpr Option kKeygen[] = {{"--type", "TYPE", "ed25519 (the default): FILE for who signs, FILE.pub for who only checks;\nhmac-sha256: one shared key, who can check can sign"}};
constexpr Option kTrim[] = {
    {"--max-size", "SIZE", "what a layer may hold afterwards: 10G, 500M; without it, its own limit"},
    {"--max-age", "AGE", "entries that have not been used for longer go: 30d, 12h, 90m, 3600s"},
    {"--start", nullptr, "remove nothing; marks the start of a build for --unused-since-start"},
    {"--unused-since-start", nullptr, "entries that were neither stored nor used since trim --start go"},
};
constexpr Option kClear[] = {
    {"--yes", nullptr, "it is meant; without it nothing is removed"},
    {"--tenant", "TENANT", "only this tenant's"},
};
constexpr Option kFlush[] = {{"--timeout", "TIME", "how long at the most: 30s, 5m; without it, the configuration's flush_timeout_ms"}};
constexpr Option kLinks[] = {{"--target", "FILE", "what they lead to; without it, this program"}};
constexpr Option kHelp[] = {{"--list", nullptr, "the subcommands, or the options of one, for completions: a line for each, tabs between name, value and text"}};

constexpr bool kOpensCache = true, kOpensNone = false;

constexpr Subcommand kSubcommands[] = {
    {"stats", "", "hits and misses, and what stands in their way (-s; -z sets all to zero)",
     "What all processes have counted since the last reset. Troubles come first.\n"
     "cchain -s is cchain stats, cchain -z is cchain stats --reset.\n",
     kStats, kOpensCache, stats},
    {"explain", "FILE", "why an output, or the last one of a source, was not served",
     "Compares the last look-up of FILE that was no hit with what had been stored: which header, option, compiler, directory or variable made the\n"
     "difference, or why the command can't be cached; and says what a look-up would answer now.\n",
     kExplain, kOpensCache, explain},
    {"report", "TRACE", "a page about one build, from the trace that Ninja writes with CCHAIN_TRACE=FILE",
     "Makes one self-contained HTML page of a build's trace: totals, timeline, the slowest misses and why they missed.\n", kReport, kOpensNone, report},
    {"config", "", "each value of the configuration and where it came from",
     "Each value of the configuration with where it came from: a default, a line of the file or a variable.\n"
     "What is wrong with it comes first.\n",
     kConfig, kOpensCache, config},
    {"doctor", "", "what keeps the cache from working, and what to do about it",
     "Looks at the configuration, permissions, layers, compilers, file systems, Ninja, Make and CMake, and at the settings of a ccache.conf or CCACHE_*.\n"
     "Its exit status is 0 if nothing has to be done, 1 if something is wrong.\n",
     kDoctor, kOpensCache, doctor},
    {"verify", "", "read all that is stored and check it",
     "Reads every entry of each local layer and checks it, and the layer's index. The exit status is 1 if anything is wrong that was not mended.\n", kVerify, kOpensCache, verify},
    {"trim", "", "remove the entries that have not been used for longest",
     "Removes entries from each local layer, least recently used first, and what killed processes have left.\n", kTrim, kOpensCache, trim},
    {"clear", "", "remove all entries", "Removes every entry of every local layer that may be written.\n", kClear, kOpensCache, clear},
    {"flush", "", "wait until everything that was stored has reached its layers", "Waits until everything that was stored has reached its layers.\n", kFlush,
     kOpensCache, flush},
    {"keygen", "FILE", "make a key that entries are signed with",
     "Makes a key for the \"sign\" and \"verify_keys\" of layers in FILE, which must not be there. What is in it is secret: mode 0600.\n"
     "To change keys, name the old and the new one in \"verify_keys\" for a while.\n",
     kKeygen, kOpensCache, keygen},
    {"links", "DIR", "make a folder of links for the compilers on PATH",
     "Makes DIR and in it a link to cchain for each C and C++ compiler on PATH: cc, gcc, g++-12, clang++, …\n"
     "With DIR first on PATH, every build that calls a compiler by its name goes through the cache. What stands in DIR stays.\n",
     kLinks, kOpensNone, links},
    {"version", "", "the version (-V)", "", {}, kOpensNone, version},
    {"help", "[SUBCOMMAND]", "this text (-h), or more about a subcommand: cchain help stats", "", kHelp, kOpensNone, help},
};

// Options that stand for a subcommand.
constexpr struct {
  const char *word, *name;
} kShort[] = {{"-s", "stats"}, {"-z", "stats"}, {"-V", "version"}, {"--version", "version"}, {"-h", "help"}, {"--help", "help"}};

constexpr struct {
  const char *name, *about;
} kVariables[] = {
    {"CCHAIN_DISABLE=1", "run the compiler at once"},
    {"CCHAIN_DIR", "the folder of the cache; else $XDG_CACHE_HOME/cchain"},
    {"CCHAIN_MAX_SIZE", "its limit: 20G; else 10 GiB"},
    {"CCHAIN_STATE_DIR", "the private folder: digests, statistics; else private in the first layer's"},
    {"CCHAIN_CONFIG", "the configuration file; else $XDG_CONFIG_HOME/cchain/config.json"},
    {"CCHAIN_LAYERS", "a list of layers: /path?max_size=10G http://host/path s3://bucket/prefix redis://host"},
    {"CCHAIN_COMPRESSION", "auto, off, on or a level from 1 to 19"},
    {"CCHAIN_BASE_DIRS", "source and build folders, a colon between them: checkouts elsewhere share their entries"},
    {"CCHAIN_MODE", "direct, preprocess or direct+preprocess"},
    {"CCHAIN_TENANT", "whose entries"},
    {"CCHAIN_READ_ONLY", "all or remote: store nothing there"},
    {"CCHAIN_RECACHE=1", "look nothing up, replace what is stored"},
    {"CCHAIN_PREFIX", "run the compiles of misses through this: distcc, icecc. Not what can't be cached"},
    {"CCHAIN_SHELL", "the shell behind make SHELL=cchain-sh; else /bin/sh"},
    {"CCHAIN_LOG", "a file for troubles"},
    {"CCHAIN_STATS_LOG", "a file for one build's statistics"},
    {"CCHAIN_WARN=1", "troubles on stderr too, as they happen"},
    {"CCHAIN_TRACE", "a file for the trace of a build by the patched Ninja: cchain report"},
    {"CCHAIN_LIB", "the library for Python; else where it was installed"},
    {"NO_COLOR=1", "no colours"},
};

// "  name   about", further lines of it below its first.
template <class Items, class Name>
std::string columns(const Items& items, Name name_of) {
  size_t width = 0;
  for (const auto& item : items) width = std::max(width, name_of(item).size());
  std::string out;
  for (const auto& item : items) {
    std::string name = name_of(item);
    std::string_view text = item.about;
    for (bool first = true; first || !text.empty(); first = false) {
      size_t end = std::min(text.find('\n'), text.size());
      out.append("  ").append(first ? name : std::string()).append(first ? width - name.size() : width, ' ').append("  ").append(text.substr(0, end)).append("\n");
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }
  return out;
}

std::string named(const Option& option) { return option.value ? std::string(option.name) + " " + option.value : option.name; }

std::string short_usage() {
  std::string out =
      "usage: cchain COMPILER ARGUMENT...       compile, or take the result from the cache\n"
      "       cchain -- COMPILER ARGUMENT...    the same, where COMPILER is named like a subcommand\n"
      "       cchain SUBCOMMAND ARGUMENT...     ";
  for (const Subcommand& s : kSubcommands) out.append(&s == kSubcommands ? "" : ", ").append(s.name);
  return out += '\n';
}

std::string long_usage() {
  struct Line {
    std::string name;
    const char* about;
  };
  std::vector<Line> lines;
  for (const Subcommand& s : kSubcommands) lines.push_back({s.name, s.brief});
  return short_usage() +
         "\n"
         "A link to cchain that bears a compiler's name (cc, g++-12, clang++, …) runs the next one of that name on PATH.\n"
         "What can't be cached runs untouched.\n"
         "\n" +
         columns(lines, [](const Line& line) { return line.name; }) + "\nenvironment:\n" +
         columns(kVariables, [](const auto& variable) { return std::string(variable.name); }) + "\nThe manual: man cchain, man cchain.json\n";
}

std::string text_of(const Subcommand& s) {
  std::string out = usage_of(s);
  if (*s.about) out.append("\n").append(s.about);
  if (!s.options.empty()) out.append("\n").append(columns(s.options, named));
  return out;
}

std::string list_of(const Subcommand* s) {
  std::string out;
  if (!s) {
    for (const Subcommand& each : kSubcommands) out.append(each.name).append("\t").append(each.operands).append("\t").append(each.brief).append("\n");
    return out;
  }
  for (const Option& option : s->options) {
    std::string about = option.about;
    std::replace(about.begin(), about.end(), '\n', ' ');
    out.append(option.name).append("\t").append(option.value ? option.value : "").append("\t").append(about).append("\n");
  }
  return out;
}

}  // namespace

std::span<const Subcommand> subcommands() { return kSubcommands; }

const Subcommand* find_subcommand(std::string_view word) {
  for (const auto& s : kShort)
    if (word == s.word) word = s.name;
  for (const Subcommand& s : kSubcommands)
    if (word == s.name) return &s;
  return nullptr;
}

std::string usage_of(const Subcommand& s) {
  std::string out = std::string("usage: cchain ") + s.name;
  if (*s.operands) out.append(" ").append(s.operands);
  for (const Option& option : s.options) out.append(" [").append(named(option)).append("]");
  return out += '\n';
}

int help(int argc, char** argv) {
  bool list = false;
  const Subcommand* about = nullptr;
  Arguments args(argc, argv);
  while (args.next()) {
    if (args.is("--list")) list = true;
    else if (about) return wrong_usage("help", "one subcommand at a time");
    else if (!(about = find_subcommand(args.word()))) return wrong_usage("help", "no such subcommand: ", args.word());
  }
  return print(list ? list_of(about) : about ? text_of(*about) : long_usage());
}

bool is_subcommand(const char* word) { return find_subcommand(word) != nullptr; }

bool opens_cache(const char* word) {
  const Subcommand* s = find_subcommand(word);
  return s && s->opens_cache;
}

int usage() {
  write_all(2, short_usage());
  return 2;
}

int subcommand(int argc, char** argv) {
  const Subcommand* s = find_subcommand(argv[0]);
  if (!s) {
    complain("unknown option: ", argv[0]);
    return usage();
  }
  // Anywhere in the line: who asks for help wants nothing removed.
  for (int i = 1; i < argc; i++)
    if (s->run != help && (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))) return print(text_of(*s));
  return s->run(argc, argv);
}

// ---- what the subcommands share

int print(std::string_view text) {
  int error = write_all(1, text);
  if (error) complain("standard output: ", strerror(error));
  return error ? 1 : 0;
}

int wrong_usage(const char* name, std::string_view what, std::string_view word) {
  complain(std::string(name) + ": ", what, word);
  write_all(2, usage_of(*find_subcommand(name)));
  return 2;
}

int failed(const char* name) {
  complain(std::string(name) + ": ", cc_last_error());
  return 1;
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\', out += c;
    else if (c == '\n') out += "\\n";
    else if (static_cast<unsigned char>(c) < 0x20) out += ' ';
    else out += c;
  }
  return out += '"';
}

void put_first(std::string* json, std::string_view name, const std::string& element) {
  size_t at = json->find("\"" + std::string(name) + "\"");
  if (at == std::string::npos || (at = json->find('[', at)) == std::string::npos) return;
  size_t next = json->find_first_not_of(" \t\r\n", ++at);
  bool empty = next != std::string::npos && (*json)[next] == ']';
  json->insert(at, empty ? element : element + ",");
}

void Table::print(std::string_view align, const char* indent, std::string* out) const {
  auto columns_of = [](std::string_view utf8) { return static_cast<size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xc0) != 0x80; })); };
  std::vector<size_t> width(align.size());
  for (const auto& cells : rows_)
    for (size_t i = 0; i < cells.size(); i++) width[i] = std::max(width[i], columns_of(cells[i]));
  for (const auto& cells : rows_) {
    *out += indent;
    for (size_t i = 0; i < cells.size(); i++) {
      size_t pad = width[i] - columns_of(cells[i]);
      if (i) *out += "  ";
      if (align[i] == '>') out->append(pad, ' ');
      *out += cells[i];
      if (align[i] == '<' && i + 1 < cells.size()) out->append(pad, ' ');
    }
    *out += '\n';
  }
}

}  // namespace cli

// SPDX-License-Identifier: Apache-2.0
#include <cchain.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "cli/io.h"
#include "cli/json.h"
#include "cli/links.h"
#include "cli/progress.h"
#include "cli/subcommand.h"
#include "cli/text.h"

namespace cli {

namespace {

// Puts `element` first into the array that is the member `name` of the JSON text.
void put_first(std::string* json, std::string_view name, const std::string& element) {
  size_t at = json->find("\"" + std::string(name) + "\"");
  if (at == std::string::npos || (at = json->find('[', at)) == std::string::npos) return;
  size_t next = json->find_first_not_of(" \t\r\n", ++at);
  bool empty = next != std::string::npos && (*json)[next] == ']';
  json->insert(at, empty ? element : element + ",");
}

// A number of the configuration in use; 0 if there is no such.
uint64_t config_number(cc_cache* cache, std::string_view key) {
  Text text;
  Json tree;
  if (cc_config_json(cache, &text.p) != CC_OK || !JsonReader::read(text.p, &tree)) return 0;
  for (const auto& [none, value] : tree["values"].items)
    if (value["key"].text == key) return strtoull(value["value"].text.c_str(), nullptr, 10);
  return 0;
}

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
  }
  show_reasons(stats["uncacheable_reasons"], "uncacheable", &out);
  show_reasons(stats["miss_reasons"], "misses", &out);
  return out;
}

}  // namespace

int stats(int argc, char** argv) {
  bool json = false, reset = !strcmp(argv[0], "-z");
  Arguments args(argc, argv);
  while (args.next()) {
    if (args.is("--json")) json = true;
    else if (args.is("--reset")) reset = true;
    else return wrong_usage("stats", "unknown argument: ", args.word());
  }
  OpenCache cache;
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
  OpenCache cache;
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
  Progress progress("trim", "entries");
  cc_trim_options options = {sizeof options};
  options.max_size = UINT64_MAX;
  options.progress = Progress::callback;
  options.progress_user = &progress;
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
  OpenCache cache;
  uint64_t entries = 0, bytes = 0;
  if (!cache.open() || cc_trim(cache.get(), &options, &entries, &bytes) < 0) return progress.end(), failed("trim");
  progress.end();
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
  OpenCache cache;
  if (!cache.open() || cc_clear(cache.get(), tenant.empty() ? nullptr : tenant.c_str()) < 0) return failed("clear");
  return 0;
}

int flush(int argc, char** argv) {
  constexpr int kSlice = 200;
  uint64_t limit_s = 0;
  std::string_view value;
  Arguments args(argc, argv);
  while (args.next()) {
    if (!args.takes("--timeout", &value)) return wrong_usage("flush", "unknown argument: ", args.word());
    if (!read_age(value, &limit_s) || !limit_s) return wrong_usage("flush", "no time: ", value);
  }
  OpenCache cache;
  if (!cache.open()) return failed("flush");
  int64_t limit = limit_s ? static_cast<int64_t>(std::min<uint64_t>(limit_s, INT32_MAX)) * 1000 : static_cast<int64_t>(config_number(cache.get(), "flush_timeout_ms"));
  Progress progress("flush", "stores");
  int left, most = 0;
  // In slices, to see how far it has come.
  for (;; limit -= kSlice) {
    left = cc_flush(cache.get(), static_cast<int32_t>(std::max<int64_t>(0, std::min<int64_t>(limit, kSlice))));
    if (left <= 0 || limit <= kSlice) break;
    most = std::max(most, left);
    progress.at(static_cast<uint64_t>(most - left), static_cast<uint64_t>(most));
  }
  progress.end();
  if (left < 0) return failed("flush");
  if (left > 0) complain("flush: still under way: ", show_count(static_cast<uint64_t>(left)));
  return left > 0;
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

}  // namespace cli

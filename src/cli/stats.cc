// `cchain stats`: what was counted, for people, for a CI summary, for programs and for Prometheus.
// SPDX-License-Identifier: Apache-2.0
#include <cchain.h>
#include <stdio.h>
#include <string.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "cli/io.h"
#include "cli/json.h"
#include "cli/subcommand.h"
#include "cli/text.h"

namespace cli {

namespace {

constexpr size_t kTop = 10;  // of reasons, the rest is summed up

struct Row {
  std::vector<std::string> cells;
};
struct Part {
  std::string title;  // empty: none
  std::string align;  // one of < and > for each column
  bool head = false;  // the first row names the columns
  std::vector<Row> rows;
};

std::string show_latency(const Json& latency, const char* which) {
  if (!latency["count"].whole) return "-";
  char text[32];
  const double us = static_cast<double>(latency[which].whole);
  if (us < 1000) snprintf(text, sizeof text, "%.0f µs", us);
  else if (us < 100000) snprintf(text, sizeof text, "%.1f ms", us / 1000);
  else if (us < 1000000) snprintf(text, sizeof text, "%.0f ms", us / 1000);
  else snprintf(text, sizeof text, "%.1f s", us / 1000000);
  return text;
}

// Rounded down: 100 % is said of nothing that is not whole.
std::string show_share(uint64_t part, uint64_t whole) {
  if (!whole) return "-";
  char text[32];
  snprintf(text, sizeof text, "%.1f %%", static_cast<double>(static_cast<uint64_t>(static_cast<unsigned __int128>(part) * 1000 / whole)) / 10);
  return text;
}

Part reasons_part(const Json& groups, const char* title) {
  Part part{title, "><", false, {}};
  uint64_t rest = 0;
  for (size_t i = 0; i < groups.items.size(); i++) {
    const Json& g = groups.items[i].value;
    if (i >= kTop && groups.items.size() > kTop + 1) {
      rest += g["count"].whole;
      continue;
    }
    std::string text = show_text(g["reason"].text), examples;
    for (const auto& [none, e] : g["examples"].items) examples += (examples.empty() ? "" : ", ") + show_text(e.text);
    if (!examples.empty()) text += " (" + examples + (g["examples"].items.size() == 3 ? ", …)" : ")");
    part.rows.push_back({{show_count(g["count"].whole), text}});
  }
  if (rest) part.rows.push_back({{show_count(rest), "others; cchain stats --json names them"}});
  return part;
}

// Its share, or all of the layer.
uint64_t tenant_limit(const Json& layer, const Json& tenant) { return tenant["max_size"].whole ? tenant["max_size"].whole : layer["max_size"].whole; }

std::vector<Part> parts_of(const Json& stats) {
  std::vector<Part> parts;
  Part troubles{"troubles", "<", false, {}};
  for (const auto& [none, trouble] : stats["troubles"].items) {
    std::string text = show_text(trouble["text"].text);
    if (trouble["count"].whole > 1) text += " (" + show_count(trouble["count"].whole) + " times)";
    troubles.rows.push_back({{text}});
  }
  if (!troubles.rows.empty()) parts.push_back(std::move(troubles));

  const uint64_t hits = stats["hits"].whole, asked = hits + stats["misses"].whole;
  Part all{"", "<>", false, {}};
  all.rows.push_back({{"hit rate", show_share(hits, asked)}});
  for (const char* name : {"hits", "misses", "uncacheable", "stores", "errors"}) all.rows.push_back({{name, show_count(stats[name].whole)}});
  all.rows.push_back({{"time saved", show_time(stats["saved_ms"].whole)}});
  parts.push_back(std::move(all));

  Part layers{"", "<<>>>>>>>>>", true, {}};
  layers.rows.push_back({{"layer", "type", "hits", "share", "median", "99 %", "read", "written", "stores", "errors", "size of limit"}});
  Part tenants{"", "<<>>>>", true, {}};
  tenants.rows.push_back({{"layer", "tenant", "size", "limit", "used", "entries"}});
  for (const auto& [none, layer] : stats["layers"].items) {
    auto count = [&l = layer](const char* name) { return show_count(l[name].whole); };
    auto size = [&l = layer](const char* name) { return l[name].type == Json::kNumber ? show_size(l[name].whole) : std::string("-"); };
    layers.rows.push_back({{show_text(layer["name"].text), show_text(layer["type"].text), count("hits"), show_share(layer["hits"].whole, asked),
                            show_latency(layer["latency_us"], "median"), show_latency(layer["latency_us"], "p99"), size("bytes_read"), size("bytes_written"), count("stores"),
                            count("errors"), layer["size"].type == Json::kNumber ? size("size") + " of " + size("max_size") : "-"}});
    for (const auto& [nothing, t] : layer["tenants"].items) {
      const uint64_t limit = tenant_limit(layer, t);
      tenants.rows.push_back({{show_text(layer["name"].text), show_text(t["tenant"].text), show_size(t["size"].whole), limit ? show_size(limit) : "-", show_share(t["size"].whole, limit), show_count(t["entries"].whole)}});
    }
  }
  const Json& missed = stats["miss_latency_us"];
  if (layers.rows.size() > 1) {
    layers.rows.push_back({{"(missed)", "", show_count(stats["misses"].whole), show_share(stats["misses"].whole, asked), show_latency(missed, "median"), show_latency(missed, "p99"), "", "", "", "", ""}});
    parts.push_back(std::move(layers));
  }
  if (tenants.rows.size() > 1) parts.push_back(std::move(tenants));
  Part rechecks{"hits that were compiled again", "><", false, {}};
  for (const auto& [name, count] : stats["rechecks"].items) rechecks.rows.push_back({{show_count(count.whole), show_text(name)}});
  if (!rechecks.rows.empty()) parts.push_back(std::move(rechecks));
  for (Part part : {reasons_part(stats["uncacheable_groups"], "uncacheable"), reasons_part(stats["miss_groups"], "misses")})
    if (!part.rows.empty()) parts.push_back(std::move(part));
  return parts;
}

std::string as_text(const Json& stats) {
  std::string out;
  for (const Part& part : parts_of(stats)) {
    if (!out.empty()) out += '\n';
    if (!part.title.empty()) out += part.title + "\n";
    Table table;
    for (const Row& row : part.rows) table.row(row.cells);
    table.print(part.align, part.title.empty() ? "" : "  ", &out);
  }
  return out;
}

// What a cell holds is text: it must not become a table's end, a link or a tag.
std::string for_markdown(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '<') out += "&lt;";
    else if (c == '&') out += "&amp;";
    else if (strchr("\\`*_[]|#~!", c)) out += '\\', out += c;
    else out += c;
  }
  return out;
}

std::string as_markdown(const Json& stats) {
  std::string out = "### Compile cache\n";
  for (const Part& part : parts_of(stats)) {
    out += '\n';
    if (!part.title.empty()) out += "**" + for_markdown(part.title) + "**\n\n";
    for (size_t r = 0; r < part.rows.size() + !part.head; r++) {
      const bool names = r == 0;
      out += '|';
      for (size_t c = 0; c < part.align.size(); c++) out += " " + (names && !part.head ? std::string() : for_markdown(part.rows[part.head ? r : r - 1].cells[c])) + " |";
      out += '\n';
      if (!names) continue;
      out += '|';
      for (char align : part.align) out += align == '>' ? "---:|" : "---|";
      out += '\n';
    }
  }
  return out;
}

// Prometheus' text format, version 0.0.4.
class Exposition {
 public:
  void family(const char* name, const char* type, const char* help) {
    name_ = std::string("cchain_") + name;
    out_ += "# HELP " + name_ + " " + help + "\n# TYPE " + name_ + " " + type + "\n";
  }
  using Labels = std::vector<std::pair<const char*, std::string_view>>;
  void value(const Labels& labels, const std::string& number, const char* suffix = "") {
    out_ += name_ + suffix;
    for (size_t i = 0; i < labels.size(); i++) {
      out_.append(i ? "," : "{").append(labels[i].first).append("=\"");
      for (char c : labels[i].second) {
        if (c == '\\' || c == '"') out_ += '\\', out_ += c;
        else if (c == '\n') out_ += "\\n";
        else out_ += c;
      }
      out_ += '"';
    }
    if (!labels.empty()) out_ += '}';
    out_ += " " + number + "\n";
  }
  void value(const Labels& labels, uint64_t number) { value(labels, std::to_string(number)); }
  static std::string seconds(uint64_t us) {
    char text[48];
    snprintf(text, sizeof text, "%llu.%06llu", static_cast<unsigned long long>(us / 1000000), static_cast<unsigned long long>(us % 1000000));
    return text;
  }
  // Bounds are powers of two in µs: the same at each time, whatever was counted.
  void histogram(const Labels& labels, const Json& latency) {
    for (int power = 5; power <= 24; power++) {
      uint64_t below = 0;
      for (const auto& [none, bucket] : latency["buckets"].items)
        if (bucket.items.size() == 2 && bucket.items[0].value.whole < (uint64_t{1} << power)) below += bucket.items[1].value.whole;
      const std::string bound = seconds(uint64_t{1} << power);
      Labels with = labels;
      with.emplace_back("le", bound);
      value(with, std::to_string(below), "_bucket");
    }
    Labels with = labels;
    with.emplace_back("le", "+Inf");
    value(with, std::to_string(latency["count"].whole), "_bucket");
    value(labels, seconds(latency["sum"].whole), "_sum");
    value(labels, std::to_string(latency["count"].whole), "_count");
  }
  std::string take() { return std::move(out_); }

 private:
  std::string name_, out_;
};

std::string as_prometheus(const Json& stats) {
  Exposition e;
  static constexpr struct {
    const char *key, *name, *help;
  } kCounters[] = {{"lookups", "lookups_total", "Look-ups."},
                   {"hits", "hits_total", "Look-ups that a layer answered."},
                   {"misses", "misses_total", "Look-ups that no layer answered."},
                   {"uncacheable", "uncacheable_total", "Commands that can not be cached."},
                   {"stores", "stores_total", "Results that were stored."},
                   {"errors", "errors_total", "Failures of layers."}};
  for (auto& c : kCounters) e.family(c.name, "counter", c.help), e.value({}, stats[c.key].whole);
  e.family("saved_seconds_total", "counter", "Compile time of the hits.");
  e.value({}, Exposition::seconds(stats["saved_ms"].whole * 1000));
  e.family("troubles", "gauge", "Troubles that cchain stats shows.");
  e.value({}, stats["troubles"].items.size());
  static constexpr struct {
    const char *key, *name, *type, *help;
  } kLayer[] = {{"hits", "layer_hits_total", "counter", "Hits of a layer."},
                {"misses", "layer_misses_total", "counter", "Misses of a layer."},
                {"stores", "layer_stores_total", "counter", "Results that a layer has taken."},
                {"errors", "layer_errors_total", "counter", "Failures of a layer."},
                {"bytes_read", "layer_read_bytes_total", "counter", "Bytes read from a layer."},
                {"bytes_written", "layer_written_bytes_total", "counter", "Bytes written to a layer."},
                {"size", "layer_size_bytes", "gauge", "Bytes that a layer holds."},
                {"max_size", "layer_limit_bytes", "gauge", "Bytes that a layer may hold."},
                {"entries", "layer_entries", "gauge", "Entries that a layer holds."}};
  auto each_layer = [&](auto f) {
    for (const auto& [none, layer] : stats["layers"].items) f(Exposition::Labels{{"layer", layer["name"].text}}, layer);
  };
  for (auto& c : kLayer) {
    e.family(c.name, c.type, c.help);
    each_layer([&](const Exposition::Labels& labels, const Json& layer) {
      if (layer[c.key].type == Json::kNumber) e.value(labels, layer[c.key].whole);
    });
  }
  auto each_tenant = [&](auto number) {
    each_layer([&](const Exposition::Labels& labels, const Json& layer) {
      for (const auto& [none, t] : layer["tenants"].items) {
        Exposition::Labels with = labels;
        with.emplace_back("tenant", t["tenant"].text);
        e.value(with, number(layer, t));
      }
    });
  };
  e.family("tenant_size_bytes", "gauge", "Bytes that a layer holds for a tenant.");
  each_tenant([](const Json&, const Json& t) { return t["size"].whole; });
  e.family("tenant_limit_bytes", "gauge", "Bytes that a layer may hold for a tenant.");
  each_tenant(tenant_limit);
  e.family("hit_duration_seconds", "histogram", "How long look-ups took that a layer answered.");
  each_layer([&](const Exposition::Labels& labels, const Json& layer) { e.histogram(labels, layer["latency_us"]); });
  e.family("miss_duration_seconds", "histogram", "How long look-ups took that no layer answered.");
  e.histogram({}, stats["miss_latency_us"]);
  auto by_reason = [&](const char* key, const char* name, const char* help) {
    e.family(name, "counter", help);
    const auto& groups = stats[key].items;
    for (size_t i = 0; i < groups.size() && i < 50; i++) e.value({{"reason", groups[i].value["reason"].text}}, groups[i].value["count"].whole);
  };
  by_reason("uncacheable_groups", "uncacheable_by_reason_total", "Commands that can not be cached, by reason.");
  by_reason("miss_groups", "misses_by_reason_total", "Look-ups that no layer answered, by reason.");
  return e.take();
}

}  // namespace

int stats(int argc, char** argv) {
  bool reset = !strcmp(argv[0], "-z"), json = false;
  std::string (*form)(const Json&) = nullptr;
  std::string log;
  std::string_view value;
  Arguments args(argc, argv);
  while (args.next()) {
    if (args.is("--json")) json = true;
    else if (args.is("--markdown")) form = as_markdown;
    else if (args.is("--prometheus")) form = as_prometheus;
    else if (args.is("--reset")) reset = true;
    else if (args.takes("--log", &value) && !value.empty()) log = value;
    else return wrong_usage("stats", "unknown argument: ", args.word());
  }
  if (reset && !log.empty()) return wrong_usage("stats", "--reset is about all, --log about one file");
  OpenCache cache;
  std::string trouble;
  if (!cache.open_in_any_case(&trouble)) return failed("stats");
  int status = 0;
  const bool show = json || form || !reset;
  if (show) {
    Text text;
    if ((log.empty() ? cc_stats_json(cache.get(), &text.p) : cc_stats_file_json(cache.get(), log.c_str(), &text.p)) != CC_OK) return failed("stats");
    std::string shown = text.p;
    if (!trouble.empty()) put_first(&shown, "troubles", "{\"text\":" + json_string(trouble) + ",\"count\":1}");
    if (!json) {
      Json tree;
      if (!JsonReader::read(shown, &tree)) return complain("stats: the statistics are no JSON"), 1;
      shown = form ? form(tree) : as_text(tree);
    } else if (shown.empty() || shown.back() != '\n') {
      shown += '\n';
    }
    status = print(shown);
  }
  if (reset) {
    if (cc_stats_reset(cache.get()) != CC_OK) return failed("stats");
    if (!show) status = print("statistics set to zero\n");
  }
  return status;
}

}  // namespace cli

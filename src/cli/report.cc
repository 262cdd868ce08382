// `cchain report`: one page about a build, from the trace that the patched Ninja writes. Everything in a trace is text that anybody may have written: it is escaped, the
// page runs no script and may load nothing.
// SPDX-License-Identifier: Apache-2.0
#include <cchain.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cli/io.h"
#include "cli/json.h"
#include "cli/subcommand.h"
#include "cli/text.h"

namespace cli {

namespace {

constexpr size_t kMaxTrace = 1u << 30, kMaxLanes = 256, kTop = 25;
constexpr double kMaxUs = 1e15;
constexpr double kWidth = 1200, kLane = 20, kAxis = 24;  // of the timeline, in its own units

enum Kind { kHit, kMiss, kUncacheable, kCommand, kKinds };
constexpr struct {
  const char *category, *title, *about;
} kKind[kKinds] = {{"hit", "Hits", "taken from the cache"},
                   {"miss", "Misses", "compiled and stored"},
                   {"uncacheable", "Uncacheable", "compiles that can't be cached"},
                   {"command", "Commands", "links and whatever else is no compile"}};

struct Edge {
  std::string name, why, layer;
  Kind kind = kCommand;
  size_t lane = 0;
  double from = 0, to = 0;  // µs
  double run = 0, lookup = 0;  // of that
  uint64_t saved_ms = 0;
  double time() const { return to - from; }
};

struct Build {
  std::vector<Edge> edges;  // by start
  size_t lanes = 0;
  double end = 0;
  size_t count[kKinds] = {};
  double time[kKinds] = {};
  uint64_t saved_ms = 0;
};

// What is no trace has no edges.
bool read_trace(std::string_view text, Build* build) {
  Json root;
  if (!JsonReader::read(text, &root)) return false;
  const Json& events = root.type == Json::kArray ? root : root["traceEvents"];
  if (events.type != Json::kArray) return false;
  std::map<double, size_t> lanes;
  struct Part {
    bool run;
    double tid, from, time;
  };
  std::vector<Part> parts;
  std::vector<double> tids;
  for (const auto& [none, event] : events.items) {
    const double from = event["ts"].number, time = event["dur"].number, tid = event["tid"].number;
    if (event["ph"].text != "X" || !isfinite(from) || !isfinite(time) || !isfinite(tid) || from < 0 || time < 0 || from + time > kMaxUs) continue;
    const std::string& category = event["cat"].text;
    if (category == "run" || category == "lookup") parts.push_back({category == "run", tid, from, time});
    size_t kind = 0;
    while (kind < kKinds && category != kKind[kind].category) kind++;
    if (kind == kKinds) continue;
    Edge e;
    e.kind = static_cast<Kind>(kind);
    e.name = event["name"].text;
    e.why = event["args"]["why"].text;
    e.layer = event["args"]["layer"].text;
    e.saved_ms = event["args"]["saved_ms"].whole;
    e.from = from, e.to = from + time;
    lanes.emplace(tid, 0);
    build->edges.push_back(std::move(e));
    tids.push_back(tid);
  }
  for (auto& [tid, lane] : lanes) lane = std::min(build->lanes++, kMaxLanes - 1);
  build->lanes = std::min(build->lanes, kMaxLanes);
  for (size_t i = 0; i < tids.size(); i++) build->edges[i].lane = lanes[tids[i]];
  std::stable_sort(build->edges.begin(), build->edges.end(), [](const Edge& a, const Edge& b) { return a.from < b.from; });
  // Parts belong to the edge of their lane around them.
  std::vector<std::vector<Edge*>> in_lane(build->lanes);
  for (Edge& e : build->edges) in_lane[e.lane].push_back(&e);
  for (const Part& p : parts) {
    auto lane = lanes.find(p.tid);
    if (lane == lanes.end()) continue;
    auto& list = in_lane[lane->second];
    auto it = std::upper_bound(list.begin(), list.end(), p.from, [](double at, const Edge* e) { return at < e->from; });
    if (it == list.begin() || p.from > (*--it)->to) continue;
    (p.run ? (*it)->run : (*it)->lookup) += p.time;
  }
  for (const Edge& e : build->edges) {
    build->end = std::max(build->end, e.to);
    build->count[e.kind]++;
    build->time[e.kind] += e.time();
    build->saved_ms += std::min<uint64_t>(e.saved_ms, UINT32_MAX);
  }
  return true;
}

std::string show_us(double us) {
  char text[32];
  if (us < 1000) snprintf(text, sizeof text, "%.0f µs", us);
  else if (us < 1e6) snprintf(text, sizeof text, "%.1f ms", us / 1e3);
  else if (us < 60e6) snprintf(text, sizeof text, "%.2f s", us / 1e6);
  else return show_time(static_cast<uint64_t>(us / 1e3));
  return text;
}

std::string hit_rate(const Build& b) {
  const size_t asked = b.count[kHit] + b.count[kMiss];
  char text[32] = "-";
  if (asked) snprintf(text, sizeof text, "%.1f %%", static_cast<double>(b.count[kHit] * 1000 / asked) / 10);
  return text;
}

// The longest first.
std::vector<const Edge*> slowest(const Build& b, Kind kind, size_t most) {
  std::vector<const Edge*> list;
  for (const Edge& e : b.edges)
    if (e.kind == kind) list.push_back(&e);
  std::stable_sort(list.begin(), list.end(), [](const Edge* x, const Edge* y) { return x->time() > y->time(); });
  if (list.size() > most) list.resize(most);
  return list;
}

struct Reason {
  std::string text;
  size_t count = 0;
  double time = 0;
};
std::vector<Reason> reasons(const Build& b, Kind kind) {
  std::map<std::string, Reason> all;
  for (const Edge& e : b.edges) {
    if (e.kind != kind || e.why.empty()) continue;
    Reason& r = all[e.why];
    r.text = e.why, r.count++, r.time += e.time();
  }
  std::vector<Reason> list;
  for (auto& [text, r] : all) list.push_back(std::move(r));
  std::stable_sort(list.begin(), list.end(), [](const Reason& x, const Reason& y) { return x.time > y.time; });
  if (list.size() > kTop) list.resize(kTop);
  return list;
}

// ---- the page

// As text between tags or in an attribute's quotes: control characters and what is no UTF-8 are replaced.
std::string escape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    if (c < 0x80) {
      i++;
      if (c == '&') out += "&amp;";
      else if (c == '<') out += "&lt;";
      else if (c == '>') out += "&gt;";
      else if (c == '"') out += "&quot;";
      else if (c == '\'') out += "&#39;";
      else if (c < 0x20 || c == 0x7f) out += "\xef\xbf\xbd";
      else out += static_cast<char>(c);
      continue;
    }
    const size_t length = c >= 0xf0 && c < 0xf5 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 1;
    bool whole = length > 1 && c < 0xf5 && text.size() - i >= length;
    for (size_t k = 1; whole && k < length; k++) whole = (static_cast<unsigned char>(text[i + k]) & 0xc0) == 0x80;
    if (whole && length == 3) {
      const unsigned char d = static_cast<unsigned char>(text[i + 1]);
      whole = !(c == 0xe0 && d < 0xa0) && !(c == 0xed && d >= 0xa0) && !(c == 0xe2 && d == 0x80 && (static_cast<unsigned char>(text[i + 2]) & 0xfe) == 0xae);
    }
    if (whole && length == 4) whole = !(c == 0xf0 && static_cast<unsigned char>(text[i + 1]) < 0x90) && !(c == 0xf4 && static_cast<unsigned char>(text[i + 1]) >= 0x90);
    if (whole) out.append(text.substr(i, length));
    else out += "\xef\xbf\xbd";
    i += whole ? length : 1;
  }
  return out;
}

constexpr std::string_view kStyle = R"(
:root { color-scheme: light dark; --ground: #fdfdfc; --text: #1d2024; --soft: #5a6270; --line: #d8dce2; --card: #f3f4f6;
  --hit: #1a7f4b; --miss: #b45309; --uncacheable: #a3195b; --command: #64708a; }
@media (prefers-color-scheme: dark) { :root { --ground: #16181c; --text: #e8eaed; --soft: #a3abb8; --line: #363b44; --card: #21252b;
  --hit: #3ecf8e; --miss: #f2a33c; --uncacheable: #f472b6; --command: #8b97ae; } }
body { margin: 2rem auto; max-width: 76rem; padding: 0 1.5rem; background: var(--ground); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; } p { margin: .25rem 0; } .soft { color: var(--soft); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: .75rem; margin: 1.25rem 0; padding: 0; list-style: none; }
.cards li { background: var(--card); border-radius: .5rem; padding: .7rem .9rem; border-left: .3rem solid var(--line); }
.cards b { display: block; font-size: 1.5rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.cards .hit { border-color: var(--hit); } .cards .miss { border-color: var(--miss); } .cards .uncacheable { border-color: var(--uncacheable); } .cards .command { border-color: var(--command); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .92rem; } caption { text-align: left; color: var(--soft); padding-bottom: .3rem; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
td.n, th.n { width: 1%; text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; } td code { font: .88rem ui-monospace, monospace; }
svg { width: 100%; min-width: 40rem; height: auto; display: block; background: var(--card); border-radius: .5rem; }
svg .hit { fill: var(--hit); } svg .miss { fill: var(--miss); } svg .uncacheable { fill: var(--uncacheable); } svg .command { fill: var(--command); }
svg .run { fill: #000; opacity: .22; } svg text { fill: var(--soft); font: 11px system-ui, sans-serif; } svg text.in { fill: #fff; } svg line { stroke: var(--line); }
@media (prefers-color-scheme: dark) { svg text.in { fill: #000; } }
.key { display: flex; flex-wrap: wrap; gap: .25rem 1.4rem; padding: 0; margin: .5rem 0; list-style: none; font-size: .92rem; }
.key i { display: inline-block; width: .9rem; height: .9rem; border-radius: .2rem; margin-right: .4rem; vertical-align: -.1rem; }
.key .hit i { background: var(--hit); } .key .miss i { background: var(--miss); } .key .uncacheable i { background: var(--uncacheable); } .key .command i { background: var(--command); }
)";

std::string number(double n) {
  char text[32];
  snprintf(text, sizeof text, "%.2f", n);
  return text;
}

// A round length of time that divides the whole into some ten parts.
double tick_of(double all) {
  double tick = 1;
  for (size_t i = 0; all / tick > 12; i++) tick *= i % 3 == 1 ? 2.5 : 2;
  return tick;
}

void timeline(const Build& b, std::string* out) {
  const double height = kAxis + static_cast<double>(b.lanes) * kLane + 6, scale = b.end > 0 ? kWidth / b.end : 0;
  *out += "<svg viewBox=\"0 0 " + number(kWidth) + " " + number(height) + "\" role=\"img\" aria-labelledby=\"t d\"><title id=\"t\">Timeline of the build</title><desc id=\"d\">" +
          std::to_string(b.edges.size()) + " commands in " + std::to_string(b.lanes) + " lanes over " + escape(show_us(b.end)) + "; the tables below name the slowest.</desc>\n";
  const double tick = tick_of(b.end);
  for (double at = 0; at <= b.end && tick > 0; at += tick) {
    const std::string x = number(at * scale);
    *out += "<line x1=\"" + x + "\" y1=\"" + number(kAxis - 4) + "\" x2=\"" + x + "\" y2=\"" + number(height) + "\"/>";
    if (at * scale < kWidth - 50) *out += "<text x=\"" + number(at * scale + 3) + "\" y=\"14\">" + escape(show_us(at)) + "</text>";
  }
  *out += '\n';
  // What is too short to be seen is drawn together with its neighbour of the same kind.
  struct Drawn {
    double from = -1, to = -1;
    Kind kind = kKinds;
    size_t count = 0;
    const Edge* edge = nullptr;
  };
  std::vector<Drawn> open(b.lanes);
  auto draw = [&](const Drawn& d, size_t lane) {
    if (!d.count) return;
    const double width = std::max(d.to - d.from, 0.4), y = kAxis + static_cast<double>(lane) * kLane;
    const Edge& e = *d.edge;
    *out += "<g><title>";
    if (d.count > 1) {
      *out += std::to_string(d.count) + " short ones: " + kKind[d.kind].category;
    } else {
      *out += escape(e.name) + "\n" + kKind[e.kind].category + ", " + escape(show_us(e.time()));
      if (!e.layer.empty()) *out += ", layer " + escape(e.layer);
      if (!e.why.empty()) *out += "\n" + escape(e.why);
    }
    *out += std::string("</title><rect class=\"") + kKind[d.kind].category + "\" x=\"" + number(d.from) + "\" y=\"" + number(y + 1) + "\" width=\"" + number(width) + "\" height=\"" +
            number(kLane - 2) + "\" rx=\"1.5\"/>";
    const size_t letters = static_cast<size_t>(width / 7);
    if (d.count == 1 && letters >= 6) {
      std::string_view name = e.name;
      name.remove_prefix(name.rfind('/') == std::string_view::npos ? 0 : name.rfind('/') + 1);
      *out += "<text class=\"in\" x=\"" + number(d.from + 4) + "\" y=\"" + number(y + 14) + "\">" + escape(name.size() > letters ? std::string(name.substr(0, letters - 1)) + "…" : std::string(name)) + "</text>";
    }
    *out += "</g>\n";
  };
  for (const Edge& e : b.edges) {
    Drawn& d = open[e.lane];
    const double from = e.from * scale, to = e.to * scale;
    if (d.count && d.kind == e.kind && to - from < 0.8 && from - d.to < 0.4 && d.to - d.from < 4) {
      d.to = std::max(d.to, to);
      d.count++;
      continue;
    }
    draw(d, e.lane);
    d = {from, to, e.kind, 1, &e};
  }
  for (size_t lane = 0; lane < open.size(); lane++) draw(open[lane], lane);
  *out += "</svg>\n";
}

void edges_table(const std::vector<const Edge*>& list, const char* id, const char* title, const char* caption, bool why, std::string* out) {
  if (list.empty()) return;
  *out += std::string("<h2 id=\"") + id + "\">" + title + "</h2>\n<div class=\"scroll\"><table><caption>" + caption +
          "</caption><thead><tr><th scope=\"col\" class=\"n\">Time</th><th scope=\"col\">Output</th>" + (why ? "<th scope=\"col\">Why</th>" : "") + "</tr></thead><tbody>\n";
  for (const Edge* e : list)
    *out += "<tr><td class=\"n\">" + escape(show_us(e->time())) + "</td><td><code>" + escape(e->name) + "</code></td>" + (why ? "<td>" + escape(e->why) + "</td>" : "") + "</tr>\n";
  *out += "</tbody></table></div>\n";
}

void reasons_table(const std::vector<Reason>& list, const char* id, const char* title, std::string* out) {
  if (list.empty()) return;
  *out += std::string("<h2 id=\"") + id + "\">" + title +
          "</h2>\n<div class=\"scroll\"><table><thead><tr><th scope=\"col\" class=\"n\">Count</th><th scope=\"col\" class=\"n\">Time</th><th scope=\"col\">Reason</th></tr></thead><tbody>\n";
  for (const Reason& r : list)
    *out += "<tr><td class=\"n\">" + show_count(r.count) + "</td><td class=\"n\">" + escape(show_us(r.time)) + "</td><td>" + escape(r.text) + "</td></tr>\n";
  *out += "</tbody></table></div>\n";
}

std::string page(const Build& b, std::string_view name) {
  std::string out =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
      "<title>Build report: " + escape(name) + "</title><style>" + std::string(kStyle) + "</style></head><body><main>\n<h1>Build report</h1>\n<p class=\"soft\">" + escape(name) + ", by cchain " +
      cc_version_string() + "</p>\n<ul class=\"cards\">";
  auto card = [&](const char* kind, const std::string& value, const std::string& text) {
    out += std::string("<li class=\"") + kind + "\"><b>" + escape(value) + "</b>" + escape(text) + "</li>";
  };
  card("", hit_rate(b), "hit rate");
  card("", show_us(b.end), "from first to last");
  for (size_t k = 0; k < kKinds; k++) card(kKind[k].category, show_count(b.count[k]), std::string(kKind[k].title) + ", " + show_us(b.time[k]));
  card("", show_time(b.saved_ms), "of compiling saved by the hits");
  out += "</ul>\n<h2 id=\"timeline\">Timeline</h2>\n<ul class=\"key\">";
  for (auto& k : kKind) out += std::string("<li class=\"") + k.category + "\"><i></i>" + k.title + ": " + k.about + "</li>";
  out += "</ul>\n<div class=\"scroll\">";
  timeline(b, &out);
  out += "</div>\n";
  edges_table(slowest(b, kMiss, kTop), "misses", "Slowest misses", "From the look-up to the store", true, &out);
  reasons_table(reasons(b, kMiss), "miss-reasons", "Why it missed", &out);
  edges_table(slowest(b, kUncacheable, kTop), "uncacheable", "Slowest uncacheable compiles", "What they cost in each build", true, &out);
  reasons_table(reasons(b, kUncacheable), "uncacheable-reasons", "Why it can't be cached", &out);
  edges_table(slowest(b, kCommand, 10), "commands", "Slowest commands", "What no compile cache can save", false, &out);
  edges_table(slowest(b, kHit, 10), "hits", "Slowest hits", "From the look-up until every output stood at its place", false, &out);
  return out += "</main></body></html>\n";
}

// ---- the same in short

std::string summary(const Build& b) {
  std::string out;
  Table table;
  table.row({"hit rate", hit_rate(b)});
  table.row({"from first to last", show_us(b.end)});
  for (size_t k = 0; k < kKinds; k++) table.row({kKind[k].category, show_count(b.count[k]) + ", " + show_us(b.time[k])});
  table.row({"time saved", show_time(b.saved_ms)});
  table.print("<<", "", &out);
  Table misses;
  const std::vector<const Edge*> list = slowest(b, kMiss, 10);
  for (const Edge* e : list) misses.row({show_us(e->time()), show_text(e->name), show_text(e->why)});
  if (!list.empty()) out += "\nslowest misses\n";
  misses.print("><<", "  ", &out);
  return out;
}

int read_whole(const char* path, std::string* out) {
  const int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : dup(0);
  if (fd < 0) return errno;
  static char part[1 << 16];
  ssize_t n = 0;
  while (out->size() <= kMaxTrace && ((n = read(fd, part, sizeof part)) > 0 || (n < 0 && errno == EINTR)))
    if (n > 0) out->append(part, static_cast<size_t>(n));
  const int error = n < 0 ? errno : out->size() > kMaxTrace ? EFBIG : 0;
  close(fd);
  return error;
}

}  // namespace

int report(int argc, char** argv) {
  std::string html, trace;
  std::string_view value;
  Arguments args(argc, argv);
  while (args.next()) {
    if (args.takes("--html", &value)) {
      if (value.empty()) return wrong_usage("report", "no file behind --html");
      html = value;
    } else if ((args.word().substr(0, 1) == "-" && args.word() != "-") || !trace.empty()) {
      return wrong_usage("report", "unknown argument: ", args.word());
    } else {
      trace = args.word();
    }
  }
  if (trace.empty()) return wrong_usage("report", "no trace: build with CCHAIN_TRACE=FILE ninja, then name that FILE");
  std::string text;
  if (int error = read_whole(trace.c_str(), &text)) return complain("report: ", trace + ": ", strerror(error)), 1;
  Build build;
  if (!read_trace(text, &build)) return complain("report: ", trace, " is no trace of a build"), 1;
  if (html.empty()) return print(summary(build));
  const std::string name = trace.substr(trace.rfind('/') == std::string::npos ? 0 : trace.rfind('/') + 1);
  if (html == "-") return print(page(build, name));
  const int fd = open(html.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  int error = fd < 0 ? errno : write_all(fd, page(build, name));
  if (fd >= 0 && close(fd) != 0 && !error) error = errno;
  if (error) return complain("report: ", html + ": ", strerror(error)), 1;
  return 0;
}

}  // namespace cli

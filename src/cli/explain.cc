// `cchain explain`: why an output was not served, on one screen.
// SPDX-License-Identifier: Apache-2.0
#include <cchain.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <vector>

#include "cli/io.h"
#include "cli/json.h"
#include "cli/subcommand.h"
#include "cli/text.h"

namespace cli {

namespace {

constexpr size_t kMostDifferences = 16;  // the rest is counted

// "2026-11-26 10:03:21 (12 min ago)"
std::string show_moment(uint64_t s) {
  const time_t at = static_cast<time_t>(s), now = time(nullptr);
  struct tm local;
  char text[64];
  if (!localtime_r(&at, &local) || !strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local)) return std::to_string(s);
  const uint64_t ago = now > at ? static_cast<uint64_t>(now - at) : 0;
  std::string out = text;
  if (ago < 60) out += " (just now)";
  else if (ago < 3600) out += " (" + std::to_string(ago / 60) + " min ago)";
  else if (ago < 86400) out += " (" + std::to_string(ago / 3600) + " h ago)";
  else out += " (" + std::to_string(ago / 86400) + " d ago)";
  return out;
}

// A path below the working directory without it.
std::string show_path(std::string_view path) {
  char here[PATH_MAX];
  if (getcwd(here, sizeof here)) {
    std::string prefix = std::string(here) + (here[1] ? "/" : "");
    if (path.size() > prefix.size() && path.substr(0, prefix.size()) == prefix) path.remove_prefix(prefix.size());
  }
  return show_text(path);
}

void show_differences(const Json& list, std::string* out) {
  Table table;
  size_t shown = 0;
  for (const auto& [none, d] : list.items) {
    if (shown++ == kMostDifferences) break;
    const std::string kind = d["kind"].text, change = d["change"].text, name = d["name"].text;
    const bool file = kind == "header" || kind == "source";
    std::string what = file ? show_path(name) + "  " + change : show_text(name);
    if (d["changed_at"].whole) what += ", " + show_moment(d["changed_at"].whole);
    const std::string before = show_text(d["before"].text), after = show_text(d["after"].text);
    if (!file) {
      if (!what.empty() && !(before.empty() && after.empty())) what += "  ";
      if (!before.empty() && !after.empty()) what += before + " → " + after;
      else if (!after.empty()) what += "+ " + after;
      else if (!before.empty()) what += "- " + before;
    }
    table.row({show_text(kind), what});
  }
  table.print("<<", "    ", out);
  if (list.items.size() > kMostDifferences) *out += "    and " + show_count(list.items.size() - kMostDifferences) + " more; --json has them\n";
}

std::string explain_text(const Json& e, std::string_view asked) {
  std::string out = show_text(asked) + ": " + show_text(e["summary"].text) + "\n";
  if (!e["found"].truth) return out;
  out += '\n';
  const Json &last = e["last"], &now = e["now"];
  Table table;
  if (show_path(e["output"].text) != asked && !e["output"].text.empty()) table.row({"output", show_path(e["output"].text)});
  if (show_path(e["source"].text) != asked && !e["source"].text.empty()) table.row({"source", show_path(e["source"].text)});
  if (!e["compiler"].text.empty()) table.row({"compiler", show_text(e["compiler"].text)});
  if (e["tenant"].text != "local") table.row({"tenant", show_text(e["tenant"].text)});
  const std::string answer = last["answer"].text;
  table.row({answer == "miss" ? "last miss" : answer == "stored" ? "stored" : "not cached", show_moment(last["time"].whole) + ", by " + show_text(last["by"].text)});
  if (answer == "miss") table.row({"the reason then", show_text(last["reason"].text)});
  for (const auto& [none, layer] : last["failing"].items) table.row({"layer", show_text(layer.text)});
  if (answer == "miss" && e["stored_at"].whole >= last["time"].whole) table.row({"stored", show_moment(e["stored_at"].whole)});
  else if (answer == "miss") table.row({"stored", "not since: the compile failed, is under way, or the layers take nothing"});
  std::string state = show_text(now["answer"].text);
  if (state == "hit") state = "a hit in layer " + show_text(now["layer"].text);
  else if (!now["reason"].text.empty()) state += ": " + show_text(now["reason"].text);
  table.row({"asked again now", state});
  table.print("<<", "  ", &out);
  const Json& with = e["compared_with"];
  if (!e["differences"].items.empty()) {
    out += "\n  what differed from what had been stored " + show_moment(with["time"].whole);
    if (with["output"].text != e["output"].text) out += "\n  as " + show_path(with["output"].text);
    out += "\n";
    show_differences(e["differences"], &out);
  }
  if (!now["differences"].items.empty()) {
    out += "\n  what differs now from what was stored " + show_moment(e["stored_at"].whole) + "\n";
    show_differences(now["differences"], &out);
  }
  if (!e["other_outputs"].items.empty()) {
    out += "\n  other outputs of this source\n";
    for (size_t i = 0; i < e["other_outputs"].items.size() && i < 8; i++) out += "    " + show_path(e["other_outputs"].items[i].value.text) + "\n";
  }
  return out;
}

bool read_whole(const std::string& path, std::string* out) {
  const int fd = path == "-" ? dup(0) : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char part[65536];
  ssize_t n;
  while ((n = read(fd, part, sizeof part)) > 0 || (n < 0 && errno == EINTR))
    if (n > 0) out->append(part, static_cast<size_t>(n));
  const int error = n < 0 ? errno : 0;
  close(fd);
  errno = error;
  return n == 0;
}

int show(std::string shown, bool json, std::string (*text)(const Json&, std::string_view), std::string_view asked) {
  if (!json) {
    Json tree;
    if (!JsonReader::read(shown, &tree)) return complain("explain: the answer is no JSON"), 1;
    shown = text(tree, asked);
  } else if (shown.empty() || shown.back() != '\n') {
    shown += '\n';
  }
  return print(shown);
}

std::string diff_text(const Json& e, std::string_view) {
  std::string out = e["same_key"].truth && e["differences"].items.empty() ? std::string("the same key") : show_text(e["summary"].text);
  out += '\n';
  for (const char* side : {"before", "after"}) out += std::string("  ") + side + "  " + show_text(e[side]["output"].text) + " in " + show_text(e[side]["cwd"].text) + '\n';
  show_differences(e["differences"], &out);
  return out;
}

}  // namespace

int explain(int argc, char** argv) {
  bool json = false, dump = false, diff = false;
  std::string tenant;
  std::vector<std::string> files;
  std::string_view value;
  Arguments args(argc, argv);
  while (args.next()) {
    if (args.is("--json")) json = true;
    else if (args.is("--dump")) dump = true;
    else if (args.is("--diff")) diff = true;
    else if (args.takes("--tenant", &value) && !value.empty()) tenant = value;
    else if (args.word().substr(0, 1) == "-" && args.word() != "-") return wrong_usage("explain", "unknown argument: ", args.word());
    else files.emplace_back(args.word());
  }
  if (files.size() != (diff ? 2u : 1u)) return wrong_usage("explain", diff ? "two dumps are compared" : "one output or source at a time");
  Text text;
  if (diff) {
    std::string dumps[2];
    for (int i = 0; i < 2; i++)
      if (!read_whole(files[static_cast<size_t>(i)], &dumps[i])) return complain("explain: ", files[static_cast<size_t>(i)] + ": ", strerror(errno)), 1;
    if (cc_explain_diff(dumps[0].c_str(), dumps[1].c_str(), &text.p) != CC_OK) return failed("explain");
    return show(text.p, json, diff_text, "");
  }
  OpenCache cache;
  if (!cache.open() || cc_explain(cache.get(), files[0].c_str(), tenant.empty() ? nullptr : tenant.c_str(), dump ? CC_EXPLAIN_DUMP : 0, &text.p) != CC_OK) return failed("explain");
  return show(text.p, json || dump, explain_text, files[0]);
}

}  // namespace cli

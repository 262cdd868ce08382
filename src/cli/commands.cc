// SPDX-License-Identifier: Apache-2.0
#include <cchain.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

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

// A value of the configuration in use; "" if there is no such.
std::string config_value(cc_cache* cache, std::string_view key) {
  Text text;
  Json tree;
  if (cc_config_json(cache, &text.p) != CC_OK || !JsonReader::read(text.p, &tree)) return {};
  for (const auto& [none, value] : tree["values"].items)
    if (value["key"].text == key) return value["value"].text;
  return {};
}

// The start of a build, as seconds since 1970 in a file of the private folder.
int mark_start(const std::string& file) {
  for (size_t at = 1; (at = file.find('/', at)) != std::string::npos; at++) mkdir(file.substr(0, at).c_str(), 0700);
  int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  int error = fd < 0 ? errno : write_all(fd, std::to_string(time(nullptr)) + "\n");
  if (fd >= 0) close(fd);
  if (error) complain("trim: ", file + ": ", strerror(error));
  return error ? 1 : 0;
}

// How long ago that was, a second more, so that what was used at that moment counts as used since. False if there was none.
bool since(const std::string& file, uint64_t* age_s) {
  char text[32] = "";
  int fd = open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
  if (fd >= 0) close(fd);
  const uint64_t start = n > 0 ? strtoull(text, nullptr, 10) : 0, now = static_cast<uint64_t>(time(nullptr));
  *age_s = now - start + 1;
  return start > 0 && start <= now;
}

}  // namespace

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
  bool start = false, since_start = false, limits = false;
  while (args.next()) {
    if (args.is("--start")) {
      start = true;
      continue;
    }
    limits = true;
    if (args.is("--unused-since-start")) {
      since_start = true;
    } else if (args.takes("--max-size", &value)) {
      if (!read_size(value, &options.max_size)) return wrong_usage("trim", "no size: ", value);
    } else if (args.takes("--max-age", &value)) {
      if (!read_age(value, &options.max_age_s) || !options.max_age_s) return wrong_usage("trim", "no age: ", value);
    } else {
      return wrong_usage("trim", "unknown argument: ", args.word());
    }
  }
  if (start && limits) return wrong_usage("trim", "--start removes nothing, and goes alone");
  if (since_start && options.max_age_s) return wrong_usage("trim", "--max-age and --unused-since-start say the same of two times");
  OpenCache cache;
  if (!cache.open()) return failed("trim");
  if (start || since_start) {
    const std::string mark = config_value(cache.get(), "state_dir") + "/start";
    if (start) return mark_start(mark);
    uint64_t age;
    if (!since(mark, &age)) return complain("trim: ", mark, ": no start was marked: cchain trim --start before the build"), 1;
    options.max_age_s = age;
  }
  uint64_t entries = 0, bytes = 0;
  if (cc_trim(cache.get(), &options, &entries, &bytes) < 0) return progress.end(), failed("trim");
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
  int64_t limit = limit_s ? static_cast<int64_t>(std::min<uint64_t>(limit_s, INT32_MAX)) * 1000 : strtoll(config_value(cache.get(), "flush_timeout_ms").c_str(), nullptr, 10);
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

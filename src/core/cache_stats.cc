// The facade's statistics as JSON.
// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/json.h"
#include "core/cache.h"

namespace cchain {

namespace {

using Totals = std::map<std::string, uint64_t>;

// A reason with its paths and names taken out, so that equal ones are counted as one; `what` is the first that was taken out.
std::string without_names(std::string_view reason, std::string* what) {
  std::string out;
  what->clear();
  auto take = [&](std::string_view name, const char* instead) {
    if (what->empty()) *what = name;
    out += instead;
  };
  for (size_t i = 0; i < reason.size();) {
    const bool begins = i == 0 || reason[i - 1] == ' ';
    size_t end = std::min(reason.find(' ', i), reason.size());
    while (end > i && (reason[end - 1] == ':' || reason[end - 1] == ',')) end--;
    const std::string_view word = reason.substr(i, end - i);
    if (begins && word.size() > 1 && word[0] != '-' && word.find('/') != std::string_view::npos) {
      take(word, "FILE");
      i = end;
    } else if (begins && (reason[i] == '\'' || reason[i] == '"') && i + 1 < reason.size() && reason[i + 1] != '-') {
      end = reason.find(reason[i], i + 1);
      if (end == std::string_view::npos) {
        out += reason[i++];
        continue;
      }
      take(reason.substr(i + 1, end - i - 1), "NAME");
      i = end + 1;
    } else {
      out += reason[i++];
    }
  }
  return out;
}

// Those of `prefix`, by what they have in common, the most frequent first.
void write_groups(JsonWriter* w, const char* key, const Totals& all, std::string_view prefix) {
  constexpr size_t kExamples = 3;
  struct Group {
    std::string reason;
    uint64_t count = 0;
    std::vector<std::pair<uint64_t, std::string>> examples;
  };
  std::map<std::string, Group> groups;
  for (auto it = all.lower_bound(std::string(prefix)); it != all.end() && it->first.compare(0, prefix.size(), prefix) == 0; ++it) {
    std::string what, reason = without_names(std::string_view(it->first).substr(prefix.size()), &what);
    Group& g = groups[reason];
    g.reason = reason;
    g.count += it->second;
    if (!what.empty()) g.examples.emplace_back(it->second, std::move(what));
  }
  std::vector<Group*> sorted;
  for (auto& [reason, g] : groups) sorted.push_back(&g);
  std::stable_sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) { return a->count > b->count; });
  w->key(key).begin_array();
  for (Group* g : sorted) {
    std::stable_sort(g->examples.begin(), g->examples.end(), [](auto& a, auto& b) { return a.first > b.first; });
    w->begin_object().key("reason").string(g->reason).key("count").number(g->count).key("examples").begin_array();
    for (size_t i = 0; i < g->examples.size() && i < kExamples; i++) w->string(g->examples[i].second);
    w->end_array().end_object();
  }
  w->end_array();
}

void write_latency(JsonWriter* w, const Totals& all, const std::string& prefix) {
  std::array<uint64_t, Histogram::kBuckets> counts{};
  uint64_t sum = 0, count = 0;
  auto get = [&](const std::string& name) {
    auto it = all.find(name);
    return it == all.end() ? uint64_t{0} : it->second;
  };
  sum = get(prefix + "us");
  for (unsigned b = 0; b < Histogram::kBuckets; b++) count += counts[b] = get(prefix + "us" + std::to_string(b));
  w->begin_object().key("count").number(count).key("sum").number(sum);
  w->key("median").number(Histogram::quantile(counts, 0.5)).key("p99").number(Histogram::quantile(counts, 0.99));
  w->key("buckets").begin_array();
  for (unsigned b = 0; b < Histogram::kBuckets; b++)
    if (counts[b]) w->begin_array().number(Histogram::upper(b)).number(counts[b]).end_array();
  w->end_array().end_object();
}

}  // namespace

std::string Cache::stats_json(const char* file) {
  std::map<std::string, uint64_t> all;
  int err = 0;
  if (file) {
    // A folder that is not there yet would be no failure, a file is.
    if ((err = access(file, R_OK) == 0 ? stats_read(file, &all) : errno)) throw CallError{CC_E_IO, std::string(file) + ": " + strerror(err)};
  } else {
    flush(0);
    if (!usable_state_dir_.empty()) err = stats_read(usable_state_dir_ + "/stats", &all);
  }
  auto get = [&](const std::string& name) {
    auto it = all.find(name);
    return it == all.end() ? uint64_t{0} : it->second;
  };
  JsonWriter w;
  w.begin_object();
  w.key("troubles").begin_array();
  auto trouble = [&](std::string_view text, uint64_t count) { w.begin_object().key("text").string(text).key("count").number(count).end_object(); };
  for (auto& p : config_.problems) trouble(p.where + ": " + p.text, 1);
  if (err && err != ENOENT) trouble(std::string("statistics can't be read: ") + strerror(err), 1);
  for (auto& [name, n] : all)
    if (name.compare(0, 8, "trouble:") == 0) trouble(std::string_view(name).substr(8), n);
  w.end_array();
  for (const char* name : {"lookups", "hits", "misses", "uncacheable", "stores", "errors", "saved_ms"}) w.key(name).number(get(name));
  auto reasons = [&](const char* key, const std::string& prefix) {
    w.key(key).begin_object();
    for (auto& [name, n] : all)
      if (name.compare(0, prefix.size(), prefix) == 0) w.key(std::string_view(name).substr(prefix.size())).number(n);
    w.end_object();
  };
  reasons("uncacheable_reasons", "reason:");
  reasons("miss_reasons", "miss:");
  reasons("rechecks", "recheck:");
  write_groups(&w, "uncacheable_groups", all, "reason:");
  write_groups(&w, "miss_groups", all, "miss:");
  w.key("miss_latency_us");
  write_latency(&w, all, "missed:");
  w.key("layers").begin_array();
  for (auto& l : chain_.links()) {
    std::string p = "layer:" + l.layer->name() + ":";
    w.begin_object();
    w.key("name").string(l.layer->name()).key("type").string(l.layer->type());
    for (const char* name : {"hits", "misses", "stores", "errors", "bytes_read", "bytes_written"}) w.key(name).number(get(p + name));
    uint64_t bytes = 0, entries = 0, limit = 0;
    w.key("latency_us");
    write_latency(&w, all, p);
    if (!file && l.layer->usage(&bytes, &entries, &limit)) w.key("size").number(bytes).key("max_size").number(limit).key("entries").number(entries);
    if (std::vector<TenantUsage> tenants; !file && l.layer->usage_by_tenant(&tenants)) {
      w.key("tenants").begin_array();
      for (auto& t : tenants) {
        w.begin_object().key("tenant").string(t.tenant).key("size").number(t.bytes).key("entries").number(t.entries);
        if (t.limit) w.key("max_size").number(t.limit);
        w.end_object();
      }
      w.end_array();
    }
    w.end_object();
  }
  w.end_array();
  w.end_object();
  return w.take();
}

}  // namespace cchain

// A disk layer with a million real entries, at its limit, against an empty one: what a look-up and a store cost in either, in turn.
//   million [--json] [--dir DIR] [--ops N] [ENTRIES]      default: 1,000,000 entries, 20,000 operations of each kind
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <ftw.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "base/hash.h"
#include "layers/disk.h"

using namespace cchain;

namespace {

constexpr size_t kSmallest = 4096, kLargest = 12288, kHot = 512;
constexpr uint64_t kMeanCost = 14 * 1024;

uint64_t now() {
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return static_cast<uint64_t>(ts.tv_sec) * 1000000000 + static_cast<uint64_t>(ts.tv_nsec);
}

std::string key_of(uint64_t n) {
  Digest d;
  Xxh128 a = xxh128(&n, sizeof n);
  uint64_t words[4] = {a.lo, a.hi, xxh64(&n, sizeof n, 1), n};
  memcpy(d.b.data(), words, 32);
  return d.hex();
}

struct Data {
  std::string noise;
  Data() : noise(4 << 20, '\0') {
    for (size_t i = 0; i + 8 <= noise.size(); i += 8) {
      uint64_t x = xxh64(&i, sizeof i, 7);
      memcpy(&noise[i], &x, 8);
    }
  }
  std::string_view of(uint64_t n) const {
    uint64_t x = xxh64(&n, sizeof n, 3);
    size_t size = kSmallest + x % (kLargest - kSmallest);
    return std::string_view(noise).substr((x >> 20) % (noise.size() - size), size);
  }
};

struct Times {
  const char* name;
  std::vector<uint64_t> ns;
  double at(double q) {
    if (ns.empty()) return 0;
    std::sort(ns.begin(), ns.end());
    return static_cast<double>(ns[std::min(ns.size() - 1, static_cast<size_t>(q * static_cast<double>(ns.size())))]) / 1000;
  }
};

std::unique_ptr<Layer> layer(const std::string& path, uint64_t limit) {
  DiskOptions o;
  o.path = path;
  o.max_size = limit;
  return make_disk_layer("bench", o, nullptr);
}

int put(Layer& l, uint64_t n, const Data& data) {
  std::string hex = key_of(n);
  return l.put({Space::kCompile, "local", hex, "entry"}, data.of(n), false);
}

int remove_one(const char* path, const struct stat*, int, FTW*) { return ::remove(path); }

}  // namespace

int main(int argc, char** argv) {
  uint64_t entries = 1000000, ops = 20000;
  bool json = false;
  std::string dir = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--json"))
      json = true;
    else if (!strcmp(argv[i], "--dir") && i + 1 < argc)
      dir = argv[++i];
    else if (!strcmp(argv[i], "--ops") && i + 1 < argc)
      ops = strtoull(argv[++i], nullptr, 10);
    else
      entries = strtoull(argv[i], nullptr, 10);
  }
  if (entries < kHot || ops == 0) {
    fprintf(stderr, "usage: million [--json] [--dir DIR] [--ops N] [ENTRIES]\n");
    return 2;
  }
  dir += "/cchain-million.XXXXXX";
  if (!mkdtemp(dir.data())) {
    perror(dir.c_str());
    return 1;
  }
  Data data;
  const uint64_t limit = entries * kMeanCost;
  const std::string full_path = dir + "/full", empty_path = dir + "/empty";
  auto full = layer(full_path, limit), empty = layer(empty_path, limit);

  uint64_t next = 0, begun = now(), worst_fill = 0;
  for (; next < entries + entries / 20; next++) {
    uint64_t t = now();
    if (int e = put(*full, next, data)) {
      fprintf(stderr, "put: %s\n", strerror(e));
      break;
    }
    worst_fill = std::max(worst_fill, now() - t);
  }
  double fill_s = static_cast<double>(now() - begun) / 1e9;
  uint64_t bytes = 0, held = 0, most = 0, unused = 0;
  full->usage(&bytes, &held, &unused);

  Times put_full{"store, full, evicting", {}}, put_empty{"store, empty", {}}, hit_full{"hit, full", {}}, hit_few{"hit, few entries", {}};
  Times hit_any{"hit, full, any key", {}}, miss_full{"miss, full", {}}, miss_empty{"miss, empty", {}};
  Times shot_get_full{"open + hit + close, full", {}}, shot_get_few{"open + hit + close, few", {}}, shot_put_full{"open + store + close, full", {}},
      shot_put_empty{"open + store + close, empty", {}};
  // The empty layer keeps few enough to stay what it is: it is emptied again and again, all but the entries that are looked up.
  auto few = layer(dir + "/few", limit);
  for (uint64_t i = 0; i < kHot; i++) put(*few, next - 1 - i, data);
  const uint64_t newest = next - 1;
  std::string out;
  auto timed = [](Times& to, const std::function<void()>& f) {
    uint64_t t = now();
    f();
    to.ns.push_back(now() - t);
  };
  uint64_t absent = uint64_t{1} << 40, lost = 0, hits_any = 0;
  for (uint64_t i = 0; i < ops; i++) {
    std::string hot = key_of(newest - i % kHot), any = key_of(entries / 10 + xxh64(&i, sizeof i) % (newest - entries / 10)), none = key_of(absent++);
    const Address hot_a{Space::kCompile, "local", hot, "entry"}, any_a{Space::kCompile, "local", any, "entry"}, none_a{Space::kCompile, "local", none, "entry"};
    std::string fresh = key_of(next);
    const Address fresh_a{Space::kCompile, "local", fresh, "entry"};
    std::string_view bytes_of = data.of(next);
    timed(put_full, [&] { full->put(fresh_a, bytes_of, false); });
    timed(put_empty, [&] { empty->put(fresh_a, bytes_of, false); });
    next++;
    full->get(hot_a, &out), few->get(hot_a, &out);  // both warm
    timed(hit_full, [&] { lost += full->get(hot_a, &out) != Answer::kHit; });
    timed(hit_few, [&] { lost += few->get(hot_a, &out) != Answer::kHit; });
    timed(miss_full, [&] { full->get(none_a, &out); });
    timed(miss_empty, [&] { empty->get(none_a, &out); });
    if (i % 4 == 0) {
      uint64_t t = now();
      if (full->get(any_a, &out) == Answer::kHit) hit_any.ns.push_back(now() - t), hits_any++;
    }
    if (i % 16 == 0) {
      timed(shot_get_full, [&] { layer(full_path, limit)->get(hot_a, &out); });
      timed(shot_get_few, [&] { layer(dir + "/few", limit)->get(hot_a, &out); });
      std::string key = key_of(next);
      std::string_view value = data.of(next++);
      timed(shot_put_full, [&] { layer(full_path, limit)->put({Space::kCompile, "local", key, "entry"}, value, false); });
      timed(shot_put_empty, [&] { layer(empty_path, limit)->put({Space::kCompile, "local", key, "entry"}, value, false); });
    }
    if (i % 64 == 63) {
      full->usage(&bytes, &held, &unused);
      most = std::max(most, bytes);
    }
    if (i % 1024 == 1023) empty->clear("");
  }
  Times scan{"whole index, 64 KiB reads", {}};
  std::vector<char> block(65536);
  struct stat st {};
  stat((full_path + "/index").c_str(), &st);
  for (int i = 0; i < 5; i++)
    timed(scan, [&] {
      int fd = open((full_path + "/index").c_str(), O_RDONLY | O_CLOEXEC);
      for (off_t at = 0; pread(fd, block.data(), block.size(), at) > 0;) at += 65536;
      close(fd);
    });
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  begun = now();
  TrimResult trimmed;
  full->trim(UINT64_MAX, 0, &trimmed);
  double trim_s = static_cast<double>(now() - begun) / 1e9;
  uint64_t after = 0, entries_after = 0;
  full->usage(&after, &entries_after, &unused);
  begun = now();
  full->clear("");
  double clear_s = static_cast<double>(now() - begun) / 1e9;

  Times* all[] = {&put_full,  &put_empty,     &hit_full,     &hit_few,       &hit_any,        &miss_full,
                  &miss_empty, &shot_get_full, &shot_get_few, &shot_put_full, &shot_put_empty, &scan};
  if (json) {
    printf("{\"entries\": %llu, \"limit\": %llu, \"bytes\": %llu, \"bytes_most\": %llu, \"bytes_counted\": %llu, \"entries_counted\": %llu, \"index_bytes\": %lld, "
           "\"fill_s\": %.1f, \"fill_worst_ms\": %.2f, \"trim_s\": %.2f, \"clear_s\": %.2f, \"peak_rss_kib\": %ld, \"lost\": %llu",
           static_cast<unsigned long long>(held), static_cast<unsigned long long>(limit), static_cast<unsigned long long>(bytes),
           static_cast<unsigned long long>(most), static_cast<unsigned long long>(after), static_cast<unsigned long long>(entries_after),
           static_cast<long long>(st.st_size), fill_s, static_cast<double>(worst_fill) / 1e6, trim_s, clear_s, usage.ru_maxrss,
           static_cast<unsigned long long>(lost));
    for (Times* t : all)
      printf(", \"%s\": {\"n\": %zu, \"min_us\": %.2f, \"median_us\": %.2f, \"p99_us\": %.2f, \"max_us\": %.2f}", t->name, t->ns.size(), t->at(0),
             t->at(0.5), t->at(0.99), t->at(1));
    printf("}\n");
  } else {
    printf("%llu entries, %.2f GB of %.2f GB (most %.3f of it; counted by a trim afterwards: %llu, %.2f GB), index %.1f MB, peak RSS %ld KiB (the bench's own included)\n",
           static_cast<unsigned long long>(held), static_cast<double>(bytes) / 1e9, static_cast<double>(limit) / 1e9,
           static_cast<double>(most) / static_cast<double>(limit), static_cast<unsigned long long>(entries_after), static_cast<double>(after) / 1e9,
           static_cast<double>(st.st_size) / 1e6, usage.ru_maxrss);
    printf("filled in %.1f s (worst store %.2f ms), trim %.2f s, clear %.2f s, %llu hot entries lost\n", fill_s, static_cast<double>(worst_fill) / 1e6,
           trim_s, clear_s, static_cast<unsigned long long>(lost));
    printf("%-28s %8s %10s %10s %10s %10s\n", "us", "n", "min", "median", "p99", "max");
    for (Times* t : all) printf("%-28s %8zu %10.2f %10.2f %10.2f %10.2f\n", t->name, t->ns.size(), t->at(0), t->at(0.5), t->at(0.99), t->at(1));
    printf("hit, full / few: median %.2f, min %.2f; store, full / empty: median %.2f\n", hit_full.at(0.5) / hit_few.at(0.5), hit_full.at(0) / hit_few.at(0),
           put_full.at(0.5) / put_empty.at(0.5));
  }
  full.reset(), empty.reset(), few.reset();
  nftw(dir.c_str(), remove_one, 32, FTW_DEPTH | FTW_PHYS);
  return 0;
}

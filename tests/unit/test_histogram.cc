// The buckets of latencies: every time has one, and what is said of many is right to an eighth.
// SPDX-License-Identifier: Apache-2.0
#include "core/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <thread>
#include <vector>

extern "C" {
#include <cmocka.h>
}

using namespace cchain;

static void buckets_follow_each_other(void**) {
  for (unsigned b = 0; b + 1 < Histogram::kBuckets; b++) {
    assert_true(Histogram::upper(b) < Histogram::upper(b + 1));
    assert_int_equal(Histogram::bucket(Histogram::upper(b)), b);
    assert_int_equal(Histogram::bucket(Histogram::upper(b) + 1), b + 1);
  }
  for (uint64_t us : {UINT64_MAX, UINT64_MAX / 2, uint64_t{1} << 40}) assert_int_equal(Histogram::bucket(us), Histogram::kBuckets - 1);
  // Bounds that a reader of them may rely on: each power of two ends a bucket.
  for (int power = 1; power < 28; power++) assert_int_equal(Histogram::bucket(uint64_t{1} << power), Histogram::bucket((uint64_t{1} << power) - 1) + 1);
}

static void quantiles(void**) {
  std::array<uint64_t, Histogram::kBuckets> counts{};
  assert_int_equal(Histogram::quantile(counts, 0.5), 0);
  for (uint64_t us = 1; us <= 10000; us++) counts[Histogram::bucket(us)]++;
  for (double part : {0.1, 0.5, 0.9, 0.99}) {
    const double is = part * 10000, said = static_cast<double>(Histogram::quantile(counts, part));
    assert_true(said > is * 7 / 8 && said < is * 9 / 8);
  }
  counts = {};
  counts[Histogram::bucket(700)] = 1;
  assert_int_equal(Histogram::quantile(counts, 0.5), Histogram::quantile(counts, 0.99));
}

static void counted_by_many_threads(void**) {
  Histogram h;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++)
    threads.emplace_back([&h] {
      for (uint64_t i = 0; i < 20000; i++) h.add(i % 5000);
    });
  for (auto& t : threads) t.join();
  uint64_t all = 0;
  for (unsigned b = 0; b < Histogram::kBuckets; b++) all += h.count(b);
  assert_int_equal(all, 80000);
  assert_int_equal(h.sum_us(), 4 * 4 * uint64_t{4999} * 5000 / 2);
}

int main() {
  const CMUnitTest tests[] = {cmocka_unit_test(buckets_follow_each_other), cmocka_unit_test(quantiles), cmocka_unit_test(counted_by_many_threads)};
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}

// SPDX-License-Identifier: Apache-2.0
#include "layers/breaker.h"

#include <algorithm>
#include <cstring>

#include "base/fs.h"

namespace cchain {

namespace {
constexpr int64_t kRestMs = 30'000, kMaxRestMs = 300'000, kProbeMs = 5'000, kFreshMs = 250;
}

// What other processes have learnt; a time that lies beyond any rest comes from a clock that was set back.
void Breaker::refresh(int64_t now) {
  if (now - read_ms_ < kFreshMs && now >= read_ms_) return;
  read_ms_ = now;
  Table::Value v;
  if (!table_->get(key_, &v)) return;
  for (int i = 0; i < 2; i++) {
    Side s;
    const uint8_t* p = v.data() + i * 20;
    memcpy(&s.until_ms, p, 8);
    memcpy(&s.probe_until_ms, p + 8, 8);
    s.failures = p[16];
    s.openings = p[17];
    if (s.until_ms > now + kMaxRestMs || s.probe_until_ms > now + kProbeMs) continue;
    sides_[i] = s;
  }
}

void Breaker::keep() {
  Table::Value v{};
  for (int i = 0; i < 2; i++) {
    uint8_t* p = v.data() + i * 20;
    memcpy(p, &sides_[i].until_ms, 8);
    memcpy(p + 8, &sides_[i].probe_until_ms, 8);
    p[16] = sides_[i].failures;
    p[17] = sides_[i].openings;
  }
  table_->put(key_, v);
}

bool Breaker::allows(Way way) {
  std::lock_guard<std::mutex> lock(mutex_);
  int64_t now = now_ns() / 1'000'000;
  refresh(now);
  Side& s = sides_[way];
  if (!s.until_ms) return true;
  if (now < s.until_ms || now < s.probe_until_ms) return false;
  s.probe_until_ms = now + kProbeMs;
  keep();
  return true;
}

int64_t Breaker::rest_ms(Way way) {
  std::lock_guard<std::mutex> lock(mutex_);
  int64_t now = now_ns() / 1'000'000;
  refresh(now);
  return std::max<int64_t>(0, std::max(sides_[way].until_ms, sides_[way].probe_until_ms) - now);
}

void Breaker::ok(Way way) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (sides_[way] == Side()) return;
  sides_[way] = Side();
  keep();
}

bool Breaker::failed(Way way, Kind kind, uint32_t retry_after_ms) {
  std::lock_guard<std::mutex> lock(mutex_);
  int64_t now = now_ns() / 1'000'000;
  refresh(now);
  bool opened = false;
  for (int i = 0; i < 2; i++) {
    if (i != way && kind != kGone && kind != kTimeout) continue;
    Side& s = sides_[i];
    bool was_open = s.until_ms != 0;
    if (was_open && now < s.until_ms) continue;  // another one's failure that was under way when it opened
    s.failures = static_cast<uint8_t>(std::min(s.failures + 1, 200));
    int limit = kind == kTimeout || (kind == kBusy && retry_after_ms) ? 1 : kind == kGone ? 3 : 5;
    if (!was_open && s.failures < limit) continue;
    int64_t rest = std::min(kRestMs << std::min<int>(s.openings, 4), kMaxRestMs);
    if (kind == kBusy && retry_after_ms) rest = std::min<int64_t>(retry_after_ms, kMaxRestMs);
    else if (s.openings < 200) s.openings++;
    s.until_ms = now + rest;
    s.probe_until_ms = 0;
    opened |= i == way;
  }
  keep();
  return opened;
}

}  // namespace cchain

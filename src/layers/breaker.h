// Whether a layer that has failed is to be asked again, remembered across the short-lived processes of one build.
//
// Closed: it is asked. After a few failures in a row it opens: for 30 s nobody asks. Then one asks, and all others wait until it is known what came
// of that: closed again, or open for twice as long (5 min at most). Reads and writes are apart, but for what says that the server is gone.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <mutex>

#include "base/hash.h"
#include "base/table.h"

namespace cchain {

class Breaker {
 public:
  enum Way { kRead, kWrite };
  enum Kind {
    kGone,     // refused, reset: three in a row
    kTimeout,  // a second was lost: one is enough
    kBusy,     // the server asks for it
    kOther,    // 5xx, denied, nonsense: five in a row
  };
  // `table` outlives it; `key` names the layer among all that the table's folder serves.
  Breaker(Table* table, const Digest& key) : table_(table), key_(key) {}
  // May turn a half-open one into a probe: then ok() or failed() must follow.
  bool allows(Way way);
  // For how long nobody is to ask, as far as is known: 0 if it may be asked. Without any consequence.
  int64_t rest_ms(Way way);
  void ok(Way way);
  // True if it has opened by this.
  bool failed(Way way, Kind kind, uint32_t retry_after_ms = 0);

 private:
  struct Side {
    int64_t until_ms = 0, probe_until_ms = 0;  // CLOCK_REALTIME
    uint8_t failures = 0, openings = 0;
    bool operator==(const Side&) const = default;
  };
  void refresh(int64_t now);
  void keep();
  Table* table_;
  const Digest key_;
  std::mutex mutex_;
  Side sides_[2];
  int64_t read_ms_ = 0;
};

}  // namespace cchain

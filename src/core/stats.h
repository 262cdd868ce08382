// Statistics kept on disk, of all processes: exact under concurrency, a few microseconds a process.
//
// Each process appends one line of increments to `<dir>/journal`; whoever finds it large folds it into `<dir>/totals` under a lock that
// nobody waits for.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace cchain {

// Increments by name. Names used by the core: lookups hits misses uncacheable stores errors saved_ms,
// "reason:<text>" (uncacheable), "miss:<text>", "layer:<name>:<hits|misses|stores|errors|bytes_read|bytes_written>", "layertype:<name>:<type>" (any value > 0).
// Troubles are texts with the time they were last seen: "trouble:<text>" (value: count).
using Increments = std::vector<std::pair<std::string, uint64_t>>;

// Appends to the journal in `dir` (made if absent, mode 0700), and to `log_file` too if not empty (CCHAIN_STATS_LOG: one such line each, `cchain stats`
// can read it). Returns 0 or errno; never waits for a lock.
int stats_append(const std::string& dir, const std::string& log_file, const Increments& inc);
// All that was counted. `dir` may be a stats log file too.
int stats_read(const std::string& dir, std::map<std::string, uint64_t>* out);
int stats_reset(const std::string& dir);

}  // namespace cchain

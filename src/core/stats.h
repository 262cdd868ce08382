// Statistics kept on disk, of all processes: exact under concurrency and when processes are killed, a few microseconds a process.
//
// A record is one line, `+<name>=<n> <name>=<n>…;`, appended with one write: names have every byte escaped (%XX) that has a meaning there, and
// what a full disk cut off lacks the `;` and is passed over. It counts whole or not at all. Files of `dir`:
//   journal           records, appended under a shared lock that is only tried for
//   journal.<unique>  one record of a process that did not get the lock
//   fold.<gen>        either of them, renamed: being folded, or left behind by a folder that was killed
//   totals            sums, and the <gen> of the last file that is in them: what has a higher one is not counted yet, the others are rubbish
//   lock              held exclusively by the one who folds or resets, shared by readers
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace cchain {

// Increments by name. Names used by the core: lookups hits misses uncacheable stores errors saved_ms,
// "reason:<text>" (uncacheable), "miss:<text>", "layer:<name>:<hits|misses|stores|errors|bytes_read|bytes_written>", "layer:<name>:us" and "missed:us" (the time of its
// hits' and of missed look-ups, summed, in µs) and the same with a bucket's number behind (Histogram), "layertype:<name>:<type>" (any value > 0).
// Troubles are texts with the time they were last seen: "trouble:<text>" (value: count); stats_append adds "seen:<text>" (the time, seconds since
// 1970). "seen:" and "layertype:" are joined by the greatest value, all else is added up. Names are cut to 200 bytes after their prefix.
using Increments = std::vector<std::pair<std::string, uint64_t>>;

// Appends to the journal in `dir` (made if absent, mode 0700), and to `log_file` too if not empty (CCHAIN_STATS_LOG: one such line each, `cchain stats`
// can read it). Returns 0 or errno (EPERM: `dir` is a link, somebody else's, or others can write to it); never waits for a lock.
int stats_append(const std::string& dir, const std::string& log_file, const Increments& inc);
// All that was counted. `dir` may be a stats log file too. A directory that is not there yet holds nothing (0).
int stats_read(const std::string& dir, std::map<std::string, uint64_t>* out);
// EBUSY if somebody kept the lock for a second.
int stats_reset(const std::string& dir);
// Folds the journal whatever its size. EAGAIN if somebody is at it, or reads.
int stats_fold(const std::string& dir);

}  // namespace cchain

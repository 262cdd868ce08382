// The compile cache behind Ninja's command runner; see README.md beside it.
// SPDX-License-Identifier: Apache-2.0
#ifndef NINJA_CCHAIN_RUNNER_H_
#define NINJA_CCHAIN_RUNNER_H_

#include <functional>
#include <vector>

#include "build.h"

struct BuildLog;

#ifdef _WIN32
inline CommandRunner* MakeCchainRunner(
    CommandRunner* real, const BuildConfig&, BuildLog*, const Plan&,
    const std::function<void(Edge*)>& = std::function<void(Edge*)>()) {
  return real;
}
inline bool CchainWoken(CommandRunner::Result*) { return false; }
#else

/// A runner that serves compiles from the cache inside this process and leaves
/// everything else to \a real, which it owns; \a real itself if there is no
/// library or it is switched off. A layer far away is asked for many edges of
/// \a plan at once. \a release gives back an edge's jobserver slot; it is called
/// for the edges that are active in Abort().
CommandRunner* MakeCchainRunner(
    CommandRunner* real, const BuildConfig& config, BuildLog* build_log,
    const Plan& plan,
    const std::function<void(Edge*)>& release = std::function<void(Edge*)>());

/// For the real runner, after SubprocessSet::DoWork(): true if that was ended
/// by an answer of the cache. Then \a result has no edge.
bool CchainWoken(CommandRunner::Result* result);

#endif  // _WIN32

#endif  // NINJA_CCHAIN_RUNNER_H_

#!/usr/bin/env bash
# Compiles a real project (LevelDB, Debian's source of it) plainly, then with the patched Ninja and an empty cache, then again, then with the plain Ninja and
# the command as launcher, and compares each object with the plain compile's. Everything stays under build/quickstart.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
B=$(cd "${B:-$top/build}" && pwd)
export B
cchain=$B/cchain
patched=$B/ninja
here=$B/quickstart
project=leveldb
for v in $(compgen -e | grep -E '^(CCHAIN|CCACHE|NINJA)_' || true); do unset "$v"; done
unset MAKEFLAGS MFLAGS CC CXX CFLAGS CXXFLAGS CPPFLAGS LDFLAGS
rm -rf "$here"
mkdir -p "$here"
export CCHAIN_DIR=$here/cache CCHAIN_CONFIG=$here/none.json
echo '{}' >"$CCHAIN_CONFIG"
say() { printf '%s\n' "$*" >&2; }

say "fetching the source of $project"
"$top/tests/tools/fetch-source.sh" "$project"

# configure LAUNCHER NINJA
configure() {
  cmake -S "$B/src/$project" -B "$here/tree" -G Ninja -DCMAKE_BUILD_TYPE=Release -DLEVELDB_BUILD_TESTS=OFF -DLEVELDB_BUILD_BENCHMARKS=OFF \
    "-DCMAKE_MAKE_PROGRAM=$2" "-DCMAKE_C_COMPILER_LAUNCHER=$1" "-DCMAKE_CXX_COMPILER_LAUNCHER=$1" >"$here/configure.log" 2>&1 ||
    { cat "$here/configure.log" >&2; exit 1; }
}
stat_of() { "$cchain" stats --json | tr -d ' \n' | sed 's/"layers":\[.*//' | grep -o "\"$1\":[0-9]*" | head -n 1 | cut -d: -f2; }
objects() { (cd "$here/tree" && find . -name '*.o' | sort); }

# build NAME NINJA: one full build from clean; leaves its wall time in seconds in $took
build() {
  local from to
  ninja -C "$here/tree" -t clean >/dev/null
  say "building: $1"
  from=$(date +%s%N)
  "$2" -C "$here/tree" >"$here/$1.log" 2>&1 || { cat "$here/$1.log" >&2; exit 1; }
  to=$(date +%s%N)
  took=$(awk -v ns=$((to - from)) 'BEGIN { printf "%.2f", ns / 1e9 }')
}

bad=0
rows=()
# compare NAME: sets $verdict, counts in $bad
compare() {
  local o n=0 differ=0
  while read -r o; do
    n=$((n + 1))
    cmp -s "$here/plain/$o" "$here/tree/$o" || { differ=$((differ + 1)); say "$1: $o differs from the plain compile's"; }
  done < <(cd "$here/plain" && find . -name '*.o' | sort)
  [ "$(objects)" = "$(cd "$here/plain" && find . -name '*.o' | sort)" ] || { differ=$((differ + 1)); say "$1: other objects than the plain compile's"; }
  bad=$((bad + differ))
  if [ "$differ" = 0 ]; then verdict="all $n objects equal"; else verdict="$differ of $n DIFFER"; fi
}

plain=$(command -v ninja)
rm -rf "$here/tree"
configure '' "$plain"
build plain "$plain"
mkdir "$here/plain"
(cd "$here/tree" && objects | tar -cf - -T -) | tar -xf - -C "$here/plain"
rows+=("plain Ninja|$took|-|-|$(objects | wc -l) objects")

# round LABEL LAUNCHER NINJA
round() {
  rm -rf "$here/tree"
  configure "$2" "$3"
  "$cchain" stats --reset >/dev/null
  build "${1//[ ,]/-}" "$3"
  compare "$1"
  hits=$(stat_of hits)
  rows+=("$1|$took|$hits|$(stat_of misses)|$verdict")
}
round 'patched Ninja, cold' '' "$patched"
round 'patched Ninja, warm' '' "$patched"
warm_hits=$hits
round 'plain Ninja, cchain in front, warm' "$cchain" "$plain"

echo
echo "$project, $(objects | wc -l) objects, ninja on $(nproc) cores"
printf '%-35s %9s %6s %7s  %s\n' '' 'wall, s' hits misses 'byte for byte against plain'
for row in "${rows[@]}"; do
  IFS='|' read -r name took hits misses verdict <<<"$row"
  printf '%-35s %9s %6s %7s  %s\n' "$name" "$took" "$hits" "$misses" "$verdict"
done
echo
[ "$bad" = 0 ] || { say 'FAILED: what cchain gave back is not what the compiler makes.'; exit 1; }
[ "${warm_hits:-0}" -gt 0 ] || { say 'FAILED: the warm build had no hits.'; "$cchain" stats >&2; exit 1; }
[ "${hits:-0}" -gt 0 ] || { say 'FAILED: what Ninja stored the command did not hit.'; "$cchain" stats >&2; exit 1; }
echo "Next: cmake -G Ninja -DCMAKE_MAKE_PROGRAM=$patched, or make CC=\"$cchain gcc\" CXX=\"$cchain g++\", or cmake -DCMAKE_CXX_COMPILER_LAUNCHER=$cchain; then $cchain stats"

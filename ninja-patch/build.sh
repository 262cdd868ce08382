#!/usr/bin/env bash
# Patches a copy of Ninja's source and builds it.
#   build.sh [DIR]      DIR: the source; without it Debian's source package ninja-build
# Leaves $B/ninja, and the patched tree, with its own tests, in $B/ninja-tree/VERSION. TARGETS="ninja ninja_test" for more than ninja, CXXFLAGS and CONFIGURE
# (options of configure.py) as one likes, OUT=name for another name than ninja; UNPATCHED=1 for comparison.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${B:=$here/../build}"
B=$(cd "$B" && pwd)
source=${1:-}
out=${OUT:-ninja}
if [ -z "$source" ]; then
  B=$B "$here/../tests/tools/fetch-source.sh" ninja-build
  source=$B/src/ninja-build
fi
version=$(sed -n 's/^const char\* kNinjaVersion = "\(.*\)";/\1/p' "$source/src/version.cc")
[ -n "$version" ] || { echo "$source is no source of Ninja" >&2; exit 1; }
patch=$here/ninja-${version%.git}.patch
[ -f "$patch" ] || { echo "there is no patch for Ninja $version, only: $(cd "$here" && echo ninja-*.patch)" >&2; exit 1; }

tree=$B/ninja-tree/$version${VARIANT:-}${UNPATCHED:+-unpatched}
rm -rf "$tree"
mkdir -p "$tree"
(cd "$source" && tar -cf - --exclude=.git --exclude=./build --exclude=./ninja .) | tar -xf - -C "$tree"
if [ -z "${UNPATCHED:-}" ]; then
  patch -s -p1 -d "$tree" <"$patch"
  cp "$here/cchain_runner.h" "$here/cchain_runner.cc" "$here/../include/cchain.h" "$tree/src/"
fi

# The library is found beside the program, or in the folder above it ($(PREFIX)/lib for $(PREFIX)/lib/cchain/ninja), else where the system looks.
export LDFLAGS="-pthread -ldl -Wl,-rpath,'\$\$ORIGIN:\$\$ORIGIN/..' ${LDFLAGS:-}" CXXFLAGS="${CXXFLAGS:-}"
log=$tree/build.log
cd "$tree"
jobs=${JOBS:-$(nproc)}
if command -v ninja >/dev/null; then
  python3 -W ignore configure.py ${CONFIGURE:-} >"$log" 2>&1 && ninja -j "$jobs" ${TARGETS:-ninja} >>"$log" 2>&1
else
  python3 -W ignore configure.py --bootstrap ${CONFIGURE:-} >"$log" 2>&1 && ./ninja -j "$jobs" ${TARGETS:-ninja} >>"$log" 2>&1
fi || { tail -n 40 "$log" >&2; exit 1; }
[ ! -f ninja ] || install -m 755 ninja "$B/$out"

#!/usr/bin/env bash
# The tables of inputs.py and outputs.py, and the differential generator, with the compilers of other releases of Debian: each in a folder made by debootstrap (root, a
# mirror), which is kept. Our own programs come from here.
#   compilers.sh BUILD-FOLDER SUITE…      TESTS='inputs.py name…' runs that instead
# SPDX-License-Identifier: Apache-2.0
set -u
[ $# -ge 2 ] || { sed -n '4s/^# *//p' "$0" >&2; exit 2; }
top=$(cd "$(dirname "$0")/../.." && pwd)
B=$(realpath "$1") || exit 1
shift
failed=0
skip() { echo "skip - $1: $2"; }
[ "$(id -u)" = 0 ] || { skip "other compilers" "not root"; exit 0; }
for tool in debootstrap unshare; do command -v $tool >/dev/null || { skip "other compilers" "no $tool"; exit 0; }; done
mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' 2>/dev/null | sed -n 's/ [a-z]*$//p' | head -n 1)
[ -n "$mirror" ] || { skip "other compilers" "apt names no mirror"; exit 0; }

run() {  # NAME SCRIPT WORDS…
  local name=$1
  shift
  echo "# $suite: $name"
  # The mounts go with the namespace.
  unshare -m sh -c 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount -t tmpfs tmpfs "$0/tmp" && exec chroot "$0" env -i PATH=/usr/local/bin:/usr/bin:/bin HOME=/root LC_ALL=C \
    PYTHONDONTWRITEBYTECODE=1 sh -c "cd /opt/cchain/tests && exec \"\$@\"" sh python3 -W ignore "$@"' "$system" "$@" | grep -v '^ok ' || true
  [ "${PIPESTATUS[0]}" = 0 ] || failed=1
}

for suite in "$@"; do
  system=$B/suites/$suite
  if [ ! -e "$system/made" ]; then
    rm -rf --one-file-system "$system"
    mkdir -p "$B/suites"
    if ! debootstrap --variant=minbase --include=gcc,g++,clang,make,python3,libc6-dev,binutils,strace,ninja-build,libcjson1,libzstd1,libxxhash0 "$suite" "$system" "$mirror" >"$system.log" 2>&1; then
      skip "$suite" "debootstrap failed: $(tail -n 1 "$system.log")"
      continue
    fi
    touch "$system/made"
  fi
  rm -rf "$system/opt/cchain" && mkdir -p "$system/opt/cchain/build"
  cp -a "$B"/cchain "$B"/cchain-dynamic "$B"/cchain-sh "$B"/cchain-remote.so "$B"/libcchain.so* "$system/opt/cchain/build/"
  cp -a "$top/tests" "$top/bindings" "$top/include" "$system/opt/cchain/"
  for compiler in gcc clang; do echo "# $suite: $(chroot "$system" $compiler --version | head -n 1)"; done
  if [ -n "${TESTS:-}" ]; then
    run "$TESTS" correctness/${TESTS%% *} $(case $TESTS in *' '*) echo "${TESTS#* }" ;; esac)
    continue
  fi
  for script in inputs.py outputs.py; do run $script correctness/$script; done
  run differential.py differential/differential.py --soak --steps 3000 --lanes 2
done
exit $failed

#!/bin/bash
# A Linux kernel (Debian's linux-source-6.1, tinyconfig, vmlinux): plain, cold, clean and warm through CC="cchain gcc". All objects must be those of the plain build,
# a touched header must make the same anew; hits, and what was refused, by reason. Takes as long as three kernel builds.
#   tests/make/kernel.sh BUILD-FOLDER       KEEP=1 keeps the tree, and builds plainly only what is not there
# SPDX-License-Identifier: Apache-2.0
set -u
[ $# = 1 ] || { sed -n '4s/^# *//p' "$0" >&2; exit 2; }
B=$(realpath "$1") || exit 1
archive=$(ls /usr/src/linux-source-6.*.tar.xz 2>/dev/null | head -n 1)
[ -n "$archive" ] || { echo "skip - kernel: no /usr/src/linux-source-6.*.tar.xz"; exit 0; }
for v in $(compgen -e | grep -E '^(CCHAIN|CCACHE|XDG|MAKE|MFLAGS|DEB_|CC$|CXX$|CFLAGS|CPPFLAGS|LDFLAGS|SHELL$|KBUILD|ARCH$)'); do unset "$v"; done
export LC_ALL=C KBUILD_BUILD_TIMESTAMP=2024-01-01 KBUILD_BUILD_USER=u KBUILD_BUILD_HOST=h KBUILD_BUILD_VERSION=1
work=$B/kernel
tree=$work/$(basename "$archive" .tar.xz)
jobs=${JOBS:-$(nproc)}
header=mm/slab.h
passed=0 failed=0
check() { local name=$1; shift; if "$@"; then passed=$((passed + 1)); echo "ok - $name"; else failed=$((failed + 1)); echo "not ok - $name"; fi; }
no_more_than() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a <= b) }'; }
list() { find . -path ./scripts/kconfig -prune -o \( -name '*.o' -o -name '*.a' -o -name vmlinux \) -print0 | sort -z | xargs -0 sha256sum; }
same_as_plain() { diff <(list) "$work/plain" >"$work/difference" || { head -n 8 "$work/difference"; false; }; }
made() { find . -name '*.o' -newer "$work/stamp" | sort; }
touched() { sleep 0.05; touch "$work/stamp"; sleep 0.05; touch "$header"; }
# build NAME [VARIABLE=VALUE…]: its time in $took.
build() {
  local from name=$1; shift
  from=$(date +%s%N)
  make -j"$jobs" "$@" vmlinux >"$work/$name.log" 2>&1 || { tail -n 20 "$work/$name.log"; echo "not ok - kernel, $name: the build"; exit 1; }
  took=$(awk -v ns=$(($(date +%s%N) - from)) 'BEGIN { printf "%.1f", ns / 1e9 }')
}
cached() { build "$1" CC="$B/cchain gcc" HOSTCC="$B/cchain gcc"; }

mkdir -p "$work"
if [ ! -e "$work/plain" ]; then
  rm -rf "$tree"
  # What is old is looked at once; the configuration is made later, or make would not see that it is new.
  tar -xJf "$archive" -C "$work" && cd "$tree" && find . -exec touch -hd '1 hour ago' {} + && make tinyconfig >"$work/config.log" 2>&1 || { tail -n 20 "$work/config.log"; exit 1; }
  make clean >/dev/null  # of what made the configuration
  build plain
  echo "$took" >"$work/plain.time"
  list >"$work/plain"
  touched; build plain-touched
  made >"$work/touched"
fi
cd "$tree" || exit 1
export CCHAIN_DIR=$work/cache
rm -rf "$CCHAIN_DIR"
make clean >/dev/null
cached cold; cold=$took
"$B/cchain" stats --json >"$work/cold.json"
check 'kernel, cold: all objects equal' same_as_plain
make clean >/dev/null
"$B/cchain" stats --reset >/dev/null
cached warm; warm=$took
check 'kernel, warm: all objects equal' same_as_plain
"$B/cchain" stats --json >"$work/warm.json"
touched; cached touched
check 'kernel: a header touched: the same are made anew' diff <(made) "$work/touched"
printf 'kernel: plain %s s, cold %s s, warm %s s, %s objects, %s of them behind %s\n' "$(cat "$work/plain.time")" "$cold" "$warm" "$(grep -c '\.o$' "$work/plain")" "$(grep -c . "$work/touched")" $header
check 'kernel: warm in a quarter of cold' no_more_than "$warm" "$(awk -v c="$cold" 'BEGIN { print c / 4 }')"
python3 - "$work/cold.json" "$work/warm.json" <<'P' || failed=$((failed + 1))
import json, sys
# What Kbuild asks the compiler is no compile of the kernel: options tried on an empty source, links, versions, linker scripts.
QUESTIONS = ('no -c', 'only prints information', 'stops after', '/dev/null', 'standard input', '-Wa,--version', 'unknown option', '-gsplit-dwarf')
for file in sys.argv[1:]:
    with open(file) as f:
        s = json.load(f)
    refused, asked = {}, {}
    for reason, n in s['uncacheable_reasons'].items():
        (asked if any(q in reason for q in QUESTIONS) else refused)[reason] = n
    total = s['hits'] + s['misses'] + sum(refused.values())
    print('kernel: %d compiles, %d hits (%.1f %%), %d misses, %d refused (%.1f %%)' % (
        total, s['hits'], 100 * s['hits'] / total, s['misses'], sum(refused.values()), 100 * sum(refused.values()) / total))
    for name, table in (('refused', refused), ('questions to the compiler', asked)):
        for reason, n in sorted(table.items(), key=lambda x: -x[1]):
            print('#  %s: %4d  %s' % (name, n, reason))
ok = s['hits'] >= 0.95 * total and sum(refused.values()) <= 0.05 * total
print('%s - kernel: at least 95 %% of all compiles hit, at most 5 %% are refused' % ('ok' if ok else 'not ok'))
sys.exit(not ok)
P
[ "${KEEP:-}" = 1 ] || rm -rf "$work"
echo "$passed passed, $failed failed"
[ $failed = 0 ]

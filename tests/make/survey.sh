#!/bin/bash
# What of real code is refused: Debian source packages of different style, configured and built through the cache, each once; refusals by reason and count.
#   tests/make/survey.sh BUILD-FOLDER [PACKAGE…]     (fetches them; a package whose build stops on the way counts with what it compiled)
#   COMPILERS="gcc clang"
# It fails if more than 2 in a hundred compiles of a package are refused.
# SPDX-License-Identifier: Apache-2.0
set -u
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] || { sed -n '3,4s/^# *//p' "$0" >&2; exit 2; }
B=$(realpath "$1") || exit 1
shift
export B
work=$B/survey
for v in $(compgen -e | grep -E '^(CCHAIN|CCACHE|XDG|MAKE|MFLAGS|DEB_|CC$|CXX$|CFLAGS|CPPFLAGS|LDFLAGS|SHELL$)'); do unset "$v"; done
export LC_ALL=C GIT_CEILING_DIRECTORIES=$work
jobs=${JOBS:-$(nproc)}
opt='-O0 -g -w'
with_cmake() { cmake -S . -B out -DCMAKE_BUILD_TYPE=None -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_C_FLAGS="$opt" -DCMAKE_CXX_FLAGS="$opt" \
  -DCMAKE_C_COMPILER_LAUNCHER="$B/cchain" -DCMAKE_CXX_COMPILER_LAUNCHER="$B/cchain" "$@" && begin && make -C out -k -j"$jobs"; }
with_configure() { ./configure CC="$B/cchain $cc" CXX="$B/cchain $cxx" CFLAGS="$opt" CXXFLAGS="$opt" "$@" && begin && make -k -j"$jobs"; }
# What configure scripts compile is no part of it.
begin() { "$B/cchain" stats --reset >/dev/null; }
build_bash() { with_configure --without-bash-malloc; }
build_curl() { with_cmake -DCURL_USE_OPENSSL=OFF -DHTTP_ONLY=OFF -DCURL_DISABLE_LDAP=ON -DBUILD_TESTING=ON; }
build_fmtlib() { with_cmake -DFMT_DOC=OFF -DFMT_TEST=ON -DFMT_SYSTEM_HEADERS=OFF; }
build_git() { begin && make -k -j"$jobs" CC="$B/cchain $cc" CFLAGS="$opt" NO_OPENSSL=1 NO_CURL=1 NO_EXPAT=1 NO_TCLTK=1 NO_PERL=1 NO_PYTHON=1; }
build_googletest() { with_cmake -Dgtest_build_tests=ON -Dgmock_build_tests=OFF; }
build_htop() { autoreconf -i && with_configure --disable-unicode; }
build_ninja-build() { with_cmake; }
build_sqlite3() { with_configure --disable-readline; }
build_xz-utils() { with_configure --disable-doc; }

failed=0
for package in "${@:-bash curl fmtlib git googletest htop ninja-build sqlite3 xz-utils}"; do
  for package in $package; do
    "$here/../tools/fetch-source.sh" "$package" || { echo "skip - $package: no source"; continue; }
    for cc in ${COMPILERS:-gcc}; do
      command -v "$cc" >/dev/null || { echo "skip - $package: no $cc"; continue; }
      cxx=${cc/gcc/g++}; cxx=${cxx/%clang/clang++}
      rm -rf "$work" && mkdir -p "$work" && cp -a "$B/src/$package" "$work/tree" && cd "$work/tree" || exit 1
      find . -exec touch -hd '1 hour ago' {} +
      export CCHAIN_DIR=$work/cache
      "build_$package" >"$work/log" 2>&1 || echo "# $package: $(tail -n 1 "$work/log")"
      "$B/cchain" stats --json | python3 -c '
import json, sys
s, name = json.load(sys.stdin), sys.argv[1]
no_compile = ("no -c", "only prints information", "stops after", "no source file")
refused = {r: n for r, n in s["uncacheable_reasons"].items() if not any(w in r for w in no_compile)}
total = s["hits"] + s["misses"] + sum(refused.values())
percent = 100 * sum(refused.values()) / total if total else 100
print("%s - %s: %d of %d compiles refused (%.1f %%)" % ("ok" if percent <= 2 else "not ok", name, sum(refused.values()), total, percent))
for r, n in sorted(refused.items(), key=lambda x: -x[1]): print("#  %4d  %s" % (n, r))
sys.exit(percent > 2)' "$package, $cc" || failed=1
    done
  done
done
rm -rf "$work"
exit $failed

#!/usr/bin/env bash
# `make install` and `make uninstall` into a folder, by the layouts of /usr/local and of Debian, used from there; `make dist`, the same bytes twice.
#   install.sh [BUILD]
# SPDX-License-Identifier: Apache-2.0
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
B=$(realpath "${1:-$top/build}") || exit 1
cd "$top" || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
for v in $(compgen -e | grep -E '^(CCHAIN|MAKE|MFLAGS)'); do unset "$v"; done
export LC_ALL=C HOME=$work/home
mkdir -p "$HOME"
passed=0 failed=0 skipped=0
check() { local name=$1; shift; if "$@" >"$work/log" 2>&1; then passed=$((passed + 1)); echo "ok - $name"; else failed=$((failed + 1)); echo "not ok - $name"; sed 's/^/# /' "$work/log" | tail -8; fi; }
skip() { skipped=$((skipped + 1)); echo "skip - $1: $2"; }
have() { command -v "$1" >/dev/null 2>&1; }
version=$(sed -n 's/^#define CC_VERSION_M[AI][JN]OR //p;s/^#define CC_VERSION_PATCH //p' include/cchain.h | paste -sd.)
cc=gcc; have gcc || cc=clang
triplet=$($cc -print-multiarch 2>/dev/null)

# The program of an embedder, which says by which layer a library was found.
cat >"$work/use.c" <<'E'
#include <cchain.h>
#include <stdio.h>
int main(void) {
  cc_cache *cache;
  if (cc_open(NULL, &cache) != CC_OK) return 1;
  cc_close(cache);
  return printf("%s\n", cc_version_string()) < 0;
}
E
mkdir -p "$work/cmake"
cat >"$work/cmake/CMakeLists.txt" <<'E'
cmake_minimum_required(VERSION 3.10)
project(use C CXX)
find_package(cchain 0.1 REQUIRED)
add_executable(shared ../use.c)
target_link_libraries(shared cchain::cchain)
add_executable(static ../use.c)
target_link_libraries(static cchain::static)
if(NOT cchain_COMMAND)
  message(FATAL_ERROR "no command")
endif()
find_package(cchain 99 QUIET)
if(cchain_FOUND)
  message(FATAL_ERROR "version 99 was found")
endif()
E

# layout NAME PREFIX LIBDIR: installed in a folder that then stands elsewhere than it was told
layout() {
  local name=$1 prefix=$2 libdir=$3 root=$work/$1 put
  put() { env B="$B" VERSION="$version" PREFIX="$prefix" LIBDIR="$libdir" PYTHONDIR="$prefix/lib/python3/dist-packages" DESTDIR="$root" bindings/packaging/install.sh "$@"; }
  check "$name: install" put install
  check "$name: all that the list names is there, and no more" diff <(put list | sort) <(find "$root" -type f -o -type l | sort)
  check "$name: no link leads nowhere" test -z "$(find "$root" -xtype l)"
  check "$name: nothing names this tree" bash -c "! grep -rlF --include=*.pc --include=*.cmake --include=*.py --include=cchain* '$top' '$root$prefix/share' '$root$libdir/pkgconfig' '$root$libdir/cmake' '$root$prefix/include'"
  local bin=$root$prefix/bin/cchain
  check "$name: the command compiles" env CCHAIN_DIR="$work/cache-$name" "$bin" $cc -c "$work/use.c" -I include -o "$work/a.o"
  check "$name: and hands over to its twin" env CCHAIN_DIR="$work/cache-$name" "$bin" stats
  # A layer behind a network needs the plug-in: the trouble is then the server that is not there.
  env CCHAIN_DIR= CCHAIN_LAYERS="$work/cache-$name http://127.0.0.1:1/" "$bin" $cc -c -DREMOTE "$work/use.c" -I include -o "$work/a.o"
  env CCHAIN_LAYERS="$work/cache-$name http://127.0.0.1:1/" "$bin" stats >"$work/stats" 2>&1
  check "$name: the plug-in is found by the command" bash -c "! grep -q 'cchain-remote' '$work/stats' && grep -q 'http1' '$work/stats'"
  check "$name: the shell for make" test "$("$root$prefix/bin/cchain-sh" -c 'echo yes')" = yes
  if have pkg-config; then
    flags() { PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_LIBDIR=$root$libdir/pkgconfig pkg-config "$@" cchain; }
    check "$name: pkg-config: version" test "$(flags --modversion)" = "$version"
    check "$name: pkg-config: a program" $cc -o "$work/use" "$work/use.c" $(flags --cflags --libs)
    check "$name: … runs" test "$(LD_LIBRARY_PATH=$root$libdir "$work/use")" = "$version"
    check "$name: … and finds the plug-in" bash -c "cd '$work' && CCHAIN_LAYERS='$work/none http://127.0.0.1:1/' CCHAIN_LOG='$work/use.log' LD_LIBRARY_PATH='$root$libdir' ./use && ! grep remote.so '$work/use.log'"
  else
    skip "$name: pkg-config" "not installed"
  fi
  if have cmake && have g++; then
    check "$name: CMake: find_package" cmake -S "$work/cmake" -B "$work/cmake-$name" -DCMAKE_PREFIX_PATH="$root$prefix" -DCMAKE_LIBRARY_ARCHITECTURE="$triplet" -DCMAKE_C_COMPILER=$cc
    check "$name: CMake: builds" cmake --build "$work/cmake-$name"
    check "$name: CMake: runs" bash -c "[ \$('$work/cmake-$name/shared') = $version ] && [ \$('$work/cmake-$name/static') = $version ]"
  else
    skip "$name: CMake" "not installed"
  fi
  if have python3; then
    check "$name: Python" env PYTHONDONTWRITEBYTECODE=1 LD_LIBRARY_PATH="$root$libdir" PYTHONPATH="$root$prefix/lib/python3/dist-packages" python3 -c 'import cchain, importlib.metadata as m; assert m.version("cchain") == cchain.__version__'
  else
    skip "$name: Python" "not installed"
  fi
  if have man; then check "$name: man finds the page" env MANPATH="$root$prefix/share/man" man -w 5 cchain.json; else skip "$name: man" "not installed"; fi
  mkdir -p "$root$prefix/bin" && touch "$root$prefix/bin/another"
  check "$name: uninstall" put uninstall
  check "$name: leaves what is not ours, and nothing else" test "$(find "$root" -type f -o -type l)" = "$root$prefix/bin/another"
  check "$name: nor a folder of our own" test -z "$(find "$root" -iname '*cchain*' ! -path "$root")"
}
layout local /usr/local /usr/local/lib
[ -z "$triplet" ] || layout debian /usr "/usr/lib/$triplet"

tarball() { B=$1 VERSION=$version SOURCE_DATE_EPOCH=1700000000 "${2:-.}/bindings/packaging/dist.sh" >/dev/null; }
check "dist" tarball "$work/d1"
check "dist, again" tarball "$work/d2"
check "dist: the same bytes" cmp "$work/d1/cchain-$version.tar.gz" "$work/d2/cchain-$version.tar.gz"
check "dist: it unpacks to one folder" bash -c "cd '$work' && tar -xzf d1/cchain-$version.tar.gz && [ -f cchain-$version/Makefile ] && [ ! -e cchain-$version/build ]"
if [ -d "$work/cchain-$version" ]; then
  check "dist: from its own tarball, the same bytes" tarball "$work/d3" "$work/cchain-$version"
  check "dist: the same bytes" cmp "$work/d1/cchain-$version.tar.gz" "$work/d3/cchain-$version.tar.gz"
  check "dist: it has a Makefile that works" make -C "$work/cchain-$version" help
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]

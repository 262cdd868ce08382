#!/bin/bash
# Each recipe of README.md, "Use", as it stands there: a build from nothing, the same again, and all compiles hit.
#   tests/make/recipes.sh BUILD-FOLDER
# SPDX-License-Identifier: Apache-2.0
set -u
here=$(cd "$(dirname "$0")" && pwd)
B=$(realpath "${1:-$here/../../build}") || exit 1
readme=$here/../../README.md
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
for v in $(compgen -e | grep -E '^(CCHAIN|CCACHE|XDG|MAKE|MFLAGS|DEB_|CC$|CXX$|CFLAGS|CXXFLAGS|CPPFLAGS|LDFLAGS|SHELL$)'); do unset "$v"; done
export LC_ALL=C HOME=$work/home
mkdir -p "$HOME" "$work/bin"
ln -s "$B/cchain" "$B/cchain-sh" "$work/bin/"
export PATH=$work/bin:$PATH
passed=0 failed=0 skipped=0
ok() { passed=$((passed + 1)); echo "ok - $1"; }
not_ok() { failed=$((failed + 1)); echo "not ok - $1"; shift; [ $# = 0 ] || printf '# %s\n' "$@"; }
skip() { skipped=$((skipped + 1)); echo "skip - $1: $2"; }
stat_of() { cchain stats --json | tr -d ' \n' | sed 's/"layers":\[.*//' | grep -o "\"$1\":[0-9]*" | head -1 | cut -d: -f2; }

sources() {
  mkdir -p "$1"
  for i in 1 2 3 4 5; do printf '#include <stdio.h>\nint f%d(int x) { return printf("%%d", x); }\n' $i >"$1/s$i.c"; done
  printf '#include <string>\nextern "C" int f1(int);\nint main() { return std::string("a").size() == 1 ? 0 : f1(1); }\n' >"$1/main.cc"
}

# recipe NAME: the line below the comment in the README that begins with that name, run by sh in the project's folder.
recipe() {
  local line
  line=$(awk -v name="# $1" 'index($0, name) == 1 { getline; print; exit }' "$readme")
  [ -n "$line" ] || { echo "README.md has no recipe for $1" >&2; return 1; }
  sh -ec "$line"
}
# builds NAME COMPILES: the recipe on fresh copies of $work/project at the same place, until all hit: what ran beside another job may have been refused, for the other
# changed a folder that it looked in, and is stored by the next build, or the one after that.
builds() {
  local n hits
  for n in 1 2 3 4 5; do
    rm -rf "$work/tree" && cp -a "$work/project" "$work/tree"
    # what is too new makes the library careful
    find "$work/tree" -exec touch -hd '1 hour ago' {} +
    cchain stats --reset >/dev/null
    if ! (cd "$work/tree" && recipe "$1") >"$work/log" 2>&1; then
      not_ok "$1, build $n" "$(tail -n 30 "$work/log")"
      return
    fi
    hits=$(stat_of hits)
    [ "$hits" -lt "$2" ] || [ "$(stat_of misses)" != 0 ] || break
  done
  if [ "$hits" -ge "$2" ] && [ "$(stat_of misses)" = 0 ]; then ok "$1: $hits hits in build $n"; else not_ok "$1" "$(cchain stats)"; fi
}
fresh() { rm -rf "$work/project"; sources "$work/project"; cd "$work/project" || exit 1; }

fresh
cat >Makefile <<'M'
prog: s1.o s2.o s3.o s4.o s5.o main.o ; $(CXX) -o $@ $^
%.o: %.c ; $(CC) -O1 -c -o $@ $<
%.o: %.cc ; $(CXX) -O1 -c -o $@ $<
M
builds "make" 6
sed -i 's/^%.o/.SUFFIXES:\n&/; 1i CC = gcc\nCXX = g++' Makefile
builds "make, for makefiles" 6
builds "anything that finds" 6

if command -v cmake >/dev/null; then
  fresh
  printf 'cmake_minimum_required(VERSION 3.10)\nproject(p C CXX)\nadd_executable(prog s1.c s2.c s3.c s4.c s5.c main.cc)\n' >CMakeLists.txt
  builds CMake 6
else skip CMake "no cmake"; fi

if command -v autoconf >/dev/null && command -v automake >/dev/null; then
  fresh
  printf 'AC_INIT([p], [1])\nAM_INIT_AUTOMAKE([foreign])\nAC_PROG_CC\nAC_PROG_CXX\nAC_CONFIG_HEADERS([config.h])\nAC_CHECK_HEADERS([unistd.h])\nAC_CONFIG_FILES([Makefile])\nAC_OUTPUT\n' >configure.ac
  printf 'bin_PROGRAMS = prog\nprog_SOURCES = s1.c s2.c s3.c s4.c s5.c main.cc\n' >Makefile.am
  (aclocal && autoheader && automake --add-missing && autoconf) >"$work/log" 2>&1 || cat "$work/log"
  builds autotools 6
else skip autotools "no automake"; fi

if command -v meson >/dev/null && command -v ninja >/dev/null; then
  fresh
  printf "project('p', 'c', 'cpp')\nexecutable('prog', 's1.c', 's2.c', 's3.c', 's4.c', 's5.c', 'main.cc')\n" >meson.build
  builds Meson 6
else skip Meson "no meson"; fi

if command -v dpkg-buildpackage >/dev/null && command -v dh >/dev/null; then
  fresh
  mkdir -p debian/source
  printf 'prog: s1.o s2.o s3.o s4.o s5.o main.o\n\t$(CXX) $(LDFLAGS) -o $@ $^\n%%.o: %%.c\n\t$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<\n%%.o: %%.cc\n\t$(CXX) $(CPPFLAGS) $(CXXFLAGS) -c -o $@ $<\nclean: ; rm -f *.o prog\ninstall: prog\n\tinstall -D prog $(DESTDIR)/usr/bin/prog\n' >Makefile
  printf '#!/usr/bin/make -f\n%%:\n\tdh $@\noverride_dh_auto_install:\n\tdh_auto_install -- DESTDIR=$(CURDIR)/debian/demo\n' >debian/rules
  chmod +x debian/rules
  printf 'Source: demo\nSection: misc\nPriority: optional\nMaintainer: A <a@example.org>\nBuild-Depends: debhelper-compat (= 13)\nStandards-Version: 4.6.2\n\nPackage: demo\nArchitecture: any\nDepends: ${shlibs:Depends}, ${misc:Depends}\nDescription: p\n p\n' >debian/control
  printf 'demo (1) unstable; urgency=low\n\n  * p\n\n -- A <a@example.org>  Mon, 01 Jan 2024 00:00:00 +0000\n' >debian/changelog
  echo '3.0 (native)' >debian/source/format
  builds dpkg-buildpackage 6
else skip dpkg-buildpackage "no debhelper"; fi

echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]

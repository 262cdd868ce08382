#!/bin/bash
# make SHELL=…/cchain-sh and `cchain links`: a recipe does what it does under the real shell, and its compiles hit.
#   tests/make/run-make.sh [BUILD-FOLDER]
# SPDX-License-Identifier: Apache-2.0
set -u
here=$(cd "$(dirname "$0")" && pwd)
B=$(realpath "${1:-$here/../../build}") || exit 1
[ -x "$B/cchain-sh" ] || { echo "# $B/cchain-sh is not there"; exit 1; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
for v in $(compgen -e | grep -E '^(CCHAIN|CCACHE|XDG|MAKE|MFLAGS|MAKELEVEL|CC$|CFLAGS|SHELL$|BASH_)'); do unset "$v"; done
export LC_ALL=C HOME=$work/home CCHAIN_DIR=$work/cache
mkdir -p "$HOME" "$work/src"
cd "$work/src" || exit 1
passed=0 failed=0 skipped=0
ok() { passed=$((passed + 1)); echo "ok - $1"; }
not_ok() { failed=$((failed + 1)); echo "not ok - $1"; shift; [ $# = 0 ] || printf '# %s\n' "$@"; }
skip() { skipped=$((skipped + 1)); echo "skip - $1: $2"; }
check() { local name=$1; shift; if "$@"; then ok "$name"; else not_ok "$name" "failed: $*"; fi; }
have() { command -v "$1" >/dev/null 2>&1; }
stat_of() { "$B/cchain" stats --json | tr -d ' \n' | sed 's/"layers":\[.*//' | grep -o "\"$1\":[0-9]*" | head -1 | cut -d: -f2; }
zero() { "$B/cchain" stats --reset >/dev/null; }

cat >a.c <<'C'
#include "a.h"
#ifdef WARN
static int unused;
#endif
int f(int x) { return x + A; }
const char *text = TEXT;
C
printf '#define A 3\n#ifndef TEXT\n#define TEXT "t"\n#endif\n' >a.h
printf 'int f( {\n' >bad.c
mkdir -p "dir with blanks" sub
cp a.c a.h "dir with blanks"; cp a.c a.h sub
touch -d '1 hour ago' ./*.[ch] sub/* dir*/*

# both NAME [VARIABLE=VALUE|TARGET]…: the makefile on standard input under the real shell and under ours, twice; status, streams and all
# that is in out/ must be the same.
both() {
  local name=$1 n real=${CCHAIN_SHELL:-}; shift
  cat >Makefile
  rm -rf out; mkdir out
  make "$@" ${real:+SHELL="$real"} >../plain.out 2>../plain.err; echo $? >../plain.status
  rm -rf ../plain; mv out ../plain
  for n in first second; do
    mkdir out
    make "$@" SHELL="$B/cchain-sh" >../ours.out 2>../ours.err; echo $? >../ours.status
    if cmp -s ../plain.out ../ours.out && cmp -s ../plain.err ../ours.err && cmp -s ../plain.status ../ours.status && diff -r ../plain out >../diff; then
      ok "$name, $n"
    else
      not_ok "$name, $n" "status $(cat ../plain.status) and $(cat ../ours.status)" "$(diff ../plain.out ../ours.out)" "$(diff ../plain.err ../ours.err)" "$(cat ../diff)"
    fi
    rm -rf out
  done
}
# hits NAME N: so many since the last question; each line has hit where it is new in the second run, and in both where it is not.
hits() { local n; n=$(stat_of hits); if [ "$n" = "$2" ]; then ok "$1: $2 hits"; else not_ok "$1: $2 hits" "there were $n" "$("$B/cchain" stats)"; fi; zero; }

echo "# lines that are one compile"
both "a compile" <<'M'
all: ; gcc -c a.c -o out/a.o
M
hits "a compile" 1
both "words in quotes" <<'M'
all:
	gcc -c 'a.c' "-DTEXT=\"a b\"" -o out/"a".o
	@gcc -c a.c '-DTEXT="it'"'"'s \\"' -o out/b.o
	-gcc -c dir\ with\ blanks/a.c -o out/c.o
M
hits "words in quotes" 3
both "lines broken by backslashes" <<'M'
all:
	gcc -c a.c \
	  -DTEXT="\"a b\"" -DBROKEN=1\
	  \
	  -o out/a.o
M
hits "lines broken by backslashes" 1
both "warnings" <<'M'
all:
	gcc -Wall -DWARN -c a.c -o out/a.o
M
hits "warnings" 1
both "an error" <<'M'
all:
	gcc -c bad.c -o out/a.o
M
both "an error that is not minded" <<'M'
all:
	-gcc -c bad.c -o out/a.o
	gcc -DMINDED -c a.c -o out/a.o
M
hits "an error that is not minded" 1
both "another folder, variables in front" <<'M'
all:
	cd $(CURDIR)/sub && gcc -DSUB -c a.c -o ../out/a.o
	LC_ALL=C TMPDIR=/tmp gcc -DFRONT -c a.c -o out/b.o
	cd sub && gcc -c a.c -o ../out/c.o
M
hits "another folder, variables in front" 2
both "PATH in front" <<'M'
all:
	PATH=/usr/bin:/bin gcc -DPATHS -c a.c -o out/a.o
	PATH=/nowhere gcc -DPATHS -c a.c -o out/b.o
M
hits "PATH in front" 1
both "a compiler that is not there" <<'M'
# With these flags make leaves even the plainest line to the shell.
.SHELLFLAGS := -e -c
all:
	no-such-gcc -c a.c -o out/a.o
M
both ".SHELLFLAGS" <<'M'
.SHELLFLAGS := -euc
all:
	gcc -DFLAGS -c a.c -o out/a.o
	false; echo not here
M
hits ".SHELLFLAGS" 1
both ".POSIX" <<'M'
.POSIX:
all:
	gcc -DPOSIX -c a.c -o out/a.o
	@echo $$0 "$$-"
M
hits ".POSIX" 1
both "traced" <<'M'
.SHELLFLAGS := -xc
all:
	gcc -c a.c -o out/a.o
M
hits "traced" 0
both "a dependency file" <<'M'
all:
	gcc -MMD -MP -MF out/a.d -MT 'x y' -c a.c -o out/a.o
M
hits "a dependency file" 1

echo "# everything else is the shell's"
both "what shells do" <<'M'
X := $(shell echo a; echo b)
all:
	@echo "$(X)" '$$HOME' $$0 $$# "$$@"
	@for i in 1 2; do echo $$i > out/$$i; done
	@gcc -c a.c -o out/a.o && gcc -c a.c -o out/b.o || exit 3
	@echo gcc -c a.c | cat >&2; (exit 4) || echo "<$$?>"
	@gcc -c $$(echo a.c) -o out/c.o; cat <a.h >out/h
	@gcc -c a.[c] -o out/d.o
	@gcc -DTEXT=\"$${HOME#*/}\" -c a.c -o out/e.o
	@exec gcc -c a.c -o out/f.o # a comment
	@! gcc -c bad.c 2>/dev/null
	@trap 'echo end' EXIT; echo $$MAKELEVEL; set -- x y; echo $$2
	@cat >out/heredoc <<< x 2>/dev/null || echo no bash
	@printf '%s\n' "a	b" 'c\
	d' "e\
	f"
	@kill -9 $$$$ || :
M
hits "what shells do" 0
both "submakes and jobs" -s -j3 --no-print-directory <<'M'
all: 1 2 3 ; @:
1 2 3:
	@+$(MAKE) $@.x $@.y $@.o
%.x:
	@echo "$@ $(MAKELEVEL)" >out/$@
%.y: ;
%.o:
	@gcc -c a.c -DTEXT=\"$@\" -o out/$@
M
hits "submakes and jobs" 3
both ".ONESHELL" <<'M'
.ONESHELL:
define MORE
echo x
- item
+ item
endef
X := $(shell cat <<'E'; printf '<%s>\n' a)
all: one
	@cd sub
	@gcc -c a.c -o ../out/a.o
	-+@ echo two
	  -false
	v=3 \
	  w=4
	@echo $$v $$w 'a \
	@b'
one:
	@gcc -DONE -c a.c -o out/b.o
M
hits ".ONESHELL" 1
cat >../script.mk <<'M'
export define TEXT
cat <<'E'
- item
@ item
  + item
E
- item
@ item
  + item
E
endef
define SCRIPT
cat <<'E'
- item
@ item
E
endef
NOW := $(shell $(SCRIPT))
all:
	@echo "$(NOW)"
	@echo "$$TEXT" >out/text
	@if [ -z "$(AGAIN)" ]; then $(MAKE) --no-print-directory -f Makefile AGAIN=1; fi
M
both "several lines in \$(shell) without .ONESHELL" <../script.mk
both "no such shell flag" <<'M'
.SHELLFLAGS := --no-such-flag -c
all:
	gcc -c a.c -o out/a.o
M

echo "# CCHAIN_SHELL"
bash=$(command -v bash)
export CCHAIN_SHELL=$bash
both "a makefile that needs bash" <<'M'
.SHELLFLAGS := -eu -o pipefail -c
all:
	@a=(1 2 3); echo "$${a[1]} $$0"; [[ x == [xy] ]] && cat < <(echo y)
	gcc -DBASH -c a.c -o out/a.o
	-@false | cat
	@echo $${BASH_VERSION:+bash}
M
hits "a makefile that needs bash" 1
gcc() { echo "a function"; }; export -f gcc
both "a function in bash's environment" <<'M'
all:
	gcc -c a.c -o out/a.o
M
unset -f gcc
hits "a function in bash's environment" 0
echo 'gcc() { echo "from BASH_ENV"; }' >../env.sh
BASH_ENV=$work/env.sh both "BASH_ENV" <<'M'
all:
	gcc -c a.c -o out/a.o
M
hits "BASH_ENV" 0
if have perl; then
  CCHAIN_SHELL=$(command -v perl) both "a shell that is none" <<'M'
.ONESHELL:
.SHELLFLAGS := -e
all:
	@my $$x = "a";
	print "$$x\n" if -d "out";
	-d "out" or print "no";
M
fi
printf 'all:\n\t@echo "$$0"\n' >Makefile
for own in "$B/cchain-sh" "$B/cchain" cchain-sh; do
  check "CCHAIN_SHELL=$(basename "$own") is /bin/sh" [ "$(CCHAIN_SHELL=$own PATH=$B:$PATH timeout 20 make SHELL="$B/cchain-sh" 2>&1)" = /bin/sh ]
done
check "CCHAIN_SHELL that is not there" [ "$(CCHAIN_SHELL=/none/at/all make SHELL="$B/cchain-sh" 2>&1 | head -1)" = "cchain: /none/at/all: No such file or directory" ]
check "CCHAIN_SHELL by its name" [ "$(CCHAIN_SHELL=bash make SHELL="$B/cchain-sh" 2>&1)" = bash ]
check "no trouble is seen in the variable" [ "$(CCHAIN_SHELL=bash "$B/cchain" config | grep -c CCHAIN_SHELL)" = 0 ]
unset CCHAIN_SHELL

echo "# no compiler is started"
if have strace; then
  printf 'all:\n\tgcc -c a.c -o out/a.o\n' >Makefile
  mkdir -p out
  make SHELL="$B/cchain-sh" >/dev/null
  strace -f -qq -e trace=execve,vfork,fork,clone,clone3 -o ../trace make SHELL="$B/cchain-sh" >/dev/null
  check "a hit is one exec" [ "$(grep -c ' execve(' ../trace)" = 2 ]
  check "a hit starts no process" [ "$(grep -cE '(fork|clone3?)\(' ../trace)" = 1 ]
  zero
else
  skip "no compiler is started" "no strace"
fi
CCHAIN_DISABLE=1 make SHELL="$B/cchain-sh" >/dev/null
hits "CCHAIN_DISABLE" 0
check "called by hand" [ "$("$B/cchain-sh" -c 'echo $0 $1' x y; echo 'echo $((1+1))' | "$B/cchain-sh")" = "x y
2" ]

echo "# links"
"$B/cchain" links "$work/l/in/ks" >../said; status=$?
check "links: status" [ $status = 0 ]
check "links: gcc is there" [ "$(readlink "$work/l/in/ks/gcc")" = "$(realpath "$B/cchain")" ]
check "links: says which" grep -qw gcc ../said
check "links: nothing else" [ -z "$(find "$work/l/in/ks" -mindepth 1 ! -name '*c[c+]*' ! -name '*g++*' ! -name '*clang*')" ]
PATH=$work/l/in/ks:$PATH "$B/cchain" links "$work/l/in/ks" >../again; status=$?
check "links: again is the same" [ "$status $(cat ../again)" = "0 $(cat ../said)" ]
mkdir "$work/l2"; echo mine >"$work/l2/gcc"; ln -s "$work/gone" "$work/l2/cc"
"$B/cchain" links "$work/l2" >/dev/null 2>../said; status=$?
check "links: what stands there stays" [ "$status $(cat "$work/l2/gcc") $(cat ../said)" = "1 mine cchain: links: left as it is: $work/l2/gcc" ]
check "links: a dead one is made anew" [ "$work/l2/cc" -ef "$B/cchain" ]
"$B/cchain" links 2>/dev/null; check "links: no folder" [ $? = 2 ]
"$B/cchain" links /dev/null/x 2>/dev/null; check "links: a folder that can't be made" [ $? = 1 ]
printf 'all:\n\tcc -c a.c -o out/a.o\n' >Makefile
mkdir -p out
for n in 1 2; do rm -f out/a.o; PATH=$work/l/in/ks:$PATH make >/dev/null; done
hits "links" 1
make -C "$here/../.." -s --no-print-directory B="$B" install DESTDIR="$work/installed" PREFIX=/usr LINKS=/usr/lib/cchain >/dev/null 2>../said; status=$?
check "make install LINKS=…" [ "$status $(readlink "$work/installed/usr/lib/cchain/gcc")" = "0 /usr/bin/cchain" ]
check "make install: cchain-sh" [ "$work/installed/usr/bin/cchain-sh" -ef "$work/installed/usr/bin/cchain" ]

echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]

#!/bin/bash
# Projects built by make: plain, then cold and warm through cchain, by CC="cchain gcc", by links on PATH and by SHELL=cchain-sh. Every file that a build
# leaves must be what the plain one leaves; after a header was touched, and after it was edited, the same files must be made anew.
#   tests/make/projects.sh BUILD-FOLDER PROJECT…      generated, zlib, lua5.4, redis (the last three are fetched: Debian's source packages)
#   JOBS=4, DOORS="cc links sh"
# SPDX-License-Identifier: Apache-2.0
set -u
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 2 ] || { sed -n '4,5s/^# *//p' "$0" >&2; exit 2; }
B=$(realpath "$1") || exit 1
shift
work=$B/projects
jobs=${JOBS:-$(nproc)}
doors=${DOORS:-cc links sh}
for v in $(compgen -e | grep -E '^(CCHAIN|CCACHE|XDG|MAKE|MFLAGS|DEB_|CC$|CXX$|CFLAGS|CPPFLAGS|LDFLAGS|SHELL$)'); do unset "$v"; done
export LC_ALL=C SOURCE_DATE_EPOCH=1700000000
passed=0 failed=0 skipped=0
ok() { passed=$((passed + 1)); echo "ok - $1"; }
not_ok() { failed=$((failed + 1)); echo "not ok - $1"; shift; [ $# = 0 ] || printf '# %s\n' "$@"; }
check() { local name=$1; shift; if "$@"; then ok "$name"; else not_ok "$name" "failed: $*"; fi; }
# hits, misses, refused: of compiles, so not what links, preprocesses or asks the compiler something.
stats_of() {
  "$B/cchain" stats --json | python3 -c '
import json, sys
s = json.load(sys.stdin)
print(s["hits"], s["misses"], sum(n for reason, n in s["uncacheable_reasons"].items() if "no -c" not in reason and "only prints information" not in reason and "stops after" not in reason))'
}

# What a project is: source_P puts it into $PWD; build_P "VARIABLE=VALUE"… builds it in $PWD; header_P is included by some files, not by all; refused_P is how
# many compiles in a hundred may be refused.
source_generated() {
  local i j
  mkdir -p src lib include/p
  for i in 1 2 3 4 5 6; do
    printf '#ifndef H%d\n#define H%d\n#define VALUE%d %d\nint f%d(int);\n#endif\n' $i $i $i $i $i >include/p/h$i.h
  done
  for i in $(seq 1 16); do
    { for j in 1 2 3; do echo "#include \"p/h$(((i * j) % 6 + 1)).h\""; done
      echo '#include <stdio.h>'
      echo "int g$i(int x) { static int unused; if (x) printf(\"%d\", x); return x + VALUE$((i % 6 + 1)); }"; } >src/s$i.c
  done
  for i in $(seq 1 6); do printf '#include "p/h%d.h"\nint f%d(int x) { return x * VALUE%d; }\n' $i $i $i >lib/f$i.c; done
  printf '#include "gen.h"\nint main(void) { return GENERATED; }\n' >src/main.c
  cat >Makefile <<'M'
CFLAGS = -O1 -g -Wall -Iinclude -Iobj/gen
OBJECTS = $(patsubst src/%.c,obj/%.o,$(wildcard src/s*.c)) obj/main.o
all: obj/program
obj/program: $(OBJECTS) obj/libf.a
	$(CC) -o $@ $^
obj/libf.a: $(patsubst lib/%.c,obj/lib/%.o,$(wildcard lib/*.c))
	@echo "AR $@"; rm -f $@
	ar rcs $@ $^
obj/%.o: src/%.c | obj/gen
	$(CC) $(CFLAGS) -MMD -MP -MF obj/$*.d -c $< -o $@
# As the kernel does it, and a shell's work after the compile.
obj/lib/%.o: lib/%.c | obj/lib obj/gen
	$(CC) $(CFLAGS) -Wp,-MMD,obj/lib/.$*.d -c -o $@ $<
obj/lib obj/gen: ; mkdir -p $@
obj/gen/gen.h: Makefile | obj/gen
	echo '#define GENERATED 0' >$@.tmp && mv $@.tmp $@
obj/main.o: obj/gen/gen.h
clean: ; rm -rf obj
-include $(wildcard obj/*.d obj/lib/.*.d)
.PHONY: all clean
M
}
build_generated() { make -j"$jobs" "$@"; }
clean_generated() { make clean; }
header_generated=include/p/h3.h refused_generated=0

fetched() { "$here/../tools/fetch-source.sh" "$1" && cp -a "$B/src/$1/." .; }
source_zlib() { fetched zlib && ./configure >/dev/null; }
build_zlib() { make -j"$jobs" "$@"; }
clean_zlib() { make clean; }
header_zlib=inffast.h refused_zlib=0

source_lua5.4() { fetched lua5.4 && printf '#define DEB_HOST_MULTIARCH "any"\n' >src/lua5.4-deb-multiarch.h; }
# Debian's makefile links a library twice at the same time when it may.
build_lua5.4() { make -C src -j1 linux LIBTOOL="libtool --quiet" "$@"; }
clean_lua5.4() { make -C src clean LIBTOOL=libtool; rm -rf src/.libs; }
declare -A header refused compiler
compiler[lua5.4]="gcc -std=gnu99"  # as its makefile has it
header[lua5.4]=src/lopcodes.h refused[lua5.4]=0

source_redis() { fetched redis; }
build_redis() { make -j"$jobs" MALLOC=libc BUILD_TLS=no V=1 "$@"; }
clean_redis() { make distclean; }
header_redis=src/bio.h refused_redis=5
for p in generated zlib redis; do v=header_$p header[$p]=${!v}; v=refused_$p refused[$p]=${!v}; done

# Every file and link of the tree by name and content, but what says how it was built.
list() { (cd "$1" && find . \( -type f -o -type l \) ! -name .make-settings ! -name .make-prerequisites ! -name '*.log' -print0 | sort -z | xargs -0 sha256sum); }
objects() { find "$1" -name '*.o' -o -name '*.lo' -size +100c; }
# The files newer than $work/stamp.
made() { (cd "$tree" && find . -type f -newer "$work/stamp" ! -name .make-settings ! -name .make-prerequisites ! -name '*.log' | sort); }
wait_a_tick() { sleep 0.02; touch "$work/stamp"; sleep 0.02; }

# build DOOR: through that door, its time in $took.
build() {
  local from to door=$1
  from=$(date +%s%N)
  case $door in
    plain) "build_$project" >"$work/build.log" 2>&1 ;;
    cc) "build_$project" CC="$B/cchain ${compiler[$project]:-gcc}" CXX="$B/cchain g++" >"$work/build.log" 2>&1 ;;
    links) PATH=$work/links:$PATH "build_$project" >"$work/build.log" 2>&1 ;;
    sh) "build_$project" SHELL="$B/cchain-sh" >"$work/build.log" 2>&1 ;;
  esac
  local status=$?
  to=$(date +%s%N)
  took=$(awk -v ns=$((to - from)) 'BEGIN { printf "%.2f", ns / 1e9 }')
  [ $status = 0 ] || { not_ok "$project, $door: the build" "$(tail -n 20 "$work/build.log")"; return 1; }
}
same_as() { if diff <(list "$tree") "$work/$1" >"$work/diff"; then ok "$2"; else not_ok "$2" "$(head -n 20 "$work/diff")"; fi; }
touched() { wait_a_tick; touch "$tree/${header[$project]}"; }
edited() { wait_a_tick; echo 'extern int cchain_edited;' >>"$tree/${header[$project]}"; }

mkdir -p "$work"
rm -rf "$work/links"
"$B/cchain" links "$work/links" >/dev/null
rows=()
for project in "$@"; do
  tree=$work/tree
  rm -rf "$tree" "$work/cache" "$work/pristine"
  mkdir -p "$tree"; cd "$tree" || exit 1
  "source_$project" >"$work/source.log" 2>&1 || { not_ok "$project: the source" "$(tail -n 20 "$work/source.log")"; continue; }
  # What is too new makes the library careful.
  find . -exec touch -hd '1 hour ago' {} +
  cp -a . "$work/pristine"
  # The plain build, and what it makes anew.
  build plain || continue
  plain_took=$took
  list . >"$work/plain"
  count=$(objects . | wc -l)
  touched; build plain || continue
  made >"$work/plain.touched"
  edited; build plain || continue
  made >"$work/plain.edited"
  list . >"$work/plain.edited.list"
  check "$project: the plain build makes some, not all of its $count objects anew" \
    [ "$(grep -c '\.l*o$' "$work/plain.touched")" -gt 0 -a "$(grep -c '\.l*o$' "$work/plain.touched")" -lt "$count" ]

  for door in $doors; do
    cd "$work" && rm -rf "$tree" && cp -a "$work/pristine" "$tree" && cd "$tree" || exit 1
    export CCHAIN_DIR=$work/cache/$door
    build $door || continue
    cold=$took
    same_as plain "$project, $door: cold"
    "$B/cchain" stats >"$work/cold.stats"
    # With jobs at a time a folder can change under a compile that looked for names in it, and the result is not stored: the next build has it to do again.
    for warmth in 1 2 3 4; do
      "clean_$project" >/dev/null 2>&1
      "$B/cchain" stats --reset >/dev/null
      build $door || continue 2
      same_as plain "$project, $door: warm $warmth"
      "$B/cchain" stats >"$work/warm.stats"
      read -r hits misses refusals < <(stats_of)
      seen=$((hits + misses + refusals))
      rows+=("$project|$door|$count|$plain_took|$cold|$took|$hits|$misses|$refusals")
      [ $(((seen - hits) * 100)) -gt $((seen * refused[$project])) ] || break
    done
    # A door that can't see this project's compiles has nothing to show.
    if [ "$seen" = 0 ]; then
      if [ $door = sh ]; then skipped=$((skipped + 1)); echo "skip - $project, $door: no line is one compile"
      else not_ok "$project, $door: nothing came through"; fi
    elif [ $(((seen - hits) * 100)) -le $((seen * refused[$project])) ]; then
      ok "$project, $door: $hits of $seen hit in warm build $warmth"
    else
      not_ok "$project, $door: $hits of $seen hit" "cold:" "$(cat "$work/cold.stats")" "warm:" "$(cat "$work/warm.stats")"
    fi
    touched; build $door || continue
    check "$project, $door: a header touched: the same are made anew" diff <(made) "$work/plain.touched"
    edited; build $door || continue
    check "$project, $door: a header edited: the same are made anew" diff <(made) "$work/plain.edited"
    same_as plain.edited.list "$project, $door: a header edited"
  done
  cd "$work" || exit 1
done
format='%-10s %-6s %7s %8s %8s %8s %6s %7s %8s\n'
printf "$format" project door objects 'plain s' 'cold s' 'warm s' hits misses refused
for row in ${rows[@]+"${rows[@]}"}; do
  IFS='|' read -r -a cells <<<"$row"
  printf "$format" "${cells[@]}"
done
rm -rf "$work/tree" "$work/pristine" "$work/cache"
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]

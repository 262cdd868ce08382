#!/bin/bash
# The built command, end to end, with the compilers that are here: what a user sees must be what the compiler shows.
#   tests/cli/run.sh [path/to/cchain]
# SPDX-License-Identifier: Apache-2.0
set -u
here=$(cd "$(dirname "$0")" && pwd)
cchain=$(realpath "${1:-$here/../../build/cchain}") || exit 1
[ -x "$cchain" ] || { echo "# $cchain is not there"; exit 1; }
work=$(mktemp -d) || exit 1
trap 'chmod -R u+w "$work" 2>/dev/null; rm -rf "$work"' EXIT
for v in $(compgen -e | grep -E '^(CCHAIN|CCACHE|XDG|MAKE|MFLAGS)'); do unset "$v"; done
export LC_ALL=C HOME=$work/home CCHAIN_DIR=$work/cache CCACHE_DIR=$work/ccache
mkdir -p "$HOME" "$work/bin"
ln -s "$cchain" "$work/bin/cchain"
export PATH=$work/bin:$PATH
plain_path=$PATH
passed=0 failed=0 skipped=0

ok() { passed=$((passed + 1)); echo "ok - $1"; }
not_ok() { failed=$((failed + 1)); echo "not ok - $1"; shift; [ $# = 0 ] || printf '# %s\n' "$@"; }
skip() { skipped=$((skipped + 1)); echo "skip - $1: $2"; }
check() { local name=$1; shift; if "$@"; then ok "$name"; else not_ok "$name" "failed: $*"; fi; }
have() { command -v "$1" >/dev/null 2>&1; }
# A number of the statistics, of those before the layers'.
stat_of() { cchain stats --json | tr -d ' \n' | sed 's/"layers":\[.*//' | grep -o "\"$1\":[0-9]*" | head -1 | cut -d: -f2; }
fresh() { rm -rf "$CCHAIN_DIR"; }

# run TAG command…: status, streams and a.o in $work/out/TAG.*
run() {
  local tag=$1; shift
  mkdir -p "$work/out"; rm -f a.o
  "$@" >"$work/out/$tag.out" 2>"$work/out/$tag.err"
  echo $? >"$work/out/$tag.status"
  if [ -f a.o ]; then cp a.o "$work/out/$tag.o"; else rm -f "$work/out/$tag.o"; : >"$work/out/$tag.o"; fi
}
# compare NAME A B: all that the two have left is equal
compare() {
  local part bad=
  for part in status out err o; do
    cmp -s "$work/out/$2.$part" "$work/out/$3.$part" || bad="$bad $part"
  done
  if [ -z "$bad" ]; then ok "$1"; else
    not_ok "$1" "different:$bad" "status $(cat "$work/out/$2.status") and $(cat "$work/out/$3.status")" \
      "$(diff "$work/out/$2.err" "$work/out/$3.err" | head -5)" "$(diff "$work/out/$2.out" "$work/out/$3.out" | head -5)"
  fi
}
# same NAME command…: plain, and twice through cchain
same() {
  local name=$1; shift
  run plain "$@"
  run first cchain "$@"
  run second cchain "$@"
  compare "$name" plain first
  compare "$name, again" plain second
}

mkdir -p "$work/src" && cd "$work/src" || exit 1
cat >good.c <<'E'
#include "h.h"
int f(int x) { return x + H; }
E
echo '#define H 3' >h.h
printf '#include "h.h"\nint f(int x) { int unused; return x == H ? "s" : 0; }\n' >warn.c
printf 'int f( { return 1; }\n' >bad.c
printf '#warning "a text that is so long that it is broken where a terminal ends, or not, as the compiler likes it"\nint a_function_with_a_long_name(int first_argument, int second_argument) { int unused_one; int unused_two; return first_argument; }\n' >wide.c
printf '#include <vector>\nint f(std::vector<int> v) { return v.size() > -1; }\n' >warn.cc
printf 'int main(void) { return 0; }\n' >main.c
# Times of inputs that are too near to the compile would make the library careful.
touch -d '1 hour ago' ./*

compilers=; for c in gcc clang; do have $c && compilers="$compilers $c"; done
[ -n "$compilers" ] || { echo "# no compiler"; exit 1; }

echo "# exit status and both streams"
for c in $compilers; do
  x=${c/gcc/g++}; x=${x/clang/clang++}
  fresh
  same "$c: no diagnostics" $c -c good.c -o a.o
  same "$c: warnings" $c -Wall -Wextra -c warn.c -o a.o
  same "$c: warnings in colour" $c -Wall -Wextra -fdiagnostics-color=always -c warn.c -o a.o
  same "$x: warnings" $x -Wall -Wextra -c warn.cc -o a.o
  same "$c: warnings as errors" $c -Wall -Werror -c warn.c -o a.o
  same "$c: an error" $c -c bad.c -o a.o
  same "$c: no such source" $c -c none.c -o a.o
  same "$c: no such option" $c -fno-such-option-at-all -c good.c -o a.o
  same "$c: a warning option that is not known" $c -Wno-such-warning -c warn.c -o a.o
  same "$c: no argument" $c
  same "$c: --version" $c --version
  same "$c: -print-search-dirs" $c -print-search-dirs
  same "$c: -E" $c -E good.c
  same "$c: a link" $c main.c -o a.o
  same "$c: an output folder that is not there" $c -c good.c -o none/a.o
  same "$c: by its path" "$(command -v $c)" -Wall -c warn.c -o a.o
  same "$c: env in front" env A=B $c -Wall -c warn.c -o a.o
  same "$c: GCC_COLORS and a locale" env LC_ALL=C.UTF-8 $c -Wall -c warn.c -o a.o

  plain_stdin() { echo 'int x;' | $c -c -x c - -o a.o; }
  cchain_stdin() { echo 'int x;' | cchain $c -c -x c - -o a.o; }
  run plain plain_stdin; run first cchain_stdin
  compare "$c: source on standard input" plain first
  if have script; then
    run plain env TERM=xterm script -qec "$c -Wall -c warn.c -o a.o" /dev/null </dev/null
    run first env TERM=xterm script -qec "cchain $c -Wall -c warn.c -o a.o" /dev/null </dev/null
    run second env TERM=xterm script -qec "cchain $c -Wall -c warn.c -o a.o" /dev/null </dev/null
    compare "$c: on a terminal" plain first
    compare "$c: on a terminal, again" plain second
    check "$c: the terminal has seen colours" grep -q $'\033' "$work/out/second.out"
    # Lines are cut or broken where the terminal ends, links are written where it is known to have them.
    on_terminal() { local set_up=$1; shift; TERM=xterm-256color script -qec "$set_up; $*" /dev/null </dev/null; }
    for set_up in "stty cols 60" "stty cols 100" "stty cols 100; export COLUMNS=40" "export GCC_URLS=no" "export TERM=vt100" "export TERM=dumb" "stty cols 60; exec </dev/null"; do
      run plain on_terminal "$set_up" $c -Wall -c wide.c -o a.o
      run first on_terminal "$set_up" cchain $c -Wall -c wide.c -o a.o
      hits=$(stat_of hits)
      run second on_terminal "$set_up" cchain $c -Wall -c wide.c -o a.o
      compare "$c: on a terminal, $set_up" plain first
      compare "$c: on a terminal, $set_up, again" plain second
      check "$c: on a terminal, $set_up: a hit" [ "$(stat_of hits)" = $((hits + 1)) ]
    done
    # A launcher: what it writes comes through as it is, to the last byte; what it leaves running is not waited for.
    head -c 300000 /dev/urandom >noise
    printf '#!/bin/sh\ncat noise >&2; "$@"; s=$?; cat noise >&2; (sleep 20; echo late >&2) </dev/null >/dev/null & exit $s\n' >"$work/bin/noisy"
    # And one that makes the terminal another one meanwhile.
    printf '#!/bin/sh\nstty cols 30\nexec "$@"\n' >"$work/bin/resize"
    chmod +x "$work/bin/noisy" "$work/bin/resize"
    run plain on_terminal "stty -opost" noisy $c -Wall -c wide.c -o a.o
    start=$SECONDS
    run first on_terminal "stty -opost" env CCHAIN_PREFIX=noisy cchain $c -DNOISY -Wall -c wide.c -o a.o
    compare "$c: all that a launcher writes to the terminal" plain first
    check "$c: what a launcher leaves running is not waited for" [ $((SECONDS - start)) -lt 15 ]
    stores=$(stat_of stores)
    run first on_terminal "stty cols 90" env CCHAIN_PREFIX=resize cchain $c -DRESIZED -Wall -c wide.c -o a.o
    check "$c: not stored when the terminal has changed its width" [ "$(stat_of stores)" = "$stores" ]
    rm -f noise "$work/bin/noisy" "$work/bin/resize"
  else
    skip "$c: on a terminal" "no script(1)"
  fi
done

echo "# hits"
for c in $compilers; do
  fresh
  cchain $c -Wall -c warn.c -o a.o 2>/dev/null
  cchain -z >/dev/null
  rm -f a.o
  cchain $c -Wall -c warn.c -o a.o 2>/dev/null
  check "$c: the second compile is a hit" [ "$(stat_of hits)/$(stat_of misses)" = 1/0 ]
  check "$c: the object is there" [ -s a.o ]
  if have strace; then
    strace -f -e trace=execve,fork,vfork,clone,clone3 -o "$work/trace" cchain $c -Wall -c warn.c -o a.o 2>/dev/null
    check "$c: a hit starts no process" [ "$(grep -c 'execve(' "$work/trace")" = 1 ]
    check "$c: a hit starts no thread" [ "$(grep -cE '(fork|clone3?)\(' "$work/trace")" = 0 ]
  else
    skip "$c: a hit starts no process" "no strace"
  fi
  echo '#define H 4' >h.h
  cchain $c -Wall -c warn.c -o a.o 2>/dev/null
  check "$c: a changed header is a miss" [ "$(stat_of misses)" = 1 ]
  echo '#define H 3' >h.h; touch -d '1 hour ago' h.h
done

echo "# called by a compiler's name"
mkdir -p "$work/links" "$work/links2" "$work/cclinks"
for n in cc gcc g++ clang clang++ c++ "$(basename "$(realpath "$(command -v gcc)")")"; do
  have "$n" && { ln -sf "$cchain" "$work/links/$n"; ln -sf "$work/links/$n" "$work/links2/$n"; }
done
with_links() { PATH=$work/links:$work/links2:$plain_path "$@"; }
for c in $compilers; do
  fresh
  # What gcc itself says of other names, it says by its own.
  for args in "-Wall -c warn.c -o a.o" "-c bad.c -o a.o" "-print-search-dirs" "--version" "main.c -o a.o" "-print-prog-name=cc1" "-c"; do
    run plain $c $args
    run first with_links $c $args
    run second with_links $c $args
    run third with_links cchain $c $args
    run fourth "$work/links2/$c" $args
    run fifth with_links cchain "$work/links/$c" $args
    compare "link $c $args" plain first
    compare "link $c $args, again" plain second
    compare "cchain $c $args, links on PATH" plain third
    compare "link by its path: $c $args" plain fourth
    compare "cchain and a link by its path: $c $args" plain fifth
  done
  cchain -z >/dev/null
  with_links $c -Wall -c warn.c -o a.o 2>/dev/null
  check "link $c: a hit" [ "$(stat_of hits)" = 1 ]
done

echo "# no loops"
c=${compilers##* }; c=gcc; have gcc || c=clang
bounded() { timeout 20 "$@"; }
run plain $c -Wall -c warn.c -o a.o
fresh
run first bounded cchain cchain cchain $c -Wall -c warn.c -o a.o
compare "cchain cchain cchain $c" plain first
run first bounded env PATH="$work/links:$work/links2" "$work/links/$c" -c good.c
check "nothing but our links on PATH: 127" [ "$(cat "$work/out/first.status")" = 127 ]
check "nothing but our links on PATH: says so" grep -qx "cchain: .*$c: No such file or directory" "$work/out/first.err"
mkdir -p "$work/wrap" "$work/wrap2"
printf '#!/bin/sh\nexec cchain %s "$@"\n' $c >"$work/wrap/$c"; chmod +x "$work/wrap/$c"
printf '#!/bin/sh\ncchain %s "$@"\n' $c >"$work/wrap2/$c"; chmod +x "$work/wrap2/$c"
for w in wrap wrap2 wrap:$work/wrap2 wrap2:$work/links:$work/wrap; do
  run first bounded env PATH="$work/$w:$plain_path" $c -Wall -c warn.c -o a.o
  compare "a script that calls cchain $c ($(echo "$w" | sed "s,$work/,,g")) on PATH" plain first
done
run first bounded env PATH="$work/wrap2:$work/bin:/bin" "$work/wrap2/nothing-of-that-name"
printf '#!/bin/sh\ncchain nocc "$@"\n' >"$work/wrap/nocc"; chmod +x "$work/wrap/nocc"
run first bounded env PATH="$work/wrap:$plain_path" nocc -c good.c
check "a script that calls itself through cchain ends" [ "$(cat "$work/out/first.status")" != 124 ]
if have ccache; then
  ln -sf "$(command -v ccache)" "$work/cclinks/$c"
  for p in "$work/links:$work/cclinks" "$work/cclinks:$work/links" "$work/cclinks:$work/links:$work/cclinks:$work/links2"; do
    for call in "$c" "cchain $c" "ccache $c" "cchain ccache $c" "ccache cchain $c"; do
      fresh; rm -rf "$CCACHE_DIR"
      run first bounded env PATH="$p:$plain_path" $call -Wall -c warn.c -o a.o
      run second bounded env PATH="$p:$plain_path" $call -Wall -c warn.c -o a.o
      compare "$(echo "$p" | sed "s,$work/,,g"): $call" plain first
      compare "$(echo "$p" | sed "s,$work/,,g"): $call, again" plain second
    done
  done
else
  skip "ccache in front" "no ccache"
fi
# A build under cchain is still cached.
if have make; then
  fresh
  printf 'a.o: warn.c\n\t$(CC) -c warn.c -o a.o\n' >Makefile
  rm -f a.o; cchain make -s CC="cchain $c" 2>/dev/null; rm -f a.o; cchain make -s CC="cchain $c" 2>/dev/null
  check "cchain make: the compiles in it are cached" [ "$(stat_of hits)" = 1 ]
  rm -f a.o; with_links cchain make -s CC=$c 2>/dev/null
  rm -f a.o; with_links cchain make -s CC=$c 2>/dev/null
  check "cchain make: links in it are cached" [ "$(stat_of hits)" -ge 2 ]
fi

echo "# names"
mkdir -p "$work/named"
ln -sf "$(command -v $c)" "$work/named/stats"
run plain env PATH="$work/named:$plain_path" stats -Wall -c warn.c -o a.o
run first env PATH="$work/named:$plain_path" cchain -- stats -Wall -c warn.c -o a.o
compare "cchain -- stats" plain first
run first cchain gcc-99 -c good.c
check "a command that is not there: 127" [ "$(cat "$work/out/first.status")" = 127 ]
check "a command that is not there: the message" [ "$(cat "$work/out/first.err")" = "cchain: gcc-99: No such file or directory" ]
: >"$work/src/notexec"
run first cchain ./notexec
check "a file that is no program: 126" [ "$(cat "$work/out/first.status")" = 126 ]
printf 'echo shell $1; exit 5\n' >noline; chmod +x noline
run plain bash -c './noline x'; run first cchain ./noline x
compare "a script without an interpreter line" plain first
run first cchain -- printf '%s|' a 'b c' '' '*'
check "arguments arrive as they are" [ "$(cat "$work/out/first.out")" = 'a|b c||*|' ]

echo "# whatever is wrong with the cache"
trouble() {
  local name=$1 c; shift
  for c in $compilers; do
    run plain $c -Wall -c warn.c -o a.o
    run first "$@" cchain $c -Wall -c warn.c -o a.o
    compare "$name: $c" plain first
    run second "$@" cchain $c -Wall -c warn.c -o a.o
    compare "$name: $c, again" plain second
    run plain $c -c bad.c -o a.o
    run first "$@" cchain $c -c bad.c -o a.o
    compare "$name: $c, an error" plain first
  done
}
echo '{"no": JSON' >"$work/broken.json"
echo '{"no_such_key": 1, "layers": [{"type": "disk", "max_size": "many"}]}' >"$work/odd.json"
: >"$work/file"
trouble "no HOME" env -u HOME -u CCHAIN_DIR
trouble "HOME is not there" env -u CCHAIN_DIR HOME=/nonexistent/home
trouble "HOME is a file" env -u CCHAIN_DIR HOME="$work/file"
trouble "no HOME, PATH only" env -i PATH="$PATH" LC_ALL=C
trouble "the cache can't be made" env CCHAIN_DIR=/proc/cchain
trouble "the cache is below a file" env CCHAIN_DIR="$work/file/cache"
trouble "the cache is relative" env CCHAIN_DIR=cache
trouble "the configuration is no JSON" env CCHAIN_CONFIG="$work/broken.json"
trouble "the configuration has unknown keys and wrong values" env CCHAIN_CONFIG="$work/odd.json"
trouble "the configuration is a folder" env CCHAIN_CONFIG="$work"
trouble "wrong layers" env CCHAIN_LAYERS="gopher://x /a?max_size=many"
trouble "a tenant that is no name" env CCHAIN_TENANT=../x
trouble "no such mode" env CCHAIN_MODE=magic
trouble "the log can't be written" env CCHAIN_LOG=/proc/cchain.log
trouble "CCHAIN_DISABLE" env CCHAIN_DISABLE=1
mkdir -p "$work/readonly"; chmod 555 "$work/readonly"
if [ "$(id -u)" != 0 ]; then
  trouble "the cache is read-only" env CCHAIN_DIR="$work/readonly"
elif have setpriv; then
  chmod 711 "$work"; chmod 777 "$work/src"
  run_as() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
  export -f run_as
  if run_as test -x "$cchain" && run_as true; then
    trouble_as() { bash -c 'run_as "$@"' -- "$@"; }
    for c in $compilers; do
      run plain trouble_as $c -Wall -c warn.c -o a.o
      run first trouble_as env CCHAIN_DIR="$work/readonly" cchain $c -Wall -c warn.c -o a.o
      compare "the cache is read-only: $c" plain first
      run first trouble_as env -u CCHAIN_DIR HOME=/root cchain $c -Wall -c warn.c -o a.o
      compare "HOME is root's: $c" plain first
    done
  else
    skip "the cache is read-only" "another user can't reach $cchain"
  fi
else
  skip "the cache is read-only" "running as root without setpriv"
fi
if have fakeroot; then trouble "under fakeroot" fakeroot; else skip "under fakeroot" "no fakeroot"; fi
fresh
CCHAIN_CONFIG=$work/broken.json cchain stats >"$work/out/stats" 2>&1
check "stats: a broken configuration stands at the head" bash -c "head -2 '$work/out/stats' | grep -q broken.json"
CCHAIN_CONFIG=$work/broken.json cchain config >"$work/out/stats" 2>&1
check "config: a broken configuration stands at the head" bash -c "head -1 '$work/out/stats' | grep -q broken.json"
CCHAIN_WARN=1 CCHAIN_CONFIG=$work/broken.json cchain $c -c good.c -o a.o 2>"$work/out/warn"
check "CCHAIN_WARN: troubles are shown at once" grep -q '^cchain: .*broken.json' "$work/out/warn"
fresh
CCHAIN_WARN=1 cchain $c -c good.c -o a.o 2>"$work/out/warn"
check "CCHAIN_WARN: nothing is shown where nothing is wrong" [ ! -s "$work/out/warn" ]
CCHAIN_DISABLE=1 strace -f -o "$work/trace" cchain $c -c good.c -o a.o 2>/dev/null &&
  check "CCHAIN_DISABLE: the cache is not touched" bash -c "! grep -q '$CCHAIN_DIR/' '$work/trace'"

echo "# descriptors"
for c in $compilers; do
  for closed in '<&-' '>&-' '2>&-' '<&- >&- 2>&-' '>/dev/full' '2>/dev/full'; do
    # clang aborts where it can't write a warning; whether it would have is not known from here.
    [ "$c$closed" = "clang2>/dev/full" ] && continue
    fresh
    bash -c "exec $closed; $c -Wall -c warn.c -o plain.o"; s0=$?
    bash -c "exec $closed; cchain $c -Wall -c warn.c -o a.o"; s1=$?
    cp a.o first.o 2>/dev/null
    bash -c "exec $closed; cchain $c -Wall -c warn.c -o a.o"; s2=$?
    touch -a plain.o first.o a.o  # gcc leaves none where it can't write a warning
    check "$c $closed" eval "[ $s0/$s0 = $s1/$s2 ] && cmp -s plain.o first.o && cmp -s plain.o a.o"
    rm -f plain.o first.o a.o
  done
done
run plain $c -c bad.c -o a.o
if have python3; then
  cat >"$work/nonblock.py" <<'E'
import fcntl, os, subprocess, sys, time
r, w = os.pipe()
fcntl.fcntl(w, fcntl.F_SETFL, fcntl.fcntl(w, fcntl.F_GETFL) | os.O_NONBLOCK)
p = subprocess.Popen(sys.argv[1:], stderr=w)
os.close(w)
time.sleep(1)
sys.stdout.buffer.write(os.fdopen(r, "rb").read())
sys.exit(p.wait())
E
fi

echo "# programs that behave oddly"
real=$(realpath "$(command -v gcc || command -v clang)")
cat >"$work/fake.c" <<'E'
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
static void caught(int n) { (void)n; write(2, "caught\n", 7); _exit(7); }
static void say(const char *s) { write(2, s, strlen(s)); }
int main(int argc, char **argv) {
  const char *mode = getenv("FAKE");
  int ours = 0;
  for (int i = 1; i < argc; i++) ours |= !strcmp(argv[i], "slow.c");
  for (int i = 1; i < argc; i++) if (!strcmp(argv[i], "-E") || !strcmp(argv[i], "-###") || !strncmp(argv[i], "-print", 6)) ours = 0;
  if (mode && ours) {
    FILE *f = fopen("fake.pid", "w");
    fprintf(f, "%d %d\n", getpid(), getppid());
    fclose(f);
    if (!strncmp(mode, "kill ", 5)) {
      struct rlimit none = {0, 0};
      setrlimit(RLIMIT_CORE, &none);
      say("dying\n");
      kill(getpid(), atoi(mode + 5));
    } else if (!strcmp(mode, "wait") || !strcmp(mode, "catch")) {
      if (*mode == 'c') signal(SIGTERM, caught);
      say("waiting\n");
      rename("fake.pid", "fake.ready");
      sleep(20);
    } else if (!strncmp(mode, "print ", 6)) {
      static char block[65536];
      memset(block, 'x', sizeof block - 1);
      block[sizeof block - 1] = '\n';
      for (int i = atoi(mode + 6); i > 0; i--) { write(1, block, sizeof block); write(2, block, sizeof block); }
    } else if (!strcmp(mode, "server")) {
      if (fork() == 0) { sleep(20); _exit(0); }
    } else if (!strcmp(mode, "stdin")) {
      char c; int n = 0;
      while (read(0, &c, 1) == 1) n++;
      fprintf(stderr, "%d bytes\n", n);
    } else if (!strcmp(mode, "env")) {
      fprintf(stderr, "%s\n", getenv("SEEN") ? getenv("SEEN") : "");
    }
  }
  argv[0] = REAL;  /* gcc looks for its programs beside what this says */
  execv(REAL, argv);
  return 99;
}
E
cat >"$work/how.c" <<'E'
/* how FILE command…: runs it and says how it ended. */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int argc, char **argv) {
  int status;
  pid_t pid = fork();
  if (pid == 0) {
    signal(SIGINT, SIG_DFL), signal(SIGQUIT, SIG_DFL);
    execvp(argv[2], argv + 2);
    _exit(127);
  }
  signal(SIGINT, SIG_IGN);
  char name[4096];
  snprintf(name, sizeof name, "%s.pid", argv[1]);
  FILE *f = fopen(name, "w");
  fprintf(f, "%d\n", pid);
  fclose(f);
  waitpid(pid, &status, 0);
  f = fopen(argv[1], "w");
  if (WIFSIGNALED(status)) fprintf(f, "signal %d\n", WTERMSIG(status));
  else fprintf(f, "exit %d\n", WEXITSTATUS(status));
  fclose(f);
  return argc < 3;
}
E
mkdir -p "$work/fake"
"$real" -w -O1 -DREAL="\"$real\"" "$work/fake.c" -o "$work/fake/$(basename "$c")" && "$real" -w "$work/how.c" -o "$work/how" || exit 1
cp good.c slow.c; touch -d '1 hour ago' slow.c "$work/fake/$c" 2>/dev/null
c=gcc; have gcc || c=clang
[ -x "$work/fake/$c" ] || cp "$work/fake/"* "$work/fake/$c"
fake() { PATH=$work/fake:$plain_path "$@"; }
ended() { timeout 40 "$work/how" "$work/how.txt" "$@"; cat "$work/how.txt"; }
fresh
for s in 1 2 3 6 9 11 15; do
  export FAKE="kill $s"
  a=$(fake ended $c -c slow.c -o a.o 2>"$work/out/a.err")
  b=$(fake ended cchain $c -c slow.c -o a.o 2>"$work/out/b.err")
  check "the compiler dies of signal $s: so do we" [ "$a/$b" = "signal $s/signal $s" ]
  check "the compiler dies of signal $s: its output is seen" cmp -s "$work/out/a.err" "$work/out/b.err"
done
read -r _ parent <fake.pid || parent=
[ "$parent" = "$(cat "$work/how.txt.pid")" ] && ok "… as our child" || skip "the compiler is our child" "the library refuses the fake compiler, it has run in our place: $(fake cchain stats --json)"

# kill us alone
killed() {  # FAKE mode, signal, expected end
  export FAKE=$1
  rm -f fake.ready "$work/how.txt"
  fake "$work/how" "$work/how.txt" cchain $c -c slow.c -o a.o 2>"$work/out/k.err" </dev/null &
  local how=$! i us them
  for i in $(seq 200); do [ -s fake.ready ] && break; sleep 0.05; done
  us=$(cat "$work/how.txt.pid"); read -r them _ <fake.ready
  kill -"$2" "$us"
  wait $how
  for i in $(seq 40); do kill -0 "$them" 2>/dev/null || break; sleep 0.05; done
  check "kill -$2 of us alone ($1): $3" [ "$(cat "$work/how.txt")" = "$3" ]
  if kill -0 "$them" 2>/dev/null; then not_ok "kill -$2 of us alone ($1): the compiler is left behind"; kill -9 "$them"
  else ok "kill -$2 of us alone ($1): the compiler has ended"; fi
}
killed wait TERM "signal 15"; check "its output is seen" grep -qx waiting "$work/out/k.err"
killed wait HUP "signal 1"
killed wait INT "signal 2"
killed wait QUIT "signal 3"
killed wait KILL "signal 9"
killed catch TERM "exit 7"; check "its last words are seen" grep -qx caught "$work/out/k.err"
if have script; then
  export FAKE=wait; rm -f fake.ready "$work/how.txt"
  { for i in $(seq 200); do [ -s fake.ready ] && break; sleep 0.05; done; printf '\003'; sleep 1; } |
    timeout 40 script -qec "env PATH=$work/fake:$plain_path $work/how $work/how.txt cchain $c -c slow.c -o a.o" /dev/null >/dev/null 2>&1
  for i in $(seq 40); do [ -s "$work/how.txt" ] && break; sleep 0.05; done
  check "Ctrl-C" [ "$(cat "$work/how.txt")" = "signal 2" ]
  read -r them _ <fake.ready
  check "Ctrl-C: the compiler has ended" eval "! kill -0 $them 2>/dev/null"
fi
fresh
export FAKE='print 40'
run plain fake $c -c slow.c -o a.o; run first fake bounded cchain $c -c slow.c -o a.o
compare "much output on both streams" plain first
run second fake bounded cchain $c -c slow.c -o a.o
compare "much output on both streams, again" plain second
fresh
export FAKE='print 1100'
run plain fake $c -c slow.c -o a.o; run first fake bounded cchain $c -c slow.c -o a.o
compare "more output than we keep" plain first
rm -f "$work/out/"*
fresh
export FAKE=server
t0=$SECONDS; fake cchain $c -c slow.c -o a.o
check "a server that the compiler leaves running is not waited for" [ $((SECONDS - t0)) -lt 10 ]
export FAKE=stdin
fresh
plain_in() { printf 12345 | fake $c -c slow.c -o a.o; }
cchain_in() { printf 12345 | fake cchain $c -c slow.c -o a.o; }
run plain plain_in; run first cchain_in
compare "the compiler reads our standard input" plain first
unset FAKE
if have python3; then
  export FAKE='print 8'
  fresh
  fake $c -c slow.c -o a.o 2>"$work/out/a.err" >/dev/null
  for n in first second; do
    fake timeout 30 python3 "$work/nonblock.py" cchain $c -c slow.c -o a.o >"$work/out/$n.raw"
    check "stderr is a non-blocking pipe, $n time" [ "$(tr -d '\n' <"$work/out/$n.raw" | wc -c)" -ge "$(tr -d '\n' <"$work/out/a.err" | wc -c)" ]
  done
  unset FAKE
fi
fresh
a=$(ended bash -c "trap '' HUP; exec cchain $c -c good.c -o a.o"); check "a signal ignored by our parent" [ "$a" = "exit 0" ]
fresh
a=$(ended bash -c "trap '' CHLD; exec cchain $c -c good.c -o a.o"); check "SIGCHLD ignored by our parent" [ "$a" = "exit 0" ]

echo "# CCHAIN_PREFIX"
printf '#!/bin/sh\necho "$@" >>"%s"\nexec "$@"\n' "$work/prefix.log" >"$work/bin/distcc"; chmod +x "$work/bin/distcc"
for c in $compilers; do
  fresh; : >"$work/prefix.log"
  run plain $c -Wall -c warn.c -o a.o
  export CCHAIN_PREFIX=" distcc  "
  run first cchain $c -Wall -c warn.c -o a.o
  compare "$c: a miss through distcc" plain first
  check "$c: distcc has seen it" [ "$(grep -c -- '-c' "$work/prefix.log")" = 1 ]
  run second cchain $c -Wall -c warn.c -o a.o
  compare "$c: a hit" plain second
  check "$c: distcc has not seen the hit" [ "$(grep -c -- '-c' "$work/prefix.log")" = 1 ]
  cchain $c main.c -o a.out
  check "$c: nor what can't be cached" [ "$(grep -c main.c "$work/prefix.log")" = 0 ]
  fresh
  CCHAIN_PREFIX="distcc env A=B" cchain $c -c good.c -o a.o
  check "$c: a prefix of several words" grep -q '^env A=B' "$work/prefix.log"
  fresh
  export CCHAIN_PREFIX=no-such-distcc
  run first cchain $c -Wall -c warn.c -o a.o
  compare "$c: a prefix that is not there" plain first
  fresh
  export CCHAIN_PREFIX=distcc
  run first bounded env PATH="$work/links:$plain_path" $c -Wall -c warn.c -o a.o
  compare "$c: a prefix, called through a link" plain first
  unset CCHAIN_PREFIX
done

echo "# subcommands"
c=gcc; have gcc || c=clang
fresh
cchain $c -c good.c -o a.o; cchain $c -c good.c -o a.o; cchain $c -E good.c >/dev/null
for s in stats -s "stats --json" config "config --json" version --version -V help --help -h "help stats" "help config" "help trim" \
  "stats --help" flush "trim" "trim --max-size 10G" "trim --max-size=500M --max-age 30d" "trim --max-age 12h" "trim --max-age 90m"; do
  cchain $s >"$work/out/sub" 2>&1; status=$?
  check "cchain $s" eval "[ $status = 0 ] && { [ -s '$work/out/sub' ] || [ '$s' = flush ]; }"
done
check "stats: the table" bash -c "cchain stats | grep -q '^hit rate' && cchain stats | grep -q '^layer '"
if have python3; then
  check "stats --json is JSON" bash -c "cchain stats --json | python3 -c 'import json,sys; d=json.load(sys.stdin); assert d[\"hits\"]==1 and d[\"misses\"]==1 and d[\"uncacheable\"]>=1, d'"
  check "config --json is JSON" bash -c "cchain config --json | python3 -c 'import json,sys; json.load(sys.stdin)[\"values\"]'"
  check "stats --json with a broken configuration is JSON" bash -c \
    "CCHAIN_CONFIG='$work/broken.json' cchain stats --json | python3 -c 'import json,sys; assert \"broken.json\" in json.load(sys.stdin)[\"troubles\"][0][\"text\"]'"
fi
# The table of subcommands is what `help` shows.
check "help --list: each subcommand" [ "$(cchain help --list | cut -f1 | sort | tr '\n' ' ')" = "$(cchain help | sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p' | sort | tr '\n' ' ')" ]
for s in $(cchain help --list | cut -f1); do
  cchain help "$s" >"$work/out/sub"; status=$?
  check "help $s: usage and each option" eval "[ $status = 0 ] && grep -q '^usage: cchain $s' '$work/out/sub' && [ \$(grep -c '^  --' '$work/out/sub') = \$(cchain help --list $s | grep -c .) ]"
  check "$s -x --help" cmp "$work/out/sub" <([ "$s" = help ] && cat "$work/out/sub" || cchain "$s" -x --help)
done
for s in "flush --timeout" "flush --timeout never" "stats --foo" "stats x" "trim --max-size" "trim --max-size many" "trim --max-size 10Q" "trim --max-age 3x" "trim --max-age 0" \
  "clear --foo" "flush x" "version x" "help nothing" "--foo" ""; do
  cchain $s >"$work/out/sub.out" 2>"$work/out/sub"; status=$?
  check "cchain $s: wrong usage is 2" eval "[ $status = 2 ] && [ -s '$work/out/sub' ] && [ ! -s '$work/out/sub.out' ]"
done
cchain clear >/dev/null 2>"$work/out/sub"; status=$?
check "clear without --yes is 1 and explains" eval "[ $status = 1 ] && grep -q -- --yes '$work/out/sub'"
rm -f a.o; cchain -z >/dev/null; cchain $c -c good.c -o a.o
check "… and has removed nothing" [ "$(stat_of hits)" = 1 ]
cchain clear --yes; cchain -z >/dev/null; cchain $c -c good.c -o a.o
check "clear --yes" [ "$(stat_of hits)" = 0 ]
cchain stats --reset >/dev/null; check "stats --reset" [ "$(stat_of lookups)" = 0 ]
cchain stats >/dev/full 2>"$work/out/sub"; status=$?
check "stats on a full disk is 1" eval "[ $status = 1 ] && [ -s '$work/out/sub' ]"

echo "# configure and CMake"
# What autoconf's AC_PROG_CC and AC_C_… do: stderr must be empty where the compiler's is.
configure() {
  local cc=$1
  printf '#include <stdio.h>\nint main(void) { FILE *f = fopen("conftest.out", "w"); return ferror(f) || fclose(f) != 0; }\n' >conftest.c
  $cc -o conftest conftest.c >conftest.log 2>conftest.err; echo "works $? $(cat conftest.err | wc -c)"
  ./conftest; echo "runs $?"
  $cc -V >/dev/null 2>conftest.err; echo "-V $? $(cat conftest.err)"
  $cc -qversion >/dev/null 2>conftest.err; echo "-qversion $? $(cat conftest.err)"
  rm -f conftest.o; $cc -c conftest.c >&5 2>conftest.err; echo "-c $? $(ls conftest.o) $(cat conftest.err)"
  local f
  for f in -g -O2 -std=gnu11 -fno-common -Wno-such -fno-such; do
    rm -f conftest.o; $cc -c $f conftest.c >conftest.log 2>conftest.err; echo "$f $? $(ls conftest.o 2>/dev/null) $(cat conftest.err)"
  done
  printf '#include <no_such_header.h>\n' >conftest.c
  $cc -E conftest.c >/dev/null 2>conftest.err; echo "-E $? $(cat conftest.err)"
  $cc -c conftest.c >/dev/null 2>conftest.err; echo "header $? $(cat conftest.err)"
  printf '#ifndef __GNUC__\n choke me\n#endif\nint main(void) { return 0; }\n' >conftest.c
  $cc -c conftest.c 2>conftest.err; echo "gnu $? $(cat conftest.err)"
  rm -rf conftest*
} 5>/dev/null
for c in $compilers; do
  fresh
  configure $c >"$work/c1"; configure "cchain $c" >"$work/c2"; configure "cchain $c" >"$work/c3"
  check "$c: a configure run" cmp "$work/c1" "$work/c2"
  check "$c: a configure run, again" cmp "$work/c1" "$work/c3"
done
if have cmake; then
  mkdir -p "$work/cm"; cat >"$work/cm/CMakeLists.txt" <<'E'
cmake_minimum_required(VERSION 3.10)
project(t C CXX)
include(CheckCCompilerFlag)
include(CheckCXXCompilerFlag)
include(CheckIncludeFile)
include(CheckFunctionExists)
include(CheckTypeSize)
check_c_compiler_flag(-Wall HAVE_WALL)
check_c_compiler_flag(-fno-such-flag HAVE_NOSUCH)
check_cxx_compiler_flag(-std=c++17 HAVE_17)
check_include_file(stdio.h HAVE_STDIO)
check_include_file(no_such.h HAVE_NO)
check_function_exists(printf HAVE_PRINTF)
check_function_exists(no_such_function HAVE_NOFUNC)
check_type_size(long SIZEOF_LONG)
add_library(a a.c b.cc)
E
  echo 'int a(void) { return 1; }' >"$work/cm/a.c"; echo 'int b() { return 2; }' >"$work/cm/b.cc"; touch -d '1 hour ago' "$work/cm/"*
  for c in $compilers; do
    x=${c/gcc/g++}; x=${x/clang/clang++}
    fresh
    args="-DCMAKE_C_COMPILER=$c -DCMAKE_CXX_COMPILER=$x"
    launch="-DCMAKE_C_COMPILER_LAUNCHER=$work/bin/cchain -DCMAKE_CXX_COMPILER_LAUNCHER=$work/bin/cchain"
    vars() { grep -E '^(HAVE|SIZEOF)' "$1/CMakeCache.txt" | sort; }
    cmake -S "$work/cm" -B "$work/cm/p-$c" $args >/dev/null 2>&1
    cmake -S "$work/cm" -B "$work/cm/l-$c" $args $launch >"$work/cm.log" 2>&1; s1=$?
    check "$c: CMake with a launcher configures" [ $s1 = 0 ]
    check "$c: CMake's checks say the same" [ "$(vars "$work/cm/p-$c")" = "$(vars "$work/cm/l-$c")" ]
    check "$c: CMake builds" cmake --build "$work/cm/l-$c" --target a -- -s >/dev/null
    # CMAKE_C_COMPILER="cchain;gcc", as people write it
    cmake -S "$work/cm" -B "$work/cm/w-$c" "-DCMAKE_C_COMPILER=$work/bin/cchain;$c" "-DCMAKE_CXX_COMPILER=$work/bin/cchain;$x" >"$work/cm.log" 2>&1; s1=$?
    check "$c: CC=\"cchain $c\" in CMake" eval "[ $s1 = 0 ] && [ '$(vars "$work/cm/p-$c")' = '$(vars "$work/cm/w-$c" 2>/dev/null)' ]"
    cchain -z >/dev/null
    cmake --build "$work/cm/l-$c" --target clean >/dev/null
    cmake --build "$work/cm/l-$c" --target a >/dev/null
    check "$c: the second build is served" [ "$(stat_of hits)/$(stat_of misses)" = 2/0 ]
  done
else
  skip "CMake" "no cmake"
fi

echo "# the static command and its twin"
if [ -x "$cchain-dynamic" ] && have strace; then
  c=${compilers# }; c=${c%% *}
  fresh
  # execs TAG command…: how many programs called cchain-dynamic it starts
  execs() { strace -f -e trace=execve -o "$work/execs" "$@" >/dev/null 2>&1; grep -c '^[0-9]* *execve("[^"]*cchain-dynamic"' "$work/execs"; }
  mkdir -p "$work/alone"; cp "$cchain" "$work/alone/cchain"
  cchain $c -c good.c -o a.o; sleep 2.2; cchain $c -c good.c -o a.o
  check "a hit starts no other program" [ "$(grep -c execve <(strace -f -e trace=execve cchain $c -c good.c -o a.o 2>&1))" = 1 ]
  echo '{"tenant": "twins"}' >"$work/twin.json"
  export CCHAIN_CONFIG=$work/twin.json
  check "a configuration that is new is read by the twin" [ "$(execs cchain $c -c good.c -o a.o)" = 1 ]
  check "once" [ "$(execs cchain $c -c good.c -o a.o)" = 0 ]
  check "and used" [ -d "$CCHAIN_DIR/compile/twins" ]
  ln -sf "$cchain" "$work/alone/$c"
  echo '{"tenant": "twins2"}' >"$work/twin.json"
  check "the twin knows links to the command for itself" env PATH="$work/alone:$PATH" "$c" -c good.c -o a.o
  check "and finds the compiler behind them" [ -d "$CCHAIN_DIR/compile/twins2" ]
  echo '{"tenant": "twins3"}' >"$work/twin.json"
  run plain $c -c warn.c -o a.o
  run alone "$work/alone/cchain" $c -c warn.c -o a.o
  compare "without its twin it compiles all the same" plain alone
  echo '{"tenant": ' >"$work/twin.json"
  run first cchain $c -c warn.c -o a.o
  compare "what is no JSON is told by the twin" plain first
  check "at the head of the statistics" grep -q 'twin.json:2' <(cchain stats)
  cp "$cchain" "$work/alone/cchain-dynamic"
  check "a twin that is the command itself is started once" timeout 20 "$work/alone/cchain" $c -c warn.c -o a.o
  rm "$work/alone/cchain-dynamic"
  unset CCHAIN_CONFIG
  check "the hand-over shows to nobody" [ -z "$(cchain sh -c 'echo $CCHAIN_TWIN_OF' 2>/dev/null)" ]
else
  skip "the static command and its twin" "no twin was built, or no strace"
fi

echo "# $skipped skipped"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]

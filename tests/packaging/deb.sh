#!/usr/bin/env bash
# `make deb`: two builds in two folders are equal; the packages install, run and go from a fresh system made by debootstrap (root, a mirror).
#   deb.sh         NINJA=0 without cchain-ninja
# SPDX-License-Identifier: Apache-2.0
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top" || exit 1
work=$(mktemp -d) || exit 1
system=$work/system
leave() { for m in dev proc; do mountpoint -q "$system/$m" && umount "$system/$m"; done; rm -rf --one-file-system "$work"; }
trap leave EXIT
export LC_ALL=C
passed=0 failed=0 skipped=0
check() { local name=$1; shift; if "$@" >"$work/log" 2>&1; then passed=$((passed + 1)); echo "ok - $name"; else failed=$((failed + 1)); echo "not ok - $name"; sed 's/^/# /' "$work/log" | tail -12; fi; }
skip() { skipped=$((skipped + 1)); echo "skip - $1: $2"; }
finish() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" = 0 ]; exit; }
have() { command -v "$1" >/dev/null 2>&1; }
for tool in dpkg-deb dpkg-shlibdeps; do have $tool || { skip "Debian packages" "no $tool"; finish; }; done
version=$(sed -n 's/^#define CC_VERSION_M[AI][JN]OR //p;s/^#define CC_VERSION_PATCH //p' include/cchain.h | paste -sd.)

# From the tarball, in two folders of other names and depths, the second with another umask and time zone.
SOURCE_DATE_EPOCH=1700000000 B=$work VERSION=$version bindings/packaging/dist.sh >/dev/null
mkdir -p "$work/one" "$work/another/place"
for folder in one another/place; do tar -xzf "$work/cchain-$version.tar.gz" -C "$work/$folder"; done
check "make deb" make -C "$work/one/cchain-$version" deb
check "make deb, elsewhere" bash -c "umask 077; TZ=Asia/Tokyo make -C '$work/another/place/cchain-$version' deb"
first=$work/one/cchain-$version/build/deb second=$work/another/place/cchain-$version/build/deb
packages=$(cd "$first" 2>/dev/null && ls -- *.deb)
check "the same packages" test -n "$packages" -a "$packages" = "$(cd "$second" && ls -- *.deb)"
for p in $packages; do check "the same bytes: $p" cmp "$first/$p" "$second/$p"; done
for p in libcchain0 cchain libcchain-dev python3-cchain; do check "there is $p" compgen -G "$first/${p}_*.deb"; done
compgen -G "$first/cchain-ninja_*.deb" >/dev/null || skip cchain-ninja "Ninja's source could not be had"
field() { dpkg-deb -f "$first"/$1_*.deb "$2"; }
check "libcchain0 needs libc" grep -q 'libc6 (>=' <<<"$(field libcchain0 Depends)"
check "libcchain0 recommends curl" grep -q libcurl4 <<<"$(field libcchain0 Recommends)"
check "libcchain0 needs no curl" bash -c "! grep -q curl <<<'$(field libcchain0 Depends)'"
check "each function is in the symbols file" bash -c "dpkg-deb --ctrl-tarfile '$first'/libcchain0_*.deb | tar -xO ./symbols | grep -c ' cc_\|symver' | grep -qv '^0'"
for p in $packages; do
  check "$p: all is root's" bash -c "! dpkg-deb -c '$first/$p' | awk '{ print \$2 }' | grep -v '^root/root\$'"
  check "$p: checksums" bash -c "mkdir -p '$work/x/$p' && dpkg-deb -R '$first/$p' '$work/x/$p' && cd '$work/x/$p' && md5sum -c --quiet DEBIAN/md5sums && [ \$(wc -l <DEBIAN/md5sums) = \$(find . -path ./DEBIAN -prune -o -type f -print | wc -l) ]"
  check "$p: papers" bash -c "ls '$work/x/$p'/usr/share/doc/*/copyright && gzip -t '$work/x/$p'/usr/share/doc/*/changelog*.gz"
  check "$p: nothing names the folder it was built in" bash -c "! grep -rlF '$work' '$work/x/$p'"
done
if have lintian; then
  check "lintian" lintian --fail-on error --suppress-tags bad-distribution-in-changes-file,changelog-file-missing-explicit-entry "$first"/*.deb
else skip lintian "not installed"; fi

# ---- in a system of its own
[ "$(id -u)" = 0 ] || { skip "installing the packages" "not root"; finish; }
have debootstrap || { skip "installing the packages" "no debootstrap"; finish; }
# The mirror and the suite that this machine's apt uses.
read -r mirror suite < <(apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' 2>/dev/null | grep -E ' [a-z]+$' | head -n 1)
[ -n "${suite:-}" ] || { skip "installing the packages" "apt names no mirror"; finish; }
if ! debootstrap --variant=minbase "$suite" "$system" "$mirror" >"$work/debootstrap.log" 2>&1; then
  skip "installing the packages" "debootstrap failed: $(tail -n 1 "$work/debootstrap.log")"
  finish
fi
mount -t proc proc "$system/proc" && mount --bind /dev "$system/dev"
inside() { chroot "$system" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"; }
apt() { inside apt-get -q -y -o Dpkg::Use-Pty=0 --no-install-recommends "$@"; }
inside apt-get -q update >/dev/null 2>&1
files() { inside find / -xdev \( -path /proc -o -path /dev -o -path /tmp -o -path /var/log -o -path /var/cache -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /root \) -prune -o -print | sort; }
# What a compile and the tests below need is no part of what is compared.
apt install gcc libc6-dev python3-minimal python3 pkg-config >"$work/log" 2>&1 || { skip "installing the packages" "$(tail -n 1 "$work/log")"; finish; }
apt install libcjson1 libstdc++6 >/dev/null 2>&1
files >"$work/before"
mkdir -p "$system/tmp/deb" && cp "$first"/*.deb "$system/tmp/deb/"
check "install" apt install $(cd "$system" && ls tmp/deb/*.deb | sed 's|^|/|')
check "dpkg: nothing is half done" test -z "$(inside dpkg --audit)"
inside sh -c 'printf "#include <stdio.h>\nint main(void) { return puts(\"hello\") < 0; }\n" >/tmp/a.c'
check "a compile" inside cchain gcc -c /tmp/a.c -o /tmp/a.o
check "a hit" inside sh -c 'sleep 2.2; cchain gcc -c /tmp/a.c -o /tmp/a.o; cchain gcc -c /tmp/a.c -o /tmp/a.o; cchain stats | grep -q "^hits  *[1-9]"'
check "a configuration file" inside sh -c 'echo "{\"tenant\": \"t\"}" >/tmp/c.json; CCHAIN_CONFIG=/tmp/c.json cchain config | grep -q "^tenant  *t  */tmp/c.json:1"'
check "a layer behind a network says what is lacking, and the compile goes on" inside sh -c 'CCHAIN_LAYERS="/tmp/l http://127.0.0.1:1/" cchain gcc -c /tmp/a.c -o /tmp/a.o && CCHAIN_LAYERS="/tmp/l http://127.0.0.1:1/" cchain stats | grep -q "libcurl.so.4"'
check "and works when it is there" inside sh -c 'apt-get -q -y --no-install-recommends install libcurl4 >/dev/null && CCHAIN_LAYERS="/tmp/l2 http://127.0.0.1:1/" cchain gcc -c /tmp/a.c -o /tmp/a.o && ! CCHAIN_LAYERS="/tmp/l2 http://127.0.0.1:1/" cchain stats | grep -i "can.t be loaded"'
check "links" inside sh -c 'cchain links /tmp/links && PATH=/tmp/links:$PATH gcc -c /tmp/a.c -o /tmp/a.o'
check "development files" inside sh -c 'echo "#include <cchain.h>
int main(void) { return cc_version() == 0; }" >/tmp/u.c && gcc /tmp/u.c -o /tmp/u $(pkg-config --cflags --libs cchain) && /tmp/u'
check "Python" inside python3 -c 'import cchain; cchain.__version__'
[ ! -x "$system/usr/lib/cchain/ninja" ] || check "Ninja" inside sh -c 'cd /tmp && mkdir -p n && cd n && printf "rule cc\n command = gcc -c \$in -o \$out\nbuild a.o: cc ../a.c\n" >build.ninja && /usr/lib/cchain/ninja | grep -q "cchain\|1/1"'
check "remove" apt purge $(for p in $packages; do echo "${p%%_*}"; done)
apt purge libcurl4 >/dev/null 2>&1; inside apt-get -q -y autoremove --purge >/dev/null 2>&1
inside rm -rf /tmp/deb
files >"$work/after"
check "nothing is left" diff <(comm -13 "$work/before" "$work/after" | grep -i cchain) /dev/null
finish

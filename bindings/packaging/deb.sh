#!/usr/bin/env bash
# Builds the Debian packages into $B/deb: libcchain0, cchain, libcchain-dev, python3-cchain and, if Ninja's source can be had, cchain-ninja.
# The same source gives the same bytes, in whatever folder and whenever: compiled without debug information, times of epoch.sh.
#   NINJA=0 leaves cchain-ninja out, NINJA=1 fails without it; MAINTAINER="Name <address>" is who builds.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/../.."
for tool in dpkg-deb dpkg-shlibdeps dpkg-gensymbols strip; do
  command -v $tool >/dev/null || { echo "$tool is missing (packages dpkg-dev, binutils)" >&2; exit 1; }
done
: "${B:=build}" "${VERSION:?}" "${MAKE:=make}" "${NINJA:=}"
: "${MAINTAINER:=Unofficial build <root@localhost>}"
SOURCE_DATE_EPOCH=$(bindings/packaging/epoch.sh)
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
umask 022
input=bindings/packaging/debian
revision=$(dpkg-parsechangelog -l "$input/changelog" -S Version)
[ "${revision%-*}" = "$VERSION" ] || { echo "$input/changelog is of ${revision%-*}, the header of $VERSION" >&2; exit 1; }
arch=$(dpkg --print-architecture)
triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH)

own=$B/deb-build  # objects of its own: with other flags
out=$B/deb
$MAKE --no-print-directory B="$own" CXXFLAGS=-g0 CFLAGS=-g0 all
if [ "$NINJA" != 0 ] && ! $MAKE --no-print-directory B="$own" CXXFLAGS=-g0 ninja; then
  [ "$NINJA" != 1 ] || exit 1
  echo "cchain-ninja is left out: Ninja's source could not be had"
fi
rm -rf "$out"
mkdir -p "$out"
out=$(cd "$out" && pwd)
stage=$(mktemp -d "$own/stage.XXXXXX")
trap 'rm -rf "$stage"' EXIT
mkdir -p "$stage/debian"
cp "$input/control" "$stage/debian/control"
stage=$(cd "$stage" && pwd)

places=(B="$own" VERSION="$VERSION" PREFIX=/usr LIBDIR="/usr/lib/$triplet" PYTHONDIR=/usr/lib/python3/dist-packages
  ZSHCOMPDIR=/usr/share/zsh/vendor-completions DOCDIR=/usr/share/doc/libcchain-dev)
# put PACKAGE COMPONENT: its files, stripped, manuals compressed, and its documents
put() {
  local package=$1 root=$stage/$1 doc=$stage/$1/usr/share/doc/$1 file
  env "${places[@]}" DESTDIR="$root" bindings/packaging/install.sh install "$2"
  find "$root" -type f | while read -r file; do
    case $(head -c 8 "$file" | tr -d '\0') in
      $'\x7fELF'*) strip --strip-unneeded --remove-section=.comment --remove-section=.note "$file" ;;
      '!<arch>'*) strip --strip-debug --remove-section=.comment --enable-deterministic-archives "$file" ;;
    esac
  done
  find "$root" -path '*/man/man*' -type f -exec gzip -9n {} +
  find "$root" -path '*/man/man*' -type l | while read -r file; do ln -s "$(readlink "$file").gz" "$file.gz"; rm "$file"; done
  mkdir -p "$doc" "$root/DEBIAN"
  cp "$input/copyright" "$doc/copyright"
  gzip -9nc "$input/changelog" >"$doc/changelog.Debian.gz"
  gzip -9nc src/CHANGELOG.md >"$doc/changelog.gz"
}
# depends PACKAGE NAME OPTION…: what dpkg-shlibdeps says, as the substitution NAME
depends() {
  local package=$1 name=$2
  shift 2
  (cd "$stage" && dpkg-shlibdeps -S"libcchain0" -l"$stage/libcchain0/usr/lib/$triplet" -xlibcchain0 -O "$@" 2>"$stage/shlibdeps.log") |
    sed -n "s/^shlibs:Depends=/$name=/p" || { cat "$stage/shlibdeps.log" >&2; exit 1; }
}
# Source packages of what is linked statically.
static() { dpkg-query -W -f '${source:Package} (= ${source:Version}), ' libssl-dev libzstd-dev libxxhash-dev libc6-dev "$(dpkg -S "$(realpath "$(${CXX:-g++} -print-file-name=libstdc++.a)")" | cut -d: -f1)" | sed 's/, $//'; }
# finish PACKAGE [NAME=VALUE…]: control data with the substitutions filled in, checksums, the package
finish() {
  local package=$1 root=$stage/$1 size
  shift
  size=$(find "$root" -path "$root/DEBIAN" -prune -o -type f -printf '%s\n' -o -type l -printf '1\n' -o -type d -printf '1024\n' | awk '{ kib += int(($1 + 1023) / 1024) } END { print kib }')
  # Its paragraph of the control file; a field whose value is empty goes.
  awk -v package="$package" 'BEGIN { RS = ""; ORS = "\n" } $0 ~ "(^|\n)Package: " package "(\n|$)"' "$input/control" | {
    sed_args=(-e "s|\${version}|$revision|g" -e "s|\${arch}|$arch|g" -e "s|\${maintainer}|${MAINTAINER//&/\\&}|g" -e "s|\${size}|$size|g")
    for pair in "$@"; do sed_args+=(-e "s|\${${pair%%=*}}|${pair#*=}|g"); done
    sed "${sed_args[@]}" -e 's/: , /: /;/^[A-Za-z-]*: *$/d'
  } >"$root/DEBIAN/control"
  if grep -n '\${' "$root/DEBIAN/control" >&2; then exit 1; fi
  for script in postinst prerm shlibs triggers; do
    [ ! -f "$input/$package.$script" ] || install -m "$(case $script in p*) echo 755 ;; *) echo 644 ;; esac)" "$input/$package.$script" "$root/DEBIAN/$script"
  done
  (cd "$root" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
  find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  dpkg-deb --root-owner-group -Zxz --build "$root" "$out" >/dev/null
}

put libcchain0 lib
# Each version node of the map is the version from which its functions are there.
{
  echo 'libcchain.so.0 libcchain0 #MINVER#'
  sed -n 's/^\(CCHAIN_\([0-9.]*\)\) {.*/ (symver)\1 \2.0/p' src/abi/libcchain.map
} >"$stage/debian/libcchain0.symbols"
# The plug-in is no library of anybody's.
(cd "$stage" && dpkg-gensymbols -plibcchain0 -Plibcchain0 -v"$VERSION" -elibcchain0/usr/lib/"$triplet"/libcchain.so."$VERSION" -Olibcchain0/DEBIAN/symbols -q -c4)
plugin=$stage/libcchain0/usr/lib/$triplet/cchain/cchain-remote.so
needs=$(depends libcchain0 needs -e"$stage/libcchain0/usr/lib/$triplet/libcchain.so.$VERSION")
# What only the plug-in needs is wanted by those who have a layer behind a network.
network=$(depends libcchain0 network -e"$plugin")
finish libcchain0 "$needs" "$network" "static=$(static)"

put cchain bin
finish cchain "$(depends cchain needs -e"$stage/cchain/usr/lib/cchain/cchain-dynamic")" "static=$(static)"
put libcchain-dev dev
finish libcchain-dev "static=$(static)"
put python3-cchain python
finish python3-cchain
if [ -f "$own/ninja" ] && [ "$NINJA" != 0 ]; then
  put cchain-ninja ninja
  finish cchain-ninja "$(depends cchain-ninja needs -e"$stage/cchain-ninja/usr/lib/cchain/ninja")"
fi
ls "$out"

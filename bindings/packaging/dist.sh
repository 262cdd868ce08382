#!/usr/bin/env bash
# The source as $B/cchain-VERSION.tar.gz: what git knows of, or all of an unpacked tarball; the same bytes for the same source.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${B:=build}" "${VERSION:?}"
mkdir -p "$B"
name=cchain-$VERSION
epoch=$(bindings/packaging/epoch.sh)
files() {
  if [ -e .git ] && command -v git >/dev/null; then git ls-files -z
  else
    find Makefile LICENSE README.md .gitignore .ci include src bindings ninja-patch tests -name __pycache__ -prune -o \( -type f -o -type l \) -print0
  fi
}
files | LC_ALL=C sort -z |
  tar --null --no-recursion --verbatim-files-from -T - -cf - --format=ustar --owner=0 --group=0 --numeric-owner --mtime="@$epoch" --mode='u+rwX,go=rX' \
    --transform="s|^|$name/|S" | gzip -9n >"$B/$name.tar.gz.tmp"
mv "$B/$name.tar.gz.tmp" "$B/$name.tar.gz"
echo "$B/$name.tar.gz"
